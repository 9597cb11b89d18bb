use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use diesel_async::async_connection_wrapper::BlockOn;
use tokio::runtime::{Builder, Runtime};

thread_local! {
    /// The runtime of the session that the thread is about to wrap: diesel asks for one, and not which.
    static NEXT: RefCell<Option<SessionRuntime>> = const { RefCell::new(None) };
}

/// What moves the bytes of a session, on the thread that works with it.
///
/// With a runtime of its own, a session needs no other thread to be woken for each message.
#[derive(Clone)]
pub(crate) struct SessionRuntime(Arc<Background>);

/// A runtime that may be dropped anywhere.
struct Background(Option<Runtime>);

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl SessionRuntime {
    pub(crate) fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self(Arc::new(Background(Some(runtime)))))
    }

    /// The runtime, for tasks to spawn on it: they run while somebody blocks on it.
    pub(crate) fn get(&self) -> &Runtime {
        #[expect(clippy::expect_used, reason = "it is taken when it is dropped")]
        self.0.0.as_ref().expect("a runtime")
    }

    /// Makes something that diesel wraps with this runtime.
    pub(crate) fn wrap<T>(&self, wrap: impl FnOnce() -> T) -> T {
        NEXT.with_borrow_mut(|next| *next = Some(self.clone()));
        wrap()
    }
}

impl BlockOn for SessionRuntime {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.get().block_on(future)
    }

    fn get_runtime() -> Self {
        #[expect(clippy::expect_used, reason = "sessions are wrapped by `wrap` alone")]
        NEXT.with_borrow_mut(Option::take).expect("the runtime of the session")
    }
}
