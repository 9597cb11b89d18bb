//! The example configurations of nginx and Caddy, with the real programs.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;

use merchant_otp_test_tools::{caddy, nginx};
use merchant_otp_tests::{Server, Storage, trail, wait_until};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use crate::device;

/// A proxy with one of the configurations, in front of the service and of a stand-in for a merchant
/// backend.
struct Proxy {
    process: Child,
    port: u16,
    certificate: CertificateDer<'static>,
    storage: Storage,
    token: String,
    _server: Server,
    _folder: TempDir,
}

#[derive(Clone, Copy)]
enum Program {
    Nginx,
    Caddy,
}

/// The socket of the service in the configurations.
const SOCKET: &str = "/run/merchant-otp/http.sock";

/// The address of the merchant backend in the configurations.
const BACKEND: &str = "127.0.0.1:9966";

#[test]
fn nginx_forwards_the_devices_and_nothing_else() {
    forwards_the_devices_and_nothing_else(Program::Nginx, "beside-merchant-backend.conf");
}

#[test]
fn caddy_forwards_the_devices_and_nothing_else() {
    forwards_the_devices_and_nothing_else(Program::Caddy, "beside-merchant-backend.Caddyfile");
}

#[test]
fn nginx_forwards_everything() {
    forwards_everything(Program::Nginx, "merchant-otp.conf");
}

#[test]
fn caddy_forwards_everything() {
    forwards_everything(Program::Caddy, "Caddyfile");
}

fn forwards_the_devices_and_nothing_else(program: Program, configuration: &str) {
    let proxy = Proxy::start(program, configuration);
    uses_devices(&proxy);
    for path in [
        "/",
        "/config",
        "/instances/shop/config",
        "/private/orders",
        "/instances/shop/private",
        "/instances/shop/private/token",
        "/instances/shop/private/otp-devices-2",
        "/instances/shop/private/templates/otp-devices",
        "/instances/shop/more/private/otp-devices",
        "/management/instances",
        "/healthz",
    ] {
        let (status, body) = proxy.request("GET", path, "", "");
        assert_eq!((status, &*body), (200, &*format!("merchant backend: GET {path}")));
    }
}

fn forwards_everything(program: Program, configuration: &str) {
    let proxy = Proxy::start(program, configuration);
    uses_devices(&proxy);
    for (path, status) in
        [("/config", 200), ("/instances/shop/", 302), ("/readyz", 404), ("/healthz", 404)]
    {
        assert_eq!(proxy.request("GET", path, "", "").0, status, "{path}");
    }
    assert!(proxy.request("GET", "/config", "", "").1.contains("taler-merchant"));
}

