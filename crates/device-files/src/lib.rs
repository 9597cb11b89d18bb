//! Readers of the files of devices that vendors, apps and spreadsheets write.
//!
//! [`read`] takes the bytes of a file and returns its entries in order: each is a device, or the
//! reasons why it cannot be one. The crate does no I/O. It recognises the format by the content,
//! never by a name.
//!
//! Only a token that shows the codes of the protocol becomes a device: time-based (TOTP), SHA-1, 8
//! digits, 30 s. The project's own CSV may also have devices whose codes depend on the price.
//!
//! Files come from outside, and are full of secrets. Therefore sizes, nesting and expansion are
//! bounded ([`limits`]), and no error, warning or `Debug` output quotes a value of the file: they
//! have the place ([`Place`]) and the violated rule.

mod device_file;
mod draft;
mod error;
mod format;
mod formats;
mod key_text;
pub mod limits;
mod options;
mod place;
mod reason;
mod recognise;
mod table;
mod text;
mod token;
mod xml;

pub use device_file::{DeviceFile, Entry, Fields, RejectedRow, Warning, WarningKind};
pub use error::{FileError, Unsupported};
pub use format::{Format, UnknownFormat};
pub use options::{Columns, ColumnsError, KeyFormat, Options, Secret};
pub use place::Place;
pub use reason::Reason;

/// Reads the devices of a file.
///
/// ```
/// use merchant_otp_device_files::{Format, Options, read};
///
/// let csv = b"otp_device_id;otp_device_description;otp_key\ntill;Till 1;JBSWY3DPEHPK3PXP\n";
/// let file = read(csv, &Options::default()).unwrap();
/// assert_eq!(file.format, Format::Csv);
/// let device = file.entries[0].outcome.as_ref().unwrap();
/// assert_eq!(device.id().as_str(), "till");
/// ```
///
/// # Errors
///
/// If the file as a whole cannot be read: the format is unknown or unsupported, the file is
/// damaged, or it exceeds a limit. An entry that cannot be a device is no error of the file.
pub fn read(bytes: &[u8], options: &Options) -> Result<DeviceFile, FileError> {
    if bytes.len() > limits::MAX_FILE_BYTES {
        return Err(FileError::TooLarge);
    }
    formats::read(bytes, options)
}
