//! The reference storage adapter: keeps everything in memory.
//!
//! It shows in a few lines what the ports mean, and the layers above are tested on it. It is not
//! meant for production: what is acknowledged is lost when the process ends.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use merchant_otp_domain::{
    AccessTokenDigest, AccessTokenInfo, AccessTokenSerial, AuditEvent, Expiration, Instance,
    InstanceId, InstanceName, MasterKeyId, OtpDeviceId, OtpDeviceSummary, PasswordHash,
    SealedOtpDevice, SealedOtpKey, Timestamp,
};
use merchant_otp_ports::{
    AccessTokenInsertion, AccessTokenLookup, AccessTokenPage, AccessTokenStore, AuditPosition,
    AuditRemoval, AuditStore, BackendError, DeviceKey, InstanceInsertion, InstanceStore,
    KeyReplacement, OtpDeviceInsertion, OtpDeviceStore, SealedKeyStore, StorageBackend, StoreError,
    StoreHealth, StoreResult, StoredAccessToken, StoredAuditEvent, StoredInstance, Stores,
};

/// New and empty stores.
#[must_use]
pub fn open() -> Stores {
    MemoryBackend::default().stores()
}

/// A database in memory. Clones share it, as two processes share a database server.
#[derive(Clone, Default)]
pub struct MemoryBackend(Arc<Memory>);

#[async_trait]
impl StorageBackend for MemoryBackend {
    fn stores(&self) -> Stores {
        self.0.clone().into()
    }

    async fn migrate(&self) -> Result<Vec<String>, BackendError> {
        Ok(Vec::new())
    }

    async fn pending_migrations(&self) -> Result<Vec<String>, BackendError> {
        Ok(Vec::new())
    }

    async fn back_up(&self, _to: &Path) -> Result<(), BackendError> {
        Err(BackendError::Unsupported("another adapter"))
    }

    async fn restore(&self, _from: &Path) -> Result<(), BackendError> {
        Err(BackendError::Unsupported("another adapter"))
    }

    fn embedded_file(&self) -> Option<&Path> {
        None
    }
}

#[derive(Default)]
struct Memory(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    instances: BTreeMap<InstanceId, InstanceContents>,
    samples: BTreeMap<MasterKeyId, SealedOtpKey>,
    last_instance_serial: i64,
    last_token_serial: i64,
    audit: Audit,
}

#[derive(Default)]
struct Audit {
    /// Ordered by serial.
    events: Vec<StoredAuditEvent>,
    last_serial: i64,
}

impl Audit {
    fn append(&mut self, event: AuditEvent) {
        self.last_serial += 1;
        self.events.push(StoredAuditEvent { serial: self.last_serial, event });
    }
}

struct InstanceContents {
    stored: StoredInstance,
    access_tokens: Vec<(AccessTokenDigest, StoredAccessToken)>,
    otp_devices: BTreeMap<OtpDeviceId, SealedOtpDevice>,
}

impl Memory {
    /// All contents, for one unit of work; no unit of work panics halfway.
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes an instance that is not deleted; returns whether there is one.
    fn change(
        &self,
        id: &InstanceId,
        event: &AuditEvent,
        change: impl FnOnce(&mut StoredInstance),
    ) -> bool {
        let contents = &mut *self.lock();
        match contents.instances.get_mut(id).map(|contents| &mut contents.stored) {
            Some(stored) if !stored.deleted => {
                change(stored);
                contents.audit.append(event.clone());
                true
            }
            _ => false,
        }
    }
}

#[async_trait]
impl InstanceStore for Memory {
    async fn insert(
        &self,
        instance: Instance,
        password: Option<PasswordHash>,
        event: &AuditEvent,
    ) -> StoreResult<InstanceInsertion> {
        let mut contents = self.lock();
        if let Some(existing) = contents.instances.get(&instance.id) {
            return Ok(InstanceInsertion::Exists(existing.stored.clone()));
        }
        let id = instance.id.clone();
        contents.last_instance_serial += 1;
        let serial = contents.last_instance_serial;
        let stored = StoredInstance { serial, instance, password, deleted: false };
        contents.instances.insert(
            id,
            InstanceContents { stored, access_tokens: Vec::new(), otp_devices: BTreeMap::new() },
        );
        contents.audit.append(event.clone());
        Ok(InstanceInsertion::Stored)
    }

