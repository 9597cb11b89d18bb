//! The input of an import: the file, and the secret that decrypts it.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use merchant_otp_device_files::{DeviceFile, FileError, Options, Secret, limits, read};
use zeroize::Zeroizing;

use crate::command_line::ImportArgs;

/// The maximum size of a key or a passphrase, in bytes.
const MAX_SECRET_BYTES: u64 = 4096;

/// The name of the input in messages.
pub(super) fn name(file: &Path) -> String {
    if is_standard_input(file) { "standard input".to_owned() } else { file.display().to_string() }
}

pub(super) fn is_standard_input(file: &Path) -> bool {
    file == Path::new("-")
}

/// Whether a file for rejected rows can be beside the input: not beside a pipe, and not in a
/// folder of the system such as that of `/dev/stdin`.
pub(super) fn has_folder(file: &Path) -> bool {
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok();
    let of_system = ["/dev", "/proc", "/sys"];
    let is_of_system =
        folder.is_some_and(|folder| of_system.iter().any(|system| folder.starts_with(system)));
    !is_standard_input(file) && is_file && !is_of_system
}

/// Reads the devices of the file; asks for a missing passphrase on a terminal.
pub(super) fn devices(arguments: &ImportArgs) -> anyhow::Result<DeviceFile> {
    let file = &arguments.file;
    let is_standard = |path: &Option<PathBuf>| path.as_deref().is_some_and(is_standard_input);
    if is_standard_input(file) && is_standard(&arguments.passphrase_file) {
        bail!("--passphrase-file: standard input is the file of devices; name another file");
    }
    let bytes = if is_standard_input(file) {
        contents(io::stdin().lock())
    } else {
        File::open(file).and_then(contents)
    };
    let bytes = bytes.with_context(|| name(file))?;
    let mut options = Options {
        format: arguments.format,
        columns: arguments.columns.clone(),
        key_format: arguments.key_format.map(Into::into),
        sheet: arguments.sheet.clone(),
        digits: arguments.digits,
        id_prefix: arguments.id_prefix.clone(),
        secret: secret(arguments)?,
        allow_unauthenticated: arguments.allow_unauthenticated,
    };
    let mut found = read(&bytes, &options);
    let can_ask = !is_standard_input(file) && io::stdin().is_terminal();
    if found.as_ref().err() == Some(&FileError::PassphraseNeeded)
        && can_ask
        && options.secret.is_none()
    {
        let passphrase = rpassword::prompt_password("Passphrase of the file: ")?;
        options.secret = Some(Secret::Passphrase(Zeroizing::new(passphrase)));
        found = read(&bytes, &options);
    }
    found.with_context(|| name(file))
}

/// The bytes of a file, up to one more than the limit.
fn contents(reader: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let limit = u64::try_from(limits::MAX_FILE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::new());
    reader.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn secret(arguments: &ImportArgs) -> anyhow::Result<Option<Secret>> {
    let contents = |path: &Path| -> anyhow::Result<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(Vec::new());
        let read = if is_standard_input(path) {
            io::stdin().lock().take(MAX_SECRET_BYTES).read_to_end(&mut bytes)
        } else {
            File::open(path).and_then(|file| file.take(MAX_SECRET_BYTES).read_to_end(&mut bytes))
        };
        read.with_context(|| name(path))?;
        Ok(bytes)
    };
    if let Some(path) = &arguments.key_file {
        let bytes = contents(path)?;
        let key = str::from_utf8(&bytes).ok().and_then(hexadecimal);
        return Ok(Some(Secret::PreSharedKey(key.unwrap_or(bytes))));
    }
    let Some(path) = &arguments.passphrase_file else { return Ok(None) };
    let bytes = contents(path)?;
    // The error of the conversion is not shown, because it contains the passphrase.
    let Ok(text) = str::from_utf8(&bytes) else { bail!("{}: it is not UTF-8", name(path)) };
    let passphrase = text.strip_suffix('\n').map_or(text, |text| text.trim_end_matches('\r'));
    Ok(Some(Secret::Passphrase(Zeroizing::new(passphrase.to_owned()))))
}

/// A key in hexadecimal digits, in groups or not.
fn hexadecimal(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digits: Vec<_> = text
        .chars()
        .filter(|character| !character.is_whitespace())
        .map(|character| character.to_digit(16))
        .collect::<Option<_>>()?;
    if digits.is_empty() || digits.len() % 2 != 0 {
        return None;
    }
    let byte = |pair: &[u32]| {
        let value = pair.iter().fold(0, |value, digit| value << 4 | digit);
        u8::try_from(value).ok()
    };
    digits.chunks(2).map(byte).collect::<Option<Vec<_>>>().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_hexadecimal_or_raw() {
        assert_eq!(hexadecimal("12 34\nab\n").unwrap().as_slice(), [0x12, 0x34, 0xAB]);
        for text in ["", "123", "xy"] {
            assert!(hexadecimal(text).is_none(), "{text}");
        }
    }
}
