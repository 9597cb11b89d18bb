//! Devices on the command line.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use merchant_otp_tests::{KEY, Output, Server, Storage, fails, succeeds};
use serde_json::json;

use crate::{device, on_both_databases};

on_both_databases! {
    a_device_is_enrolled_with_a_uri_and_a_qr_code,
    a_key_is_generated_when_none_is_given,
    devices_are_listed_shown_and_removed,
    codes_are_shown_with_their_validity,
    errors_do_not_contain_the_key,
    valid_rows_are_imported_and_invalid_ones_rejected,
    a_corrected_reject_file_can_be_imported,
    an_import_overwrites_no_file,
}

/// The arguments that add a device to the instance `shop`.
fn add<'a>(id: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let arguments =
        ["device", "add", "--instance", "shop", "--id", id, "--description", "Till at the door"];
    [&arguments[..], more].concat()
}

fn a_device_is_enrolled_with_a_uri_and_a_qr_code(storage: &Storage) {
    succeeds(storage.run(&["instance", "add", "shop", "--name", "Käse & mehr"]));
    let shown = succeeds(storage.run(&add("till 1", &["--key", &KEY.to_lowercase()])));
    let expected = format!(
        "otpauth://totp/K%C3%A4se%20%26%20mehr:till%201?secret={KEY}\
         &issuer=K%C3%A4se%20%26%20mehr&algorithm=SHA1&digits=8&period=30"
    );
    assert_eq!(shown.lines().next(), Some(&*expected));
    let code: Vec<_> = shown.lines().filter(|line| line.contains(['█', '▀', '▄'])).collect();
    // A character shows two modules, one above the other, and a border surrounds the code.
    let width = code[0].chars().count();
    assert!(width >= 29 && code.len() == width.div_ceil(2), "{shown}");
    assert!(code.iter().all(|line| line.chars().count() == width), "{shown}");

    // Registering the same device again is no error, over HTTP or on the command line.
    let server = Server::start(storage);
    let token = succeeds(storage.run(&["token", "add", "--instance", "shop", "--scope", "all"]));
    server.post("shop", token.trim(), device("till 1").to_string()).expect_stored();
    succeeds(storage.run(&add("till 1", &["--key", KEY])));
}

fn a_key_is_generated_when_none_is_given(storage: &Storage) {
    succeeds(storage.run(&["instance", "add", "shop", "--name", "Shop"]));
    let secrets = ["one", "two"].map(|id| {
        let shown = succeeds(storage.run(&add(id, &[])));
        let secret = shown.split_once("secret=").unwrap().1.split_once('&').unwrap().0.to_owned();
        // 160 bits, 5 per character.
        assert_eq!(secret.len(), 32, "{shown}");
        secret
    });
    assert_ne!(secrets[0], secrets[1]);
    let shown = succeeds(storage.run(&add("none", &["--algorithm", "none"])));
    assert!(!shown.contains("otpauth:"), "{shown}");

    let from_stdin = storage.run_with_input(&add("stdin", &["--key", "-"]), &format!("{KEY}\n"));
    let shown = from_stdin.stdout;
    assert!(shown.contains(&format!("secret={KEY}&")), "{shown}");
}

