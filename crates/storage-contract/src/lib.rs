//! The contract that every storage adapter of the merchant OTP service passes.
//!
//! Each case is a public function over the stores of a new and empty database. An adapter runs all of
//! them by one line in its tests:
//!
//! ```text
//! merchant_otp_storage_contract::storage_contract!(async || Fixture::new(my_adapter::open()));
//! ```
//!
//! A rule that holds for every store belongs here and nowhere else.
#![expect(clippy::missing_panics_doc, reason = "a case fails by panicking")]
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the code of this crate is tests"
)]

pub mod access_tokens;
pub mod audit;
pub mod health;
pub mod instances;
pub mod otp_devices;
mod samples;
pub mod sealed_keys;

use std::any::Any;

use merchant_otp_ports::Stores;

/// The stores of a new and empty database, and what keeps it alive.
pub struct Fixture {
    /// The stores under test.
    pub stores: Stores,
    /// Dropped after the case: removes the database.
    _guard: Box<dyn Any + Send>,
}

impl Fixture {
    /// Stores with nothing to clean up.
    #[must_use]
    pub fn new(stores: Stores) -> Self {
        Self::with_guard(stores, ())
    }

    /// Stores with something that has to live as long as they do, such as a temporary directory.
    pub fn with_guard(stores: Stores, guard: impl Any + Send) -> Self {
        Self { stores, _guard: Box::new(guard) }
    }
}

/// Runs one case on a runtime of its own.
pub fn run(case: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(case);
}

/// Makes a test of each case; takes an async closure that makes a [`Fixture`].
#[macro_export]
macro_rules! storage_contract {
    ($fixture:expr) => {
        $crate::storage_contract! { @cases $fixture;
            instances {
                an_instance_is_stored_once,
                a_password_comes_back,
                an_instance_is_renamed,
                a_deleted_instance_is_kept_and_of_no_use,
                exactly_one_of_concurrent_instances_wins,
                instances_are_listed_in_the_order_of_their_bytes,
                an_unknown_instance_is_not_found,
                removing_an_instance_removes_its_devices_and_tokens,
                removing_an_instance_leaves_no_orphans_under_load,
            }
            access_tokens {
                a_token_is_found_by_its_digest,
                tokens_of_one_moment_are_not_mixed_up,
                a_token_of_another_instance_is_unknown,
                everything_known_of_a_token_comes_back,
                serials_grow_and_are_never_used_again,
                tokens_are_listed_in_the_order_of_their_serials,
                tokens_are_listed_in_pages,
                a_removed_token_is_never_found_again,
                tokens_that_expired_are_removed,
                a_digest_is_never_stored_twice,
                an_unknown_instance_has_no_tokens,
            }
            otp_devices {
                a_device_is_stored_once,
                keys_come_back_bit_for_bit,
                every_detail_comes_back,
                ids_are_compared_byte_for_byte,
                instances_do_not_see_each_others_devices,
                an_unknown_instance_takes_no_devices,
                exactly_one_of_concurrent_devices_wins,
                concurrent_devices_of_different_ids_are_all_stored,
                devices_of_one_moment_are_not_mixed_up,
                a_dropped_caller_leaves_all_or_nothing,
                an_unknown_device_is_not_found,
                devices_are_listed_in_the_order_of_their_bytes,
                a_device_is_replaced_if_it_is_unchanged,
                exactly_one_of_concurrent_replacements_wins,
                a_removed_device_is_gone,
            }
            audit {
                an_event_comes_back,
                what_changes_something_appends_its_event,
                what_changes_nothing_appends_nothing,
                one_of_concurrent_changes_appends_its_event,
                events_are_listed_by_time_in_pages,
                events_outlive_their_instance,
                old_events_are_removed,
            }
            health {
                a_database_that_works_is_healthy,
            }
            sealed_keys {
                keys_are_listed_in_the_order_of_their_places,
                keys_are_replaced_if_they_are_unchanged,
                a_sample_is_kept_for_each_master_key,
            }
        }
    };
    (@cases $fixture:expr; $($module:ident { $($case:ident,)+ })+) => {
        $(mod $module {
            $(#[test]
            fn $case() {
                $crate::run(async {
                    let fixture = super::contract_fixture().await;
                    $crate::$module::$case(&fixture.stores).await;
                });
            })+
        })+

        async fn contract_fixture() -> $crate::Fixture {
            let fixture = $fixture;
            fixture().await
        }
    };
}
