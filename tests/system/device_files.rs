//! Files of devices as vendors, apps and spreadsheets write them: the folders of `tests/cases`.
//!
//! A case is a folder of input files and `command.sh`, which runs in a copy of the folder. The
//! expected codes are those of oathtool and of RFC 6238, at 59 s.

use std::fs;
use std::path::Path;
use std::process::Command;

use merchant_otp_tests::{Output, Storage, binary, fails, succeeds};

use crate::on_both_databases;

on_both_databases! {
    every_case_has_the_right_outcome,
    a_dry_run_equals_the_run,
    rejected_rows_are_corrected_and_imported_again,
    seeds_come_through_a_pipe,
    an_encrypted_file_is_decrypted_with_the_secret_of_a_file,
    many_devices_are_registered_in_batches,
}

/// `GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ` at 59 s: RFC 6238 appendix B.
const RFC: &str = "94287082";

/// `JBSWY3DPEHPK3PXP` at 59 s, by oathtool.
const HELLO: &str = "41996554";

/// The folder of a case, texts of the output, and the devices with their codes.
type Case = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

const CASES: &[Case] = &[
    ("01", &["already exists and was not changed", "rc=1"], &[]),
    ("02", &["already exists and was not changed", "rc=1", "a02c,Till 3"], &[]),
    ("03", &["already exists and was not changed", "rc=1", "notes.txt"], &[]),
    ("04", &["rc=0", "fixed.csv.rejects.csv"], &[("a04", HELLO)]),
    ("05", &["list of seeds as plain text", "rc=1"], &[]),
    ("06", &["does not have the names of the columns", "rc=1"], &[]),
    ("07", &["line 2: the token shows 6 digits; 8 are needed"], &[("till-1", HELLO)]),
    ("08", &["line 1: the entry does not state the digits, so the app shows 6", "rc=1"], &[]),
    ("09", &["entry 1: the token shows 6 digits; 8 are needed", "rc=1"], &[]),
    ("10", &["line 2: the key looks like hexadecimal", "--key-format hex", "rc=1"], &[]),
    ("11", &["line 2: no algorithm uses the counter", "rc=1"], &[]),
    ("12", &["the first line has the column otp_key twice", "rc=1"], &[]),
    (
        "13",
        &["warning: line 2: ", "warning: line 3: ", "compare a code", "rc=0"],
        &[("cut", "56631024"), ("cut17", HELLO)],
    ),
    ("14", &["must show 8 digits, new every 30 s (SHA-1)"], &[("60234567", RFC)]),
    ("15", &["3 rows are registered"], &[("ws-1", HELLO), ("ws-2", HELLO), ("ws-3", HELLO)]),
    ("16", &["line 2: the spreadsheet shortened the id", "format its column as text"], &[]),
    ("20", &["1 rows are registered, 0 are rejected", "rc=0"], &[("d20", HELLO)]),
    ("21", &["1 rows are registered, 0 are rejected", "rc=0"], &[("d21", HELLO)]),
    ("22", &["the Excel workbook has no sheet", "rc=1"], &[]),
    ("23", &["1 rows are registered, 0 are rejected", "rc=0"], &[("d23", HELLO)]),
    ("24", &["1 rows are registered, 0 are rejected", "rc=0"], &[("d24", HELLO)]),
    ("25", &["rc=0\n1 rows are registered"], &[("d25", HELLO), ("d25b", HELLO)]),
    (
        "26",
        &[
            "line 2: the token shows 6 digits",
            "line 3: the token shows a new code every 60 s",
            "line 4: the token is counter-based",
        ],
        &[("TS000001", RFC)],
    ),
    ("27", &["line 2: the file does not state the digits", "--digits 8", "rc=1"], &[]),
    ("28", &["line 1: the token is counter-based (HOTP)", "6 digits", "rc=1"], &[]),
    ("29", &["entry 2: the token shows 6 digits", "every 60 s"], &[("2600000000001", RFC)]),
    (
        "30",
        &[
            "entry 2: the token uses another hash function",
            "entry 3: the token shows the codes of Steam",
        ],
        &[("till-1", RFC)],
    ),
    (
        "31",
        &["line 3: a quote is not closed", "3 rows are registered, 1 are rejected"],
        &[("d31a", HELLO), ("d31c", HELLO), ("d31d", HELLO)],
    ),
    ("32", &["line 3: the id is missing", "line 4: the id is missing"], &[("d32", HELLO)]),
    ("33", &["line 2: the file is not UTF-8; save it as UTF-8 (in Excel: CSV UTF-8)"], &[]),
    (
        "34",
        &["4 rows are registered, 0 are rejected"],
        &[("k1", HELLO), ("k2", HELLO), ("k3", HELLO), ("k4", HELLO)],
    ),
    (
        "36",
        &[
            "1 rows can be registered, 1 are rejected",
            "1 rows are registered, 1 are rejected",
            "line 3: a device with this id and other details exists",
        ],
        &[("d36", HELLO)],
    ),
    ("37", &["standard input: name a new file for rejected rows with --rejects"], &[]),
    ("38", &["/nonexistent/r.csv: No such file or directory", "rc=1"], &[]),
    (
        "39",
        &[
            "line 2: the counter is not a whole number",
            "line 3: no algorithm uses the counter",
            "line 4: the algorithm is not a whole number",
        ],
        &[("d39d", HELLO)],
    ),
];

