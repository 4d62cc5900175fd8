//! Second factors, recovery codes, and challenges. A challenge is a login or another request that continues once the user enters a code.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{ExprTrait, OnConflict};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};

use super::model::{challenge, factor, recovery_code, user};
use super::{Store, Tx, error, not_held, of_user, statement};
use crate::domain::clock::{Timestamp, iso, parse_iso};
use crate::domain::id::{ApiKeyId, ChallengeId, FactorId, SessionId, UserId};
use crate::domain::mfa::{Challenge, Factor, Holder, KeptCode, MfaType, NewFactor, Purpose, TRIES};
use crate::error::{Error, Result};

impl Store {
    /// Returns a user and the user's second factors; `None` if the user does not exist.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn holder(&self, id: &UserId) -> Result<Option<Holder>> {
        holder(&self.read, id).await
    }

    /// Returns the challenge with this id; `None` if there is none.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn challenge(&self, id: &ChallengeId) -> Result<Option<Challenge>> {
        let row = challenge::Entity::find_by_id(id.as_str()).one(&self.read).await.map_err(error)?;
        row.map(read).transpose()
    }

    /// Returns the pending challenge in which the user of a session proves a second factor again; `None` if there is none.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn reauthentication(&self, user: &UserId, session: &SessionId) -> Result<Option<Challenge>> {
        bound(&self.read, user, &Purpose::Reauthenticate(session.clone())).await
    }
}

