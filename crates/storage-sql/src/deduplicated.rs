//! Deduplication of the requests of a batch.

use std::collections::HashMap;
use std::hash::Hash;

/// The requests of a batch without duplicates, so that each is looked up only once.
///
/// ```
/// use merchant_otp_storage_sql::Deduplicated;
///
/// let requests = Deduplicated::new(&["till", "bar", "till"]);
/// assert_eq!(requests.distinct, ["till", "bar"]);
/// assert_eq!(requests.fan_out(&[1, 2]), [1, 2, 1]);
/// ```
pub struct Deduplicated<R> {
    /// The distinct requests, in the order of their first occurrence.
    pub distinct: Vec<R>,
    /// The position in `distinct` of each request.
    positions: Vec<usize>,
}

impl<R: Clone + Eq + Hash> Deduplicated<R> {
    /// Deduplicates requests.
    #[must_use]
    pub fn new(requests: &[R]) -> Self {
        let (mut known, mut distinct) = (HashMap::new(), Vec::new());
        let position_of = |request| {
            *known.entry(request).or_insert_with(|| {
                distinct.push(R::clone(request));
                distinct.len() - 1
            })
        };
        let positions = requests.iter().map(position_of).collect();
        Self { distinct, positions }
    }

    /// Returns the results of all requests, given the results of the distinct ones.
    #[must_use]
    pub fn fan_out<A: Clone>(&self, results: &[A]) -> Vec<A> {
        self.positions.iter().filter_map(|position| results.get(*position)).cloned().collect()
    }
}
