use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use merchant_otp_domain::{
    AccessTokenDigest, AccessTokenInfo, AccessTokenSerial, AuditEvent, Instance, InstanceId,
    InstanceName, MasterKeyId, OtpDeviceId, OtpDeviceSummary, PasswordHash, SealedOtpDevice,
    SealedOtpKey, Timestamp,
};
use merchant_otp_ports::{
    AccessTokenInsertion, AccessTokenLookup, AccessTokenPage, AccessTokenStore, AuditPosition,
    AuditRemoval, AuditStore, DeviceKey, InstanceInsertion, InstanceStore, KeyReplacement,
    OtpDeviceInsertion, OtpDeviceStore, SealedKeyStore, StoreError, StoreHealth, StoredAccessToken,
    StoredAuditEvent, StoredInstance, Stores,
};

use crate::batches::DeviceToInsert;
use crate::rows::{InstanceRow, NewAccessTokenRow};
use crate::token_cache::TokenCache;
use crate::units_of_work::UnitsOfWork;
use crate::{Connector, Door, Failure, Lanes};

/// The stores of a database with two doors to it: one for reading and one for writing.
///
/// They may be the same. A database that knows one writer at a time gets a door that is as wide, and
/// readers do not queue behind it. `migrations` are the versions of those that it has to have. An access
/// token that was found is looked up again after `token_cache`; always if that is zero. One that is taken
/// away by the same process is no longer found at once nevertheless.
#[must_use]
pub fn stores<C>(
    reading: Arc<Door<C>>,
    writing: Arc<Door<C>>,
    lanes: Lanes,
    migrations: Vec<String>,
    token_cache: Duration,
) -> Stores
where
    C: Connector<Connection: UnitsOfWork>,
{
    let token_cache = Arc::new(TokenCache::new(token_cache));
    let stores = Arc::new(SqlStores { reading, writing, lanes, token_cache, migrations });
    Stores {
        instances: stores.clone(),
        access_tokens: stores.clone(),
        otp_devices: stores.clone(),
        sealed_keys: stores.clone(),
        audit: stores.clone(),
        health: stores,
    }
}

struct SqlStores<C: Connector> {
    reading: Arc<Door<C>>,
    writing: Arc<Door<C>>,
    lanes: Lanes,
    token_cache: Arc<TokenCache>,
    /// The versions of those that the statements need.
    migrations: Vec<String>,
}

impl<C: Connector> SqlStores<C> {
    /// A unit of work after which no token is remembered: it took some away, or may have if it failed.
    ///
    /// It is the unit that forgets, for whoever waits for it may give up.
    fn forgetting<T>(
        &self,
        unit: impl FnOnce(&mut C::Connection) -> Result<T, Failure> + Send + 'static,
    ) -> impl FnOnce(&mut C::Connection) -> Result<T, Failure> + Send + 'static {
        let token_cache = Arc::clone(&self.token_cache);
        move |connection| {
            let done = unit(connection);
            token_cache.forget();
            done
        }
    }
}

#[async_trait]
impl<C: Connector<Connection: UnitsOfWork>> InstanceStore for SqlStores<C> {
    async fn insert(
        &self,
        instance: Instance,
        password: Option<PasswordHash>,
        event: &AuditEvent,
    ) -> Result<InstanceInsertion, StoreError> {
        let (row, event) = (InstanceRow::new(&instance, password.as_ref()), event.clone());
        self.writing.run(move |connection| connection.insert_instance(&row, &event)).await
    }

    async fn find(&self, id: &InstanceId) -> Result<Option<StoredInstance>, StoreError> {
        let id = id.clone();
        self.reading.run(move |connection| connection.find_instance(id.as_str())).await
    }

    async fn list(&self) -> Result<Vec<StoredInstance>, StoreError> {
        self.reading.run(UnitsOfWork::list_instances).await
    }

    async fn rename(
        &self,
        id: &InstanceId,
        name: InstanceName,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let (id, event) = (id.clone(), event.clone());
        let unit = move |connection: &mut C::Connection| {
            connection.rename_instance(id.as_str(), name.as_str(), &event)
        };
        self.writing.run(unit).await
    }

