//! Features of the protocol besides its resources: version, CORS, compression, redirects.

use std::io::Read;

use flate2::read::{GzDecoder, ZlibDecoder};
use merchant_otp_tests::{ErrorCode, Server, Storage};
use serde_json::json;

use crate::{device, on_both_databases};

on_both_databases! {
    the_version_is_public,
    requests_from_every_origin_are_allowed,
    responses_are_compressed_on_request,
    the_former_name_of_admin_is_redirected,
}

fn the_version_is_public(storage: &Storage) {
    let server = Server::start(storage);
    let _token = storage.token("shop", "all", "forever");
    for path in ["/config", "/instances/shop/config"] {
        let reply = server.request("GET", path, &[], b"");
        assert_eq!(reply.status, 200);
        let version = reply.json();
        assert_eq!(version["name"], "taler-merchant");
        assert_eq!(version["version"], "20:0:8");
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
            })
        );
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

fn the_former_name_of_admin_is_redirected(storage: &Storage) {
    let server = Server::start(storage);
    for (path, location) in [
        ("/config", "/config"),
        ("/private", "/private"),
        ("/private/otp-devices", "/private/otp-devices"),
        ("/private/otp-devices/a%2Fb?faketime=1", "/private/otp-devices/a%2Fb?faketime=1"),
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let mut connection = server.connect();
            let head = format!(
                "{method} /instances/default{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            );
            assert!(connection.write(head));
            let reply = connection.read_to_end();
            assert!(reply.starts_with("HTTP/1.1 308 "), "{reply}");
            assert!(reply.contains(&format!("\r\nlocation: {location}\r\n")), "{reply}");
        }
    }
    for path in ["/instances/default//example.com", "/instances/default/", "/instances/default"] {
        server.request("GET", path, &[], b"").expect_error(404, ErrorCode::GenericEndpointUnknown);
    }
}
