use std::path::PathBuf;

use clap::{Parser, Subcommand};
use merchant_otp_domain::{
    AccessTokenDescription, AccessTokenSerial, AccessTokenSerialError, InstanceId, InstanceName,
    Lifetime, TokenScope,
};

/// The merchant OTP service: keeps the offline code devices of GNU Taler merchants.
///
/// Without a command it serves. Settings come from the built-in defaults, then the file of --config,
/// then environment variables such as `MERCHANT_OTP__HTTP__LISTEN=127.0.0.1:9966` and
/// `MERCHANT_OTP__STORAGE__URL=sqlite:data/merchant-otp.db`; `merchant-otp config` shows what they
/// amount to. All commands work while the service runs.
#[derive(Parser)]
#[command(version, name = "merchant-otp", max_term_width = 100)]
pub(crate) struct CommandLine {
    /// A file of settings (TOML)
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Answer requests until SIGTERM or SIGINT
    ///
    /// Pending migrations are applied first. The first start on an empty embedded database makes the
    /// instance `admin` and prints an access token for it, once.
    Serve {
        /// Refuse to start on pending migrations, instead of applying them
        #[arg(long)]
        no_migrate: bool,
    },
    /// Add, list and remove merchant instances
    #[command(subcommand)]
    Instance(InstanceCommand),
    /// Add, list and revoke access tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Apply the pending migrations of the database
    Migrate,
    /// Show the effective settings, without secrets
    Config,
}

impl Default for Command {
    fn default() -> Self {
        Self::Serve { no_migrate: false }
    }
}

#[derive(Subcommand)]
pub(crate) enum InstanceCommand {
    /// Add an instance; adding the same one again is no error
    Add {
        /// Its name in URLs: at least two of A-Z a-z 0-9 _ . @ -, a letter or digit first
        #[arg(value_parser = InstanceId::parse)]
        id: InstanceId,
        /// Its name for people
        #[arg(long, value_parser = |text: &str| InstanceName::parse(text))]
        name: InstanceName,
    },
    /// List all instances, ordered by id
    List,
    /// Remove an instance with all its devices and access tokens
    Remove {
        /// The instance
        #[arg(value_parser = InstanceId::parse)]
        id: InstanceId,
    },
}

#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Make an access token and print it, alone, on standard output: it is shown only now
    Add {
        /// The instance that it is good for
        #[arg(long, value_name = "ID", value_parser = InstanceId::parse)]
        instance: InstanceId,
        /// What it allows: readonly, all, order-simple, order-pos, order-mgmt or order-full
        ///
        /// `all` registers devices. With the suffix `:refreshable`, the token may be exchanged for a
        /// new one.
        #[arg(long, value_parser = TokenScope::parse)]
        scope: TokenScope,
        /// For how long it is good, such as 12h, 30d, 1y or forever
        #[arg(long, default_value = "forever", value_parser = lifetime)]
        duration: Lifetime,
        /// What it is for
        #[arg(
            long,
            value_name = "TEXT",
            default_value = "",
            hide_default_value = true,
            value_parser = |text: &str| AccessTokenDescription::parse(text),
        )]
        description: AccessTokenDescription,
    },
    /// List the access tokens of an instance, without their secrets
    List {
        /// The instance
        #[arg(long, value_name = "ID", value_parser = InstanceId::parse)]
        instance: InstanceId,
    },
    /// Revoke an access token of an instance, for good
    Revoke {
        /// The instance
        #[arg(long, value_name = "ID", value_parser = InstanceId::parse)]
        instance: InstanceId,
        /// The number of the token, as `token list` shows it
        #[arg(value_parser = serial)]
        serial: AccessTokenSerial,
    },
}

fn serial(text: &str) -> Result<AccessTokenSerial, AccessTokenSerialError> {
    text.parse().map_err(|_| AccessTokenSerialError).and_then(AccessTokenSerial::new)
}

fn lifetime(text: &str) -> Result<Lifetime, humantime::DurationError> {
    if text == "forever" {
        return Ok(Lifetime::Forever);
    }
    humantime::parse_duration(text).map(|duration| Lifetime::Seconds(duration.as_secs()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn durations_are_written_as_people_do() {
        assert_eq!(lifetime("forever").unwrap(), Lifetime::Forever);
        assert_eq!(lifetime("30d").unwrap(), Lifetime::Seconds(30 * 86_400));
        assert_eq!(lifetime("1h 30m").unwrap(), Lifetime::Seconds(5_400));
        for text in ["", "30", "d", "-1d", "Forever "] {
            assert!(lifetime(text).is_err(), "{text}");
        }
    }
}
