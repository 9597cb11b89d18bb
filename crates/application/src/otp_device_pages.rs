//! The list of OTP devices, page by page.

use std::sync::Arc;
use std::time::Duration;

use merchant_otp_domain::{OtpDeviceId, OtpDeviceSummary, Permission};

use crate::retry::retry_contention;
use crate::{Error, Grant, Service};

/// The most devices in a page.
const MAX_DEVICES: u16 = 1000;

/// The most bytes of ids and descriptions in a page, which is held in memory until a client takes
/// it.
const MAX_BYTES: u32 = 256 * 1024;

/// A right that was looked up longer ago than this is looked up again before a page is read.
const GRANT_LIFETIME: Duration = Duration::from_secs(1);

/// The OTP devices of an instance, page by page as the client takes them, ordered by the bytes of
/// their ids.
///
/// A page is read when it is asked for, and shows what the instance has then. A client that is slow
/// may lose its right meanwhile: it is looked up again. A list ends with `Ok(None)`; one that
/// failed is not complete, and a transport must not let it look so.
pub struct OtpDevicePages {
    service: Arc<Service>,
    grant: Grant,
    /// The first page, until it is taken.
    first: Option<Vec<OtpDeviceSummary>>,
    /// The last device so far; `None` at the end.
    last: Option<OtpDeviceId>,
}

impl Service {
    /// The OTP devices of the instance of the grant. The first page is read before this returns: so
    /// a transport can answer with an error that comes right away.
    ///
    /// # Errors
    ///
    /// [`Error::PermissionMissing`] if the grant is for something else than
    /// [`Permission::OtpDevicesRead`], or [`Error::Storage`].
    pub async fn otp_devices(self: &Arc<Self>, grant: Grant) -> Result<OtpDevicePages, Error> {
        let first = self.otp_device_page(&grant, None).await?;
        let last = first.last().map(|summary| summary.id.clone());
        Ok(OtpDevicePages { service: Arc::clone(self), grant, first: Some(first), last })
    }

    async fn otp_device_page(
        &self,
        grant: &Grant,
        after: Option<&OtpDeviceId>,
    ) -> Result<Vec<OtpDeviceSummary>, Error> {
        let instance = grant.instance_for(Permission::OtpDevicesRead)?;
        let list = || self.stores.otp_devices.list(instance, after, MAX_DEVICES, MAX_BYTES);
        Ok(retry_contention(list).await?)
    }
}

impl OtpDevicePages {
    /// The next page; `None` at the end. Pages have one device at least.
    ///
    /// # Errors
    ///
    /// As [`Service::authorize`], if the client lost its right meanwhile, or [`Error::Storage`].
    pub async fn next(&mut self) -> Result<Option<Vec<OtpDeviceSummary>>, Error> {
        let page = match (self.first.take(), self.last.take()) {
            (Some(first), last) => {
                self.last = last;
                return Ok(Some(first).filter(|page| !page.is_empty()));
            }
            (None, None) => return Ok(None),
            (None, Some(last)) => {
                self.renew_grant().await?;
                self.service.otp_device_page(&self.grant, Some(&last)).await?
            }
        };
        self.last = page.last().map(|summary| summary.id.clone());
        Ok(Some(page).filter(|page| !page.is_empty()))
    }

    async fn renew_grant(&mut self) -> Result<(), Error> {
        if self.grant.is_older_than(GRANT_LIFETIME) {
            self.grant = self.service.renew(&self.grant).await?;
        }
        Ok(())
    }
}
