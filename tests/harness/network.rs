//! A network that can be cut.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// A way to a port of this machine that can be cut, as a network can.
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
    /// Both ends of each connection.
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
    /// A way to a port of 127.0.0.1.
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

    /// The port of 127.0.0.1 where it begins.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Drops everything silently: what is sent waits.
    pub fn cut(&self) {
        self.shared.change(Condition::Cut);
    }

    /// Connections are reset, and new ones are.
    pub fn refuse(&self) {
        self.shared.change(Condition::Refusing);
    }

    /// Everything comes through, also what waited.
    pub fn mend(&self) {
        self.shared.change(Condition::Whole);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.shared.change(Condition::Gone);
        let _wakes_who_accepts = TcpStream::connect(("127.0.0.1", self.port));
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

    /// Answers whether there may be more.
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

    /// Moves bytes until one end closes.
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
