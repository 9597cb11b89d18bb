//! Text for people.

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

#[cfg(test)]
mod tests {
    use super::*;

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
