use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use merchant_otp_domain::{AccessTokenDigest, InstanceId, OtpDeviceId, SealedOtpDevice};
use merchant_otp_ports::{AccessTokenLookup, OtpDeviceInsertion};
use tokio::runtime::Handle;

use crate::batches::{Batched, Batches, DeviceToInsert};
use crate::door::store_error;
use crate::{Batch, Connector, Door, Failure, Lane, Place};

/// The lanes of the stores: one for each thing that many ask for at once.
pub struct Lanes {
    /// Stores devices.
    pub insertions: Lane<DeviceToInsert, OtpDeviceInsertion>,
    /// Finds devices.
    pub devices: Lane<(InstanceId, OtpDeviceId), Option<SealedOtpDevice>>,
    /// Finds access tokens.
    pub tokens: Lane<(InstanceId, AccessTokenDigest), AccessTokenLookup>,
}

impl Lanes {
    /// Lanes before two doors: so many batches of lookups of each kind at a time, and one of writes.
    ///
    /// `runtime` is where they find threads that may block; it has to outlive them.
    #[must_use]
    pub fn before<C>(
        reading: &Arc<Door<C>>,
        writing: &Arc<Door<C>>,
        readers: u16,
        runtime: &Handle,
    ) -> Self
    where
        C: Connector<Connection: Batches>,
    {
        let place = Place::Blocking(runtime.clone());
        let devices = |_| {
            before(reading, |connection, places| {
                let distinct = distinct_devices(places);
                let found = connection.find_otp_devices(&distinct.requests)?;
                Ok(distinct.spread(&found))
            })
        };
        let tokens = |_| {
            before(reading, |connection, tokens| {
                let distinct = distinct_tokens(tokens);
                let found = connection.find_access_tokens(&distinct.requests)?;
                Ok(distinct.spread(&found))
            })
        };
        Self {
            insertions: Lane::new(
                "insert",
                place.clone(),
                [before(writing, Batches::insert_otp_devices)],
            ),
            devices: Lane::new("find-device", place.clone(), (0..readers).map(devices)),
            tokens: Lane::new("find-token", place, (0..readers).map(tokens)),
        }
    }
}

/// A batch that is done on a connection of a door, by a thread that may block.
fn before<C: Connector, R: Send + Sync + 'static, A: Send + 'static>(
    door: &Arc<Door<C>>,
    batch: fn(&mut C::Connection, &[R]) -> Batched<A>,
) -> Batch<R, A> {
    let door = Arc::clone(door);
    Box::new(move |requests| {
        let door = Arc::clone(&door);
        Box::pin(async move {
            let done = door.run_here(|connection| batch(connection, &requests)).await?;
            Ok(done.into_iter().map(|one| one.map_err(store_error::<C>)).collect())
        })
    })
}

/// Requests of which each is done once, however many ask for it.
pub struct Distinct<R> {
    /// One of each.
    pub requests: Vec<R>,
    /// Where the answer to each is.
    positions: Vec<usize>,
}

/// Lookups of devices, each once.
#[must_use]
pub fn distinct_devices(
    places: &[(InstanceId, OtpDeviceId)],
) -> Distinct<(InstanceId, OtpDeviceId)> {
    Distinct::of(places, |(instance, id)| (instance.as_str(), id.as_str()))
}

/// Lookups of access tokens, each once.
#[must_use]
pub fn distinct_tokens(
    tokens: &[(InstanceId, AccessTokenDigest)],
) -> Distinct<(InstanceId, AccessTokenDigest)> {
    Distinct::of(tokens, |(instance, digest)| (instance.as_str(), digest.as_bytes()))
}

impl<R: Clone> Distinct<R> {
    fn of<'a, K: Eq + Hash>(requests: &'a [R], key: impl Fn(&'a R) -> K) -> Self {
        let (mut known, mut distinct) = (HashMap::new(), Vec::new());
        let position_of = |request| {
            *known.entry(key(request)).or_insert_with(|| {
                distinct.push(request.clone());
                distinct.len() - 1
            })
        };
        let positions = requests.iter().map(position_of).collect();
        Self { requests: distinct, positions }
    }

    /// The answers to all, from those to the distinct ones.
    #[must_use]
    pub fn spread<A: Clone>(&self, found: &[Result<A, Failure>]) -> Vec<Result<A, Failure>> {
        let answer = |position: &usize| match found.get(*position) {
            Some(Ok(answer)) => Ok(answer.clone()),
            // What a row cannot be read for.
            Some(Err(failure)) => Err(Failure::Corrupt(failure.to_string().into())),
            None => Err(Failure::Corrupt("fewer answers than requests".into())),
        };
        self.positions.iter().map(answer).collect()
    }
}
