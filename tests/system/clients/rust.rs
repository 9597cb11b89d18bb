//! taler-rs (August 2026), which accepts a password or a token, with the prefix or without it.

use merchant_otp_tests::Storage;

use super::{Answer, Exchange, JSON, Member, NO_ENDPOINT, backend, replay};
use crate::on_both_databases;

on_both_databases! {
    it_creates_an_order_with_a_password,
    it_uses_a_token,
}

const ACCEPT: &str = "Accept: application/json";
const WITH_PASSWORD: &[&str] = &["Authorization: Bearer secret-token:pass-1", ACCEPT];
const CONFIG: Exchange = Exchange {
    request: "GET /instances/shop1/config",
    headers: &[ACCEPT],
    body: "",
    answer: Answer::Shown(&[
        ("/version", Member::Text),
        ("/name", Member::Text),
        ("/currency", Member::Text),
    ]),
};

fn it_creates_an_order_with_a_password(storage: &Storage) {
    let server = backend(storage);
    replay(
        &server,
        "",
        &[
            CONFIG,
            Exchange {
                request: "POST /instances/shop1/private/orders",
                headers: &["Authorization: Bearer secret-token:pass-1", ACCEPT, JSON],
                body: concat!(
                    r#"{"order":{"amount":"KUDOS:1","summary":"Donation","#,
                    r#""fulfillment_url":"https://example.com/thanks","#,
                    r#""order_id":"o-00112233445566778899aabbccddeeff"},"create_token":false}"#,
                ),
                answer: NO_ENDPOINT,
            },
            Exchange {
                request: concat!(
                    "GET /instances/shop1/private/orders/",
                    "o-00112233445566778899aabbccddeeff",
                ),
                headers: WITH_PASSWORD,
                body: "",
                answer: NO_ENDPOINT,
            },
            // The header, where the service has an endpoint.
            Exchange {
                request: "GET /instances/shop1/private/otp-devices",
                headers: WITH_PASSWORD,
                body: "",
                answer: Answer::Shown(&[("/otp_devices", Member::Array)]),
            },
        ],
    );
}

fn it_uses_a_token(storage: &Storage) {
    let server = backend(storage);
    let token = storage.token("shop1", "all", "forever");
    replay(
        &server,
        &token,
        &[
            CONFIG,
            Exchange {
                request: "GET /instances/shop1/private/otp-devices",
                headers: &["Authorization: Bearer secret-token:$T", ACCEPT],
                body: "",
                answer: Answer::Shown(&[("/otp_devices", Member::Array)]),
            },
        ],
    );
}
