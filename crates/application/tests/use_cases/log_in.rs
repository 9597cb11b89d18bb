//! Log-in with a password.

use merchant_otp_application::{Error, Refusal};
use merchant_otp_domain::{Scope, TokenScope};

use crate::fixture;

#[tokio::test]
async fn the_password_of_the_instance_logs_in() {
    let fixture = fixture().await;
    fixture.set_password("old").await;
    fixture.set_password("new").await;
    let scope = fixture.log_in("shop", "new", 1).await.unwrap();
    assert_eq!(scope, TokenScope { scope: Scope::All, refreshable: true });
    for (user, password) in [("shop", "old"), ("shop", "new "), ("Shop", "new"), ("", "new")] {
        let refused = fixture.log_in(user, password, 1).await;
        assert!(matches!(refused, Err(Error::Unauthorized(Refusal::Password))), "{user}");
    }
}

#[tokio::test]
async fn an_instance_without_a_password_refuses_like_one_with_a_password() {
    let fixture = fixture().await;
    let refused = fixture.log_in("shop", "password", 1).await;
    assert!(matches!(refused, Err(Error::Unauthorized(Refusal::Password))));
}

#[tokio::test]
async fn failed_log_ins_are_limited_and_successful_ones_are_not() {
    let fixture = fixture().await;
    fixture.set_password("right").await;
    for _ in 0..9 {
        let refused = fixture.log_in("shop", "wrong", 1).await;
        assert!(matches!(refused, Err(Error::Unauthorized(Refusal::Password))));
    }
    for _ in 0..12 {
        fixture.log_in("shop", "right", 1).await.unwrap();
    }
    assert!(matches!(fixture.log_in("shop", "wrong", 1).await, Err(Error::Unauthorized(_))));
    // The right password is refused too: a response must not reveal a correct guess.
    for password in ["wrong", "right"] {
        let refused = fixture.log_in("shop", password, 1).await;
        assert!(matches!(refused, Err(Error::TooManyLogIns { .. })));
    }
    fixture.log_in("shop", "right", 2).await.unwrap();
}
