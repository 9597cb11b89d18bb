//! The reference storage adapter: keeps everything in memory, and forgets it at the end.
//!
//! It says in a few lines what the ports mean, and the layers above are tested on it. It is no
//! adapter to deploy: what is acknowledged is durable for as long as the process lives.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use merchant_otp_domain::{
    AccessTokenDigest, AccessTokenInfo, AccessTokenSerial, AuditEvent, Expiration, Instance,
    InstanceId, InstanceName, MasterKeyId, OtpDeviceId, OtpDeviceSummary, PasswordHash,
    SealedOtpDevice, SealedOtpKey, Timestamp,
};
use merchant_otp_ports::{
    AccessTokenInsertion, AccessTokenLookup, AccessTokenPage, AccessTokenStore, AuditPosition,
    AuditRemoval, AuditStore, DeviceKey, InstanceInsertion, InstanceStore, KeyReplacement,
    OtpDeviceInsertion, OtpDeviceStore, SealedKeyStore, StoreError, StoreHealth, StoredAccessToken,
    StoredAuditEvent, StoredInstance, Stores,
};

/// New and empty stores.
#[must_use]
pub fn open() -> Stores {
    let memory = Arc::new(Memory::default());
    Stores {
        instances: memory.clone(),
        access_tokens: memory.clone(),
        otp_devices: memory.clone(),
        sealed_keys: memory.clone(),
        audit: memory.clone(),
        health: memory,
    }
}

#[derive(Default)]
struct Memory(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    instances: BTreeMap<InstanceId, InstanceContents>,
    samples: BTreeMap<MasterKeyId, SealedOtpKey>,
    last_serial: i64,
    audit: Audit,
}

