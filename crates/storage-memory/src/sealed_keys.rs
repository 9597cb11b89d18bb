//! Sealed keys and key check values in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use merchant_otp_domain::{InstanceId, MasterKeyId, SealedOtpDevice, SealedOtpKey};
use merchant_otp_ports::{DamagedKey, DeviceKey, KeyReplacement, SealedKeyStore, StoreResult};

use crate::Memory;

#[async_trait]
impl SealedKeyStore for Memory {
    async fn list(
        &self,
        after: Option<(&str, &str)>,
        limit: u16,
    ) -> StoreResult<Vec<Result<DeviceKey, DamagedKey>>> {
        let contents = self.lock();
        let keys = contents.instances.iter().flat_map(|(instance, contents)| {
            contents.otp_devices.values().map(move |device| (instance, device))
        });
        let keys =
            keys.filter(|(instance, device)| after < Some((instance.as_str(), device.id.as_str())));
        let key = |(instance, device): (&InstanceId, &SealedOtpDevice)| {
            let (instance, key) = (instance.clone(), device.key.clone());
            Ok(DeviceKey { instance, device: device.id.clone(), key })
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

    async fn check_values(&self) -> StoreResult<Vec<SealedOtpKey>> {
        Ok(self.lock().check_values.values().cloned().collect())
    }

    async fn add_check_value(&self, check_value: SealedOtpKey) -> StoreResult<()> {
        self.lock().check_values.entry(check_value.master_key()).or_insert(check_value);
        Ok(())
    }

    async fn remove_check_value(&self, master_key: MasterKeyId) -> StoreResult<bool> {
        Ok(self.lock().check_values.remove(&master_key).is_some())
    }
}
