//! Permissions, and the scopes of access tokens.

use std::fmt;

use strum::{IntoStaticStr, VariantArray};
use thiserror::Error;

/// A permission that an operation needs.
///
/// ```
/// use merchant_otp_domain::Permission;
///
/// assert_eq!(Permission::OtpDevicesRead.name(), "otp-devices-read");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Permission {
    /// `instances-auth-write`
    InstancesAuthWrite,
    /// `instances-read`
    InstancesRead,
    /// `instances-write`
    InstancesWrite,
    /// `inventory-lock`
    InventoryLock,
    /// `orders-read`
    OrdersRead,
    /// `orders-refund`
    OrdersRefund,
    /// `orders-write`
    OrdersWrite,
    /// `otp-devices-read`
    OtpDevicesRead,
    /// `otp-devices-write`
    OtpDevicesWrite,
    /// `token-refresh`: held by refreshable tokens, not by a scope.
    TokenRefresh,
    /// `tokens-read`
    TokensRead,
    /// `tokens-write`
    TokensWrite,
}

impl Permission {
    /// All permissions, in the order of their names.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The name of the permission in the protocol.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A named set of permissions that an access token carries (merchant protocol,
/// `LoginTokenRequest`).
///
/// ```
/// use merchant_otp_domain::Scope;
///
/// assert_eq!(Scope::OrderPos.name(), "order-pos");
/// assert!(Scope::OrderPos.covers(Scope::OrderSimple));
/// assert!(!Scope::OrderSimple.covers(Scope::OrderPos));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Scope {
    /// `readonly`: every permission whose name ends in `-read`.
    #[strum(serialize = "readonly")]
    ReadOnly,
    /// `write`: the deprecated name of [`Scope::All`].
    Write,
    /// `all`: every permission except `token-refresh`.
    All,
    /// `order-simple`: orders, read and write.
    OrderSimple,
    /// `order-pos`: orders, read and write, and locking inventory.
    OrderPos,
    /// `order-mgmt`: orders, read, write and refund.
    OrderMgmt,
    /// `order-full`: orders, read, write and refund, and locking inventory.
    OrderFull,
}

impl Scope {
    /// All scopes.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The name of the scope in the protocol.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether the scope holds every permission of `other`.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        Permission::ALL
            .iter()
            .copied()
            .all(|permission| self.permits(permission) || !other.permits(permission))
    }

    /// Whether the scope holds a permission.
    fn permits(self, permission: Permission) -> bool {
        use Permission::{InventoryLock, OrdersRead, OrdersRefund, OrdersWrite};
        if permission == Permission::TokenRefresh {
            return false;
        }
        match self {
            Self::All | Self::Write => true,
            Self::ReadOnly => permission.name().ends_with("-read"),
            Self::OrderSimple => matches!(permission, OrdersRead | OrdersWrite),
            Self::OrderPos => matches!(permission, OrdersRead | OrdersWrite | InventoryLock),
            Self::OrderMgmt => matches!(permission, OrdersRead | OrdersWrite | OrdersRefund),
            Self::OrderFull => {
                matches!(permission, OrdersRead | OrdersWrite | OrdersRefund | InventoryLock)
            }
        }
    }
}

/// The scope of an access token: a [`Scope`], with or without the suffix `:refreshable`.
///
/// ```
/// use merchant_otp_domain::{Permission, TokenScope};
///
/// let scope = TokenScope::parse("readonly:refreshable").unwrap();
/// assert!(scope.permits(Permission::OtpDevicesRead));
/// assert!(!scope.permits(Permission::OtpDevicesWrite));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenScope {
    /// What the token allows.
    pub scope: Scope,
    /// Whether the token may be exchanged for a new one.
    pub refreshable: bool,
}

impl TokenScope {
    const REFRESHABLE: &str = ":refreshable";

    /// Whether a token of this scope holds a permission.
    #[must_use]
    pub fn permits(self, permission: Permission) -> bool {
        match permission {
            Permission::TokenRefresh => self.refreshable,
            _ => self.scope.permits(permission),
        }
    }

    /// Parses a scope in the format of the protocol, such as `all` or `readonly:refreshable`.
    ///
    /// # Errors
    ///
    /// If no scope has the name.
    pub fn parse(text: &str) -> Result<Self, TokenScopeError> {
        let (name, refreshable) = match text.strip_suffix(Self::REFRESHABLE) {
            Some(name) => (name, true),
            None => (text, false),
        };
        Scope::ALL
            .iter()
            .copied()
            .find(|scope| scope.name() == name)
            .map(|scope| Self { scope, refreshable })
            .ok_or(TokenScopeError)
    }
}

impl fmt::Display for TokenScope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.scope.name())?;
        if self.refreshable {
            formatter.write_str(Self::REFRESHABLE)?;
        }
        Ok(())
    }
}

/// Error returned by [`TokenScope::parse`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "the scope is readonly, all, write, order-simple, order-pos, order-mgmt or order-full, \
     with or without :refreshable"
)]
pub struct TokenScopeError;

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions(scope: &str) -> String {
        let scope = TokenScope::parse(scope).unwrap();
        let permitted = Permission::ALL.iter().copied().filter(|one| scope.permits(*one));
        permitted.map(Permission::name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_table_of_scopes_and_permissions() {
        let everything = "instances-auth-write instances-read instances-write inventory-lock \
                          orders-read orders-refund orders-write otp-devices-read \
                          otp-devices-write tokens-read tokens-write";
        for (scope, expected) in [
            ("readonly", "instances-read orders-read otp-devices-read tokens-read"),
            ("order-simple", "orders-read orders-write"),
            ("order-pos", "inventory-lock orders-read orders-write"),
            ("order-mgmt", "orders-read orders-refund orders-write"),
            ("order-full", "inventory-lock orders-read orders-refund orders-write"),
            ("all", everything),
            ("write", everything),
            ("order-simple:refreshable", "orders-read orders-write token-refresh"),
        ] {
            assert_eq!(permissions(scope), expected, "{scope}");
        }
    }

    #[test]
    fn a_scope_covers_what_it_has_all_permissions_of() {
        let covered = |scope: Scope| {
            let covered = Scope::ALL.iter().copied().filter(|other| scope.covers(*other));
            covered.map(Scope::name).collect::<Vec<_>>().join(" ")
        };
        let everything = "readonly write all order-simple order-pos order-mgmt order-full";
        for (scope, expected) in [
            (Scope::All, everything),
            (Scope::Write, everything),
            (Scope::ReadOnly, "readonly"),
            (Scope::OrderSimple, "order-simple"),
            (Scope::OrderPos, "order-simple order-pos"),
            (Scope::OrderMgmt, "order-simple order-mgmt"),
            (Scope::OrderFull, "order-simple order-pos order-mgmt order-full"),
        ] {
            assert_eq!(covered(scope), expected, "{}", scope.name());
        }
    }

    #[test]
    fn a_scope_comes_back_from_its_text() {
        for &scope in Scope::ALL {
            for refreshable in [false, true] {
                let scope = TokenScope { scope, refreshable };
                assert_eq!(TokenScope::parse(&scope.to_string()), Ok(scope));
            }
        }
        for text in ["", "ALL", "all:", "all:refreshable:refreshable", ":refreshable", "admin"] {
            assert_eq!(TokenScope::parse(text), Err(TokenScopeError), "{text}");
        }
    }
}
