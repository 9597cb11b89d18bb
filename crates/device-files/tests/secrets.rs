//! Properties of all formats: no output contains a part of a seed, and every seed comes back.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use aes::Aes128;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeEncrypt, KeyIvInit};
use data_encoding::{BASE32_NOPAD, BASE64, HEXLOWER};
use merchant_otp_device_files::{
    Columns, DeviceFile, FileError, Format, KeyFormat, Options, Secret, read,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const TRANSPORT_KEY: [u8; 16] = [7; 16];

/// Kinds of files with seeds, the last ones without a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Csv,
    SwappedCsv,
    ColumnsCsv,
    Workbook,
    OathCsv,
    Entra,
    Yubico,
    Pskc,
    EncryptedPskc,
    OtpAuth,
    Migration,
    Aegis,
    AndOtp,
    SeedList,
    NoHeader,
    OtherJson,
    OtherXml,
}

const KINDS: [Kind; 17] = [
    Kind::Csv,
    Kind::SwappedCsv,
    Kind::ColumnsCsv,
    Kind::Workbook,
    Kind::OathCsv,
    Kind::Entra,
    Kind::Yubico,
    Kind::Pskc,
    Kind::EncryptedPskc,
    Kind::OtpAuth,
    Kind::Migration,
    Kind::Aegis,
    Kind::AndOtp,
    Kind::SeedList,
    Kind::NoHeader,
    Kind::OtherJson,
    Kind::OtherXml,
];

/// The kinds whose entries become devices.
const READ: [Kind; 11] = [
    Kind::Csv,
    Kind::ColumnsCsv,
    Kind::Workbook,
    Kind::OathCsv,
    Kind::Entra,
    Kind::Pskc,
    Kind::EncryptedPskc,
    Kind::OtpAuth,
    Kind::Migration,
    Kind::Aegis,
    Kind::AndOtp,
];

/// The seed in Base32, with the separators and the quotes of a table.
#[derive(Debug)]
struct Style {
    separator: char,
    quote: &'static str,
    group: &'static str,
    lower: bool,
}

fn base32(seed: &[u8], style: &Style) -> String {
    let text = BASE32_NOPAD.encode(seed);
    let text = if style.lower { text.to_lowercase() } else { text };
    let groups: Vec<_> =
        text.as_bytes().chunks(4).map(|group| str::from_utf8(group).unwrap()).collect();
    groups.join(style.group)
}

fn line(style: &Style, cells: &[&str]) -> String {
    let quote = |cell: &&str| format!("{0}{cell}{0}", style.quote);
    let cells: Vec<_> = cells.iter().map(quote).collect();
    format!("{}\r\n", cells.join(&style.separator.to_string()))
}

