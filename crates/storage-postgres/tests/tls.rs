//! The connection to the server is protected according to `sslmode`.

use merchant_otp_ports::StorageBackend;
use merchant_otp_storage_postgres::{PostgresBackend, PostgresSettings};
use merchant_otp_throwaway_postgres::Cluster;
use rcgen::generate_simple_self_signed;
use std::error::Error;
use std::fs;

/// Formats an error with its causes.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test(flavor = "multi_thread")]
async fn sslmode_is_what_it_says() {
    let server = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let stranger = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = [
        ("server.crt", server.cert.pem()),
        ("server.key", server.signing_key.serialize_pem()),
        // A TCP connection without TLS is refused.
        ("pg_hba.conf", "hostssl all all 127.0.0.1/32 trust\nlocal all all trust\n".to_owned()),
    ];
    let files = files.each_ref().map(|(name, contents)| (*name, &**contents));
    let cluster = tokio::task::block_in_place(|| {
        Cluster::start_with(&[("ssl", "on"), ("fsync", "off")], &files).unwrap()
    });
    let folder = tempfile::tempdir().unwrap();
    let [ours, theirs] = [("ours", server.cert), ("theirs", stranger.cert)].map(|(name, cert)| {
        let path = folder.path().join(name);
        fs::write(&path, cert.pem()).unwrap();
        path.display().to_string()
    });

    let port = cluster.port();
    let migrate = async |host: &str, parameters: &str| {
        let url = format!("postgres://postgres@{host}:{port}/postgres?{parameters}");
        let settings = PostgresSettings { connections: 3, sets: 1 };
        PostgresBackend::open(&url, settings).unwrap().migrate().await
    };
    for (host, parameters) in [
        ("127.0.0.1", String::new()),
        ("127.0.0.1", "sslmode=prefer".to_owned()),
        ("127.0.0.1", "sslmode=require".to_owned()),
        ("localhost", format!("hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={ours}")),
    ] {
        if let Err(error) = migrate(host, &parameters).await {
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
        let error = migrate(host, &parameters).await.unwrap_err();
        assert!(chain(&error).contains(reason), "{host} {parameters}: {}", chain(&error));
    }
}
