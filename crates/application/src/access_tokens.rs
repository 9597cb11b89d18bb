use merchant_otp_domain::{
    AccessToken, AccessTokenDescription, AccessTokenInfo, AccessTokenSerial, Expiration,
    InstanceId, Lifetime, Scope, TokenScope,
};
use merchant_otp_ports::{AccessTokenInsertion, StoredAccessToken};
use zeroize::Zeroizing;

use crate::retry::retry_contention;
use crate::{Error, Service};

/// What an access token is to be.
#[derive(Clone, Debug)]
pub struct NewAccessToken {
    /// What it allows.
    pub scope: TokenScope,
    /// For how long it is good.
    pub lifetime: Lifetime,
    /// What it is for, in the words of its owner.
    pub description: AccessTokenDescription,
}

impl NewAccessToken {
    /// For all of an instance, for good.
    #[must_use]
    pub fn for_everything() -> Self {
        Self {
            scope: TokenScope { scope: Scope::All, refreshable: false },
            lifetime: Lifetime::Forever,
            description: AccessTokenDescription::default(),
        }
    }
}

/// An access token that was made just now.
#[derive(Debug)]
pub struct IssuedAccessToken {
    /// The secret: it can be told this once, the store does not know it.
    pub token: AccessToken,
    /// The number to revoke it by.
    pub serial: AccessTokenSerial,
}

impl Service {
    /// Makes an access token for an instance.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceUnknown`], [`Error::NoRandomness`] or [`Error::Storage`].
    pub async fn issue_access_token(
        &self,
        instance: &InstanceId,
        new: NewAccessToken,
    ) -> Result<IssuedAccessToken, Error> {
        let mut bits = Zeroizing::new([0; 32]);
        getrandom::fill(bits.as_mut_slice()).map_err(Error::NoRandomness)?;
        let token = AccessToken::from_random(&bits);

        let created = self.clock.now();
        let info = AccessTokenInfo {
            scope: new.scope,
            created,
            expiration: Expiration::after(created, new.lifetime),
            description: new.description,
        };
        let digest = token.digest();
        let insert =
            async || self.stores.access_tokens.insert(instance, digest, info.clone()).await;
        match retry_contention(insert).await? {
            AccessTokenInsertion::Stored(serial) => Ok(IssuedAccessToken { token, serial }),
            AccessTokenInsertion::NoSuchInstance => Err(Error::InstanceUnknown),
        }
    }

    /// All access tokens of an instance, expired ones included, ordered by serial.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceUnknown`] or [`Error::Storage`].
    pub async fn list_access_tokens(
        &self,
        instance: &InstanceId,
    ) -> Result<Vec<StoredAccessToken>, Error> {
        retry_contention(async || self.stores.access_tokens.list(instance).await)
            .await?
            .ok_or(Error::InstanceUnknown)
    }

    /// Revokes an access token of an instance.
    ///
    /// # Errors
    ///
    /// [`Error::AccessTokenUnknown`] if the instance has none with this serial,
    /// [`Error::InstanceUnknown`] or [`Error::Storage`].
    pub async fn revoke_access_token(
        &self,
        instance: &InstanceId,
        serial: AccessTokenSerial,
    ) -> Result<(), Error> {
        let remove = async || self.stores.access_tokens.remove(instance, serial).await;
        if retry_contention(remove).await? {
            return Ok(());
        }
        let known = retry_contention(async || self.stores.instances.find(instance).await).await?;
        Err(if known.is_some() { Error::AccessTokenUnknown } else { Error::InstanceUnknown })
    }
}
