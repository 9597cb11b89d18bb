//! The command line, parsed with clap.

mod import;

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use merchant_otp_domain::{
    AccessTokenDescription, AccessTokenSerial, AccessTokenSerialError, Amount, InstanceId,
    InstanceName, Lifetime, OtpAlgorithm, OtpDeviceDescription, OtpDeviceId, Timestamp, TokenScope,
};
use zeroize::Zeroizing;

pub(crate) use self::import::ImportArgs;

/// OTP device service for GNU Taler merchants
///
/// Runs the server if no command is given. Settings are read from the built-in defaults, the file
/// given by --config, and environment variables such as
/// `MERCHANT_OTP__HTTP__LISTEN=127.0.0.1:9966`, in this order; `merchant-otp config` shows the
/// result. All commands but `restore` and `migrate --accept-file` are safe to run while the server
/// is running. Commands that only read create nothing.
#[derive(Parser)]
#[command(version, name = "merchant-otp", max_term_width = 100)]
pub(crate) struct CommandLine {
    /// File with settings (TOML)
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the server until SIGTERM or SIGINT (default)
    ///
    /// Pending migrations are applied first. An embedded database that does not exist is created;
    /// the first start on it creates the instance `admin` and prints an access token for it, once,
    /// if standard output is a terminal. One server at a time can use an embedded database.
    Serve(ServeOptions),
    /// Add, list and remove merchant instances, and set their passwords
    #[command(subcommand)]
    Instance(InstanceCommand),
    /// Add, list and revoke access tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Add, list, show and remove OTP devices, and compute their codes
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Generate, inspect and rotate master keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Show the audit trail
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Copy the embedded database to a new file
    ///
    /// The copy is a consistent snapshot. It does not contain the master key.
    Backup {
        /// New file; only its owner may read it
        file: PathBuf,
    },
    /// Restore the embedded database from a backup
    ///
    /// Stop the server first, and move the present database away, with the files whose names begin
    /// with its name (`-wal`, `-shm`, `-lock`).
    Restore {
        /// Backup created by `backup`
        file: PathBuf,
    },
    /// Exit with status 0 if the server is ready
    Healthcheck,
    /// Apply pending database migrations
    ///
    /// Creates an embedded database that does not exist.
    Migrate {
        /// Accept an embedded database file that was put in the place of another one
        ///
        /// The write-ahead log of the other file is kept under another name and not applied. Stop
        /// the server first.
        #[arg(long)]
        accept_file: bool,
    },
    /// Generate shell completions
    Completions {
        /// Shell to generate them for
        shell: Shell,
    },
    /// Write manual pages
    Man {
        /// Existing folder to write them to; a page that exists there is not overwritten
        folder: PathBuf,
    },
    /// Print the effective settings, without secrets
    Config,
    /// Print the OpenAPI 3.1 description of the HTTP endpoints
    #[command(name = "openapi")]
    OpenApi,
}

impl Default for Command {
    fn default() -> Self {
        Self::Serve(ServeOptions::default())
    }
}

#[derive(Args, Clone, Copy, Default)]
pub(crate) struct ServeOptions {
    /// Refuse to start if migrations are pending
    #[arg(long)]
    pub(crate) no_migrate: bool,
    /// Refuse to start if the key of a device cannot be opened
    ///
    /// Otherwise such devices are listed in the log after the start, and requests for them fail.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Print the access token of the first start even if standard output is not a terminal
    ///
    /// Standard output may be a log, which keeps the token.
    #[arg(long)]
    pub(crate) print_token: bool,
}

