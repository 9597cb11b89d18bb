//! The command `serve`.

use std::error::Error;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use merchant_otp_application::{KeyCheck, Service, UnopenedKey};
use merchant_otp_ports::StorageBackend;
use merchant_otp_transport_http::{HttpSettings, MonitoringSettings, bind_monitoring};
use tokio::time::sleep;

use crate::command_line::ServeOptions;
use crate::process::file_limit::fit_to_file_limit;
use crate::process::signals::{ShutdownSignals, reload_on_hangup};
use crate::process::welcome::print_first_start_help;
use crate::process::{metrics, systemd, telemetry};
use crate::settings::Settings;
use crate::storage::{self, Database, expect_migrated, explain, is_missing};
use crate::text::one_line;
use crate::transports::{self, Transport};
use crate::wiring;

/// Runs the server until a shutdown signal arrives.
pub(crate) async fn serve(settings: Settings, options: ServeOptions) -> anyhow::Result<()> {
    let log = telemetry::start(settings.log.filter()?)?;
    let socket = systemd::listening_socket()?;
    let monitoring = settings.metrics_listen()?;
    let metrics = monitoring.map(|_| metrics::start()).transpose().context("metrics.listen")?;
    let limits = fit_to_file_limit(settings.limits(), settings.storage.connections());
    let http = HttpSettings { limits, ..settings.http()? };
    let Database { backend, workers } = storage::open(&settings.storage, settings.http_workers())?;
    open(&*backend, options.no_migrate).await.context("storage.url")?;
    let (service, created) = wiring::service(&*backend, &settings.security).await?;
    if let Some(path) = created {
        tracing::warn!(path = %path.display(), "created master key; back it up separately");
    }
    if options.strict {
        expect_all_keys_to_open(&service).await?;
    }
    let service = service
        .with_token_cache(settings.storage.token_cache())
        .with_password_use(settings.security.password_use())
        .with_required_old_password(settings.security.requires_old_password())
        .with_max_access_tokens(settings.security.max_access_tokens());
    let service = Arc::new(service);
    let service_of_worker = {
        let (backend, service) = (Arc::clone(&backend), Arc::clone(&service));
        move || service.with_stores(backend.stores())
    };
    // Bind first: a start that fails must not create the access token, which is shown only once.
    let http = HttpSettings { workers: workers.into(), ..http };
    let http = merchant_otp_transport_http::bind(http, service_of_worker.clone(), socket);
    let http = Transport::from(http.context("http.listen")?);
    if backend.embedded_file().is_some() && service.bootstrap().await? {
        let is_tls = http.certificate.is_some();
        print_first_start_help(&service, &http.address, is_tls, options.print_token).await?;
    }
    let mut transports = vec![http];
    if let (Some(listen), Some(metrics)) = (monitoring, metrics) {
        let settings = MonitoringSettings { listen, shutdown_grace: limits.shutdown_grace };
        let bound = bind_monitoring(settings, service_of_worker, move || metrics.render());
        transports.push(bound.context("metrics.listen")?.into());
    }
    let shutdown = ShutdownSignals::listen()?;
    let certificates = transports.iter().filter_map(|transport| transport.certificate.clone());
    reload_on_hangup(certificates.collect())?;
    let heartbeats = transports.iter().map(|transport| transport.heartbeats.clone()).collect();
    let retention = settings.audit_retention();
    for Transport { name, workers, address, .. } in &transports {
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(transport = name, listen = %address, workers, version, "serving");
    }
    systemd::ready();
    tokio::select! {
        served = transports::run(transports, shutdown.first(), limits.shutdown_grace) => served?,
        () = remove_old_audit_events(&service, retention) => {}
        () = report_unopened_keys(&service, options.strict) => {}
        () = systemd::keep_alive(heartbeats) => {}
        () = log.report_dropped_lines() => {}
    }
    tracing::info!("stopped");
    Ok(())
}

/// Reserves the database and applies pending migrations; fails if there are any and `no_migrate` is
/// set.
async fn open(backend: &dyn StorageBackend, no_migrate: bool) -> anyhow::Result<()> {
    if no_migrate {
        expect_migrated(backend).await?;
        return backend.reserve().await.map_err(explain);
    }
    backend.reserve().await.map_err(explain)?;
    let is_new = is_missing(backend);
    for migration in backend.migrate().await.map_err(explain)? {
        tracing::info!(migration, "applied migration");
    }
    if let Some(path) = backend.embedded_file().filter(|_| is_new) {
        tracing::info!(path = %path.display(), "created database");
    }
    Ok(())
}

/// Fails if the key of a device does not open.
async fn expect_all_keys_to_open(service: &Service) -> anyhow::Result<()> {
    let mut first = None;
    let report = |unopened: UnopenedKey| {
        first.get_or_insert(unopened);
    };
    let check = service.check_keys(Duration::ZERO, report).await?;
    if let Some(UnopenedKey { instance, device, error }) = first {
        bail!(
            "{} of {} device keys cannot be opened, the first one of the device {} of the instance \
             {} ({error}); `merchant-otp key status` shows all of them; without --strict, the \
             server starts nevertheless",
            check.not_opened,
            check.checked,
            one_line(&device),
            one_line(&instance)
        );
    }
    Ok(())
}

/// The maximum number of devices in the log whose keys do not open.
const MAX_LOGGED: u32 = 1000;

/// The pause between pages of keys that are checked, so that requests are not delayed.
const CHECK_PAUSE: Duration = Duration::from_millis(10);

/// Logs the devices whose keys do not open, unless they were checked already; never returns.
async fn report_unopened_keys(service: &Service, is_done: bool) {
    if !is_done {
        let mut logged = 0;
        let report = |UnopenedKey { instance, device, error }: UnopenedKey| {
            if logged < MAX_LOGGED {
                logged += 1;
                let cause = &error as &dyn Error;
                tracing::warn!(instance, device, cause, "device key cannot be opened");
            }
        };
        match service.check_keys(CHECK_PAUSE, report).await {
            Ok(KeyCheck { checked, not_opened: 0 }) => {
                tracing::debug!(checked, "all device keys can be opened");
            }
            Ok(KeyCheck { checked, not_opened }) => {
                tracing::warn!(checked, not_opened, "some device keys cannot be opened");
            }
            Err(error) => {
                let cause = format!("{:#}", anyhow::Error::from(error));
                tracing::warn!(cause, "failed to check device keys");
            }
        }
    }
    pending::<()>().await;
}

/// The interval at which old audit events are removed.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_hours(1);

/// Removes audit events that are older than `retention` seconds; never returns.
async fn remove_old_audit_events(service: &Service, retention: Option<u64>) {
    let Some(retention) = retention else { return pending().await };
    loop {
        match service.remove_old_audit_events(retention).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed old audit events"),
            Err(error) => {
                let cause = format!("{:#}", anyhow::Error::from(error));
                tracing::warn!(cause, "failed to remove old audit events");
            }
        }
        sleep(HOUSEKEEPING_INTERVAL).await;
    }
}
