//! Request bodies: malformed, too large, compressed.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use merchant_otp_tests::{ErrorCode, Reply, Server, Storage, UNKNOWN_TOKEN};
use serde_json::{Value, json};

use crate::{device, on_both_databases};

const MIB: usize = 1024 * 1024;

on_both_databases! {
    a_wrong_field_is_named,
    bodies_that_are_no_json_object_are_refused,
    the_largest_and_smallest_details_are_stored,
    any_content_type_is_accepted,
    the_reason_why_a_body_is_not_json_is_reported,
    integers_are_accepted_as_serializers_write_them,
    unsupported_content_codings_are_named,
    compressed_bodies_are_accepted,
    broken_compression_is_refused,
    bodies_over_the_limit_are_refused,
    decompression_bombs_are_refused,
    endless_bodies_are_cut_off,
    idle_refused_bodies_are_cut_off,
    a_refusal_arrives_before_a_long_body_is_sent,
    the_body_limit_is_a_setting,
}

fn a_wrong_field_is_named(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let wrong: &[(&str, &[Value])] = &[
        (
            "otp_device_id",
            &[
                json!(null),
                json!(1),
                json!(""),
                json!("."),
                json!(".."),
                json!("a/b"),
                json!("a\nb"),
                json!("a\u{0}"),
                json!([]),
                json!("i".repeat(256)),
            ],
        ),
        (
            "otp_device_description",
            &[json!(null), json!(false), json!({}), json!("a\u{0}"), json!("d".repeat(65_537))],
        ),
        (
            "otp_key",
            &[
                json!(null),
                json!(1),
                json!("MZXW 6YTB"),
                json!("1"),
                json!("MZXW6=A"),
                json!(""),
                json!("="),
                json!("A"),
                json!("A".repeat(207)),
                json!("ключ"),
            ],
        ),
        (
            "otp_algorithm",
            &[
                json!(null),
                json!(3),
                json!(-1),
                json!(1.5),
                json!(true),
                json!(""),
                json!("3"),
                json!("TOTP"),
                json!([1]),
                json!(1_u64 << 63),
                json!(1e300),
            ],
        ),
        (
            "otp_ctr",
            &[json!(-1), json!(1.5), json!("-1"), json!(true), json!(1_u64 << 63), json!(u64::MAX)],
        ),
    ];
    for (field, values) in wrong {
        for value in *values {
            let mut body = device("till");
            body[field] = value.clone();
            let refused = server.post("shop", &token, body.to_string());
            refused.expect_error(400, ErrorCode::GenericJsonInvalid);
            assert_eq!(refused.json()["field"], *field, "{value}");
            assert!(refused.json()["detail"].is_string());
        }
        if *field != "otp_ctr" {
            let mut body = device("till");
            body.as_object_mut().unwrap().remove(*field);
            let refused = server.post("shop", &token, body.to_string());
            refused.expect_error(400, ErrorCode::GenericJsonInvalid);
            assert_eq!(refused.json()["field"], *field);
        }
    }
    // The first wrong field is named, in the order of the specification.
    let refused = server.post("shop", &token, "{}");
    assert_eq!(refused.json()["field"], "otp_device_id");
}

fn bodies_that_are_no_json_object_are_refused(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let good = device("till").to_string();
    let bad = [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "otp_device_id=till".to_owned(),
        good[..good.len() - 1].to_owned(),
        format!("{good}x"),
        format!("[{good}]"),
        good.replace("Till", "\\ud800"),
        "[".repeat(100_000),
        format!("{{\"otp_ctr\": {}", "[".repeat(100_000)),
    ];
    for body in bad {
        let refused = server.post("shop", &token, &body);
        refused.expect_error(400, ErrorCode::GenericJsonInvalid);
    }
    let latin1 = [b"{\"otp_device_id\": \"".as_slice(), b"\xfc", b"\"}"].concat();
    server.post("shop", &token, latin1).expect_error(400, ErrorCode::GenericJsonInvalid);
}

fn the_largest_and_smallest_details_are_stored(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let mut largest = device(&"ü".repeat(127));
    largest["otp_device_description"] = json!("d".repeat(65_536));
    largest["otp_key"] = json!("A".repeat(206));
    largest["otp_ctr"] = json!(i64::MAX);
    server.post("shop", &token, largest.to_string()).expect_stored();

    let mut smallest = device("i");
    smallest["otp_device_description"] = json!("");
    smallest["otp_key"] = json!("");
    smallest["otp_algorithm"] = json!("NONE");
    server.post("shop", &token, smallest.to_string()).expect_stored();
    let mut shortest_key = device("one byte");
    shortest_key["otp_key"] = json!("AA");
    server.post("shop", &token, shortest_key.to_string()).expect_stored();
}

