//! The official TypeScript client of 2022 (axios 0.27), and the integration tests of its time,
//! which state the answers of the C backend.

use merchant_otp_tests::{ErrorCode, Storage};

use super::{Answer, Exchange, JSON, Member, NO_ENDPOINT, UNAUTHORIZED, backend, replay};
use crate::on_both_databases;

on_both_databases! {
    an_empty_backend_needs_credentials,
    an_external_instance_is_refused,
    an_instance_is_created_and_removed,
    a_password_is_changed,
    malformed_headers_count_as_none,
    public_paths_ignore_the_header,
    unknown_paths_are_not_found,
}

const ACCEPT: &str = "Accept: application/json, text/plain, */*";
const USER_AGENT: &str = "User-Agent: axios/0.27.2";
const ANONYMOUS: &[&str] = &[ACCEPT, USER_AGENT];
const FOO: &[&str] = &[ACCEPT, "Authorization: Bearer foo", USER_AGENT];
const ADMIN: &[&str] = &[ACCEPT, "Authorization: Bearer secret-token:pass-0", USER_AGENT];
const ADMIN_AND_JSON: &[&str] =
    &[ACCEPT, JSON, "Authorization: Bearer secret-token:pass-0", USER_AGENT];
const UNKNOWN: Answer = Answer::Refused(404, ErrorCode::MerchantGenericInstanceUnknown);
const CONFIG: Answer = Answer::Shown(&[("/name", Member::Is(r#""taler-merchant""#))]);

const LIST: Exchange = Exchange {
    request: "GET /management/instances",
    headers: ADMIN,
    body: "",
    answer: Answer::Shown(&[("/instances", Member::Array)]),
};

const CREATE: Exchange = Exchange {
    request: "POST /management/instances",
    headers: ADMIN_AND_JSON,
    body: concat!(
        r#"{"id":"myinst","address":{},"default_max_deposit_fee":"TESTKUDOS:1","#,
        r#""default_max_wire_fee":"TESTKUDOS:1","default_pay_delay":{"d_us":60000000},"#,
        r#""default_wire_fee_amortization":1,"#,
        r#""default_wire_transfer_delay":{"d_us":60000000},"jurisdiction":{},"#,
        r#""name":"Second shop","payto_uris":["payto://x-taler-bank/localhost/myinst"],"#,
        r#""auth":{"method":"token","token":"secret-token:pass-my"}}"#,
    ),
    answer: Answer::Done,
};

const SHOW: Exchange = Exchange {
    request: "GET /management/instances/myinst",
    headers: ADMIN,
    body: "",
    answer: Answer::Shown(&[
        ("/name", Member::Is(r#""Second shop""#)),
        ("/auth/method", Member::Is(r#""token""#)),
        ("/auth/token", Member::Absent),
        ("/default_pay_delay/d_us", Member::Is("60000000")),
    ]),
};

const REMOVE: Exchange = Exchange {
    request: "DELETE /management/instances/myinst",
    headers: ADMIN,
    body: "",
    answer: Answer::Done,
};

/// In 2022, the answer was an empty list. The first start makes `admin`, so that no backend is
/// empty.
fn an_empty_backend_needs_credentials(storage: &Storage) {
    let server = merchant_otp_tests::Server::start(storage);
    let _admin = storage.token("admin", "all", "forever");
    replay(
        &server,
        "",
        &[
            Exchange { headers: ANONYMOUS, answer: UNAUTHORIZED, ..LIST },
            Exchange { headers: &[ACCEPT, JSON, USER_AGENT], answer: UNAUTHORIZED, ..CREATE },
        ],
    );
}

fn an_external_instance_is_refused(storage: &Storage) {
    const EXTERNAL: Exchange = Exchange {
        request: "POST /management/instances",
        headers: &[ACCEPT, JSON, USER_AGENT],
        body: concat!(
            r#"{"id":"myinst","address":{},"jurisdiction":{},"name":"Second shop","#,
            r#""default_pay_delay":{"d_us":60000000},"#,
            r#""default_wire_transfer_delay":{"d_us":60000000},"auth":{"method":"external"}}"#,
        ),
        answer: UNAUTHORIZED,
    };
    let server = backend(storage);
    let bad_auth = Answer::Refused(400, ErrorCode::MerchantPrivatePostInstancesBadAuth);
    let of_admin = Exchange { headers: ADMIN_AND_JSON, answer: bad_auth, ..EXTERNAL };
    replay(&server, "", &[EXTERNAL, of_admin]);
}

fn an_instance_is_created_and_removed(storage: &Storage) {
    let server = backend(storage);
    let wrong = &[ACCEPT, "Authorization: Bearer secret-token:pass-9", USER_AGENT];
    replay(
        &server,
        "",
        &[
            CREATE,
            LIST,
            SHOW,
            // The text after the prefix is the password.
            Exchange {
                request: "GET /instances/myinst/private/otp-devices",
                headers: &[ACCEPT, "Authorization: Bearer secret-token:pass-my", USER_AGENT],
                body: "",
                answer: Answer::Shown(&[("/otp_devices", Member::Array)]),
            },
            Exchange {
                request: "GET /instances/myinst/private/otp-devices",
                headers: ADMIN,
                body: "",
                answer: UNAUTHORIZED,
            },
            Exchange { headers: ANONYMOUS, answer: UNAUTHORIZED, ..REMOVE },
            Exchange { headers: wrong, answer: UNAUTHORIZED, ..REMOVE },
            SHOW,
            REMOVE,
        ],
    );
}

fn a_password_is_changed(storage: &Storage) {
    const NEW: &[&str] = &[ACCEPT, "Authorization: Bearer secret-token:pass-4", USER_AGENT];
    const BLANKS: &[&str] = &[ACCEPT, "Authorization: Bearer     secret-token:pass-4", USER_AGENT];
    let server = backend(storage);
    replay(
        &server,
        "",
        &[
            LIST,
            Exchange {
                request: "POST /private/auth",
                headers: ADMIN_AND_JSON,
                body: r#"{"method":"token","token":"secret-token:pass-4"}"#,
                answer: Answer::Done,
            },
            Exchange { headers: ANONYMOUS, answer: UNAUTHORIZED, ..LIST },
            Exchange { headers: NEW, ..LIST },
            Exchange { headers: BLANKS, ..LIST },
            // The former password is forgotten at once.
            Exchange { answer: UNAUTHORIZED, ..LIST },
        ],
    );
}

fn malformed_headers_count_as_none(storage: &Storage) {
    const MALFORMED: Exchange = Exchange {
        headers: &[ACCEPT, "Authorization: foo bar-baz", USER_AGENT],
        answer: Answer::Explained(
            401,
            ErrorCode::MerchantGenericUnauthorized,
            "must be of the form `Bearer secret-token:…`",
        ),
        ..LIST
    };
    let server = backend(storage);
    replay(&server, "", &[MALFORMED]);
}

fn public_paths_ignore_the_header(storage: &Storage) {
    const SHOW: Exchange =
        Exchange { request: "GET /config", headers: FOO, body: "", answer: CONFIG };
    let server = backend(storage);
    replay(
        &server,
        "",
        &[
            SHOW,
            Exchange { request: "GET /instances/shop1/config", ..SHOW },
            Exchange { request: "GET /instances/default/config", ..SHOW },
            Exchange { request: "GET /instances/foo/config", answer: UNKNOWN, ..SHOW },
        ],
    );
}

fn unknown_paths_are_not_found(storage: &Storage) {
    let server = backend(storage);
    for request in [
        "GET /instances/shop1/private/instances",
        "GET /private/instances/shop1/config",
        "GET /private/instances/shop1/orders",
        "GET /private/instances/default/instances/default/config",
        "GET /instances/default/instances/config",
        "GET /instances/shop1/private/orders",
    ] {
        replay(&server, "", &[Exchange { request, headers: FOO, body: "", answer: NO_ENDPOINT }]);
    }
    replay(
        &server,
        "",
        &[Exchange {
            request: "GET /instances/foo/private/instances",
            headers: FOO,
            body: "",
            answer: UNKNOWN,
        }],
    );
}
