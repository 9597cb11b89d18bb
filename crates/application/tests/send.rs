//! The future of every use case is `Send`: a transport may run it on any thread of its runtime.

use std::sync::Arc;
use std::time::Duration;

use merchant_otp_application::operator::Operator;
use merchant_otp_application::{
    AccessTokenPage, AuditPosition, Grant, InstanceChange, LogIn, ManagementGrant, NewAccessToken,
    OtpDevicePages, PasswordChange, Presented, Service,
};
use merchant_otp_domain::{
    AccessTokenSerial, Instance, InstanceId, OtpDevice, OtpDeviceChange, OtpDeviceId, Password,
    Permission,
};

fn is_send<T: Send>(_: impl FnOnce() -> T) {}

/// Never called: it compiles if every future is `Send`.
#[expect(clippy::too_many_arguments, reason = "each is an argument of a use case")]
fn every_use_case_is_send(
    service: &Arc<Service>,
    operator: Operator<'_>,
    pages: &mut OtpDevicePages,
    grant: &Grant,
    manage: &ManagementGrant,
    log_in: &LogIn,
    presented: Presented<'_>,
    instance: &InstanceId,
    renamed: &InstanceChange,
    password: &Password,
    device: &OtpDevice,
    change: &OtpDeviceChange,
    id: &OtpDeviceId,
    page: AccessTokenPage,
    after: AuditPosition,
    serial: AccessTokenSerial,
    whole: &Instance,
    new: &NewAccessToken,
) {
    let permission = Permission::OtpDevicesWrite;
    is_send(|| service.authorize(presented, permission));
    is_send(|| service.authorize_management(presented, permission));
    is_send(|| service.authorize_manager(presented, permission));
    is_send(|| operator.grant(instance, permission));
    is_send(|| operator.log_in(instance));
    is_send(|| service.log_in_with_token(presented));
    is_send(|| service.log_in_with_password(presented, "", password.clone()));
    is_send(|| service.log_out(presented));
    is_send(|| service.issue_access_token(log_in, new.clone()));
    is_send(|| service.list_access_tokens(grant, page, 1));
    is_send(|| service.revoke_access_token(grant, serial));
    is_send(|| service.revoke_all_access_tokens(grant));
    is_send(|| service.set_password(grant, PasswordChange::to(password.clone())));
    is_send(|| service.add_instance(manage, whole.clone(), None));
    is_send(|| service.find_instance(presented.instance));
    is_send(|| service.instance(grant));
    is_send(|| service.list_instances(manage));
    is_send(|| service.change_instance(grant, renamed));
    is_send(|| service.delete_instance(grant));
    is_send(|| service.purge_instance(grant));
    is_send(|| service.bootstrap());
    is_send(|| service.add_otp_device(grant, device.clone()));
    is_send(|| service.otp_devices(grant.clone()));
    is_send(|| pages.next());
    is_send(|| service.otp_device(grant, id, None, None));
    is_send(|| service.sealed_otp_device(grant, id));
    is_send(|| service.change_otp_device(grant, id, change.clone()));
    is_send(|| service.remove_otp_device(grant, id));
    is_send(|| service.list_audit_events(grant, after, 1));
    is_send(|| service.remove_old_audit_events(1));
    is_send(|| service.check_master_keys());
    is_send(|| service.check_keys(Duration::ZERO, drop));
    is_send(|| service.master_key_uses());
    is_send(|| service.rotate_master_key(|_| {}));
    is_send(|| service.check_health());
}

#[test]
fn a_service_is_shared_between_threads() {
    fn is_shared<T: Send + Sync + 'static>() {}
    is_shared::<Arc<Service>>();
    assert!(size_of_val(&every_use_case_is_send) == 0, "never called");
}

/// Every use case is in the list above.
#[test]
fn no_use_case_is_missing() {
    let source = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap();
    let this = include_str!("send.rs");
    let mut found = 0;
    for file in source {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for rest in text.split("    pub async fn ").skip(1) {
            let name = rest.split(['(', '<']).next().unwrap();
            found += 1;
            let called = ["service", "operator", "pages"]
                .iter()
                .any(|owner| this.contains(&format!("{owner}.{name}(")));
            assert!(called, "{name} is missing");
        }
    }
    assert!(found >= 25, "only {found} use cases");
}
