//! TLS in the server.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use merchant_otp_tests::{Output, Server, Storage, wait_until};
use nix::sys::signal::Signal;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

/// The files of a certificate for `localhost` and its key.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.renew();
        files
    }

    /// Writes a new certificate and its key to the files; returns the certificate.
    pub(crate) fn renew(&self) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(self.path("certificate.pem"), made.cert.pem()).unwrap();
        let key = self.path("key.pem");
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        fs::set_permissions(key, Permissions::from_mode(0o640)).unwrap();
        made.cert.der().clone()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }
}

fn settings(certificate: &Path, key: &Path) -> [(&'static str, String); 2] {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    [("HTTP__TLS__CERTIFICATE", text(certificate)), ("HTTP__TLS__KEY", text(key))]
}

/// Starts a server with a certificate.
pub(crate) fn start(storage: &Storage, files: &Files) -> Server {
    let settings = settings(&files.path("certificate.pem"), &files.path("key.pem"));
    let mut settings: Vec<_> = settings.iter().map(|(name, value)| (*name, &**value)).collect();
    settings.push(("HTTP__LISTEN", "127.0.0.1:0"));
    Server::spawn(storage.command(&["serve", "--print-token"], &settings))
}

/// Connects with TLS, with this certificate as the only trusted one.
pub(crate) fn connect(
    server: &Server,
    trusted: &CertificateDer<'static>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    StreamOwned::new(client, TcpStream::connect(server.address()).unwrap())
}

/// Requests `/config` over TLS.
fn get_config(
    server: &Server,
    trusted: &CertificateDer<'static>,
) -> Result<String, std::io::Error> {
    let mut stream = connect(server, trusted);
    stream.write_all(b"GET /config HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    Ok(reply)
}

#[test]
fn a_certificate_is_used_and_reloaded_on_sighup() {
    let storage = Storage::sqlite();
    let files = Files::new();
    let first = files.renew();
    let server = start(&storage, &files);
    let reply = get_config(&server, &first).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    assert!(reply.contains("\r\nstrict-transport-security: max-age="), "{reply}");
    // Without TLS there is no response.
    let mut plain = server.connect();
    assert!(plain.write("GET /config HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    assert!(!plain.read_to_end().contains("taler-merchant"));

    let second = files.renew();
    assert!(get_config(&server, &second).is_err());
    server.signal(Signal::SIGHUP);
    wait_until("the new certificate is used", || get_config(&server, &second).is_ok());
    assert!(get_config(&server, &first).is_err());
    // A key that others can access is not loaded, nor is an unusable one.
    let third = files.renew();
    fs::set_permissions(files.path("key.pem"), Permissions::from_mode(0o644)).unwrap();
    server.signal(Signal::SIGHUP);
    wait_until("the exposed key is logged", || server.log().contains("run `chmod o= "));
    assert!(get_config(&server, &third).is_err());
    fs::set_permissions(files.path("key.pem"), Permissions::from_mode(0o600)).unwrap();
    fs::write(files.path("key.pem"), "no key").unwrap();
    server.signal(Signal::SIGHUP);
    wait_until("the unusable key is logged", || {
        server.log().matches("failed to reload certificate").count() == 2
    });
    assert!(get_config(&server, &second).unwrap().starts_with("HTTP/1.1 200 "));
    let (shown, _) = server.stop();
    assert!(shown.contains(" https://127.0.0.1:"), "{shown}");
}

#[test]
fn an_unusable_certificate_is_refused_at_the_start() {
    let storage = Storage::sqlite();
    let (files, others) = (Files::new(), Files::new());
    let empty = files.path("empty.pem");
    fs::write(&empty, "").unwrap();
    fs::set_permissions(&empty, Permissions::from_mode(0o600)).unwrap();
    let exposed = files.path("exposed.pem");
    fs::copy(files.path("key.pem"), &exposed).unwrap();
    fs::set_permissions(&exposed, Permissions::from_mode(0o604)).unwrap();
    let chmod = format!("run `chmod o= {}`", exposed.display());
    let certificate = files.path("certificate.pem");
    for (certificate, key, message) in [
        (&certificate, others.path("key.pem"), "cannot be used"),
        (&certificate, empty.clone(), "empty.pem"),
        (&certificate, files.path("nowhere.pem"), "nowhere.pem"),
        (&empty, files.path("key.pem"), "empty.pem"),
        (&certificate, exposed, &*chmod),
    ] {
        let settings = settings(certificate, &key);
        let mut settings: Vec<_> = settings.iter().map(|(name, value)| (*name, &**value)).collect();
        settings.push(("HTTP__LISTEN", "127.0.0.1:0"));
        let failed = Output::of(storage.command(&["serve"], &settings));
        assert!(!failed.success);
        assert!(failed.stderr.contains(message), "{}", failed.stderr);
    }
}

#[test]
fn a_public_address_needs_tls_or_a_proxy() {
    let storage = Storage::sqlite();
    let serve = |more: &[(&str, &str)]| {
        let settings = [&[("HTTP__LISTEN", "0.0.0.0:0")], more].concat();
        storage.command(&["serve"], &settings)
    };
    let refused = Output::of(serve(&[]));
    assert!(!refused.success && refused.stderr.contains("http.tls"), "{}", refused.stderr);
    let behind_proxy = [("HTTP__LISTEN", "0.0.0.0:0"), ("HTTP__BEHIND_PROXY", "true")];
    Server::start_with(&storage, &behind_proxy).stop();
}

#[test]
fn every_response_has_the_security_headers() {
    let storage = Storage::sqlite();
    let server = Server::start(&storage);
    let token = storage.token("shop", "all", "forever");
    for reply in [
        server.request("GET", "/config", &[], b""),
        server.request("GET", "/nowhere", &[], b""),
        server.request("OPTIONS", "/config", &[], b""),
        server.call("GET", "/instances/shop/private/otp-devices", &token, ""),
        server.call("GET", "/instances/shop/private/otp-devices", "x", ""),
    ] {
        assert_eq!(reply.header("X-Content-Type-Options"), Some("nosniff"));
        assert_eq!(reply.header("Cache-Control"), Some("no-store"));
        let policy = reply.header("Content-Security-Policy").unwrap();
        assert_eq!(policy, "default-src 'none'; frame-ancestors 'none'");
        assert_eq!(reply.header("Strict-Transport-Security"), None);
    }
}
