//! A TCP proxy that simulates network faults.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// A TCP proxy to a local port, which can stall or refuse connections.
pub struct Network {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    target: u16,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    condition: Condition,
    /// Both sockets of each connection.
    connections: Vec<TcpStream>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Condition {
    #[default]
    Whole,
    Cut,
    Refusing,
    Gone,
}

impl Network {
    /// Starts a proxy to a port of 127.0.0.1.
    #[must_use]
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Shared { target, state: Mutex::default(), changed: Condvar::new() };
        let shared = Arc::new(shared);
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                if !accepting.accept(client.unwrap()) {
                    return;
                }
            }
        });
        Self { port, shared }
    }

    /// The port of 127.0.0.1 that the proxy listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stalls all connections: data is held back until [`Network::resume`].
    pub fn cut(&self) {
        self.shared.change(Condition::Cut);
    }

    /// Closes all connections, and every new one at once.
    pub fn refuse(&self) {
        self.shared.change(Condition::Refusing);
    }

    /// Forwards everything again, including the data held back.
    pub fn resume(&self) {
        self.shared.change(Condition::Whole);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.shared.change(Condition::Gone);
        let _wakes_the_listener = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn change(&self, condition: Condition) {
        let mut state = self.state.lock().unwrap();
        state.condition = condition;
        if matches!(condition, Condition::Refusing | Condition::Gone) {
            for connection in state.connections.drain(..) {
                let _closed_already = connection.shutdown(Shutdown::Both);
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Forwards a connection; returns `false` once the proxy has been dropped.
    fn accept(self: &Arc<Self>, client: TcpStream) -> bool {
        let mut state = self.state.lock().unwrap();
        if state.condition == Condition::Gone {
            return false;
        }
        if state.condition == Condition::Refusing {
            return true;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.target)) else { return true };
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        for (from, to) in [(&client, &server), (&server, &client)] {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let shared = Arc::clone(self);
            thread::spawn(move || shared.forward(from, to));
        }
        state.connections.extend([client, server]);
        true
    }

    /// Copies bytes until one end closes.
    fn forward(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 16 * 1024];
        loop {
            let length = from.read(&mut buffer).unwrap_or(0);
            self.wait_while_cut();
            if length == 0 || to.write_all(&buffer[..length]).is_err() {
                let _closed_already = to.shutdown(Shutdown::Both);
                return;
            }
        }
    }

    fn wait_while_cut(&self) {
        let state = self.state.lock().unwrap();
        let cut = |state: &mut State| state.condition == Condition::Cut;
        drop(self.changed.wait_while(state, cut).unwrap());
    }
}