#[derive(Subcommand)]
pub(crate) enum InstanceCommand {
    /// Add an instance
    ///
    /// Adding the same instance again succeeds and changes nothing. Creates an embedded database
    /// that does not exist.
    Add {
        /// Name in URLs: two or more of A-Z a-z 0-9 _ . @ -, starting with a letter or digit
        #[arg(value_parser = InstanceId::parse)]
        id: InstanceId,
        /// Display name
        #[arg(long, value_parser = |text: &str| InstanceName::parse(text))]
        name: InstanceName,
    },
    /// Set the password that clients of an instance log in with
    ///
    /// Prompts twice on a terminal; otherwise reads the first line of standard input.
    SetPassword {
        /// Instance
        #[arg(value_parser = InstanceId::parse)]
        id: InstanceId,
        /// Also revoke all access tokens of the instance, for example after a theft
        #[arg(long)]
        revoke_tokens: bool,
    },
    /// List all instances, ordered by id
    List,
    /// Remove an instance with all its devices and access tokens
    Remove {
        /// Instance
        #[arg(value_parser = InstanceId::parse)]
        id: InstanceId,
    },
}

#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Create an access token and print it to standard output
    ///
    /// The token is shown only once. When it expires is printed to standard error.
    Add {
        /// Instance it is valid for
        #[arg(long, value_name = "ID", value_parser = InstanceId::parse)]
        instance: InstanceId,
        /// Scope: readonly, all, order-simple, order-pos, order-mgmt or order-full
        ///
        /// Registering devices needs `all`. With the suffix `:refreshable`, the token can be
        /// exchanged for a new one.
        #[arg(long, value_parser = TokenScope::parse)]
        scope: TokenScope,
        /// Lifetime, such as 12h, 30d, 1y or forever; default 30d for the scope `all`, otherwise
        /// forever
        #[arg(long, value_parser = lifetime)]
        duration: Option<Lifetime>,
        /// Description, for its owner
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
        /// Instance
        #[arg(long, value_name = "ID", value_parser = InstanceId::parse)]
        instance: InstanceId,
    },
    /// Revoke an access token of an instance
    Revoke {
        /// Instance
        #[arg(long, value_name = "ID", value_parser = InstanceId::parse)]
        instance: InstanceId,
        /// Serial of the token, as shown by `token list`
        #[arg(value_parser = serial, required_unless_present = "all")]
        serial: Option<AccessTokenSerial>,
        /// Revoke all tokens of the instance
        #[arg(long, conflicts_with = "serial")]
        all: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum DeviceCommand {
    /// Register a device and show its QR code for an authenticator app
    ///
    /// The URI and the QR code contain the key, and are shown only once.
    Add {
        #[command(flatten)]
        device: DeviceArgs,
        /// Description for people
        #[arg(long, value_name = "TEXT", value_parser = |text: &str| OtpDeviceDescription::parse(text))]
        description: OtpDeviceDescription,
        /// Algorithm of its codes: `TOTP_WITHOUT_PRICE` for authenticator apps, `TOTP_WITH_PRICE`
        /// for special devices, `NONE` for no codes
        #[arg(long, default_value = "TOTP_WITHOUT_PRICE", value_parser = OtpAlgorithm::from_name)]
        algorithm: OtpAlgorithm,
        /// Key in Base32, or `-` to read it from standard input; a random key of 160 bits if absent
        #[arg(long, value_name = "BASE32")]
        key: Option<KeyArgument>,
    },
    /// List the devices of an instance
    List {
        #[command(flatten)]
        instance: InstanceArgs,
    },
    /// Show a device, without its key
    Show {
        #[command(flatten)]
        device: DeviceArgs,
    },
    /// Remove a device
    Remove {
        #[command(flatten)]
        device: DeviceArgs,
    },
    /// Register the devices of a file
    ///
    /// Reads CSV, Excel workbooks (.xlsx), OATH CSV, CSV of Entra, PSKC, otpauth:// URIs, and the
    /// plain exports of Google Authenticator, Aegis and andOTP; the format is recognised. Tokens
    /// must be TOTP with SHA-1, 8 digits and 30 s. A CSV file has the columns `otp_device_id`,
    /// `otp_device_description` and `otp_key`, and optionally `otp_algorithm`. Rows that cannot be
    /// registered are written to a reject file with the reason. Rows that are registered already
    /// are skipped, so an interrupted import can be run again.
    Import(Box<ImportArgs>),
    /// Compute the five codes of a device, and how long each is shown
    Code {
        #[command(flatten)]
        device: DeviceArgs,
        /// Time of the codes (default now): seconds since the epoch, or 2026-11-24T12:00:00Z
        #[arg(long, value_name = "TIME", value_parser = timestamp)]
        at: Option<Timestamp>,
        /// Amount of the payment, such as EUR:1.50; required for `TOTP_WITH_PRICE`
        #[arg(long, value_name = "AMOUNT", value_parser = Amount::parse)]
        price: Option<Amount>,
    },
}

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Generate a master key, in a new file or on standard output
    ///
    /// The master key decrypts the keys of all devices in the database; without it they are lost.
    /// Keep a copy of it, apart from the database.
    Generate {
        /// New file; only its owner may read it
        file: Option<PathBuf>,
    },
    /// Show the master keys and the number of device keys that each sealed
    ///
    /// `seals`: the first key of `security.master_keys`; `opens`: another key of that list;
    /// `missing`: a key that sealed something and is not in the list. Devices whose keys cannot be
    /// opened are listed on standard error.
    Status,
    /// Re-seal all device keys with the first master key
    ///
    /// To change the master key, put a new one first in `security.master_keys`, restart every
    /// server process, run this command, and remove the old key when it reports that no key needs
    /// it. It can be interrupted and run again.
    Rotate,
}

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Show the audit trail of an instance, oldest event first
    ///
    /// Lists changes and refusals, with the actor and the address. A removed instance keeps its
    /// trail.
    List {
        /// Instance
        #[arg(long, value_name = "ID", value_parser = InstanceId::parse)]
        instance: InstanceId,
        /// Only events since a time, such as 2026-11-24T12:00:00Z, or a duration ago, such as 7d
        #[arg(long, value_name = "TIME", value_parser = since)]
        since: Option<Since>,
        /// Print one JSON object per line
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
    /// The point in time.
    pub(crate) fn timestamp(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(timestamp) => timestamp,
            Self::Ago(duration) => {
                Timestamp::saturating(now.seconds().saturating_sub(duration.as_secs()))
            }
        }
    }
}

