//! PSKC against the examples of RFC 6030, and the parts that they do not have.

use zeroize::Zeroizing;

use crate::{
    DeviceFile, FileError, Format, Options, Reason, Secret, Unsupported, WarningKind, read,
};

/// RFC 6030, figure 6: the key is encrypted with a pre-shared key.
const FIGURE_6: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc"
    xmlns:ds="http://www.w3.org/2000/09/xmldsig#" xmlns:xenc="http://www.w3.org/2001/04/xmlenc#">
  <EncryptionKey><ds:KeyName>Pre-shared-key</ds:KeyName></EncryptionKey>
  <MACMethod Algorithm="http://www.w3.org/2000/09/xmldsig#hmac-sha1">
    <MACKey>
      <xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>
      <xenc:CipherData><xenc:CipherValue>
        ESIzRFVmd4iZABEiM0RVZgKn6WjLaTC1sbeBMSvIhRejN9vJa2BOlSaMrR7I5wSX
      </xenc:CipherValue></xenc:CipherData>
    </MACKey>
  </MACMethod>
  <KeyPackage>
    <DeviceInfo><Manufacturer>Manufacturer</Manufacturer><SerialNo>987654321</SerialNo></DeviceInfo>
    <Key Id="12345678" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp">
      <AlgorithmParameters><ResponseFormat Length="8" Encoding="DECIMAL"/></AlgorithmParameters>
      <Data>
        <Secret>
          <EncryptedValue>
            <xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>
            <xenc:CipherData><xenc:CipherValue>
              AAECAwQFBgcICQoLDA0OD+cIHItlB3Wra1DUpxVvOx2lef1VmNPCMl8jwZqIUqGv
            </xenc:CipherValue></xenc:CipherData>
          </EncryptedValue>
          <ValueMAC>Su+NvtQfmvfJzF6bmQiJqoLRExc=</ValueMAC>
        </Secret>
        <Counter><PlainValue>0</PlainValue></Counter>
      </Data>
    </Key>
  </KeyPackage>
</KeyContainer>"#;

/// RFC 6030, figure 7: the key is encrypted with a key that is derived from a passphrase.
const FIGURE_7: &str = r##"<?xml version="1.0" encoding="UTF-8"?>
<pskc:KeyContainer xmlns:pskc="urn:ietf:params:xml:ns:keyprov:pskc" Version="1.0"
    xmlns:xenc11="http://www.w3.org/2009/xmlenc11#" xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"
    xmlns:pkcs5="http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#">
  <pskc:EncryptionKey>
    <xenc11:DerivedKey>
      <xenc11:KeyDerivationMethod
          Algorithm="http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#pbkdf2">
        <pkcs5:PBKDF2-params>
          <Salt><Specified>Ej7/PEpyEpw=</Specified></Salt>
          <IterationCount>1000</IterationCount>
          <KeyLength>16</KeyLength>
          <PRF/>
        </pkcs5:PBKDF2-params>
      </xenc11:KeyDerivationMethod>
      <xenc:ReferenceList><xenc:DataReference URI="#ED"/></xenc:ReferenceList>
      <xenc11:MasterKeyName>My Password 1</xenc11:MasterKeyName>
    </xenc11:DerivedKey>
  </pskc:EncryptionKey>
  <pskc:MACMethod Algorithm="http://www.w3.org/2000/09/xmldsig#hmac-sha1">
    <pskc:MACKey>
      <xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>
      <xenc:CipherData><xenc:CipherValue>
        2GTTnLwM3I4e5IO5FkufoOEiOhNj91fhKRQBtBJYluUDsPOLTfUvoU2dStyOwYZx
      </xenc:CipherValue></xenc:CipherData>
    </pskc:MACKey>
  </pskc:MACMethod>
  <pskc:KeyPackage>
    <pskc:DeviceInfo>
      <pskc:Manufacturer>TokenVendorAcme</pskc:Manufacturer>
      <pskc:SerialNo>987654321</pskc:SerialNo>
    </pskc:DeviceInfo>
    <pskc:Key Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp" Id="123456">
      <pskc:AlgorithmParameters>
        <pskc:ResponseFormat Length="8" Encoding="DECIMAL"/>
      </pskc:AlgorithmParameters>
      <pskc:Data>
        <pskc:Secret>
          <pskc:EncryptedValue Id="ED">
            <xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>
            <xenc:CipherData><xenc:CipherValue>
              oTvo+S22nsmS2Z/RtcoF8Hfh+jzMe0RkiafpoDpnoZTjPYZu6V+A4aEn032yCr4f
            </xenc:CipherValue></xenc:CipherData>
          </pskc:EncryptedValue>
          <pskc:ValueMAC>LP6xMvjtypbfT9PdkJhBZ+D6O4w=</pskc:ValueMAC>
        </pskc:Secret>
      </pskc:Data>
    </pskc:Key>
  </pskc:KeyPackage>
