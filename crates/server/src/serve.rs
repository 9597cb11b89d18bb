use std::future::pending;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use merchant_otp_application::Service;
use merchant_otp_transport_http::{Certificate, HttpSettings};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use crate::commands::master_key_made;
use crate::settings::Settings;
use crate::storage::{self, Database};
use crate::{descriptors, metrics, systemd, telemetry, welcome, wiring};

/// Answers requests until a signal.
pub(crate) async fn serve(settings: Settings, no_migrate: bool) -> anyhow::Result<()> {
    telemetry::start(&settings.log)?;
    let socket = systemd::listening_socket()?;
    if let Some(listen) = settings.metrics_listen()? {
        metrics::start(listen)?;
        tracing::info!(%listen, "telling metrics");
    }
    descriptors::allow(settings.http()?.max_connections, settings.storage.connections()?);
    let Database { backend, workers } = storage::open(&settings.storage, settings.http_workers()?)?;
    if no_migrate {
        let pending = backend.pending_migrations().await.context("storage.url")?;
        if !pending.is_empty() {
            bail!("migrations are pending: {}; run `merchant-otp migrate`", pending.join(", "));
        }
    } else {
        for migration in backend.migrate().await.context("storage.url")? {
            tracing::info!(migration, "applied a migration");
        }
    }
    let (service, made) = wiring::service(&*backend, &settings.security).await?;
    if let Some(path) = made {
        tracing::warn!("{}", master_key_made(&path));
    }
    let service = Arc::new(service.with_token_cache(settings.storage.token_cache()?));
    let service_of_worker = {
        let (backend, service) = (Arc::clone(&backend), Arc::clone(&service));
        move || service.with_stores(backend.stores())
    };
    // The address comes first: a start that fails must not use up the one showing of the token.
    let http = HttpSettings { workers: workers.into(), ..settings.http()? };
    let bound = merchant_otp_transport_http::bind(http, service_of_worker, socket)
        .context("http.listen")?;
    if backend.embedded_file().is_some() && service.bootstrap().await? {
        welcome::greet(&service, bound.listen(), bound.certificate().is_some()).await?;
    }
    let shutdown = Shutdown::on_signals()?;
    reload_on_hangup(bound.certificate())?;
    let retention = settings.audit_retention()?;
    tracing::info!(listen = %bound.listen(), workers, version = env!("CARGO_PKG_VERSION"), "serving");
    systemd::ready();
    tokio::select! {
        served = bound.run(shutdown.begun()) => served.context("serving")?,
        () = forget_audit_events(&service, retention) => {}
        () = systemd::keep_alive() => {}
    }
    tracing::info!("stopped");
    Ok(())
}

/// How long to wait between two looks for audit events that are too old.
const HOUSEKEEPING: Duration = Duration::from_hours(1);

/// Removes audit events when they are so many seconds old, and never ends.
async fn forget_audit_events(service: &Service, retention: Option<u64>) {
    let Some(retention) = retention else { return pending().await };
    loop {
        match service.forget_audit_events(retention).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed audit events that are too old"),
            Err(error) => {
                let cause = format!("{:#}", anyhow::Error::from(error));
                tracing::warn!(cause, "audit events that are too old were not removed");
            }
        }
        sleep(HOUSEKEEPING).await;
    }
}

/// Reads the certificate again with each SIGHUP; without one, a SIGHUP does nothing.
fn reload_on_hangup(certificate: Option<Certificate>) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            match certificate.as_ref().map(Certificate::reload) {
                None => tracing::info!("there is no certificate to read again"),
                Some(Ok(())) => tracing::info!("read the certificate again"),
                Some(Err(error)) => {
                    let cause = format!("{:#}", anyhow::Error::from(error));
                    tracing::error!(cause, "the certificate stays as it was");
                }
            }
        }
    });
    Ok(())
}

/// The signals that end the service: the first drains it, the second ends it at once.
struct Shutdown {
    terminate: Signal,
    interrupt: Signal,
}

impl Shutdown {
    fn on_signals() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Done with the first signal.
    async fn begun(mut self) {
        self.next().await;
        systemd::stopping();
        tracing::info!("draining: requests in flight are answered, new connections refused");
        tokio::spawn(async move {
            self.next().await;
            tracing::warn!("a second signal: stopping at once");
            process::exit(1);
        });
    }

    async fn next(&mut self) {
        let signal = tokio::select! {
            signal = self.terminate.recv() => signal,
            signal = self.interrupt.recv() => signal,
        };
        if signal.is_none() {
            // No signal comes any more: the runtime is ending.
            pending::<()>().await;
        }
    }
}
