//! The applications that use taler-php: those for `WordPress`, Drupal, Laravel, Symfony and Yii2.
//! Their requests are those of the library, with other bodies of the log-in.

use merchant_otp_tests::Storage;

use super::php::{LOG_IN, WITH_OWN_TOKEN};
use super::{Answer, Exchange, Member, NO_ENDPOINT, backend, replay};
use crate::on_both_databases;

on_both_databases! {
    wordpress_checks_its_settings_and_works,
    drupal_logs_in,
    symfony_logs_in,
}

const CONFIG: Exchange = Exchange {
    request: "GET /config",
    headers: WITH_OWN_TOKEN,
    body: "",
    answer: Answer::Shown(&[("/name", Member::Is(r#""taler-merchant""#))]),
};

fn wordpress_checks_its_settings_and_works(storage: &Storage) {
    const CHECK: Exchange = Exchange {
        body: concat!(
            r#"{"scope":"readonly","duration":{"d_us":3600000000},"#,
            r#""description":"WordPress mirrorps-payments-for-gnu-taler settings check","#,
            r#""refreshable":null}"#,
        ),
        ..LOG_IN
    };
    const WORK: Exchange = Exchange {
        body: concat!(
            r#"{"scope":"order-full","duration":{"d_us":3600000000},"#,
            r#""description":"WordPress mirrorps-payments-for-gnu-taler","refreshable":null}"#,
        ),
        answer: Answer::LoggedIn(
            "/access_token",
            &[
                ("/scope", Member::Is(r#""order-full""#)),
                ("/expiration/t_s", Member::Ahead(3600)),
                ("/refreshable", Member::Is("false")),
            ],
        ),
        ..LOG_IN
    };
    const SHOW: Exchange = Exchange {
        request: "GET /private",
        headers: WITH_OWN_TOKEN,
        body: "",
        answer: Answer::Shown(&[("/name", Member::Text)]),
    };
    const ORDERS: Exchange =
        Exchange { request: "GET /private/orders?limit=1", answer: NO_ENDPOINT, ..SHOW };
    let server = backend(storage);
    replay(&server, "", &[CHECK, CONFIG, SHOW, ORDERS, WORK, CONFIG]);
}

fn drupal_logs_in(storage: &Storage) {
    const NULLS: Exchange = Exchange {
        body: r#"{"scope":"readonly","duration":null,"description":null,"refreshable":null}"#,
        ..WITHOUT_DURATION
    };
    let server = backend(storage);
    replay(&server, "", &[NULLS, CONFIG, CONFIG]);
}

fn symfony_logs_in(storage: &Storage) {
    let server = backend(storage);
    replay(&server, "", &[WITHOUT_DURATION, CONFIG]);
}

/// The token is good for a day.
const WITHOUT_DURATION: Exchange = Exchange {
    body: r#"{"scope":"readonly"}"#,
    answer: Answer::LoggedIn(
        "/access_token",
        &[
            ("/access_token", Member::Token),
            ("/scope", Member::Is(r#""readonly""#)),
            ("/expiration/t_s", Member::Ahead(86_400)),
        ],
    ),
    ..LOG_IN
};