/// A file of this kind with one seed, and the options that read it.
fn file(kind: Kind, seed: &[u8], style: &Style) -> (Vec<u8>, Options) {
    let key = base32(seed, style);
    let hex = HEXLOWER.encode(seed);
    let plain = BASE32_NOPAD.encode(seed);
    let header = ["otp_device_id", "otp_device_description", "otp_key"];
    let mut options = Options { key_format: Some(KeyFormat::Base32), ..Options::default() };
    let text = match kind {
        Kind::Csv => line(style, &header) + &line(style, &["till", "Till", &key]),
        Kind::SwappedCsv => line(style, &header) + &line(style, &[&key, &hex, "till"]),
        Kind::ColumnsCsv => {
            options.columns = Some(Columns::parse("ID=A,KEY=B").unwrap());
            line(style, &["till", &key])
        }
        Kind::Workbook => return (workbook(&key), options),
        Kind::OathCsv => {
            options.key_format = None;
            line(style, &["till", &hex, "totp", "8", "30"])
        }
        Kind::Entra => {
            options.digits = Some(8);
            line(style, &["upn", "serial number", "secret key", "time interval"])
                + &line(style, &["u", "till", &key, "30"])
        }
        Kind::Yubico => {
            line(style, &["OATH-HOTP", "1.1.26", "1", "till", "", &hex, "", "", "", "", "", "6"])
        }
        Kind::Pskc => pskc(&format!("<PlainValue>{}</PlainValue>", BASE64.encode(seed)), ""),
        Kind::EncryptedPskc => {
            options.secret = Some(Secret::PreSharedKey(TRANSPORT_KEY.to_vec().into()));
            options.allow_unauthenticated = true;
            let encryptor = cbc::Encryptor::<Aes128>::new(&TRANSPORT_KEY.into(), &[9; 16].into());
            let blocks = encryptor.encrypt_padded_vec::<Pkcs7>(seed);
            let value = BASE64.encode(&[&[9; 16], &*blocks].concat());
            let method = "<EncryptionMethod Algorithm=\"x#aes128-cbc\"/>";
            let value = format!("<CipherData><CipherValue>{value}</CipherValue></CipherData>");
            pskc(&format!("<EncryptedValue>{method}{value}</EncryptedValue>"), "<EncryptionKey/>")
        }
        Kind::OtpAuth => format!("otpauth://totp/Shop:till?secret={plain}&digits=8\n"),
        Kind::Migration => {
            let length = u8::try_from(seed.len()).unwrap();
            let fields = b"\x12\x04till\x20\x01\x28\x02\x30\x02";
            let entry = [&[0x0A, length], seed, fields].concat();
            let data = [&[0x0A, u8::try_from(entry.len()).unwrap()], &*entry].concat();
            let data = BASE64.encode(&data).replace('+', "%2B");
            format!("otpauth-migration://offline?data={data}\n")
        }
        Kind::Aegis => format!(
            "{{\"version\":1,\"header\":{{}},\"db\":{{\"entries\":[{{\"type\":\"totp\",\
             \"name\":\"till\",\"info\":{{\"secret\":\"{plain}\",\"digits\":8}}}}]}}}}"
        ),
        Kind::AndOtp => format!(
            "[{{\"secret\":\"{plain}\",\"label\":\"till\",\"digits\":8,\"type\":\"TOTP\"}}]"
        ),
        Kind::SeedList => format!("till {plain}\n{hex}\n"),
        Kind::NoHeader => line(style, &["till", "Till", &key]),
        Kind::OtherJson => format!("{{\"seed\":\"{plain}\",\"{hex}\":1}}"),
        Kind::OtherXml => format!("<seeds><seed id=\"{hex}\">{plain}</seed></seeds>"),
    };
    (text.into_bytes(), options)
}

fn pskc(secret: &str, before: &str) -> String {
    format!(
        "<KeyContainer xmlns=\"urn:ietf:params:xml:ns:keyprov:pskc\">{before}<KeyPackage>\
         <DeviceInfo><SerialNo>till</SerialNo></DeviceInfo><Key Algorithm=\"pskc:totp\">\
         <AlgorithmParameters><ResponseFormat Length=\"8\" Encoding=\"DECIMAL\"/>\
         </AlgorithmParameters><Data><Secret>{secret}</Secret></Data></Key></KeyPackage>\
         </KeyContainer>"
    )
}

