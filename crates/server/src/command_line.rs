use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use merchant_otp_domain::{
    AccessTokenDescription, AccessTokenSerial, AccessTokenSerialError, Amount, InstanceId,
    InstanceName, Lifetime, OtpAlgorithm, OtpDeviceDescription, OtpDeviceId, Timestamp, TokenScope,
};
use zeroize::Zeroizing;

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
    /// Add, list and remove merchant instances, and set their passwords
    #[command(subcommand)]
    Instance(InstanceCommand),
    /// Add, list and revoke access tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Add, list, show and remove OTP devices, and compute their codes
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Make, count and change the master keys, which seal the keys of the devices
    #[command(subcommand)]
    Key(KeyCommand),
    /// Show who did what
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Copy the embedded database to a new file, while the service runs
    ///
    /// The copy is what the database was at one moment. It does not hold the master key.
    Backup {
        /// The new file, which only its owner may read
        file: PathBuf,
    },
    /// Make the embedded database of a copy that `backup` made
    ///
    /// There must be none: stop the service and move what is there away, `-wal` and `-shm` with it.
    Restore {
        /// The copy
        file: PathBuf,
    },
    /// Ask the service of these settings whether it is ready: status 0 if it is
    Healthcheck,
    /// Apply the pending migrations of the database
    Migrate,
    /// Print what a shell needs to complete the commands: bash, elvish, fish, powershell or zsh
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual pages
    Man {
        /// The folder that they go to, which has to be there
        folder: PathBuf,
    },
    /// Show the effective settings, without secrets
    Config,
    /// Describe the HTTP endpoints (OpenAPI 3.1), as `/openapi.json` does
    #[command(name = "openapi")]
    OpenApi,
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
    /// Give an instance the password that its clients log in with, in the place of an old one
    ///
    /// It is asked for twice on a terminal, and otherwise read from the first line of standard input.
    SetPassword {
        /// The instance
        #[arg(value_parser = InstanceId::parse)]
        id: InstanceId,
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
        #[arg(value_parser = serial, required_unless_present = "all")]
        serial: Option<AccessTokenSerial>,
        /// Revoke all tokens of the instance
        #[arg(long, conflicts_with = "serial")]
        all: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum DeviceCommand {
    /// Register a device and show, once, what an authenticator app reads: a URI and its QR code
    Add {
        #[command(flatten)]
        device: DeviceName,
        /// What people call it
        #[arg(long, value_name = "TEXT", value_parser = |text: &str| OtpDeviceDescription::parse(text))]
        description: OtpDeviceDescription,
        /// How its codes are computed: `TOTP_WITHOUT_PRICE` for authenticator apps,
        /// `TOTP_WITH_PRICE` for special devices, `NONE` for no codes
        #[arg(long, default_value = "TOTP_WITHOUT_PRICE", value_parser = OtpAlgorithm::from_name)]
        algorithm: OtpAlgorithm,
        /// Its key in Base32, or `-` to read it from standard input; without it, a random key of 160
        /// bits is made
        #[arg(long, value_name = "BASE32")]
        key: Option<KeyArgument>,
    },
    /// List the devices of an instance
    List {
        #[command(flatten)]
        instance: OfInstance,
    },
    /// Show a device, without its key
    Show {
        #[command(flatten)]
        device: DeviceName,
    },
    /// Remove a device
    Remove {
        #[command(flatten)]
        device: DeviceName,
    },
    /// Register the devices of a CSV file
    ///
    /// The first line names the columns: `otp_device_id`, `otp_device_description` and `otp_key`, and
    /// if wanted `otp_algorithm` (`TOTP_WITHOUT_PRICE` where it is empty) and `otp_ctr` (0). Rows that
    /// cannot be registered go to a reject file with the reason, also those of an earlier run. A row
    /// that is registered already is no error, so an import that broke off is simply run again.
    Import {
        /// The CSV file
        file: PathBuf,
        #[command(flatten)]
        instance: OfInstance,
        /// Where rejected rows go; FILE.rejects.csv if it is not given. It holds their keys
        #[arg(long, value_name = "REJECTS")]
        rejects: Option<PathBuf>,
        /// Check every row and register none
        #[arg(long)]
        dry_run: bool,
    },
    /// Compute the five codes of a device, with the seconds that each is still shown
    Code {
        #[command(flatten)]
        device: DeviceName,
        /// For another time than now: seconds since the epoch, or such as 2026-11-24T12:00:00Z
        #[arg(long, value_name = "TIME", value_parser = timestamp)]
        at: Option<Timestamp>,
        /// For the payment of an amount, such as EUR:1.50; needed by `TOTP_WITH_PRICE`
        #[arg(long, value_name = "AMOUNT", value_parser = Amount::parse)]
        price: Option<Amount>,
    },
}

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a master key, in a new file or on standard output
    ///
    /// Whoever has it and the database has the keys of all devices; without it they are lost. Keep a
    /// copy of it, apart from the database.
    Generate {
        /// The file, which only its owner may read
        file: Option<PathBuf>,
    },
    /// Show the master keys, and how many keys of devices each sealed
    ///
    /// `seals`: the first of `security.master_keys`; `opens`: another one of them; `missing`: it sealed
    /// something and is not among them.
    Status,
    /// Seal all keys again by the first master key, while the service runs
    ///
    /// To change the master key, put a new one in front of `security.master_keys`, restart all processes
    /// of the service, run this, and remove the old one when it says so. If it is interrupted, run it again.
    Rotate,
}

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Show the audit trail of an instance, the oldest event first
    ///
    /// What was changed, by whom, from where; and what was refused. An instance that was removed still
    /// has its trail.
    List {
        /// The instance
        #[arg(long, value_name = "ID", value_parser = InstanceId::parse)]
        instance: InstanceId,
        /// Only what happened since: a time such as 2026-11-24T12:00:00Z, or how long ago, such as 7d
        #[arg(long, value_name = "TIME", value_parser = since)]
        since: Option<Since>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

/// A point in time, or how long ago it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    At(Timestamp),
    Ago(Duration),
}