fn devices_are_listed_shown_and_removed(storage: &Storage) {
    succeeds(storage.run(&["instance", "add", "shop", "--name", "Shop"]));
    for id in ["b", "a"] {
        succeeds(storage.run(&add(id, &["--key", KEY])));
    }
    let of_shop = |arguments: &[&'static str]| [arguments, &["--instance", "shop"]].concat();
    let list = of_shop(&["device", "list"]);
    assert_eq!(succeeds(storage.run(&list)), "a\tTill at the door\nb\tTill at the door\n");
    let shown = succeeds(storage.run(&of_shop(&["device", "show", "--id", "a"])));
    assert!(shown.contains("algorithm\tTOTP_WITHOUT_PRICE\n"), "{shown}");
    assert!(!shown.contains(KEY), "{shown}");
    succeeds(storage.run(&of_shop(&["device", "remove", "--id", "a"])));
    assert_eq!(succeeds(storage.run(&list)), "b\tTill at the door\n");
    let gone = storage.run(&of_shop(&["device", "remove", "--id", "a"]));
    assert!(!gone.success && gone.stderr.contains("merchant-otp device list"), "{}", gone.stderr);
}

fn codes_are_shown_with_their_validity(storage: &Storage) {
    succeeds(storage.run(&["instance", "add", "shop", "--name", "Shop"]));
    succeeds(storage.run(&add("time", &["--key", KEY])));
    succeeds(storage.run(&add("price", &["--key", KEY, "--algorithm", "TOTP_WITH_PRICE"])));
    let code = |arguments: &[&str]| {
        storage.run(&[&["device", "code", "--instance", "shop", "--id"], arguments].concat())
    };
    let shown = code(&["time", "--at", "1970-01-01T00:01:40Z"]).stdout;
    let times: Vec<_> = shown.lines().map(|line| line.split_once('\t').unwrap().1).collect();
    let expected = [
        "shown until 40 s ago",
        "shown until 10 s ago",
        "shown for 20 s more",
        "shown in 20 s",
        "shown in 50 s",
    ];
    assert_eq!(times, expected);
    let shown = code(&["time", "--at", "59"]).stdout;
    assert_eq!(shown.lines().nth(2), Some("94287082\tshown for 1 s more"), "{shown}");
    let shown = code(&["price", "--at", "1700000000", "--price", "EUR:1.50"]).stdout;
    let codes: Vec<_> = shown.lines().map(|line| line.split_once('\t').unwrap().0).collect();
    assert_eq!(codes, ["25414867", "50803371", "84002102", "81378344", "14701362"]);
    let refused = code(&["price"]);
    assert!(!refused.success && refused.stderr.contains("--price"), "{}", refused.stderr);
}

fn errors_do_not_contain_the_key(storage: &Storage) {
    succeeds(storage.run(&["instance", "add", "shop", "--name", "Shop"]));
    succeeds(storage.run(&add("till", &["--key", KEY])));
    let check = |output: &Output, message: &str| {
        assert!(!output.success, "{output:?}");
        assert!(output.stderr.contains(message), "{}", output.stderr);
        assert!(!output.stderr.contains("MARKER") && output.stdout.is_empty(), "{output:?}");
    };
    check(&storage.run(&add("other", &["--key", "MARKER1!"])), "not Base32");
    check(&storage.run(&add("other", &["--key", ""])), "the key is empty");
    check(&storage.run(&add("till", &["--key", "MARKERMARKER"])), "already exists");
    check(&storage.run(&add("..", &["--key", "MARKER"])), "neither . nor ..");
    let nowhere = ["device", "add", "--instance", "nobody", "--id", "x", "--description", ""];
    check(&storage.run(&nowhere), "merchant-otp instance add");

    // Nothing was stored.
    let server = Server::start(storage);
    let token = succeeds(storage.run(&["token", "add", "--instance", "shop", "--scope", "all"]));
    let listed = server.call("GET", "/instances/shop/private/otp-devices", token.trim(), "");
    let only = json!({ "otp_device_id": "till", "device_description": "Till at the door" });
    assert_eq!(listed.json(), json!({ "otp_devices": [only] }));
}

/// A CSV file in a folder of its own.
fn csv(contents: impl AsRef<[u8]>) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("devices.csv");
    std::fs::write(&path, contents).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn valid_rows_are_imported_and_invalid_ones_rejected(storage: &Storage) {
    succeeds(storage.run(&["instance", "add", "shop", "--name", "Shop"]));
    succeeds(storage.run(&add("taken", &["--key", "MZXW6"])));
    let file = format!(
        "otp_device_id,otp_device_description,otp_key,otp_algorithm,otp_ctr\n\
         till,Till at the door,{KEY},1,\n\
         \"a,b\",\"two\nlines\",{KEY},TOTP_WITH_PRICE,0\n\
         no codes,,,none,\n\
         default,,{KEY},,\n\
         ..,dots,{KEY},1,\n\
         key,,MARKER1,1,\n\
         empty,,,1,\n\
         algorithm,,{KEY},3,\n\
         counter,,{KEY},1,-1\n\
         short,,{KEY}\n\
         taken,,{KEY},1,\n"
    );
    let (folder, path) = csv(file);
    let import = ["device", "import", &path, "--instance", "shop"];
    let list = ["device", "list", "--instance", "shop"];

    let tried = storage.run(&[&import[..], &["--dry-run"]].concat());
    assert!(!tried.success);
    assert_eq!(tried.stdout, "3 rows can be registered, 8 are rejected\n");
    assert!(tried.stderr.contains("line 9: the key is missing"), "{}", tried.stderr);
    assert!(!tried.stderr.contains("MARKER"), "{}", tried.stderr);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a dry run wrote a file");
    assert_eq!(succeeds(storage.run(&list)), "taken\tTill at the door\n");

    // Twice: a device that is already registered is no error.
    for rejects in ["devices.csv.rejects.csv", "devices.csv.rejects-2.csv"] {
        let imported = storage.run(&import);
        assert!(!imported.success && imported.stderr.contains(rejects), "{}", imported.stderr);
        assert!(!imported.stderr.contains("MARKER"), "{}", imported.stderr);
        assert_eq!(imported.stdout, "3 rows are registered, 8 are rejected\n");
    }
    let listed = succeeds(storage.run(&list));
    let ids: Vec<_> = listed.lines().map(|line| line.split_once('\t').unwrap().0).collect();
    assert_eq!(ids, ["a,b", "default", "taken", "till"]);
    let server = Server::start(storage);
    let token = succeeds(storage.run(&["token", "add", "--instance", "shop", "--scope", "all"]));
    server.post("shop", token.trim(), device("till").to_string()).expect_stored();

    let rejects = format!("{path}.rejects.csv");
    let mode = std::fs::metadata(&rejects).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let rejected = String::from_utf8_lossy(&std::fs::read(&rejects).unwrap()).into_owned();
    let reasons: Vec<_> = rejected.lines().map(|line| line.rsplit(',').next().unwrap()).collect();
    let expected = [
        "reason",
        "the algorithm NONE computes no codes",
        "a device id is neither . nor ..",
        "the key is not Base32 of RFC 3548 (A-Z and 2-7, not Crockford)\"",
        "the key is missing",
        "the algorithm is 0 or NONE",
        "the counter is not a whole number",
        "3 fields, expected 5\"",
        "a device with this id and other details exists",
    ];
    assert_eq!(reasons.len(), expected.len(), "{rejected}");
    for (line, expected) in rejected.lines().zip(expected) {
        assert!(line.contains(expected.trim_end_matches('"')), "{line}: {expected}");
    }
}

/// Neither with good rows nor with bad ones, neither in a dry run nor in a real one.
fn an_import_overwrites_no_file(storage: &Storage) {
    succeeds(storage.run(&["instance", "add", "shop", "--name", "Shop"]));
    let header = "otp_device_id,otp_device_description,otp_key\n";
    for row in [format!("till,Till,{KEY}\n"), format!("..,Till,{KEY}\n")] {
        let contents = format!("{header}{row}");
        let (folder, path) = csv(&contents);
        let precious = folder.path().join("precious.txt");
        std::fs::write(&precious, "data").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("nothing yet", &link).unwrap();
        for rejects in [&precious, &link, Path::new(&path)] {
            for more in [&[][..], &["--dry-run"]] {
                let import = ["device", "import", &path, "--instance", "shop", "--rejects"];
                let import = [&import[..], &[rejects.to_str().unwrap()], more].concat();
                fails(storage.run(&import), "already exists and was not changed");
            }
        }
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "data");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), contents);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }
    let listed = succeeds(storage.run(&["device", "list", "--instance", "shop"]));
    assert_eq!(listed, "", "a refused import registered a device");
}