/// Uses the devices through the proxy, and checks the address that the service sees.
fn uses_devices(proxy: &Proxy) {
    const DEVICES: &str = "/instances/shop/private/otp-devices";
    let authorization = format!("Authorization: Bearer {}\r\n", proxy.token);
    let call =
        |method: &str, path: &str, body: &str| proxy.request(method, path, &authorization, body);
    let body = device("Käse 1+1").to_string();
    assert_eq!(call("POST", DEVICES, &body), (204, String::new()));
    for path in [DEVICES, "/instances/shop/private%2Fotp-devices"] {
        let (status, listed) = call("GET", path, "");
        assert_eq!(status, 200, "{path}: {listed}");
        assert!(listed.contains(r#""otp_device_id":"Käse 1+1""#), "{listed}");
    }
    // The id arrives as it was sent.
    let shown = call("GET", &format!("{DEVICES}/K%C3%A4se%201%2B1?faketime=1700000000"), "");
    assert_eq!(shown.0, 200, "{}", shown.1);
    assert!(shown.1.contains("81921300"), "{}", shown.1);
    assert_eq!(call("POST", DEVICES, &" ".repeat((1 << 20) + 1)).0, 413);
    // The instance `admin`.
    let (status, refused) = proxy.request("GET", "/private/otp-devices", &authorization, "");
    assert_eq!(status, 401);
    assert!(refused.contains("2015"), "{refused}");
    // An address that the client claims is not believed.
    let claims = "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\n";
    let body = device("claimed").to_string();
    let headers = format!("{authorization}{claims}");
    assert_eq!(proxy.request("POST", DEVICES, &headers, &body).0, 204);
    let trail = trail(&proxy.storage, "shop", &[]);
    let added = trail.iter().find(|event| event["device"] == "claimed").unwrap();
    assert_eq!(added["address"], "127.0.0.1", "{added}");
}

impl Proxy {
    fn start(program: Program, configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::sqlite();
        let socket = folder.path().join("http.sock");
        let listen = format!("unix:{}", socket.display());
        let settings = [("HTTP__LISTEN", &*listen), ("HTTP__BEHIND_PROXY", "true")];
        let server = Server::start_with(&storage, &settings);
        let _admin = storage.token("admin", "all", "forever");
        let token = storage.token("shop", "all", "forever");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = folder.path().join("certificate.pem");
        let key = folder.path().join("key.pem");
        fs::write(&certificate, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let read = |name: &str| {
            fs::read_to_string(root.join("config").join(name).join(configuration)).unwrap()
        };
        let replace = |text: String| {
            text.replace(SOCKET, socket.to_str().unwrap())
                .replace(BACKEND, &format!("127.0.0.1:{}", merchant_backend()))
        };
        let command = match program {
            Program::Nginx => {
                let text = for_nginx(&replace(read("nginx")), port, &certificate, &key);
                run_nginx(folder.path(), &text)
            }
            Program::Caddy => {
                let text = for_caddy(&replace(read("caddy")), port, &certificate, &key);
                run_caddy(folder.path(), &text)
            }
        };
        let process = { command }.stdin(Stdio::null()).spawn().unwrap();
        wait_until("the proxy listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        let certificate = made.cert.der().clone();
        Self { process, port, certificate, storage, token, _server: server, _folder: folder }
    }

    /// Sends a request over TLS. Returns the status and the body.
    fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "localhost".try_into().unwrap();
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let mut stream = StreamOwned::new(client, stream);
        // HTTP/1.0: the body is not chunked.
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        // A body that is too large is refused before it is complete.
        let _refused_already = stream.write_all(format!("{head}{body}").as_bytes());
        let mut reply = Vec::new();
        let _closed_abruptly = stream.read_to_end(&mut reply);
        let reply = String::from_utf8(reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// The configuration with another address and certificate.
fn for_nginx(text: &str, port: u16, certificate: &Path, key: &Path) -> String {
    let mut server = String::new();
    for line in text.lines() {
        let changed = match line.split_whitespace().next() {
            Some("listen") if line.contains("[::]") => continue,
            Some("listen") => line.replace("443", &format!("127.0.0.1:{port}")),
            Some("ssl_certificate") => format!("ssl_certificate {};", certificate.display()),
            Some("ssl_certificate_key") => format!("ssl_certificate_key {};", key.display()),
            _ => line.to_owned(),
        };
        server += &changed;
        server.push('\n');
    }
    server
}

fn run_nginx(folder: &Path, server: &str) -> Command {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {};\n", folder.join(name).display()))
        .concat();
    let main = format!(
        "daemon off;\nmaster_process off;\npid {};\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}{server}}}\n",
        folder.join("nginx.pid").display()
    );
    let path = folder.join("nginx.conf");
    fs::write(&path, main).unwrap();
    let mut command = Command::new(nginx().unwrap());
    command.arg("-e").arg("stderr").arg("-p").arg(folder).arg("-c").arg(path);
    command
}

/// The configuration with another address and certificate.
fn for_caddy(text: &str, port: u16, certificate: &Path, key: &Path) -> String {
    let (before, site) = text.split_once(".example.com {").unwrap();
    let comments = &before[..=before.rfind('\n').unwrap()];
    format!(
        "{comments}{{\n\tadmin off\n\tauto_https disable_redirects\n}}\nlocalhost:{port} {{\n\
         \tbind 127.0.0.1\n\ttls {} {}\n{site}",
        certificate.display(),
        key.display(),
    )
}

fn run_caddy(folder: &Path, configuration: &str) -> Command {
    let path: PathBuf = folder.join("Caddyfile");
    fs::write(&path, configuration).unwrap();
    let mut command = Command::new(caddy().unwrap());
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(path);
    for name in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
        command.env(name, folder);
    }
    command
}

/// Starts a stand-in for a merchant backend, which answers with the request; returns its port.
fn merchant_backend() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
            let Some(Ok(request)) = lines.next() else { continue };
            lines
                .take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty()))
                .for_each(drop);
            let request = request.rsplit_once(' ').unwrap().0;
            let body = format!("merchant backend: {request}");
            let reply = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let _proxy_is_gone = connection.write_all(reply.as_bytes());
        }
    });
    port
}
