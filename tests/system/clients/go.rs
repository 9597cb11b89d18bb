//! taler-go (February 2026), with `net/http`.

use merchant_otp_tests::{ErrorCode, Storage};

use super::{Answer, Exchange, Member, NO_ENDPOINT, backend, replay};
use crate::on_both_databases;

on_both_databases! {
    it_reads_the_configuration_and_creates_an_order,
    a_token_with_its_prefix_is_explained,
}

const USER_AGENT: &str = "User-Agent: Go-http-client/1.1";
const ENCODING: &str = "Accept-Encoding: gzip";
const WITH_TOKEN: &[&str] = &[USER_AGENT, "Authorization: Bearer secret-token:$T", ENCODING];

fn it_reads_the_configuration_and_creates_an_order(storage: &Storage) {
    let server = backend(storage);
    let token = storage.token("shop1", "all", "forever");
    replay(
        &server,
        &token,
        &[
            Exchange {
                request: "GET /instances/shop1/config",
                headers: &[USER_AGENT, ENCODING],
                body: "",
                answer: Answer::Shown(&[
                    ("/currency", Member::Text),
                    ("/currencies", Member::Object),
                    ("/name", Member::Text),
                    ("/version", Member::Text),
                ]),
            },
            // The base URL has a slash at its end.
            Exchange {
                request: "GET /instances/shop1//config",
                headers: &[USER_AGENT, ENCODING],
                body: "",
                answer: NO_ENDPOINT,
            },
            Exchange {
                request: "POST /instances/shop1/private/orders",
                headers: WITH_TOKEN,
                body: concat!(
                    r#"{"order":{"amount":"KUDOS:1","summary":"Fee","#,
                    r#""fulfillment_url":"https://example.com/done","Extra":""}}"#,
                ),
                answer: NO_ENDPOINT,
            },
            Exchange {
                request: "GET /instances/shop1/private/orders/2026.001-00AAAABBBBCCC",
                headers: WITH_TOKEN,
                body: "",
                answer: NO_ENDPOINT,
            },
            // A body without a `Content-Type`, where the service has an endpoint.
            Exchange {
                request: "POST /instances/shop1/private/otp-devices",
                headers: WITH_TOKEN,
                body: concat!(
                    r#"{"otp_device_id":"till","otp_device_description":"Till","#,
                    r#""otp_key":"JBSWY3DPEHPK3PXP","otp_algorithm":1}"#,
                ),
                answer: Answer::Done,
            },
        ],
    );
}

/// It puts the prefix before what the user enters.
fn a_token_with_its_prefix_is_explained(storage: &Storage) {
    let server = backend(storage);
    let token = storage.token("shop1", "all", "forever");
    replay(
        &server,
        &token,
        &[Exchange {
            request: "GET /instances/shop1/private/otp-devices",
            headers: &[USER_AGENT, "Authorization: Bearer secret-token:secret-token:$T", ENCODING],
            body: "",
            answer: Answer::Explained(
                401,
                ErrorCode::MerchantGenericUnauthorized,
                "secret-token: twice",
            ),
        }],
    );
}
