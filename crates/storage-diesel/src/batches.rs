//! What the stores do with a connection for many at once.

use merchant_otp_domain::{
    AccessTokenDigest, AuditEvent, InstanceId, OtpDeviceId, SealedOtpDevice,
};
use merchant_otp_ports::{AccessTokenLookup, OtpDeviceInsertion};

use crate::Failure;

/// What came of each request of a batch, in their order; or what the whole was doing when it failed.
pub type Batched<A> = Result<Vec<Result<A, Failure>>, Failure>;

/// The units of work that many ask for at a time, each for as many as ask.
///
/// They answer what the methods of the stores of `merchant-otp-ports` answer, for each request, in the
/// order of the requests; what is wrong with one row is the answer of its requests alone. How to do several
/// at once differs from database to database.
#[expect(clippy::missing_errors_doc, reason = "each fails with what it was doing: Failure")]
pub trait Batches: Sized {
    /// Stores devices that are not there, and their events, in one transaction.
    ///
    /// Of several with the same id the first one is stored, and the others meet it.
    fn insert_otp_devices(&mut self, devices: &[DeviceToInsert]) -> Batched<OtpDeviceInsertion>;

    /// The devices of instances and ids.
    fn find_otp_devices(
        &mut self,
        places: &[(InstanceId, OtpDeviceId)],
    ) -> Batched<Option<SealedOtpDevice>>;

    /// The access tokens of instances and digests.
    fn find_access_tokens(
        &mut self,
        tokens: &[(InstanceId, AccessTokenDigest)],
    ) -> Batched<AccessTokenLookup>;
}

/// A device that is to be stored.
#[derive(Clone, Debug)]
pub struct DeviceToInsert {
    /// The instance that is to have it.
    pub instance: InstanceId,
    /// The device.
    pub device: SealedOtpDevice,
    /// What the audit trail is told if it is stored.
    pub event: AuditEvent,
}