impl Tx {
    /// Returns a user and the user's second factors, as this write sees both; `None` if the user does not exist.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn holder(&self, id: &UserId) -> Result<Option<Holder>> {
        holder(&self.db, id).await
    }

    /// Stores a challenge, and deletes the earlier challenge of the same session for the same purpose, if there is one.
    ///
    /// # Errors
    /// `Unauthenticated` if the user was deleted in the meantime.
    /// `Unavailable` if the database is unreachable.
    pub async fn insert_challenge(&self, new: &Challenge) -> Result<()> {
        if let Some(session) = new.purpose.session() {
            let same = challenge::Column::BoundTo.eq(session.as_str());
            let same = same.and(challenge::Column::Purpose.eq(new.purpose.name()));
            let same = same.and(challenge::Column::UserId.eq(new.user.as_str()));
            challenge::Entity::delete_many().filter(same).exec(&self.db).await.map_err(error)?;
        }
        let row = challenge::ActiveModel {
            id: Set(new.id.to_string()),
            address: Set(new.address.clone()),
            bound_to: Set(new.purpose.session().map(ToString::to_string)),
            code: Set(new.code.clone()),
            code_until: Set(new.code_until.map(iso)),
            created_at: Set(iso(new.created_at)),
            expires_at: Set(iso(new.expires_at)),
            mfa_type: Set(new.mfa_type.name().to_owned()),
            purpose: Set(new.purpose.name().to_owned()),
            sealed: Set(new.sealed.clone()),
            sent: Set(new.sent),
            tries: Set(0),
            user_id: Set(new.user.to_string()),
        };
        challenge::Entity::insert(row).exec_without_returning(&self.db).await.map_err(of_user)?;
        Ok(())
    }

    /// Counts an attempt to enter the code of a challenge. Returns false if the challenge has had too many attempts, has expired or does
    /// not exist.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn try_challenge(&self, id: &ChallengeId, now: Timestamp) -> Result<bool> {
        let open = challenge::Column::Id.eq(id.as_str());
        let open = open.and(challenge::Column::Tries.lt(TRIES)).and(challenge::Column::ExpiresAt.gt(iso(now)));
        let more = challenge::Column::Tries.into_expr().add(1);
        let update = challenge::Entity::update_many().col_expr(challenge::Column::Tries, more).filter(open);
        Ok(update.exec(&self.db).await.map_err(error)?.rows_affected == 1)
    }

    /// Stores the new code of a challenge whose code was sent again. `sent_before` is the number of times that a code was sent before.
    /// Returns false if another request sent a code in the meantime.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn renew_challenge(&self, challenge: &Challenge, sent_before: i32) -> Result<bool> {
        use challenge::Column::{Code, CodeUntil, Id, MfaType, Sent};
        let update = challenge::Entity::update_many()
            .col_expr(Code, challenge.code.clone().into())
            .col_expr(CodeUntil, challenge.code_until.map(iso).into())
            .col_expr(MfaType, challenge.mfa_type.name().into())
            .col_expr(Sent, challenge.sent.into())
            .filter(Id.eq(challenge.id.as_str()).and(Sent.eq(sent_before)));
        Ok(update.exec(&self.db).await.map_err(error)?.rows_affected == 1)
    }

    /// Deletes a challenge. Returns false if another request deleted the challenge first.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn delete_challenge(&self, id: &ChallengeId) -> Result<bool> {
        let done = challenge::Entity::delete_by_id(id.as_str()).exec(&self.db).await.map_err(error)?;
        Ok(done.rows_affected == 1)
    }

    /// Deletes all challenges of a user.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn delete_challenges_of(&self, user: &UserId) -> Result<()> {
        let of_user = challenge::Column::UserId.eq(user.as_str());
        challenge::Entity::delete_many().filter(of_user).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Returns the pending challenge in which the user of a session enrolls a second factor of the given type; `None` if there is none.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn enrollment(&self, user: &UserId, session: &SessionId, mfa_type: MfaType) -> Result<Option<Challenge>> {
        let begun = bound(&self.db, user, &Purpose::Enroll(session.clone())).await?;
        Ok(begun.filter(|begun| begun.mfa_type == mfa_type))
    }

    /// Deletes expired challenges, except challenges that another write has locked.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn forget_challenges(&self, now: Timestamp) -> Result<()> {
        let over = challenge::Column::ExpiresAt.lte(iso(now));
        let over = challenge::Column::Id.in_subquery(not_held::<challenge::Entity>(challenge::Column::Id, over));
        challenge::Entity::delete_many().filter(over).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Locks a user until this write ends, so that no other write changes the user's second factors, password or recovery codes. Returns
    /// false if the user does not exist.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn hold_user(&self, id: &UserId) -> Result<bool> {
        use sea_orm::QuerySelect;
        Ok(user::Entity::find_by_id(id.as_str()).lock_exclusive().one(&self.db).await.map_err(error)?.is_some())
    }

    /// Marks the code of a time step of the user's TOTP device as used. Returns true only the first time for each step, and false for every
    /// step before the last used step.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn spend_step(&self, user: &UserId, step: i64) -> Result<bool> {
        let newer = factor::Column::UserId.eq(user.as_str()).and(factor::Column::MfaType.eq(MfaType::Totp.name()));
        let newer = newer.and(factor::Column::LastStep.lt(step));
        let update = factor::Entity::update_many().col_expr(factor::Column::LastStep, step.into()).filter(newer);
        Ok(update.exec(&self.db).await.map_err(error)?.rows_affected == 1)
    }

    /// Marks a recovery code of a user as used. Returns true only if the user has this code and the code was unused.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn spend_recovery_code(&self, user: &UserId, digest: Vec<u8>, now: Timestamp) -> Result<bool> {
        use recovery_code::Column::{Digest, UsedAt, UserId};
        let unused = UserId.eq(user.as_str()).and(Digest.eq(digest)).and(UsedAt.is_null());
        let update = recovery_code::Entity::update_many().col_expr(UsedAt, iso(now).into()).filter(unused);
        Ok(update.exec(&self.db).await.map_err(error)?.rows_affected == 1)
    }

    /// Stores a confirmed second factor of a user. Replaces the user's second factor of the same type, if there is one.
    ///
    /// # Errors
    /// `Unauthenticated` if the user was deleted in the meantime.
    /// `Unavailable` if the database is unreachable.
    pub async fn put_factor(&self, id: &FactorId, user: &UserId, new: NewFactor, now: Timestamp) -> Result<()> {
        let row = factor::ActiveModel {
            id: Set(id.to_string()),
            address: Set(new.address),
            created_at: Set(iso(now)),
            last_step: Set(new.last_step),
            mfa_type: Set(new.mfa_type.name().to_owned()),
            sealed: Set(new.sealed),
            user_id: Set(user.to_string()),
        };
        use factor::Column::{Address, CreatedAt, Id, LastStep, MfaType, Sealed, UserId};
        let mut replace = OnConflict::columns([UserId, MfaType]);
        replace.update_columns([Id, Address, CreatedAt, LastStep, Sealed]);
        let insert = factor::Entity::insert(row).on_conflict(replace);
        insert.exec_without_returning(&self.db).await.map_err(of_user)?;
        Ok(())
    }

    /// Deletes the user's second factor of the given type. If no second factor is left, also deletes the user's recovery codes. Returns
    /// false if the user has no second factor of the given type.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn delete_factor(&self, user: &UserId, mfa_type: MfaType) -> Result<bool> {
        let of_type = factor::Column::UserId.eq(user.as_str()).and(factor::Column::MfaType.eq(mfa_type.name()));
        let done = factor::Entity::delete_many().filter(of_type).exec(&self.db).await.map_err(error)?;
        let left = factor::Entity::find().filter(factor::Column::UserId.eq(user.as_str()));
        if left.count(&self.db).await.map_err(error)? == 0 {
            self.put_recovery_codes(user, Vec::new(), Timestamp::MIN_UTC).await?;
        }
        Ok(done.rows_affected == 1)
    }

    /// Deletes all second factors, recovery codes and challenges of a user. Returns the number of deleted second factors.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn delete_factors(&self, user: &UserId) -> Result<u64> {
        let of_user = factor::Column::UserId.eq(user.as_str());
        let done = factor::Entity::delete_many().filter(of_user).exec(&self.db).await.map_err(error)?;
        self.put_recovery_codes(user, Vec::new(), Timestamp::MIN_UTC).await?;
        self.delete_challenges_of(user).await?;
        Ok(done.rows_affected)
    }

    /// Replaces all recovery codes of a user with `codes`. Each of `codes` holds the id of the new row and the digest of the recovery code.
    ///
    /// # Errors
    /// `Unauthenticated` if the user was deleted in the meantime.
    /// `Unavailable` if the database is unreachable.
    pub async fn put_recovery_codes(&self, user: &UserId, codes: Vec<KeptCode>, now: Timestamp) -> Result<()> {
        let of_user_rows = recovery_code::Column::UserId.eq(user.as_str());
        recovery_code::Entity::delete_many().filter(of_user_rows).exec(&self.db).await.map_err(error)?;
        if codes.is_empty() {
            return Ok(());
        }
        let rows = codes.into_iter().map(|KeptCode { id, digest }| recovery_code::ActiveModel {
            id: Set(id),
            created_at: Set(iso(now)),
            digest: Set(digest),
            used_at: Set(None),
            user_id: Set(user.to_string()),
        });
        recovery_code::Entity::insert_many(rows).exec_without_returning(&self.db).await.map_err(of_user)?;
        Ok(())
    }

    /// Suspends the keys of a user that were minted with a second factor. Returns the ids and names of the keys that this call suspended.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn suspend_keys_of(&self, user: &UserId, now: Timestamp) -> Result<Vec<(ApiKeyId, String)>> {
        let sql = "UPDATE api_keys SET suspended_at = $1 WHERE user_id = $2 AND suspended_at IS NULL \
                   AND amr LIKE '%\"mfa\"%' RETURNING id, name";
        let query = statement(self.db.get_database_backend(), sql, [iso(now).into(), user.as_str().into()]);
        let rows = self.db.query_all_raw(query).await.map_err(error)?;
        let mut named = rows
            .iter()
            .map(|row| Ok((ApiKeyId::from(row.try_get::<String>("", "id")?), row.try_get::<String>("", "name")?)))
            .collect::<std::result::Result<Vec<_>, sea_orm::DbErr>>()
            .map_err(error)?;
        named.sort();
        Ok(named)
    }
}