#[derive(Default)]
struct Audit {
    /// In the order of their serials.
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
    /// Everything, for one unit of work; no unit panics between two of its changes.
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes an instance, if there is one that is not deleted; answers whether there is.
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
    ) -> Result<InstanceInsertion, StoreError> {
        let mut contents = self.lock();
        if let Some(existing) = contents.instances.get(&instance.id) {
            return Ok(InstanceInsertion::Exists(existing.stored.clone()));
        }
        let id = instance.id.clone();
        let stored = StoredInstance { instance, password, deleted: false };
        contents.instances.insert(
            id,
            InstanceContents { stored, access_tokens: Vec::new(), otp_devices: BTreeMap::new() },
        );
        contents.audit.append(event.clone());
        Ok(InstanceInsertion::Stored)
    }

    async fn find(&self, id: &InstanceId) -> Result<Option<StoredInstance>, StoreError> {
        Ok(self.lock().instances.get(id).map(|contents| contents.stored.clone()))
    }

    async fn list(&self) -> Result<Vec<StoredInstance>, StoreError> {
        Ok(self.lock().instances.values().map(|contents| contents.stored.clone()).collect())
    }

    async fn rename(
        &self,
        id: &InstanceId,
        name: InstanceName,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        Ok(self.change(id, event, |stored| stored.instance.name = name))
    }

    async fn set_password(
        &self,
        id: &InstanceId,
        password: PasswordHash,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        Ok(self.change(id, event, |stored| stored.password = Some(password)))
    }

    async fn mark_deleted(&self, id: &InstanceId, event: &AuditEvent) -> Result<bool, StoreError> {
        Ok(self.change(id, event, |stored| {
            stored.deleted = true;
            stored.password = None;
        }))
    }

    async fn remove(&self, id: &InstanceId, event: &AuditEvent) -> Result<bool, StoreError> {
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
    ) -> Result<AccessTokenInsertion, StoreError> {
        let contents = &mut *self.lock();
        let mut stored = contents.instances.values().flat_map(|instance| &instance.access_tokens);
        if stored.any(|(other, _)| *other == digest) {
            return Err(StoreError::Write("the digest is stored already".into()));
        }
        let Some(owner) = contents.instances.get_mut(instance) else {
            return Ok(AccessTokenInsertion::NoSuchInstance);
        };
        contents.last_serial += 1;
        let serial = AccessTokenSerial::new(contents.last_serial)
            .map_err(|error| StoreError::Write(error.into()))?;
        owner.access_tokens.push((digest, StoredAccessToken { serial, info }));
        contents.audit.append(AuditEvent { access_token: Some(serial), ..event.clone() });
        Ok(AccessTokenInsertion::Stored(serial))
    }

    async fn find(
        &self,
        instance: &InstanceId,
        digest: &AccessTokenDigest,
    ) -> Result<AccessTokenLookup, StoreError> {
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
            None => AccessTokenLookup::Unknown,
        })
    }

    async fn list(
        &self,
        instance: &InstanceId,
        page: AccessTokenPage,
        limit: u16,
    ) -> Result<Vec<StoredAccessToken>, StoreError> {
        let contents = self.lock();
        let owner = contents.instances.get(instance);
        // In the order of their serials, for they were pushed in that order.
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
    ) -> Result<bool, StoreError> {
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

    async fn remove_expired(
        &self,
        instance: &InstanceId,
        before: Timestamp,
    ) -> Result<u64, StoreError> {
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
    ) -> Result<OtpDeviceInsertion, StoreError> {
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
    ) -> Result<Option<SealedOtpDevice>, StoreError> {
        let contents = self.lock();
        let owner = contents.instances.get(instance);
        Ok(owner.and_then(|owner| owner.otp_devices.get(id)).cloned())
    }

    async fn list(
        &self,
        instance: &InstanceId,
        after: Option<&OtpDeviceId>,
        limit: u16,
    ) -> Result<Vec<OtpDeviceSummary>, StoreError> {
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
    ) -> Result<bool, StoreError> {
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
    ) -> Result<bool, StoreError> {
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
    ) -> Result<Vec<DeviceKey>, StoreError> {
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

    async fn master_keys(&self) -> Result<Vec<(MasterKeyId, u64)>, StoreError> {
        let mut devices = BTreeMap::new();
        let contents = self.lock();
        for device in contents.instances.values().flat_map(|one| one.otp_devices.values()) {
            *devices.entry(device.key.master_key()).or_default() += 1;
        }
        Ok(devices.into_iter().collect())
    }

    async fn replace(&self, replacements: Vec<KeyReplacement>) -> Result<u64, StoreError> {
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

    async fn samples(&self) -> Result<Vec<SealedOtpKey>, StoreError> {
        Ok(self.lock().samples.values().cloned().collect())
    }

    async fn add_sample(&self, sample: SealedOtpKey) -> Result<(), StoreError> {
        self.lock().samples.entry(sample.master_key()).or_insert(sample);
        Ok(())
    }

    async fn remove_sample(&self, master_key: MasterKeyId) -> Result<bool, StoreError> {
        Ok(self.lock().samples.remove(&master_key).is_some())
    }
}

#[async_trait]
impl AuditStore for Memory {
    async fn append(&self, event: AuditEvent) -> Result<(), StoreError> {
        self.lock().audit.append(event);
        Ok(())
    }

    async fn list(
        &self,
        instance: &InstanceId,
        after: AuditPosition,
        limit: u16,
    ) -> Result<Vec<StoredAuditEvent>, StoreError> {
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
        after: i64,
        limit: u16,
    ) -> Result<AuditRemoval, StoreError> {
        let events = &mut self.lock().audit.events;
        let looked_at = events.iter().filter(|stored| stored.serial > after).take(limit.into());
        let Some(last) = looked_at.map(|stored| stored.serial).last() else {
            return Ok(AuditRemoval { removed: 0, last: None });
        };
        let all = events.len();
        let is_old = |stored: &StoredAuditEvent| {
            (after + 1..=last).contains(&stored.serial) && stored.event.time < time
        };
        events.retain(|stored| !is_old(stored));
        Ok(AuditRemoval { removed: (all - events.len()) as u64, last: Some(last) })
    }
}

#[async_trait]
impl StoreHealth for Memory {
    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
