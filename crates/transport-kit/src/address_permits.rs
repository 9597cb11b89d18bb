//! The limit of connections of an address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use merchant_otp_application::client_network;

/// Limits the connections that one address has at a time, so that it cannot take all.
///
/// A transport acquires a permit for each connection that it accepted, and closes the connection at
/// once if there is none. An IPv6 address counts with its /64 network. Behind a proxy, and on a
/// Unix socket, all clients have the same address: use no limit there.
///
/// ```
/// use merchant_otp_transport_kit::AddressPermits;
///
/// let permits = AddressPermits::new(1);
/// let address = "192.0.2.1".parse().unwrap();
/// let permit = permits.try_acquire(address).unwrap();
/// assert!(permits.try_acquire(address).is_none());
/// assert!(permits.try_acquire("192.0.2.2".parse().unwrap()).is_some());
/// drop(permit);
/// assert!(permits.try_acquire(address).is_some());
/// ```
#[derive(Clone, Debug)]
pub struct AddressPermits(Arc<Permits>);

#[derive(Debug)]
struct Permits {
    max_connections: usize,
    /// The connections of each network that has any.
    connections: Mutex<HashMap<IpAddr, usize>>,
}

impl Permits {
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AddressPermits {
    /// Creates permits for `max_connections` connections of each address at a time.
    #[must_use]
    pub fn new(max_connections: usize) -> Self {
        Self(Arc::new(Permits { max_connections, connections: Mutex::default() }))
    }

    /// Returns a permit for one more connection of an address. `None` if it has too many.
    #[must_use]
    pub fn try_acquire(&self, address: IpAddr) -> Option<AddressPermit> {
        let network = client_network(address);
        let mut connections = self.0.lock();
        let count = connections.entry(network).or_default();
        if *count >= self.0.max_connections {
            return None;
        }
        *count += 1;
        drop(connections);
        Some(AddressPermit { permits: Arc::clone(&self.0), network })
    }
}

/// A permit to serve one connection, released on drop.
#[derive(Debug)]
pub struct AddressPermit {
    permits: Arc<Permits>,
    network: IpAddr,
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        let mut connections = self.permits.lock();
        if let Some(count) = connections.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                connections.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let permits = AddressPermits::new(1);
        let _permit = permits.try_acquire("2001:db8::1".parse().unwrap()).unwrap();
        assert!(permits.try_acquire("2001:db8::2:1".parse().unwrap()).is_none());
        assert!(permits.try_acquire("2001:db8:0:1::1".parse().unwrap()).is_some());
    }

    #[test]
    fn addresses_without_connections_take_no_memory() {
        let permits = AddressPermits::new(2);
        for last in 0..100 {
            drop(permits.try_acquire([192, 0, 2, last].into()));
        }
        assert!(permits.0.lock().is_empty());
    }
}
