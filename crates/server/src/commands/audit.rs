//! `audit`: show the audit trail.

use std::io::{self, BufWriter, Write};

use merchant_otp_application::operator::Operator;
use merchant_otp_application::{AuditPosition, Service, StoredAuditEvent};
use merchant_otp_domain::{
    AccessTokenSerial, Actor, InstanceId, OtpDeviceId, Permission, Timestamp,
};
use merchant_otp_ports::Clock;
use serde::Serialize;

use crate::command_line::AuditCommand;
use crate::commands::database::{Use, service};
use crate::commands::explain::explain;
use crate::process::clock::SystemClock;
use crate::settings::Settings;
use crate::text::{escaped_json, one_line, rfc_3339};

/// The number of events held in memory at a time.
const PAGE: u16 = 1000;

pub(crate) async fn audit(settings: &Settings, command: AuditCommand) -> anyhow::Result<()> {
    match command {
        AuditCommand::List { instance, since, json } => {
            let since = since.map_or(Timestamp::EPOCH, |since| since.timestamp(SystemClock.now()));
            list(&*service(settings, Use::Read).await?, instance, since, json).await
        }
    }
}

async fn list(
    service: &Service,
    instance: InstanceId,
    since: Timestamp,
    json: bool,
) -> anyhow::Result<()> {
    // The instance need not exist: a removed instance keeps its audit trail.
    let grant = Operator::of(service).grant_unchecked(instance, Permission::InstancesRead);
    let mut output = BufWriter::new(io::stdout().lock());
    if !json {
        writeln!(output, "TIME\tACTOR\tADDRESS\tOPERATION\tTARGET\tOUTCOME")?;
    }
    let mut after = AuditPosition { time: since, serial: 0 };
    loop {
        let page = service.list_audit_events(&grant, after, PAGE).await.map_err(explain)?;
        let Some(last) = page.last() else {
            return Ok(output.flush()?);
        };
        after = last.position();
        for stored in &page {
            if json {
                let line = serde_json::to_string(&Line::from(stored))?;
                output.write_all(escaped_json(&line).as_bytes())?;
                writeln!(output)?;
            } else {
                write_row(&mut output, stored)?;
            }
        }
    }
}

fn write_row(output: &mut impl Write, stored: &StoredAuditEvent) -> io::Result<()> {
    let event = &stored.event;
    if event.unrecorded > 0 {
        writeln!(output, "\t{} refusals before this one are not recorded", event.unrecorded)?;
    }
    let address = event.address.map_or_else(|| "-".to_owned(), |address| address.to_string());
    let on = match (&event.device, event.access_token) {
        (Some(device), _) => format!("device {}", one_line(device.as_str())),
        (None, Some(serial)) => format!("token {serial}"),
        (None, None) => "-".to_owned(),
    };
    writeln!(
        output,
        "{}\t{}\t{address}\t{}\t{on}\t{}",
        rfc_3339(event.time),
        event.actor,
        event.operation.name(),
        event.outcome.name(),
    )
}

/// An event as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    serial: i64,
    time: String,
    instance: &'a str,
    actor: &'static str,
    actor_serial: Option<i64>,
    actor_scope: Option<String>,
    address: Option<String>,
    operation: &'static str,
    device: Option<&'a str>,
    access_token: Option<i64>,
    outcome: &'static str,
    unrecorded: u32,
}

impl<'a> From<&'a StoredAuditEvent> for Line<'a> {
    fn from(stored: &'a StoredAuditEvent) -> Self {
        let event = &stored.event;
        let (actor_serial, actor_scope) = match event.actor {
            Actor::Token { serial, scope } => (Some(serial.value()), Some(scope.to_string())),
            Actor::Unknown | Actor::Operator | Actor::Password => (None, None),
        };
        Self {
            serial: stored.serial,
            time: rfc_3339(event.time),
            instance: event.instance.as_str(),
            actor: event.actor.kind(),
            actor_serial,
            actor_scope,
            address: event.address.map(|address| address.to_string()),
            operation: event.operation.name(),
            device: event.device.as_ref().map(OtpDeviceId::as_str),
            access_token: event.access_token.map(AccessTokenSerial::value),
            outcome: event.outcome.name(),
            unrecorded: event.unrecorded,
        }
    }
}
