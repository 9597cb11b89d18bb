//! What real clients of the merchant API send, and what they need of the answers.
//!
//! Each module replays the requests of a client as data: the bytes that the code of the client
//! sends, with the case and the blanks of its headers and bodies. `Host` and `Content-Length`,
//! which every client sends, are added. Endpoints that the service does not have end a replay with
//! 404.

mod btcpay;
mod dolibarr;
mod go;
mod php;
mod php_applications;
mod pos_android;
mod pretix;
mod python;
mod ruby;
mod rust;
mod sap;
mod tryton;
mod typescript_2022;

use std::io::Read;

use flate2::read::GzDecoder;
use merchant_otp_tests::{ErrorCode, Reply, Server, Storage, now};
use serde_json::Value;

/// The body of a request is JSON.
const JSON: &str = "Content-Type: application/json";

/// A request of a client, and what the client needs of the answer.
///
/// `$T` stands for the access token that the client read last, without the prefix `secret-token:`.
struct Exchange {
    /// The method and the target.
    request: &'static str,
    /// The header lines.
    headers: &'static [&'static str],
    /// The body; none if empty.
    body: &'static str,
    /// What the client needs, and what it must get.
    answer: Answer,
}

/// What the answer to a request must be.
enum Answer {
    /// 200, with these members of the JSON body (JSON pointers).
    Shown(&'static [(&'static str, Member)]),
    /// 200, with these members; the client keeps the access token at this pointer.
    LoggedIn(&'static str, &'static [(&'static str, Member)]),
    /// 204 without a body.
    Done,
    /// This status without a body, and these words in headers.
    Headers(u16, &'static [(&'static str, &'static str)]),
    /// An error with this status and code.
    Refused(u16, ErrorCode),
    /// An error with this status and code, and these words in its `detail`.
    Explained(u16, ErrorCode, &'static str),
}

/// 404 with the code 21: the answer of endpoints that the service does not have.
const NO_ENDPOINT: Answer = Answer::Refused(404, ErrorCode::GenericEndpointUnknown);

/// 401 with the code 2015.
const UNAUTHORIZED: Answer = Answer::Refused(401, ErrorCode::MerchantGenericUnauthorized);

/// What a member of an answer must be.
enum Member {
    /// A string.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An object.
    Object,
    /// An array.
    Array,
    /// A value that equals this JSON.
    Is(&'static str),
    /// An access token with its prefix.
    Token,
    /// A time that is this number of seconds ahead.
    Ahead(u64),
    /// A version of the protocol whose range overlaps this one.
    Version(u32, u32),
    /// It must be absent.
    Absent,
}

/// The members of `/config` that every currency must have.
const CURRENCY: &[(&str, Member)] = &[
    ("/name", Member::Text),
    ("/currency", Member::Text),
    ("/num_fractional_input_digits", Member::Number),
    ("/num_fractional_normal_digits", Member::Number),
    ("/num_fractional_trailing_zero_digits", Member::Number),
    ("/alt_unit_names/0", Member::Text),
    ("/common_amounts", Member::Array),
];

/// A server with the instances and passwords that the requests name.
fn backend(storage: &Storage) -> Server {
    let server = Server::start(storage);
    storage.password("admin", "pass-0");
    storage.password("shop1", "pass-1");
    server
}

/// Sends the requests in order and checks each answer. `token` is the access token that the client
/// has; returns the one that it has afterwards.
#[track_caller]
fn replay(server: &Server, token: &str, exchanges: &[Exchange]) -> String {
    let mut token = without_prefix(token).to_owned();
    for exchange in exchanges {
        let reply = exchange.send(server, &token);
        exchange.check(&reply);
        if let Answer::LoggedIn(pointer, _) = exchange.answer {
            let json = reply.json();
            without_prefix(json.pointer(pointer).unwrap().as_str().unwrap()).clone_into(&mut token);
        }
    }
    token
}

fn without_prefix(token: &str) -> &str {
    token.strip_prefix("secret-token:").unwrap_or(token)
}

/// Sends a request as it is written, on a connection of its own. The body of the reply is
/// decompressed.
fn send(server: &Server, request: &str, headers: &[String], body: &[u8]) -> Reply {
    let mut lines = vec![format!("{request} HTTP/1.1"), format!("Host: {}", server.address())];
    lines.extend_from_slice(headers);
    if !body.is_empty() {
        lines.push(format!("Content-Length: {}", body.len()));
    }
    let head = lines.join("\r\n") + "\r\n\r\n";
    let mut connection = server.connect();
    assert!(connection.write([head.as_bytes(), body].concat()));
    let method = request.split(' ').next().unwrap();
    let mut reply = connection.read_reply(method);
    if reply.header("Content-Encoding") == Some("gzip") && !reply.bytes.is_empty() {
        let mut body = String::new();
        GzDecoder::new(&*reply.bytes).read_to_string(&mut body).unwrap();
        reply.body = body;
    }
    reply
}

impl Exchange {
    fn send(&self, server: &Server, token: &str) -> Reply {
        let headers: Vec<_> =
            self.headers.iter().map(|header| header.replace("$T", token)).collect();
        send(server, self.request, &headers, self.body.as_bytes())
    }

    #[track_caller]
    fn check(&self, reply: &Reply) {
        match &self.answer {
            Answer::Shown(members) | Answer::LoggedIn(_, members) => {
                assert_eq!(reply.status, 200, "{}: {}", self.request, reply.body);
                assert_eq!(reply.header("Content-Type"), Some("application/json"));
                check_members(self.request, &reply.json(), members);
            }
            Answer::Done => {
                assert_eq!(reply.status, 204, "{}: {}", self.request, reply.body);
                assert_eq!(reply.body, "");
            }
            Answer::Headers(status, headers) => {
                assert_eq!(reply.status, *status, "{}: {}", self.request, reply.body);
                for (name, word) in *headers {
                    let value = reply.header(name).unwrap_or_default();
                    assert!(value.contains(word), "{}: {name}: {value}", self.request);
                }
            }
            Answer::Refused(status, code) => self.check_error(reply, *status, *code),
            Answer::Explained(status, code, words) => {
                self.check_error(reply, *status, *code);
                let detail = reply.json()["detail"].as_str().unwrap_or_default().to_owned();
                assert!(detail.contains(words), "{}: {detail}", self.request);
            }
        }
    }

    #[track_caller]
    fn check_error(&self, reply: &Reply, status: u16, code: ErrorCode) {
        assert_eq!(reply.status, status, "{}: {}", self.request, reply.body);
        reply.expect_error(status, code);
    }
}

#[track_caller]
fn check_members(request: &str, json: &Value, members: &[(&str, Member)]) {
    for (pointer, member) in members {
        let value = json.pointer(pointer);
        assert!(member.holds(value), "{request}: {pointer}: {json}");
    }
}

impl Member {
    fn holds(&self, value: Option<&Value>) -> bool {
        let Some(value) = value else { return matches!(self, Self::Absent) };
        match self {
            Self::Text => value.is_string(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Object => value.is_object(),
            Self::Array => value.is_array(),
            Self::Is(json) => *value == serde_json::from_str::<Value>(json).unwrap(),
            Self::Token => {
                let token = value.as_str().and_then(|token| token.strip_prefix("secret-token:"));
                token.is_some_and(|token| token.len() == 52)
            }
            Self::Ahead(seconds) => {
                // A minute for a slow machine.
                let earliest = now() + seconds - 60;
                value.as_u64().is_some_and(|time| (earliest..=now() + seconds).contains(&time))
            }
            Self::Version(oldest, newest) => {
                let numbers = value.as_str().unwrap_or_default().split(':');
                let numbers: Vec<u32> = numbers.filter_map(|number| number.parse().ok()).collect();
                let [current, _, age] = *numbers else { return false };
                current - age <= *newest && *oldest <= current
            }
            Self::Absent => false,
        }
    }
}
