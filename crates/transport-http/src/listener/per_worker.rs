//! One value per worker.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, ThreadId};

/// One value for each worker thread.
///
/// actix-web calls the application factory in each worker once per listening socket. A value that a
/// worker needs once, such as its database connections, must not depend on the number of sockets.
pub(crate) struct PerWorker<T> {
    make: Box<dyn Fn() -> T + Send + Sync>,
    made: Mutex<HashMap<ThreadId, Weak<T>>>,
}

impl<T> PerWorker<T> {
    pub(crate) fn new(make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self { make: Box::new(make), made: Mutex::default() }
    }

    /// Returns the value of the calling thread, created on first use.
    pub(crate) fn of_this_thread(&self) -> Arc<T> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        // Remove the values of workers that ended.
        made.retain(|_, value| value.strong_count() > 0);
        let thread = thread::current().id();
        if let Some(value) = made.get(&thread).and_then(Weak::upgrade) {
            return value;
        }
        let value = Arc::new((self.make)());
        made.insert(thread, Arc::downgrade(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_one_value_however_many_sockets_it_serves() {
        let workers = PerWorker::new(|| thread::current().id());
        let (first, second) = (workers.of_this_thread(), workers.of_this_thread());
        assert!(Arc::ptr_eq(&first, &second));
        let other =
            thread::scope(|scope| scope.spawn(|| *workers.of_this_thread()).join().unwrap());
        assert_ne!(*first, other);
        // The value of a thread that ended is gone.
        assert_eq!(workers.made.lock().unwrap().len(), 2);
        workers.of_this_thread();
        assert_eq!(workers.made.lock().unwrap().len(), 1);
    }
}
