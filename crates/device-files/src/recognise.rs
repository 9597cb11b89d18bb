//! The format of a file, by its content.

use crate::text::{decode, trim};
use crate::{FileError, Unsupported};

/// Formats that are recognised by their first bytes and not read.
pub(crate) fn binary(bytes: &[u8]) -> Option<Unsupported> {
    const SIGNATURES: &[(&[u8], Unsupported)] = &[
        (b"%PDF", Unsupported::Pdf),
        (b"\x89PNG", Unsupported::Picture),
        (b"\xFF\xD8\xFF", Unsupported::Picture),
        (b"GIF8", Unsupported::Picture),
        (b"II*\0", Unsupported::Picture),
        (b"MM\0*", Unsupported::Picture),
        (b"\xD0\xCF\x11\xE0", Unsupported::OldOffice),
        (b"\x1F\x8B", Unsupported::Archive),
        (b"7z\xBC\xAF\x27\x1C", Unsupported::Archive),
        (b"Rar!\x1A\x07", Unsupported::Archive),
        (b"BZh9", Unsupported::Archive),
        (b"\xFD7zXZ\0", Unsupported::Archive),
        (b"\x28\xB5\x2F\xFD", Unsupported::Archive),
        (b"-----BEGIN PGP", Unsupported::Pgp),
    ];
    let known = SIGNATURES.iter().find(|(start, _)| bytes.starts_with(start));
    if let Some((_, unsupported)) = known {
        return Some(*unsupported);
    }
    match bytes {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..]
        | [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..]
        | [0, 0, 0, _, b'f', b't', b'y', b'p', ..] => Some(Unsupported::Picture),
        // Packets of OpenPGP (RFC 9580): a session key encrypted for a public key (1) or with a
        // passphrase (3), version 3 to 6, in the old and in the new form.
        [0x84 | 0x8C, _, 3..=6, ..]
        | [0x85, _, _, 3..=6, ..]
        | [0xC1 | 0xC3, 0..=0xBF, 3..=6, ..]
        | [0xC1 | 0xC3, 0xC0..=0xDF, _, 3..=6, ..] => Some(Unsupported::Pgp),
        // The number of iterations, 140,000 to 160,000, before the salt and the cipher text.
        [0, 2, 0x22..=0x71, _, rest @ ..] if rest.len() >= 40 => Some(Unsupported::EncryptedAndOtp),
        _ => None,
    }
}

/// Text files that are recognised by their first characters and not read.
pub(crate) fn text(text: &str) -> Result<(), FileError> {
    let text = trim(text);
    if text.is_empty() {
        return Err(FileError::Empty);
    }
    if text.starts_with("-----BEGIN PGP") {
        return Err(FileError::Unsupported(Unsupported::Pgp));
    }
    if text.contains('\0') {
        return Err(FileError::Unsupported(Unsupported::Binary));
    }
    Ok(())
}

/// The error for bytes that are not text: binary data, or text in another encoding.
pub(crate) fn decoded(bytes: &[u8]) -> Result<zeroize::Zeroizing<String>, FileError> {
    decode(bytes).map_err(|error| {
        let is_binary = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
        match error {
            FileError::NotUtf8(_) if bytes.iter().take(4096).any(is_binary) => {
                FileError::Unsupported(Unsupported::Binary)
            }
            error => error,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, read};

    #[test]
    fn binary_formats_are_named_with_a_remedy() {
        let encrypted = [&[0, 2, 0x49, 0xF0][..], &[0xA5; 60]].concat();
        for (bytes, unsupported, remedy) in [
            (&b"%PDF-1.7\n"[..], Unsupported::Pdf, "CSV or PSKC"),
            (b"\x89PNG\r\n\x1A\n", Unsupported::Picture, "QR code"),
            (b"\xFF\xD8\xFF\xE0\0\x10JFIF", Unsupported::Picture, "QR code"),
            (b"RIFF\x24\0\0\0WEBPVP8 ", Unsupported::Picture, "QR code"),
            (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", Unsupported::OldOffice, ".xlsx"),
            (b"\x1F\x8B\x08\0", Unsupported::Archive, "unpack"),
            (b"7z\xBC\xAF\x27\x1C\0\x04", Unsupported::Archive, "unpack"),
            (b"-----BEGIN PGP MESSAGE-----\n\nhQ", Unsupported::Pgp, "gpg -d"),
            (b"\x85\x01\x0C\x03\xAA\xBB", Unsupported::Pgp, "gpg -d"),
            (b"\x8C\x0D\x04\x09\x03\x02", Unsupported::Pgp, "gpg -d"),
            (b"\xC3\x0D\x04\x09\x03\x02", Unsupported::Pgp, "gpg -d"),
            (&encrypted, Unsupported::EncryptedAndOtp, "plain-text"),
            (b"\x01\x02\x03\xFF\xFE", Unsupported::Binary, "CSV"),
        ] {
            let error = read(bytes, &Options::default()).unwrap_err();
            assert_eq!(error, FileError::Unsupported(unsupported), "{bytes:?}");
            assert!(error.to_string().contains(remedy), "{error}");
        }
    }

    #[test]
    fn text_that_is_no_table_of_devices_is_named() {
        let seeds = "2600000000001 DA4B9237BACCCDF19C0760CAB7AEC4A8359010B0\n";
        for (text, error) in [
            ("", FileError::Empty),
            ("\u{FEFF}\n \n", FileError::Empty),
            (seeds, FileError::Unsupported(Unsupported::SeedList)),
            ("JBSWY3DPEHPK3PXP\n", FileError::Unsupported(Unsupported::SeedList)),
            ("t1,JBSWY3DPEHPK3PXP\n", FileError::Unsupported(Unsupported::SeedList)),
            ("till-9;Kasse Nord;GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n", FileError::NoHeader),
            ("serials of the tills, by hand\n", FileError::NoHeader),
            ("abc\0", FileError::Unsupported(Unsupported::Binary)),
        ] {
            assert_eq!(read(text.as_bytes(), &Options::default()).err(), Some(error), "{text:?}");
        }
    }
}
