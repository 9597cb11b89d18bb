use std::error::Error as StdError;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use merchant_otp_application::{Error, Presented, Service};
use merchant_otp_domain::{Operation, OtpDeviceId, Permission};
use merchant_otp_taler_protocol::{ErrorAnswer, ErrorCode};
use merchant_otp_transport_kit::{
    AnsweredRequest, BindError, ConnectionPermits, Importance, InFlight, Limits, Listen, Listener,
    ListeningSocket, RequestId, loggable_instance,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tracing::Instrument;

const READ: Operation = Operation::Use(Permission::OtpDevicesRead);

/// A transport that has its address and waits to be run.
pub struct Bound {
    service: Arc<Service>,
    listener: Listener,
    limits: Limits,
}

/// Takes the address.
pub fn bind(
    listen: Listen,
    limits: Limits,
    service: impl Fn() -> Service,
) -> Result<Bound, BindError> {
    let listener = Listener::bind(listen, None)?;
    Ok(Bound { service: Arc::new(service()), listener, limits })
}

impl Bound {
    /// Where it listens.
    pub fn address(&self) -> &Listen {
        &self.listener.address
    }

    /// Answers requests until the shutdown, and then those in flight.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let ListeningSocket::Tcp(socket) = self.listener.socket else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let listener = TcpListener::from_std(socket)?;
        let permits = ConnectionPermits::new(self.limits.max_connections);
        let mut connections = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            let next = async { (permits.acquire().await, listener.accept().await) };
            let (permit, accepted) = tokio::select! {
                next = next => next,
                () = &mut shutdown => break,
            };
            let (stream, peer) = accepted?;
            let (service, limits) = (Arc::clone(&self.service), self.limits);
            connections.spawn(async move {
                let _gone_already = serve(&service, stream, peer.ip(), limits).await;
                drop(permit);
            });
            while connections.try_join_next().is_some() {}
        }
        drop(listener);
        let _given_up = timeout(self.limits.shutdown_grace, connections.join_all()).await;
        Ok(())
    }
}

/// Reads a line, and answers with the codes of the device, or with the code of an error.
async fn serve(
    service: &Service,
    mut stream: TcpStream,
    address: IpAddr,
    limits: Limits,
) -> io::Result<()> {
    let (input, mut output) = stream.split();
    let (mut line, input) = (String::new(), input.take(limits.max_body_bytes as u64));
    timeout(limits.body_deadline, BufReader::new(input).read_line(&mut line)).await??;
    let (start, in_flight, id) = (Instant::now(), InFlight::begin(), RequestId::new(None));
    let mut words = line.split_whitespace();
    let (instance, token) = (words.next().unwrap_or_default(), words.next());
    let presented = Presented { instance, token, address: Some(address) };
    let codes = codes(service, presented, words.next().unwrap_or_default());
    let codes = timeout(limits.request_deadline, codes.instrument(id.span())).await;
    drop(in_flight);

    output.write_all(answer(instance, start, codes).as_bytes()).await
}

/// Logs and counts a request; returns the reply.
fn answer(instance: &str, start: Instant, codes: Result<Result<String, Error>, Elapsed>) -> String {
    let existing = codes.as_ref().ok().and_then(|result| loggable_instance(instance, result));
    let failed: Option<(ErrorAnswer, &dyn StdError)> = match &codes {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some((ErrorAnswer::of(error, READ), error)),
        Err(late) => Some((ErrorAnswer::overdue(), late)),
    };
    let code = failed.as_ref().map(|(answer, _)| answer.code);
    AnsweredRequest {
        method: "CODES",
        method_label: "CODES",
        route: "codes",
        instance: existing,
        status: u16::from(failed.is_some()),
        code,
        error: failed.map(|(_, error)| error),
        duration: start.elapsed(),
        importance: Importance::Request,
    }
    .record();
    match (codes, code) {
        (Ok(Ok(codes)), _) => codes,
        (_, code) => format!("error {}", code.map_or(0, ErrorCode::number)),
    }
}

/// The operation: authorize, read, call the use case.
async fn codes(service: &Service, presented: Presented<'_>, id: &str) -> Result<String, Error> {
    let grant = service.authorize(presented, Permission::OtpDevicesRead).await?;
    let id = OtpDeviceId::parse(id).map_err(|_| Error::OtpDeviceUnknown)?;
    let found = service.otp_device(&grant, &id, None, None).await?;
    Ok(found.codes.map_or_else(String::new, |codes| codes.to_string()))
}
