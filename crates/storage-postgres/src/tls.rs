//! TLS to PostgreSQL.

use std::path::PathBuf;
use std::sync::Arc;

use merchant_otp_ports::Cause;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

/// What the certificate of the server has to prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verification {
    /// Nothing: `prefer` and `require` encrypt, and that is all libpq makes of them too.
    None,
    /// That the server is the host of the URL, to a root that the system trusts.
    SystemRoots,
    /// That the server is the host of the URL, to a root in this file (PEM).
    RootCertificate(PathBuf),
}

/// How to make TLS connections; reads the roots anew, so that a renewed file needs no restart.
pub(crate) fn connector(verification: &Verification) -> Result<MakeRustlsConnect, Cause> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let config = match verification {
        Verification::None => {
            config.dangerous().with_custom_certificate_verifier(Arc::new(NoVerification(provider)))
        }
        Verification::SystemRoots => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            config.with_root_certificates(not_empty(roots)?)
        }
        Verification::RootCertificate(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path)? {
                roots.add(certificate?)?;
            }
            config.with_root_certificates(not_empty(roots)?)
        }
    };
    Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
}

/// Without a root every certificate would be refused, as if it were the server's fault.
fn not_empty(roots: RootCertStore) -> Result<RootCertStore, Cause> {
    if roots.is_empty() {
        return Err(
            "there is no root certificate: install ca-certificates, or name a file of them \
                    by sslrootcert"
                .into(),
        );
    }
    Ok(roots)
}

/// Accepts every certificate, as `sslmode=require` of libpq does: this protects against listeners,
/// and not against an impostor. The signatures of the handshake are checked nevertheless.
#[derive(Debug)]
struct NoVerification(Arc<CryptoProvider>);

impl ServerCertVerifier for NoVerification {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
