//! The words of the GNU Taler merchant protocol that belong to no transport.
//!
//! A transport answers an error of the application by [`ErrorAnswer::of`], which has the code of
//! Taler's registry, what a client is told about it, and when it may try again. What is left to the
//! transport is how it says so: as a status of HTTP or gRPC, which goes by the [`ErrorClass`].
//!
//! ```
//! use merchant_otp_application::Error;
//! use merchant_otp_domain::Operation;
//! use merchant_otp_taler_protocol::{ErrorAnswer, ErrorClass};
//!
//! let answer = ErrorAnswer::of(&Error::OtpDeviceConflict, Operation::AddOtpDevice);
//! assert_eq!(answer.code.number(), 2851);
//! assert_eq!(answer.class, ErrorClass::Conflict);
//! ```

mod error_answer;
mod error_code;
mod words;

pub use error_answer::ErrorAnswer;
pub use error_code::{ErrorClass, ErrorCode};
pub use words::{
    ACCESS_TOKEN_PREFIX, ADMIN, FOREVER, IMPLEMENTATION, NAME, NEVER, PASSWORD_METHOD, VERSION,
};
