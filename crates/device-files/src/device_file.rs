//! The content of a file: its devices, its rejected rows and its warnings.

use std::fmt;

use merchant_otp_domain::{OtpAlgorithm, OtpDevice};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{Format, Place, Reason};

/// The content of a file.
///
/// `Debug` shows the format and the numbers only: ids and descriptions may be keys if the columns
/// of the file are swapped.
#[derive(Clone)]
pub struct DeviceFile {
    /// The recognised format, or the one of the options.
    pub format: Format,
    /// The entries, in the order of the file.
    pub entries: Vec<Entry>,
    /// Warnings, in the order of the file.
    pub warnings: Vec<Warning>,
}

impl fmt::Debug for DeviceFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DeviceFile")
            .field("format", &self.format)
            .field("entries", &self.entries.len())
            .field("warnings", &self.warnings)
            .finish()
    }
}

/// An entry of a file.
#[derive(Clone)]
pub struct Entry {
    /// The place of the entry.
    pub place: Place,
    /// The device, or the reasons why it is none.
    pub outcome: Result<OtpDevice, Box<RejectedRow>>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut entry = formatter.debug_struct("Entry");
        entry.field("place", &self.place);
        match &self.outcome {
            Ok(_) => entry.field("outcome", &"device"),
            Err(rejected) => entry.field("outcome", rejected),
        };
        entry.finish()
    }
}

/// An entry that is not a device. `Display` shows the reasons, and not the place.
#[derive(Clone)]
pub struct RejectedRow {
    /// The place of the first reason: a cell of a workbook, or else the place of the entry.
    pub place: Place,
    /// The reasons, at least one.
    pub reasons: Vec<Reason>,
    /// The fields of the entry, for a file of rejected rows.
    pub fields: Fields,
}

impl fmt::Debug for RejectedRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RejectedRow")
            .field("place", &self.place)
            .field("reasons", &self.reasons)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for RejectedRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, reason) in self.reasons.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            write!(formatter, "{separator}{reason}")?;
        }
        Ok(())
    }
}

/// The fields of an entry, as text, under the names of the project's own CSV.
///
/// They include what a token is: without it, a rejected token would be accepted from the file of
/// rejected rows. `Debug` shows nothing of them, because they contain the key.
#[derive(Clone, Default)]
pub struct Fields {
    /// The id.
    pub id: Zeroizing<String>,
    /// The description.
    pub description: Zeroizing<String>,
    /// The key.
    pub key: Zeroizing<String>,
    /// The algorithm of the protocol; empty means 1.
    pub algorithm: Zeroizing<String>,
    /// The counter; empty means 0.
    pub counter: Zeroizing<String>,
    /// The type of the token, such as `hotp`; empty means `totp`.
    pub kind: Zeroizing<String>,
    /// The hash function; empty means SHA-1.
    pub hash: Zeroizing<String>,
    /// The number of digits; empty means 8.
    pub digits: Zeroizing<String>,
    /// The period in seconds; empty means 30.
    pub period: Zeroizing<String>,
}

impl Fields {
    /// The names of the columns, in the order of [`Fields::values`].
    pub const NAMES: [&'static str; 9] = [
        "otp_device_id",
        "otp_device_description",
        "otp_key",
        "otp_algorithm",
        "otp_ctr",
        "otp_type",
        "otp_hash",
        "otp_digits",
        "otp_period",
    ];

    /// The values of the columns. They contain the key.
    #[must_use]
    pub fn values(&self) -> [&str; 9] {
        [
            &self.id,
            &self.description,
            &self.key,
            &self.algorithm,
            &self.counter,
            &self.kind,
            &self.hash,
            &self.digits,
            &self.period,
        ]
    }

    /// The fields of a device, for a device that a store rejects.
    #[must_use]
    pub fn of(device: &OtpDevice) -> Self {
        let text = |text: &str| Zeroizing::new(text.to_owned());
        let algorithm = match device.algorithm() {
            OtpAlgorithm::TotpWithoutPrice => String::new(),
            algorithm => algorithm.number().to_string(),
        };
        Self {
            id: text(device.id().as_str()),
            description: text(device.description().as_str()),
            key: device.key().to_base32(),
            algorithm: Zeroizing::new(algorithm),
            ..Self::default()
        }
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Fields([redacted])")
    }
}

/// A warning: the entry is a device, and a person should check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The place of the entry.
    pub place: Place,
    /// What to check.
    pub kind: WarningKind,
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.kind)
    }
}

/// What a warning is about.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum WarningKind {
    /// A number of symbols that no encoder of Base32 writes.
    #[error(
        "the key has an impossible length: a symbol may be missing or too many; compare a code"
    )]
    KeyLength,
    /// Bits after the last byte of the key that are not 0, which no encoder of Base32 writes.
    #[error("the key ends in unused bits: a symbol may be missing or wrong; compare a code")]
    KeyBits,
    /// The first line is not a device.
    #[error("the line is taken for the names of the columns")]
    Header,
}
