//! What a token is, and whether its codes are those of the protocol.

use zeroize::Zeroizing;

use crate::{Fields, Reason};

/// The properties of a token that decide its codes. The default is the token of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) hash: Hash,
    pub(crate) digits: Digits,
    /// The period in seconds; `None` means 30.
    pub(crate) period: Option<Number>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Totp,
    Hotp,
    Steam,
    Other,
}

impl Kind {
    pub(crate) fn parse(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "totp" => Self::Totp,
            "hotp" => Self::Hotp,
            "steam" => Self::Steam,
            _ => Self::Other,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hash {
    #[default]
    Sha1,
    Other,
}

impl Hash {
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.to_ascii_uppercase();
        let text = text.strip_prefix("HMAC").unwrap_or(&text);
        let name = text.trim_start_matches(['-', '_']);
        if matches!(name, "SHA1" | "SHA-1" | "SHA_1") { Self::Sha1 } else { Self::Other }
    }
}

/// The number of digits of the codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Digits {
    /// The file states it.
    Stated(Number),
    /// The format leaves it out, so that the options may state it.
    LeftOut,
    /// The entry does not state it, and an app then shows 6.
    AppDefault,
    /// The project's own CSV, which is for tokens with 8 digits.
    #[default]
    Eight,
}

/// A number of the file, which is shown only if it is small: others may be a part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    Known(u32),
    /// Not a number, or out of range.
    Unknown,
}

impl Number {
    /// The maximum of a number that is shown.
    const MAX: u32 = 86_400;

    pub(crate) fn parse(text: &str) -> Self {
        let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number @ 0..=Self::MAX) if all_digits => Self::Known(number),
            _ => Self::Unknown,
        }
    }

    pub(crate) fn of(number: u64) -> Self {
        match u32::try_from(number) {
            Ok(number @ 0..=Self::MAX) => Self::Known(number),
            _ => Self::Unknown,
        }
    }

    fn text(self) -> String {
        match self {
            Self::Known(number) => number.to_string(),
            Self::Unknown => "unknown".to_owned(),
        }
    }
}

impl Token {
    /// The reasons why the codes of the token are not those of the protocol.
    pub(crate) fn reasons(&self, digits_option: Option<u8>) -> Vec<Reason> {
        let mut reasons = Vec::new();
        match self.kind {
            Kind::Totp => {}
            Kind::Hotp => reasons.push(Reason::CounterBased),
            Kind::Steam => reasons.push(Reason::Steam),
            Kind::Other => reasons.push(Reason::NotTotp),
        }
        if self.hash == Hash::Other {
            reasons.push(Reason::Hash);
        }
        let digits = match (self.digits, digits_option) {
            (Digits::LeftOut, Some(digits)) => Digits::Stated(Number::Known(digits.into())),
            (digits, _) => digits,
        };
        match digits {
            Digits::Eight | Digits::Stated(Number::Known(8)) => {}
            Digits::LeftOut => reasons.push(Reason::DigitsLeftOut),
            Digits::AppDefault => reasons.push(Reason::DigitsDefault),
            Digits::Stated(Number::Known(number)) => {
                reasons.push(
                    u8::try_from(number)
                        .map_or(Reason::NotWhole("the number of digits"), Reason::Digits),
                );
            }
            Digits::Stated(Number::Unknown) => {
                reasons.push(Reason::NotWhole("the number of digits"));
            }
        }
        match self.period {
            None | Some(Number::Known(30)) => {}
            // A counter-based token has no period.
            Some(_) if self.kind == Kind::Hotp => {}
            Some(Number::Known(seconds)) => reasons.push(Reason::Period(seconds)),
            Some(Number::Unknown) => reasons.push(Reason::NotWhole("the period")),
        }
        reasons
    }

    /// Writes the properties that differ from those of the protocol.
    pub(crate) fn describe(&self, fields: &mut Fields, digits_option: Option<u8>) {
        let text = |text: &str| Zeroizing::new(text.to_owned());
        match self.kind {
            Kind::Totp => {}
            Kind::Hotp => fields.kind = text("hotp"),
            Kind::Steam => fields.kind = text("steam"),
            Kind::Other => fields.kind = text("other"),
        }
        if self.hash == Hash::Other {
            fields.hash = text("other");
        }
        match (self.digits, digits_option) {
            (Digits::Eight, _) => {}
            (Digits::Stated(number), _) => fields.digits = Zeroizing::new(number.text()),
            (Digits::LeftOut, Some(digits)) => fields.digits = Zeroizing::new(digits.to_string()),
            (Digits::LeftOut, None) | (Digits::AppDefault, _) => fields.digits = text("6"),
        }
        if let Some(period) = self.period {
            fields.period = Zeroizing::new(period.text());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_of_the_protocol_has_no_reasons() {
        let right = Token {
            digits: Digits::Stated(Number::Known(8)),
            period: Some(Number::Known(30)),
            ..Token::default()
        };
        assert_eq!(right.reasons(None), []);
        let stated = |digits| Digits::Stated(Number::Known(digits));
        for (token, reason) in [
            (Token { kind: Kind::Hotp, ..right }, Reason::CounterBased),
            (Token { kind: Kind::Steam, ..right }, Reason::Steam),
            (Token { kind: Kind::parse("ocra"), ..right }, Reason::NotTotp),
            (Token { hash: Hash::parse("SHA256"), ..right }, Reason::Hash),
            (Token { digits: stated(6), ..right }, Reason::Digits(6)),
            (Token { digits: Digits::LeftOut, ..right }, Reason::DigitsLeftOut),
            (Token { digits: Digits::AppDefault, ..right }, Reason::DigitsDefault),
            (Token { period: Some(Number::Known(60)), ..right }, Reason::Period(60)),
            (Token { period: Some(Number::parse("x")), ..right }, Reason::NotWhole("the period")),
        ] {
            assert_eq!(token.reasons(None), [reason]);
        }
        let left_out = Token { digits: Digits::LeftOut, ..right };
        assert_eq!(left_out.reasons(Some(8)), []);
        assert_eq!(left_out.reasons(Some(7)), [Reason::Digits(7)]);
        // The option does not contradict the file.
        let six = Token { digits: stated(6), ..right };
        assert_eq!(six.reasons(Some(8)), [Reason::Digits(6)]);
    }

    #[test]
    fn large_numbers_are_not_shown() {
        assert_eq!(Number::parse("86400"), Number::Known(86_400));
        for text in ["86401", "12345678", "+30", "-1", "30.0", ""] {
            assert_eq!(Number::parse(text), Number::Unknown, "{text}");
        }
    }

    #[test]
    fn sha_1_has_several_names() {
        for name in ["SHA1", "sha-1", "HmacSHA1", "HMAC-SHA1", "HMAC_SHA1"] {
            assert_eq!(Hash::parse(name), Hash::Sha1, "{name}");
        }
        for name in ["SHA256", "HMAC-SHA512", "MD5", "SHA", ""] {
            assert_eq!(Hash::parse(name), Hash::Other, "{name}");
        }
    }
}
