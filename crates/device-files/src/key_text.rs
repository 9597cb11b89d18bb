//! Keys as people, vendors and apps write them.

use data_encoding::HEXLOWER_PERMISSIVE;
use merchant_otp_domain::OtpKey;
use zeroize::Zeroizing;

use crate::text::is_blank;
use crate::{KeyFormat, Reason, WarningKind};

/// How the encoding of a key is determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyRule {
    /// The format defines the encoding, or the options state it.
    Known(KeyFormat),
    /// Base32 is expected, and vendors write hexadecimal by mistake.
    Guess,
}

impl KeyRule {
    /// The rule of a table: its own, unless the options state the encoding.
    pub(crate) fn or(self, option: Option<KeyFormat>) -> Self {
        option.map_or(self, Self::Known)
    }
}

/// Reads a key; blanks and dashes, in which keys are printed in groups, are dropped.
pub(crate) fn read_key(text: &str, rule: KeyRule) -> Result<(OtpKey, Option<WarningKind>), Reason> {
    let mut symbols = Zeroizing::new(String::with_capacity(text.len()));
    symbols.extend(text.chars().filter(|character| !is_separator(*character)));
    if symbols.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("otpauth:")) {
        return Err(Reason::KeyIsUri);
    }
    match rule {
        KeyRule::Known(KeyFormat::Hex) => Ok((hex(&symbols).ok_or(Reason::NotHex)??, None)),
        KeyRule::Known(KeyFormat::Base32) => base32(&symbols),
        // Hexadecimal digits alone: Base32 by chance is 1 of 2000 keys with 8 symbols, and 1 of
        // 10^13 with 32.
        KeyRule::Guess => match hex(&symbols) {
            Some(_) if !symbols.is_empty() => Err(Reason::LooksLikeHex),
            _ => base32(&symbols),
        },
    }
}

/// Blanks, and every kind of dash.
fn is_separator(character: char) -> bool {
    is_blank(character) || matches!(character, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// `None` if the text is not hexadecimal.
fn hex(symbols: &str) -> Option<Result<OtpKey, Reason>> {
    let digits = symbols.strip_prefix("0x").or_else(|| symbols.strip_prefix("0X"));
    let bytes = HEXLOWER_PERMISSIVE.decode(digits.unwrap_or(symbols).as_bytes()).ok()?;
    Some(OtpKey::from_bytes(bytes).map_err(Reason::Key))
}

fn base32(symbols: &str) -> Result<(OtpKey, Option<WarningKind>), Reason> {
    let key = OtpKey::from_base32(symbols).map_err(Reason::Key)?;
    let symbols = symbols.trim_end_matches('=');
    let warning = match symbols.len() % 8 {
        1 | 3 | 6 => Some(WarningKind::KeyLength),
        // An encoder of the bytes writes other symbols: upper and lower case are one.
        _ if !key.to_base32().eq_ignore_ascii_case(symbols) => Some(WarningKind::KeyBits),
        _ => None,
    };
    Ok((key, warning))
}

#[cfg(test)]
mod tests {
    use merchant_otp_domain::OtpKeyError;

    use super::*;

    const HEX: KeyRule = KeyRule::Known(KeyFormat::Hex);
    const BASE32: KeyRule = KeyRule::Known(KeyFormat::Base32);

    fn bytes(text: &str, rule: KeyRule) -> Result<Vec<u8>, Reason> {
        read_key(text, rule).map(|(key, _)| key.expose_bytes().to_vec())
    }

    #[test]
    fn printed_keys_are_read() {
        for text in [
            "JBSWY3DPEHPK3PXP",
            "jbsw y3dp ehpk 3pxp",
            "JBSW-Y3DP\u{2013}EHPK-3PXP",
            " JBSWY3DPEHPK3PXP\u{A0}\r\n",
        ] {
            assert_eq!(bytes(text, KeyRule::Guess).unwrap(), b"Hello!\xDE\xAD\xBE\xEF", "{text}");
        }
        let seed = b"12345678901234567890";
        for text in [
            "3132333435363738393031323334353637383930",
            "31 32 33 34 35 36 37 38 39 30 31 32 33 34 35 36 37 38 39 30",
            "0x3132333435363738393031323334353637383930",
        ] {
            assert_eq!(bytes(text, HEX).unwrap(), seed, "{text}");
        }
    }

    #[test]
    fn keys_that_could_be_hexadecimal_are_not_guessed() {
        for text in ["5a6b7c2d3e4f5a6b7c2d3e4f5a6b7c2d3e4f5a6b", "DA4B92", "0xDA4B92"] {
            // The key with z is not hexadecimal, and then Base32 only.
            assert_eq!(bytes(text, KeyRule::Guess), Err(Reason::LooksLikeHex), "{text}");
        }
        let text = "5a6b7c2d";
        assert_eq!(bytes(text, HEX).unwrap(), [0x5A, 0x6B, 0x7C, 0x2D]);
        assert_eq!(bytes(text, BASE32).unwrap().len(), 5);
        assert_eq!(bytes("JBSWY3DP", HEX), Err(Reason::NotHex));
        assert_eq!(bytes("ABC", HEX), Err(Reason::NotHex));
    }

    #[test]
    fn texts_that_are_no_keys_are_refused() {
        let uri = "otpauth://totp/Shop:till?secret=JBSWY3DPEHPK3PXP";
        assert_eq!(bytes(uri, KeyRule::Guess), Err(Reason::KeyIsUri));
        assert_eq!(bytes("BAD1", KeyRule::Guess), Err(Reason::LooksLikeHex));
        assert_eq!(bytes("BAX1", KeyRule::Guess), Err(Reason::Key(OtpKeyError::NotBase32)));
        assert_eq!(bytes(&"A5".repeat(129), HEX), Err(Reason::Key(OtpKeyError::TooLong)));
    }

    #[test]
    fn keys_that_no_encoder_writes_are_warned_of() {
        for (text, warning) in [
            ("JBSWY3DPEHPK3PXP", None),
            ("jbswy3dpehpk3pxp", None),
            ("JBSWY3DPEHPK3PX", Some(WarningKind::KeyBits)),
            ("JBSWY3DPEHPK3PXPA", Some(WarningKind::KeyLength)),
            ("JBSWY3DPEHPK3PXPMYM", Some(WarningKind::KeyLength)),
            ("JBSWY3DPEHPK3PXPMZXW6Y", Some(WarningKind::KeyLength)),
            ("MZXW6===", None),
            ("MZXW7===", Some(WarningKind::KeyBits)),
        ] {
            assert_eq!(read_key(text, KeyRule::Guess).unwrap().1, warning, "{text}");
        }
    }
}
