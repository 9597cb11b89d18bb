//! The text of a file: byte order marks, UTF-8 and UTF-16.

use data_encoding::BASE64;
use encoding_rs::{UTF_16BE, UTF_16LE};
use zeroize::Zeroizing;

use crate::FileError;

/// Decodes the text of a file, without its byte order mark.
pub(crate) fn decode(bytes: &[u8]) -> Result<Zeroizing<String>, FileError> {
    let encoding = match bytes {
        [0xEF, 0xBB, 0xBF, text @ ..] => return utf_8(text),
        [0xFF, 0xFE, text @ ..] => Some((UTF_16LE, text)),
        [0xFE, 0xFF, text @ ..] => Some((UTF_16BE, text)),
        // UTF-16 without a mark: text begins with a character of ASCII.
        [first, 0, text @ ..] if first.is_ascii() && *first != 0 && !text.is_empty() => {
            Some((UTF_16LE, bytes))
        }
        [0, second, text @ ..] if second.is_ascii() && *second != 0 && !text.is_empty() => {
            Some((UTF_16BE, bytes))
        }
        _ => None,
    };
    let Some((encoding, text)) = encoding else { return utf_8(bytes) };
    let decoded = encoding.decode_without_bom_handling_and_without_replacement(text);
    Ok(Zeroizing::new(decoded.ok_or(FileError::NotUtf16)?.into_owned()))
}

fn utf_8(bytes: &[u8]) -> Result<Zeroizing<String>, FileError> {
    match str::from_utf8(bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = valid.split(|byte| *byte == b'\n').count();
            Err(FileError::NotUtf8(u64::try_from(line).unwrap_or(u64::MAX)))
        }
    }
}

/// Removes blanks at both ends: white space, no-break spaces and invisible spaces.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// Whether a character is a blank, seen or not.
pub(crate) fn is_blank(character: char) -> bool {
    character.is_whitespace()
        || matches!(character, '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}')
}

/// Base64 in lines.
pub(crate) fn base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let text: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|character| !is_blank(*character)).collect());
    BASE64.decode(text.as_bytes()).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_8_and_utf_16_are_decoded_with_and_without_a_mark() {
        let text = "id;Kasse Süd\r\n";
        let little: Vec<_> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<_> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [
            text.as_bytes().to_vec(),
            [b"\xEF\xBB\xBF", text.as_bytes()].concat(),
            [b"\xFF\xFE", &*little].concat(),
            [b"\xFE\xFF", &*big].concat(),
            little,
            big,
        ] {
            assert_eq!(decode(&bytes).unwrap().as_str(), text);
        }
    }

    #[test]
    fn other_encodings_are_refused_by_their_line() {
        assert_eq!(decode(b"a\r\nb\nKasse S\xFCd").err(), Some(FileError::NotUtf8(3)));
        assert_eq!(decode(b"\xFF\xFEa\0\0\xDCb\0").err(), Some(FileError::NotUtf16));
        assert_eq!(decode(b"\xFF\xFEa\0b").err(), Some(FileError::NotUtf16));
        let remedy = FileError::NotUtf8(2).to_string();
        assert!(remedy.starts_with("line 2: ") && remedy.contains("CSV UTF-8"), "{remedy}");
    }

    #[test]
    fn blanks_at_the_ends_are_removed() {
        assert_eq!(trim(" \u{A0}\u{FEFF}ws 1\u{200B}\t\u{202F}"), "ws 1");
    }
}
