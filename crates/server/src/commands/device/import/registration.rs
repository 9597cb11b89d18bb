//! Registration of devices in batches, through the same use case as an HTTP request.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anyhow::Context;
use merchant_otp_application::operator::Operator;
use merchant_otp_application::{Error, Grant, Service};
use merchant_otp_domain::{InstanceId, OtpDevice, OtpDeviceId, Permission};
use tokio::task::JoinSet;

use crate::commands::explain::explain;

/// The number of devices that are registered at once. The storage groups concurrent requests, so
/// that they share its round trips.
pub(super) const BATCH: usize = 500;

pub(super) struct Registration {
    service: Arc<Service>,
    read: Arc<Grant>,
    write: Arc<Grant>,
    /// In a dry run, the devices that a run would have registered.
    dry_run: Option<HashMap<OtpDeviceId, OtpDevice>>,
}

impl Registration {
    pub(super) async fn new(
        service: Service,
        instance: &InstanceId,
        dry_run: bool,
    ) -> anyhow::Result<Self> {
        let service = Arc::new(service);
        let grant = async |permission| {
            let grant = Operator::of(&service).grant(instance, permission).await;
            grant.map(Arc::new).map_err(explain)
        };
        let read = grant(Permission::OtpDevicesRead).await?;
        let write = grant(Permission::OtpDevicesWrite).await?;
        let dry_run = dry_run.then(HashMap::new);
        Ok(Self { service, read, write, dry_run })
    }

    /// Registers devices, with the outcome of registering them one after the other. Appends to
    /// `outcomes` for each whether it is registered; it is not if another device has its id.
    ///
    /// # Errors
    ///
    /// If the storage fails. Then only the number of the appended outcomes counts.
    pub(super) async fn register(
        &mut self,
        devices: &[&OtpDevice],
        outcomes: &mut Vec<bool>,
    ) -> anyhow::Result<()> {
        let mut rest = devices;
        while !rest.is_empty() {
            // Devices with one id are registered in their order, so they are in different waves.
            let mut ids = HashSet::new();
            let size = rest.iter().take_while(|device| ids.insert(device.id())).count();
            let (wave, later) = rest.split_at(size);
            self.wave(wave, outcomes).await?;
            rest = later;
        }
        Ok(())
    }

    async fn wave(&mut self, wave: &[&OtpDevice], outcomes: &mut Vec<bool>) -> anyhow::Result<()> {
        let mut tasks = JoinSet::new();
        for (index, device) in wave.iter().enumerate() {
            let (service, device) = (self.service.clone(), (*device).clone());
            match &self.dry_run {
                None => {
                    let grant = self.write.clone();
                    tasks.spawn(
                        async move { (index, service.add_otp_device(&grant, device).await) },
                    );
                }
                Some(registered) => {
                    let known = registered.get(device.id()).cloned();
                    let grant = self.read.clone();
                    tasks.spawn(
                        async move { (index, check(&service, &grant, known, &device).await) },
                    );
                }
            }
        }
        let mut found = vec![None; wave.len()];
        let mut failure = None;
        while let Some(done) = tasks.join_next().await {
            let (index, result) = done.context("a registration was aborted")?;
            let outcome = match result {
                Ok(()) => Some(true),
                Err(Error::OtpDeviceConflict) => Some(false),
                Err(error) => {
                    failure.get_or_insert(error);
                    None
                }
            };
            if let Some(slot) = found.get_mut(index) {
                *slot = outcome;
            }
        }
        if let Some(registered) = &mut self.dry_run {
            for (device, outcome) in wave.iter().zip(&found) {
                if *outcome == Some(true) {
                    registered.insert(device.id().clone(), (*device).clone());
                }
            }
        }
        outcomes.extend(found.into_iter().flatten());
        failure.map_or(Ok(()), |error| Err(explain(error)))
    }
}

/// What registering the device would result in.
async fn check(
    service: &Service,
    grant: &Grant,
    known: Option<OtpDevice>,
    device: &OtpDevice,
) -> Result<(), Error> {
    let existing = match known {
        Some(known) => known,
        None => match service.otp_device(grant, device.id(), None, None).await {
            Ok(found) => found.device,
            Err(Error::OtpDeviceUnknown) => return Ok(()),
            Err(error) => return Err(error),
        },
    };
    if existing == *device { Ok(()) } else { Err(Error::OtpDeviceConflict) }
}
