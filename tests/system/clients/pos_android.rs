//! The Android point-of-sale app of GNU Taler (2026).

use merchant_otp_tests::Storage;

use super::{Answer, Exchange, JSON, Member, NO_ENDPOINT, UNAUTHORIZED, backend, replay};
use crate::on_both_databases;

on_both_databases! {
    it_logs_in_with_a_password,
    it_is_set_up_by_a_qr_code,
    it_reports_a_wrong_password,
}

/// What follows the log-in, and the scan of a QR code with a token.
const SESSION: &[Exchange] = &[
    Exchange {
        request: "GET /instances/shop1/private%2Fpos",
        headers: &["Authorization: Bearer secret-token:$T"],
        body: "",
        answer: NO_ENDPOINT,
    },
    Exchange {
        request: "GET /instances/shop1/config",
        headers: &[],
        body: "",
        answer: Answer::Shown(&[
            // The app implements 20:0:8.
            ("/version", Member::Version(12, 20)),
            ("/currency", Member::Text),
        ]),
    },
    Exchange {
        request: "GET /instances/shop1/private/otp-devices",
        headers: &["Authorization: Bearer secret-token:$T"],
        body: "",
        answer: Answer::Shown(&[("/otp_devices", Member::Array)]),
    },
];

/// All are mandatory. It reads the deprecated name of the token.
const TOKEN: &[(&str, Member)] = &[
    ("/token", Member::Token),
    ("/scope", Member::Is(r#""write""#)),
    ("/refreshable", Member::Boolean),
    ("/expiration/t_s", Member::Is(r#""never""#)),
];

fn it_logs_in_with_a_password(storage: &Storage) {
    const LOG_IN: Exchange = Exchange {
        request: "POST /instances/shop1/private/token",
        headers: &["Authorization: Bearer secret-token:pass-1", JSON],
        body: r#"{"scope":"write","duration":{"d_us":"forever"}}"#,
        answer: Answer::LoggedIn("/token", TOKEN),
    };
    const LOG_IN_OF_ADMIN: Exchange = Exchange {
        request: "POST /instances/admin/private/token",
        headers: &["Authorization: Bearer secret-token:pass-0", JSON],
        ..LOG_IN
    };
    let server = backend(storage);
    let token = replay(&server, "", &[LOG_IN]);
    replay(&server, &token, SESSION);
    replay(&server, "", &[LOG_IN_OF_ADMIN]);
}

fn it_is_set_up_by_a_qr_code(storage: &Storage) {
    let server = backend(storage);
    let token = storage.token("shop1", "write", "forever");
    replay(&server, &token, SESSION);
}

/// It shows "wrong credentials" on 401, and "network error" on any other status from 400 on.
fn it_reports_a_wrong_password(storage: &Storage) {
    let server = backend(storage);
    replay(
        &server,
        "",
        &[Exchange {
            request: "POST /instances/shop1/private/token",
            headers: &["Authorization: Bearer secret-token:pass-2", JSON],
            body: r#"{"scope":"write","duration":{"d_us":"forever"}}"#,
            answer: UNAUTHORIZED,
        }],
    );
}
