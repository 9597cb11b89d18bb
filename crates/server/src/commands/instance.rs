//! `instance`: manage instances.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use anyhow::{Context, bail};
use merchant_otp_application::PasswordChange;
use merchant_otp_application::operator::Operator;
use merchant_otp_domain::{Instance, InstanceSettings, Password, Permission};
use zeroize::Zeroizing;

use crate::command_line::InstanceCommand;
use crate::commands::database::{Use, service};
use crate::commands::explain::explain;
use crate::settings::Settings;
use crate::text::one_line;

/// Adds, lists, changes and removes instances.
pub(crate) async fn instance(settings: &Settings, command: InstanceCommand) -> anyhow::Result<()> {
    let to = match command {
        InstanceCommand::Add { .. } => Use::Create,
        InstanceCommand::SetPassword { .. } | InstanceCommand::Remove { .. } => Use::Change,
        InstanceCommand::List => Use::Read,
    };
    let service = service(settings, to).await?;
    let operator = Operator::of(&service);
    match command {
        InstanceCommand::Add { id, name } => {
            let instance = Instance { id, name, settings: InstanceSettings::default() };
            let write = operator.grant_management(Permission::InstancesWrite);
            service.add_instance(&write, instance, None).await.map_err(explain)
        }
        InstanceCommand::SetPassword { id, revoke_tokens } => {
            service.find_instance(id.as_str()).await.map_err(explain)?;
            let password = read_password()?;
            let write = operator.grant_unchecked(id, Permission::InstancesAuthWrite);
            let change = PasswordChange { revoke_tokens, ..PasswordChange::to(password) };
            service.set_password(&write, change).await.map_err(explain)
        }
        InstanceCommand::List => {
            let all =
                service.list_instances(&operator.grant_management(Permission::InstancesRead)).await;
            let mut output = io::stdout().lock();
            for listed in all.map_err(explain)? {
                let deleted = if listed.deleted { "\tdeleted" } else { "" };
                let (id, name) = (listed.instance.id, listed.instance.name);
                let (id, name) = (one_line(id.as_str()), one_line(name.as_str()));
                writeln!(output, "{id}\t{name}{deleted}")?;
            }
            Ok(())
        }
        InstanceCommand::Remove { id } => {
            let write = operator.grant_unchecked(id, Permission::InstancesWrite);
            service.purge_instance(&write).await.map_err(explain)
        }
    }
}

/// Reads a new password; prompts for it twice on a terminal.
fn read_password() -> anyhow::Result<Password> {
    let text = if io::stdin().is_terminal() {
        let ask = |prompt| rpassword::prompt_password(prompt).map(Zeroizing::new);
        let text = ask("New password: ").context("cannot read the password")?;
        if ask("Repeat the new password: ").context("cannot read the password")? != text {
            bail!("the passwords do not match; the password was not changed");
        }
        text
    } else {
        // Longer than any password, so that a longer one is rejected instead of cut off.
        let longest = Password::MAX_BYTES + 2;
        let mut line = Zeroizing::new(String::with_capacity(longest));
        let mut input = io::stdin().lock().take(longest.try_into()?);
        input.read_line(&mut line).context("cannot read standard input")?;
        line
    };
    Ok(Password::parse(text.trim_end_matches(['\r', '\n']))?)
}
