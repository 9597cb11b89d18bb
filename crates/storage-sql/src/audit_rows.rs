//! Rows of `audit_events`, and conversions between them and domain values.

#![expect(clippy::ref_option_ref, reason = "what diesel derives for an optional text has it")]

use std::net::IpAddr;

use diesel::prelude::*;
use merchant_otp_domain::{
    AccessTokenSerial, Actor, AuditEvent, InstanceId, Operation, OtpDeviceId, Outcome, Timestamp,
    TokenScope,
};
use merchant_otp_ports::{Cause, StoredAuditEvent};

use crate::schema::audit_events;

/// A new row of `audit_events`, without its serial.
///
/// `None` is written as NULL, so that the statement's text is constant and is prepared only once.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = audit_events, treat_none_as_default_value = false)]
pub struct NewAuditEventRow<'a> {
    /// Seconds since the epoch.
    pub happened_at: i64,
    /// The instance.
    pub instance_id: &'a str,
    /// The kind of the actor.
    pub actor: &'static str,
    /// The serial of the actor's token.
    pub actor_serial: Option<i64>,
    /// The scope of the actor's token.
    pub actor_scope: Option<String>,
    /// The address of the client.
    pub address: Option<String>,
    /// The name of the operation.
    pub operation: &'static str,
    /// The device.
    pub device_id: Option<&'a str>,
    /// The serial of the token that was issued or revoked.
    pub access_token: Option<i64>,
    /// The name of the outcome.
    pub outcome: &'static str,
    /// The number of refusals before this event that were not recorded.
    pub unrecorded: i64,
}

impl<'a> From<&'a AuditEvent> for NewAuditEventRow<'a> {
    fn from(event: &'a AuditEvent) -> Self {
        let token = match event.actor {
            Actor::Token { serial, scope } => Some((serial.value(), scope.to_string())),
            Actor::Unknown | Actor::Operator | Actor::Password => None,
        };
        let (actor_serial, actor_scope) = token.unzip();
        Self {
            // A timestamp is below 2^53.
            happened_at: event.time.seconds().cast_signed(),
            instance_id: event.instance.as_str(),
            actor: event.actor.kind(),
            actor_serial,
            actor_scope,
            address: event.address.map(|address| address.to_string()),
            operation: event.operation.name(),
            device_id: event.device.as_ref().map(OtpDeviceId::as_str),
            access_token: event.access_token.map(AccessTokenSerial::value),
            outcome: event.outcome.name(),
            unrecorded: event.unrecorded.into(),
        }
    }
}

/// A row of `audit_events`.
#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_events)]
pub struct AuditEventRow {
    serial: i64,
    happened_at: i64,
    instance_id: String,
    actor: String,
    actor_serial: Option<i64>,
    actor_scope: Option<String>,
    address: Option<String>,
    operation: String,
    device_id: Option<String>,
    access_token: Option<i64>,
    outcome: String,
    unrecorded: i64,
}

impl AuditEventRow {
    /// Converts the row to an event.
    ///
    /// # Errors
    ///
    /// If the row is invalid. The error names the violated rule but not the value.
    pub fn into_event(self) -> Result<StoredAuditEvent, Cause> {
        let seconds = u64::try_from(self.happened_at)?;
        let serial = self.actor_serial.map(AccessTokenSerial::new).transpose()?;
        let scope = self.actor_scope.as_deref().map(TokenScope::parse).transpose();
        let token = serial.zip(scope?);
        let address = self.address.as_deref().map(str::parse::<IpAddr>).transpose();
        let device = self.device_id.map(OtpDeviceId::parse).transpose();
        let access_token = self.access_token.map(AccessTokenSerial::new).transpose();
        let event = AuditEvent {
            time: Timestamp::from_seconds(seconds)?,
            instance: InstanceId::parse(&self.instance_id)?,
            actor: Actor::from_parts(&self.actor, token)?,
            address: address?,
            operation: Operation::from_name(&self.operation)?,
            device: device?,
            access_token: access_token?,
            outcome: Outcome::from_name(&self.outcome)?,
            unrecorded: u32::try_from(self.unrecorded)?,
        };
        Ok(StoredAuditEvent { serial: self.serial, event })
    }
}
