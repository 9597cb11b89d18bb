//! Authorization to register devices.

use merchant_otp_tests::{
    ALL, DEVICES, ErrorCode, Reply, Server, Storage, TOKEN, UNKNOWN_TOKEN, basic,
};

use crate::{device, on_both_databases};

on_both_databases! {
    an_unknown_instance_is_reported_before_the_credentials,
    invalid_tokens_are_refused,
    an_expired_token_is_refused,
    a_token_of_another_instance_is_refused,
    a_revoked_token_is_refused_at_once,
    registration_needs_a_writing_scope,
    the_authorization_scheme_is_case_insensitive,
    a_token_without_a_scheme_is_accepted,
    the_fault_of_the_header_is_reported,
    a_log_in_offers_basic_to_programs,
}

fn post(server: &Server, instance: &str, authorization: Option<&str>) -> Reply {
    let path = format!("/instances/{instance}/private/otp-devices");
    let headers: Vec<_> = authorization.map(|value| ("Authorization", value)).into_iter().collect();
    server.request("POST", &path, &headers, device("till").to_string().as_bytes())
}

fn an_unknown_instance_is_reported_before_the_credentials(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let bearer = format!("Bearer {token}");
    for instance in ["nobody", "Shop", "x", "%ff", "shop%00", "%252e", "s%20p"] {
        for authorization in [None, Some("Bearer x"), Some(&*bearer)] {
            post(&server, instance, authorization)
                .expect_error(404, ErrorCode::MerchantGenericInstanceUnknown);
        }
    }
}

fn invalid_tokens_are_refused(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let secret = token.strip_prefix("secret-token:").unwrap();
    for authorization in [
        None,
        Some(""),
        Some("Bearer"),
        Some("Bearer secret-token:"),
        Some(&*format!("Bearer {UNKNOWN_TOKEN}")),
        Some(&*format!("Bearer {secret}")),
        Some(&*format!("Basic {token}")),
        Some(&*format!("Bearer {token}x")),
        Some(&*format!("Bearer {}", token.to_lowercase())),
        Some(&*format!("Bearer secret-token:{}", "x".repeat(4_000))),
    ] {
        let refused = post(&server, "shop", authorization);
        refused.expect_error(401, ErrorCode::MerchantGenericUnauthorized);
        assert_eq!(refused.header("WWW-Authenticate"), Some("Bearer"));
    }
}

fn an_expired_token_is_refused(storage: &Storage) {
    let server = Server::start(storage);
    let expired = storage.token("shop", "all", "0s");
    post(&server, "shop", Some(&format!("Bearer {expired}")))
        .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    let valid = storage.token("shop", "all", "1h");
    post(&server, "shop", Some(&format!("Bearer {valid}"))).expect_stored();
}

fn a_token_of_another_instance_is_refused(storage: &Storage) {
    let server = Server::start(storage);
    for instance in ["shop", "admin", "other"] {
        let _ours = storage.token(instance, "all", "forever");
    }
    for foreign in ["admin", "other"] {
        let token = storage.token(foreign, "all", "forever");
        post(&server, "shop", Some(&format!("Bearer {token}")))
            .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    }
}

fn a_revoked_token_is_refused_at_once(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let bearer = format!("Bearer {token}");
    post(&server, "shop", Some(&bearer)).expect_stored();
    let listed = storage.run(&["token", "list", "--instance", "shop"]).stdout;
    let serial = listed.lines().nth(1).unwrap().split('\t').next().unwrap();
    let revoked = storage.run(&["token", "revoke", "--instance", "shop", serial]);
    assert!(revoked.success, "{}", revoked.stderr);
    post(&server, "shop", Some(&bearer)).expect_error(401, ErrorCode::MerchantGenericUnauthorized);
}

