//! The connection to the server is protected according to `sslmode`.
#![expect(clippy::unwrap_used, reason = "the code of this crate is tests")]

use std::error::Error;
use std::fs;
use std::process::{Command, Stdio};

use merchant_otp_ports::{BackendError, StorageBackend};
use merchant_otp_storage_postgres::{PostgresBackend, PostgresSettings};
use merchant_otp_throwaway_postgres::Cluster;
use rcgen::generate_simple_self_signed;

/// Formats an error with its causes.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Starts a server that accepts TCP connections with TLS only.
fn start(certificate: &str, key: &str) -> Cluster {
    let files = [
        ("server.crt", certificate),
        ("server.key", key),
        ("pg_hba.conf", "hostssl all all 127.0.0.1/32 trust\nlocal all all trust\n"),
    ];
    tokio::task::block_in_place(|| {
        Cluster::start_with(&[("ssl", "on"), ("fsync", "off")], &files).unwrap()
    })
}

async fn migrate(cluster: &Cluster, host: &str, parameters: &str) -> Result<(), BackendError> {
    let url = format!("postgres://postgres@{host}:{}/postgres?{parameters}", cluster.port());
    let settings = PostgresSettings { connections: 3, sets: 1 };
    PostgresBackend::open(&url, settings).unwrap().migrate().await.map(drop)
}

/// Many servers have a certificate that `openssl x509` made without extensions.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_version_1_are_accepted_unless_they_are_verified() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &str| {
        let mut openssl = Command::new("openssl");
        openssl.current_dir(folder.path()).args(arguments.split(' ')).stderr(Stdio::null());
        assert!(openssl.status().expect("openssl is needed").success(), "{arguments}");
    };
    run("req -new -newkey rsa:2048 -nodes -keyout key.pem -subj /CN=localhost -out request.pem");
    run("x509 -req -in request.pem -signkey key.pem -days 2 -out v1.pem");
    let [certificate, key] =
        ["v1.pem", "key.pem"].map(|name| fs::read_to_string(folder.path().join(name)).unwrap());
    let cluster = start(&certificate, &key);
    for parameters in ["", "sslmode=prefer", "sslmode=require"] {
        if let Err(error) = migrate(&cluster, "127.0.0.1", parameters).await {
            panic!("{parameters}: {}", chain(&error));
        }
    }
    let root = folder.path().join("v1.pem");
    let parameters =
        format!("hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={}", root.display());
    assert!(migrate(&cluster, "localhost", &parameters).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn sslmode_is_what_it_says() {
    let server = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let stranger = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let cluster = start(&server.cert.pem(), &server.signing_key.serialize_pem());
    let folder = tempfile::tempdir().unwrap();
    let [ours, theirs] = [("ours", server.cert), ("theirs", stranger.cert)].map(|(name, cert)| {
        let path = folder.path().join(name);
        fs::write(&path, cert.pem()).unwrap();
        path.display().to_string()
    });

    for (host, parameters) in [
        ("127.0.0.1", String::new()),
        ("127.0.0.1", "sslmode=prefer".to_owned()),
        ("127.0.0.1", "sslmode=require".to_owned()),
        ("localhost", format!("hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={ours}")),
    ] {
        if let Err(error) = migrate(&cluster, host, &parameters).await {
            panic!("{host} {parameters}: {}", chain(&error));
        }
    }
    for (host, parameters, reason) in [
        ("127.0.0.1", "sslmode=disable".to_owned(), "no encryption"),
        ("localhost", "hostaddr=127.0.0.1&sslmode=verify-full".to_owned(), "certificate"),
        (
            "localhost",
            format!("hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={theirs}"),
            "certificate",
        ),
        // The host is not the one that the certificate names.
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={ours}"), "certificate"),
        ("localhost", "sslmode=verify-full&sslrootcert=/nonexistent".to_owned(), ""),
    ] {
        let error = migrate(&cluster, host, &parameters).await.unwrap_err();
        assert!(chain(&error).contains(reason), "{host} {parameters}: {}", chain(&error));
    }
}