/// Seeds of the cases, in the encodings of their files.
const SEEDS: [&str; 6] = [
    "JBSWY3DPEHPK3PXP",
    "GEZDGNBVGY3TQOJQ",
    "DA4B9237BACCCDF1",
    "31323334353637383930",
    "MTIzNDU2Nzg5MDEy",
    "5a6b7c2d3e4f5a6b",
];

fn cases() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// The path of an input file of a case.
fn input(case: &str, file: &str) -> String {
    let folders = fs::read_dir(cases()).unwrap().map(|entry| entry.unwrap().path());
    let folder = folders
        .into_iter()
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with(case))
        .unwrap();
    folder.join(file).to_str().unwrap().to_owned()
}

/// Runs the command of a case in a copy of its folder; returns its standard error, its standard
/// output, and the copy.
fn run(storage: &Storage, case: &str) -> (String, String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let script = input(case, "command.sh");
    for entry in fs::read_dir(Path::new(&script).parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let mut command = Command::new("bash");
    command.arg("command.sh").current_dir(folder.path());
    for (name, value) in storage.command(&[], &[]).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    // No server runs: the commands of the cases that call one are not about files.
    command.env("M", binary()).env("TOKEN", "x").env("B", "http://127.0.0.1:9/instances/cafe");
    let Output { stdout, stderr, .. } = Output::of(command);
    (stderr, stdout, folder)
}

fn code(storage: &Storage, id: &str) -> String {
    let shown =
        succeeds(storage.run(&["device", "code", "--instance", "cafe", "--id", id, "--at", "59"]));
    shown.lines().nth(2).unwrap().split('\t').next().unwrap().to_owned()
}

fn ids(storage: &Storage) -> Vec<String> {
    let shown = succeeds(storage.run(&["device", "list", "--instance", "cafe"]));
    shown.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

fn cafe(storage: &Storage) {
    succeeds(storage.run(&["instance", "add", "cafe", "--name", "Café"]));
}

fn every_case_has_the_right_outcome(storage: &Storage) {
    cafe(storage);
    for (case, texts, devices) in CASES {
        let (stderr, stdout, folder) = run(storage, case);
        let printed = format!("{stderr}\n{stdout}");
        for text in *texts {
            assert!(printed.contains(text), "{case}: no {text:?} in\n{printed}");
        }
        for (id, expected) in *devices {
            assert_eq!(code(storage, id), *expected, "{case}: {id}");
        }
        // Some commands print a file of rejected rows, or the URI of a device that they add.
        let prints_seeds = matches!(*case, "02" | "31" | "32" | "34" | "39");
        for seed in SEEDS {
            let shown = if prints_seeds { &stderr } else { &printed };
            assert!(!shown.contains(seed), "{case}: a seed in\n{shown}");
        }
        let script = input(case, "command.sh");
        for entry in fs::read_dir(Path::new(&script).parent().unwrap()).unwrap() {
            let (path, name) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name());
            let copy = fs::read(folder.path().join(&name)).unwrap();
            assert!(copy == fs::read(path).unwrap(), "{case}: {} was changed", name.display());
        }
        let registered = ids(storage);
        let expected = devices.iter().map(|(id, _)| (*id).to_owned());
        // The commands of some cases also add devices by themselves.
        let others = registered.iter().filter(|id| !expected.clone().any(|known| known == **id));
        let others: Vec<_> =
            others.filter(|id| !matches!(&***id, "hexcli" | "k5" | "k6")).collect();
        assert!(others.is_empty(), "{case}: {others:?}");
        for id in &registered {
            succeeds(storage.run(&["device", "remove", "--instance", "cafe", "--id", id]));
        }
    }
}

/// The command line that imports a file of a case.
fn import<'a>(path: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["device", "import", "--instance", "cafe", path], more].concat()
}