impl Since {
    /// The point in time, seen from now.
    pub(crate) fn timestamp(self) -> Timestamp {
        match self {
            Self::At(timestamp) => timestamp,
            Self::Ago(duration) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::saturating(now.saturating_sub(duration).as_secs())
            }
        }
    }
}

#[derive(Args)]
pub(crate) struct OfInstance {
    /// The instance
    #[arg(long, value_name = "ID", default_value = "admin", value_parser = InstanceId::parse)]
    pub(crate) instance: InstanceId,
}

#[derive(Args)]
pub(crate) struct DeviceName {
    #[command(flatten)]
    pub(crate) of: OfInstance,
    /// Its name in URLs, unique in the instance
    #[arg(long, value_name = "DEVICE", value_parser = |text: &str| OtpDeviceId::parse(text))]
    pub(crate) id: OtpDeviceId,
}

/// The key of a device as it was given. It is read later: clap quotes what it cannot read.
#[derive(Clone)]
pub(crate) struct KeyArgument(pub(crate) Zeroizing<String>);

impl From<&str> for KeyArgument {
    fn from(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }
}

fn timestamp(text: &str) -> Result<Timestamp, &'static str> {
    const FORM: &str = "a time is seconds since the epoch, or such as 2026-11-24T12:00:00Z";
    let seconds = text.parse().or_else(|_| {
        let time = humantime::parse_rfc3339_weak(text).map_err(|_| FORM)?;
        time.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).map_err(|_| FORM)
    })?;
    Timestamp::from_seconds(seconds).map_err(|_| FORM)
}

fn since(text: &str) -> Result<Since, &'static str> {
    let at = || timestamp(text).map(Since::At);
    humantime::parse_duration(text).map(Since::Ago).or_else(|_| at()).map_err(|_| {
        "it is a time such as 2026-11-24T12:00:00Z or in seconds since the epoch, or how long ago, such \
         as 7d"
    })
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
    fn times_are_seconds_or_dates() {
        assert_eq!(timestamp("59").unwrap().seconds(), 59);
        assert_eq!(timestamp("2023-11-14T22:13:20Z").unwrap().seconds(), 1_700_000_000);
        assert_eq!(timestamp("2023-11-14 22:13:20").unwrap().seconds(), 1_700_000_000);
        for text in ["", "now", "-1", "1969-12-31T23:59:59Z", "9007199254740992"] {
            assert!(timestamp(text).is_err(), "{text}");
        }
    }

    #[test]
    fn since_is_a_time_or_a_duration() {
        let at = |seconds| Ok(Since::At(Timestamp::from_seconds(seconds).unwrap()));
        assert_eq!(since("2023-11-14T22:13:20Z"), at(1_700_000_000));
        assert_eq!(since("1700000000"), at(1_700_000_000));
        assert_eq!(since("7d"), Ok(Since::Ago(Duration::from_hours(7 * 24))));
        assert_eq!(Since::Ago(Duration::MAX).timestamp(), Timestamp::EPOCH);
        for text in ["", "yesterday", "-7d"] {
            assert!(since(text).is_err(), "{text}");
        }
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
