//! The certificate of a server, which can be reloaded.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use thiserror::Error;

/// The files of a server's certificate and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain without the root, in PEM.
    pub certificate: PathBuf,
    /// The private key of the certificate, in PEM.
    pub key: PathBuf,
}

/// An error of a certificate or its files.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read, or does not contain a certificate or key.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: pem::Error,
    },
    /// Users other than its owner and group can access the file of the key.
    #[error("other users can access the file; run `chmod o= {}`", .0.display())]
    Exposed(PathBuf),
    /// The mode of the file of the key cannot be read.
    #[error("{}", path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The certificate cannot be used.
    #[error("the certificate and the key cannot be used")]
    Unusable(#[source] rustls::Error),
}

/// The certificate of a server. It can be reloaded while the server runs.
///
/// ```no_run
/// use merchant_otp_transport_kit::{Certificate, TlsFiles};
///
/// let files = TlsFiles { certificate: "server.pem".into(), key: "server.key".into() };
/// let certificate = Certificate::read(files).unwrap();
/// let configuration = certificate.server_config().unwrap();
/// // Later, after the files were renewed:
/// certificate.reload().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Certificate(Arc<Current>);

#[derive(Debug)]
struct Current {
    files: TlsFiles,
    key: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// Reads a certificate.
    ///
    /// # Errors
    ///
    /// [`TlsError`].
    pub fn read(files: TlsFiles) -> Result<Self, TlsError> {
        let key = RwLock::new(Arc::new(certified_key(&files)?));
        Ok(Self(Arc::new(Current { files, key })))
    }

    /// Reads the files again. New connections use the new certificate.
    ///
    /// # Errors
    ///
    /// [`TlsError`]; the present certificate is kept then.
    pub fn reload(&self) -> Result<(), TlsError> {
        let key = Arc::new(certified_key(&self.0.files)?);
        *self.0.key.write().unwrap_or_else(PoisonError::into_inner) = key;
        Ok(())
    }

    /// Returns a server configuration with this certificate: TLS 1.2 and 1.3, with the defaults of
    /// rustls.
    ///
    /// # Errors
    ///
    /// [`TlsError::Unusable`].
    pub fn server_config(&self) -> Result<ServerConfig, TlsError> {
        let current: Arc<dyn ResolvesServerCert> = self.0.clone();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?
            .with_no_client_auth()
            .with_cert_resolver(current);
        Ok(config)
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.key.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Checks that only the owner and the group of a file can access it.
fn expect_private(path: &Path) -> Result<(), TlsError> {
    let metadata = fs::metadata(path);
    let mode = metadata.map_err(|source| TlsError::Mode { path: path.to_owned(), source })?.mode();
    let other_access = mode & 0o007;
    if other_access == 0 { Ok(()) } else { Err(TlsError::Exposed(path.to_owned())) }
}

fn certified_key(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    let in_file = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File { path, source }
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .and_then(|chain| if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) })
        .map_err(in_file(&files.certificate))?;
    expect_private(&files.key)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(in_file(&files.key))?;
    let key = CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(TlsError::Unusable)?;
    match key.keys_match() {
        // Some keys cannot be compared.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(key),
        Err(error) => Err(TlsError::Unusable(error)),
    }
}