fn a_dry_run_equals_the_run(storage: &Storage) {
    cafe(storage);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let key = "JBSWY3DPEHPK3PXP";
    let header = "otp_device_id,otp_device_description,otp_key\n";
    // A conflict within the file, an equal row, a truncated key and a wrong one.
    let rows = format!(
        "a,Till,{key}\na,Till,GEZDGNBVGY3TQOJQ\na,Till,{key}\nb,Till,{key}A\nc,Till,otpauth://x\n"
    );
    fs::write(path("seeds.csv"), format!("{header}{rows}")).unwrap();
    let (rejects, input) = (path("rejects.csv"), path("seeds.csv"));
    let tried = storage.run(&import(&input, &["--rejects", &rejects, "--dry-run"]));
    assert!(!fs::exists(&rejects).unwrap());
    assert_eq!(ids(storage), [""; 0]);
    let done = storage.run(&import(&input, &["--rejects", &rejects]));
    assert_eq!(ids(storage), ["a", "b"]);
    assert_eq!(tried.stdout, "3 rows can be registered, 2 are rejected\n");
    assert_eq!(done.stdout, tried.stdout.replace("can be", "are"));
    let messages = |output: &Output| {
        let lines = output.stderr.lines().filter(|line| {
            // Only the run creates files.
            !line.contains("rows are rejected") && !line.contains("created the master key")
        });
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(messages(&done), messages(&tried));
    assert!(messages(&done).len() >= 3 && !done.success && !tried.success, "{}", done.stderr);
}

fn rejected_rows_are_corrected_and_imported_again(storage: &Storage) {
    cafe(storage);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let rejects = path("rejects.csv");
    let aegis = input("30", "aegis.json");
    assert!(!storage.run(&import(&aegis, &["--rejects", &rejects])).success);
    let text = fs::read_to_string(&rejects).unwrap();
    assert!(text.contains("entry 2,the token uses another hash function"), "{text}");

    // What a token is does not get lost, so the rows are rejected again.
    let again = path("again.csv");
    let second = storage.run(&import(&rejects, &["--rejects", &again]));
    assert_eq!(second.stdout, "0 rows are registered, 2 are rejected\n", "{}", second.stderr);
    // The token was reprogrammed.
    let corrected = "otp_device_id,otp_device_description,otp_key,otp_digits,place,reason\n\
                     till-2,Shop,JBSWY3DPEHPK3PXP,8,line 2,\n";
    fs::write(path("corrected.csv"), corrected).unwrap();
    succeeds(storage.run(&import(&path("corrected.csv"), &[])));
    assert_eq!(code(storage, "till-2"), HELLO);
    // Nothing was rejected, so there is no file of rejected rows.
    assert!(!fs::exists(path("corrected.csv.rejects.csv")).unwrap());
}

fn seeds_come_through_a_pipe(storage: &Storage) {
    cafe(storage);
    let folder = tempfile::tempdir().unwrap();
    let rejects = folder.path().join("rejects.csv").to_str().unwrap().to_owned();
    let seeds = fs::read_to_string(input("37", "seeds.csv")).unwrap();
    let refused = storage.run_with_input(&import("-", &[]), &seeds);
    fails(refused, "standard input: name a new file for rejected rows with --rejects");
    assert_eq!(ids(storage), [""; 0]);
    let done = storage.run_with_input(&import("-", &["--rejects", &rejects]), &seeds);
    assert_eq!(done.stdout, "2 rows are registered, 1 are rejected\n");
    assert!(done.stderr.contains("standard input: line 3: "), "{}", done.stderr);
    assert_eq!(ids(storage), ["d37a", "d37c"]);
}

fn an_encrypted_file_is_decrypted_with_the_secret_of_a_file(storage: &Storage) {
    cafe(storage);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::copy(cases().join("pskc-encrypted/figure-6.xml"), path("seeds.xml")).unwrap();
    fs::write(path("key"), "12345678901234567890123456789012\n").unwrap();
    fs::write(path("wrong"), "22345678901234567890123456789012\n").unwrap();
    let seeds = path("seeds.xml");
    fails(storage.run(&import(&seeds, &[])), "--key-file");
    fails(
        storage.run(&import(&seeds, &["--key-file", &path("wrong")])),
        "the key or passphrase is wrong",
    );
    succeeds(storage.run(&import(&seeds, &["--key-file", &path("key")])));
    assert_eq!(code(storage, "987654321"), RFC);
}

fn many_devices_are_registered_in_batches(storage: &Storage) {
    cafe(storage);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seeds.csv");
    let header = "otp_device_id,otp_device_description,otp_key\n";
    let row = |number: u32| format!("till-{number},Till,JBSWY3DPEHPK3PXP\n");
    fs::write(&path, format!("{header}{}", (0..1200).map(row).collect::<String>())).unwrap();
    let path = path.to_str().unwrap();
    // Twice: devices that are registered already are no error.
    for _ in 0..2 {
        let printed = succeeds(storage.run(&import(path, &["--id-prefix", "shop-"])));
        assert_eq!(printed, "1200 rows are registered, 0 are rejected\n");
    }
    assert_eq!(ids(storage).len(), 1200);
    assert_eq!(code(storage, "shop-till-1199"), HELLO);
}