</pskc:KeyContainer>"##;

fn pre_shared() -> Options {
    // RFC 6030 section 6.1: the key of figure 6.
    let key = data_encoding::HEXLOWER.decode(b"12345678901234567890123456789012").unwrap();
    Options { secret: Some(Secret::PreSharedKey(Zeroizing::new(key))), ..Options::default() }
}

fn passphrase(text: &str) -> Options {
    let secret = Secret::Passphrase(Zeroizing::new(text.to_owned()));
    Options { secret: Some(secret), ..Options::default() }
}

/// The examples are counter-based: a time-based key of the same value is a device.
fn time_based(text: &str) -> String {
    text.replace("pskc:hotp\"", "pskc:totp\"")
}

fn reasons(file: &DeviceFile) -> Vec<Vec<Reason>> {
    let rejected = file.entries.iter().filter_map(|entry| entry.outcome.as_ref().err());
    rejected.map(|rejected| rejected.reasons.clone()).collect()
}

#[test]
fn figure_6_is_decrypted_with_the_pre_shared_key() {
    let file = read(FIGURE_6.as_bytes(), &pre_shared()).unwrap();
    assert_eq!(file.format, Format::Pskc);
    assert_eq!(reasons(&file), [[Reason::CounterBased]]);

    let file = read(time_based(FIGURE_6).as_bytes(), &pre_shared()).unwrap();
    let device = file.entries[0].outcome.as_ref().unwrap();
    assert_eq!(device.id().as_str(), "987654321");
    assert_eq!(device.description().as_str(), "Manufacturer 987654321");
    assert_eq!(device.key().expose_bytes(), b"12345678901234567890");
}

#[test]
fn figure_7_is_decrypted_with_the_passphrase() {
    let file = read(time_based(FIGURE_7).as_bytes(), &passphrase("qwerty")).unwrap();
    let device = file.entries[0].outcome.as_ref().unwrap();
    assert_eq!(device.key().expose_bytes(), b"12345678901234567890");
}

#[test]
fn a_wrong_or_missing_secret_is_an_error_of_the_file() {
    let wrong = Secret::PreSharedKey(Zeroizing::new(vec![7; 16]));
    let wrong = Options { secret: Some(wrong), ..Options::default() };
    for (text, options, error) in [
        (FIGURE_6, Options::default(), FileError::KeyNeeded),
        (FIGURE_6, passphrase("qwerty"), FileError::KeyNeeded),
        (FIGURE_6, wrong, FileError::WrongSecret),
        (FIGURE_7, Options::default(), FileError::PassphraseNeeded),
        (FIGURE_7, pre_shared(), FileError::PassphraseNeeded),
        (FIGURE_7, passphrase("qwertz"), FileError::WrongSecret),
    ] {
        assert_eq!(read(text.as_bytes(), &options).err(), Some(error));
    }
    let text = FIGURE_7.replace(">1000<", ">4000000000<");
    assert_eq!(read(text.as_bytes(), &passphrase("x")).err(), Some(FileError::Encryption));
}

