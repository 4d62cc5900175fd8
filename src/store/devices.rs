//! Stores, recognizes and deletes the devices that users logged in from.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use super::model::device::{ActiveModel, Column, Entity};
use super::{Store, Tx, error, not_held, of_user, statement};
use crate::domain::clock::{Timestamp, iso};
use crate::domain::id::{DeviceId, UserId};
use crate::domain::throttle::Known;
use crate::error::Result;

/// Maximum number of devices stored per user.
const MOST: u64 = 20;

/// Properties by which a device is recognized.
#[derive(Debug, Clone)]
pub struct DeviceMarks {
    /// Digest of the device's cookie; `None` if the device has none.
    pub digest: Option<Vec<u8>>,
    /// Address of the device.
    pub address: Option<String>,
    /// User agent of the device.
    pub agent: Option<String>,
}

impl Store {
    /// Returns how the client is known from logins of the user `username` after `since`: by the cookie of a known device, or else by the
    /// address. Returns `None` if the client is not known. Runs the same query even if the username does not exist.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn knows_device(&self, username: &str, marks: &DeviceMarks, since: Timestamp) -> Result<Option<Known>> {
        const SQL: &str = "SELECT CASE WHEN d.digest = $2 THEN d.id END AS device FROM devices d JOIN users u ON u.id = d.user_id \
            WHERE u.username = $1 AND (d.digest = $2 OR d.address = $3) AND d.last_seen_at > $4 \
            ORDER BY CASE WHEN d.digest = $2 THEN 0 ELSE 1 END LIMIT 1";
        let values = [
            username.into(),
            marks.digest.clone().unwrap_or_default().into(),
            marks.address.clone().into(),
            iso(since).into(),
        ];
        let query = statement(self.backend(), SQL, values);
        let Some(row) = self.read.query_one_raw(query).await.map_err(error)? else { return Ok(None) };
        let device: Option<String> = row.try_get("", "device").map_err(error)?;
        Ok(Some(device.map_or(Known::Address, |id| Known::Device(DeviceId::from(id)))))
    }
}

impl Tx {
    /// Records a login from a device that the user last logged in from after `since`. A stored device matches if the cookie is the same, or
    /// if address and user agent are both the same. Returns false if no stored device matches.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn see_device(
        &self,
        user: &UserId,
        marks: &DeviceMarks,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<bool> {
        let mut same = Column::Address.eq(marks.address.clone()).and(Column::Agent.eq(marks.agent.clone()));
        if let Some(digest) = &marks.digest {
            same = same.or(Column::Digest.eq(digest.clone()));
        }
        let known = Column::UserId.eq(user.as_str()).and(Column::LastSeenAt.gt(iso(since))).and(same);
        let update = Entity::update_many().col_expr(Column::LastSeenAt, iso(now).into());
        let done = update
            .col_expr(Column::Address, marks.address.clone().into())
            .col_expr(Column::Agent, marks.agent.clone().into())
            .filter(known)
            .exec(&self.db)
            .await
            .map_err(error)?;
        Ok(done.rows_affected > 0)
    }

    /// Stores a new device with the digest of the device's cookie. Keeps only the 20 devices that the user used last. Returns true if the
    /// user had a device before.
    ///
    /// # Errors
    /// `Unauthenticated` if the user was deleted in the meantime.
    /// `Unavailable` if the database is unreachable.
    pub async fn insert_device(
        &self,
        id: &DeviceId,
        user: &UserId,
        digest: Vec<u8>,
        marks: DeviceMarks,
        now: Timestamp,
    ) -> Result<bool> {
        let of_users = || Entity::find().filter(Column::UserId.eq(user.as_str()));
        let before = of_users().count(&self.db).await.map_err(error)?;
        let row = ActiveModel {
            id: Set(id.to_string()),
            address: Set(marks.address),
            agent: Set(marks.agent),
            digest: Set(digest),
            first_seen_at: Set(iso(now)),
            last_seen_at: Set(iso(now)),
            user_id: Set(user.to_string()),
        };
        Entity::insert(row).exec_without_returning(&self.db).await.map_err(of_user)?;
        let old = of_users().order_by_desc(Column::LastSeenAt).order_by_desc(Column::Id).offset(MOST).limit(1_000);
        let old: Vec<String> = old.select_only().column(Column::Id).into_tuple().all(&self.db).await.map_err(error)?;
        if !old.is_empty() {
            Entity::delete_many().filter(Column::Id.is_in(old)).exec(&self.db).await.map_err(error)?;
        }
        Ok(before > 0)
    }

    /// Deletes all devices of a user.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn forget_devices_of(&self, user: &UserId) -> Result<()> {
        let of_user = Column::UserId.eq(user.as_str());
        Entity::delete_many().filter(of_user).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Deletes the devices that were last used at `moment` or earlier, except devices that another write has locked.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn forget_devices(&self, moment: Timestamp) -> Result<()> {
        let old = not_held::<Entity>(Column::Id, Column::LastSeenAt.lte(iso(moment)));
        Entity::delete_many().filter(Column::Id.in_subquery(old)).exec(&self.db).await.map_err(error)?;
        Ok(())
    }
}