    async fn find(&self, id: &InstanceId) -> StoreResult<Option<StoredInstance>> {
        Ok(self.lock().instances.get(id).map(|contents| contents.stored.clone()))
    }

    async fn list(&self) -> StoreResult<Vec<StoredInstance>> {
        Ok(self.lock().instances.values().map(|contents| contents.stored.clone()).collect())
    }

    async fn rename(
        &self,
        id: &InstanceId,
        name: InstanceName,
        event: &AuditEvent,
    ) -> StoreResult<bool> {
        Ok(self.change(id, event, |stored| stored.instance.name = name))
    }

    async fn set_password(
        &self,
        id: &InstanceId,
        password: PasswordHash,
        event: &AuditEvent,
    ) -> StoreResult<bool> {
        Ok(self.change(id, event, |stored| stored.password = Some(password)))
    }

    async fn mark_deleted(&self, id: &InstanceId, event: &AuditEvent) -> StoreResult<bool> {
        Ok(self.change(id, event, |stored| {
            stored.deleted = true;
            stored.password = None;
        }))
    }

    async fn remove(&self, id: &InstanceId, event: &AuditEvent) -> StoreResult<bool> {
        let mut contents = self.lock();
        let removed = contents.instances.remove(id).is_some();
        if removed {
            contents.audit.append(event.clone());
        }
        Ok(removed)
    }
}

#[async_trait]
impl AccessTokenStore for Memory {
    async fn insert(
        &self,
        instance: &InstanceId,
        digest: AccessTokenDigest,
        info: AccessTokenInfo,
        event: &AuditEvent,
    ) -> StoreResult<AccessTokenInsertion> {
        let contents = &mut *self.lock();
        let Some(owner) = contents.instances.get_mut(instance) else {
            return Ok(AccessTokenInsertion::NoSuchInstance);
        };
        if owner.access_tokens.iter().any(|(other, _)| *other == digest) {
            return Err(StoreError::Write("the digest is stored already".into()));
        }
        contents.last_token_serial += 1;
        let serial = AccessTokenSerial::new(contents.last_token_serial)
            .map_err(|error| StoreError::Write(error.into()))?;
        owner.access_tokens.push((digest, StoredAccessToken { serial, info }));
        contents.audit.append(AuditEvent { access_token: Some(serial), ..event.clone() });
        Ok(AccessTokenInsertion::Stored(serial))
    }

    async fn find(
        &self,
        instance: &InstanceId,
        digest: &AccessTokenDigest,
    ) -> StoreResult<AccessTokenLookup> {
        let contents = self.lock();
        let Some(owner) = contents.instances.get(instance) else {
            return Ok(AccessTokenLookup::NoSuchInstance);
        };
        if owner.stored.deleted {
            return Ok(AccessTokenLookup::InstanceDeleted);
        }
        let found = owner.access_tokens.iter().find(|(other, _)| other == digest);
        Ok(match found {
            Some((_, token)) => AccessTokenLookup::Found(token.clone()),
            None => AccessTokenLookup::NotFound,
        })
    }

    async fn list(
        &self,
        instance: &InstanceId,
        page: AccessTokenPage,
        limit: u16,
    ) -> StoreResult<Vec<StoredAccessToken>> {
        let contents = self.lock();
        let owner = contents.instances.get(instance);
        // Ordered by serial: they were pushed in that order.
        let tokens = owner.into_iter().flat_map(|owner| &owner.access_tokens);
        let mut tokens: Vec<_> = tokens.map(|(_, token)| token.clone()).collect();
        match page {
            AccessTokenPage::After(serial) => tokens.retain(|token| token.serial.value() > serial),
            AccessTokenPage::Before(serial) => {
                tokens.retain(|token| token.serial.value() < serial);
                tokens.reverse();
            }
        }
        tokens.truncate(limit.into());
        Ok(tokens)
    }

