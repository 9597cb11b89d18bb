mod audit;
mod backup;
mod device;
mod healthcheck;
mod import;
mod key;

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, anyhow, bail};
use merchant_otp_application::{AccessTokenPage, Error, NewAccessToken, Service};
use merchant_otp_domain::{Expiration, Instance, InstanceId, Password, Permission, Timestamp};
use merchant_otp_ports::StorageBackend;
use zeroize::Zeroizing;

use crate::command_line::{InstanceCommand, TokenCommand};
use crate::settings::Settings;
use crate::{storage, wiring};

/// Shows the effective settings.
pub(crate) fn config(settings: &Settings) -> anyhow::Result<()> {
    write!(io::stdout(), "{}", toml::to_string(settings)?)?;
    Ok(())
}

/// Describes the endpoints.
pub(crate) fn openapi() -> anyhow::Result<()> {
    write!(io::stdout(), "{}", merchant_otp_transport_http::openapi())?;
    Ok(())
}

/// Applies the pending migrations.
pub(crate) async fn migrate(settings: &Settings) -> anyhow::Result<()> {
    let applied = open(settings)?.migrate().await.context("storage.url")?;
    let mut output = io::stdout().lock();
    for migration in &applied {
        writeln!(output, "applied {migration}")?;
    }
    if applied.is_empty() {
        writeln!(output, "the database is up to date")?;
    }
    Ok(())
}

pub(crate) async fn instance(settings: &Settings, command: InstanceCommand) -> anyhow::Result<()> {
    let service = service(settings).await?;
    let grant = |permission| service.trust_operator_to_manage(permission);
    match command {
        InstanceCommand::Add { id, name } => {
            let instance = Instance { id, name };
            let write = grant(Permission::InstancesWrite);
            service.add_instance(&write, instance, None).await.map_err(explain)
        }
        InstanceCommand::SetPassword { id } => {
            service.find_instance(&id).await.map_err(explain)?;
            let password = read_password()?;
            let write = grant(Permission::InstancesAuthWrite).on(id);
            service.set_password(&write, password).await.map_err(explain)
        }
        InstanceCommand::List => {
            let all = service.list_instances(&grant(Permission::InstancesRead)).await;
            let mut output = io::stdout().lock();
            for listed in all.map_err(explain)? {
                let deleted = if listed.deleted { "\tdeleted" } else { "" };
                let (id, name) = (listed.instance.id, listed.instance.name);
                writeln!(output, "{id}\t{}{deleted}", name.as_str())?;
            }
            Ok(())
        }
        InstanceCommand::Remove { id } => {
            let write = grant(Permission::InstancesWrite).on(id);
            service.purge_instance(&write).await.map_err(explain)
        }
    }
}

/// Asks for a new password, twice on a terminal.
fn read_password() -> anyhow::Result<Password> {
    let text = if io::stdin().is_terminal() {
        let ask = |prompt| rpassword::prompt_password(prompt).map(Zeroizing::new);
        let text = ask("New password: ").context("reading the password")?;
        if ask("The same again: ").context("reading the password")? != text {
            bail!("the two are not the same; the password is as it was");
        }
        text
    } else {
        // Longer than any password, so that one that is too long is told.
        let longest = Password::MAX_BYTES + 2;
        let mut line = Zeroizing::new(String::with_capacity(longest));
        let mut input = io::stdin().lock().take(longest.try_into()?);
        input.read_line(&mut line).context("standard input")?;
        line
    };
    Ok(Password::parse(text.trim_end_matches(['\r', '\n']))?)
}

pub(crate) async fn token(settings: &Settings, command: TokenCommand) -> anyhow::Result<()> {
    let service = service(settings).await?;
    match command {
        TokenCommand::Add { instance, scope, duration, description } => {
            let new = NewAccessToken { scope, lifetime: Some(duration), description };
            let log_in = service.log_in_operator(&instance).await.map_err(explain)?;
            let issued = service.issue_access_token(&log_in, new).await.map_err(explain)?;
            writeln!(io::stdout(), "{}", *issued.token.expose())
                .context("the token was made and not shown; revoke it and make another")
        }
        TokenCommand::List { instance } => list_tokens(&service, &instance).await,
        TokenCommand::Revoke { instance, serial: Some(serial), .. } => {
            let grant = service.trust_operator(&instance, Permission::TokensWrite).await;
            let revoked = service.revoke_access_token(&grant.map_err(explain)?, serial).await;
            revoked.map_err(explain)
        }
        TokenCommand::Revoke { instance, serial: None, .. } => {
            revoke_tokens(&service, &instance).await
        }
    }
}

