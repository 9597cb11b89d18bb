//! A client that checks each response and records the outcomes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use ureq::Agent;

use crate::{INSTANCES, Run};

/// The number of devices that a client works with; no other client uses them.
const DEVICES: usize = 30;

/// The number of shared devices; all clients register them, with one of two descriptions.
const SHARED: usize = 40;

/// The description of a device; `None` if the device does not exist.
pub(crate) type Held = Option<u32>;

/// The operations that change a device, by their names in the audit trail.
pub(crate) const OPERATIONS: [&str; 3] =
    ["otp-device.add", "otp-device.change", "otp-device.remove"];

/// A device, and the operations applied to it.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) instance: usize,
    pub(crate) id: String,
    pub(crate) held: Held,
    /// How often each of [`OPERATIONS`] succeeded.
    pub(crate) done: [u32; 3],
    /// The last operation if its outcome is unknown, and the state of the device if it was applied;
    /// the client does not use the device afterwards.
    pub(crate) uncertain: Option<(usize, Held)>,
}

/// The recorded outcomes.
#[derive(Default)]
pub(crate) struct Account {
    pub(crate) devices: Vec<Device>,
    /// By shared device: the descriptions reported as stored, those reported as conflicting, and
    /// those without a definite response.
    pub(crate) shared: BTreeMap<String, [BTreeSet<u32>; 3]>,
    /// The number of responses by status; 0 if the connection broke.
    pub(crate) statuses: BTreeMap<u16, u64>,
}

pub(crate) struct Client<'a> {
    run: &'a Run,
    number: u64,
    rng: Rng,
    agent: Agent,
    devices: Vec<Device>,
    /// The last number given to a device or a description.
    last: u32,
    account: Account,
}

impl<'a> Client<'a> {
    pub(crate) fn new(run: &'a Run, number: u64, rng: Rng) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_mins(1)))
            // A connection for each request: on a dead idle one, a request would be retried.
            .max_idle_connections(0);
        let agent = config.build().into();
        let account = Account::default();
        let mut client = Self { run, number, rng, agent, devices: Vec::new(), last: 0, account };
        client.devices = (0..DEVICES).map(|_| client.new_device()).collect();
        client
    }

    fn new_device(&mut self) -> Device {
        self.last += 1;
        let (number, last) = (self.number, self.last);
        let instance = self.rng.usize(..INSTANCES.len());
        let id = format!("till-{number}-{last}");
        Device { instance, id, held: None, done: [0; 3], uncertain: None }
    }

    pub(crate) fn run_until_stopped(mut self) {
        while self.run.is_running() {
            match self.rng.u32(..100) {
                0..75 => self.change_one(),
                75..85 => self.show_one(),
                85..87 => self.list(),
                87..97 => self.register_shared(),
                _ => self.send_without_permission(),
            }
        }
        let mut account = self.run.account.lock().unwrap();
        account.devices.append(&mut self.account.devices);
        account.devices.append(&mut self.devices);
        for (id, told) in self.account.shared {
            let all = account.shared.entry(id).or_default();
            for (all, told) in all.iter_mut().zip(told) {
                all.extend(told);
            }
        }
        for (status, count) in self.account.statuses {
            *account.statuses.entry(status).or_default() += count;
        }
    }

    /// Registers, changes or removes a device.
    fn change_one(&mut self) {
        let slot = self.rng.usize(..DEVICES);
        let (held, id) = (self.devices[slot].held, self.devices[slot].id.clone());
        self.last += 1;
        let new = self.last;
        let operation = [0, 0, 0, 1, 2][self.rng.usize(..5)];
        // The expected status, and the new state of the device if it changes.
        let (method, path, body, status, then) = match operation {
            0 => {
                // Either the same details again, or new ones.
                let chosen = held.filter(|_| self.rng.bool()).unwrap_or(new);
                let (status, then) = match held {
                    None => (204, Some(Some(chosen))),
                    Some(held) if held == chosen => (204, None),
                    Some(_) => (409, None),
                };
                ("POST", String::new(), registration(&id, chosen), status, then)
            }
            1 => {
                let body = json!({ "otp_device_description": description(new) });
                let then = held.map(|_| Some(new));
                ("PATCH", format!("/{id}"), body, if held.is_some() { 204 } else { 404 }, then)
            }
            _ => {
                let then = held.map(|_| None);
                let status = if held.is_some() { 204 } else { 404 };
                ("DELETE", format!("/{id}"), Value::Null, status, then)
            }
        };
        let instance = self.devices[slot].instance;
        let answer = if self.rng.u32(..100) < 3 {
            self.send_and_disconnect(instance, method, &path, &body);
            None
        } else {
            self.send(instance, method, &path, &body)
        };
        match answer {
            Some((told, answer)) if told < 500 => {
                assert_eq!(told, status, "{method} {id}, which was {held:?}: {answer}");
                if let Some(then) = then {
                    self.devices[slot].held = then;
                    self.devices[slot].done[operation] += 1;
                }
            }
            _ => {
                // The outcome is known if the request would change nothing.
                let Some(then) = then else { return };
                let next = self.new_device();
                let mut device = std::mem::replace(&mut self.devices[slot], next);
                device.uncertain = Some((operation, then));
                self.account.devices.push(device);
            }
        }
    }

