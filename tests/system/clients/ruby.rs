//! taler-ruby (January 2026), which uses `Net::HTTP`.

use merchant_otp_tests::Storage;

use super::{Answer, Exchange, JSON, Member, NO_ENDPOINT, backend, replay};
use crate::on_both_databases;

on_both_databases! {
    it_logs_in_and_creates_an_order,
    a_former_version_sends_the_password_with_every_request,
}

const ACCEPT: &str = "Accept: application/json";
const USER_AGENT: &str = "User-Agent: Taler Ruby";
const ENCODING: &str = "Accept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3";
const WITH_TOKEN: &[&str] =
    &["Authorization: Bearer secret-token:$T", JSON, ACCEPT, USER_AGENT, ENCODING];
const WITH_PASSWORD: &[&str] =
    &["Authorization: Bearer secret-token:pass-1", JSON, ACCEPT, USER_AGENT, ENCODING];

fn it_logs_in_and_creates_an_order(storage: &Storage) {
    let server = backend(storage);
    replay(
        &server,
        "",
        &[
            Exchange {
                request: "POST /instances/shop1/private/token",
                headers: WITH_PASSWORD,
                body: r#"{"scope":"write"}"#,
                answer: Answer::LoggedIn(
                    "/token",
                    &[
                        ("/token", Member::Token),
                        ("/access_token", Member::Token),
                        ("/scope", Member::Is(r#""write""#)),
                        ("/expiration/t_s", Member::Ahead(86_400)),
                    ],
                ),
            },
            // It parses every body as JSON, whatever the status.
            Exchange {
                request: "POST /instances/shop1/private/orders",
                headers: WITH_TOKEN,
                body: concat!(
                    r#"{"order":{"amount":"KUDOS:3.20","summary":"Order total","#,
                    r#""fulfillment_url":"http://example.com"},"create_token":false}"#,
                ),
                answer: NO_ENDPOINT,
            },
            Exchange {
                request: "GET /instances/shop1/private/orders/2026.001-00AAAABBBBCCC",
                headers: WITH_TOKEN,
                body: "",
                answer: NO_ENDPOINT,
            },
        ],
    );
}

fn a_former_version_sends_the_password_with_every_request(storage: &Storage) {
    const LIST: Exchange = Exchange {
        request: "GET /instances/shop1/private/otp-devices",
        headers: WITH_PASSWORD,
        body: "",
        answer: Answer::Shown(&[("/otp_devices", Member::Array)]),
    };
    let server = backend(storage);
    replay(&server, "", &[LIST, LIST]);
}
