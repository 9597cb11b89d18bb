//! Constants of the protocol.

use merchant_otp_domain::{AccessToken, InstanceId};

/// The name of the protocol, by which clients recognise it.
pub const NAME: &str = "taler-merchant";

/// The version of the protocol, as libtool counts: current, revision, age.
///
/// A client of version 12 to 20 finds the OTP devices that it knows.
pub const VERSION: &str = "20:0:8";

/// Which implementation of the protocol this is.
pub const IMPLEMENTATION: &str = concat!("urn:net:merchant-otp:server:", env!("CARGO_PKG_VERSION"));

/// The id of the instance that manages the others, which a request without an instance addresses.
pub const ADMIN: &str = InstanceId::ADMIN;

/// What every access token begins with (RFC 8959).
pub const ACCESS_TOKEN_PREFIX: &str = AccessToken::PREFIX;

/// The method of authentication of an instance: a password, for which its clients get tokens.
pub const PASSWORD_METHOD: &str = "token";

/// The `Timestamp` that does not come.
pub const NEVER: &str = "never";

/// The `RelativeTime` that does not end.
pub const FOREVER: &str = "forever";