async fn bound(db: &impl ConnectionTrait, user: &UserId, purpose: &Purpose) -> Result<Option<Challenge>> {
    use challenge::Column::{BoundTo, Purpose as Why, UserId};
    let session = purpose.session().map(SessionId::as_str).unwrap_or_default();
    let theirs = UserId.eq(user.as_str()).and(BoundTo.eq(session)).and(Why.eq(purpose.name()));
    let row = challenge::Entity::find().filter(theirs).one(db).await.map_err(error)?;
    row.map(read).transpose()
}

async fn holder(db: &impl ConnectionTrait, id: &UserId) -> Result<Option<Holder>> {
    let Some(row) = user::Entity::find_by_id(id.as_str()).one(db).await.map_err(error)? else { return Ok(None) };
    let factors = factor::Entity::find().filter(factor::Column::UserId.eq(id.as_str()));
    let factors = factors.all(db).await.map_err(error)?;
    let unused = recovery_code::Column::UserId.eq(id.as_str()).and(recovery_code::Column::UsedAt.is_null());
    let recovery_codes = recovery_code::Entity::find().filter(unused).count(db).await.map_err(error)?;
    let factor = |row: factor::Model| {
        Ok(Factor {
            mfa_type: mfa_type(&row.mfa_type)?,
            sealed: row.sealed,
            address: row.address,
            created_at: moment(&row.created_at)?,
        })
    };
    Ok(Some(Holder {
        id: id.clone(),
        username: row.username,
        email_address: row.email_address,
        factors: factors.into_iter().map(factor).collect::<Result<_>>()?,
        recovery_codes,
    }))
}

fn read(row: challenge::Model) -> Result<Challenge> {
    let bound =
        || row.bound_to.clone().map(SessionId::from).ok_or_else(|| Error::internal("a challenge is bound to nothing"));
    let purpose = match row.purpose.as_str() {
        "Login" => Purpose::Login,
        "Reauthenticate" => Purpose::Reauthenticate(bound()?),
        "Enroll" => Purpose::Enroll(bound()?),
        _ => return Err(Error::internal("challenges.purpose is none")),
    };
    Ok(Challenge {
        id: ChallengeId::from(row.id),
        user: UserId::from(row.user_id),
        purpose,
        mfa_type: mfa_type(&row.mfa_type)?,
        code: row.code,
        code_until: row.code_until.as_deref().map(moment).transpose()?,
        sealed: row.sealed,
        address: row.address,
        sent: row.sent,
        created_at: moment(&row.created_at)?,
        expires_at: moment(&row.expires_at)?,
    })
}

fn mfa_type(name: &str) -> Result<MfaType> {
    MfaType::parse(name).ok_or_else(|| Error::internal("a factor of no known type"))
}

fn moment(text: &str) -> Result<Timestamp> {
    parse_iso(text).ok_or_else(|| Error::internal("a time of a factor is no time"))
}