    async fn set_password(
        &self,
        id: &InstanceId,
        password: PasswordHash,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let (id, event) = (id.clone(), event.clone());
        let unit = move |connection: &mut C::Connection| {
            connection.set_password_of_instance(id.as_str(), password.as_str(), &event)
        };
        self.writing.run(unit).await
    }

    async fn mark_deleted(&self, id: &InstanceId, event: &AuditEvent) -> Result<bool, StoreError> {
        let (id, event) = (id.clone(), event.clone());
        let unit = move |connection: &mut C::Connection| {
            connection.mark_instance_deleted(id.as_str(), &event)
        };
        self.writing.run(self.forgetting(unit)).await
    }

    async fn remove(&self, id: &InstanceId, event: &AuditEvent) -> Result<bool, StoreError> {
        let (id, event) = (id.clone(), event.clone());
        let unit =
            move |connection: &mut C::Connection| connection.remove_instance(id.as_str(), &event);
        self.writing.run(self.forgetting(unit)).await
    }
}

#[async_trait]
impl<C: Connector<Connection: UnitsOfWork>> AccessTokenStore for SqlStores<C> {
    async fn insert(
        &self,
        instance: &InstanceId,
        digest: AccessTokenDigest,
        info: AccessTokenInfo,
        event: &AuditEvent,
    ) -> Result<AccessTokenInsertion, StoreError> {
        let (row, event) = (NewAccessTokenRow::new(instance, &digest, &info), event.clone());
        self.writing.run(move |connection| connection.insert_access_token(&row, &event)).await
    }

    async fn find(
        &self,
        instance: &InstanceId,
        digest: &AccessTokenDigest,
    ) -> Result<AccessTokenLookup, StoreError> {
        let lookup = match self.token_cache.find(instance, digest) {
            Ok(token) => return Ok(AccessTokenLookup::Found(token)),
            Err(lookup) => lookup,
        };
        let found = self.lanes.tokens.run((instance.clone(), *digest)).await?;
        if let AccessTokenLookup::Found(token) = &found {
            self.token_cache.remember(&lookup, instance, digest, token);
        }
        Ok(found)
    }

    async fn list(
        &self,
        instance: &InstanceId,
        page: AccessTokenPage,
        limit: u16,
    ) -> Result<Vec<StoredAccessToken>, StoreError> {
        let instance = instance.clone();
        let unit = move |connection: &mut C::Connection| {
            connection.list_access_tokens(instance.as_str(), page, limit)
        };
        self.reading.run(unit).await
    }

    async fn remove(
        &self,
        instance: &InstanceId,
        serial: AccessTokenSerial,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let (instance, event) = (instance.clone(), event.clone());
        let unit = move |connection: &mut C::Connection| {
            connection.remove_access_token(instance.as_str(), serial.value(), &event)
        };
        self.writing.run(self.forgetting(unit)).await
    }

    async fn remove_expired(
        &self,
        instance: &InstanceId,
        before: Timestamp,
    ) -> Result<u64, StoreError> {
        let instance = instance.clone();
        let unit = move |connection: &mut C::Connection| {
            connection.remove_expired_access_tokens(instance.as_str(), before)
        };
        self.writing.run(unit).await
    }
}

#[async_trait]
impl<C: Connector<Connection: UnitsOfWork>> OtpDeviceStore for SqlStores<C> {
    async fn insert(
        &self,
        instance: &InstanceId,
        device: SealedOtpDevice,
        event: &AuditEvent,
    ) -> Result<OtpDeviceInsertion, StoreError> {
        let (instance, event) = (instance.clone(), event.clone());
        self.lanes.insertions.run(DeviceToInsert { instance, device, event }).await
    }

    async fn find(
        &self,
        instance: &InstanceId,
        id: &OtpDeviceId,
    ) -> Result<Option<SealedOtpDevice>, StoreError> {
        self.lanes.devices.run((instance.clone(), id.clone())).await
    }

