//! Snapshots of the public interface: responses of the API, and the help of each command.
//!
//! After an intended change: `INSTA_UPDATE=always cargo xtask test -p merchant-otp-tests --test
//! system snapshots`, and read the diff.

use insta::{Settings, assert_snapshot};
use merchant_otp_tests::{Reply, Server, Storage, UNKNOWN_TOKEN, binary};
use serde_json::json;
use std::process::Command;

use crate::{device, on_both_databases};

on_both_databases! {
    the_responses_of_the_api,
}

/// A response as a client sees it: the status, the headers sorted by name, and the body.
fn render(request: &str, reply: &Reply) -> String {
    let mut headers: Vec<_> = reply
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    format!("{request}\n\n{}\n{}\n\n{}\n", reply.status, headers.join("\n"), reply.body)
}

fn the_responses_of_the_api(storage: &Storage) {
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.add_filter(r"x-request-id: [0-9a-f]{16}", "x-request-id: [id]");
    settings.add_filter(r"date: .*", "date: [date]");
    settings.add_filter(r"secret-token:[0-9A-Z]+", "secret-token:[token]");
    settings.add_filter(r#""t_s":\d+"#, r#""t_s":[time]"#);
    settings.add_filter(r"content-length: \d+", "content-length: [length]");
    settings.add_filter(r"server:\d+\.\d+\.\d+", "server:[version]");
    let _bound = settings.bind_to_scope();

    let server = Server::start(storage);
    storage.password("shop", "correct horse");
    let token = storage.token("shop", "all", "forever");
    let devices = "/instances/shop/private/otp-devices";
    let till = "/instances/shop/private/otp-devices/till";
    let mut other = device("till");
    other["otp_device_description"] = "Till at the window".into();
    let mut wrong = device("till-2");
    wrong["otp_key"] = "0189".into();
    let (unknown, nothing) = (UNKNOWN_TOKEN.to_owned(), json!({}));
    for (name, method, path, token, body) in [
        ("register", "POST", devices, &token, device("till")),
        ("register_a_conflict", "POST", devices, &token, other),
        ("register_a_wrong_key", "POST", devices, &token, wrong),
        ("register_with_an_unknown_token", "POST", devices, &unknown, device("till")),
        ("list", "GET", devices, &token, nothing.clone()),
        (
            "show",
            "GET",
            "/instances/shop/private/otp-devices/till?faketime=59",
            &token,
            nothing.clone(),
        ),
        (
            "show_an_unknown_device",
            "GET",
            "/instances/shop/private/otp-devices/x",
            &token,
            nothing.clone(),
        ),
        ("change", "PATCH", till, &token, json!({ "otp_device_description": "Till 1" })),
        ("show_an_instance", "GET", "/instances/shop/private", &token, nothing.clone()),
        ("an_unknown_instance", "GET", "/instances/other/private", &token, nothing.clone()),
        ("an_unknown_endpoint", "GET", "/nowhere", &token, nothing.clone()),
        ("an_unknown_method", "DELETE", devices, &token, nothing.clone()),
        ("config", "GET", "/config", &token, nothing.clone()),
        ("remove", "DELETE", till, &token, nothing),
    ] {
        let body = if body == json!({}) { String::new() } else { body.to_string() };
        let reply = server.call(method, path, token, body);
        assert_snapshot!(format!("api_{name}"), render(&format!("{method} {path}"), &reply));
    }
    let request = json!({ "scope": "readonly" }).to_string();
    let reply = server.log_in("shop", "correct horse", &request);
    assert_snapshot!("api_log_in", render("POST /instances/shop/private/token", &reply));
}

/// The help of the program and of each of its commands.
#[test]
fn the_help_of_each_command() {
    let help = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--help").env("COLUMNS", "100");
        let output = command.output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    let _bound = settings.bind_to_scope();
    let root = help(&[]);
    let commands = |help: &str| -> Vec<String> {
        let list = help.split("Commands:\n").nth(1).unwrap_or_default();
        let list = list.split("\n\n").next().unwrap_or_default();
        let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        let names = names.filter_map(|line| line.split_whitespace().next().map(str::to_owned));
        names.filter(|name| name != "help").collect()
    };
    let mut texts = vec![("merchant-otp".to_owned(), root.clone())];
    for command in commands(&root) {
        let text = help(&[&command]);
        for subcommand in commands(&text) {
            let name = format!("merchant-otp {command} {subcommand}");
            texts.push((name, help(&[&command, &subcommand])));
        }
        texts.push((format!("merchant-otp {command}"), text));
    }
    assert!(texts.len() > 20, "only {} commands", texts.len());
    texts.sort();
    let texts: Vec<_> = texts.iter().map(|(name, text)| format!("# {name}\n\n{text}")).collect();
    assert_snapshot!("help", texts.join("\n"));
}
