use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use merchant_otp_domain::InstanceId;
use tokio::time::Instant;

use crate::Error;

/// How many log-ins may fail in a row, and how long it takes until one more may.
struct Pace {
    burst: u32,
    interval: Duration,
}

/// For all attempts on an instance, from wherever they come: about 14,400 guesses a day.
const INSTANCE: Pace = Pace { burst: 20, interval: Duration::from_secs(6) };

/// For all attempts from an address, on whatever instances.
const ADDRESS: Pace = Pace { burst: 10, interval: Duration::from_secs(12) };

/// How many addresses and instances are remembered at the most, in each of two tables of some 2 MB.
///
/// Who comes from more addresses than that is slowed per instance alone.
const MOST_ENTRIES: usize = 10_000;

/// For how long an address is known as one that logged in to an instance.
const ACQUAINTANCE: Duration = Duration::from_hours(30 * 24);

/// Slows log-ins that fail, per instance and per address.
///
/// The leaky bucket as a meter (the generic cell rate algorithm): an attempt adds to its instance and
/// to its address what leaks out during their interval, and is refused when there is no room. A log-in
/// that succeeds takes it out again, so that many good ones are not slowed.
///
/// Whoever logged in from an address before is counted for the address alone: somebody who lets
/// log-ins fail all the time must not lock out the owner of the instance.
#[derive(Default)]
pub(crate) struct LogInThrottle(Mutex<Tables>);

#[derive(Default)]
struct Tables {
    /// When each bucket is empty.
    empty_at: HashMap<Source, Instant>,
    /// Where instances were logged in to from, until when that counts.
    acquaintances: HashMap<(InstanceId, IpAddr), Instant>,
}

/// What attempts are counted for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Source {
    Instance(InstanceId),
    Address(IpAddr),
}

impl Source {
    fn pace(&self) -> &'static Pace {
        match self {
            Self::Instance(_) => &INSTANCE,
            Self::Address(_) => &ADDRESS,
        }
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
    address: Option<IpAddr>,
    sources: Vec<Source>,
}

impl Attempt<'_> {
    /// The log-in succeeded: it does not count, and the address is known.
    pub(crate) fn succeeded(self) {
        let (now, mut tables) = (Instant::now(), self.throttle.lock());
        for source in &self.sources {
            if let Some(empty) = tables.empty_at.get_mut(source) {
                *empty = empty.checked_sub(source.pace().interval).unwrap_or(*empty);
            }
        }
        if let Some(address) = self.address {
            let until = now + ACQUAINTANCE;
            remember(&mut tables.acquaintances, (self.instance, site(address)), until, now);
        }
    }
}

impl LogInThrottle {
    /// Refuses, if an attempt would be refused now; counts nothing.
    pub(crate) fn check(
        &self,
        instance: &InstanceId,
        address: Option<IpAddr>,
    ) -> Result<(), Error> {
        let (now, tables) = (Instant::now(), self.lock());
        tables.has_room(&tables.sources(instance, address, now), now)
    }

    /// Counts an attempt, or refuses it.
    pub(crate) fn attempt(
        &self,
        instance: &InstanceId,
        address: Option<IpAddr>,
    ) -> Result<Attempt<'_>, Error> {
        let (now, mut tables) = (Instant::now(), self.lock());
        let sources = tables.sources(instance, address, now);
        tables.has_room(&sources, now)?;
        for source in &sources {
            let empty = tables.empty_at.get(source).map_or(now, |empty| *empty.max(&now));
            let empty = empty + source.pace().interval;
            remember(&mut tables.empty_at, source.clone(), empty, now);
        }
        Ok(Attempt { throttle: self, instance: instance.clone(), address, sources })
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// What an attempt is counted for.
    fn sources(&self, instance: &InstanceId, address: Option<IpAddr>, now: Instant) -> Vec<Source> {
        let Some(site) = address.map(site) else {
            return vec![Source::Instance(instance.clone())];
        };
        match self.acquaintances.get(&(instance.clone(), site)) {
            Some(until) if *until > now => vec![Source::Address(site)],
            _ => vec![Source::Instance(instance.clone()), Source::Address(site)],
        }
    }

