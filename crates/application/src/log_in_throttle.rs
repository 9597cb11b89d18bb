use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use merchant_otp_domain::{InstanceId, PasswordHash};
use tokio::time::Instant;

use crate::Error;
use crate::pace::Pace;

/// For all attempts on an instance, from wherever they come: about 14,400 guesses a day.
const INSTANCE: Pace = Pace { burst: 20, interval: Duration::from_secs(6) };

/// For all attempts from an address, on whatever instances.
const ADDRESS: Pace = Pace { burst: 10, interval: Duration::from_secs(12) };

/// How many addresses are counted at the most: some 2 MB.
///
/// Who comes from more addresses than that is slowed per instance alone.
const MOST_ADDRESSES: usize = 10_000;

/// How many addresses are known as those that logged in to an instance; the last ones.
const MOST_ACQUAINTANCES: usize = 16;

/// For how long an address is known as one that logged in to an instance.
const ACQUAINTANCE: Duration = Duration::from_hours(30 * 24);

/// Slows log-ins that fail, per instance and per address.
///
/// An attempt adds to the buckets of its instance and of its address, and is refused when one has no
/// room. A log-in that succeeds takes it out again, so that many good ones are not slowed.
///
/// Whoever logged in from an address before, with the password that the instance still has, is counted
/// for the address alone: somebody who lets log-ins fail all the time must not lock out the owner.
#[derive(Default)]
pub(crate) struct LogInThrottle(Mutex<Tables>);

#[derive(Default)]
struct Tables {
    /// There are only as many as there are instances.
    instances: HashMap<InstanceId, OfInstance>,
    /// When the bucket of each address is empty.
    addresses: HashMap<IpAddr, Instant>,
}

/// What is known of the log-ins to an instance.
struct OfInstance {
    /// When its bucket is empty.
    empty_at: Instant,
    /// The password that the acquaintances logged in with.
    password: Option<PasswordHash>,
    /// Where it was logged in to from, until when that counts; the oldest first.
    acquaintances: VecDeque<(IpAddr, Instant)>,
}

impl OfInstance {
    fn new(now: Instant) -> Self {
        Self { empty_at: now, password: None, acquaintances: VecDeque::new() }
    }

    fn knows(&self, site: IpAddr, password: Option<&PasswordHash>, now: Instant) -> bool {
        let known = |(other, until): &(IpAddr, Instant)| *other == site && *until > now;
        self.password.as_ref() == password && self.acquaintances.iter().any(known)
    }
}

/// The address, or for IPv6 the network of 64 bits, all of which one customer has.
fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            Ipv6Addr::from(network).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// An attempt that was let in.
pub(crate) struct Attempt<'a> {
    throttle: &'a LogInThrottle,
    instance: InstanceId,
    password: Option<PasswordHash>,
    site: Option<IpAddr>,
    counts_for_instance: bool,
}

impl Attempt<'_> {
    /// The log-in succeeded: it does not count, and the address is known.
    pub(crate) fn succeeded(self) {
        let (now, mut tables) = (Instant::now(), self.throttle.lock());
        let give_back = |empty_at: &mut Instant, pace: &Pace| {
            *empty_at = empty_at.checked_sub(pace.interval).unwrap_or(*empty_at);
        };
        if let Some(empty_at) = self.site.and_then(|site| tables.addresses.get_mut(&site)) {
            give_back(empty_at, &ADDRESS);
        }
        let of_instance =
            tables.instances.entry(self.instance).or_insert_with(|| OfInstance::new(now));
        if self.counts_for_instance {
            give_back(&mut of_instance.empty_at, &INSTANCE);
        }
        if of_instance.password != self.password {
            of_instance.password = self.password;
            of_instance.acquaintances.clear();
        }
        if let Some(site) = self.site {
            let acquaintances = &mut of_instance.acquaintances;
            acquaintances.retain(|(other, _)| *other != site);
            acquaintances.push_back((site, now + ACQUAINTANCE));
            if acquaintances.len() > MOST_ACQUAINTANCES {
                acquaintances.pop_front();
            }
        }
    }
}

impl LogInThrottle {
    /// Refuses, if an attempt would be refused now; counts nothing.
    pub(crate) fn check(
        &self,
        instance: &InstanceId,
        password: Option<&PasswordHash>,
        address: Option<IpAddr>,
    ) -> Result<(), Error> {
        let (now, tables) = (Instant::now(), self.lock());
        let site = address.map(site);
        tables.has_room(instance, site, tables.counts(instance, password, site, now), now)
    }

