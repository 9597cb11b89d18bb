//! The audit trail of use cases.

use std::sync::atomic::Ordering;
use std::time::Duration;

use merchant_otp_application::{AuditPosition, Error, Presented};
use merchant_otp_domain::{
    AccessToken, AuditEvent, Lifetime, OtpAlgorithm, OtpDeviceId, Permission, Scope, Timestamp,
    TokenScope,
};
use tokio::time::advance;

use crate::{Fixture, device, fixture, instance, new_token, presented, unknown_token};

const KEY: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

impl Fixture {
    async fn trail(&self) -> Vec<AuditEvent> {
        let grant = self.operator(Permission::InstancesRead);
        let start = AuditPosition { time: Timestamp::EPOCH, serial: 0 };
        let trail = self.service.list_audit_events(&grant, start, u16::MAX).await.unwrap();
        trail.into_iter().map(|stored| stored.event).collect()
    }

    /// The trail: actor, address, operation, object, outcome.
    async fn reported(&self) -> Vec<String> {
        let tell = |event: AuditEvent| {
            let address = event.address.map(|address| address.to_string());
            let token = event.access_token.map(|serial| serial.to_string());
            let on = event.device.as_ref().map(OtpDeviceId::as_str).or(token.as_deref());
            let unrecorded = match event.unrecorded {
                0 => String::new(),
                unrecorded => format!(" after {unrecorded}"),
            };
            format!(
                "{}, {}: {} {} {}{unrecorded}",
                event.actor,
                address.as_deref().unwrap_or("-"),
                event.operation.name(),
                on.unwrap_or("-"),
                event.outcome.name(),
            )
        };
        self.trail().await.into_iter().map(tell).collect()
    }

    async fn refuse(&self, token: &AccessToken) {
        let address = Some([192, 0, 2, 9].into());
        let permission = Permission::OtpDevicesWrite;
        let token = token.expose();
        let presented = Presented { address, ..presented(&self.shop, Some(&token)) };
        let refused = self.service.authorize(presented, permission).await;
        assert!(matches!(refused, Err(Error::Unauthorized(_) | Error::PermissionMissing(_))));
    }
}

#[tokio::test]
async fn the_trail_has_the_actor_of_each_change() {
    let fixture = fixture().await;
    let token = fixture.token(Scope::All, Lifetime::Forever).await;
    let address = Some([192, 0, 2, 7].into());
    let permission = Permission::OtpDevicesWrite;
    let text = token.expose();
    let presented = Presented { address, ..presented(&fixture.shop, Some(&text)) };
    let grant = fixture.service.authorize(presented, permission).await.unwrap();
    let till = device("Till", KEY, OtpAlgorithm::TotpWithoutPrice, 0);
    let other = device("Other", KEY, OtpAlgorithm::TotpWithoutPrice, 0);
    let id = till.id().clone();
    fixture.service.add_otp_device(&grant, till.clone()).await.unwrap();
    // Adding the same device again changes nothing.
    fixture.service.add_otp_device(&grant, till).await.unwrap();
    assert!(fixture.service.add_otp_device(&grant, other).await.is_err());
    fixture.service.remove_otp_device(&grant, &id).await.unwrap();
    // The id is not recorded: if there is no such device, it may be a secret in the wrong place.
    assert!(fixture.service.remove_otp_device(&grant, &id).await.is_err());
    fixture.set_password("right").await;
    fixture.log_in("shop", "right", 1).await.unwrap();
    assert!(fixture.log_in("shop", "wrong", 2).await.is_err());
    fixture.service.log_out(presented).await.unwrap();
    assert_eq!(
        fixture.reported().await,
        [
            "operator, -: instance.add - done",
            "operator, -: access-token.issue 1 done",
            "token 1 (all), 192.0.2.7: otp-device.add till done",
            "token 1 (all), 192.0.2.7: otp-device.add till conflict",
            "token 1 (all), 192.0.2.7: otp-device.remove till done",
            "token 1 (all), 192.0.2.7: otp-device.remove - not-found",
            "operator, -: instance.set-password - done",
            "password, 192.0.2.1: access-token.issue 2 done",
            "unknown, 192.0.2.2: instance.log-in - unauthorized",
            "token 1 (all), 192.0.2.7: access-token.revoke 1 done",
        ]
    );
}

