//! The audit trail: events of use cases, recording of refusals, listing and retention.

use merchant_otp_domain::{
    AccessTokenSerial, Actor, AuditEvent, InstanceId, Operation, OtpDeviceId, Outcome, Permission,
    Timestamp,
};
use merchant_otp_ports::{AuditPosition, StoredAuditEvent};

use crate::caller::Caller;
use crate::retry::retry_contention;
use crate::{Error, Grant, Refusal, Service};

/// The number of events removed in one transaction: small enough not to delay requests.
const BATCH: u16 = 1000;

impl Service {
    /// Returns the audit event of an operation that succeeds.
    pub(crate) fn event(
        &self,
        caller: Caller,
        instance: &InstanceId,
        operation: Operation,
    ) -> AuditEvent {
        AuditEvent {
            time: self.clock.now(),
            instance: instance.clone(),
            actor: caller.actor,
            address: caller.address,
            operation,
            device: None,
            access_token: None,
            outcome: Outcome::Done,
            unrecorded: 0,
        }
    }

    /// Returns the audit event of an operation on a device that succeeds.
    pub(crate) fn event_of_device(
        &self,
        grant: &Grant,
        operation: Operation,
        device: &OtpDeviceId,
    ) -> AuditEvent {
        let event = self.event(grant.caller, grant.instance(), operation);
        AuditEvent { device: Some(device.clone()), ..event }
    }

    /// Logs and counts the outcome of an operation.
    ///
    /// Refusals are also appended to the audit trail; successes are already there, written with the
    /// change. Returns the error unchanged.
    pub(crate) async fn record_outcome(
        &self,
        event: AuditEvent,
        result: Result<Outcome, Error>,
    ) -> Result<(), Error> {
        match result {
            Ok(outcome) => {
                self.record(AuditEvent { outcome, ..event }).await;
                Ok(())
            }
            Err(error) => Err(self.record_refusal(event, error).await),
        }
    }

    /// Like `record_outcome`, for a request that was refused before anything was done.
    pub(crate) async fn record_refusal(&self, event: AuditEvent, error: Error) -> Error {
        if let Some(outcome) = outcome_of(&error) {
            self.record(AuditEvent { outcome, ..event }).await;
        }
        error
    }

    async fn record(&self, mut event: AuditEvent) {
        // An id that is not known to belong to a device may be a secret in the wrong place.
        if matches!(event.outcome, Outcome::NotFound | Outcome::Failed) {
            event.device = None;
        }
        log(&event);
        match event.outcome {
            Outcome::Done | Outcome::Unchanged | Outcome::Failed => return,
            Outcome::Conflict
            | Outcome::NotFound
            | Outcome::Invalid
            | Outcome::Unauthorized
            | Outcome::Forbidden
            | Outcome::Throttled => {}
        }
        let Some(unrecorded) = self.audit_limiter.try_acquire(&event) else { return };
        event.unrecorded = unrecorded;
        // A separate task: the refusal is counted, and a client that leaves must not keep it out of
        // the trail.
        let service = self.clone();
        let append = tokio::spawn(async move { service.append_event(event).await });
        if let Err(ended) = append.await {
            tracing::error!(cause = &ended as &dyn std::error::Error, "audit event not stored");
        }
    }

    async fn append_event(&self, event: AuditEvent) {
        let append = || self.stores.audit.append(event.clone());
        if let Err(error) = retry_contention(append).await {
            let cause = &error as &dyn std::error::Error;
            tracing::error!(cause, "audit event not stored");
            self.audit_limiter.count_unrecorded(&event);
        }
    }

    /// Returns up to `limit` events of the grant's instance after a position, ordered by time.
    ///
    /// The instance need not exist: its events outlive it.
    ///
    /// # Errors
    ///
    /// [`Error::PermissionMissing`] if the grant is not for [`Permission::InstancesRead`], or
    /// [`Error::Storage`].
    pub async fn list_audit_events(
        &self,
        grant: &Grant,
        after: AuditPosition,
        limit: u16,
    ) -> Result<Vec<StoredAuditEvent>, Error> {
        let instance = grant.instance_for(Permission::InstancesRead)?;
        let list = || self.stores.audit.list(instance, after, limit);
        Ok(retry_contention(list).await?)
    }

    /// Removes the audit events of all instances that are older than `older_than` seconds, and
    /// returns their number.
    ///
    /// Proceeds instance by instance, including purged ones.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`].
    pub async fn remove_old_audit_events(&self, older_than: u64) -> Result<u64, Error> {
        let before = Timestamp::saturating(self.clock.now().seconds().saturating_sub(older_than));
        let (mut removed, mut after) = (0, None);
        loop {
            let remove = || self.stores.audit.remove_before(before, after.as_ref(), BATCH);
            let Some(removal) = retry_contention(remove).await? else { return Ok(removed) };
            removed += removal.removed;
            // After a full batch, the instance may have more.
            if removal.removed < BATCH.into() {
                after = Some(removal.instance);
            }
        }
    }
}

fn log(event: &AuditEvent) {
    metrics::counter!(
        "merchant_otp_audit_events_total",
        "operation" => event.operation.name(),
        "outcome" => event.outcome.name(),
    )
    .increment(1);
    let token = match event.actor {
        Actor::Token { serial, scope } => Some((serial.value(), scope)),
        Actor::Unknown | Actor::Operator | Actor::Password => None,
    };
    tracing::info!(
        target: "audit",
        instance = %event.instance,
        operation = event.operation.name(),
        device = event.device.as_ref().map(OtpDeviceId::as_str),
        access_token = event.access_token.map(AccessTokenSerial::value),
        outcome = event.outcome.name(),
        actor = event.actor.kind(),
        actor_serial = token.map(|(serial, _)| serial),
        actor_scope = token.map(|(_, scope)| tracing::field::display(scope)),
        address = event.address.map(tracing::field::display),
        "audit"
    );
}

/// Returns the outcome of an error for the audit trail; `None` if the error is not recorded.
///
/// Requests to unknown instances and requests without credentials are not recorded: nothing is
/// known about them.
fn outcome_of(error: &Error) -> Option<Outcome> {
    match error {
        Error::InstanceUnknown | Error::Unauthorized(Refusal::Missing) => None,
        Error::InstanceDeleted | Error::AccessTokenUnknown | Error::OtpDeviceUnknown => {
            Some(Outcome::NotFound)
        }
        Error::InstanceConflict
        | Error::InstancePurgeRequired
        | Error::InstanceReserved
        | Error::OtpDeviceConflict
        | Error::OtpDeviceContended => Some(Outcome::Conflict),
        Error::OldPassword
        | Error::Unauthorized(Refusal::Unknown | Refusal::Expired | Refusal::Password) => {
            Some(Outcome::Unauthorized)
        }
        Error::TooManyLogIns { .. } | Error::TooManyPasswords { .. } => Some(Outcome::Throttled),
        Error::PermissionMissing(_) | Error::ScopeExceeded | Error::TooManyAccessTokens { .. } => {
            Some(Outcome::Forbidden)
        }
        Error::OtpDeviceInvalid(_) | Error::InstanceSettings(_) => Some(Outcome::Invalid),
        Error::NoRandomness(_)
        | Error::KeyNotSealed(_)
        | Error::KeyNotOpened(_)
        | Error::MasterKeyMissing(_)
        | Error::PasswordWork(_)
        | Error::Storage(_) => Some(Outcome::Failed),
    }
}
