//! Runs the skeleton of docs/adding-a-transport.md on the reference storage, with several threads.
#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test; the skeleton is written as a crate of its own"
)]

mod transport;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use merchant_otp_application::operator::Operator;
use merchant_otp_application::{NewAccessToken, Service};
use merchant_otp_domain::{
    Instance, InstanceId, OtpAlgorithm, OtpCounter, OtpDevice, OtpDeviceDescription, OtpDeviceId,
    OtpKey, Permission, Timestamp,
};
use merchant_otp_ports::Clock;
use merchant_otp_sealing::{Keyring, MasterKey};
use merchant_otp_transport_kit::{Limits, Listen};
use tokio::sync::oneshot;

/// The time of the second test vector of RFC 6238, appendix B.
struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(59).unwrap()
    }
}

const LIMITS: Limits = Limits {
    max_body_bytes: 1024,
    body_deadline: Duration::from_secs(5),
    max_connections: 2,
    max_connections_per_address: 2,
    request_deadline: Duration::from_secs(5),
    stall_timeout: Duration::from_secs(5),
    shutdown_grace: Duration::from_secs(5),
};

#[test]
fn the_documented_skeleton_is_this_one() {
    let guide = include_str!("../../../../docs/adding-a-transport.md");
    let skeleton = include_str!("transport.rs");
    assert!(guide.contains(&format!("```rust\n{skeleton}```\n")), "copy one over the other");
}

/// A service with a device, and a token for it.
async fn service() -> (Service, String) {
    let keyring = Keyring::new(vec![MasterKey::generate().unwrap()]).unwrap();
    let stores = merchant_otp_storage_memory::open();
    let service = Service::new(stores, Arc::new(keyring), Arc::new(FixedClock));
    let operator = Operator::of(&service);
    let manage = operator.grant_management(Permission::InstancesWrite);
    service.add_instance(&manage, Instance::admin(), None).await.unwrap();
    let device = OtpDevice::new(
        OtpDeviceId::parse("till").unwrap(),
        OtpDeviceDescription::parse("Till").unwrap(),
        OtpKey::from_bytes(b"12345678901234567890".to_vec()).unwrap(),
        OtpAlgorithm::TotpWithoutPrice,
        OtpCounter::default(),
    );
    let write = operator.grant(&InstanceId::admin(), Permission::OtpDevicesWrite).await.unwrap();
    service.add_otp_device(&write, device.unwrap()).await.unwrap();
    let log_in = operator.log_in(&InstanceId::admin()).await.unwrap();
    let issued = service.issue_access_token(&log_in, NewAccessToken::for_everything()).await;
    (service, issued.unwrap().token.expose().to_string())
}

fn ask(address: &Listen, line: &str) -> String {
    let mut stream = TcpStream::connect(address.to_string()).unwrap();
    writeln!(stream, "{line}").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_serves_and_drains() {
    let (service, token) = service().await;
    let service = Arc::new(std::sync::Mutex::new(Some(service)));
    let make = move || service.lock().unwrap().take().unwrap();
    let bound = transport::bind("127.0.0.1:0".parse().unwrap(), LIMITS, make).unwrap();
    let address = bound.address().clone();
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(bound.run(async {
        let _gone = stopped.await;
    }));
    let asked = tokio::task::spawn_blocking(move || {
        let codes = ask(&address, &format!("admin {token} till"));
        assert_eq!(codes.lines().nth(2), Some("94287082"), "{codes}");
        assert_eq!(ask(&address, &format!("admin {token} other")), "error 2021");
        assert_eq!(ask(&address, &format!("shop {token} till")), "error 2000");
        assert_eq!(ask(&address, "admin secret-token:x till"), "error 2015");
        address
    });
    let address = asked.await.unwrap();
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    assert!(TcpStream::connect(address.to_string()).is_err());
}
