//! The plugin of `BTCPay` (April 2026), with .NET's `HttpClient`.

use merchant_otp_tests::{ErrorCode, Storage};

use super::{Answer, Exchange, Member, NO_ENDPOINT, UNAUTHORIZED, backend, replay};
use crate::on_both_databases;

on_both_databases! {
    it_logs_in,
    it_logs_in_to_the_default_instance,
    it_cannot_create_its_own_instance,
}

const JSON: &str = "Content-Type: application/json; charset=utf-8";
const WITH_TOKEN: &[&str] = &["Authorization: Bearer secret-token:$T"];

/// It creates an instance only if `have_self_provisioning` is true.
const CONFIG: Exchange = Exchange {
    request: "GET /config",
    headers: &[],
    body: "",
    answer: Answer::Shown(&[("/have_self_provisioning", Member::Is("false"))]),
};

const LOG_IN: Exchange = Exchange {
    request: "POST /instances/shop1/private/token",
    headers: &["Authorization: Basic c2hvcDE6cGFzcy0x", JSON],
    body: r#"{"scope":"all","refreshable":false,"duration":{"d_us":"forever"}}"#,
    answer: Answer::LoggedIn("/access_token", &[("/access_token", Member::Token)]),
};

fn it_logs_in(storage: &Storage) {
    let server = backend(storage);
    replay(
        &server,
        "",
        &[
            CONFIG,
            LOG_IN,
            Exchange {
                request: "GET /instances/shop1/private/accounts",
                headers: WITH_TOKEN,
                body: "",
                answer: NO_ENDPOINT,
            },
            Exchange {
                request: "GET /instances/shop1/private/kyc",
                headers: WITH_TOKEN,
                body: "",
                answer: NO_ENDPOINT,
            },
            Exchange {
                request: "GET /instances/shop1/private/orders",
                headers: WITH_TOKEN,
                body: "",
                answer: NO_ENDPOINT,
            },
            // The header, where the service has an endpoint.
            Exchange {
                request: "GET /instances/shop1/private/otp-devices",
                headers: WITH_TOKEN,
                body: "",
                answer: Answer::Shown(&[("/otp_devices", Member::Array)]),
            },
        ],
    );
}

/// .NET drops `Authorization` when it follows a redirect, so there is none.
fn it_logs_in_to_the_default_instance(storage: &Storage) {
    let server = backend(storage);
    replay(
        &server,
        "",
        &[
            Exchange {
                request: "POST /instances/default/private/token",
                headers: &["Authorization: Basic ZGVmYXVsdDpwYXNzLTA=", JSON],
                ..LOG_IN
            },
            Exchange {
                request: "GET /instances/default/private/otp-devices",
                headers: WITH_TOKEN,
                body: "",
                answer: Answer::Shown(&[("/otp_devices", Member::Array)]),
            },
        ],
    );
}

fn it_cannot_create_its_own_instance(storage: &Storage) {
    const PROVISION: Exchange = Exchange {
        request: "POST /management/instances",
        headers: &[JSON],
        body: concat!(
            r#"{"id":"shop2","name":"shop2","auth":{"method":"token","password":"pass-2"},"#,
            r#""address":{"country":"ZZ"},"jurisdiction":{"country":"ZZ"},"#,
            r#""default_pay_delay":{"d_us":900000000},"#,
            r#""default_refund_delay":{"d_us":604800000000},"#,
            r#""default_wire_transfer_delay":{"d_us":3600000000},"use_stefan":false}"#,
        ),
        answer: UNAUTHORIZED,
    };
    let server = backend(storage);
    replay(
        &server,
        "",
        &[
            PROVISION,
            Exchange {
                request: "POST /instances",
                answer: Answer::Refused(403, ErrorCode::MerchantGenericUnauthorized),
                ..PROVISION
            },
        ],
    );
    // The operator does it with a token of `admin`.
    let admin = storage.token("admin", "all", "forever");
    let with_token = Exchange {
        headers: &["Authorization: Bearer secret-token:$T", JSON],
        answer: Answer::Done,
        ..PROVISION
    };
    replay(&server, &admin, &[with_token]);
}