    /// Refuses, if one of the buckets has no room for an attempt.
    fn has_room(&self, sources: &[Source], now: Instant) -> Result<(), Error> {
        let wait = sources.iter().filter_map(|source| {
            let Pace { burst, interval } = source.pace();
            let filled = self.empty_at.get(source)?.saturating_duration_since(now);
            filled.checked_sub(*interval * (burst - 1)).filter(|wait| !wait.is_zero())
        });
        match wait.max() {
            None => Ok(()),
            Some(retry_after) => Err(Error::TooManyLogIns { retry_after }),
        }
    }
}

/// Puts an entry that counts until a point in time into a table, if there is room for it or can be
/// made by removing what no longer counts.
fn remember<K: Eq + Hash>(table: &mut HashMap<K, Instant>, key: K, until: Instant, now: Instant) {
    if table.len() >= MOST_ENTRIES && !table.contains_key(&key) {
        table.retain(|_, until| *until > now);
    }
    if table.len() < MOST_ENTRIES || table.contains_key(&key) {
        table.insert(key, until);
    }
}

#[cfg(test)]
mod tests {
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
                match self.attempt(instance, address) {
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
        assert!(throttle.check(&instance("other"), Some(one)).is_err());
        assert!(throttle.check(&instance("shop"), Some(address("192.0.2.2"))).is_ok());
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
        assert!(throttle.check(&instance("other"), Some(address("198.51.100.1"))).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn log_ins_that_succeed_are_not_slowed() {
        let throttle = LogInThrottle::default();
        let (shop, one) = (instance("shop"), address("192.0.2.1"));
        for _ in 0..1_000 {
            throttle.attempt(&shop, Some(one)).unwrap().succeeded();
        }
        assert_eq!(throttle.exhaust(&shop, one).0, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn who_logged_in_before_is_not_locked_out_by_others() {
        let throttle = LogInThrottle::default();
        let (shop, owner) = (instance("shop"), address("192.0.2.1"));
        throttle.attempt(&shop, Some(owner)).unwrap().succeeded();
        for host in 2..9 {
            throttle.exhaust(&shop, address(&format!("192.0.2.{host}")));
        }
        assert!(throttle.check(&shop, Some(address("192.0.2.9"))).is_err());
        // Those of the owner count for the address still.
        assert_eq!(throttle.exhaust(&shop, owner).0, 10);
        // For this instance alone, and for a month.
        throttle.exhaust(&instance("other"), address("198.51.100.1"));
        throttle.exhaust(&instance("other"), address("198.51.100.2"));
        advance(ADDRESS.interval).await;
        assert!(throttle.check(&shop, Some(owner)).is_ok());
        advance(ACQUAINTANCE).await;
        throttle.exhaust(&shop, address("198.51.100.1"));
        throttle.exhaust(&shop, address("198.51.100.2"));
        assert!(throttle.check(&shop, Some(owner)).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_of_ipv6_is_one_address() {
        let throttle = LogInThrottle::default();
        let shop = instance("shop");
        throttle.exhaust(&shop, address("2001:db8:0:1::1"));
        assert!(throttle.check(&instance("other"), Some(address("2001:db8:0:1:ffff::2"))).is_err());
        assert!(throttle.check(&instance("other"), Some(address("2001:db8:0:2::1"))).is_ok());
        // An IPv4 address that an IPv6 socket tells is that address.
        throttle.exhaust(&instance("other"), address("::ffff:192.0.2.1"));
        assert!(throttle.check(&instance("third"), Some(address("192.0.2.1"))).is_err());
        assert!(throttle.check(&instance("third"), Some(address("::ffff:192.0.2.2"))).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_memory_is_bounded() {
        let throttle = LogInThrottle::default();
        let fill = |first: u32| {
            for number in first..first + 8_400 {
                let instance = instance(&format!("shop{}", number / 5));
                let _failed = throttle.attempt(&instance, Some(IpAddr::V4(number.into())));
            }
            throttle.lock().empty_at.len()
        };
        assert_eq!(fill(0), MOST_ENTRIES);
        // What has leaked out makes room.
        advance(Duration::from_hours(1)).await;
        assert_eq!(fill(1_000_000), MOST_ENTRIES);
        let late = address("192.0.2.1");
        assert!(throttle.attempt(&instance("shop0"), Some(late)).is_ok());
        for number in 0..10_100_u32 {
            let address = Some(IpAddr::V4((number + 9_000_000).into()));
            let instance = instance(&format!("late{}", number / 5));
            if let Ok(attempt) = throttle.attempt(&instance, address) {
                attempt.succeeded();
            }
        }
        assert_eq!(throttle.lock().acquaintances.len(), MOST_ENTRIES);
    }
}