    async fn remove(
        &self,
        instance: &InstanceId,
        serial: AccessTokenSerial,
        event: &AuditEvent,
    ) -> StoreResult<bool> {
        let contents = &mut *self.lock();
        let Some(owner) = contents.instances.get_mut(instance) else {
            return Ok(false);
        };
        let before = owner.access_tokens.len();
        owner.access_tokens.retain(|(_, token)| token.serial != serial);
        let removed = owner.access_tokens.len() < before;
        if removed {
            contents.audit.append(event.clone());
        }
        Ok(removed)
    }

    async fn remove_expired(&self, instance: &InstanceId, before: Timestamp) -> StoreResult<u64> {
        let mut contents = self.lock();
        let Some(owner) = contents.instances.get_mut(instance) else {
            return Ok(0);
        };
        let all = owner.access_tokens.len();
        let expires_before = |expiration| matches!(expiration, Expiration::At(end) if end < before);
        owner.access_tokens.retain(|(_, token)| !expires_before(token.info.expiration));
        Ok((all - owner.access_tokens.len()) as u64)
    }
}

#[async_trait]
impl OtpDeviceStore for Memory {
    async fn insert(
        &self,
        instance: &InstanceId,
        device: SealedOtpDevice,
        event: &AuditEvent,
    ) -> StoreResult<OtpDeviceInsertion> {
        let contents = &mut *self.lock();
        let Some(owner) = contents.instances.get_mut(instance) else {
            return Ok(OtpDeviceInsertion::NoSuchInstance);
        };
        if let Some(existing) = owner.otp_devices.get(&device.id) {
            return Ok(OtpDeviceInsertion::Exists(existing.clone()));
        }
        owner.otp_devices.insert(device.id.clone(), device);
        contents.audit.append(event.clone());
        Ok(OtpDeviceInsertion::Stored)
    }

    async fn find(
        &self,
        instance: &InstanceId,
        id: &OtpDeviceId,
    ) -> StoreResult<Option<SealedOtpDevice>> {
        let contents = self.lock();
        let owner = contents.instances.get(instance);
        Ok(owner.and_then(|owner| owner.otp_devices.get(id)).cloned())
    }

    async fn list(
        &self,
        instance: &InstanceId,
        after: Option<&OtpDeviceId>,
        limit: u16,
    ) -> StoreResult<Vec<OtpDeviceSummary>> {
        let contents = self.lock();
        let Some(owner) = contents.instances.get(instance) else {
            return Ok(Vec::new());
        };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let devices = owner.otp_devices.range((start, Bound::Unbounded)).take(limit.into());
        let summary = |(id, device): (&OtpDeviceId, &SealedOtpDevice)| OtpDeviceSummary {
            id: id.clone(),
            description: device.description.clone(),
        };
        Ok(devices.map(summary).collect())
    }

