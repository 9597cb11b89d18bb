//! The formats that the crate reads.

use strum::{IntoStaticStr, VariantArray};
use thiserror::Error;

/// A format of files of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Format {
    /// The project's own CSV: `csv`. Its first line has the names of the columns.
    Csv,
    /// An Excel workbook: `xlsx`. Its table is the project's own, or one of the other CSV formats.
    #[strum(serialize = "xlsx")]
    Workbook,
    /// OATH CSV of privacyIDEA, `LinOTP` and `NetIQ`: `oath-csv`. Serial, seed, type, digits, step.
    OathCsv,
    /// CSV of Microsoft Entra, as Token2 and other vendors send it: `entra`.
    Entra,
    /// The log of the Yubico personalization tool: `yubico`.
    Yubico,
    /// PSKC (RFC 6030), plain or encrypted: `pskc`.
    Pskc,
    /// `otpauth://` URIs, one on a line: `otpauth`.
    #[strum(serialize = "otpauth")]
    OtpAuth,
    /// The export of Google Authenticator, `otpauth-migration://`: `google-migration`.
    GoogleMigration,
    /// The plain export of Aegis: `aegis`.
    Aegis,
    /// The plain backup of andOTP: `andotp`.
    #[strum(serialize = "andotp")]
    AndOtp,
}

impl Format {
    /// All formats.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The name of the format on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Finds a format by its name.
    ///
    /// # Errors
    ///
    /// If no format has the name.
    pub fn from_name(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.iter().copied().find(|format| format.name() == name).ok_or(UnknownFormat)
    }
}

/// Error returned by [`Format::from_name`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("no format has this name; the formats are {}", names())]
pub struct UnknownFormat;

fn names() -> String {
    Format::ALL.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_found_by_its_name() {
        for format in Format::ALL {
            assert_eq!(Format::from_name(format.name()), Ok(*format));
        }
        assert_eq!(Format::from_name("oath-csv"), Ok(Format::OathCsv));
        let error = Format::from_name("pdf").unwrap_err().to_string();
        assert!(error.contains("csv, xlsx, oath-csv, entra"), "{error}");
    }
}
