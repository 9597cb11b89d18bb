//! Constants of the protocol.

use merchant_otp_domain::{AccessToken, InstanceId};

/// The name of the protocol, by which clients recognise it.
pub const NAME: &str = "taler-merchant";

/// The version of the protocol in libtool notation: current, revision, age.
///
/// The OTP-device endpoints are compatible with clients of versions 12 to 30.
pub const VERSION: &str = "30:0:18";

/// The name of this implementation of the protocol.
pub const IMPLEMENTATION: &str = concat!("urn:net:merchant-otp:server:", env!("CARGO_PKG_VERSION"));

/// The id of the instance that manages the others. A request that names no instance addresses it.
pub const ADMIN: &str = InstanceId::ADMIN;

/// The prefix of every access token (RFC 8959).
pub const ACCESS_TOKEN_PREFIX: &str = AccessToken::PREFIX;

/// The authentication method of an instance: clients exchange a password for access tokens.
pub const PASSWORD_METHOD: &str = "token";

/// The `Timestamp` of an event that never happens.
pub const NEVER: &str = "never";

/// The infinite `RelativeTime`.
pub const FOREVER: &str = "forever";