    fn show_one(&mut self) {
        let device = self.devices[self.rng.usize(..DEVICES)].clone();
        let path = format!("/{}", device.id);
        let shown = self.send(device.instance, "GET", &path, &Value::Null);
        let Some((status, shown)) = shown.filter(|(status, _)| *status < 500) else { return };
        let told = (status == 200).then(|| shown["device_description"].as_str().unwrap());
        assert_eq!(told.map(str::to_owned), device.held.map(description), "{}: {shown}", device.id);
        assert!(status == 200 || shown["code"] == 2021, "{shown}");
    }

    /// Lists the devices of an instance, and checks those of this client.
    fn list(&mut self) {
        let instance = self.rng.usize(..INSTANCES.len());
        // An incomplete list is ignored.
        let Some((200, listed)) = self.send(instance, "GET", "", &Value::Null) else { return };
        let listed = descriptions(&listed);
        for device in self.devices.iter().filter(|device| device.instance == instance) {
            assert_eq!(
                listed.get(&device.id),
                device.held.map(description).as_ref(),
                "{}",
                device.id
            );
        }
    }

    fn register_shared(&mut self) {
        let id = format!("shared-{}", self.rng.usize(..SHARED));
        let chosen = self.rng.u32(..2);
        let answer = self.send(0, "POST", "", &registration(&id, chosen));
        let [stored, conflicting, uncertain] = self.account.shared.entry(id).or_default();
        match answer {
            Some((204, _)) => stored.insert(chosen),
            Some((409, _)) => conflicting.insert(chosen),
            Some((status, answer)) if status < 500 => panic!("{status}: {answer}"),
            _ => uncertain.insert(chosen),
        };
    }

    fn send_without_permission(&mut self) {
        let right = self.rng.bool();
        let (instance, token) = if right {
            ("nobody", &*self.run.tokens[0])
        } else {
            (INSTANCES[0], merchant_otp_tests::UNKNOWN_TOKEN)
        };
        let url = format!("http://{}/instances/{instance}/private/otp-devices", self.run.address);
        let answer = self.agent.get(url).header("Authorization", format!("Bearer {token}")).call();
        let status = answer.map_or(0, |answer| answer.status().as_u16());
        *self.account.statuses.entry(status).or_default() += 1;
        let expected = if right { 404 } else { 401 };
        assert!(status == expected || status == 0 || status >= 500, "{status}");
    }

    /// Sends a request; returns the status and the body, or `None` if there was no response.
    fn send(
        &mut self,
        instance: usize,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Option<(u16, Value)> {
        let (address, name) = (&self.run.address, INSTANCES[instance]);
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{address}/instances/{name}/private/otp-devices{path}"))
            .header("Authorization", format!("Bearer {}", self.run.tokens[instance]));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = self.agent.configure_request(request.body(body).unwrap());
        let request = request.allow_non_standard_methods(true).build();
        let answer = self.agent.run(request).and_then(|mut answer| {
            let text = answer.body_mut().with_config().limit(1 << 30).read_to_string()?;
            Ok((answer.status().as_u16(), text))
        });
        let status = answer.as_ref().map_or(0, |(status, _)| *status);
        *self.account.statuses.entry(status).or_default() += 1;
        if status == 0 || status >= 500 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let (status, text) = answer.ok()?;
        if text.is_empty() {
            return Some((status, Value::Null));
        }
        Some((status, serde_json::from_str(&text).ok()?))
    }

    /// Sends a request or a part of it, and disconnects without reading the response.
    fn send_and_disconnect(&mut self, instance: usize, method: &str, path: &str, body: &Value) {
        let (name, token) = (INSTANCES[instance], &self.run.tokens[instance]);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let length = body.len();
        let request = format!(
            "{method} /instances/{name}/private/otp-devices{path} HTTP/1.1\r\nHost: x\r\n\
             Authorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        // Cut off somewhere, or complete.
        let sent = self.rng.usize(1..=request.len());
        if let Ok(mut connection) = TcpStream::connect(&self.run.address) {
            let _closed_already = connection.write_all(&request.as_bytes()[..sent]);
        }
    }
}

pub(crate) fn description(held: u32) -> String {
    format!("variant {held}")
}

fn registration(id: &str, held: u32) -> Value {
    json!({
        "otp_device_id": id,
        "otp_device_description": description(held),
        "otp_key": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
        "otp_algorithm": 1,
    })
}

/// The descriptions in a device list, by device id.
pub(crate) fn descriptions(listed: &Value) -> BTreeMap<String, String> {
    let text = |device: &Value, name: &str| device[name].as_str().unwrap().to_owned();
    let listed = listed["otp_devices"].as_array().unwrap().iter();
    listed.map(|one| (text(one, "otp_device_id"), text(one, "device_description"))).collect()
}
