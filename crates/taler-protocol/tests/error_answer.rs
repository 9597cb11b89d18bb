//! The answers to the errors of the application.

use std::time::Duration;

use merchant_otp_application::{Error, Refusal, StorageFailure};
use merchant_otp_domain::{MasterKeyId, Operation, OtpDeviceError, Permission};
use merchant_otp_taler_protocol::{ErrorAnswer, ErrorClass, ErrorCode};

/// A text that must not reach a client.
const CAUSE: &str = "postgres://admin:hunter2@db";

#[track_caller]
fn check(error: &Error, operation: Operation, number: u16, class: ErrorClass) -> ErrorAnswer {
    let answer = ErrorAnswer::of(error, operation);
    assert_eq!((answer.code.number(), answer.class), (number, class), "{error:?}, {operation:?}");
    assert!(answer.code.classes().contains(&class));
    let answered = format!("{:?} {}", answer, answer.code.hint());
    assert!(!answered.contains("hunter2"), "{answered}");
    answer
}

/// All operations; one permission stands for all of [`Operation::Use`].
const OPERATIONS: [Operation; 14] = [
    Operation::AddOtpDevice,
    Operation::ChangeOtpDevice,
    Operation::RemoveOtpDevice,
    Operation::IssueAccessToken,
    Operation::RevokeAccessToken,
    Operation::RevokeAllAccessTokens,
    Operation::LogIn,
    Operation::AddInstance,
    Operation::RenameInstance,
    Operation::ChangeInstance,
    Operation::SetPassword,
    Operation::DeleteInstance,
    Operation::PurgeInstance,
    Operation::Use(Permission::OtpDevicesRead),
];

#[test]
fn a_failed_write_has_a_separate_code_when_a_device_is_registered() {
    for operation in OPERATIONS {
        let number = if operation == Operation::AddOtpDevice { 54 } else { 52 };
        let error = Error::Storage(StorageFailure::Write(CAUSE.into()));
        let answer = check(&error, operation, number, ErrorClass::Failed);
        assert_eq!((answer.detail, answer.retry_after), (None, None));
    }
}

#[test]
fn a_deleted_instance_has_a_separate_code_when_it_is_changed() {
    for operation in OPERATIONS {
        let (number, class) = match operation {
            Operation::RenameInstance | Operation::ChangeInstance => (2625, ErrorClass::Conflict),
            _ => (2016, ErrorClass::NotFound),
        };
        check(&Error::InstanceDeleted, operation, number, class);
    }
}

#[tokio::test]
async fn each_error_has_its_code() {
    let task = tokio::spawn(std::future::pending::<()>());
    task.abort();
    let stopped = task.await.unwrap_err();
    let storage = Error::Storage;
    for (error, number, class) in [
        (Error::InstanceUnknown, 2000, ErrorClass::NotFound),
        (Error::InstanceConflict, 2600, ErrorClass::Conflict),
        (Error::InstanceReserved, 2600, ErrorClass::Conflict),
        (Error::InstancePurgeRequired, 2603, ErrorClass::Conflict),
        (Error::Unauthorized(Refusal::Missing), 2015, ErrorClass::Unauthorized),
        (Error::Unauthorized(Refusal::Expired), 2015, ErrorClass::Unauthorized),
        (Error::OldPassword, 2604, ErrorClass::Unauthorized),
        (Error::ScopeExceeded, 16, ErrorClass::Forbidden),
        (Error::AccessTokenUnknown, 2042, ErrorClass::NotFound),
        (Error::OtpDeviceConflict, 2851, ErrorClass::Conflict),
        (Error::OtpDeviceUnknown, 2021, ErrorClass::NotFound),
        (Error::NoRandomness(getrandom::Error::UNEXPECTED), 60, ErrorClass::Failed),
        (Error::KeyNotSealed(CAUSE.into()), 60, ErrorClass::Failed),
        (Error::PasswordWork(stopped), 60, ErrorClass::Failed),
        (Error::KeyNotOpened(CAUSE.into()), 56, ErrorClass::Failed),
        (Error::MasterKeyMissing(MasterKeyId::new([7; 8])), 56, ErrorClass::Failed),
        (storage(StorageFailure::Unavailable(CAUSE.into())), 51, ErrorClass::Failed),
        (storage(StorageFailure::Read(CAUSE.into())), 53, ErrorClass::Failed),
        (storage(StorageFailure::Contention(CAUSE.into())), 55, ErrorClass::Failed),
        (storage(StorageFailure::Corrupt(CAUSE.into())), 56, ErrorClass::Failed),
    ] {
        for operation in OPERATIONS {
            let answer = check(&error, operation, number, class);
            assert_eq!((answer.detail, answer.retry_after), (None, None), "{error:?}");
        }
    }
}

#[test]
fn answers_have_details_and_the_time_of_a_retry() {
    let operation = Operation::Use(Permission::OtpDevicesWrite);
    let missing = Error::PermissionMissing(Permission::OtpDevicesWrite);
    let answer = check(&missing, operation, 16, ErrorClass::Forbidden);
    assert_eq!(answer.detail.as_deref(), Some("otp-devices-write"));

    let full = Error::TooManyAccessTokens { limit: 7 };
    let answer = check(&full, Operation::LogIn, 44, ErrorClass::Forbidden);
    assert!(answer.detail.is_some_and(|detail| detail.contains('7')));

    let rule = Error::OtpDeviceInvalid(OtpDeviceError::EmptyKey);
    let answer = check(&rule, Operation::ChangeOtpDevice, 22, ErrorClass::Malformed);
    assert_eq!(answer.detail, Some(OtpDeviceError::EmptyKey.to_string()));
    for error in
        [Error::OtpDeviceInvalid(OtpDeviceError::AlgorithmChange), Error::OtpDeviceContended]
    {
        let answer = check(&error, Operation::ChangeOtpDevice, 2852, ErrorClass::Conflict);
        assert!(answer.detail.is_some());
    }

    let retry_after = Duration::from_secs(7);
    for error in [Error::TooManyLogIns { retry_after }, Error::TooManyPasswords { retry_after }] {
        let answer = check(&error, Operation::LogIn, 2015, ErrorClass::TooMany);
        assert_eq!(answer.retry_after, Some(retry_after));
        assert!(answer.detail.is_some());
    }
    let busy = Error::Storage(StorageFailure::Busy(CAUSE.into()));
    let answer = check(&busy, operation, 51, ErrorClass::Busy);
    assert_eq!(answer.retry_after, Some(Duration::from_secs(1)));
    assert_eq!(answer, ErrorAnswer::overdue());

    let slow = ErrorAnswer::slow("too slow".to_owned());
    assert_eq!((slow.code, slow.class), (ErrorCode::GenericJsonInvalid, ErrorClass::Slow));
    assert!(slow.code.classes().contains(&slow.class));
}
