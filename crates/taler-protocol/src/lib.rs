//! The parts of the GNU Taler merchant protocol that are independent of a transport.
//!
//! A transport converts an application error with [`ErrorAnswer::of`] into the code of Taler's
//! registry, the details for the client, and the time of a retry. The transport only chooses the
//! representation, such as an HTTP or gRPC status, which it derives from the [`ErrorClass`].
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
