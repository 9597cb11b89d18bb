//! The arguments of `device import`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use merchant_otp_device_files::{Columns, Format, KeyFormat};

use super::InstanceArgs;

#[derive(Args)]
pub(crate) struct ImportArgs {
    /// File of devices, or - for standard input
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) instance: InstanceArgs,
    /// Format of the file, if it is not recognised: csv, xlsx, oath-csv, entra, yubico, pskc,
    /// otpauth, google-migration, aegis or andotp
    #[arg(long, value_parser = Format::from_name)]
    pub(crate) format: Option<Format>,
    /// Columns of a table with other names, by name or letter: ID=A,KEY=B,DESCRIPTION=C
    #[arg(long, value_parser = Columns::parse)]
    pub(crate) columns: Option<Columns>,
    /// Encoding of the keys of a table
    #[arg(long, value_enum)]
    pub(crate) key_format: Option<KeyFormatArgument>,
    /// Sheet of a workbook [default: the first visible one]
    #[arg(long, value_name = "NAME")]
    pub(crate) sheet: Option<String>,
    /// Digits of the tokens, if the file leaves them out, which means 6
    #[arg(long, value_parser = clap::value_parser!(u8).range(4..=10))]
    pub(crate) digits: Option<u8>,
    /// Text before each id
    #[arg(long, value_name = "PREFIX", default_value = "")]
    pub(crate) id_prefix: String,
    /// File with the pre-shared key of an encrypted file: hexadecimal digits, or raw bytes
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    pub(crate) key_file: Option<PathBuf>,
    /// File with the passphrase of an encrypted file, or - for standard input; on a terminal, the
    /// passphrase is asked for
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Accept encrypted keys without a MAC, which anyone could have changed
    #[arg(long)]
    pub(crate) allow_unauthenticated: bool,
    /// New file for rejected rows, which contains their keys; default FILE.rejects.csv, with a
    /// number if that exists
    #[arg(long, value_name = "NEW-FILE")]
    pub(crate) rejects: Option<PathBuf>,
    /// Check every row without registering any, and without writing a file
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Register without asking on a terminal
    #[arg(long)]
    pub(crate) yes: bool,
}

/// The encoding of keys.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum KeyFormatArgument {
    /// Base32 (RFC 4648)
    Base32,
    /// Hexadecimal
    Hex,
}

impl From<KeyFormatArgument> for KeyFormat {
    fn from(argument: KeyFormatArgument) -> Self {
        match argument {
            KeyFormatArgument::Base32 => Self::Base32,
            KeyFormatArgument::Hex => Self::Hex,
        }
    }
}