#[tokio::test]
async fn the_trail_has_refusals() {
    let fixture = fixture().await;
    let reader = fixture.token(Scope::ReadOnly, Lifetime::Forever).await;
    fixture.refuse(&reader).await;
    fixture.refuse(&unknown_token()).await;
    let log_in = fixture.log_in_with_token(&reader).await;
    assert!(matches!(log_in, Err(Error::PermissionMissing(_))));
    let scope = TokenScope { scope: Scope::ReadOnly, refreshable: true };
    let refreshable = fixture.token_of(scope, Lifetime::Forever).await;
    let log_in = fixture.log_in_with_token(&refreshable).await;
    let more = new_token(TokenScope { scope: Scope::All, refreshable: false }, None);
    let exceeded = fixture.service.issue_access_token(&log_in.unwrap(), more).await;
    assert!(matches!(exceeded, Err(Error::ScopeExceeded)));
    let conflict = fixture.add_instance(instance("shop", "Another"), None).await;
    assert!(matches!(conflict, Err(Error::InstanceConflict)));
    // A client that presents no token is not recorded.
    assert!(fixture.authorize(None).await.is_err());
    assert_eq!(
        fixture.reported().await[2..],
        [
            "token 1 (readonly), 192.0.2.9: otp-devices-write - forbidden",
            "unknown, 192.0.2.9: otp-devices-write - unauthorized",
            "token 1 (readonly), -: instance.log-in - forbidden",
            "operator, -: access-token.issue 2 done",
            "token 2 (readonly:refreshable), -: access-token.issue - forbidden",
            "operator, -: instance.add - conflict",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_refusals_does_not_flood_the_trail() {
    let fixture = fixture().await;
    let reader = fixture.token(Scope::ReadOnly, Lifetime::Forever).await;
    let before = fixture.trail().await.len();
    let made_up = unknown_token();
    for _ in 0..1_000 {
        fixture.refuse(&made_up).await;
    }
    assert_eq!(fixture.trail().await.len() - before, 60);
    // Refusals of authenticated clients have a separate quota.
    fixture.refuse(&reader).await;
    advance(Duration::from_secs(1)).await;
    fixture.refuse(&made_up).await;
    assert_eq!(
        fixture.reported().await[before + 60..],
        [
            "token 1 (readonly), 192.0.2.9: otp-devices-write - forbidden",
            "unknown, 192.0.2.9: otp-devices-write - unauthorized after 940",
        ]
    );
    advance(Duration::from_hours(1)).await;
    fixture.refuse(&made_up).await;
    assert_eq!(fixture.trail().await.last().unwrap().unrecorded, 0);
}

#[tokio::test(start_paused = true)]
async fn a_flood_over_many_instances_does_not_flood_the_trail_either() {
    let mut fixture = fixture().await;
    let made_up = unknown_token();
    let mut recorded = 0;
    for number in 0..20 {
        fixture.shop = instance(&format!("shop{number}"), "Shop").id;
        fixture.add_instance(instance(fixture.shop.as_str(), "Shop"), None).await.unwrap();
        for _ in 0..60 {
            fixture.refuse(&made_up).await;
        }
        recorded += fixture.trail().await.len() - 1;
    }
    assert_eq!(recorded, 300);
    // Refusals of authenticated clients have a separate quota.
    let before = fixture.trail().await.len();
    let reader = fixture.token(Scope::ReadOnly, Lifetime::Forever).await;
    fixture.refuse(&reader).await;
    assert_eq!(fixture.trail().await.len() - before, 2);
}

#[tokio::test]
async fn old_events_are_removed() {
    let fixture = fixture().await;
    fixture.clock.0.store(2_000, Ordering::Relaxed);
    for _ in 0..1_500 {
        fixture.token(Scope::All, Lifetime::Forever).await;
    }
    fixture.clock.0.store(3_000, Ordering::Relaxed);
    fixture.set_password("right").await;
    // Only the event at time 1000 is more than 1000 seconds old.
    assert_eq!(fixture.service.remove_old_audit_events(1_000).await.unwrap(), 1);
    assert_eq!(fixture.service.remove_old_audit_events(999).await.unwrap(), 1_500);
    assert_eq!(fixture.reported().await, ["operator, -: instance.set-password - done"]);
}
