//! Features of the protocol besides its resources: version, CORS, compression, redirects.

use std::io::Read;

use flate2::read::{GzDecoder, ZlibDecoder};
use merchant_otp_tests::{ALL, ErrorCode, Server, Storage, basic, token};
use serde_json::{Value, json};

use crate::{device, on_both_databases};

on_both_databases! {
    the_version_is_public,
    requests_from_every_origin_are_allowed,
    responses_are_compressed_on_request,
    the_former_name_of_admin_addresses_it,
    an_instance_redirects_to_its_page,
    encoded_slashes_separate_segments,
    lists_for_http_1_0_have_no_chunks,
}

fn the_version_is_public(storage: &Storage) {
    let server = Server::start(storage);
    let _token = storage.token("shop", "all", "forever");
    for path in ["/config", "/instances/shop/config"] {
        let reply = server.request("GET", path, &[], b"");
        assert_eq!(reply.status, 200);
        let version = reply.json();
        assert_eq!(version["name"], "taler-merchant");
        assert_eq!(version["version"], "30:0:18");
        assert!(version["implementation"].as_str().unwrap().starts_with("urn:"));
        assert_eq!(version["currency"], "EUR");
        assert_eq!(
            version["currencies"]["EUR"],
            json!({
                "currency": "EUR",
                "name": "Euro",
                "num_fractional_input_digits": 2,
                "num_fractional_normal_digits": 2,
                "num_fractional_trailing_zero_digits": 2,
                "alt_unit_names": { "0": "€" },
                "common_amounts": [],
            })
        );
        // Clients refuse a backend without these.
        assert_eq!(version["default_persona"], "point-of-sale");
        assert_eq!(version["payment_target_types"], "*");
        assert_eq!(version["report_generators"], json!({}));
        assert_eq!(version["exchanges"], json!([]));
        assert_eq!(version["have_self_provisioning"], false);
        assert_eq!(version["have_donau"], false);
        assert_eq!(server.request("HEAD", path, &[], b"").status, 200);
        let refused = server.request("POST", path, &[], b"{}");
        refused.expect_error(405, ErrorCode::GenericMethodInvalid);
        assert_eq!(refused.header("Allow"), Some("GET, HEAD"));
    }
    server
        .request("GET", "/instances/nobody/config", &[], b"")
        .expect_error(404, ErrorCode::MerchantGenericInstanceUnknown);
}

fn requests_from_every_origin_are_allowed(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let devices = "/instances/shop/private/otp-devices";
    for path in ["/config", devices, "/instances/shop/private/otp-devices/till", "/nowhere"] {
        let preflight = [
            ("Origin", "https://example.com"),
            ("Access-Control-Request-Method", "PATCH"),
            ("Access-Control-Request-Headers", "authorization, content-type"),
        ];
        let reply = server.request("OPTIONS", path, &preflight, b"");
        reply.expect_stored();
        let allowed = reply.header("Access-Control-Allow-Headers").unwrap().to_ascii_lowercase();
        assert!(allowed.split(", ").any(|header| header == "authorization"), "{allowed}");
        assert!(allowed.split(", ").any(|header| header == "*"), "{allowed}");
        let methods = reply.header("Access-Control-Allow-Methods").unwrap();
        for method in ["GET", "POST", "PATCH", "DELETE"] {
            assert!(methods.contains(method), "{methods}");
        }
        assert_eq!(reply.header("Access-Control-Allow-Origin"), Some("*"));
    }
    for reply in [
        server.call("GET", devices, &token, ""),
        server.call("GET", devices, "wrong", ""),
        server.call("PUT", devices, &token, ""),
        server.post("shop", &token, device("till").to_string()),
        server.request("GET", "/nowhere", &[], b""),
    ] {
        assert_eq!(reply.header("Access-Control-Allow-Origin"), Some("*"), "{}", reply.status);
        assert_eq!(reply.header("Access-Control-Expose-Headers"), Some("*"));
    }
}

