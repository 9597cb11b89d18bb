use std::sync::Arc;

use merchant_otp_ports::{Clock, KeySealer, Stores};
use tokio::sync::Mutex;

use crate::audit::AuditRoom;
use crate::passwords::PasswordWork;

/// The use cases, over the stores, the sealer and the clock they were wired with.
pub struct Service {
    pub(crate) stores: Stores,
    pub(crate) sealer: Arc<dyn KeySealer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) passwords: PasswordWork,
    pub(crate) audit_room: AuditRoom,
    /// Held while a device is changed.
    pub(crate) changes: Mutex<()>,
}

impl Service {
    /// Wires the use cases.
    #[must_use]
    pub fn new(stores: Stores, sealer: Arc<dyn KeySealer>, clock: Arc<dyn Clock>) -> Self {
        Self {
            stores,
            sealer,
            clock,
            passwords: PasswordWork::new(),
            audit_room: AuditRoom::default(),
            changes: Mutex::new(()),
        }
    }
}
