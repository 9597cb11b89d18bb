use std::io::Read;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use actix_web::web::{self, Payload};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use futures_util::StreamExt;
use thiserror::Error;
use zeroize::Zeroizing;

/// Why a request body cannot be read.
#[derive(Debug, Error)]
pub(crate) enum BodyError {
    /// Larger than the limit, as it came or decompressed.
    #[error("the body exceeds the limit")]
    TooLarge,
    /// Not what its `Content-Encoding` says.
    #[error("the body cannot be decompressed")]
    Compression(#[source] std::io::Error),
    /// It ended early, or its chunks are malformed.
    #[error("the body broke off")]
    Broken(#[source] PayloadError),
}

/// Reads the body of a request, decompressed, of at most `limit` bytes.
///
/// It may hold secrets, so it is wiped when dropped.
pub(crate) async fn read(
    request: &HttpRequest,
    mut payload: Payload,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    let announced = request.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(BodyError::TooLarge);
    }
    let mut body = Zeroizing::new(Vec::with_capacity(announced.unwrap_or(0)));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(BodyError::Broken)?;
        if chunk.len() > limit - body.len() {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    match Compression::of(request) {
        None => Ok(body),
        // Inflating keeps a processor busy: not on the thread that answers the others.
        Some(compression) => web::block(move || inflate(compression, &body, limit))
            .await
            .map_err(|stopped| BodyError::Compression(std::io::Error::other(stopped)))?,
    }
}

/// A `Content-Encoding` that is understood; others are ignored, as the C backend does.
#[derive(Clone, Copy)]
enum Compression {
    Deflate,
    Gzip,
}

impl Compression {
    fn of(request: &HttpRequest) -> Option<Self> {
        let value = request.headers().get(CONTENT_ENCODING)?.to_str().ok()?.trim();
        if value.eq_ignore_ascii_case("deflate") {
            Some(Self::Deflate)
        } else if value.eq_ignore_ascii_case("gzip") || value.eq_ignore_ascii_case("x-gzip") {
            Some(Self::Gzip)
        } else {
            None
        }
    }
}

/// Decompresses at most one byte more than the limit, however much there is.
fn inflate(
    compression: Compression,
    compressed: &[u8],
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    let decoder: &mut dyn Read = match compression {
        Compression::Gzip => &mut MultiGzDecoder::new(compressed),
        Compression::Deflate if has_zlib_header(compressed) => &mut ZlibDecoder::new(compressed),
        // Some clients mean the bare format (RFC 1951) by `deflate`.
        Compression::Deflate => &mut DeflateDecoder::new(compressed),
    };
    let mut body = Zeroizing::new(Vec::new());
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(most).read_to_end(&mut body).map_err(BodyError::Compression)?;
    if body.len() > limit {
        return Err(BodyError::TooLarge);
    }
    Ok(body)
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