/// Revokes all tokens of an instance.
async fn revoke_tokens(service: &Service, instance: &InstanceId) -> anyhow::Result<()> {
    let grant =
        async |permission| service.trust_operator(instance, permission).await.map_err(explain);
    let (read, write) =
        (grant(Permission::TokensRead).await?, grant(Permission::TokensWrite).await?);
    loop {
        let page = AccessTokenPage::After(0);
        let tokens = service.list_access_tokens(&read, page, TOKENS_PAGE).await.map_err(explain)?;
        if tokens.is_empty() {
            return Ok(());
        }
        for token in tokens {
            match service.revoke_access_token(&write, token.serial).await {
                Err(Error::AccessTokenUnknown) => {}
                revoked => revoked.map_err(explain)?,
            }
        }
    }
}

/// How many tokens are held in memory at a time.
const TOKENS_PAGE: u16 = 100;

async fn list_tokens(service: &Service, instance: &InstanceId) -> anyhow::Result<()> {
    let grant = service.trust_operator(instance, Permission::TokensRead).await.map_err(explain)?;
    let mut output = io::stdout().lock();
    writeln!(output, "SERIAL\tSCOPE\tCREATED\tEXPIRES\tDESCRIPTION")?;
    let mut last = 0;
    loop {
        let page = AccessTokenPage::After(last);
        let tokens =
            service.list_access_tokens(&grant, page, TOKENS_PAGE).await.map_err(explain)?;
        let Some(end) = tokens.last() else {
            return Ok(());
        };
        last = end.serial.value();
        for token in tokens {
            let (serial, info) = (token.serial, token.info);
            let (created, expires) = (date(info.created), expiration(info.expiration));
            let description = one_line(info.description.as_str());
            writeln!(output, "{serial}\t{}\t{created}\t{expires}\t{description}", info.scope)?;
        }
    }
}

pub(crate) use audit::audit;
pub(crate) use backup::{backup, restore};
pub(crate) use device::device;
pub(crate) use healthcheck::healthcheck;
pub(crate) use key::key;

/// The database of the settings.
fn open(settings: &Settings) -> anyhow::Result<Arc<dyn StorageBackend>> {
    Ok(storage::open(&settings.storage, Some(1))?.backend)
}

/// The database of the settings, up to date.
async fn migrated(settings: &Settings) -> anyhow::Result<Arc<dyn StorageBackend>> {
    let backend = open(settings)?;
    backend.migrate().await.context("storage.url")?;
    Ok(backend)
}

/// The use cases, over a database that is up to date.
async fn service(settings: &Settings) -> anyhow::Result<Service> {
    let backend = migrated(settings).await?;
    let (service, made) = wiring::service(&*backend, &settings.security).await?;
    if let Some(path) = made {
        writeln!(io::stderr(), "{}", master_key_made(&path))?;
    }
    Ok(service)
}

/// The use cases over a database that is up to date, whether its master keys are there or not.
async fn unchecked_service(settings: &Settings) -> anyhow::Result<Service> {
    let backend = migrated(settings).await?;
    Ok(wiring::unchecked_service(&*backend, &settings.security).await?.0)
}

/// What is said of a master key that was made by itself.
pub(crate) fn master_key_made(path: &Path) -> String {
    format!(
        "made the master key {}: keep a copy of it, apart from the database; without it the keys of \
         the devices are lost",
        path.display()
    )
}

/// Adds to an error what can be done about it.
fn explain(error: Error) -> anyhow::Error {
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

fn expiration(expiration: Expiration) -> String {
    match expiration {
        Expiration::Never => "never".to_owned(),
        Expiration::At(end) => date(end),
    }
}

/// A point in time as RFC 3339 writes it; beyond its year 9999, in seconds since the epoch.
fn date(timestamp: Timestamp) -> String {
    const YEAR_10000: u64 = 253_402_300_800;
    match timestamp.seconds() {
        seconds @ 0..YEAR_10000 => {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            humantime::format_rfc3339_seconds(time).to_string()
        }
        seconds => seconds.to_string(),
    }
}

/// A text with what is not to be seen escaped: a terminal must not obey it, nor show one text as another.
fn one_line(text: &str) -> String {
    let escape = |c: char| {
        let is_seen = matches!(c, '"' | '\'' | '\\') || c.escape_debug().count() == 1;
        if is_seen { c.to_string() } else { c.escape_debug().to_string() }
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_rfc_3339() {
        let date = |seconds| date(Timestamp::from_seconds(seconds).unwrap());
        assert_eq!(date(0), "1970-01-01T00:00:00Z");
        assert_eq!(date(253_402_300_799), "9999-12-31T23:59:59Z");
        assert_eq!(date(253_402_300_800), "253402300800");
        assert_eq!(date(Timestamp::MAX_SECONDS), "9007199254740991");
    }

    #[test]
    fn a_terminal_obeys_no_description() {
        assert_eq!(one_line("Büro\n\u{1b}[2J\u{9b}"), "Büro\\n\\u{1b}[2J\\u{9b}");
        assert_eq!(one_line("\"Käse\" \\ 'x' 🧀"), "\"Käse\" \\ 'x' 🧀");
        assert_eq!(one_line("a\u{202e}b\u{200b}c"), "a\\u{202e}b\\u{200b}c");
    }
}
