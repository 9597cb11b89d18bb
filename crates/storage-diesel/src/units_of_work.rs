//! The statements of the stores, written once for every backend.

use merchant_otp_domain::{OtpDevice, OtpDeviceSummary};
use merchant_otp_ports::{
    AccessTokenInsertion, AccessTokenLookup, AccessTokenPage, InstanceInsertion,
    OtpDeviceInsertion, StoredAccessToken, StoredInstance,
};

use crate::Failure;
use crate::rows::{InstanceRow, NewAccessTokenRow, OtpDeviceRow};

/// What the stores do with a connection; each method is one atomic unit of work.
///
/// The methods answer what those of the stores of `merchant-otp-ports` answer, which say more.
/// [`units_of_work!`](crate::units_of_work!) implements all of them for a connection of diesel.
#[expect(clippy::missing_errors_doc, reason = "each fails with what it was doing: Failure")]
pub trait UnitsOfWork {
    /// Stores an instance, unless its id is there.
    fn insert_instance(&mut self, row: &InstanceRow) -> Result<InstanceInsertion, Failure>;

    /// The instance of an id.
    fn find_instance(&mut self, id: &str) -> Result<Option<StoredInstance>, Failure>;

    /// All instances, ordered by the bytes of their ids.
    fn list_instances(&mut self) -> Result<Vec<StoredInstance>, Failure>;

    /// Gives an instance another name, unless it is deleted.
    fn rename_instance(&mut self, id: &str, name: &str) -> Result<bool, Failure>;

    /// Gives an instance a password, unless it is deleted.
    fn set_password_of_instance(&mut self, id: &str, password: &str) -> Result<bool, Failure>;

    /// Marks an instance as deleted, unless it is.
    fn mark_instance_deleted(&mut self, id: &str) -> Result<bool, Failure>;

    /// Removes an instance; its devices and tokens go by `ON DELETE CASCADE`.
    fn remove_instance(&mut self, id: &str) -> Result<bool, Failure>;

    /// Stores an access token.
    fn insert_access_token(
        &mut self,
        row: &NewAccessTokenRow,
    ) -> Result<AccessTokenInsertion, Failure>;

    /// The access token of an instance that has a digest.
    fn find_access_token(
        &mut self,
        instance: &str,
        digest: &[u8],
    ) -> Result<AccessTokenLookup, Failure>;

    /// A page of the access tokens of an instance.
    fn list_access_tokens(
        &mut self,
        instance: &str,
        page: AccessTokenPage,
        limit: u16,
    ) -> Result<Vec<StoredAccessToken>, Failure>;

    /// Removes an access token of an instance.
    fn remove_access_token(&mut self, instance: &str, serial: i64) -> Result<bool, Failure>;

    /// Stores a device, unless its instance has the id.
    fn insert_otp_device(
        &mut self,
        instance: &str,
        device: &OtpDevice,
    ) -> Result<OtpDeviceInsertion, Failure>;

    /// The device of an instance and an id.
    fn find_otp_device(
        &mut self,
        instance: &str,
        device: &str,
    ) -> Result<Option<OtpDevice>, Failure>;

    /// The first devices of an instance after an id, ordered by the bytes of their ids.
    fn list_otp_devices(
        &mut self,
        instance: &str,
        after: Option<&str>,
        limit: u16,
    ) -> Result<Vec<OtpDeviceSummary>, Failure>;

    /// Puts a device in the place of an equal one.
    fn replace_otp_device(
        &mut self,
        instance: &str,
        current: &OtpDevice,
        replacement: &OtpDevice,
    ) -> Result<bool, Failure>;

    /// Removes a device of an instance.
    fn remove_otp_device(&mut self, instance: &str, device: &str) -> Result<bool, Failure>;
}

/// The device that an insertion met, by the row that was read after it.
///
/// # Errors
///
/// [`Failure::Contention`] if it was removed between the two, [`Failure::Corrupt`].
pub fn device_in_the_way(row: Option<OtpDeviceRow>) -> Result<OtpDevice, Failure> {
    row.ok_or_else(|| Failure::Contention("the device in the way was removed".into()))?
        .into_device()
}

/// The instance that an insertion met, by the row that was read after it.
///
/// # Errors
///
/// [`Failure::Contention`] if it was removed between the two, [`Failure::Corrupt`].
pub fn instance_in_the_way(row: Option<InstanceRow>) -> Result<StoredInstance, Failure> {
    row.ok_or_else(|| Failure::Contention("the instance in the way was removed".into()))?
        .into_instance()
}

/// Implements [`UnitsOfWork`] for a type, over the diesel connection in one of its fields.
///
/// A macro, because diesel's statements are typed by their backend: generic code would have to spell
/// out the bounds of each. Every statement commits by itself; none of the units needs two of them to
/// be atomic.
#[macro_export]
macro_rules! units_of_work {
    ($type:ty, $connection:ident) => {
        const _: () = {
            use diesel::prelude::*;
            use diesel::result::{DatabaseErrorKind, Error};
            use $crate::rows::{
                AccessTokenRow, InstanceRow, NewAccessTokenRow, NewOtpDeviceRow, OtpDeviceRow,
                OtpDeviceSummaryRow,
            };
            use $crate::schema::{access_tokens, instances, otp_devices};
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

                fn insert_otp_device(
                    &mut self,
                    instance: &str,
                    device: &domain::OtpDevice,
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
                        .find((instance, device.id().as_str()))
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
                ) -> Result<Option<domain::OtpDevice>, Failure> {
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
                    current: &domain::OtpDevice,
                    replacement: &domain::OtpDevice,
                ) -> Result<bool, Failure> {
                    let unchanged = otp_devices::table
                        .find((instance, current.id().as_str()))
                        .filter(otp_devices::description.eq(current.description().as_str()))
                        .filter(otp_devices::otp_key.eq(current.key().expose_bytes()))
                        .filter(otp_devices::algorithm.eq(i16::from(current.algorithm().number())))
                        .filter(otp_devices::counter.eq(current.counter().value()));
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
            }
        };
    };
}
