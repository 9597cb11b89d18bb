//! The statements of the units of work, written once for every backend.

/// Implements [`UnitsOfWork`](crate::units_of_work::UnitsOfWork) for a type, over the diesel connection in one of its fields.
///
/// A macro, because diesel's statements are typed by their backend: generic code would have to spell
/// out the bounds of each. What changes something is in one transaction with its audit event, which begins
/// with the change: SQLite waits for another writer then only, and not once something was read.
#[macro_export]
macro_rules! units_of_work {
    ($type:ty, $connection:ident: $connection_type:ty) => {
        const _: () = {
            use diesel::prelude::*;
            use diesel::result::{DatabaseErrorKind, Error};
            use diesel::sql_types::{BigInt, Bool, Text};
            use $crate::audit_rows::{AuditEventRow, NewAuditEventRow};
            use $crate::rows::{
                AccessTokenRow, DeviceKeyRow, InstanceRow, MasterKeyCountRow, NewAccessTokenRow,
                NewOtpDeviceRow, OtpDeviceSummaryRow,
            };
            use $crate::schema::{
                __diesel_schema_migrations, access_tokens, audit_events, instances, master_keys,
                otp_devices,
            };
            use $crate::units_of_work::{UnitsOfWork, instance_in_the_way};
            use $crate::{Failure, domain, ports};

            fn append(
                connection: &mut $connection_type,
                event: &domain::AuditEvent,
            ) -> QueryResult<()> {
                diesel::insert_into(audit_events::table)
                    .values(NewAuditEventRow::from(event))
                    .execute(connection)
                    .map(|_| ())
            }

            /// Makes a change of at most one row; answers whether it did, with its event.
            fn change(
                connection: &mut $connection_type,
                event: &domain::AuditEvent,
                statement: impl FnOnce(&mut $connection_type) -> QueryResult<usize>,
            ) -> Result<bool, Failure> {
                connection.transaction(|connection| {
                    let changed = statement(connection)? > 0;
                    if changed {
                        append(connection, event)?;
                    }
                    Ok(changed)
                })
            }

            impl UnitsOfWork for $type {
                fn insert_instance(
                    &mut self,
                    row: &InstanceRow,
                    event: &domain::AuditEvent,
                ) -> Result<ports::InstanceInsertion, Failure> {
                    let inserted = change(&mut self.$connection, event, |connection| {
                        diesel::insert_into(instances::table)
                            .values(row)
                            .on_conflict_do_nothing()
                            .execute(connection)
                    })?;
                    if inserted {
                        return Ok(ports::InstanceInsertion::Stored);
                    }
                    let existing = instances::table
                        .find(row.id())
                        .select(InstanceRow::as_select())
                        .get_result(&mut self.$connection)
                        .optional()
                        .map_err(Failure::Read)?;
                    instance_in_the_way(existing).map(ports::InstanceInsertion::Exists)
                }

                fn find_instance(
                    &mut self,
                    id: &str,
                ) -> Result<Option<ports::StoredInstance>, Failure> {
                    instances::table
                        .find(id)
                        .select(InstanceRow::as_select())
                        .get_result(&mut self.$connection)
                        .optional()
                        .map_err(Failure::Read)?
                        .map(InstanceRow::into_instance)
                        .transpose()
                }

                fn list_instances(&mut self) -> Result<Vec<ports::StoredInstance>, Failure> {
                    instances::table
                        .order(instances::id)
                        .select(InstanceRow::as_select())
                        .load(&mut self.$connection)
                        .map_err(Failure::Read)?
                        .into_iter()
                        .map(InstanceRow::into_instance)
                        .collect()
                }

                fn rename_instance(
                    &mut self,
                    id: &str,
                    name: &str,
                    event: &domain::AuditEvent,
                ) -> Result<bool, Failure> {
                    change(&mut self.$connection, event, |connection| {
                        diesel::update(instances::table.find(id))
                            .filter(instances::deleted.eq(false))
                            .set(instances::name.eq(name))
                            .execute(connection)
                    })
                }

                fn set_password_of_instance(
                    &mut self,
                    id: &str,
                    password: &str,
                    event: &domain::AuditEvent,
                ) -> Result<bool, Failure> {
                    change(&mut self.$connection, event, |connection| {
                        diesel::update(instances::table.find(id))
                            .filter(instances::deleted.eq(false))
                            .set(instances::password_hash.eq(password))
                            .execute(connection)
                    })
                }

                fn mark_instance_deleted(
                    &mut self,
                    id: &str,
                    event: &domain::AuditEvent,
                ) -> Result<bool, Failure> {
                    change(&mut self.$connection, event, |connection| {
                        diesel::update(instances::table.find(id))
                            .filter(instances::deleted.eq(false))
                            .set((
                                instances::deleted.eq(true),
                                instances::password_hash.eq(None::<&str>),
                            ))
                            .execute(connection)
                    })
                }

                fn remove_instance(
                    &mut self,
                    id: &str,
                    event: &domain::AuditEvent,
                ) -> Result<bool, Failure> {
                    change(&mut self.$connection, event, |connection| {
                        diesel::delete(instances::table.find(id)).execute(connection)
                    })
                }

                fn insert_access_token(
                    &mut self,
                    row: &NewAccessTokenRow,
                    event: &domain::AuditEvent,
                ) -> Result<ports::AccessTokenInsertion, Failure> {
                    let inserted = self.$connection.transaction(|connection| {
                        let serials = diesel::insert_into(access_tokens::table)
                            .values(row)
                            .returning(access_tokens::serial)
                            .get_results::<i64>(connection)?;
                        let serial = *serials.first().ok_or(Error::NotFound)?;
                        let serial =
                            domain::AccessTokenSerial::new(serial).map_err(Failure::corrupt)?;
                        let access_token = Some(serial);
                        append(connection, &domain::AuditEvent { access_token, ..event.clone() })?;
                        Ok(serial)
                    });
                    match inserted {
                        Ok(serial) => Ok(ports::AccessTokenInsertion::Stored(serial)),
                        Err(Failure::Write(Error::DatabaseError(
                            DatabaseErrorKind::ForeignKeyViolation,
                            _,
                        ))) => Ok(ports::AccessTokenInsertion::NoSuchInstance),
                        Err(error) => Err(error),
                    }
                }

                fn list_access_tokens(
                    &mut self,
                    instance: &str,
                    page: ports::AccessTokenPage,
                    limit: u16,
                ) -> Result<Vec<ports::StoredAccessToken>, Failure> {
                    let (above, last, ascending) = match page {
                        ports::AccessTokenPage::After(serial) => (serial, i64::MAX, true),
                        ports::AccessTokenPage::Before(serial) => {
                            (0, serial.saturating_sub(1), false)
                        }
                    };
                    let tokens = access_tokens::table
                        .filter(access_tokens::instance_id.eq(instance))
                        .filter(access_tokens::serial.gt(above))
                        .filter(access_tokens::serial.le(last))
                        .limit(limit.into())
                        .select(AccessTokenRow::as_select());
                    let rows = if ascending {
                        tokens.order(access_tokens::serial.asc()).load(&mut self.$connection)
                    } else {
                        tokens.order(access_tokens::serial.desc()).load(&mut self.$connection)
                    };
                    rows.map_err(Failure::Read)?
                        .into_iter()
                        .map(AccessTokenRow::into_token)
                        .collect()
                }

                fn remove_access_token(
                    &mut self,
                    instance: &str,
                    serial: i64,
                    event: &domain::AuditEvent,
                ) -> Result<bool, Failure> {
                    change(&mut self.$connection, event, |connection| {
                        diesel::delete(access_tokens::table.find(serial))
                            .filter(access_tokens::instance_id.eq(instance))
                            .execute(connection)
                    })
                }

                fn remove_expired_access_tokens(
                    &mut self,
                    instance: &str,
                    before: domain::Timestamp,
                ) -> Result<u64, Failure> {
                    // A timestamp is below 2^53.
                    let before = before.seconds().cast_signed();
                    let removed = diesel::delete(access_tokens::table)
                        .filter(access_tokens::instance_id.eq(instance))
                        .filter(access_tokens::expires_at.lt(before))
                        .execute(&mut self.$connection)
                        .map_err(Failure::Write)?;
                    Ok(removed as u64)
                }

                fn list_otp_devices(
                    &mut self,
                    instance: &str,
                    after: Option<&str>,
                    limit: u16,
                ) -> Result<Vec<domain::OtpDeviceSummary>, Failure> {
                    otp_devices::table
                        .filter(otp_devices::instance_id.eq(instance))
                        // No id is empty: all are after the empty one.
                        .filter(otp_devices::device_id.gt(after.unwrap_or_default()))
                        .order(otp_devices::device_id)
                        .limit(limit.into())
                        .select(OtpDeviceSummaryRow::as_select())
                        .load(&mut self.$connection)
                        .map_err(Failure::Read)?
                        .into_iter()
                        .map(OtpDeviceSummaryRow::into_summary)
                        .collect()
                }

                fn replace_otp_device(
                    &mut self,
                    instance: &str,
                    current: &domain::SealedOtpDevice,
                    replacement: &domain::SealedOtpDevice,
                    event: &domain::AuditEvent,
                ) -> Result<bool, Failure> {
                    let unchanged = otp_devices::table
                        .find((instance, current.id.as_str()))
                        .filter(otp_devices::description.eq(current.description.as_str()))
                        .filter(otp_devices::sealed_key.eq(current.key.as_bytes()))
                        .filter(otp_devices::algorithm.eq(i16::from(current.algorithm.number())))
                        .filter(otp_devices::counter.eq(current.counter.value()));
                    change(&mut self.$connection, event, |connection| {
                        diesel::update(unchanged)
                            .set(NewOtpDeviceRow::new(instance, replacement))
                            .execute(connection)
                    })
                }

                fn remove_otp_device(
                    &mut self,
                    instance: &str,
                    device: &str,
                    event: &domain::AuditEvent,
                ) -> Result<bool, Failure> {
                    change(&mut self.$connection, event, |connection| {
                        diesel::delete(otp_devices::table.find((instance, device)))
                            .execute(connection)
                    })
                }

                fn append_audit_event(
                    &mut self,
                    event: &domain::AuditEvent,
                ) -> Result<(), Failure> {
                    append(&mut self.$connection, event).map_err(Failure::Write)
                }

                fn list_audit_events(
                    &mut self,
                    instance: &str,
                    after: ports::AuditPosition,
                    limit: u16,
                ) -> Result<Vec<ports::StoredAuditEvent>, Failure> {
                    let after = diesel::dsl::sql::<Bool>("(happened_at, serial) > (")
                        .bind::<BigInt, _>(after.time.seconds().cast_signed())
                        .sql(", ")
                        .bind::<BigInt, _>(after.serial)
                        .sql(")");
                    audit_events::table
                        .filter(audit_events::instance_id.eq(instance))
                        .filter(after)
                        .order((audit_events::happened_at, audit_events::serial))
                        .limit(limit.into())
                        .select(AuditEventRow::as_select())
                        .load(&mut self.$connection)
                        .map_err(Failure::Read)?
                        .into_iter()
                        .map(AuditEventRow::into_event)
                        .collect()
                }

                fn remove_audit_events(
                    &mut self,
                    before: domain::Timestamp,
                    after: i64,
                    limit: u16,
                ) -> Result<ports::AuditRemoval, Failure> {
                    let looked_at = audit_events::table
                        .filter(audit_events::serial.gt(after))
                        .order(audit_events::serial)
                        .limit(limit.into())
                        .select((audit_events::serial, audit_events::happened_at))
                        .load::<(i64, i64)>(&mut self.$connection)
                        .map_err(Failure::Read)?;
                    let last = looked_at.last().map(|(serial, _)| *serial);
                    let before = before.seconds().cast_signed();
                    let old = looked_at.into_iter().filter(|(_, time)| *time < before);
                    let old: Vec<_> = old.map(|(serial, _)| serial).collect();
                    let removed = diesel::delete(audit_events::table)
                        .filter(audit_events::serial.eq_any(old))
                        .execute(&mut self.$connection)
                        .map_err(Failure::Write)?;
                    Ok(ports::AuditRemoval { removed: removed as u64, last })
                }

                fn list_device_keys(
                    &mut self,
                    after: Option<(&str, &str)>,
                    limit: u16,
                ) -> Result<Vec<ports::DeviceKey>, Failure> {
                    // No id is empty: all are after the empty ones.
                    let (instance, device) = after.unwrap_or_default();
                    // Compared as a pair, which an index is searched by: diesel knows no such
                    // expression.
                    let after = diesel::dsl::sql::<Bool>("(instance_id, device_id) > (")
                        .bind::<Text, _>(instance)
                        .sql(", ")
                        .bind::<Text, _>(device)
                        .sql(")");
                    otp_devices::table
                        .filter(after)
                        .order((otp_devices::instance_id, otp_devices::device_id))
                        .limit(limit.into())
                        .select(DeviceKeyRow::as_select())
                        .load(&mut self.$connection)
                        .map_err(Failure::Read)?
                        .into_iter()
                        .map(DeviceKeyRow::into_key)
                        .collect()
                }

                fn count_master_keys(
                    &mut self,
                ) -> Result<Vec<(domain::MasterKeyId, u64)>, Failure> {
                    diesel::sql_query($crate::rows::COUNT_MASTER_KEYS)
                        .load::<MasterKeyCountRow>(&mut self.$connection)
                        .map_err(Failure::Read)?
                        .into_iter()
                        .map(MasterKeyCountRow::into_count)
                        .collect()
                }

                fn replace_device_keys(
                    &mut self,
                    replacements: &[ports::KeyReplacement],
                ) -> Result<u64, Failure> {
                    let replaced = self.$connection.transaction(|connection| {
                        let mut replaced = 0;
                        for ports::KeyReplacement { current, replacement } in replacements {
                            let ids = (current.instance.as_str(), current.device.as_str());
                            let unchanged = otp_devices::table
                                .find(ids)
                                .filter(otp_devices::sealed_key.eq(current.key.as_bytes()));
                            let rows = diesel::update(unchanged)
                                .set(otp_devices::sealed_key.eq(replacement.as_bytes()))
                                .execute(connection)?;
                            replaced += rows as u64;
                        }
                        Ok(replaced)
                    });
                    replaced.map_err(Failure::Write)
                }

                fn applied_migrations(&mut self) -> Result<Vec<String>, Failure> {
                    __diesel_schema_migrations::table
                        .select(__diesel_schema_migrations::version)
                        .load(&mut self.$connection)
                        .map_err(Failure::Read)
                }

                fn list_samples(&mut self) -> Result<Vec<domain::SealedOtpKey>, Failure> {
                    master_keys::table
                        .select(master_keys::sample)
                        .load::<Vec<u8>>(&mut self.$connection)
                        .map_err(Failure::Read)?
                        .into_iter()
                        .map(|sample| domain::SealedOtpKey::new(sample).map_err(Failure::corrupt))
                        .collect()
                }

                fn insert_sample(&mut self, sample: &domain::SealedOtpKey) -> Result<(), Failure> {
                    diesel::insert_into(master_keys::table)
                        .values((
                            master_keys::id.eq(sample.master_key().as_bytes().as_slice()),
                            master_keys::sample.eq(sample.as_bytes()),
                        ))
                        .on_conflict_do_nothing()
                        .execute(&mut self.$connection)
                        .map_err(Failure::Write)?;
                    Ok(())
                }

                fn remove_sample(
                    &mut self,
                    master_key: domain::MasterKeyId,
                ) -> Result<bool, Failure> {
                    let id = master_key.as_bytes().as_slice();
                    let removed = diesel::delete(master_keys::table.find(id))
                        .execute(&mut self.$connection)
                        .map_err(Failure::Write)?;
                    Ok(removed > 0)
                }
            }
        };
    };
}