#[test]
fn a_mac_is_checked_and_a_missing_one_is_refused() {
    let changed = time_based(FIGURE_6).replace("AAECAwQF", "AQECAwQF");
    assert_eq!(read(changed.as_bytes(), &pre_shared()).err(), Some(FileError::WrongSecret));

    let without =
        time_based(FIGURE_6).replace("<ValueMAC>Su+NvtQfmvfJzF6bmQiJqoLRExc=</ValueMAC>", "");
    let file = read(without.as_bytes(), &pre_shared()).unwrap();
    assert_eq!(reasons(&file), [[Reason::MacMissing]]);
    let options = Options { allow_unauthenticated: true, ..pre_shared() };
    let file = read(without.as_bytes(), &options).unwrap();
    let device = file.entries[0].outcome.as_ref().unwrap();
    assert_eq!(device.key().expose_bytes(), b"12345678901234567890");
    // The option does not accept a wrong MAC.
    assert_eq!(read(changed.as_bytes(), &options).err(), Some(FileError::WrongSecret));
}

#[test]
fn encrypted_numbers_are_decrypted() {
    // Encrypted with the keys of figure 6 by another implementation: 0 and 60 in 4 bytes, 30 in 8
    // bytes and in decimal digits.
    let zero = "AAECAwQFBgcICQoLDA0OD4my//gOBecEw/7ureuSaXY= kcj+UEY/xJ6LFzCtCLcUjXpxY8I=";
    let sixty = "AAECAwQFBgcICQoLDA0ODzzyJCXG6JSlKnmbgiTK2s0= pvmt91YDo05FH3ZXjDPxwU9BFYg=";
    let thirty = "AAECAwQFBgcICQoLDA0OD9JzXjKKanCB7YDdAUvb8rM= 0yGAm2Lh4JAwz93+K6r2sAwao/Y=";
    let digits = "AAECAwQFBgcICQoLDA0ODyvj35LS4wxJUxxBq2kroRE= ZfNp0Bh8xKX/6nMKC3blBrPD11M=";
    let element = |name: &str, value: &str| {
        let (value, mac) = value.split_once(' ').unwrap();
        format!(
            "<{name}><EncryptedValue><EncryptionMethod Algorithm=\"x#aes128-cbc\"/><CipherData>\
             <CipherValue>{value}</CipherValue></CipherData></EncryptedValue>\
             <ValueMAC>{mac}</ValueMAC></{name}>"
        )
    };
    let changed = thirty.replace("0yGA", "1yGA");
    for (start, period, expected) in [
        (zero, thirty, None),
        (zero, digits, None),
        (zero, sixty, Some(Reason::Period(60))),
        (thirty, thirty, Some(Reason::StartTime)),
    ] {
        let numbers = element("Time", start) + &element("TimeInterval", period);
        let text = time_based(FIGURE_6).replace("<Counter>", &format!("{numbers}<Counter>"));
        let file = read(text.as_bytes(), &pre_shared()).unwrap();
        assert_eq!(reasons(&file).concat().first().copied(), expected);
    }
    let text = time_based(FIGURE_6)
        .replace("<Counter>", &(element("TimeInterval", &changed) + "<Counter>"));
    assert_eq!(read(text.as_bytes(), &pre_shared()).err(), Some(FileError::WrongSecret));
}

#[test]
fn other_encryptions_are_refused() {
    let text = FIGURE_6.replace("#aes128-cbc", "#tripledes-cbc");
    assert_eq!(read(text.as_bytes(), &pre_shared()).err(), Some(FileError::Encryption));
    let text = FIGURE_6.replace("ds:KeyName", "ds:X509Data");
    assert_eq!(read(text.as_bytes(), &pre_shared()).err(), Some(FileError::Encryption));
}

/// A plain container of one key, with what stands inside of the key.
fn plain(key: &str) -> String {
    format!(
        "<KeyContainer Version=\"1.0\" xmlns=\"urn:ietf:params:xml:ns:keyprov:pskc\">\
         <KeyPackage><DeviceInfo><Manufacturer>Acme</Manufacturer><SerialNo>26</SerialNo>\
         </DeviceInfo>{key}</KeyPackage></KeyContainer>"
    )
}

