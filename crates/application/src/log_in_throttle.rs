//! The rate limits of failed log-ins.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use merchant_otp_domain::{InstanceId, PasswordHash};
use tokio::time::Instant;

use crate::Error;
use crate::rate_limiter::{Quota, RateLimiter};

/// The quota of attempts on an instance, from any address: about 14,400 guesses a day.
const PER_INSTANCE: Quota = Quota { burst: 20, interval: Duration::from_secs(6) };

/// The quota of attempts from an address, on any instance.
const PER_ADDRESS: Quota = Quota { burst: 10, interval: Duration::from_secs(12) };

/// The maximum number of addresses in the table: about 2 MB.
///
/// When the table is full, clients from further addresses are limited only per instance.
const MAX_ADDRESSES: usize = 10_000;

/// The maximum number of known clients per instance: those that logged in last.
const MAX_KNOWN_CLIENTS: usize = 16;

/// How long a client stays known after it logged in.
const KNOWN_FOR: Duration = Duration::from_hours(30 * 24);

/// Limits failed log-ins, per instance and per address.
///
/// An attempt acquires a permit of its instance and one of its address, and is refused if either is
/// not available. A successful log-in refunds both: successes are not slowed.
///
/// A known client (one that logged in from this address before, with the current password of the
/// instance) acquires only a permit of its address. Otherwise a client that keeps failing could
/// lock the owner out.
pub(crate) struct LogInThrottle(Mutex<Tables>);

struct Tables {
    per_instance: RateLimiter<InstanceId>,
    per_address: RateLimiter<IpAddr>,
    /// Bounded by the number of instances.
    known_clients: HashMap<InstanceId, KnownClients>,
}

/// The addresses from which clients logged in to an instance.
#[derive(Default)]
struct KnownClients {
    /// The password that they logged in with.
    password: Option<PasswordHash>,
    /// The network of each client, and the time until which it is known; oldest first.
    networks: VecDeque<(IpAddr, Instant)>,
}

impl KnownClients {
    fn contains(&self, network: IpAddr, password: Option<&PasswordHash>, now: Instant) -> bool {
        let is_known = |(other, until): &(IpAddr, Instant)| *other == network && *until > now;
        self.password.as_ref() == password && self.networks.iter().any(is_known)
    }

    fn insert(&mut self, network: IpAddr, now: Instant) {
        self.networks.retain(|(other, _)| *other != network);
        self.networks.push_back((network, now + KNOWN_FOR));
        if self.networks.len() > MAX_KNOWN_CLIENTS {
            self.networks.pop_front();
        }
    }
}

/// Returns an IPv4 address as it is, and the /64 network of an IPv6 address, which belongs to one
/// customer as a whole.
///
/// ```
/// use merchant_otp_application::client_network;
///
/// let client = client_network("2001:db8::1:2".parse().unwrap());
/// assert_eq!(client.to_string(), "2001:db8::");
/// ```
#[must_use]
pub fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            Ipv6Addr::from(network).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// A permitted attempt.
pub(crate) struct Attempt<'a> {
    throttle: &'a LogInThrottle,
    instance: InstanceId,
    password: Option<PasswordHash>,
    network: Option<IpAddr>,
    is_known: bool,
}

impl Attempt<'_> {
    /// Refunds the permits of a successful log-in, and adds its client to the known ones.
    pub(crate) fn succeeded(self) {
        let (now, mut tables) = (Instant::now(), self.throttle.lock());
        if let Some(network) = self.network {
            tables.per_address.refund(&network);
        }
        if !self.is_known {
            tables.per_instance.refund(&self.instance);
        }
        let known_clients = tables.known_clients.entry(self.instance).or_default();
        if known_clients.password != self.password {
            *known_clients = KnownClients { password: self.password, ..KnownClients::default() };
        }
        if let Some(network) = self.network {
            known_clients.insert(network, now);
        }
    }
}

impl Default for LogInThrottle {
    fn default() -> Self {
        Self(Mutex::new(Tables {
            // Bounded by the number of instances.
            per_instance: RateLimiter::new(PER_INSTANCE, usize::MAX),
            per_address: RateLimiter::new(PER_ADDRESS, MAX_ADDRESSES),
            known_clients: HashMap::new(),
        }))
    }
}

