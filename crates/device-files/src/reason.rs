//! The reasons why an entry is no device.

use merchant_otp_domain::{
    OtpAlgorithmError, OtpDeviceDescriptionError, OtpDeviceError, OtpDeviceIdError, OtpKeyError,
};
use thiserror::Error;

/// A reason why an entry is not a device. It contains no value of the file but small numbers.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Reason {
    /// A quoted field without an end, or with text after its end.
    #[error("a quote is not closed")]
    UnclosedQuote,
    /// More or fewer fields than columns.
    #[error("{found} fields, expected {expected}")]
    FieldCount {
        /// The number of fields of the row.
        found: usize,
        /// The number of columns.
        expected: usize,
    },
    /// No id.
    #[error("the id is missing")]
    NoId,
    /// An id in the scientific notation of a spreadsheet.
    #[error(
        "the spreadsheet shortened the id to a number; format its column as text, and enter it again"
    )]
    ShortenedId,
    /// An invalid id.
    #[error("{0}")]
    Id(OtpDeviceIdError),
    /// An invalid description.
    #[error("{0}")]
    Description(OtpDeviceDescriptionError),
    /// An invalid key.
    #[error("{0}")]
    Key(OtpKeyError),
    /// A key that is not hexadecimal.
    #[error("the key is not hexadecimal; if it is Base32, use --key-format base32")]
    NotHex,
    /// A key that is hexadecimal, or hexadecimal as well as Base32.
    #[error(
        "the key looks like hexadecimal; use --key-format hex, or --key-format base32 if it is Base32"
    )]
    LooksLikeHex,
    /// A key in an encoding that is not Base64.
    #[error("the key is not Base64")]
    NotBase64,
    /// A URI in place of a key.
    #[error("the key is a whole otpauth:// URI; the key is the text after secret=")]
    KeyIsUri,
    /// No key.
    #[error("the key is missing")]
    NoKey,
    /// An unknown algorithm.
    #[error("{0}")]
    Algorithm(OtpAlgorithmError),
    /// A number with a decimal point, or text.
    #[error("{0} is not a whole number")]
    NotWhole(&'static str),
    /// An invalid device.
    #[error("{0}")]
    Device(OtpDeviceError),
    /// The algorithm computes no codes.
    #[error("the algorithm NONE computes no codes; register the device with `device add`")]
    NoCodes,
    /// A counter, which no algorithm uses.
    #[error("no algorithm uses the counter: the codes of a counter-based (HOTP) token never fit")]
    Counter,
    /// A counter-based token.
    #[error("the token is counter-based (HOTP); a time-based (TOTP) token is needed")]
    CounterBased,
    /// A token of Steam.
    #[error("the token shows the codes of Steam, which are not TOTP")]
    Steam,
    /// A token of another kind, or of an unknown one.
    #[error("the token is not time-based (TOTP)")]
    NotTotp,
    /// Another number of digits.
    #[error("the token shows {0} digits; 8 are needed")]
    Digits(u8),
    /// A format that leaves out the digits, which means 6.
    #[error(
        "the file does not state the digits, which means 6; 8 are needed: if the token shows 8, use --digits 8"
    )]
    DigitsLeftOut,
    /// A format that leaves out the digits, and an app that then shows 6.
    #[error("the entry does not state the digits, so the app shows 6; 8 are needed")]
    DigitsDefault,
    /// Another period.
    #[error("the token shows a new code every {0} s; 30 s are needed")]
    Period(u32),
    /// A start of the time steps that is not the epoch.
    #[error("the time steps of the token do not start at the epoch (T0 is not 0)")]
    StartTime,
    /// Another hash function.
    #[error("the token uses another hash function; SHA-1 is needed")]
    Hash,
    /// Codes that are not decimal digits alone.
    #[error("the codes are not plain decimal digits")]
    Encoding,
    /// A cell whose number is shown otherwise than stored.
    #[error(
        "the cell has a number format that is neither General, zeros nor text; format it as text"
    )]
    NumberFormat,
    /// A number that is not whole, is negative, or has more than the 15 digits of a spreadsheet.
    #[error(
        "the spreadsheet made an inexact number of the text; format the cell as text, and enter it again"
    )]
    InexactNumber,
    /// A cell with an error, a date or a truth value.
    #[error("the cell is neither text nor a number")]
    CellKind,
    /// A malformed URI.
    #[error("the URI is malformed")]
    Uri,
    /// A malformed payload of a migration.
    #[error("the payload of the export is damaged")]
    Payload,
    /// An entry that lacks a member, or has one of another type.
    #[error("the entry is incomplete or malformed")]
    Malformed,
    /// A MAC that does not match.
    #[error("the MAC does not match: the key or passphrase is wrong, or the value was changed")]
    MacMismatch,
    /// An encrypted key without a MAC.
    #[error(
        "the encrypted key has no MAC, so anyone could have changed it; if you trust the file, use --allow-unauthenticated"
    )]
    MacMissing,
    /// A value that cannot be decrypted.
    #[error(
        "the value cannot be decrypted: the key or passphrase is wrong, or the value is damaged"
    )]
    Decryption,
    /// An encryption that is not supported.
    #[error("the encryption of the key is not supported; AES-CBC is")]
    Encryption,
}
