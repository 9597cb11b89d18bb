//! The section `[http]`: what the HTTP transport is to do.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use merchant_otp_domain::Amount;
use merchant_otp_transport_http::{CurrencySpecification, HttpSettings, Listen, TlsFiles};
use serde::{Deserialize, Serialize};

use super::integer;

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Http {
    listen: String,
    #[serde(deserialize_with = "integer::deserialize")]
    body_limit: u64,
    behind_proxy: bool,
    tls: Option<Tls>,
    /// 0: as many as the processors and the connections to the database permit.
    #[serde(deserialize_with = "integer::deserialize")]
    workers: u64,
    #[serde(deserialize_with = "integer::deserialize")]
    max_connections: u64,
    /// In seconds.
    #[serde(deserialize_with = "integer::deserialize")]
    request_deadline: u64,
    /// In seconds.
    #[serde(deserialize_with = "integer::deserialize")]
    shutdown_grace: u64,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    certificate: PathBuf,
    key: PathBuf,
}

impl Http {
    /// The settings of the transport, which tells clients of these currencies.
    pub(super) fn settings(
        &self,
        currencies: &[CurrencySpecification],
    ) -> anyhow::Result<HttpSettings> {
        const LARGEST_BODY: u64 = 64 * 1024 * 1024;
        const MOST_CONNECTIONS: u64 = 1_000_000;
        check_currencies(currencies)?;
        let body_limit = match self.body_limit {
            limit @ 1..=LARGEST_BODY => usize::try_from(limit)?,
            _ => bail!("http.body_limit: it is 1 to {LARGEST_BODY} bytes"),
        };
        let max_connections = match self.max_connections {
            connections @ 1..=MOST_CONNECTIONS => usize::try_from(connections)?,
            _ => bail!("http.max_connections: it is 1 to {MOST_CONNECTIONS}"),
        };
        let request_deadline = match self.request_deadline {
            seconds @ 1..=3600 => Duration::from_secs(seconds),
            _ => bail!("http.request_deadline: it is 1 to 3600 seconds"),
        };
        let shutdown_grace = match self.shutdown_grace {
            seconds @ 0..=3600 => Duration::from_secs(seconds),
            _ => bail!("http.shutdown_grace: it is 0 to 3600 seconds"),
        };
        let tls = self.tls.as_ref().map(|Tls { certificate, key }| TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        });
        Ok(HttpSettings {
            listen: self.listen()?,
            body_limit,
            tls,
            behind_proxy: self.behind_proxy,
            currencies: currencies.to_vec(),
            request_deadline,
            workers: self.workers()?.map_or(1, usize::from),
            max_connections,
            shutdown_grace,
        })
    }

    /// How many threads serve; `None` for as many as fit.
    pub(super) fn workers(&self) -> anyhow::Result<Option<u16>> {
        match u16::try_from(self.workers) {
            Ok(0) => Ok(None),
            Ok(workers @ 1..=512) => Ok(Some(workers)),
            _ => bail!("http.workers: it is 0 to 512"),
        }
    }

    /// Where it listens, if that may be.
    fn listen(&self) -> anyhow::Result<Listen> {
        let listen: Listen = self.listen.parse().context("http.listen")?;
        match &listen {
            Listen::Unix(_) if self.tls.is_some() => bail!("http.tls: a Unix socket needs none"),
            Listen::Tcp(address)
                if self.tls.is_none() && !self.behind_proxy && !address.ip().is_loopback() =>
            {
                bail!(
                    "http.listen: others than this machine reach it, and keys and tokens would go \
                     unencrypted; set http.tls, or http.behind_proxy = true if a proxy terminates TLS"
                )
            }
            Listen::Unix(_) | Listen::Tcp(_) => Ok(listen),
        }
    }
}

fn check_currencies(currencies: &[CurrencySpecification]) -> anyhow::Result<()> {
    let mut codes = BTreeSet::new();
    for specification in currencies {
        let code = &specification.currency;
        if !codes.insert(code) {
            bail!("currencies: {code} is there twice");
        }
        // A code is what an amount begins with.
        Amount::parse(&format!("{code}:0")).with_context(|| format!("currencies: {code}"))?;
        if !specification.alt_unit_names.contains_key("0") {
            bail!("currencies: {code}: alt_unit_names has the key \"0\"");
        }
    }
    if codes.is_empty() {
        bail!("currencies: there is at least one");
    }
    Ok(())
}
