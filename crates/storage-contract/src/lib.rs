//! The contract that every storage adapter of the merchant OTP service passes.
//!
//! Each case is a public function that runs on the stores of a new and empty database. An adapter
//! runs all cases with one macro call in its tests:
//!
//! ```rust
//! use merchant_otp_storage_contract::Fixture;
//! // Replace this with your own adapter.
//! use merchant_otp_storage_memory::MemoryBackend;
//!
//! merchant_otp_storage_contract::storage_contract!(async || {
//!     // A new and empty database, migrated.
//!     let backend = MemoryBackend::default();
//!     // The same database, opened again as by another process.
//!     let second = backend.clone();
//!     Fixture::new(backend, move || second.clone())
//! });
//! # merchant_otp_storage_contract::run(
//! #     merchant_otp_storage_contract::Threads::One,
//! #     async {
//! #         let backend = MemoryBackend::default();
//! #         let second = backend.clone();
//! #         let fixture = Fixture::new(backend, move || second.clone());
//! #         merchant_otp_storage_contract::instances::an_unknown_instance_is_not_found(&fixture)
//! #             .await;
//! #     },
//! # );
//! ```
//!
//! The macro generates two tests per case: one on a multi-threaded runtime whose threads share one
//! set of stores, and one on a single-threaded runtime, like that of an HTTP worker.
//!
//! Tests of rules that hold for every store belong here, and not in an adapter.
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
pub mod processes;
mod samples;
pub mod sealed_keys;
pub mod token_insertion;

use std::any::Any;
use std::sync::Arc;

use merchant_otp_ports::{StorageBackend, Stores};
use tokio::runtime::Builder;

/// A new and empty database, with a guard that keeps it alive.
pub struct Fixture {
    backend: Arc<dyn StorageBackend>,
    second: Box<dyn Fn() -> Arc<dyn StorageBackend> + Send + Sync>,
    /// Dropped after the case: removes the database.
    _guard: Box<dyn Any + Send>,
}

impl Fixture {
    /// Creates a fixture of a migrated database that needs no cleanup.
    ///
    /// `second` opens the same database again, with its own connections, as another process would.
    #[must_use]
    pub fn new<B: StorageBackend>(
        backend: B,
        second: impl Fn() -> B + Send + Sync + 'static,
    ) -> Self {
        Self::with_guard(backend, second, ())
    }

    /// Creates a fixture with a guard that must live as long as the database, such as a temporary
    /// directory.
    #[must_use]
    pub fn with_guard<B: StorageBackend>(
        backend: B,
        second: impl Fn() -> B + Send + Sync + 'static,
        guard: impl Any + Send,
    ) -> Self {
        Self {
            backend: Arc::new(backend),
            second: Box::new(move || Arc::new(second())),
            _guard: Box::new(guard),
        }
    }

    /// Returns a new set of stores. May be called repeatedly.
    #[must_use]
    pub fn stores(&self) -> Stores {
        self.backend.stores()
    }

    /// Opens the same database again, as another process would, and returns its stores.
    #[must_use]
    pub fn second(&self) -> Stores {
        (self.second)().stores()
    }
}

/// The runtime that a case runs on.
#[derive(Clone, Copy, Debug)]
pub enum Threads {
    /// Two worker threads that share one set of stores.
    Many,
    /// One thread, like an HTTP worker.
    One,
}

/// Runs a case on a new runtime.
pub fn run(threads: Threads, case: impl Future<Output = ()>) {
    let runtime = match threads {
        Threads::Many => Builder::new_multi_thread().worker_threads(2).enable_all().build(),
        Threads::One => Builder::new_current_thread().enable_all().build(),
    };
    runtime.unwrap().block_on(case);
}

/// Generates two tests per case. Takes an async closure that creates a [`Fixture`].
#[macro_export]
macro_rules! storage_contract {
    ($fixture:expr) => {
        $crate::storage_contract! { @cases $fixture;
            instances {
                an_instance_is_stored_once,
                a_password_comes_back,
                an_instance_is_replaced_if_it_is_unchanged,
                settings_come_back_as_they_were_written,
                a_deleted_instance_is_kept_but_unusable,
                exactly_one_of_concurrent_instances_wins,
                instances_are_listed_in_the_order_of_their_bytes,
                an_unknown_instance_is_not_found,
                an_instance_gets_a_serial_that_is_never_reused,
                removing_an_instance_removes_its_devices_and_tokens,
                removing_an_instance_leaves_no_orphans_under_load,
            }
            access_tokens {
                a_token_is_found_by_its_digest,
                concurrent_token_lookups_find_their_own_tokens,
                a_token_of_another_instance_is_unknown,
                every_detail_of_a_token_is_returned,
                serials_grow_and_are_never_used_again,
                tokens_are_listed_in_the_order_of_their_serials,
                tokens_are_listed_in_pages,
                a_removed_token_is_never_found_again,
                tokens_that_expired_are_removed,
                a_digest_is_stored_once_per_instance,
                an_unknown_instance_has_no_tokens,
            }
            token_insertion {
                a_token_is_stored_if_its_basis_holds,
                valid_tokens_are_limited,
                all_tokens_of_an_instance_are_removed,
                exchanges_do_not_survive_the_removal_of_all_tokens,
                a_password_is_reset_with_the_removal_of_all_tokens,
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
                concurrent_insertions_store_their_own_devices,
                a_dropped_caller_leaves_all_or_nothing,
                an_unknown_device_is_not_found,
                devices_are_listed_in_the_order_of_their_bytes,
                a_page_of_devices_has_a_size_in_bytes,
                a_device_is_replaced_if_it_is_unchanged,
                exactly_one_of_concurrent_replacements_wins,
                a_removed_device_is_gone,
            }
            audit {
                an_event_comes_back,
                a_change_appends_its_event,
                an_operation_without_effect_appends_no_event,
                one_of_concurrent_changes_appends_its_event,
                events_are_listed_by_time_in_pages,
                events_outlive_their_instance,
                old_events_are_removed,
                old_events_of_purged_instances_are_removed,
            }
            health {
                a_database_that_works_is_healthy,
            }
            processes {
                another_process_sees_what_is_stored,
                a_revocation_of_another_process_is_final,
                exactly_one_of_two_processes_stores_a_device,
                sets_of_one_process_share_the_database,
            }
            sealed_keys {
                keys_are_listed_in_the_order_of_their_ids,
                keys_are_replaced_if_they_are_unchanged,
                a_check_value_is_kept_for_each_master_key,
            }
        }
    };
    (@cases $fixture:expr; $($module:ident { $($case:ident,)+ })+) => {
        $crate::storage_contract! { @threads many_threads Many $fixture;
            $($module { $($case,)+ })+
        }
        $crate::storage_contract! { @threads one_thread One $fixture;
            $($module { $($case,)+ })+
        }

        async fn contract_fixture() -> $crate::Fixture {
            let fixture = $fixture;
            fixture().await
        }
    };
    (@threads $name:ident $threads:ident $fixture:expr;
        $($module:ident { $($case:ident,)+ })+
    ) => {
        mod $name {
            $(mod $module {
                $(#[test]
                fn $case() {
                    $crate::run($crate::Threads::$threads, async {
                        let fixture = super::super::contract_fixture().await;
                        $crate::$module::$case(&fixture).await;
                    });
                })+
            })+
        }
    };
}