impl LogInThrottle {
    /// Returns an error if an attempt would be refused now. Acquires no permit.
    pub(crate) fn check(
        &self,
        instance: &InstanceId,
        password: Option<&PasswordHash>,
        address: Option<IpAddr>,
    ) -> Result<(), Error> {
        let (now, tables) = (Instant::now(), self.lock());
        let network = address.map(client_network);
        let is_known = tables.is_known(instance, password, network, now);
        tables.check(instance, network, is_known, now)
    }

    /// Acquires the permits of an attempt to log in to an instance that has this password, or
    /// refuses the attempt.
    pub(crate) fn attempt(
        &self,
        instance: &InstanceId,
        password: Option<&PasswordHash>,
        address: Option<IpAddr>,
    ) -> Result<Attempt<'_>, Error> {
        let (now, mut tables) = (Instant::now(), self.lock());
        let network = address.map(client_network);
        let is_known = tables.is_known(instance, password, network, now);
        tables.check(instance, network, is_known, now)?;
        if !is_known {
            tables.per_instance.acquire(instance.clone(), now);
        }
        if let Some(network) = network {
            tables.per_address.acquire(network, now);
        }
        let (instance, password) = (instance.clone(), password.cloned());
        Ok(Attempt { throttle: self, instance, password, network, is_known })
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn is_known(
        &self,
        instance: &InstanceId,
        password: Option<&PasswordHash>,
        network: Option<IpAddr>,
        now: Instant,
    ) -> bool {
        let known_clients = self.known_clients.get(instance);
        let is_known = |network| known_clients.is_some_and(|k| k.contains(network, password, now));
        network.is_some_and(is_known)
    }

    /// Returns an error if one of the permits is not available.
    fn check(
        &self,
        instance: &InstanceId,
        network: Option<IpAddr>,
        is_known: bool,
        now: Instant,
    ) -> Result<(), Error> {
        let for_instance = if is_known { None } else { self.per_instance.wait(instance, now) };
        let for_address = network.and_then(|network| self.per_address.wait(&network, now));
        match for_instance.max(for_address) {
            None => Ok(()),
            Some(retry_after) => Err(Error::TooManyLogIns { retry_after }),
        }
    }
}

#[cfg(test)]
mod tests {
    use merchant_otp_domain::Password;
    use tokio::time::advance;

    use super::*;

