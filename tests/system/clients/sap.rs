//! The connector for SAP (2025).

use merchant_otp_tests::Storage;

use super::{Answer, Exchange, JSON, Member, NO_ENDPOINT, UNAUTHORIZED, backend, replay};
use crate::on_both_databases;

on_both_databases! {
    admin_connects,
    the_password_of_an_instance_does_not_manage_instances,
}

const ACCEPT: &str = "Accept: application/json";

fn admin_connects(storage: &Storage) {
    let server = backend(storage);
    replay(
        &server,
        "",
        &[
            Exchange {
                request: "GET /management/instances/admin",
                headers: &["Authorization: Bearer secret-token:pass-0", ACCEPT],
                body: "",
                answer: Answer::Shown(&[("/name", Member::Is(r#""admin""#))]),
            },
            Exchange {
                request: "GET /management/instances/shop1",
                headers: &["Authorization: Bearer secret-token:pass-0", ACCEPT],
                body: "",
                answer: Answer::Shown(&[("/name", Member::Is(r#""shop1""#))]),
            },
            Exchange {
                request: "POST /private/webhooks",
                headers: &["Authorization: Bearer secret-token:pass-0", JSON],
                body: WEBHOOK,
                answer: NO_ENDPOINT,
            },
        ],
    );
}

/// `/management` asks for `admin`.
fn the_password_of_an_instance_does_not_manage_instances(storage: &Storage) {
    let server = backend(storage);
    replay(
        &server,
        "",
        &[
            Exchange {
                request: "GET /management/instances/shop1",
                headers: &["Authorization: Bearer secret-token:pass-1", ACCEPT],
                body: "",
                answer: UNAUTHORIZED,
            },
            Exchange {
                request: "POST /instances/shop1/private/webhooks",
                headers: &["Authorization: Bearer secret-token:pass-1", JSON],
                body: WEBHOOK,
                answer: NO_ENDPOINT,
            },
        ],
    );
}

const WEBHOOK: &str = concat!(
    r#"{"webhook_id":"sap-settled","event_type":"order_settled","#,
    r#""url":"https://sap.example/hook","http_method":"POST","#,
    r#""body_template":"{{order_id}}|{{wtid}}"}"#,
);
