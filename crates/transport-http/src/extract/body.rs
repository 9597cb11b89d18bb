//! Request bodies.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use actix_web::rt::time::timeout;
use actix_web::web;
use actix_web::{HttpMessage, HttpRequest};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use futures_util::StreamExt;
use thiserror::Error;
use zeroize::Zeroizing;

/// Progress of a request body; stored in the extensions of the request.
pub(crate) enum BodyProgress {
    /// The body is being received.
    Receiving,
    /// The body has been complete since this time.
    Complete(Instant),
}

/// An error of reading a request body.
#[derive(Debug, Error)]
pub(crate) enum BodyError {
    /// The body is larger than the limit, as received or decompressed.
    #[error("the body exceeds the limit")]
    TooLarge,
    /// The body does not match its `Content-Encoding`.
    #[error("the body cannot be decompressed")]
    Compression(#[source] std::io::Error),
    /// The body has a `Content-Encoding` that the service does not support.
    #[error("the Content-Encoding of the body is not supported; use {SUPPORTED_CODINGS}")]
    UnsupportedCoding,
    /// The body ended early, or its chunks are malformed.
    #[error("the body broke off")]
    Broken(#[source] PayloadError),
    /// The body did not arrive in time.
    #[error("the body did not come within {} s", deadline.as_secs())]
    Late {
        /// The time limit.
        deadline: Duration,
    },
}

/// The content codings of request bodies, as the header `Accept-Encoding` lists them.
pub(crate) const SUPPORTED_CODINGS: &str = "gzip, deflate";

/// A body that takes longer than this to arrive is late.
const IMMEDIATE: Duration = Duration::from_millis(100);

/// The body of a request. It may contain secrets, so our copies of it are wiped.
pub(crate) struct Body {
    /// The received bytes, decompressed.
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    /// Whether it arrived so late that authorization must be checked again.
    pub(crate) arrived_late: bool,
}

/// Reads the body of a request, decompressed, of at most `limit` bytes.
pub(crate) async fn read(
    request: &HttpRequest,
    payload: Payload,
    limit: usize,
    deadline: Duration,
) -> Result<Body, BodyError> {
    let announced = request.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(BodyError::TooLarge);
    }
    let begin = Instant::now();
    request.extensions_mut().insert(BodyProgress::Receiving);
    let received = timeout(deadline, receive(payload, limit)).await;
    request.extensions_mut().insert(BodyProgress::Complete(Instant::now()));
    let mut bytes = received.unwrap_or(Err(BodyError::Late { deadline }))?;
    match Compression::of(request) {
        Compression::None => {}
        Compression::Unsupported if is_object(&bytes) => {}
        Compression::Unsupported => return Err(BodyError::UnsupportedCoding),
        Compression::Format(format) => {
            // Inflating is CPU-bound, so it must not run on the worker's thread.
            bytes = web::block(move || inflate(format, &bytes, limit))
                .await
                .map_err(|stopped| BodyError::Compression(std::io::Error::other(stopped)))??;
        }
    }
    Ok(Body { bytes, arrived_late: begin.elapsed() > IMMEDIATE })
}

/// Receives a body of at most `limit` bytes.
async fn receive(mut payload: Payload, limit: usize) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = payload.next().await {
        append(&mut body, &chunk.map_err(BodyError::Broken)?, limit)?;
    }
    Ok(body)
}

/// Appends to a body of at most `limit` bytes; a buffer that becomes too small is wiped.
fn append(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8], limit: usize) -> Result<(), BodyError> {
    let length = body.len().saturating_add(chunk.len());
    if length > limit {
        return Err(BodyError::TooLarge);
    }
    if length > body.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(length.max(body.capacity() * 2)));
        larger.extend_from_slice(body);
        *body = larger;
    }
    body.extend_from_slice(chunk);
    Ok(())
}

/// The `Content-Encoding` of a body.
enum Compression {
    None,
    Format(Format),
    Unsupported,
}

/// A compression format.
#[derive(Clone, Copy)]
enum Format {
    Deflate,
    Gzip,
}

impl Compression {
    fn of(request: &HttpRequest) -> Self {
        let Some(value) = request.headers().get(CONTENT_ENCODING) else { return Self::None };
        let value = value.to_str().unwrap_or_default().trim();
        let is = |coding: &str| value.eq_ignore_ascii_case(coding);
        if is("deflate") {
            Self::Format(Format::Deflate)
        } else if is("gzip") || is("x-gzip") {
            Self::Format(Format::Gzip)
        } else if is("identity") {
            Self::None
        } else {
            Self::Unsupported
        }
    }
}

/// Whether a body begins like a JSON object. Some clients send a character set as the coding, which
/// the C backend ignores.
fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'{')
}

/// Decompresses up to the limit, and at most one buffer beyond it.
fn inflate(
    format: Format,
    compressed: &[u8],
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    let decoder: &mut dyn Read = match format {
        Format::Gzip => &mut MultiGzDecoder::new(compressed),
        Format::Deflate if has_zlib_header(compressed) => &mut ZlibDecoder::new(compressed),
        // Some clients send the raw format (RFC 1951) as `deflate`.
        Format::Deflate => &mut DeflateDecoder::new(compressed),
    };
    let mut body = Zeroizing::new(Vec::new());
    let mut buffer = Zeroizing::new([0; 16 * 1024]);
    loop {
        match decoder.read(buffer.as_mut_slice()) {
            Ok(0) => return Ok(body),
            Ok(length) => append(&mut body, buffer.get(..length).unwrap_or_default(), limit)?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(BodyError::Compression(error)),
        }
    }
}

/// Whether the first two bytes are those of RFC 1950 section 2.2: method 8, a multiple of 31.
fn has_zlib_header(compressed: &[u8]) -> bool {
    match compressed {
        [method, flags, ..] => {
            method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
        }
        _ => false,
    }
}
