//! The plugin of pretix (2023).

use merchant_otp_tests::Storage;

use super::{Answer, Exchange, JSON, Member, NO_ENDPOINT, backend, replay};
use crate::on_both_databases;

on_both_databases! {
    it_checks_the_connection_and_creates_an_order,
}

const ACCEPT: &str = "Accept: */*";
const ENCODING: &str = "Accept-Encoding: gzip, deflate";

fn it_checks_the_connection_and_creates_an_order(storage: &Storage) {
    let server = backend(storage);
    replay(
        &server,
        "",
        &[
            Exchange {
                request: "GET /instances/shop1/config",
                headers: &[ENCODING, ACCEPT],
                body: "",
                answer: Answer::Shown(&[
                    ("/name", Member::Is(r#""taler-merchant""#)),
                    // Three numbers, of which it refuses those before 3.
                    ("/version", Member::Version(3, u32::MAX)),
                    ("/currency", Member::Text),
                ]),
            },
            Exchange {
                request: "POST /instances/shop1/private/orders",
                headers: &[ENCODING, ACCEPT, "Authorization: Bearer secret-token:pass-1", JSON],
                body: concat!(
                    r#"{"order": {"summary": "Order X for Y", "order_id": "ABC12-P-1", "#,
                    r#""amount": "EUR:5.00"}, "create_token": true}"#,
                ),
                answer: NO_ENDPOINT,
            },
            // The header, where the service has an endpoint.
            Exchange {
                request: "GET /instances/shop1/private/otp-devices",
                headers: &[ENCODING, ACCEPT, "Authorization: Bearer secret-token:pass-1"],
                body: "",
                answer: Answer::Shown(&[("/otp_devices", Member::Array)]),
            },
        ],
    );
}
