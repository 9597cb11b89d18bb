//! Unknown paths and methods, and errors of the HTTP library.

use merchant_otp_tests::{ErrorCode, Server, Storage};

use crate::{device, on_both_databases};

on_both_databases! {
    an_unknown_path_is_not_found,
    a_wrong_method_is_answered_with_the_allowed_ones,
    a_connection_is_usable_after_a_refused_request,
    malformed_http_is_refused_without_a_body,
}

fn an_unknown_path_is_not_found(storage: &Storage) {
    let server = Server::start(storage);
    for path in [
        "/private/",
        "/management",
        "/management/instances/",
        "/management/instances/shop/private",
        "/private/otp-devices/",
        "//private/otp-devices",
        "/private/otp-device",
        "/instances//private/otp-devices",
        "/favicon.ico",
        "/%",
        "/%00",
        "/private/otp-devices%2F",
    ] {
        for method in ["GET", "POST"] {
            server
                .request(method, path, &[], b"")
                .expect_error(404, ErrorCode::GenericEndpointUnknown);
        }
    }
    // An unknown instance is reported first.
    let path = "/instances/shop/extra/private/otp-devices";
    server
        .request("GET", path, &[], b"")
        .expect_error(404, ErrorCode::MerchantGenericInstanceUnknown);
    let _token = storage.token("shop", "all", "forever");
    server.request("GET", path, &[], b"").expect_error(404, ErrorCode::GenericEndpointUnknown);
}

fn a_wrong_method_is_answered_with_the_allowed_ones(storage: &Storage) {
    let server = Server::start(storage);
    for (path, allowed) in [
        ("/private/otp-devices", "GET, HEAD, POST"),
        ("/instances/nobody/private/otp-devices", "GET, HEAD, POST"),
        ("/private/otp-devices/till", "DELETE, GET, HEAD, PATCH"),
        ("/instances/nobody/private/otp-devices/till", "DELETE, GET, HEAD, PATCH"),
        ("/private/token", "DELETE, POST"),
        ("/private/tokens", "GET, HEAD"),
        ("/private/tokens/1", "DELETE"),
        ("/private", "DELETE, GET, HEAD, PATCH"),
        ("/private/auth", "POST"),
        ("/management/instances", "GET, HEAD, POST"),
        ("/management/instances/nobody", "DELETE, GET, HEAD, PATCH"),
        ("/management/instances/nobody/auth", "POST"),
    ] {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
            if !allowed.contains(method) {
                let refused = server.request(method, path, &[], b"");
                refused.expect_error(405, ErrorCode::GenericMethodInvalid);
                assert_eq!(refused.header("Allow"), Some(allowed));
                assert_eq!(refused.json()["detail"], method);
            }
        }
    }
}

/// After a refusal that did not read the body, the rest of it must not be read as the next request.
fn a_connection_is_usable_after_a_refused_request(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let body = device("till").to_string();
    let post = |token: &str| {
        format!(
            "POST /instances/shop/private/otp-devices HTTP/1.1\r\nHost: x\r\n\
             Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    // The body of the first request is complete: it is skipped, and the connection is kept.
    let mut connection = server.connect();
    assert!(connection.write(post("wrong") + &post(&token)));
    let replies = connection.finish();
    assert!(replies.starts_with("HTTP/1.1 401 "), "{replies}");
    assert!(!replies.contains("connection: close"), "{replies}");
    let second = replies.rsplit("HTTP/1.1 ").next().unwrap();
    assert!(second.starts_with("204 "), "{replies}");
    // A repetition succeeds as well.
    server.post("shop", &token, &body).expect_stored();
}

/// docs/adr/0008: the HTTP library sends these responses; only the status matters.
fn malformed_http_is_refused_without_a_body(storage: &Storage) {
    let server = Server::start(storage);
    let head = |rest: &str| format!("GET / HTTP/1.1\r\nHost: x\r\n{rest}\r\n");
    for (status, sent) in [
        (400, "no HTTP\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\n\r\n".to_owned()),
        (400, "GET / HTTP/9.9\r\nHost: x\r\n\r\n".to_owned()),
        (400, head("Content-Length: many\r\n")),
        (400, head("Transfer-Encoding: gzip, chunked\r\n")),
        (431, head(&format!("X: {}\r\n", "x".repeat(200_000)))),
        (431, head(&"X: x\r\n".repeat(97))),
        (408, "GET / HTTP/1.1\r\n".to_owned()),
    ] {
        let mut connection = server.connect();
        // A head that is too large is refused before it is complete.
        let _refused_already = connection.write(&sent);
        let reply = connection.read_to_end();
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {reply}");
        assert!(reply.contains("\r\ncontent-length: 0\r\n"), "{reply}");
        assert!(reply.ends_with("\r\n\r\n"), "{reply}");
    }
}