fn registration_needs_a_writing_scope(storage: &Storage) {
    let server = Server::start(storage);
    for scope in ["all", "write", "all:refreshable"] {
        let token = storage.token("shop", scope, "forever");
        post(&server, "shop", Some(&format!("Bearer {token}"))).expect_stored();
    }
    for scope in [
        "readonly",
        "order-simple",
        "order-pos",
        "order-mgmt",
        "order-full",
        "readonly:refreshable",
    ] {
        let token = storage.token("shop", scope, "forever");
        let refused = post(&server, "shop", Some(&format!("Bearer {token}")));
        refused.expect_error(403, ErrorCode::GenericTokenPermissionInsufficient);
        assert_eq!(refused.json()["detail"], "otp-devices-write");
    }
}

fn the_authorization_scheme_is_case_insensitive(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let secret = token.strip_prefix("secret-token:").unwrap();
    for authorization in [
        format!("bearer {token}"),
        format!("BEARER   {token}"),
        format!("Bearer SECRET-Token:{secret}"),
    ] {
        post(&server, "shop", Some(&authorization)).expect_stored();
    }
}

fn a_token_without_a_scheme_is_accepted(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    post(&server, "shop", Some(&token)).expect_stored();
    post(&server, "shop", Some(&format!("{token}x")))
        .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
}

/// The detail explains the header, and quotes nothing of it. An unknown token has no detail.
fn the_fault_of_the_header_is_reported(storage: &Storage) {
    const FORM: &str = "the header Authorization must be of the form `Bearer secret-token:…`";
    const ELSEWHERE: &str = "a password is accepted at `…/private/token` only; log in there";
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let secret = token.strip_prefix("secret-token:").unwrap();
    for (authorization, detail) in [
        (None, "the header Authorization is missing"),
        (Some(format!("Bearer {secret}")), FORM),
        (Some(format!("Token {token}")), FORM),
        (Some(format!("Bearer: {token}")), FORM),
        (Some(format!("Bearer \"{token}\"")), FORM),
        (Some(format!("Bearer Bearer {token}")), FORM),
        (Some("foo bar-baz".to_owned()), FORM),
        (
            Some(format!("Bearer secret-token:{token}")),
            "the access token begins with secret-token: twice",
        ),
        (Some(basic("shop", "right")), ELSEWHERE),
    ] {
        let refused = post(&server, "shop", authorization.as_deref());
        refused.expect_error(401, ErrorCode::MerchantGenericUnauthorized);
        assert_eq!(refused.json()["detail"], detail);
        assert!(!refused.body.contains(secret), "{}", refused.body);
    }
    let unknown = format!("Bearer secret-token:{}", secret.replace(&secret[..1], "7"));
    let unknown = post(&server, "shop", Some(&unknown[..unknown.len() - 1]));
    unknown.expect_error(401, ErrorCode::MerchantGenericUnauthorized);
    assert_eq!(unknown.json().get("detail"), None);
}

/// Programs send a password only after a challenge for it (RFC 9110 section 11.6.1). A browser
/// would open a dialog.
fn a_log_in_offers_basic_to_programs(storage: &Storage) {
    let server = Server::start(storage);
    storage.password("shop", "right");
    let challenges = |more: &[(&str, &str)]| {
        let refused = server.request("POST", TOKEN, more, ALL.as_bytes());
        refused.expect_error(401, ErrorCode::MerchantGenericUnauthorized);
        let challenges = refused.headers.get_all("WWW-Authenticate").iter();
        challenges.map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let basic_and_bearer = ["Basic realm=\"merchant\", charset=\"UTF-8\"", "Bearer"];
    assert_eq!(challenges(&[]), basic_and_bearer);
    assert_eq!(challenges(&[("Authorization", &basic("shop", "wrong"))]), basic_and_bearer);
    assert_eq!(challenges(&[("Origin", "https://example.com")]), ["Bearer"]);
    assert_eq!(challenges(&[("Sec-Fetch-Mode", "cors")]), ["Bearer"]);
    let devices = server.request("GET", DEVICES, &[], b"");
    assert_eq!(devices.header("WWW-Authenticate"), Some("Bearer"));
}