#[derive(Args)]
pub(crate) struct InstanceArgs {
    /// Instance
    #[arg(long, value_name = "ID", default_value = "admin", value_parser = InstanceId::parse)]
    pub(crate) instance: InstanceId,
}

#[derive(Args)]
pub(crate) struct DeviceArgs {
    #[command(flatten)]
    pub(crate) of: InstanceArgs,
    /// Id of the device, unique in the instance
    #[arg(long, value_name = "DEVICE", value_parser = |text: &str| OtpDeviceId::parse(text))]
    pub(crate) id: OtpDeviceId,
}

/// The text of a device key. It is parsed later, because clap's errors quote invalid values.
#[derive(Clone)]
pub(crate) struct KeyArgument(pub(crate) Zeroizing<String>);

impl From<&str> for KeyArgument {
    fn from(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }
}

fn timestamp(text: &str) -> Result<Timestamp, &'static str> {
    const FORM: &str = "must be a time such as 2026-11-24T12:00:00Z, or seconds since the epoch";
    let seconds = text.parse().or_else(|_| {
        let time = humantime::parse_rfc3339_weak(text).map_err(|_| FORM)?;
        time.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).map_err(|_| FORM)
    })?;
    Timestamp::from_seconds(seconds).map_err(|_| FORM)
}

fn since(text: &str) -> Result<Since, &'static str> {
    let at = || timestamp(text).map(Since::At);
    humantime::parse_duration(text).map(Since::Ago).or_else(|_| at()).map_err(|_| {
        "must be a time such as 2026-11-24T12:00:00Z, seconds since the epoch, or a duration such \
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
        let now = Timestamp::from_seconds(100_000).unwrap();
        assert_eq!(Since::Ago(Duration::MAX).timestamp(now), Timestamp::EPOCH);
        let hour = Since::Ago(Duration::from_hours(1)).timestamp(now);
        assert_eq!(hour.seconds(), 96_400);
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
