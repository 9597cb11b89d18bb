//! The section `[http]`: settings of the HTTP transport.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
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
    proxy_header: String,
    tls: Option<Tls>,
    /// 0 means as many as the processors and the connections to the database allow.
    workers: Bounded<0, 512>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    certificate: PathBuf,
    key: PathBuf,
}

impl Http {
    /// Checks the section, and converts it to the settings of the transport.
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
        let header = self.proxy_header.parse().context("http.proxy_header")?;
        Ok(HttpSettings {
            listen: self.listen()?,
            limits,
            tls,
            proxy_header: Some(header).filter(|_| self.behind_proxy),
            currencies: currencies.to_vec(),
            workers: self.workers().map_or(1, usize::from),
        })
    }

    /// Whether a proxy is in front of the service.
    pub(super) fn is_behind_proxy(&self) -> bool {
        self.behind_proxy
    }

    /// The number of workers; `None` means automatic.
    pub(super) fn workers(&self) -> Option<u16> {
        Some(self.workers.get_as()).filter(|workers| *workers > 0)
    }

    /// The address to listen on; fails if it would expose unencrypted traffic.
    fn listen(&self) -> anyhow::Result<Listen> {
        let listen: Listen = self.listen.parse().context("http.listen")?;
        if matches!(listen, Listen::Unix(_)) && self.tls.is_some() {
            bail!("http.tls: not supported on a Unix socket; remove it");
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
            bail!("currencies: {code} is listed twice");
        }
        // The code must be valid at the start of an amount.
        Amount::parse(&format!("{code}:0")).with_context(|| format!("currencies: {code}"))?;
        if !specification.alt_unit_names.contains_key("0") {
            bail!("currencies: {code}: alt_unit_names must have the key \"0\"");
        }
        for amount in &specification.common_amounts {
            Amount::parse(amount).context("currencies: common_amounts")?;
            ensure!(
                amount.starts_with(&format!("{code}:")),
                "currencies: common_amounts: {amount} must be in {code}"
            );
        }
    }
    if codes.is_empty() {
        bail!("currencies: at least one currency is required");
    }
    Ok(())
}
