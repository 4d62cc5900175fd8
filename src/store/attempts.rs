//! Attempts at passwords, codes and mails. Each attempt counts as failed until the attempt succeeds.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::model::attempt::{ActiveModel, Column, Entity};
use super::{Tx, error, not_held, statement};
use crate::domain::clock::{Timestamp, iso, parse_iso};
use crate::domain::throttle::{Rule, Tally};
use crate::error::{Error, Result};

/// First of the two keys of an advisory lock on a name: "name" in ASCII. This key separates locks on names from other advisory locks.
const NAMES: i32 = 0x6e61_6d65;

impl Tx {
    /// Locks a name (the pseudonym of an account, or a bucket) until this write ends, so that only one write at a time counts attempts
    /// under the name. A write that locks several names locks the account's name first.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn alone_with_name(&self, name: &str) -> Result<()> {
        // SQLite has one writer anyway.
        if self.db.get_database_backend() == DatabaseBackend::Postgres {
            let lock = "SELECT pg_advisory_xact_lock($1, hashtext($2))";
            let lock = statement(DatabaseBackend::Postgres, lock, [NAMES.into(), name.into()]);
            self.db.execute_raw(lock).await.map_err(error)?;
        }
        Ok(())
    }

    /// Returns the number of attempts that count in a bucket under `rule`, at most [`Rule::most`], and the time of the newest attempt.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn tally(&self, bucket: &str, rule: Rule, now: Timestamp) -> Result<Tally> {
        let since = Column::Bucket.eq(bucket).and(Column::At.gt(iso(rule.since(now))));
        let newest_first = Entity::find().filter(since).order_by_desc(Column::At).limit(u64::from(rule.most()));
        let times: Vec<String> =
            newest_first.select_only().column(Column::At).into_tuple().all(&self.db).await.map_err(error)?;
        let newest = times.first().map(|at| moment(at)).transpose()?;
        Ok(Tally { count: u32::try_from(times.len()).map_err(Error::internal)?, newest })
    }

    /// Returns the time of the `number`-th newest attempt in a bucket; `None` if the bucket has fewer than `number` attempts after `since`.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn nth_newest(&self, bucket: &str, since: Timestamp, number: u32) -> Result<Option<Timestamp>> {
        let since = Column::Bucket.eq(bucket).and(Column::At.gt(iso(since)));
        let newest_first = Entity::find().filter(since).order_by_desc(Column::At);
        let nth = newest_first.offset(u64::from(number.saturating_sub(1))).limit(1);
        let row = nth.one(&self.db).await.map_err(error)?;
        row.map(|row| moment(&row.at)).transpose()
    }

    /// Counts one attempt in several buckets. For each bucket, `rows` holds the id of the new row and the bucket.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn insert_attempt(
        &self,
        rows: Vec<(String, String)>,
        attempt: &str,
        account: &str,
        now: Timestamp,
    ) -> Result<()> {
        let rows = rows.into_iter().map(|(id, bucket)| ActiveModel {
            id: Set(id),
            account: Set(account.to_owned()),
            at: Set(iso(now)),
            attempt: Set(attempt.to_owned()),
            bucket: Set(bucket),
        });
        Entity::insert_many(rows).exec_without_returning(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Deletes one attempt from all buckets, because the attempt succeeded. Also deletes all attempts in the given bucket.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn forget_attempt(&self, attempt: &str, bucket: &str) -> Result<()> {
        self.forget_where(Column::Attempt.eq(attempt).or(Column::Bucket.eq(bucket))).await
    }

    /// Deletes all attempts on an account, which is given by the account's pseudonym.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn forget_attempts(&self, account: &str) -> Result<()> {
        self.alone_with_name(account).await?;
        self.forget_where(Column::Account.eq(account)).await
    }

    /// Deletes the attempts made at `moment` or earlier, except attempts that another write has locked.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn forget_attempts_until(&self, moment: Timestamp) -> Result<()> {
        self.forget_where(Column::At.lte(iso(moment))).await
    }

    async fn forget_where(&self, condition: Expr) -> Result<()> {
        let old = not_held::<Entity>(Column::Id, condition);
        Entity::delete_many().filter(Column::Id.in_subquery(old)).exec(&self.db).await.map_err(error)?;
        Ok(())
    }
}

fn moment(at: &str) -> Result<Timestamp> {
    parse_iso(at).ok_or_else(|| Error::internal("attempts.at is no time"))
}