    /// Counts an attempt to log in to an instance that has this password, or refuses it.
    pub(crate) fn attempt(
        &self,
        instance: &InstanceId,
        password: Option<&PasswordHash>,
        address: Option<IpAddr>,
    ) -> Result<Attempt<'_>, Error> {
        let (now, mut tables) = (Instant::now(), self.lock());
        let site = address.map(site);
        let counts_for_instance = tables.counts(instance, password, site, now);
        tables.has_room(instance, site, counts_for_instance, now)?;
        if counts_for_instance {
            let of_instance = tables.instances.entry(instance.clone());
            let of_instance = of_instance.or_insert_with(|| OfInstance::new(now));
            of_instance.empty_at = of_instance.empty_at.max(now) + INSTANCE.interval;
        }
        if let Some(site) = site {
            tables.count_address(site, now);
        }
        let (instance, password) = (instance.clone(), password.cloned());
        Ok(Attempt { throttle: self, instance, password, site, counts_for_instance })
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// Whether an attempt counts for the instance, and not for its address alone.
    fn counts(
        &self,
        instance: &InstanceId,
        password: Option<&PasswordHash>,
        site: Option<IpAddr>,
        now: Instant,
    ) -> bool {
        let of_instance = self.instances.get(instance);
        !site.is_some_and(|site| of_instance.is_some_and(|one| one.knows(site, password, now)))
    }

    /// Refuses, if one of the buckets has no room for an attempt.
    fn has_room(
        &self,
        instance: &InstanceId,
        site: Option<IpAddr>,
        counts_for_instance: bool,
        now: Instant,
    ) -> Result<(), Error> {
        let of_instance = self.instances.get(instance).filter(|_| counts_for_instance);
        let of_instance = of_instance.and_then(|one| INSTANCE.wait(one.empty_at, now));
        let of_address = site.and_then(|site| ADDRESS.wait(*self.addresses.get(&site)?, now));
        match of_instance.max(of_address) {
            None => Ok(()),
            Some(retry_after) => Err(Error::TooManyLogIns { retry_after }),
        }
    }

    /// Counts an attempt from an address, if there is room for it among those that are counted.
    fn count_address(&mut self, site: IpAddr, now: Instant) {
        let is_full = |addresses: &HashMap<_, _>| addresses.len() >= MOST_ADDRESSES;
        if !self.addresses.contains_key(&site) && is_full(&self.addresses) {
            self.addresses.retain(|_, empty_at| *empty_at > now);
            if is_full(&self.addresses) {
                return;
            }
        }
        let empty_at = self.addresses.entry(site).or_insert(now);
        *empty_at = (*empty_at).max(now) + ADDRESS.interval;
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
        /// Lets as many attempts fail as it takes; answers how many, and how long to wait then.
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
    async fn an_address_is_slowed_on_all_instances() {
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
    async fn an_instance_is_slowed_for_all_addresses() {
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
    async fn log_ins_that_succeed_are_not_slowed() {
        let throttle = LogInThrottle::default();
        let (shop, one) = (instance("shop"), address("192.0.2.1"));
        for _ in 0..1_000 {
            throttle.attempt(&shop, None, Some(one)).unwrap().succeeded();
        }
        assert_eq!(throttle.exhaust(&shop, one).0, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn who_logged_in_before_is_not_locked_out_by_others() {
        let throttle = LogInThrottle::default();
        let (shop, owner) = (instance("shop"), address("192.0.2.1"));
        throttle.attempt(&shop, None, Some(owner)).unwrap().succeeded();
        for host in 2..9 {
            throttle.exhaust(&shop, address(&format!("192.0.2.{host}")));
        }
        assert!(throttle.check(&shop, None, Some(address("192.0.2.9"))).is_err());
        // Those of the owner count for the address still.
        assert_eq!(throttle.exhaust(&shop, owner).0, 10);
        // For this instance alone, and for a month.
        throttle.exhaust(&instance("other"), address("198.51.100.1"));
        throttle.exhaust(&instance("other"), address("198.51.100.2"));
        advance(ADDRESS.interval).await;
        assert!(throttle.check(&shop, None, Some(owner)).is_ok());
        advance(ACQUAINTANCE).await;
        throttle.exhaust(&shop, address("198.51.100.1"));
        throttle.exhaust(&shop, address("198.51.100.2"));
        assert!(throttle.check(&shop, None, Some(owner)).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_of_ipv6_is_one_address() {
        let throttle = LogInThrottle::default();
        let shop = instance("shop");
        throttle.exhaust(&shop, address("2001:db8:0:1::1"));
        assert!(
            throttle
                .check(&instance("other"), None, Some(address("2001:db8:0:1:ffff::2")))
                .is_err()
        );
        assert!(throttle.check(&instance("other"), None, Some(address("2001:db8:0:2::1"))).is_ok());
        // An IPv4 address that an IPv6 socket tells is that address.
        throttle.exhaust(&instance("other"), address("::ffff:192.0.2.1"));
        assert!(throttle.check(&instance("third"), None, Some(address("192.0.2.1"))).is_err());
        assert!(
            throttle.check(&instance("third"), None, Some(address("::ffff:192.0.2.2"))).is_ok()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn acquaintances_are_few_and_of_a_password() {
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
        // The last 16 of the old password, and none of another one.
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
            throttle.lock().addresses.len()
        };
        assert_eq!(fill(0), MOST_ADDRESSES);
        // Instances are slowed nevertheless.
        assert!(throttle.exhaust(&instance("shop1003"), address("192.0.2.1")).0 < 20);
        // What has leaked out makes room.
        advance(Duration::from_hours(1)).await;
        assert_eq!(fill(1_000_000), MOST_ADDRESSES);
    }
}
