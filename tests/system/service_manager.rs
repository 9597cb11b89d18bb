//! Sockets from a service manager such as systemd, and notifications to it.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::{Duration, Instant};

use merchant_otp_tests::{Output, Server, Storage, managed};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::{device, on_both_databases};

on_both_databases! {
    an_inherited_tcp_socket_outlives_the_service,
    an_inherited_unix_socket_outlives_the_service,
    systemd_is_notified_of_readiness_and_stopping,
}

/// Starts a server as a service manager does, with a socket that already listens.
fn start(storage: &Storage, listen: &str, socket: OwnedFd) -> Server {
    let command = storage.command(&["serve"], &[("HTTP__LISTEN", listen)]);
    Server::spawn(managed(&command, Some(socket)))
}

/// A registration that is the last request of its connection.
fn request(token: &str) -> String {
    let body = device("till").to_string();
    format!(
        "POST /instances/shop/private/otp-devices HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[track_caller]
fn expect_stored(mut stream: impl Read) {
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 204 "), "{reply}");
}

fn an_inherited_tcp_socket_outlives_the_service(storage: &Storage) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = listener.local_addr().unwrap().to_string();
    let socket = || listener.try_clone().unwrap().into();
    let server = start(storage, &listen, socket());
    assert_eq!(server.address(), listen);
    let token = storage.token("shop", "all", "forever");
    server.post("shop", &token, device("till").to_string()).expect_stored();
    server.stop();
    // A client that connects while no process serves waits for the next process.
    let mut waiting = TcpStream::connect(&listen).unwrap();
    waiting.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    waiting.write_all(request(&token).as_bytes()).unwrap();
    let _server = start(storage, "127.0.0.1:0", socket());
    expect_stored(waiting);
}

fn an_inherited_unix_socket_outlives_the_service(storage: &Storage) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("otp.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let listen = format!("unix:{}", path.display());
    let socket = || listener.try_clone().unwrap().into();
    let server = start(storage, &listen, socket());
    assert_eq!(server.address(), listen);
    let token = storage.token("shop", "all", "forever");
    server.stop();
    let mut waiting = UnixStream::connect(&path).unwrap();
    waiting.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    waiting.write_all(request(&token).as_bytes()).unwrap();
    let _server = start(storage, &listen, socket());
    expect_stored(waiting);
    // The socket belongs to the manager: no other file was created beside it.
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[test]
fn a_socket_that_does_not_match_the_settings_is_refused() {
    let storage = Storage::sqlite();
    let listener = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let file = || OwnedFd::from(File::create(folder.path().join("file")).unwrap());
    for (listen, socket, message) in [
        ("127.0.0.1:1", listener(), "the inherited socket listens on 127.0.0.1:"),
        ("unix:/run/otp.sock", listener(), "not on unix:/run/otp.sock"),
        ("127.0.0.1:0", file(), "the file descriptor passed by systemd is not a listening socket"),
    ] {
        let command = storage.command(&["serve"], &[("HTTP__LISTEN", listen)]);
        let refused = Output::of_managed(managed(&command, Some(socket)));
        assert!(!refused.success && refused.stderr.contains(message), "{}", refused.stderr);
    }
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let storage = Storage::sqlite();
    let manager = Manager::new();
    let environment = [
        ("LISTEN_FDS", "1"),
        ("LISTEN_PID", "1"),
        ("WATCHDOG_USEC", "2000"),
        ("WATCHDOG_PID", "1"),
        ("NOTIFY_SOCKET", manager.path()),
    ];
    let server = Server::start_with_environment(&storage, &[], &environment);
    assert_eq!(server.request("GET", "/readyz", &[], b"").status, 204);
    server.stop();
    assert_eq!(manager.receive(), "READY=1");
    assert_eq!(manager.receive(), "STOPPING=1");
}

fn systemd_is_notified_of_readiness_and_stopping(storage: &Storage) {
    let manager = Manager::new();
    let environment = [("NOTIFY_SOCKET", manager.path())];
    let server = Server::start_with_environment(storage, &[], &environment);
    assert_eq!(manager.receive(), "READY=1");
    server.stop();
    assert_eq!(manager.receive(), "STOPPING=1");
}

/// A responsive service notifies the watchdog in time; a stopped one does not.
#[test]
fn the_watchdog_is_notified_by_a_responsive_service() {
    const TIMEOUT: Duration = Duration::from_secs(1);
    let storage = Storage::sqlite();
    let manager = Manager::new();
    let mut command = storage.command(&["serve"], &[("HTTP__LISTEN", "127.0.0.1:0")]);
    command.env("NOTIFY_SOCKET", manager.path());
    command.env("WATCHDOG_USEC", TIMEOUT.as_micros().to_string());
    let server = Server::spawn(managed(&command, None));
    assert_eq!(manager.receive(), "READY=1");
    let (start, mut last) = (Instant::now(), Instant::now());
    for _ in 0..6 {
        assert_eq!(manager.receive(), "WATCHDOG=1");
        assert!(last.elapsed() < TIMEOUT, "{:?}", last.elapsed());
        last = Instant::now();
    }
    // Twice per timeout, and not more often.
    assert!(start.elapsed() > 2 * TIMEOUT, "{:?}", start.elapsed());

    server.signal(Signal::SIGSTOP);
    // Notifications that were sent before the stop.
    while manager.receive_within(TIMEOUT).is_ok() {}
    let silent = manager.receive_within(2 * TIMEOUT).unwrap_err();
    assert!([ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&silent.kind()), "{silent}");
    server.signal(Signal::SIGCONT);
    assert_eq!(manager.receive(), "WATCHDOG=1");
    server.stop();
}

/// The receiving end of the notification socket, as in systemd.
struct Manager {
    socket: UnixDatagram,
    path: String,
    _folder: TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify.sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        Self { socket, path: path.to_str().unwrap().to_owned(), _folder: folder }
    }

    fn path(&self) -> &str {
        &self.path
    }

    #[track_caller]
    fn receive(&self) -> String {
        self.receive_within(Duration::from_secs(20)).unwrap()
    }

    fn receive_within(&self, time: Duration) -> io::Result<String> {
        self.socket.set_read_timeout(Some(time))?;
        let mut message = [0; 256];
        let length = self.socket.recv(&mut message)?;
        Ok(String::from_utf8_lossy(&message[..length]).trim().to_owned())
    }
}
