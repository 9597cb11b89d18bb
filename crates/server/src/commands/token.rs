//! `token`: manage access tokens.

use std::io::{self, Write};

use anyhow::Context;
use merchant_otp_application::operator::Operator;
use merchant_otp_application::{AccessTokenPage, NewAccessToken, Service};
use merchant_otp_domain::{Expiration, InstanceId, Permission};

use crate::command_line::TokenCommand;
use crate::commands::database::{Use, service};
use crate::commands::explain::explain;
use crate::settings::Settings;
use crate::text::{one_line, rfc_3339};

/// Adds, lists and revokes access tokens.
pub(crate) async fn token(settings: &Settings, command: TokenCommand) -> anyhow::Result<()> {
    let to = match command {
        TokenCommand::Add { .. } | TokenCommand::Revoke { .. } => Use::Change,
        TokenCommand::List { .. } => Use::Read,
    };
    let service = service(settings, to).await?;
    match command {
        TokenCommand::Add { instance, scope, duration, description } => {
            let lifetime = duration.unwrap_or_else(|| Operator::token_lifetime(scope));
            let new = NewAccessToken { scope, lifetime: Some(lifetime), description };
            let log_in = Operator::of(&service).log_in(&instance).await.map_err(explain)?;
            let issued = service.issue_access_token(&log_in, new).await.map_err(explain)?;
            writeln!(io::stdout(), "{}", *issued.token.expose()).context(
                "the access token was created but could not be shown; revoke it with \
                 `merchant-otp token revoke`, and create another",
            )?;
            if let Expiration::At(end) = issued.expiration {
                writeln!(io::stderr(), "the access token is valid until {}", rfc_3339(end))?;
            }
            Ok(())
        }
        TokenCommand::List { instance } => list_tokens(&service, &instance).await,
        TokenCommand::Revoke { instance, serial: Some(serial), .. } => {
            let grant = Operator::of(&service).grant(&instance, Permission::TokensWrite).await;
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
    let grant = Operator::of(service).grant(instance, Permission::TokensWrite).await;
    let revoked = service.revoke_all_access_tokens(&grant.map_err(explain)?).await;
    let revoked = revoked.map_err(explain)?;
    writeln!(io::stderr(), "revoked {revoked} access tokens")?;
    Ok(())
}

/// The number of tokens held in memory at a time.
const TOKENS_PAGE: u16 = 100;

async fn list_tokens(service: &Service, instance: &InstanceId) -> anyhow::Result<()> {
    let grant =
        Operator::of(service).grant(instance, Permission::TokensRead).await.map_err(explain)?;
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
            let (created, expires) = (rfc_3339(info.created), expiration(info.expiration));
            let description = one_line(info.description.as_str());
            writeln!(output, "{serial}\t{}\t{created}\t{expires}\t{description}", info.scope)?;
        }
    }
}

fn expiration(expiration: Expiration) -> String {
    match expiration {
        Expiration::Never => "never".to_owned(),
        Expiration::At(end) => rfc_3339(end),
    }
}