fn key(parameters: &str, data: &str) -> String {
    format!(
        "<Key Id=\"k1\" Algorithm=\"urn:ietf:params:xml:ns:keyprov:pskc:totp\">\
         <AlgorithmParameters>{parameters}</AlgorithmParameters><Data><Secret>\
         <PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue></Secret>{data}</Data></Key>"
    )
}

const EIGHT: &str = "<ResponseFormat Length=\"8\" Encoding=\"DECIMAL\"/>";

#[test]
fn plain_keys_are_devices_if_their_codes_fit() {
    let thirty = "<Time><PlainValue>0</PlainValue></Time>\
                  <TimeInterval><PlainValue>30</PlainValue></TimeInterval>";
    let file = read(plain(&key(EIGHT, thirty)).as_bytes(), &Options::default()).unwrap();
    let device = file.entries[0].outcome.as_ref().unwrap();
    assert_eq!((device.id().as_str(), device.description().as_str()), ("26", "Acme 26"));
    assert_eq!(device.key().expose_bytes(), b"12345678901234567890");
    assert!(!file.warnings.iter().any(|warning| warning.kind == WarningKind::KeyBits));

    for (parameters, data, expected) in [
        ("<ResponseFormat Length=\"6\" Encoding=\"DECIMAL\"/>", "", Reason::Digits(6)),
        ("", "", Reason::DigitsLeftOut),
        ("<ResponseFormat Length=\"8\" Encoding=\"ALPHANUMERIC\"/>", "", Reason::Encoding),
        (
            "<ResponseFormat Length=\"8\" Encoding=\"DECIMAL\" CheckDigits=\"true\"/>",
            "",
            Reason::Encoding,
        ),
        (EIGHT, "<TimeInterval><PlainValue>60</PlainValue></TimeInterval>", Reason::Period(60)),
        (EIGHT, "<Time><PlainValue>100</PlainValue></Time>", Reason::StartTime),
    ] {
        let text = plain(&key(parameters, data));
        let file = read(text.as_bytes(), &Options::default()).unwrap();
        assert_eq!(reasons(&file), [[expected]], "{parameters}{data}");
    }
    let suite = format!("{EIGHT}<Suite>HMAC-SHA256</Suite>");
    let file = read(plain(&key(&suite, "")).as_bytes(), &Options::default()).unwrap();
    assert_eq!(reasons(&file), [[Reason::Hash]]);
    let text = plain(&key(EIGHT, "").replace("MTIz", "*"));
    let file = read(text.as_bytes(), &Options::default()).unwrap();
    assert_eq!(reasons(&file), [[Reason::NotBase64]]);
}

#[test]
fn keys_of_one_device_get_different_ids() {
    let two = format!("{}{}", key(EIGHT, ""), key(EIGHT, "").replace("k1", "k2"));
    let file = read(plain(&two).as_bytes(), &Options::default()).unwrap();
    let ids: Vec<_> =
        file.entries.iter().map(|entry| entry.outcome.as_ref().unwrap().id().as_str()).collect();
    assert_eq!(ids, ["26-k1", "26-k2"]);
}

#[test]
fn other_documents_are_named_with_a_remedy() {
    for (text, error) in [
        ("<Tokens><Token serial=\"1\"/></Tokens>", Unsupported::SafeNet),
        (
            "<?xml version=\"1.0\"?>\n<data><header><manufacturerCode>DN</manufacturerCode>\
             </header><tokens/></data>",
            Unsupported::SafeId,
        ),
        ("<html><body/></html>", Unsupported::OtherXml),
        ("<KeyContainer><Device/></KeyContainer>", Unsupported::OldPskc),
    ] {
        let found = read(text.as_bytes(), &Options::default()).err();
        assert_eq!(found, Some(FileError::Unsupported(error)), "{text}");
    }
}
