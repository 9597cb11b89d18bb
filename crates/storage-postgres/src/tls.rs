//! TLS connections to PostgreSQL.

use std::path::PathBuf;
use std::sync::Arc;

use merchant_otp_ports::Cause;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The verification of the server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verification {
    /// No verification: `prefer` and `require` only encrypt, as in libpq.
    None,
    /// The certificate is for the host of the URL, with a root that the system trusts.
    SystemRoots,
    /// The certificate is for the host of the URL, with a root in this file (PEM).
    RootCertificate(PathBuf),
}

/// Creates a TLS connector. Reads the roots each time, so that a renewed file needs no restart.
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

/// Rejects an empty store, with which every certificate would be refused as if the server were at
/// fault.
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

/// Accepts every certificate, like libpq's `sslmode=require`. This protects against eavesdropping
/// but not against impersonation. The signatures of the handshake are verified if the certificate
/// can be read.
#[derive(Debug)]
struct NoVerification(Arc<CryptoProvider>);

/// Accepts a certificate that rustls cannot read, such as one of X.509 version 1: as nothing is
/// known about the server, its signature shows nothing.
fn accept_unreadable(
    verified: Result<HandshakeSignatureValid, rustls::Error>,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    match verified {
        Err(rustls::Error::InvalidCertificate(error))
            if error != CertificateError::BadSignature =>
        {
            Ok(HandshakeSignatureValid::assertion())
        }
        verified => verified,
    }
}

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
        accept_unreadable(verify_tls12_signature(message, certificate, signature, algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        accept_unreadable(verify_tls13_signature(message, certificate, signature, algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