fn any_content_type_is_accepted(storage: &Storage) {
    let server = Server::start(storage);
    let authorization = format!("Bearer {}", storage.token("shop", "all", "forever"));
    for content_type in ["application/json", "text/plain; charset=latin1", "application/xml", "?"] {
        let headers = [("Authorization", &*authorization), ("Content-Type", content_type)];
        let body = device("till").to_string();
        let path = "/instances/shop/private/otp-devices";
        server.request("POST", path, &headers, body.as_bytes()).expect_stored();
    }
}

/// Posts a body with a `Content-Encoding`.
fn post_encoded(server: &Server, token: &str, encoding: &str, body: &[u8]) -> Reply {
    let authorization = format!("Bearer {token}");
    let headers = [("Authorization", &*authorization), ("Content-Encoding", encoding)];
    server.request("POST", "/instances/shop/private/otp-devices", &headers, body)
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn deflate(body: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn compressed_bodies_are_accepted(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let body = device("till").to_string();
    let body = body.as_bytes();
    for (encoding, encoded) in [
        ("gzip", gzip(body)),
        ("GZIP", gzip(body)),
        ("x-gzip", gzip(body)),
        ("gzip", [gzip(&body[..10]), gzip(&body[10..])].concat()),
        ("deflate", zlib(body)),
        ("Deflate", zlib(body)),
        ("deflate", deflate(body)),
    ] {
        post_encoded(&server, &token, encoding, &encoded).expect_stored();
    }
    post_encoded(&server, &token, "gzip", &gzip(b"no JSON"))
        .expect_error(400, ErrorCode::GenericJsonInvalid);
}

fn broken_compression_is_refused(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let body = device("till").to_string();
    let (gzip, zlib) = (gzip(body.as_bytes()), zlib(body.as_bytes()));
    let mut wrong_checksum = zlib.clone();
    *wrong_checksum.last_mut().unwrap() ^= 1;
    for (encoding, encoded) in [
        ("gzip", body.as_bytes()),
        ("gzip", b""),
        ("gzip", &gzip[..gzip.len() - 9]),
        ("deflate", &zlib[..zlib.len() - 9]),
        ("deflate", &wrong_checksum),
        ("deflate", &gzip),
        ("deflate", b""),
    ] {
        post_encoded(&server, &token, encoding, encoded)
            .expect_error(400, ErrorCode::GenericCompressionInvalid);
    }
}

fn bodies_over_the_limit_are_refused(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let body = device("till").to_string();
    let of_length = |length: usize| format!("{body}{}", " ".repeat(length - body.len()));
    server.post("shop", &token, of_length(MIB)).expect_stored();
    server
        .post("shop", &token, of_length(MIB + 1))
        .expect_error(413, ErrorCode::GenericUploadExceedsLimit);
    server
        .post("shop", &token, of_length(20 * MIB))
        .expect_error(413, ErrorCode::GenericUploadExceedsLimit);

    // A body that is announced and not sent is refused without waiting for it.
    let mut connection = server.connect();
    let head = format!(
        "POST /instances/shop/private/otp-devices HTTP/1.1\r\nHost: x\r\n\
         Authorization: Bearer {token}\r\nContent-Length: 1048577\r\n\r\n"
    );
    assert!(connection.write(head));
    let head = connection.read_head();
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
}

fn decompression_bombs_are_refused(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let zeros = vec![b' '; 256 * MIB];
    let before = server.peak_memory();
    for (encoding, bomb) in
        [("gzip", gzip(&zeros)), ("deflate", zlib(&zeros)), ("deflate", deflate(&zeros))]
    {
        assert!(bomb.len() < MIB);
        post_encoded(&server, &token, encoding, &bomb)
            .expect_error(413, ErrorCode::GenericUploadExceedsLimit);
    }
    let grown = server.peak_memory() - before;
    assert!(grown < 20 * 1024, "bombs of 256 MiB took {grown} KiB of memory");
    // Over the limit even before it is decompressed.
    let dense: Vec<u8> = (0..300_000_u64).flat_map(|n| (n * n * n).to_le_bytes()).collect();
    let compressed = gzip(&dense);
    assert!(compressed.len() > MIB, "{}", compressed.len());
    post_encoded(&server, &token, "gzip", &compressed)
        .expect_error(413, ErrorCode::GenericUploadExceedsLimit);
}

/// The server does not go on reading, neither if an authorized client sends too much nor if an
/// unauthorized one sends anything.
fn endless_bodies_are_cut_off(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let path = "/instances/shop/private/otp-devices";
    for (path, token, encoding, status) in [
        (path, &*token, "", "413"),
        (path, &token, "Content-Encoding: gzip\r\n", "413"),
        (path, UNKNOWN_TOKEN, "", "401"),
        ("/instances/nobody/private/otp-devices", &token, "", "404"),
        ("/nowhere", &token, "", "404"),
    ] {
        let mut connection = server.connect();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\n{encoding}\
             Authorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        assert!(connection.write(head));
        let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
        let start = Instant::now();
        // The server reads on briefly, so that the client can receive the response.
        while connection.write(&chunk) {
            assert!(start.elapsed() < Duration::from_secs(10), "{status}: it is still read");
        }
        let reply = connection.read_to_end();
        assert!(reply.is_empty() || reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
    }
}

/// A client that stalls in the middle of a refused body is disconnected.
fn idle_refused_bodies_are_cut_off(storage: &Storage) {
    let server = Server::start(storage);
    for length in ["Transfer-Encoding: chunked\r\n\r\n5\r\nab", "Content-Length: 9\r\n\r\nab"] {
        let mut connection = server.connect();
        let head = format!("POST /nowhere HTTP/1.1\r\nHost: x\r\n{length}");
        assert!(connection.write(head));
        let start = Instant::now();
        let reply = connection.read_to_end();
        assert!(reply.starts_with("HTTP/1.1 404 "), "{reply}");
        assert!(reply.contains("\"code\":21"), "{reply}");
        assert!(start.elapsed() < Duration::from_secs(10), "{length}: {:?}", start.elapsed());
    }
}

/// The response arrives although the body was not read.
fn a_refusal_arrives_before_a_long_body_is_sent(storage: &Storage) {
    let server = Server::start(storage);
    let body = " ".repeat(512 * 1024);
    for headers in [&[][..], &[("Transfer-Encoding", "chunked")]] {
        server
            .request("POST", "/nowhere", headers, body.as_bytes())
            .expect_error(404, ErrorCode::GenericEndpointUnknown);
    }
}

fn the_body_limit_is_a_setting(storage: &Storage) {
    let server = Server::start_with(storage, &[("LIMITS__MAX_BODY_BYTES", "200")]);
    let token = storage.token("shop", "all", "forever");
    let body = device("till").to_string();
    assert!(body.len() <= 200);
    server.post("shop", &token, &body).expect_stored();
    server
        .post("shop", &token, format!("{body:200} "))
        .expect_error(413, ErrorCode::GenericUploadExceedsLimit);
}

fn the_reason_why_a_body_is_not_json_is_reported(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let body = device("till").to_string();
    // A byte-order mark may be ignored (RFC 8259 section 8.1).
    server.post("shop", &token, format!("\u{feff}{body}")).expect_stored();
    let utf16: Vec<u8> =
        format!("\u{feff}{body}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (start, end) = body.split_at(body.len() - 1);
    for (body, detail) in [
        (utf16, "the body is UTF-16; send UTF-8".to_owned()),
        (
            [b"{\"a\": \"\xe9\"}".as_slice()].concat(),
            "the body is not UTF-8 (byte 8); send UTF-8".to_owned(),
        ),
        (
            format!("{start},{end}").into(),
            format!("line 1, column {}: trailing comma", body.len() + 1),
        ),
        (start.into(), format!("line 1, column {}: EOF while parsing an object", start.len())),
        ("[]".into(), "the body is not a JSON object".to_owned()),
    ] {
        let refused = server.post("shop", &token, body);
        refused.expect_error(400, ErrorCode::GenericJsonInvalid);
        assert_eq!(refused.json()["detail"], detail);
    }
}

fn integers_are_accepted_as_serializers_write_them(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let mut body = device("till");
    body["otp_algorithm"] = json!(1.0);
    for counter in [json!(7), json!(7.0), json!("7")] {
        body["otp_ctr"] = counter;
        server.post("shop", &token, body.to_string()).expect_stored();
        body["otp_algorithm"] = json!("1");
    }
    for counter in [json!(7.5), json!("seven"), json!("+7"), json!(1e30)] {
        body["otp_ctr"] = counter;
        let refused = server.post("shop", &token, body.to_string());
        refused.expect_error(400, ErrorCode::GenericJsonInvalid);
        assert_eq!(refused.json()["field"], "otp_ctr");
    }
}

fn unsupported_content_codings_are_named(storage: &Storage) {
    let server = Server::start(storage);
    let token = storage.token("shop", "all", "forever");
    let authorization = format!("Bearer {token}");
    let post = |coding: &str, body: &[u8]| {
        let headers = [("Authorization", &*authorization), ("Content-Encoding", coding)];
        server.request("POST", "/instances/shop/private/otp-devices", &headers, body)
    };
    for coding in ["br", "zstd", "gzip, gzip", "\u{e9}"] {
        let refused = post(coding, b"\x8b\x05\x80{}\x03");
        refused.expect_error(415, ErrorCode::GenericCompressionInvalid);
        assert_eq!(refused.header("Accept-Encoding"), Some("gzip, deflate"));
        assert!(refused.json()["detail"].as_str().unwrap().contains("gzip, deflate"));
    }
    // JSON is read all the same: some clients send a character set as the coding.
    for coding in ["identity", "utf-8", "br"] {
        post(coding, device("till").to_string().as_bytes()).expect_stored();
    }
}
