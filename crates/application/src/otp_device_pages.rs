//! The list of OTP devices, page by page.

use std::sync::Arc;
use std::time::Duration;

use merchant_otp_domain::{OtpDeviceId, OtpDeviceSummary, Permission};

use crate::retry::retry_contention;
use crate::{Error, Grant, Service};

/// The maximum number of devices in a page.
const MAX_DEVICES: u16 = 1000;

/// The maximum size of the ids and descriptions in a page, in bytes. A page is held in memory until
/// the client has read it.
const MAX_BYTES: u32 = 256 * 1024;

/// A grant that is older than this is renewed before a page is read.
const GRANT_LIFETIME: Duration = Duration::from_secs(1);

/// The OTP devices of an instance, page by page, ordered by the bytes of their ids.
///
/// Each page is read on request, and shows the devices at that time. The client may lose its right
/// in the meantime, so the right is looked up again. A complete list ends with `Ok(None)`. After an
/// error the list is incomplete, and a transport must not present it as complete.
pub struct OtpDevicePages {
    service: Arc<Service>,
    grant: Grant,
    /// The first page, until it is returned.
    first: Option<Vec<OtpDeviceSummary>>,
    /// The last device that was returned; `None` at the end.
    last: Option<OtpDeviceId>,
}

impl Service {
    /// Lists the OTP devices of the grant's instance. The first page is read before this returns,
    /// so that a transport can still respond with an error.
    ///
    /// # Errors
    ///
    /// [`Error::PermissionMissing`] if the grant is not for [`Permission::OtpDevicesRead`], or
    /// [`Error::Storage`].
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
    /// Returns the next page; `None` at the end. A page has at least one device.
    ///
    /// # Errors
    ///
    /// Same as [`Service::authorize`] if the client lost its right in the meantime, or
    /// [`Error::Storage`].
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
