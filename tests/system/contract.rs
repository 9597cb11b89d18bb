//! The service conforms to its OpenAPI description; schemathesis checks it.

use std::process::{Command, Stdio};

use merchant_otp_test_tools::schemathesis;
use merchant_otp_tests::{ErrorCode, Server, Storage};
use serde_json::Value;

use crate::on_both_databases;

on_both_databases! {
    every_response_conforms_to_the_description,
    every_operation_is_described,
}

/// A run of schemathesis.
struct Run<'a> {
    token: &'a str,
    arguments: &'a [&'a str],
}

/// Operations that remove what the others need.
const DESTRUCTIVE: &str = "(log_out|remove_instance|revoke_access_token)$";

fn every_response_conforms_to_the_description(storage: &Storage) {
    // Made-up tokens would count as wrong passwords, and then be throttled.
    let server = Server::start_with(storage, &[("SECURITY__PASSWORD_AS_TOKEN", "off")]);
    let shop = storage.token("shop", "all:refreshable", "forever");
    let admin = storage.token("admin", "all:refreshable", "forever");
    let own = format!("^named_{DESTRUCTIVE}");
    let of_admin = format!("^{DESTRUCTIVE}");
    for Run { token, arguments } in [
        Run {
            token: &shop,
            arguments: &[
                "--include-path-regex=^/instances/",
                &format!("--exclude-operation-id-regex={own}"),
            ],
        },
        Run {
            token: &admin,
            arguments: &[
                "--include-path-regex=^/(private|management|config|openapi)",
                &format!("--exclude-operation-id-regex={of_admin}"),
            ],
        },
        // The token and the instance are soon removed, and then the credentials are not the first
        // error.
        Run {
            token: &admin,
            arguments: &[
                &format!("--include-operation-id-regex={of_admin}"),
                "--exclude-checks=missing_required_header,ignored_auth",
            ],
        },
    ] {
        let output = Command::new(schemathesis().unwrap())
            .arg("--config-file")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/schemathesis/schemathesis.toml"))
            .args(["run", &format!("http://{}/openapi.json", server.address())])
            .args(["--header", &format!("Authorization: Bearer {token}")])
            .args(["--phases=coverage,fuzzing", "--max-examples=40", "--max-redirects=0"])
            // A fixed seed: a failure comes from a change of the service, not from chance.
            .arg("--seed=1")
            .args(["--continue-on-failure", "--no-color", "--output-truncate=false"])
            .args(arguments)
            .stdin(Stdio::null())
            // schemathesis stores examples in the current folder.
            .current_dir(tempfile::tempdir().unwrap().path())
            .output()
            .unwrap();
        let (report, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{report}{errors}");
        assert!(report.contains(" passed"), "nothing was tried: {report}{errors}");
    }
    let (_, log) = server.stop();
    assert!(log.contains("\"status\":204"), "{log}");
    assert!(!log.contains("\"level\":\"ERROR\""), "{log}");
}

/// The operations of the service are exactly those of its description.
fn every_operation_is_described(storage: &Storage) {
    let server = Server::start(storage);
    let described = server.request("GET", "/openapi.json", &[], b"");
    assert_eq!(described.status, 200);
    assert_eq!(described.header("Content-Type"), Some("application/json"));
    assert_eq!(described.body, storage.run(&["openapi"]).stdout);
    let described: Value = described.json();
    assert_eq!(described["openapi"], "3.1.0");
    let paths = described["paths"].as_object().unwrap();
    assert!(paths.len() > 15, "{} paths", paths.len());
    for (path, operations) in paths {
        let mut methods: Vec<_> =
            operations.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        if methods.contains(&"GET".to_owned()) {
            methods.push("HEAD".to_owned());
        }
        methods.sort_unstable();
        let example = path
            .replace("{instance}", "nobody")
            .replace("{device}", "till")
            .replace("{serial}", "1");
        // The refusal of another method lists the allowed ones.
        let refused = server.request("PUT", &example, &[], b"");
        refused.expect_error(405, ErrorCode::GenericMethodInvalid);
        assert_eq!(refused.header("Allow"), Some(&*methods.join(", ")), "{path}");
        for method in &methods {
            let answered = server.request(method, &example, &[], b"{}");
            assert!(!["20", "21"].iter().any(|code| answered.body.contains(&format!(":{code},"))));
        }
    }
}
