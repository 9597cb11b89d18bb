//! Text for people.

use std::borrow::Cow;
use std::fmt::Write as _;

use std::time::{Duration, UNIX_EPOCH};

use merchant_otp_domain::Timestamp;

/// Formats a point in time as in RFC 3339; after its last year, 9999, as seconds since the epoch.
pub(crate) fn rfc_3339(timestamp: Timestamp) -> String {
    const YEAR_10000: u64 = 253_402_300_800;
    match timestamp.seconds() {
        seconds @ 0..YEAR_10000 => {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            humantime::format_rfc3339_seconds(time).to_string()
        }
        seconds => seconds.to_string(),
    }
}

/// Escapes invisible characters: a terminal must not interpret them, nor show one text as another.
pub(crate) fn one_line(text: &str) -> String {
    let escape = |c: char| {
        let is_seen = matches!(c, '"' | '\'' | '\\') || c.escape_debug().count() == 1;
        if is_seen { c.to_string() } else { c.escape_debug().to_string() }
    };
    text.chars().map(escape).collect()
}

/// Escapes invisible characters in JSON, where they occur in strings only. JSON does not need it,
/// but a terminal that shows the text must not interpret them.
pub(crate) fn escaped_json(json: &str) -> Cow<'_, str> {
    let is_shown = |c: char| c.is_ascii() || c.escape_debug().count() == 1;
    if json.chars().all(is_shown) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_shown(c) {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _infallible = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_with_invisible_characters_has_the_same_value() {
        let text = "a\u{7f}\u{9b}\u{202e}b\u{2066}\u{2028}c\u{e0001}\u{feff}Bäckerei ☕ 東京";
        let json = serde_json::to_string(text).unwrap();
        let escaped = escaped_json(&json);
        assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), text);
        for c in ['\u{9b}', '\u{202e}', '\u{2066}', '\u{2028}', '\u{e0001}', '\u{feff}'] {
            assert!(!escaped.contains(c), "{escaped}");
        }
        assert!(escaped.contains("\\u202eb\\u2066\\u2028c\\udb40\\udc01"), "{escaped}");
        assert!(escaped.contains("Bäckerei ☕ 東京"), "{escaped}");
        assert!(matches!(escaped_json("{\"plain\": 1}\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn dates_are_those_of_rfc_3339() {
        let date = |seconds| rfc_3339(Timestamp::from_seconds(seconds).unwrap());
        assert_eq!(date(0), "1970-01-01T00:00:00Z");
        assert_eq!(date(253_402_300_799), "9999-12-31T23:59:59Z");
        assert_eq!(date(253_402_300_800), "253402300800");
        assert_eq!(date(Timestamp::MAX_SECONDS), "9007199254740991");
    }

    #[test]
    fn a_terminal_obeys_no_description() {
        assert_eq!(one_line("Büro\n\u{1b}[2J\u{9b}"), "Büro\\n\\u{1b}[2J\\u{9b}");
        assert_eq!(one_line("\"Käse\" \\ 'x' 🧀"), "\"Käse\" \\ 'x' 🧀");
        assert_eq!(one_line("a\u{202e}b\u{200b}c"), "a\\u{202e}b\\u{200b}c");
    }
}