    async fn replace(
        &self,
        instance: &InstanceId,
        current: &SealedOtpDevice,
        replacement: &SealedOtpDevice,
        event: &AuditEvent,
    ) -> StoreResult<bool> {
        let contents = &mut *self.lock();
        let owner = contents.instances.get_mut(instance);
        match owner.and_then(|owner| owner.otp_devices.get_mut(&current.id)) {
            Some(device) if device == current => {
                *device = replacement.clone();
                contents.audit.append(event.clone());
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn remove(
        &self,
        instance: &InstanceId,
        id: &OtpDeviceId,
        event: &AuditEvent,
    ) -> StoreResult<bool> {
        let contents = &mut *self.lock();
        let owner = contents.instances.get_mut(instance);
        let removed = owner.is_some_and(|owner| owner.otp_devices.remove(id).is_some());
        if removed {
            contents.audit.append(event.clone());
        }
        Ok(removed)
    }
}

#[async_trait]
impl SealedKeyStore for Memory {
    async fn list(
        &self,
        after: Option<(&InstanceId, &OtpDeviceId)>,
        limit: u16,
    ) -> StoreResult<Vec<DeviceKey>> {
        let contents = self.lock();
        let keys = contents.instances.iter().flat_map(|(instance, contents)| {
            contents.otp_devices.values().map(move |device| (instance, device))
        });
        let keys = keys.filter(|(instance, device)| after < Some((instance, &device.id)));
        let key = |(instance, device): (&InstanceId, &SealedOtpDevice)| DeviceKey {
            instance: instance.clone(),
            device: device.id.clone(),
            key: device.key.clone(),
        };
        Ok(keys.take(limit.into()).map(key).collect())
    }

    async fn master_keys(&self) -> StoreResult<Vec<(MasterKeyId, u64)>> {
        let mut devices = BTreeMap::new();
        let contents = self.lock();
        for device in contents.instances.values().flat_map(|one| one.otp_devices.values()) {
            *devices.entry(device.key.master_key()).or_default() += 1;
        }
        Ok(devices.into_iter().collect())
    }

    async fn replace(&self, replacements: Vec<KeyReplacement>) -> StoreResult<u64> {
        let mut contents = self.lock();
        let mut replaced = 0;
        for KeyReplacement { current, replacement } in replacements {
            let owner = contents.instances.get_mut(&current.instance);
            match owner.and_then(|owner| owner.otp_devices.get_mut(&current.device)) {
                Some(device) if device.key == current.key => {
                    device.key = replacement;
                    replaced += 1;
                }
                _ => {}
            }
        }
        Ok(replaced)
    }

    async fn samples(&self) -> StoreResult<Vec<SealedOtpKey>> {
        Ok(self.lock().samples.values().cloned().collect())
    }

    async fn add_sample(&self, sample: SealedOtpKey) -> StoreResult<()> {
        self.lock().samples.entry(sample.master_key()).or_insert(sample);
        Ok(())
    }

    async fn remove_sample(&self, master_key: MasterKeyId) -> StoreResult<bool> {
        Ok(self.lock().samples.remove(&master_key).is_some())
    }
}

#[async_trait]
impl AuditStore for Memory {
    async fn append(&self, event: AuditEvent) -> StoreResult<()> {
        self.lock().audit.append(event);
        Ok(())
    }

    async fn list(
        &self,
        instance: &InstanceId,
        after: AuditPosition,
        limit: u16,
    ) -> StoreResult<Vec<StoredAuditEvent>> {
        let contents = self.lock();
        let events = contents.audit.events.iter();
        let events = events.filter(|one| one.event.instance == *instance && one.position() > after);
        let mut events: Vec<_> = events.cloned().collect();
        events.sort_by_key(StoredAuditEvent::position);
        events.truncate(limit.into());
        Ok(events)
    }

    async fn remove_before(
        &self,
        time: Timestamp,
        after: Option<&InstanceId>,
        limit: u16,
    ) -> StoreResult<Option<AuditRemoval>> {
        let events = &mut self.lock().audit.events;
        let instances = events.iter().map(|stored| &stored.event.instance);
        let Some(instance) = instances.filter(|one| Some(*one) > after).min().cloned() else {
            return Ok(None);
        };
        let of_instance = |one: &&StoredAuditEvent| one.event.instance == instance;
        let mut old: Vec<_> = events
            .iter()
            .filter(of_instance)
            .map(StoredAuditEvent::position)
            .filter(|position| position.time < time)
            .collect();
        old.sort();
        old.truncate(limit.into());
        events.retain(|one| !of_instance(&one) || !old.contains(&one.position()));
        Ok(Some(AuditRemoval { instance, removed: old.len() as u64 }))
    }
}

#[async_trait]
impl StoreHealth for Memory {
    async fn check(&self) -> StoreResult<()> {
        Ok(())
    }
}
