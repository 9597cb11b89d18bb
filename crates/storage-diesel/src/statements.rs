//! The statements of the units of work, written once for every backend.

/// Implements [`UnitsOfWork`](crate::units_of_work::UnitsOfWork) for a type, over the diesel connection in one of its fields.
///
/// A macro, because diesel's statements are typed by their backend: generic code would have to spell
/// out the bounds of each. Every statement commits by itself, but for those that replace sealed keys.
#[macro_export]
macro_rules! units_of_work {
    ($type:ty, $connection:ident) => {
        const _: () = {
            use diesel::prelude::*;
            use diesel::result::{DatabaseErrorKind, Error};
            use $crate::rows::{
                AccessTokenRow, DeviceKeyRow, InstanceRow, MasterKeyCountRow, NewAccessTokenRow,
                NewOtpDeviceRow, OtpDeviceRow, OtpDeviceSummaryRow,
            };
            use $crate::schema::{access_tokens, instances, master_keys, otp_devices};
            use $crate::units_of_work::{UnitsOfWork, device_in_the_way, instance_in_the_way};
            use $crate::{Failure, domain, ports};

            impl UnitsOfWork for $type {
                fn insert_instance(
                    &mut self,
                    row: &InstanceRow,
                ) -> Result<ports::InstanceInsertion, Failure> {
                    let inserted = diesel::insert_into(instances::table)
                        .values(row)
                        .on_conflict_do_nothing()
                        .execute(&mut self.$connection)
                        .map_err(Failure::Write)?;
                    if inserted == 1 {
                        return Ok(ports::InstanceInsertion::Stored);
                    }
                    let existing = instances::table
                        .find(row.id())
                        .select(InstanceRow::as_select())
                        .first(&mut self.$connection)
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
                        .first(&mut self.$connection)
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

                fn rename_instance(&mut self, id: &str, name: &str) -> Result<bool, Failure> {
                    let renamed = diesel::update(instances::table.find(id))
                        .filter(instances::deleted.eq(false))
                        .set(instances::name.eq(name))
                        .execute(&mut self.$connection)
                        .map_err(Failure::Write)?;
                    Ok(renamed > 0)
                }

                fn set_password_of_instance(
                    &mut self,
                    id: &str,
                    password: &str,
                ) -> Result<bool, Failure> {
                    let changed = diesel::update(instances::table.find(id))
                        .filter(instances::deleted.eq(false))
                        .set(instances::password_hash.eq(password))
                        .execute(&mut self.$connection)
                        .map_err(Failure::Write)?;
                    Ok(changed > 0)
                }

                fn mark_instance_deleted(&mut self, id: &str) -> Result<bool, Failure> {
                    let marked = diesel::update(instances::table.find(id))
                        .filter(instances::deleted.eq(false))
                        .set((
                            instances::deleted.eq(true),
                            instances::password_hash.eq(None::<&str>),
                        ))
                        .execute(&mut self.$connection)
                        .map_err(Failure::Write)?;
                    Ok(marked > 0)
                }

                fn remove_instance(&mut self, id: &str) -> Result<bool, Failure> {
                    let removed = diesel::delete(instances::table.find(id))
                        .execute(&mut self.$connection)
                        .map_err(Failure::Write)?;
                    Ok(removed > 0)
                }

                fn insert_access_token(
                    &mut self,
                    row: &NewAccessTokenRow,
                ) -> Result<ports::AccessTokenInsertion, Failure> {
                    // All results, though there is one: behind it comes how the commit went.
                    let serials = diesel::insert_into(access_tokens::table)
                        .values(row)
                        .returning(access_tokens::serial)
                        .get_results::<i64>(&mut self.$connection);
                    match serials {
                        Ok(serials) => {
                            let serial = serials.first().ok_or(Failure::Write(Error::NotFound))?;
                            domain::AccessTokenSerial::new(*serial)
                                .map(ports::AccessTokenInsertion::Stored)
                                .map_err(Failure::corrupt)
                        }
                        Err(Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)) => {
                            Ok(ports::AccessTokenInsertion::NoSuchInstance)
                        }
                        Err(error) => Err(Failure::Write(error)),
                    }
                }

                fn find_access_token(
                    &mut self,
                    instance: &str,
                    digest: &[u8],
                ) -> Result<ports::AccessTokenLookup, Failure> {
                    let of_instance = access_tokens::instance_id
                        .eq(instances::id)
                        .and(access_tokens::digest.eq(digest));
                    let found = instances::table
                        .left_join(access_tokens::table.on(of_instance))
                        .filter(instances::id.eq(instance))
                        .select((instances::deleted, Option::<AccessTokenRow>::as_select()))
                        .first::<(bool, Option<AccessTokenRow>)>(&mut self.$connection)
                        .optional()
                        .map_err(Failure::Read)?;
                    Ok(match found {
                        None => ports::AccessTokenLookup::NoSuchInstance,
                        Some((true, _)) => ports::AccessTokenLookup::InstanceDeleted,
                        Some((false, None)) => ports::AccessTokenLookup::Unknown,
                        Some((false, Some(row))) => {
                            ports::AccessTokenLookup::Found(row.into_token()?)
                        }
                    })
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
                ) -> Result<bool, Failure> {
                    let removed = diesel::delete(access_tokens::table.find(serial))
                        .filter(access_tokens::instance_id.eq(instance))
                        .execute(&mut self.$connection)
                        .map_err(Failure::Write)?;
                    Ok(removed > 0)
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

                fn insert_otp_device(
                    &mut self,
                    instance: &str,
                    device: &domain::SealedOtpDevice,
                ) -> Result<ports::OtpDeviceInsertion, Failure> {
                    let inserted = diesel::insert_into(otp_devices::table)
                        .values(NewOtpDeviceRow::new(instance, device))
                        .on_conflict_do_nothing()
                        .execute(&mut self.$connection);
                    match inserted {
                        Ok(1) => return Ok(ports::OtpDeviceInsertion::Stored),
                        Ok(_) => {}
                        Err(Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)) => {
                            return Ok(ports::OtpDeviceInsertion::NoSuchInstance);
                        }
                        Err(error) => return Err(Failure::Write(error)),
                    }
                    let existing = otp_devices::table
                        .find((instance, device.id.as_str()))
                        .select(OtpDeviceRow::as_select())
                        .first(&mut self.$connection)
                        .optional()
                        .map_err(Failure::Read)?;
                    device_in_the_way(existing).map(ports::OtpDeviceInsertion::Exists)
                }

                fn find_otp_device(
                    &mut self,
                    instance: &str,
                    device: &str,
                ) -> Result<Option<domain::SealedOtpDevice>, Failure> {
                    otp_devices::table
                        .find((instance, device))
                        .select(OtpDeviceRow::as_select())
                        .first(&mut self.$connection)
                        .optional()
                        .map_err(Failure::Read)?
                        .map(OtpDeviceRow::into_device)
                        .transpose()
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
                ) -> Result<bool, Failure> {
                    let unchanged = otp_devices::table
                        .find((instance, current.id.as_str()))
                        .filter(otp_devices::description.eq(current.description.as_str()))
                        .filter(otp_devices::sealed_key.eq(current.key.as_bytes()))
                        .filter(otp_devices::algorithm.eq(i16::from(current.algorithm.number())))
                        .filter(otp_devices::counter.eq(current.counter.value()));
                    let replaced = diesel::update(unchanged)
                        .set(NewOtpDeviceRow::new(instance, replacement))
                        .execute(&mut self.$connection)
                        .map_err(Failure::Write)?;
                    Ok(replaced > 0)
                }

                fn remove_otp_device(
                    &mut self,
                    instance: &str,
                    device: &str,
                ) -> Result<bool, Failure> {
                    let removed = diesel::delete(otp_devices::table.find((instance, device)))
                        .execute(&mut self.$connection)
                        .map_err(Failure::Write)?;
                    Ok(removed > 0)
                }

                fn list_device_keys(
                    &mut self,
                    after: Option<(&str, &str)>,
                    limit: u16,
                ) -> Result<Vec<ports::DeviceKey>, Failure> {
                    use diesel::sql_types::{Bool, Text};
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
