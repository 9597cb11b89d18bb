//! The codes of Taler's registry, and the classes of errors.

/// The kind of an error. A transport derives its status from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorClass {
    /// The request is malformed.
    Malformed,
    /// The credentials are missing or wrong.
    Unauthorized,
    /// The credentials do not allow the request.
    Forbidden,
    /// Something that the request names does not exist.
    NotFound,
    /// The endpoint does not support the method.
    MethodInvalid,
    /// The request was not sent in time.
    Slow,
    /// The request is in a format that the service does not support.
    Unsupported,
    /// The request contradicts what exists.
    Conflict,
    /// The request is too large.
    TooLarge,
    /// The client sends too many requests.
    TooMany,
    /// The service failed.
    Failed,
    /// The service is busy. The same request may succeed later.
    Busy,
}

/// Defines [`ErrorCode`] from a table: number, name, class in the registry, other classes that the
/// code is used with, and hint.
macro_rules! error_codes {
    ($($variant:ident = $number:literal $name:literal $class:ident $([$($other:ident),+])?
        $hint:literal,)+) => {
        /// The codes of GNU Taler's registry (GANA) that the service uses.
        ///
        /// Programs rely on the number. The hint is for people and may change. docs/codes.md has a
        /// row for each code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum ErrorCode {
            $(#[doc = concat!("`", $name, "`: ", $hint)] $variant = $number,)+
        }

        impl ErrorCode {
            /// All codes, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name in the registry.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The description for people, which may change.
            #[must_use]
            pub const fn hint(self) -> &'static str {
                match self {
                    $(Self::$variant => $hint,)+
                }
            }

            /// The classes that the code is used with. The first one is the default.
            #[must_use]
            pub const fn classes(self) -> &'static [ErrorClass] {
                match self {
                    $(Self::$variant => &[ErrorClass::$class $($(, ErrorClass::$other)+)?],)+
                }
            }

            /// The default class.
            #[must_use]
            pub const fn class(self) -> ErrorClass {
                match self {
                    $(Self::$variant => ErrorClass::$class,)+
                }
            }
        }
    };
}

error_codes! {
    GenericTokenPermissionInsufficient = 16 "GENERIC_TOKEN_PERMISSION_INSUFFICIENT" Forbidden
        "The access token does not carry the permission that this request needs.",
    GenericMethodInvalid = 20 "GENERIC_METHOD_INVALID" MethodInvalid
        "This endpoint does not know the HTTP method.",
    GenericEndpointUnknown = 21 "GENERIC_ENDPOINT_UNKNOWN" NotFound
        "There is no endpoint at this path. Paths have no slash at the end and none twice.",
    GenericJsonInvalid = 22 "GENERIC_JSON_INVALID" Malformed [Slow]
        "The request body is not the JSON that is expected here.",
    GenericParameterMalformed = 26 "GENERIC_PARAMETER_MALFORMED" Malformed
        "A parameter of the request is malformed.",
    GenericCompressionInvalid = 28 "GENERIC_COMPRESSION_INVALID" Malformed [Unsupported]
        "The request body could not be decompressed.",
    GenericUploadExceedsLimit = 32 "GENERIC_UPLOAD_EXCEEDS_LIMIT" TooLarge
        "The request body is larger than allowed.",
    GenericForbidden = 44 "GENERIC_FORBIDDEN" Forbidden
        "The request is understood, but it is not permitted.",
    GenericDbStartFailed = 51 "GENERIC_DB_START_FAILED" Failed [Busy]
        "The database could not be reached.",
    GenericDbStoreFailed = 52 "GENERIC_DB_STORE_FAILED" Failed
        "Writing to the database failed.",
    GenericDbFetchFailed = 53 "GENERIC_DB_FETCH_FAILED" Failed
        "Reading from the database failed.",
    GenericDbCommitFailed = 54 "GENERIC_DB_COMMIT_FAILED" Failed
        "Writing to the database failed.",
    GenericDbSoftFailure = 55 "GENERIC_DB_SOFT_FAILURE" Failed
        "The database is too busy; try again.",
    GenericDbInvariantFailure = 56 "GENERIC_DB_INVARIANT_FAILURE" Failed
        "The database holds invalid data.",
    GenericInternalInvariantFailure = 60 "GENERIC_INTERNAL_INVARIANT_FAILURE" Failed
        "The server failed.",
    MerchantGenericInstanceUnknown = 2000 "MERCHANT_GENERIC_INSTANCE_UNKNOWN" NotFound
        "There is no such merchant instance.",
    MerchantGenericUnauthorized = 2015 "MERCHANT_GENERIC_UNAUTHORIZED" Unauthorized [Forbidden, TooMany]
        "The request needs valid credentials of this merchant instance.",
    MerchantGenericInstanceDeleted = 2016 "MERCHANT_GENERIC_INSTANCE_DELETED" NotFound
        "The merchant instance was deleted.",
    MerchantGenericOtpDeviceUnknown = 2021 "MERCHANT_GENERIC_OTP_DEVICE_UNKNOWN" NotFound
        "There is no such OTP device.",
    MerchantGenericAccessTokenUnknown = 2042 "MERCHANT_GENERIC_ACCESS_TOKEN_UNKNOWN" NotFound
        "There is no such access token.",
    MerchantPrivatePostInstancesAlreadyExists = 2600
        "MERCHANT_PRIVATE_POST_INSTANCES_ALREADY_EXISTS" Conflict
        "A merchant instance with this id and other details exists.",
    MerchantPrivatePostInstancesBadAuth = 2601 "MERCHANT_PRIVATE_POST_INSTANCES_BAD_AUTH" Malformed
        "The authentication of the merchant instance is not the one that is expected here.",
    MerchantPrivatePostInstanceAuthBadAuth = 2602
        "MERCHANT_PRIVATE_POST_INSTANCE_AUTH_BAD_AUTH" Malformed
        "The authentication of the merchant instance is not the one that is expected here.",
    MerchantPrivatePostInstancesPurgeRequired = 2603
        "MERCHANT_PRIVATE_POST_INSTANCES_PURGE_REQUIRED" Conflict
        "The merchant instance was deleted; purge it first.",
    MerchantPrivatePostInstanceAuthBadOldPassword = 2604
        "MERCHANT_PRIVATE_POST_INSTANCE_AUTH_BAD_OLD_PASSWORD" Unauthorized
        "The old password is required, and is missing or wrong.",
    MerchantPrivatePatchInstancesPurgeRequired = 2625
        "MERCHANT_PRIVATE_PATCH_INSTANCES_PURGE_REQUIRED" Conflict
        "The merchant instance was deleted; purge it first.",
    MerchantPrivatePostOtpDevicesConflictOtpDeviceExists = 2851
        "MERCHANT_PRIVATE_POST_OTP_DEVICES_CONFLICT_OTP_DEVICE_EXISTS" Conflict
        "An OTP device with this id and other details exists.",
    MerchantPrivatePatchOtpDevicesConflict = 2852
        "MERCHANT_PRIVATE_PATCH_OTP_DEVICES_CONFLICT" Conflict
        "The algorithm of an OTP device cannot be changed, or others changed the device meanwhile.",
}

impl ErrorCode {
    /// The number in the registry.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }
}
