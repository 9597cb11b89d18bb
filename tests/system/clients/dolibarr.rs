//! talerbarr, the module of Dolibarr (April 2026): a page in the browser logs in, and PHP does the
//! rest.

use merchant_otp_tests::Storage;

use super::{Answer, Exchange, JSON, Member, NO_ENDPOINT, backend, replay};
use crate::on_both_databases;

on_both_databases! {
    its_page_logs_in,
    its_page_logs_in_as_admin,
    its_page_sends_passwords_in_latin_1,
    its_page_sees_a_wrong_password,
    its_server_checks_the_connection,
}

const ORIGIN: &str = "Origin: https://erp.example";
const ACCEPT: &str = "Accept: application/json";

const PREFLIGHT: Exchange = Exchange {
    request: "OPTIONS /instances/shop1/private/token",
    headers: &[
        ORIGIN,
        "Access-Control-Request-Method: POST",
        "Access-Control-Request-Headers: authorization,content-type",
    ],
    body: "",
    answer: Answer::Headers(
        204,
        &[
            ("Access-Control-Allow-Origin", "*"),
            ("Access-Control-Allow-Methods", "POST"),
            // `*` covers all but this one (Fetch standard).
            ("Access-Control-Allow-Headers", "*, Authorization"),
        ],
    ),
};

const LOG_IN: Exchange = Exchange {
    request: "POST /instances/shop1/private/token",
    headers: &[ORIGIN, "Authorization: Basic c2hvcDE6cGFzcy0x", ACCEPT, JSON],
    body: r#"{"scope":"all:refreshable","duration":{"d_us":"forever"}}"#,
    answer: Answer::LoggedIn(
        "/access_token",
        &[("/access_token", Member::Token), ("/expiration/t_s", Member::Is(r#""never""#))],
    ),
};

fn its_page_logs_in(storage: &Storage) {
    let server = backend(storage);
    replay(&server, "", &[PREFLIGHT, LOG_IN]);
    let reply = LOG_IN.send(&server, "");
    assert_eq!(reply.header("Access-Control-Allow-Origin"), Some("*"));
}

fn its_page_logs_in_as_admin(storage: &Storage) {
    let server = backend(storage);
    replay(
        &server,
        "",
        &[
            Exchange { request: "OPTIONS /private/token", ..PREFLIGHT },
            Exchange {
                request: "POST /private/token",
                headers: &[ORIGIN, "Authorization: Basic YWRtaW46cGFzcy0w", ACCEPT, JSON],
                ..LOG_IN
            },
        ],
    );
}

/// `btoa` encodes the character é as the byte E9.
fn its_page_sends_passwords_in_latin_1(storage: &Storage) {
    let server = backend(storage);
    storage.password("cafe", "é");
    replay(
        &server,
        "",
        &[Exchange {
            request: "POST /instances/cafe/private/token",
            headers: &[ORIGIN, "Authorization: Basic Y2FmZTrp", ACCEPT, JSON],
            ..LOG_IN
        }],
    );
}

/// The page shows the error itself: no dialog of the browser.
fn its_page_sees_a_wrong_password(storage: &Storage) {
    let server = backend(storage);
    let wrong = Exchange {
        headers: &[ORIGIN, "Authorization: Basic c2hvcDE6cGFzcy0y", ACCEPT, JSON],
        answer: Answer::Headers(401, &[("Access-Control-Allow-Origin", "*")]),
        ..LOG_IN
    };
    let reply = wrong.send(&server, "");
    wrong.check(&reply);
    let challenges: Vec<_> = reply.headers.get_all("WWW-Authenticate").iter().collect();
    assert_eq!(challenges, ["Bearer"]);
}

fn its_server_checks_the_connection(storage: &Storage) {
    let server = backend(storage);
    let token = replay(&server, "", &[LOG_IN]);
    replay(
        &server,
        &token,
        &[
            Exchange {
                request: "GET /config",
                headers: &[ACCEPT],
                body: "",
                answer: Answer::Shown(&[("/version", Member::Text), ("/currency", Member::Text)]),
            },
            // Shown as "Credentials check failed": the service has no categories.
            Exchange {
                request: "GET /instances/shop1/private/categories",
                headers: &[ACCEPT, "Authorization: Bearer secret-token:$T"],
                body: "",
                answer: NO_ENDPOINT,
            },
        ],
    );
}