    async fn list(
        &self,
        instance: &InstanceId,
        after: Option<&OtpDeviceId>,
        limit: u16,
    ) -> Result<Vec<OtpDeviceSummary>, StoreError> {
        let (instance, after) = (instance.clone(), after.cloned());
        let unit = move |connection: &mut C::Connection| {
            let after = after.as_ref().map(OtpDeviceId::as_str);
            connection.list_otp_devices(instance.as_str(), after, limit)
        };
        self.reading.run(unit).await
    }

    async fn replace(
        &self,
        instance: &InstanceId,
        current: &SealedOtpDevice,
        replacement: &SealedOtpDevice,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let (instance, current) = (instance.clone(), current.clone());
        let (replacement, event) = (replacement.clone(), event.clone());
        let unit = move |connection: &mut C::Connection| {
            connection.replace_otp_device(instance.as_str(), &current, &replacement, &event)
        };
        self.writing.run(unit).await
    }

    async fn remove(
        &self,
        instance: &InstanceId,
        id: &OtpDeviceId,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let (instance, id, event) = (instance.clone(), id.clone(), event.clone());
        let unit = move |connection: &mut C::Connection| {
            connection.remove_otp_device(instance.as_str(), id.as_str(), &event)
        };
        self.writing.run(unit).await
    }
}

#[async_trait]
impl<C: Connector<Connection: UnitsOfWork>> SealedKeyStore for SqlStores<C> {
    async fn list(
        &self,
        after: Option<(&InstanceId, &OtpDeviceId)>,
        limit: u16,
    ) -> Result<Vec<DeviceKey>, StoreError> {
        let after = after.map(|(instance, device)| (instance.clone(), device.clone()));
        let unit = move |connection: &mut C::Connection| {
            let after =
                after.as_ref().map(|(instance, device)| (instance.as_str(), device.as_str()));
            connection.list_device_keys(after, limit)
        };
        self.reading.run(unit).await
    }

    async fn master_keys(&self) -> Result<Vec<(MasterKeyId, u64)>, StoreError> {
        self.reading.run(UnitsOfWork::count_master_keys).await
    }

    async fn replace(&self, replacements: Vec<KeyReplacement>) -> Result<u64, StoreError> {
        self.writing.run(move |connection| connection.replace_device_keys(&replacements)).await
    }

    async fn samples(&self) -> Result<Vec<SealedOtpKey>, StoreError> {
        self.reading.run(UnitsOfWork::list_samples).await
    }

    async fn add_sample(&self, sample: SealedOtpKey) -> Result<(), StoreError> {
        self.writing.run(move |connection| connection.insert_sample(&sample)).await
    }

    async fn remove_sample(&self, master_key: MasterKeyId) -> Result<bool, StoreError> {
        self.writing.run(move |connection| connection.remove_sample(master_key)).await
    }
}

#[async_trait]
impl<C: Connector<Connection: UnitsOfWork>> AuditStore for SqlStores<C> {
    async fn append(&self, event: AuditEvent) -> Result<(), StoreError> {
        self.writing.run(move |connection| connection.append_audit_event(&event)).await
    }

    async fn list(
        &self,
        instance: &InstanceId,
        after: AuditPosition,
        limit: u16,
    ) -> Result<Vec<StoredAuditEvent>, StoreError> {
        let instance = instance.clone();
        let unit = move |connection: &mut C::Connection| {
            connection.list_audit_events(instance.as_str(), after, limit)
        };
        self.reading.run(unit).await
    }

    async fn remove_before(
        &self,
        time: Timestamp,
        after: i64,
        limit: u16,
    ) -> Result<AuditRemoval, StoreError> {
        let unit = move |connection: &mut C::Connection| {
            connection.remove_audit_events(time, after, limit)
        };
        self.writing.run(unit).await
    }
}

#[async_trait]
impl<C: Connector<Connection: UnitsOfWork>> StoreHealth for SqlStores<C> {
    async fn check(&self) -> Result<(), StoreError> {
        let applied = self.reading.run(UnitsOfWork::applied_migrations).await?;
        // A newer version of the service may have applied more.
        if self.migrations.iter().all(|migration| applied.contains(migration)) {
            Ok(())
        } else {
            Err(StoreError::Corrupt("migrations are pending".into()))
        }
    }
}
