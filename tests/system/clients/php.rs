//! taler-php (May 2026), the library of several PHP applications.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use merchant_otp_tests::{ErrorCode, Storage, token};

use super::{
    Answer, CURRENCY, Exchange, JSON, Member, NO_ENDPOINT, UNAUTHORIZED, backend, check_members,
    replay, send, without_prefix,
};
use crate::on_both_databases;

on_both_databases! {
    it_is_given_a_token,
    it_logs_in_by_itself,
    an_instance_as_its_base_is_not_found,
    it_creates_an_instance,
    it_manages_instances,
    an_instance_manages_itself,
    it_checks_its_configuration,
    it_manages_devices,
    it_compresses_long_bodies,
}

pub(super) const USER_AGENT: &str =
    "User-Agent: Mirrorps_Taler_PHP (https://github.com/mirrorps/taler-php)";
pub(super) const ACCEPT: &str = "Accept: application/json";
pub(super) const ENCODING: &str = "Accept-Encoding: gzip";

/// The token that the user enters, verbatim.
const WITH_TOKEN: &[&str] =
    &[USER_AGENT, ACCEPT, ENCODING, "Authorization: Bearer secret-token:$T"];
const WITH_TOKEN_AND_JSON: &[&str] =
    &[USER_AGENT, ACCEPT, ENCODING, JSON, "Authorization: Bearer secret-token:$T"];

/// The token of its own log-in, without a scheme.
pub(super) const WITH_OWN_TOKEN: &[&str] =
    &[USER_AGENT, ACCEPT, ENCODING, "Authorization: secret-token:$T"];

/// The instance `admin` with its password.
pub(super) const BASIC: &[&str] =
    &[USER_AGENT, ACCEPT, ENCODING, JSON, "Authorization: Basic YWRtaW46cGFzcy0w"];

