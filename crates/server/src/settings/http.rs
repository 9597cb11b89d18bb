//! The section `[http]`: what the HTTP transport is to do.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, bail};
use merchant_otp_domain::Amount;
use merchant_otp_transport_http::{CurrencySpecification, HttpSettings};
use merchant_otp_transport_kit::{Limits, Listen, TlsFiles};
use serde::{Deserialize, Serialize};

use super::integer::Bounded;

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Http {
    listen: String,
    behind_proxy: bool,
    tls: Option<Tls>,
    /// 0: as many as the processors and the connections to the database permit.
    workers: Bounded<0, 512>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    certificate: PathBuf,
    key: PathBuf,
}

impl Http {
    /// The settings of the transport.
    pub(super) fn settings(
        &self,
        limits: Limits,
        currencies: &[CurrencySpecification],
    ) -> anyhow::Result<HttpSettings> {
        check_currencies(currencies)?;
        let tls = self.tls.as_ref().map(|Tls { certificate, key }| TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        });
        Ok(HttpSettings {
            listen: self.listen()?,
            limits,
            tls,
            behind_proxy: self.behind_proxy,
            currencies: currencies.to_vec(),
            workers: self.workers().map_or(1, usize::from),
        })
    }

    /// The number of workers; `None` is automatic.
    pub(super) fn workers(&self) -> Option<u16> {
        Some(self.workers.get_as()).filter(|workers| *workers > 0)
    }

    /// Where it listens, if that may be.
    fn listen(&self) -> anyhow::Result<Listen> {
        let listen: Listen = self.listen.parse().context("http.listen")?;
        if matches!(listen, Listen::Unix(_)) && self.tls.is_some() {
            bail!("http.tls: a Unix socket needs none");
        }
        if let Err(exposed) = listen.check_exposure(self.tls.is_some(), self.behind_proxy) {
            bail!(
                "http.listen: {exposed}; set http.tls, or http.behind_proxy = true if a proxy \
                 terminates TLS"
            );
        }
        Ok(listen)
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
