use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use merchant_otp_application::Service;
use merchant_otp_ports::Stores;
#[cfg(feature = "postgres")]
use merchant_otp_storage_postgres::{PostgresDatabase, StoreSettings};
#[cfg(feature = "sqlite")]
use merchant_otp_storage_sqlite::SqliteDatabase;

use crate::clock::SystemClock;
use crate::master_keys::MasterKeys;
use crate::settings;
use crate::storage_url::Scheme;

#[cfg(not(any(feature = "postgres", feature = "sqlite")))]
compile_error!("a storage adapter is needed: enable the feature `postgres` or `sqlite`");

/// The database of the settings, by the adapter that its URL picks.
pub(crate) enum Database {
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteDatabase),
    #[cfg(feature = "postgres")]
    Postgres(Box<PostgresDatabase>),
}

impl Database {
    pub(crate) fn new(storage: &settings::Storage) -> anyhow::Result<Self> {
        let connections = storage.connections()?;
        match storage.url.scheme()? {
            #[cfg(feature = "sqlite")]
            Scheme::Sqlite(path) => {
                Ok(Self::Sqlite(SqliteDatabase::new(path, connections, storage.token_cache()?)))
            }
            #[cfg(feature = "postgres")]
            Scheme::Postgres(_) if connections < PostgresDatabase::FEWEST_CONNECTIONS => {
                let fewest = PostgresDatabase::FEWEST_CONNECTIONS;
                anyhow::bail!("storage.connections: PostgreSQL needs {fewest} at least")
            }
            #[cfg(feature = "postgres")]
            Scheme::Postgres(url) => PostgresDatabase::new(
                url,
                connections,
                StoreSettings { writers: storage.writers()?, token_cache: storage.token_cache()? },
            )
            .map(|database| Self::Postgres(Box::new(database)))
            .context("storage.url"),
            #[cfg(not(feature = "sqlite"))]
            Scheme::Sqlite(_) => anyhow::bail!("storage.url: built without the feature `sqlite`"),
            #[cfg(not(feature = "postgres"))]
            Scheme::Postgres(_) => {
                anyhow::bail!("storage.url: built without the feature `postgres`")
            }
        }
    }

    /// Whether the database belongs to this service alone, so that its first start may fill it.
    pub(crate) fn is_embedded(&self) -> bool {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => true,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => false,
        }
    }

    /// Applies the pending migrations; answers their names.
    pub(crate) async fn migrate(&self) -> anyhow::Result<Vec<String>> {
        let applied = match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(database) => database.migrate().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => database.migrate().await,
        };
        applied.context("storage.url")
    }

    /// Copies the embedded database to a new file.
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(clippy::unused_async, reason = "there is no embedded database")
    )]
    pub(crate) async fn back_up(&self, to: &Path) -> anyhow::Result<()> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(database) => {
                let done = database.back_up(to.to_owned()).await;
                done.with_context(|| to.display().to_string())
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => {
                anyhow::bail!("{} is for the embedded database; use pg_dump", to.display())
            }
        }
    }

    /// Makes the embedded database of a copy; there must be none.
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(clippy::unused_async, reason = "there is no embedded database")
    )]
    pub(crate) async fn restore(&self, from: &Path) -> anyhow::Result<()> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(database) => {
                let done = database.restore(from.to_owned()).await;
                done.with_context(|| {
                    format!("{} from {}", database.path().display(), from.display())
                })
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => {
                anyhow::bail!("{} is for the embedded database; use pg_restore", from.display())
            }
        }
    }

    /// The names of the pending migrations.
    pub(crate) async fn pending_migrations(&self) -> anyhow::Result<Vec<String>> {
        let pending = match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(database) => database.pending_migrations().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => database.pending_migrations().await,
        };
        pending.context("storage.url")
    }

    /// The use cases over the database, which has to be migrated, with its master keys; and the file
    /// that one was made in just now.
    pub(crate) async fn service(
        &self,
        security: &settings::Security,
    ) -> anyhow::Result<(Service, Option<PathBuf>)> {
        let (service, made) = self.unchecked_service(security).await?;
        service.check_master_keys().await.context("security.master_keys")?;
        Ok((service, made))
    }

    /// The same, whether the master keys are those that are needed or not.
    pub(crate) async fn unchecked_service(
        &self,
        security: &settings::Security,
    ) -> anyhow::Result<(Service, Option<PathBuf>)> {
        let stores = self.stores();
        let MasterKeys { keyring, made } =
            MasterKeys::read(&security.master_keys, self, &stores).await?;
        Ok((Service::new(stores, Arc::new(keyring), Arc::new(SystemClock)), made))
    }

    /// Where the master key of an embedded database is when nothing else is said: beside it.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(clippy::unnecessary_wraps, reason = "PostgreSQL has none")
    )]
    pub(crate) fn master_key_path(&self) -> Option<PathBuf> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(database) => Some(database.path().with_file_name("master.key")),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => None,
        }
    }

    fn stores(&self) -> Stores {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(database) => database.stores(),
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => database.stores(),
        }
    }
}
