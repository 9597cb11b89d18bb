use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App as ActixApp, HttpServer};
use futures_util::future::{Either, select};
use merchant_otp_application::Service;
use thiserror::Error;

use crate::access_log::log_answer;
use crate::listen::Listen;
use crate::routes::{App, configure};

/// How the transport serves.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Where it listens.
    pub listen: Listen,
    /// The largest request body, in bytes, as sent and decompressed.
    pub body_limit: usize,
    /// How long requests in flight may take after shutdown began.
    pub shutdown_grace: Duration,
}

/// A server that has its address and waits to be run.
pub struct Bound {
    server: Server,
    listen: Listen,
}

/// Why a server did not get its address.
#[derive(Debug, Error)]
#[error("cannot listen on {listen}: {source}")]
pub struct BindError {
    listen: Listen,
    source: io::Error,
}

/// Takes the address of the settings.
///
/// # Errors
///
/// If the address is not to be had: in use, not of this machine, or not allowed.
pub fn bind(settings: HttpSettings, service: Arc<Service>) -> Result<Bound, BindError> {
    let HttpSettings { listen, body_limit, shutdown_grace } = settings;
    let app = Data::new(App { service, body_limit });
    let server = HttpServer::new(move || {
        ActixApp::new().app_data(app.clone()).wrap(from_fn(log_answer)).configure(configure)
    })
    .disable_signals()
    .shutdown_timeout(shutdown_grace.as_secs());

    let bound = match &listen {
        Listen::Tcp(address) => server.bind(address),
        Listen::Unix(path) => remove_stale_socket(path).and_then(|()| {
            let server = server.bind_uds(path)?;
            // For the user and group of the service, such as a proxy that is in the group.
            fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
            Ok(server)
        }),
    };
    let server = match bound {
        Ok(server) => server,
        Err(source) => return Err(BindError { listen, source }),
    };
    let listen = match (listen, server.addrs().first()) {
        (Listen::Tcp(_), Some(address)) => Listen::Tcp(*address),
        (listen, _) => listen,
    };
    Ok(Bound { server: server.run(), listen })
}

impl Bound {
    /// Where it listens: the port that it got, if any was asked for.
    #[must_use]
    pub fn listen(&self) -> &Listen {
        &self.listen
    }

    /// Answers requests until `shutdown` is done and the requests in flight are answered.
    ///
    /// No connection is taken any more once `shutdown` is done.
    ///
    /// # Errors
    ///
    /// If the threads that serve cannot be run.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let handle = self.server.handle();
        let result = match select(pin!(self.server), pin!(shutdown)).await {
            Either::Left((stopped, _)) => stopped,
            Either::Right(((), server)) => {
                let ((), stopped) = futures_util::future::join(handle.stop(true), server).await;
                stopped
            }
        };
        if let Listen::Unix(path) = &self.listen {
            let _gone_already = fs::remove_file(path);
        }
        result
    }
}

/// Removes the socket that a server left behind, but not that of a server that still answers.
fn remove_stale_socket(path: &Path) -> io::Result<()> {
    match UnixStream::connect(path) {
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
