//! Amounts of money in the format of the protocol.

use std::fmt;

use thiserror::Error;

/// An amount of money, exact to 1e-8 of its currency's unit.
///
/// Written `CURRENCY:VALUE[.FRACTION]`, such as `EUR:1.50` (merchant protocol, `Amount`). Two
/// amounts are equal if their currencies and values are, in whichever form they were written.
///
/// ```
/// use merchant_otp_domain::Amount;
///
/// let amount = Amount::parse("EUR:1.50").unwrap();
/// assert_eq!(amount, Amount::parse("EUR:1.5").unwrap());
/// assert_eq!(amount.to_string(), "EUR:1.5");
/// assert!(Amount::parse("1.50 EUR").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amount {
    currency: String,
    value: u64,
    fraction: u32,
}

impl Amount {
    /// The maximum length of the name of a currency, in letters.
    pub const MAX_CURRENCY_LETTERS: usize = 11;

    /// The maximum number of whole units: 2^52.
    pub const MAX_VALUE: u64 = 1 << 52;

    /// The number of fractional parts in a unit.
    pub const FRACTION_BASE: u32 = 100_000_000;

    const FRACTION_DIGITS: usize = 8;

    /// Parses an amount.
    ///
    /// Accepts what the C libraries accept: leading white space is skipped, and the whole units may
    /// be omitted before a fraction (`EUR:.5`).
    ///
    /// # Errors
    ///
    /// If the text has another form or exceeds a limit.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        let (currency, number) =
            text.trim_ascii_start().split_once(':').ok_or(AmountError::Form)?;
        let letters = 1..=Self::MAX_CURRENCY_LETTERS;
        if !letters.contains(&currency.len())
            || !currency.bytes().all(|letter| letter.is_ascii_uppercase())
        {
            return Err(AmountError::Currency);
        }
        let (value, fraction) = match number.split_once('.') {
            None if number.is_empty() => return Err(AmountError::Form),
            None => (number, None),
            Some((value, fraction)) => (value, Some(fraction)),
        };
        Ok(Self {
            currency: currency.to_owned(),
            value: parse_value(value)?,
            fraction: fraction.map_or(Ok(0), parse_fraction)?,
        })
    }

    /// The binary form that the C libraries hash: `TALER_AmountNBO`.
    ///
    /// Whole units and fraction in big-endian, then the currency padded with zeros.
    #[must_use]
    pub fn to_network_bytes(&self) -> [u8; 24] {
        let currency = self.currency.bytes().chain(std::iter::repeat(0));
        let bytes = self.value.to_be_bytes().into_iter().chain(self.fraction.to_be_bytes());
        let mut network = [0; 24];
        for (to, from) in network.iter_mut().zip(bytes.chain(currency)) {
            *to = from;
        }
        network
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.currency, self.value)?;
        if self.fraction > 0 {
            let digits = format!("{:0width$}", self.fraction, width = Self::FRACTION_DIGITS);
            write!(formatter, ".{}", digits.trim_end_matches('0'))?;
        }
        Ok(())
    }
}

/// Parses whole units; an empty text is 0.
fn parse_value(digits: &str) -> Result<u64, AmountError> {
    digits.bytes().try_fold(0_u64, |value, digit| {
        let value = value * 10 + u64::from(parse_digit(digit)?);
        if value > Amount::MAX_VALUE { Err(AmountError::Value) } else { Ok(value) }
    })
}

fn parse_fraction(digits: &str) -> Result<u32, AmountError> {
    if !(1..=Amount::FRACTION_DIGITS).contains(&digits.len()) {
        return Err(AmountError::Fraction);
    }
    let padding = std::iter::repeat_n(b'0', Amount::FRACTION_DIGITS - digits.len());
    digits
        .bytes()
        .chain(padding)
        .try_fold(0, |fraction, digit| Ok(fraction * 10 + parse_digit(digit)?))
}

fn parse_digit(digit: u8) -> Result<u32, AmountError> {
    char::from(digit).to_digit(10).ok_or(AmountError::Form)
}

/// Error returned by [`Amount::parse`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AmountError {
    /// The text does not have the form of an amount.
    #[error("an amount is CURRENCY:VALUE or CURRENCY:VALUE.FRACTION")]
    Form,
    /// The currency is empty, too long, or has characters other than A to Z.
    #[error("a currency has 1 to {} letters from A to Z", Amount::MAX_CURRENCY_LETTERS)]
    Currency,
    /// The whole units exceed [`Amount::MAX_VALUE`].
    #[error("an amount is at most {}", Amount::MAX_VALUE)]
    Value,
    /// The fraction has no digits or more than 8.
    #[error("a fraction has 1 to 8 digits")]
    Fraction,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_amount_is_written_in_its_shortest_form() {
        for (text, written) in [
            ("EUR:1.50", "EUR:1.5"),
            ("EUR:0", "EUR:0"),
            ("KUDOS:10", "KUDOS:10"),
            ("EUR:.5", "EUR:0.5"),
            (" \tEUR:1", "EUR:1"),
            ("EUR:0001.00000001", "EUR:1.00000001"),
            ("ABCDEFGHIJK:4503599627370496.99999999", "ABCDEFGHIJK:4503599627370496.99999999"),
        ] {
            assert_eq!(Amount::parse(text).unwrap().to_string(), written);
        }
    }

    #[test]
    fn malformed_amounts_are_refused() {
        for (text, error) in [
            ("", AmountError::Form),
            ("EUR", AmountError::Form),
            ("EUR:", AmountError::Form),
            ("EUR:1,5", AmountError::Form),
            ("EUR:-1", AmountError::Form),
            ("EUR:+1", AmountError::Form),
            ("EUR: 1", AmountError::Form),
            ("EUR:1 ", AmountError::Form),
            ("EUR:1.5.5", AmountError::Form),
            ("EUR:1.x", AmountError::Form),
            ("EUR:\u{661}", AmountError::Form),
            ("EUR:1.", AmountError::Fraction),
            ("EUR:.", AmountError::Fraction),
            ("EUR:1.123456789", AmountError::Fraction),
            ("EUR:4503599627370497", AmountError::Value),
            ("EUR:99999999999999999999999999", AmountError::Value),
            (":1", AmountError::Currency),
            ("eur:1", AmountError::Currency),
            ("EU1:1", AmountError::Currency),
            ("ABCDEFGHIJKL:1", AmountError::Currency),
            ("EUR :1", AmountError::Currency),
        ] {
            assert_eq!(Amount::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn the_network_bytes_of_the_protocol() {
        let bytes = Amount::parse("EUR:1.50").unwrap().to_network_bytes();
        let hex = data_encoding::HEXLOWER.encode(&bytes);
        assert_eq!(hex, "000000000000000102faf080455552000000000000000000");
    }

    proptest! {
        #[test]
        fn every_amount_comes_back(
            currency in "[A-Z]{1,11}",
            value in 0..=Amount::MAX_VALUE,
            fraction in 0..Amount::FRACTION_BASE,
        ) {
            let amount = Amount { currency, value, fraction };
            prop_assert_eq!(Amount::parse(&amount.to_string()), Ok(amount.clone()));
            let padded = format!("{}:{}.{:08}", amount.currency, value, fraction);
            prop_assert_eq!(Amount::parse(&padded), Ok(amount));
        }

        #[test]
        fn any_text_is_answered_without_a_panic(text in "\\PC*|[A-Z]{0,12}:[0-9.]{0,40}") {
            let _either_is_fine = Amount::parse(&text);
        }
    }
}
