//! HTTP replies, and raw connections.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use merchant_otp_taler_protocol::ErrorCode;
use serde_json::Value;
use ureq::Body;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Response};

/// The reply to a request.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as received.
    pub bytes: Vec<u8>,
    /// The body, as text.
    pub body: String,
}

impl Reply {
    pub(crate) fn read(mut response: Response<Body>) -> Self {
        let bytes = response.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
        let body = String::from_utf8_lossy(&bytes).into_owned();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, bytes, body }
    }

    /// The body, as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// A header, as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Asserts status 204 and an empty body.
    #[track_caller]
    pub fn expect_stored(&self) {
        assert_eq!((self.status, &*self.body), (204, ""));
    }

    /// Asserts a Taler error with this status and code, and the shape of its body.
    #[track_caller]
    pub fn expect_error(&self, status: u16, code: ErrorCode) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("Content-Type"), Some("application/json"));
        let body = self.json();
        assert_eq!(body["code"], code.number(), "{body}");
        assert!(body["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{body}");
        if status >= 500 {
            assert_eq!(body.as_object().unwrap().len(), 2, "more than code and hint: {body}");
        }
    }
}

/// A TCP connection for requests that are written by hand.
pub struct RawConnection(TcpStream);

impl RawConnection {
    pub(crate) fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
        Self(stream)
    }

    /// Writes bytes; returns `false` if the server has closed the connection.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).and_then(|()| self.0.flush()).is_ok()
    }

    /// Shuts down the sending side, and reads until the server closes the connection.
    #[must_use]
    pub fn finish(mut self) -> String {
        let _closed_already = self.0.shutdown(Shutdown::Write);
        self.read_to_end()
    }

    /// Reads until the server closes the connection.
    #[must_use]
    pub fn read_to_end(&mut self) -> String {
        let mut reply = Vec::new();
        let mut buffer = [0; 4096];
        // A reset after the reply counts as a close.
        while let Ok(length @ 1..) = self.0.read(&mut buffer) {
            reply.extend_from_slice(&buffer[..length]);
        }
        String::from_utf8(reply).unwrap()
    }

    /// Whether there are unread bytes, or the server has closed the connection.
    #[must_use]
    pub fn has_answer(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let peeked = self.0.peek(&mut [0]);
        self.0.set_nonblocking(false).unwrap();
        !peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Reads the head of a reply.
    #[must_use]
    pub fn read_head(&mut self) -> String {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.0.read_exact(&mut byte).unwrap();
            head.extend_from_slice(&byte);
        }
        String::from_utf8(head).unwrap()
    }

    /// Reads a whole reply to a request with this method (RFC 9112 section 6.3). The connection
    /// stays open.
    #[must_use]
    pub fn read_reply(&mut self, method: &str) -> Reply {
        let head = self.read_head();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let length = headers.get("Content-Length").map(|length| length.to_str().unwrap());
        let bytes = if method == "HEAD" || status == 204 {
            Vec::new()
        } else if headers.contains_key("Transfer-Encoding") {
            self.read_chunks()
        } else {
            self.read_bytes(length.unwrap().parse().unwrap())
        };
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Reply { status, headers, bytes, body }
    }

    fn read_chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let mut length = String::new();
            while !length.ends_with("\r\n") {
                length.push(char::from(self.read_bytes(1)[0]));
            }
            let length = usize::from_str_radix(length.trim_end(), 16).unwrap();
            body.extend(self.read_bytes(length));
            assert_eq!(self.read_bytes(2), b"\r\n");
            if length == 0 {
                return body;
            }
        }
    }

    fn read_bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }
}