    fn instance(id: &str) -> InstanceId {
        InstanceId::parse(id).unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    impl LogInThrottle {
        /// Fails to log in until an attempt is refused. Returns the number of failures and how long
        /// to wait.
        fn exhaust(
            &self,
            instance: &InstanceId,
            address: impl Into<Option<IpAddr>>,
        ) -> (u32, Duration) {
            let (address, mut failed) = (address.into(), 0);
            loop {
                match self.attempt(instance, None, address) {
                    Ok(_failed) => failed += 1,
                    Err(Error::TooManyLogIns { retry_after }) => return (failed, retry_after),
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_is_limited_on_all_instances() {
        let throttle = LogInThrottle::default();
        let one = address("192.0.2.1");
        assert_eq!(throttle.exhaust(&instance("shop"), one), (10, Duration::from_secs(12)));
        assert_eq!(throttle.exhaust(&instance("other"), one).0, 0);
        assert!(throttle.check(&instance("other"), None, Some(one)).is_err());
        assert!(throttle.check(&instance("shop"), None, Some(address("192.0.2.2"))).is_ok());
        advance(Duration::from_secs(11)).await;
        assert_eq!(throttle.exhaust(&instance("shop"), one), (0, Duration::from_secs(1)));
        advance(Duration::from_secs(1)).await;
        assert_eq!(throttle.exhaust(&instance("shop"), one).0, 1);
        advance(Duration::from_hours(1)).await;
        assert_eq!(throttle.exhaust(&instance("shop"), one).0, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn an_instance_is_limited_for_all_addresses() {
        let throttle = LogInThrottle::default();
        let shop = instance("shop");
        let mut failed = 0;
        for host in 0..255 {
            failed += throttle.exhaust(&shop, address(&format!("192.0.2.{host}"))).0;
        }
        assert_eq!(failed, 20);
        assert_eq!(throttle.exhaust(&shop, None), (0, Duration::from_secs(6)));
        assert!(throttle.check(&instance("other"), None, Some(address("198.51.100.1"))).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn successful_log_ins_are_not_limited() {
        let throttle = LogInThrottle::default();
        let (shop, one) = (instance("shop"), address("192.0.2.1"));
        for _ in 0..1_000 {
            throttle.attempt(&shop, None, Some(one)).unwrap().succeeded();
        }
        assert_eq!(throttle.exhaust(&shop, one).0, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_known_client_is_not_locked_out_by_others() {
        let throttle = LogInThrottle::default();
        let (shop, owner) = (instance("shop"), address("192.0.2.1"));
        throttle.attempt(&shop, None, Some(owner)).unwrap().succeeded();
        for host in 2..9 {
            throttle.exhaust(&shop, address(&format!("192.0.2.{host}")));
        }
        assert!(throttle.check(&shop, None, Some(address("192.0.2.9"))).is_err());
        // Failures of the owner still count for the address.
        assert_eq!(throttle.exhaust(&shop, owner).0, 10);
        // The client is known to this instance only, and for 30 days.
        throttle.exhaust(&instance("other"), address("198.51.100.1"));
        throttle.exhaust(&instance("other"), address("198.51.100.2"));
        advance(PER_ADDRESS.interval).await;
        assert!(throttle.check(&shop, None, Some(owner)).is_ok());
        advance(KNOWN_FOR).await;
        throttle.exhaust(&shop, address("198.51.100.1"));
        throttle.exhaust(&shop, address("198.51.100.2"));
        assert!(throttle.check(&shop, None, Some(owner)).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_ipv6_network_counts_as_one_address() {
        let throttle = LogInThrottle::default();
        let shop = instance("shop");
        throttle.exhaust(&shop, address("2001:db8:0:1::1"));
        assert!(
            throttle
                .check(&instance("other"), None, Some(address("2001:db8:0:1:ffff::2")))
                .is_err()
        );
        assert!(throttle.check(&instance("other"), None, Some(address("2001:db8:0:2::1"))).is_ok());
        // An IPv4 address that an IPv6 socket reports counts as the IPv4 address.
        throttle.exhaust(&instance("other"), address("::ffff:192.0.2.1"));
        assert!(throttle.check(&instance("third"), None, Some(address("192.0.2.1"))).is_err());
        assert!(
            throttle.check(&instance("third"), None, Some(address("::ffff:192.0.2.2"))).is_ok()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn known_clients_are_bounded_and_belong_to_a_password() {
        let throttle = LogInThrottle::default();
        let shop = instance("shop");
        let hash = |number: u8| Some(Password::parse("x").unwrap().hash([number; 16]));
        let (old, new) = (hash(1), hash(2));
        let host = |number: u8| Some(IpAddr::from([192, 0, 2, number]));
        for number in 0..20 {
            throttle.attempt(&shop, old.as_ref(), host(number)).unwrap().succeeded();
        }
        while throttle.attempt(&shop, old.as_ref(), None).is_ok() {}
        let known = |password: &Option<PasswordHash>| {
            (0..20)
                .filter(|number| throttle.check(&shop, password.as_ref(), host(*number)).is_ok())
                .count()
        };
        // The last 16 clients that used the old password, and none for another password.
        assert_eq!((known(&old), known(&new), known(&None)), (16, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_memory_is_bounded() {
        let throttle = LogInThrottle::default();
        let fill = |first: u32| {
            for number in first..first + 10_100 {
                let shop = instance(&format!("shop{}", number / 10));
                let _failed = throttle.attempt(&shop, None, Some(IpAddr::V4(number.into())));
            }
            throttle.lock().per_address.len()
        };
        assert_eq!(fill(0), MAX_ADDRESSES);
        // Instances are still limited.
        assert!(throttle.exhaust(&instance("shop1003"), address("192.0.2.1")).0 < 20);
        // Empty buckets are removed to make room.
        advance(Duration::from_hours(1)).await;
        assert_eq!(fill(1_000_000), MAX_ADDRESSES);
    }
}
