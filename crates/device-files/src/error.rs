//! Errors of a file as a whole.

use thiserror::Error;

use crate::{Format, limits};

/// A reason why a file cannot be read. It contains no value of the file.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FileError {
    /// More than [`limits::MAX_FILE_BYTES`].
    #[error("the file has more than {} MiB", limits::MAX_FILE_BYTES / 1024 / 1024)]
    TooLarge,
    /// More than [`limits::MAX_ENTRIES`].
    #[error("the file has more than {} entries; split it", limits::MAX_ENTRIES)]
    TooManyEntries,
    /// More than [`limits::MAX_COLUMNS`].
    #[error("line {0}: more than {max} columns", max = limits::MAX_COLUMNS)]
    TooManyColumns(u64),
    /// Nothing but blanks.
    #[error("the file is empty")]
    Empty,
    /// Text in an unknown encoding, such as Windows-1252.
    #[error("line {0}: the file is not UTF-8; save it as UTF-8 (in Excel: CSV UTF-8)")]
    NotUtf8(u64),
    /// Damaged UTF-16.
    #[error("the file is damaged UTF-16; save it as UTF-8 (in Excel: CSV UTF-8)")]
    NotUtf16,
    /// A format that is recognised and not read.
    #[error("{0}")]
    Unsupported(Unsupported),
    /// A file of another format than the one of the options.
    #[error("the file is not in the format {}", .0.name())]
    OtherFormat(Format),
    /// A first line without the names of the columns.
    #[error(
        "the first line does not have the names of the columns: otp_device_id, \
         otp_device_description, otp_key; add it, or use --columns ID=A,KEY=B,DESCRIPTION=C"
    )]
    NoHeader,
    /// A column that is missing.
    #[error("the first line has no column {0}")]
    MissingColumn(&'static str),
    /// A column that is there twice.
    #[error("the first line has the column {0} twice")]
    DuplicateColumn(&'static str),
    /// A column with an unknown name, by its number from 1.
    #[error(
        "column {0} of the first line is unknown; the columns are otp_device_id, \
         otp_device_description, otp_key, otp_algorithm, otp_ctr"
    )]
    UnknownColumn(usize),
    /// A column of the option `columns` that the table does not have.
    #[error("--columns: the table does not have the column for {0}")]
    NoSuchColumn(&'static str),
    /// A JSON document of more than [`limits::MAX_JSON_BYTES`].
    #[error("the JSON document has more than {} MiB", limits::MAX_JSON_BYTES / 1024 / 1024)]
    DocumentTooLarge,
    /// A damaged JSON document, or one with too much nesting.
    #[error("line {0}: the JSON document is damaged")]
    Json(u64),
    /// A damaged XML document.
    #[error("line {0}: the XML document is damaged")]
    Xml(u64),
    /// A document type, or an entity that XML does not define.
    #[error("line {0}: the XML document has a document type or entities, which are not accepted")]
    XmlEntity(u64),
    /// An XML document with too much nesting, too large parts, or too many attributes.
    #[error("line {0}: the XML document exceeds the limits of nesting or size")]
    XmlLimits(u64),
    /// A file that is encrypted with a pre-shared key.
    #[error("the keys are encrypted with a key that the vendor sends separately; use --key-file")]
    KeyNeeded,
    /// A file that is encrypted with a passphrase.
    #[error("the keys are encrypted with a passphrase; use --passphrase-file")]
    PassphraseNeeded,
    /// A secret that decrypts nothing.
    #[error("the key or passphrase is wrong, or the file was changed")]
    WrongSecret,
    /// An encryption, key derivation or MAC that is not supported.
    #[error(
        "the encryption is not supported; ask the vendor for AES-CBC with HMAC and a key or PBKDF2"
    )]
    Encryption,
    /// A damaged workbook.
    #[error("the Excel workbook is damaged; save it again, or as CSV UTF-8")]
    Workbook,
    /// A workbook that is too large, before or after it is expanded.
    #[error(
        "the Excel workbook exceeds the limits of size; save the sheet of the devices as CSV UTF-8"
    )]
    WorkbookLimits,
    /// A workbook without a sheet.
    #[error("the Excel workbook has no sheet; save it again, or as CSV UTF-8")]
    NoSheet,
    /// A workbook without the sheet of the options, or without a visible one.
    #[error("the Excel workbook does not have this sheet, or no visible one; use --sheet NAME")]
    NoSuchSheet,
    /// A line `sep=` with a separator that is not supported.
    #[error("line 1: the separator is none of ; , | and tab")]
    Separator,
}

/// A format that is recognised and not read. `Display` has its name and what to do instead.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unsupported {
    /// A list of ids and keys without the names of the columns.
    #[error(
        "the file is a list of seeds as plain text; make a CSV file of it with the first line \
         otp_device_id,otp_device_description,otp_key"
    )]
    SeedList,
    /// A message of PGP.
    #[error(
        "the file is encrypted with PGP; decrypt it into the import: gpg -d FILE | merchant-otp device import -"
    )]
    Pgp,
    /// An archive that is not a workbook.
    #[error("the file is an archive; unpack it, and import the file inside")]
    Archive,
    /// PDF.
    #[error("the file is a PDF document; ask the vendor for the seeds as CSV or PSKC")]
    Pdf,
    /// A picture.
    #[error("the file is a picture; scan its QR code, and import the text (otpauth://…)")]
    Picture,
    /// A workbook in the old binary format, or with a password.
    #[error("the file is an old or encrypted Office document; save it as .xlsx without a password")]
    OldOffice,
    /// A spreadsheet of `OpenDocument`.
    #[error("the file is an OpenDocument spreadsheet; save it as .xlsx or CSV UTF-8")]
    OpenDocument,
    /// An encrypted vault of Aegis.
    #[error("the file is an encrypted export of Aegis; export again, without encryption")]
    EncryptedAegis,
    /// An encrypted backup of andOTP.
    #[error("the file is an encrypted backup of andOTP; make a plain-text backup (JSON)")]
    EncryptedAndOtp,
    /// A draft of PSKC, before RFC 6030.
    #[error("the file is an old draft of PSKC; ask the vendor for PSKC of RFC 6030")]
    OldPskc,
    /// XML of `SafeNet`.
    #[error("the file is XML of SafeNet (eToken); ask the vendor for PSKC, or make a CSV file")]
    SafeNet,
    /// XML of `SafeID`.
    #[error("the file is XML of SafeID; ask the vendor for PSKC, or make a CSV file")]
    SafeId,
    /// Other XML.
    #[error(
        "the file is XML, but not PSKC (RFC 6030); ask the vendor for PSKC, or make a CSV file"
    )]
    OtherXml,
    /// Other JSON.
    #[error(
        "the file is JSON, but no export of Aegis or andOTP; export otpauth:// URIs, or make a CSV file"
    )]
    OtherJson,
    /// Other binary data.
    #[error(
        "the format of the file is unknown; import CSV, an Excel workbook, PSKC or otpauth:// URIs"
    )]
    Binary,
}