const CONFIG: Exchange = Exchange {
    request: "GET /config",
    headers: WITH_TOKEN,
    body: "",
    answer: Answer::Shown(&[
        ("/name", Member::Is(r#""taler-merchant""#)),
        // It implements 20.
        ("/version", Member::Version(20, 20)),
        ("/currency", Member::Text),
        ("/currencies", Member::Object),
    ]),
};

pub(super) const LOG_IN: Exchange = Exchange {
    request: "POST /instances/admin/private/token",
    headers: BASIC,
    body: concat!(
        r#"{"scope":"readonly","duration":{"d_us":3600000000},"#,
        r#""description":"Backoffice session","refreshable":null}"#,
    ),
    answer: Answer::LoggedIn(
        "/access_token",
        &[
            ("/access_token", Member::Token),
            ("/scope", Member::Is(r#""readonly""#)),
            ("/expiration/t_s", Member::Ahead(3600)),
            ("/refreshable", Member::Is("false")),
        ],
    ),
};

fn it_is_given_a_token(storage: &Storage) {
    let server = backend(storage);
    let token = storage.token("admin", "readonly", "forever");
    replay(&server, &token, &[CONFIG]);
    let config = CONFIG.send(&server, without_prefix(&token)).json();
    for currency in config["currencies"].as_object().unwrap().values() {
        check_members("currency", currency, CURRENCY);
    }
}

fn it_logs_in_by_itself(storage: &Storage) {
    const LIST: Exchange = Exchange {
        request: "GET /private/otp-devices",
        headers: WITH_OWN_TOKEN,
        body: "",
        answer: Answer::Shown(&[("/otp_devices", Member::Array)]),
    };
    let server = backend(storage);
    replay(&server, "", &[LOG_IN, Exchange { headers: WITH_OWN_TOKEN, ..CONFIG }, LIST]);
}

/// Its log-in is relative to the base, so that the base must be the root.
fn an_instance_as_its_base_is_not_found(storage: &Storage) {
    let server = backend(storage);
    let request = "POST /instances/shop1/instances/shop1/private/token";
    replay(&server, "", &[Exchange { request, answer: NO_ENDPOINT, ..LOG_IN }]);
}

/// An address without its parts, which it sends as `null`.
macro_rules! address {
    ($country:literal, $town:literal) => {
        concat!(
            r#"{"country":"#,
            $country,
            r#","country_subdivision":null,"district":null,"town":"#,
            $town,
            r#","town_location":null,"post_code":null,"street":null,"building_name":null,"#,
            r#""building_number":null,"address_lines":null}"#,
        )
    };
}

/// The settings of an instance, without its id and its authentication.
macro_rules! settings {
    () => {
        concat!(
            r#""address":"#,
            address!(r#""DE""#, r#""Berlin""#),
            r#","jurisdiction":"#,
            address!(r#""DE""#, "null"),
            r#","use_stefan":true,"default_wire_transfer_delay":{"d_us":7200000000},"#,
            r#""default_pay_delay":{"d_us":600000000},"email":null,"phone_number":null,"#,
            r#""website":null,"logo":null}"#,
        )
    };
}

/// The body of `createInstance` with an authentication.
macro_rules! instance {
    ($auth:literal) => {
        concat!(r#"{"id":"shop2","name":"Shop 2","auth":"#, $auth, ",", settings!())
    };
}

const CREATE: Exchange = Exchange {
    request: "POST /instances",
    headers: WITH_TOKEN_AND_JSON,
    body: instance!(r#"{"method":"token","password":"pass-2"}"#),
    answer: Answer::Done,
};

fn it_creates_an_instance(storage: &Storage) {
    const BAD_AUTH: Answer = Answer::Refused(400, ErrorCode::MerchantPrivatePostInstancesBadAuth);
    const FORBIDDEN: Answer = Answer::Refused(403, ErrorCode::MerchantGenericUnauthorized);
    let server = backend(storage);
    let shop = storage.token("shop1", "all", "forever");
    let readonly = storage.token("admin", "readonly", "forever");
    let admin = storage.token("admin", "all", "forever");
    for token in [&shop, &readonly] {
        replay(&server, token, &[Exchange { answer: FORBIDDEN, ..CREATE }]);
    }
    replay(
        &server,
        &admin,
        &[
            Exchange {
                headers: &[USER_AGENT, ACCEPT, ENCODING, JSON],
                answer: FORBIDDEN,
                ..CREATE
            },
            Exchange { body: instance!(r#"{"method":"external"}"#), answer: BAD_AUTH, ..CREATE },
            CREATE,
            // The old form of the same password.
            Exchange {
                body: instance!(r#"{"method":"token","token":"secret-token:pass-2"}"#),
                ..CREATE
            },
        ],
    );
}

fn it_manages_instances(storage: &Storage) {
    let server = backend(storage);
    let admin = storage.token("admin", "all", "forever");
    replay(
        &server,
        &admin,
        &[
            CREATE,
            Exchange {
                request: "GET /management/instances",
                headers: WITH_TOKEN,
                body: "",
                answer: Answer::Shown(&[
                    ("/instances/2/id", Member::Is(r#""shop2""#)),
                    ("/instances/2/name", Member::Is(r#""Shop 2""#)),
                    ("/instances/2/merchant_pub", Member::Text),
                    ("/instances/2/payment_targets", Member::Array),
                    ("/instances/2/deleted", Member::Is("false")),
                ]),
            },
        ],
    );
}

fn an_instance_manages_itself(storage: &Storage) {
    const SHOW: Exchange = Exchange {
        request: "GET /instances/shop2/private",
        headers: WITH_TOKEN,
        body: "",
        answer: Answer::Shown(&[
            ("/name", Member::Is(r#""Shop 2""#)),
            ("/merchant_pub", Member::Text),
            ("/address", Member::Is(address!(r#""DE""#, r#""Berlin""#))),
            ("/jurisdiction", Member::Is(address!(r#""DE""#, "null"))),
            ("/use_stefan", Member::Is("true")),
            ("/default_wire_transfer_delay/d_us", Member::Is("7200000000")),
            ("/default_pay_delay/d_us", Member::Is("600000000")),
            ("/auth/method", Member::Is(r#""token""#)),
        ]),
    };
    let server = backend(storage);
    let admin = storage.token("admin", "all", "forever");
    replay(&server, &admin, &[CREATE]);
    let forever = r#"{"scope": "all", "duration": {"d_us": "forever"}}"#;
    let [first, second] = [(), ()].map(|()| token(&server.log_in("shop2", "pass-2", forever)));
    replay(
        &server,
        &first,
        &[
            SHOW,
            Exchange {
                request: "PATCH /instances/shop2/private",
                headers: WITH_TOKEN_AND_JSON,
                body: concat!(r#"{"name":"Shop 2","#, settings!()),
                answer: Answer::Done,
            },
            SHOW,
            Exchange {
                request: "POST /instances/shop2/private/auth",
                headers: WITH_TOKEN_AND_JSON,
                body: r#"{"method":"token","password":"pass-3"}"#,
                answer: Answer::Done,
            },
            Exchange {
                request: "GET /instances/shop2/private/tokens?limit=-20",
                headers: WITH_TOKEN,
                body: "",
                answer: Answer::Shown(&[
                    ("/tokens/0/creation_time/t_s", Member::Ahead(0)),
                    ("/tokens/0/expiration/t_s", Member::Is(r#""never""#)),
                    ("/tokens/0/scope", Member::Is(r#""all""#)),
                    ("/tokens/0/refreshable", Member::Boolean),
                    ("/tokens/0/serial", Member::Number),
                ]),
            },
            Exchange {
                request: "DELETE /instances/shop2/private/tokens/7777",
                headers: WITH_TOKEN,
                body: "",
                answer: Answer::Refused(404, ErrorCode::MerchantGenericAccessTokenUnknown),
            },
            Exchange {
                request: "DELETE /instances/shop2/private/token",
                headers: WITH_TOKEN,
                body: "",
                answer: Answer::Done,
            },
            Exchange { answer: UNAUTHORIZED, ..SHOW },
        ],
    );
    let purge = Exchange {
        request: "DELETE /instances/shop2/private?purge=YES",
        headers: WITH_TOKEN,
        body: "",
        answer: Answer::Done,
    };
    let gone = Answer::Refused(404, ErrorCode::MerchantGenericInstanceUnknown);
    replay(&server, &second, &[purge, Exchange { answer: gone, ..SHOW }]);
}

/// Its report says `auth: 404`, because the service has no orders.
fn it_checks_its_configuration(storage: &Storage) {
    let server = backend(storage);
    let token = storage.token("shop1", "all", "forever");
    replay(
        &server,
        &token,
        &[
            Exchange { request: "GET /instances/shop1/config", ..CONFIG },
            Exchange {
                request: "GET /instances/shop1/private",
                headers: WITH_TOKEN,
                body: "",
                answer: Answer::Shown(&[("/name", Member::Text)]),
            },
            Exchange {
                request: "GET /instances/shop1/private/orders?limit=1",
                headers: WITH_TOKEN,
                body: "",
                answer: NO_ENDPOINT,
            },
        ],
    );
}

fn it_manages_devices(storage: &Storage) {
    const SHOW: Exchange = Exchange {
        request: "GET /instances/shop1/private/otp-devices/till?faketime=1700000000&price=EUR%3A1.23",
        headers: WITH_TOKEN,
        body: "",
        answer: Answer::Shown(&[
            ("/device_description", Member::Is(r#""New""#)),
            ("/otp_algorithm", Member::Is("1")),
            ("/otp_timestamp", Member::Is("1700000000")),
            ("/otp_code", Member::Text),
        ]),
    };
    const CHANGE: Exchange = Exchange {
        request: "PATCH /instances/shop1/private/otp-devices/till",
        headers: WITH_TOKEN_AND_JSON,
        body: concat!(
            r#"{"otp_device_description":"New","otp_key":null,"otp_algorithm":null,"#,
            r#""otp_ctr":null}"#,
        ),
        answer: Answer::Done,
    };
    const OTHER_ALGORITHM: Exchange = Exchange {
        body: concat!(
            r#"{"otp_device_description":"Newer","otp_key":null,"#,
            r#""otp_algorithm":"totp_with_price","otp_ctr":null}"#,
        ),
        answer: Answer::Refused(409, ErrorCode::MerchantPrivatePatchOtpDevicesConflict),
        ..CHANGE
    };
    let server = backend(storage);
    let token = storage.token("shop1", "all", "forever");
    replay(
        &server,
        &token,
        &[
            Exchange {
                request: "POST /instances/shop1/private/otp-devices",
                headers: WITH_TOKEN_AND_JSON,
                body: concat!(
                    r#"{"otp_device_id":"till","otp_device_description":"Desk","#,
                    r#""otp_key":"JBSWY3DPEHPK3PXP","otp_algorithm":1,"otp_ctr":null}"#,
                ),
                answer: Answer::Done,
            },
            CHANGE,
            SHOW,
            OTHER_ALGORITHM,
            SHOW,
            // A segment of the path is decoded and encoded again.
            Exchange {
                request: "POST /instances/shop1/private/otp-devices",
                headers: WITH_TOKEN_AND_JSON,
                body: concat!(
                    r#"{"otp_device_id":"Käse 1+1","otp_device_description":"Desk","#,
                    r#""otp_key":"JBSWY3DPEHPK3PXP","otp_algorithm":"Totp_Without_Price","#,
                    r#""otp_ctr":null}"#,
                ),
                answer: Answer::Done,
            },
            Exchange {
                request: "GET /instances/shop1/private/otp-devices/K%C3%A4se%201%2B1",
                headers: WITH_TOKEN,
                body: "",
                answer: Answer::Shown(&[("/device_description", Member::Is(r#""Desk""#))]),
            },
        ],
    );
}

/// It compresses bodies of 4096 bytes or more.
fn it_compresses_long_bodies(storage: &Storage) {
    let server = backend(storage);
    let token = storage.token("shop1", "all", "forever");
    let body = serde_json::json!({
        "otp_device_id": "till",
        "otp_device_description": "Desk ".repeat(1000),
        "otp_key": "JBSWY3DPEHPK3PXP",
        "otp_algorithm": 1,
        "otp_ctr": null,
    });
    let mut compressed = GzEncoder::new(Vec::new(), Compression::default());
    compressed.write_all(body.to_string().as_bytes()).unwrap();
    let mut headers: Vec<_> = WITH_TOKEN_AND_JSON
        .iter()
        .map(|header| header.replace("$T", without_prefix(&token)))
        .collect();
    headers.push("Content-Encoding: gzip".to_owned());
    let request = "POST /instances/shop1/private/otp-devices";
    send(&server, request, &headers, &compressed.finish().unwrap()).expect_stored();
}
