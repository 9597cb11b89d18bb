//! OTP devices in memory.

use std::ops::Bound;

use async_trait::async_trait;
use merchant_otp_domain::{AuditEvent, InstanceId, OtpDeviceId, OtpDeviceSummary, SealedOtpDevice};
use merchant_otp_ports::{OtpDeviceInsertion, OtpDeviceStore, StoreResult};

use crate::Memory;

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
        max_bytes: u32,
    ) -> StoreResult<Vec<OtpDeviceSummary>> {
        let contents = self.lock();
        let Some(owner) = contents.instances.get(instance) else {
            return Ok(Vec::new());
        };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let devices = owner.otp_devices.range((start, Bound::Unbounded)).take(limit.into());
        let (mut page, mut bytes) = (Vec::new(), 0);
        for (id, device) in devices {
            bytes += id.as_str().len() + device.description.as_str().len();
            if bytes > max_bytes as usize && !page.is_empty() {
                break;
            }
            let description = device.description.clone();
            page.push(OtpDeviceSummary { id: id.clone(), description });
        }
        Ok(page)
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
