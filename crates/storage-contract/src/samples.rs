//! Values that the cases store.

use merchant_otp_domain::{
    AccessToken, AccessTokenDescription, AccessTokenDigest, AccessTokenInfo, AccessTokenSerial,
    Expiration, Instance, InstanceId, InstanceName, OtpAlgorithm, OtpCounter, OtpDevice,
    OtpDeviceDescription, OtpDeviceId, OtpKey, Scope, Timestamp, TokenScope,
};
use merchant_otp_ports::{AccessTokenInsertion, InstanceInsertion, Stores};

pub(crate) fn instance(id: &str) -> Instance {
    Instance {
        id: InstanceId::parse(id).unwrap(),
        name: InstanceName::parse(format!("Shop {id}")).unwrap(),
    }
}

/// An instance that is in the store.
pub(crate) async fn stored_instance(stores: &Stores, id: &str) -> InstanceId {
    let instance = instance(id);
    let insertion = stores.instances.insert(instance.clone()).await.unwrap();
    assert_eq!(insertion, InstanceInsertion::Stored);
    instance.id
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

/// A token that is in the store; answers its serial.
pub(crate) async fn stored_token(
    stores: &Stores,
    instance: &InstanceId,
    number: u8,
) -> AccessTokenSerial {
    let insertion = stores.access_tokens.insert(instance, digest(number), token_info()).await;
    match insertion.unwrap() {
        AccessTokenInsertion::Stored(serial) => serial,
        AccessTokenInsertion::NoSuchInstance => panic!("the instance is there"),
    }
}

pub(crate) fn device(id: &str, description: &str) -> OtpDevice {
    device_with_key(id, description, b"12345678901234567890".to_vec())
}

pub(crate) fn device_with_key(id: &str, description: &str, key: Vec<u8>) -> OtpDevice {
    let algorithm =
        if key.is_empty() { OtpAlgorithm::None } else { OtpAlgorithm::TotpWithoutPrice };
    OtpDevice::new(
        OtpDeviceId::parse(id).unwrap(),
        OtpDeviceDescription::parse(description).unwrap(),
        OtpKey::from_bytes(key).unwrap(),
        algorithm,
        OtpCounter::default(),
    )
    .unwrap()
}