fn workbook(key: &str) -> Vec<u8> {
    let cell = |text: &str| format!("<c t=\"inlineStr\"><is><t>{text}</t></is></c>");
    let row = |cells: [&str; 3]| format!("<row>{}</row>", cells.map(cell).concat());
    let sheet =
        row(["otp_device_id", "otp_device_description", "otp_key"]) + &row(["till", "Till", key]);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, text) in [
        ("xl/workbook.xml", "<w xmlns:r=\"r\"><sheets><sheet name=\"T\" r:id=\"i\"/></sheets></w>"),
        ("xl/_rels/workbook.xml.rels", "<r><Relationship Id=\"i\" Target=\"s.xml\"/></r>"),
        ("xl/s.xml", &format!("<sheetData>{sheet}</sheetData>")),
    ] {
        writer.start_file(path, SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Everything that a caller may print.
fn output(result: &Result<DeviceFile, FileError>, options: &Options) -> String {
    let mut output = format!("{result:?} {options:?}");
    match result {
        Err(error) => write!(output, "{error}").unwrap(),
        Ok(file) => {
            for entry in &file.entries {
                write!(output, "{entry:?} {}", entry.place).unwrap();
                if let Err(rejected) = &entry.outcome {
                    write!(
                        output,
                        "{rejected} {rejected:?} {} {:?}",
                        rejected.place, rejected.fields
                    )
                    .unwrap();
                }
            }
            for warning in &file.warnings {
                write!(output, "{warning} {warning:?}").unwrap();
            }
        }
    }
    output
}

fn contains_a_part(output: &str, secret: &str) -> bool {
    let output = output.to_lowercase();
    secret
        .to_lowercase()
        .as_bytes()
        .windows(8)
        .any(|part| output.as_bytes().windows(8).any(|shown| shown == part))
}

fn style() -> impl Strategy<Value = Style> {
    let separator = select(vec![',', ';', '\t', '|']);
    let group = select(vec!["", " ", "-", "\u{A0}"]);
    (separator, select(vec!["", "\""]), group, any::<bool>())
        .prop_map(|(separator, quote, group, lower)| Style { separator, quote, group, lower })
}

/// A change of a file: bytes that are replaced, inserted or removed at a position.
type Change = (Index, u8, Vec<u8>);

fn change(bytes: &mut Vec<u8>, (position, how, new): &Change) {
    if bytes.is_empty() {
        return;
    }
    let position = position.index(bytes.len());
    let end = match how % 4 {
        0 => position,
        1 => position + 1,
        2 => (position + new.len()).min(bytes.len()),
        _ => bytes.len(),
    };
    bytes.splice(position..end, new.iter().copied());
}

/// Bytes that mean something to a format.
fn new_bytes() -> impl Strategy<Value = Vec<u8>> {
    let tokens =
        ["\"", ";", ",", "\n", "<", ">", "&x;", "{", "}", "[", "\\", "1E+12", "%", "=", "\0", ""];
    prop_oneof![
        select(tokens.map(|token| token.as_bytes().to_vec()).to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_output_contains_8_characters_of_a_seed(
        seed in prop::collection::vec(any::<u8>(), 10..=64),
        kind in select(KINDS.to_vec()),
        style in style(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>(), new_bytes()), 0..4),
        format in prop::option::weighted(0.2, select(Format::ALL.to_vec())),
        strict in any::<bool>(),
    ) {
        let (mut bytes, mut options) = file(kind, &seed, &style);
        for one in &changes {
            change(&mut bytes, one);
        }
        options.format = format;
        if strict {
            options.key_format = None;
            options.digits = None;
            options.allow_unauthenticated = false;
        }
        let output = output(&read(&bytes, &options), &options);
        for secret in [
            BASE32_NOPAD.encode(&seed),
            base32(&seed, &style),
            HEXLOWER.encode(&seed),
            BASE64.encode(&seed),
        ] {
            prop_assert!(!contains_a_part(&output, &secret), "{kind:?}: a part of the seed");
        }
    }

    #[test]
    fn every_seed_of_every_format_comes_back(
        seed in prop::collection::vec(any::<u8>(), 10..=64),
        kind in select(READ.to_vec()),
        style in style(),
        utf_16 in any::<bool>(),
    ) {
        let (mut bytes, options) = file(kind, &seed, &style);
        if utf_16 && kind != Kind::Workbook {
            let text = String::from_utf8(bytes).unwrap();
            let units = "\u{FEFF}".encode_utf16().chain(text.encode_utf16());
            bytes = units.flat_map(u16::to_le_bytes).collect();
        }
        let file = read(&bytes, &options).unwrap();
        prop_assert_eq!(file.entries.len(), 1);
        prop_assert_eq!(file.warnings.len(), 0);
        let device = file.entries[0].outcome.as_ref().map_err(|rejected| {
            TestCaseError::fail(format!("{kind:?}: {rejected}"))
        })?;
        prop_assert_eq!(device.id().as_str(), "till");
        prop_assert!(device.key().expose_bytes() == seed);
    }
}

#[test]
fn a_part_of_a_seed_is_found() {
    let seed = "GEZDGNBVGY3TQOJQ";
    assert!(contains_a_part("line 2: ezdgnbvg is no key", seed));
    assert!(!contains_a_part("line 2: ezdgnbv", seed));
}
