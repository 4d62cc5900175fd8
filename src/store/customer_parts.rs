//! Data of users in SoftLayer's model: logins, security answers, second factors and events.

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QueryResult};

use super::model::{factor, security_answer, user};
use super::{Store, Tx, error, of_user, statement};
use crate::domain::clock::{Timestamp, iso, parse_iso};
use crate::domain::customer::{Event, LoginAttempt};
use crate::domain::id::UserId;
use crate::error::{Error, Result};

/// Maximum number of ids in one statement.
const CHUNK: usize = 5_000;
/// Maximum number of logins returned for one user. The newest logins are returned.
const LOGINS_MAX: i64 = 1_000;
/// Maximum number of events returned. The newest events are returned.
const EVENTS_MAX: i64 = 1_000;

/// A second factor of a user, without the secret.
#[derive(Debug, Clone)]
pub struct FactorRow {
    /// Id of the user.
    pub user: UserId,
    /// Type of the factor.
    pub mfa_type: String,
    /// When the user confirmed the factor; `None` if the stored time is malformed.
    pub created_at: Option<Timestamp>,
}

/// A user's answer to a security question.
#[derive(Debug, Clone)]
pub struct AnswerRow {
    /// Id of the user.
    pub user: UserId,
    /// Number that identifies the question.
    pub question: i64,
    /// The argon2id hash of the answer, in PHC format.
    pub hash: String,
}

impl Store {
    /// Returns the second factors of the given users.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn factors_of(&self, users: &[UserId]) -> Result<Vec<FactorRow>> {
        let mut found = Vec::new();
        for users in users.chunks(CHUNK) {
            let theirs = factor::Column::UserId.is_in(users.iter().map(UserId::as_str));
            let query = factor::Entity::find().filter(theirs).order_by_asc(factor::Column::MfaType);
            found.extend(query.all(&self.reader()).await.map_err(error)?.into_iter().map(|row| FactorRow {
                user: UserId::from(row.user_id),
                mfa_type: row.mfa_type,
                created_at: parse_iso(&row.created_at),
            }));
        }
        Ok(found)
    }

    /// Returns a user's answers to security questions.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn answers_of(&self, user: &UserId) -> Result<Vec<AnswerRow>> {
        let theirs = security_answer::Column::UserId.eq(user.as_str());
        let query = security_answer::Entity::find().filter(theirs).order_by_asc(security_answer::Column::Question);
        let rows = query.all(&self.reader()).await.map_err(error)?;
        let answer = |row: security_answer::Model| AnswerRow {
            user: UserId::from(row.user_id),
            question: row.question.into(),
            hash: row.hash,
        };
        Ok(rows.into_iter().map(answer).collect())
    }

    /// Returns login attempts of the given users from the audit log: at most 1,000 for each user, and at most `most` in total. Reads
    /// `users` in groups of 5,000. Within each group, the newest login attempts come first.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn logins_of(&self, users: &[UserId], most: u64) -> Result<Vec<LoginAttempt>> {
        let mut found = Vec::new();
        for users in users.chunks(CHUNK) {
            let left = most.saturating_sub(u64::try_from(found.len()).unwrap_or(u64::MAX));
            if left == 0 {
                break;
            }
            let marks: Vec<String> = (1..=users.len()).map(|at| format!("${at}")).collect();
            // Omits the entry for a correct password that still requires a code: such a login is not complete yet.
            let sql = format!(
                "SELECT user_id, username, ip_address, status, at FROM (SELECT user_id, username, ip_address, status, \
                 chain_seq, \"createdAt\" AS at, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY chain_seq DESC) AS place \
                 FROM user_audit_logs WHERE user_id IN ({}) AND (action = 'login' OR action = 'verifyMfa') \
                 AND (status = 'FAILED' OR resource_type = 'Session')) AS newest WHERE place <= {LOGINS_MAX} \
                 ORDER BY chain_seq DESC LIMIT {left}",
                marks.join(", ")
            );
            let values = users.iter().map(|id| id.as_str().into()).collect::<Vec<sea_orm::Value>>();
            let rows = self.reader().query_all_raw(statement(self.backend(), &sql, values)).await.map_err(error)?;
            for row in &rows {
                found.push(LoginAttempt {
                    user: UserId::from(text(row, "user_id")?.unwrap_or_default()),
                    username: text(row, "username")?.unwrap_or_default(),
                    at: moment(row)?,
                    address: text(row, "ip_address")?,
                    success: text(row, "status")?.as_deref() == Some("SUCCESSED"),
                });
            }
        }
        Ok(found)
    }

    /// Returns the newest rows of the user audit log, at most 1,000, newest first. `of` restricts the rows to one user; `None` means all
    /// users.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn events(&self, of: Option<&UserId>) -> Result<Vec<Event>> {
        let (condition, values) = match of {
            Some(user) => ("WHERE user_id = $1 ", vec![user.as_str().into()]),
            None => ("", Vec::<sea_orm::Value>::new()),
        };
        let sql = format!(
            "SELECT id, user_id, username, ip_address, status, \"createdAt\" AS at, action, resource_type, message \
             FROM user_audit_logs {condition}ORDER BY chain_seq DESC LIMIT {EVENTS_MAX}"
        );
        let rows = self.reader().query_all_raw(statement(self.backend(), &sql, values)).await.map_err(error)?;
        let event = |row: &QueryResult| {
            Ok(Event {
                id: text(row, "id")?.unwrap_or_default(),
                user: text(row, "user_id")?.map(UserId::from),
                username: text(row, "username")?,
                at: moment(row)?,
                address: text(row, "ip_address")?,
                action: text(row, "action")?.unwrap_or_default(),
                resource_type: text(row, "resource_type")?,
                message: text(row, "message")?.unwrap_or_default(),
                outcome: text(row, "status")?,
            })
        };
        rows.iter().map(event).collect()
    }

    /// Returns true if the user with this number has a second factor.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn has_factor(&self, number: i64) -> Result<bool> {
        let user =
            user::Entity::find().filter(user::Column::Number.eq(number)).one(&self.reader()).await.map_err(error)?;
        let Some(user) = user else { return Ok(false) };
        let theirs = factor::Column::UserId.eq(user.id);
        Ok(factor::Entity::find().filter(theirs).one(&self.reader()).await.map_err(error)?.is_some())
    }
}

impl Tx {
    /// Replaces a user's answers to security questions. Each element of `answers` holds the number of the question, the id of the new row,
    /// and the hash of the answer.
    ///
    /// # Errors
    /// `Unauthenticated` if the user was deleted in the meantime.
    /// `Unavailable` if the database is unreachable.
    pub async fn put_answers(&self, user: &UserId, answers: Vec<(i32, String, String)>, now: Timestamp) -> Result<()> {
        let before = security_answer::Column::UserId.eq(user.as_str());
        security_answer::Entity::delete_many().filter(before).exec(&self.db).await.map_err(error)?;
        let rows = answers.into_iter().map(|(question, id, hash)| security_answer::ActiveModel {
            id: Set(id),
            created_at: Set(iso(now)),
            hash: Set(hash),
            question: Set(question),
            user_id: Set(user.to_string()),
        });
        security_answer::Entity::insert_many(rows).exec_without_returning(&self.db).await.map_err(of_user)?;
        Ok(())
    }
}

fn text(row: &QueryResult, column: &str) -> Result<Option<String>> {
    row.try_get("", column).map_err(error)
}

fn moment(row: &QueryResult) -> Result<Timestamp> {
    let text = text(row, "at")?.unwrap_or_default();
    parse_iso(&text).ok_or_else(|| Error::internal("a time of the audit log is no time"))
}
