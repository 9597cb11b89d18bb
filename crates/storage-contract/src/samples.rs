//! Values that the cases store.

use std::sync::LazyLock;

use merchant_otp_domain::{
    AccessToken, AccessTokenDescription, AccessTokenDigest, AccessTokenInfo, AccessTokenSerial,
    Actor, AuditEvent, Expiration, Instance, InstanceId, InstanceName, InstanceSettings, Operation,
    OtpAlgorithm, OtpCounter, OtpDeviceDescription, OtpDeviceId, Outcome, PasswordHash, Scope,
    SealedOtpDevice, SealedOtpKey, Timestamp, TokenScope,
};
use merchant_otp_ports::{
    AccessTokenInsertion, AccessTokenPage, InstanceInsertion, StoredAccessToken, StoredInstance,
    Stores, TokenBasis,
};

pub(crate) fn instance(id: &str) -> Instance {
    Instance {
        id: InstanceId::parse(id).unwrap(),
        name: InstanceName::parse(format!("Shop {id}")).unwrap(),
        settings: InstanceSettings::default(),
    }
}

/// The stored form of an instance without a password, as [`unnumbered`] returns it.
pub(crate) fn without_password(instance: Instance) -> StoredInstance {
    StoredInstance { serial: 0, instance, password: None, deleted: false }
}

/// Replaces the serial of a stored instance, which the database assigns, with 0.
pub(crate) fn unnumbered(stored: StoredInstance) -> StoredInstance {
    assert!(stored.serial >= 1, "{stored:?}");
    StoredInstance { serial: 0, ..stored }
}

/// A password hash whose salt consists of `number`.
pub(crate) fn password_hash(number: u8) -> PasswordHash {
    let salt = data_encoding::BASE64_NOPAD.encode(&[number; 16]);
    let hash = data_encoding::BASE64_NOPAD.encode(&[0; 32]);
    PasswordHash::parse(format!("$argon2id$v=19$m=47104,t=1,p=1${salt}${hash}")).unwrap()
}

/// Stores an instance and returns its id.
pub(crate) async fn stored_instance(stores: &Stores, id: &str) -> InstanceId {
    let instance = instance(id);
    let insertion = stores.instances.insert(instance.clone(), None, &EVENT).await.unwrap();
    assert_eq!(insertion, InstanceInsertion::Stored);
    instance.id
}

/// The event of changes whose event a case does not check.
pub(crate) static EVENT: LazyLock<AuditEvent> =
    LazyLock::new(|| event_of("anywhere", Operation::AddInstance));

/// An event of an instance.
pub(crate) fn event_of(instance: &str, operation: Operation) -> AuditEvent {
    AuditEvent {
        time: Timestamp::from_seconds(1_700_000_000).unwrap(),
        instance: InstanceId::parse(instance).unwrap(),
        actor: Actor::Operator,
        address: None,
        operation,
        device: None,
        access_token: None,
        outcome: Outcome::Done,
        unrecorded: 0,
    }
}

pub(crate) fn digest(number: u8) -> AccessTokenDigest {
    AccessToken::from_random(&[number; 32].into()).digest()
}

pub(crate) fn token_info() -> AccessTokenInfo {
    AccessTokenInfo {
        scope: TokenScope { scope: Scope::All, refreshable: false },
        created: Timestamp::from_seconds(1_700_000_000).unwrap(),
        expiration: Expiration::Never,
        description: AccessTokenDescription::default(),
    }
}

/// Stores an access token and returns its serial.
pub(crate) async fn stored_token(
    stores: &Stores,
    instance: &InstanceId,
    number: u8,
) -> AccessTokenSerial {
    let insertion = stores
        .access_tokens
        .insert(instance, digest(number), token_info(), TokenBasis::Operator, u32::MAX, &EVENT)
        .await;
    match insertion.unwrap() {
        AccessTokenInsertion::Stored(serial) => serial,
        refused => panic!("the token is not stored: {refused:?}"),
    }
}

/// All tokens of an instance, in the order of their serials.
pub(crate) async fn all_tokens(stores: &Stores, instance: &InstanceId) -> Vec<StoredAccessToken> {
    stores.access_tokens.list(instance, AccessTokenPage::After(0), u16::MAX).await.unwrap()
}

/// A sealed key whose master-key id and ciphertext consist of the given numbers.
pub(crate) fn sealed_key(master_key: u8, number: u8) -> SealedOtpKey {
    SealedOtpKey::new([[master_key; 8].as_slice(), &[number; 60]].concat()).unwrap()
}

pub(crate) fn device(id: &str, description: &str) -> SealedOtpDevice {
    device_with_key(id, description, sealed_key(1, 1))
}

pub(crate) fn device_with_key(id: &str, description: &str, key: SealedOtpKey) -> SealedOtpDevice {
    SealedOtpDevice {
        id: OtpDeviceId::parse(id).unwrap(),
        description: OtpDeviceDescription::parse(description).unwrap(),
        key,
        algorithm: OtpAlgorithm::TotpWithoutPrice,
        counter: OtpCounter::default(),
    }
}
