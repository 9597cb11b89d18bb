//! Error messages of the use cases for the operator.

use anyhow::anyhow;
use merchant_otp_application::Error;

/// Converts an error of a use case. If the operator can act on it, the message says how.
pub(super) fn explain(error: Error) -> anyhow::Error {
    let help = match &error {
        Error::InstanceUnknown => {
            "the instance does not exist; `merchant-otp instance list` shows all instances, \
             `merchant-otp instance add ID --name NAME` adds one"
        }
        Error::InstanceDeleted | Error::InstancePurgeRequired => {
            "the instance was deleted; `merchant-otp instance remove ID` removes its remaining data"
        }
        Error::InstanceConflict => "an instance with this id and another name already exists",
        Error::InstanceReserved => {
            "`default` is reserved: it is a former name of the instance `admin`; choose another id"
        }
        Error::AccessTokenUnknown => {
            "the instance has no access token with this serial; \
             `merchant-otp token list --instance ID` shows all tokens"
        }
        Error::OtpDeviceConflict => {
            "a device with this id and other details already exists; \
             `merchant-otp device show --instance ID --id DEVICE` shows it"
        }
        Error::OtpDeviceUnknown => {
            "the instance has no device with this id; \
             `merchant-otp device list --instance ID` shows all devices"
        }
        Error::InstanceSettings(_)
        | Error::Unauthorized(_)
        | Error::OldPassword
        | Error::TooManyLogIns { .. }
        | Error::TooManyPasswords { .. }
        | Error::PermissionMissing(_)
        | Error::ScopeExceeded
        | Error::TooManyAccessTokens { .. }
        | Error::OtpDeviceContended
        | Error::OtpDeviceInvalid(_)
        | Error::NoRandomness(_)
        | Error::KeyNotSealed(_)
        | Error::KeyNotOpened(_)
        | Error::MasterKeyMissing(_)
        | Error::PasswordWork(_)
        | Error::Storage(_) => return error.into(),
    };
    anyhow!(help)
}
