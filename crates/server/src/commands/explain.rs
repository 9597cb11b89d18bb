//! Errors of use cases, with what the operator can do.

use anyhow::anyhow;
use merchant_otp_application::Error;

/// Adds to an error what can be done about it.
pub(super) fn explain(error: Error) -> anyhow::Error {
    let help = match &error {
        Error::InstanceUnknown => {
            "there is no such instance; `merchant-otp instance list` shows all, \
             `merchant-otp instance add ID --name NAME` makes one"
        }
        Error::InstanceDeleted | Error::InstancePurgeRequired => {
            "the instance was deleted; `merchant-otp instance remove ID` removes what is left of it"
        }
        Error::InstanceConflict => "an instance with this id and another name is there already",
        Error::InstanceReserved => {
            "`default` is the former name of the instance `admin`, and requests for it are \
             redirected there; choose another id"
        }
        Error::AccessTokenUnknown => {
            "the instance has no token with this number; \
             `merchant-otp token list --instance ID` shows all"
        }
        Error::OtpDeviceConflict => {
            "a device with this id and other details is there already; \
             `merchant-otp device show --id DEVICE` shows it"
        }
        Error::OtpDeviceUnknown => {
            "the instance has no device with this id; `merchant-otp device list` shows all"
        }
        Error::Unauthorized(_)
        | Error::TooManyLogIns { .. }
        | Error::TooManyPasswords { .. }
        | Error::PermissionMissing(_)
        | Error::ScopeExceeded
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
