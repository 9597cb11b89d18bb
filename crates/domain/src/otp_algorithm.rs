//! The algorithms of OTP devices.

use strum::{IntoStaticStr, VariantArray};
use thiserror::Error;

/// The algorithm that computes the codes of a device, which confirm payments at the point of sale.
///
/// The numbers and names are those of `otp_algorithm` in the merchant protocol.
///
/// ```
/// use merchant_otp_domain::OtpAlgorithm;
///
/// assert_eq!(OtpAlgorithm::from_number(2), Ok(OtpAlgorithm::TotpWithPrice));
/// assert_eq!(OtpAlgorithm::TotpWithPrice.name(), "TOTP_WITH_PRICE");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum OtpAlgorithm {
    /// No codes: 0, `NONE`.
    None,
    /// Codes for the time alone (RFC 6238): 1, `TOTP_WITHOUT_PRICE`.
    TotpWithoutPrice,
    /// Codes for the time and the price: 2, `TOTP_WITH_PRICE`.
    TotpWithPrice,
}

impl OtpAlgorithm {
    /// All algorithms, in the order of their numbers.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The number of the algorithm in the protocol.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::TotpWithoutPrice => 1,
            Self::TotpWithPrice => 2,
        }
    }

    /// The name of the algorithm in the protocol (v7).
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Finds an algorithm by its number.
    ///
    /// # Errors
    ///
    /// If no algorithm has the number.
    pub fn from_number(number: i64) -> Result<Self, OtpAlgorithmError> {
        Self::ALL
            .iter()
            .copied()
            .find(|algorithm| i64::from(algorithm.number()) == number)
            .ok_or(OtpAlgorithmError)
    }

    /// Finds an algorithm by its name, which is case-insensitive.
    ///
    /// # Errors
    ///
    /// If no algorithm has the name.
    pub fn from_name(name: &str) -> Result<Self, OtpAlgorithmError> {
        Self::ALL
            .iter()
            .copied()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
            .ok_or(OtpAlgorithmError)
    }
}

/// Error returned by [`OtpAlgorithm::from_number`] and [`OtpAlgorithm::from_name`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the algorithm is 0 or NONE, 1 or TOTP_WITHOUT_PRICE, 2 or TOTP_WITH_PRICE")]
pub struct OtpAlgorithmError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_of_the_protocol() {
        for (number, name, algorithm) in [
            (0, "NONE", OtpAlgorithm::None),
            (1, "TOTP_WITHOUT_PRICE", OtpAlgorithm::TotpWithoutPrice),
            (2, "TOTP_WITH_PRICE", OtpAlgorithm::TotpWithPrice),
        ] {
            assert_eq!(OtpAlgorithm::from_number(number), Ok(algorithm));
            assert_eq!(OtpAlgorithm::from_name(name), Ok(algorithm));
            assert_eq!(OtpAlgorithm::from_name(&name.to_lowercase()), Ok(algorithm));
            assert_eq!(i64::from(algorithm.number()), number);
            assert_eq!(algorithm.name(), name);
        }
        for number in [-1, 3, i64::MAX, i64::MIN, 256] {
            assert_eq!(OtpAlgorithm::from_number(number), Err(OtpAlgorithmError));
        }
        for name in ["", "none ", "TOTP", "1"] {
            assert_eq!(OtpAlgorithm::from_name(name), Err(OtpAlgorithmError));
        }
    }
}
