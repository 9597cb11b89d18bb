/// The codes of GNU Taler's registry (GANA) that this transport answers with.
///
/// Clients go by the number; the hint is for people and may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum TalerErrorCode {
    GenericTokenPermissionInsufficient = 16,
    GenericMethodInvalid = 20,
    GenericEndpointUnknown = 21,
    GenericJsonInvalid = 22,
    GenericParameterMalformed = 26,
    GenericCompressionInvalid = 28,
    GenericUploadExceedsLimit = 32,
    GenericTokenUnknown = 41,
    GenericDbStartFailed = 51,
    GenericDbStoreFailed = 52,
    GenericDbFetchFailed = 53,
    GenericDbCommitFailed = 54,
    GenericDbSoftFailure = 55,
    GenericDbInvariantFailure = 56,
    GenericInternalInvariantFailure = 60,
    MerchantGenericInstanceUnknown = 2000,
    MerchantGenericUnauthorized = 2015,
    MerchantGenericInstanceDeleted = 2016,
    MerchantGenericOtpDeviceUnknown = 2021,
    MerchantPrivatePostInstancesAlreadyExists = 2600,
    MerchantPrivatePostInstancesBadAuth = 2601,
    MerchantPrivatePostInstanceAuthBadAuth = 2602,
    MerchantPrivatePostInstancesPurgeRequired = 2603,
    MerchantPrivatePatchInstancesPurgeRequired = 2625,
    MerchantPrivatePostOtpDevicesConflictOtpDeviceExists = 2851,
}

impl TalerErrorCode {
    pub(crate) const fn number(self) -> u16 {
        self as u16
    }

    pub(crate) const fn hint(self) -> &'static str {
        match self {
            Self::GenericTokenPermissionInsufficient => {
                "The access token does not carry the permission that this request needs."
            }
            Self::GenericMethodInvalid => "This endpoint does not know the HTTP method.",
            Self::GenericEndpointUnknown => "There is no endpoint at this path.",
            Self::GenericJsonInvalid => "The request body is not the JSON that is expected here.",
            Self::GenericParameterMalformed => "A parameter of the request is malformed.",
            Self::GenericCompressionInvalid => "The request body could not be decompressed.",
            Self::GenericUploadExceedsLimit => "The request body is larger than allowed.",
            Self::GenericTokenUnknown => "There is no such access token.",
            Self::GenericDbStartFailed => "The database could not be reached.",
            Self::GenericDbFetchFailed => "Reading from the database failed.",
            Self::GenericDbStoreFailed | Self::GenericDbCommitFailed => {
                "Writing to the database failed."
            }
            Self::GenericDbSoftFailure => "The database is too busy; try again.",
            Self::GenericDbInvariantFailure => "The database holds invalid data.",
            Self::GenericInternalInvariantFailure => "The server failed.",
            Self::MerchantGenericInstanceUnknown => "There is no such merchant instance.",
            Self::MerchantGenericUnauthorized => {
                "The request needs valid credentials of this merchant instance."
            }
            Self::MerchantGenericInstanceDeleted => "The merchant instance was deleted.",
            Self::MerchantGenericOtpDeviceUnknown => "There is no such OTP device.",
            Self::MerchantPrivatePostInstancesAlreadyExists => {
                "A merchant instance with this id and other details exists."
            }
            Self::MerchantPrivatePostInstancesBadAuth
            | Self::MerchantPrivatePostInstanceAuthBadAuth => {
                "The authentication of the merchant instance is not the one that is expected here."
            }
            Self::MerchantPrivatePostInstancesPurgeRequired
            | Self::MerchantPrivatePatchInstancesPurgeRequired => {
                "The merchant instance was deleted; purge it first."
            }
            Self::MerchantPrivatePostOtpDevicesConflictOtpDeviceExists => {
                "An OTP device with this id and other details exists."
            }
        }
    }
}
