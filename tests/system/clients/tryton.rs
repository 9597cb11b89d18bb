//! The module of Tryton for payments by Taler (7.0.1), with python-requests: its set-up wizard.

use merchant_otp_tests::Storage;

use super::{Answer, Exchange, JSON, Member, NO_ENDPOINT, UNAUTHORIZED, backend, replay};
use crate::on_both_databases;

on_both_databases! {
    its_wizard_checks_the_connection,
    its_wizard_reports_what_is_wrong,
}

const ACCEPT: &str = "Accept: */*";
const ENCODING: &str = "Accept-Encoding: gzip, deflate";
const ANONYMOUS: &[&str] = &[ENCODING, ACCEPT, "Connection: keep-alive"];
const WITH_PASSWORD: &[&str] =
    &[ENCODING, ACCEPT, "Connection: keep-alive", "Authorization: Bearer secret-token:pass-1"];
const WITH_PASSWORD_AND_JSON: &[&str] = &[
    ENCODING,
    ACCEPT,
    "Connection: keep-alive",
    "Authorization: Bearer secret-token:pass-1",
    JSON,
];

fn its_wizard_checks_the_connection(storage: &Storage) {
    let server = backend(storage);
    replay(
        &server,
        "",
        &[
            // It needs a status below 400, and does not follow the redirect.
            Exchange {
                request: "HEAD /instances/shop1",
                headers: ANONYMOUS,
                body: "",
                answer: Answer::Headers(302, &[("Location", "webui/")]),
            },
            Exchange {
                request: "GET /instances/shop1/private",
                headers: WITH_PASSWORD,
                body: "",
                answer: Answer::Shown(&[
                    ("", Member::Object),
                    ("/default_pay_delay/d_us", Member::Number),
                    ("/default_refund_delay/d_us", Member::Number),
                    ("/default_wire_transfer_delay/d_us", Member::Number),
                ]),
            },
            Exchange {
                request: "POST /instances/shop1/private/token",
                headers: WITH_PASSWORD_AND_JSON,
                body: concat!(
                    r#"{"description": "Tryton Merchant Account 'Shop'", "#,
                    r#""scope": "order-mgmt:refreshable"}"#,
                ),
                answer: Answer::LoggedIn(
                    "/access_token",
                    &[
                        ("/access_token", Member::Token),
                        ("/refreshable", Member::Is("true")),
                        ("/expiration/t_s", Member::Ahead(86_400)),
                    ],
                ),
            },
            // It shows the hint.
            Exchange {
                request: "POST /instances/shop1/private/webhooks",
                headers: WITH_PASSWORD_AND_JSON,
                body: concat!(
                    r#"{"url": "https://erp.example/hook", "http_method": "POST", "#,
                    r#""body_template": "{\"event\": \"payment\", "#,
                    r#"\"order_id\": \"{{order_id}}\"}", "event_type": "pay", "#,
                    r#""webhook_id": "Tryton-Webhook-0a1b2c3d-pay"}"#,
                ),
                answer: NO_ENDPOINT,
            },
        ],
    );
}

fn its_wizard_reports_what_is_wrong(storage: &Storage) {
    let server = backend(storage);
    replay(
        &server,
        "",
        &[
            Exchange {
                request: "HEAD /instances/shop2",
                headers: ANONYMOUS,
                body: "",
                answer: Answer::Headers(404, &[]),
            },
            Exchange {
                request: "GET /instances/shop1/private",
                headers: &[ENCODING, ACCEPT, "Authorization: Bearer secret-token:pass-2"],
                body: "",
                answer: UNAUTHORIZED,
            },
            Exchange {
                request: "GET /instances/shop1/private/orders",
                headers: WITH_PASSWORD,
                body: "",
                answer: NO_ENDPOINT,
            },
        ],
    );
}