fn responses_are_compressed_on_request(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    for number in 0..120 {
        server.post("shop", &token, device(&format!("till {number}")).to_string()).expect_stored();
    }
    let authorization = format!("Bearer {token}");
    let get = |accepted: &str| {
        let headers = [("Authorization", &*authorization), ("Accept-Encoding", accepted)];
        let reply = server.request("GET", "/instances/shop/private/otp-devices", &headers, b"");
        assert_eq!(reply.status, 200, "{accepted}");
        (reply.header("Content-Encoding").map(str::to_owned), reply.bytes)
    };
    let plain = server.call("GET", "/instances/shop/private/otp-devices", &token, "").bytes;
    assert!(plain.starts_with(b"{\"otp_devices\":["));
    let inflated = |decoder: &mut dyn Read| {
        let mut body = Vec::new();
        decoder.read_to_end(&mut body).unwrap();
        body
    };
    let (encoding, body) = get("gzip");
    assert_eq!(encoding.as_deref(), Some("gzip"));
    assert_eq!(inflated(&mut GzDecoder::new(&*body)), plain);
    let (encoding, body) = get("deflate");
    assert_eq!(encoding.as_deref(), Some("deflate"));
    assert_eq!(inflated(&mut ZlibDecoder::new(&*body)), plain);
    // An encoding that is not supported is not an error.
    for accepted in ["identity", "br", "identity;q=0", "*;q=0", "br;q=1, *;q=0", "?", ""] {
        assert_eq!(get(accepted), (None, plain.clone()), "{accepted}");
    }
}

fn the_former_name_of_admin_addresses_it(storage: &Storage) {
    let server = Server::start(storage);
    storage.password("admin", "right");
    let config = server.request("GET", "/instances/default/config", &[], b"");
    assert_eq!(config.status, 200);
    // The user name of the log-in is the id in the path.
    let path = "/instances/default/private/token";
    for user in ["default", "admin"] {
        let authorization = basic(user, "right");
        let headers = [("Authorization", &*authorization)];
        let token = token(&server.request("POST", path, &headers, ALL.as_bytes()));
        let devices = "/instances/default/private/otp-devices";
        server.call("POST", devices, &token, device(user).to_string()).expect_stored();
        let shown = server.call("GET", &format!("/private/otp-devices/{user}"), &token, "");
        assert_eq!(shown.status, 200);
    }
    let wrong = [("Authorization", &*basic("shop", "right"))];
    server
        .request("POST", path, &wrong, ALL.as_bytes())
        .expect_error(401, ErrorCode::MerchantGenericUnauthorized);
}

fn an_instance_redirects_to_its_page(storage: &Storage) {
    let server = Server::start(storage);
    let _admin = storage.token("admin", "all", "forever");
    let _token = storage.token("shop", "all", "forever");
    for (path, location, page) in [
        ("/", "webui/", "/webui/"),
        ("/instances/shop", "shop/webui/", "/instances/shop/webui/"),
        ("/instances/shop/", "webui/", "/instances/shop/webui/"),
        ("/instances/default", "default/webui/", "/instances/default/webui/"),
    ] {
        for method in ["GET", "HEAD"] {
            let mut connection = server.connect();
            let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            assert!(connection.write(head));
            let reply = connection.read_to_end();
            assert!(reply.starts_with("HTTP/1.1 302 "), "{reply}");
            assert!(reply.contains(&format!("\r\nlocation: {location}\r\n")), "{reply}");
            let shown = server.request(method, page, &[], b"");
            assert_eq!(shown.status, 200, "{page}");
            assert_eq!(shown.header("Content-Type"), Some("text/html; charset=utf-8"));
            assert_eq!(shown.body.contains("OTP-device service"), method == "GET");
        }
    }
    for path in ["/instances/nobody", "/instances/nobody/", "/instances/nobody/webui/"] {
        server
            .request("GET", path, &[], b"")
            .expect_error(404, ErrorCode::MerchantGenericInstanceUnknown);
    }
}

fn encoded_slashes_separate_segments(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    server.post("shop", &token, device("till").to_string()).expect_stored();
    for path in [
        "/instances/shop/private%2Fotp-devices",
        "/instances%2fshop%2fprivate%2fotp-devices/till",
        "/instances/shop/private/otp-devices%2Ftill?faketime=1",
    ] {
        assert_eq!(server.call("GET", path, &token, "").status, 200, "{path}");
    }
    // Decoded once.
    server
        .call("GET", "/instances/shop/private%252Fotp-devices", &token, "")
        .expect_error(404, ErrorCode::GenericEndpointUnknown);
}

/// RFC 9112 section 6.1: the body ends with the connection.
fn lists_for_http_1_0_have_no_chunks(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    server.post("shop", &token, device("till").to_string()).expect_stored();
    for more in ["", "Connection: keep-alive\r\n", "Accept-Encoding: identity\r\n"] {
        let mut connection = server.connect();
        assert!(connection.write(format!(
            "GET /instances/shop/private/otp-devices HTTP/1.0\r\n\
             Authorization: Bearer {token}\r\n{more}\r\n"
        )));
        let reply = connection.read_to_end();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
        assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
        let listed: Value = serde_json::from_str(body).unwrap();
        assert_eq!(listed["otp_devices"][0]["otp_device_id"], "till");
    }
}