fn a_corrected_reject_file_can_be_imported(storage: &Storage) {
    succeeds(storage.run(&["instance", "add", "shop", "--name", "Shop"]));
    let (_folder, path) =
        csv(format!("otp_key,otp_device_id,otp_device_description\n{KEY},..,Till at the door\n"));
    let import = |path: &str| storage.run(&["device", "import", path, "--instance", "shop"]);
    assert!(!import(&path).success);
    let rejects = format!("{path}.rejects.csv");
    // Not corrected yet: no second column of reasons is added.
    assert!(!import(&rejects).success);
    let again = std::fs::read_to_string(format!("{rejects}.rejects.csv")).unwrap();
    assert_eq!(again, std::fs::read_to_string(&rejects).unwrap());
    let mended = std::fs::read_to_string(&rejects).unwrap().replacen("..", "till", 1);
    std::fs::write(&rejects, mended).unwrap();
    let imported = import(&rejects);
    assert_eq!(imported.stdout, "1 rows are registered, 0 are rejected\n", "{}", imported.stderr);

    for (contents, message) in [
        ("", "the file is empty"),
        ("otp_device_id,otp_device_description\n", "no column otp_key"),
        ("otp_device_id,otp_device_description,otp_key,colour\n", "column 4 of the first line"),
    ] {
        let (_folder, path) = csv(contents);
        let refused = import(&path);
        assert!(!refused.success && refused.stderr.contains(message), "{}", refused.stderr);
    }
    let missing = import("/nonexistent.csv");
    assert!(!missing.success && missing.stderr.contains("/nonexistent.csv"), "{}", missing.stderr);
}
