//! Looks up credentials, for `authenticate` and for every write that checks the caller again. Looking up a key or a session takes one
//! indexed statement, which also reads the policies in force.
//!
//! The condition `id > ''` lets the database find the single row of `global_settings` through the primary key.

use sea_orm::ConnectionTrait;

use super::decode::{maybe, moment, number, own_rights, parse_actions, role_rights, status, text};
use super::policy::read_policy;
use super::{Store, Tx, error, statement};
use crate::domain::clock::{Timestamp, parse_iso};
use crate::domain::customer::Status;
use crate::domain::id::{ApiKeyId, RoleId, SessionId, UserId};
use crate::domain::permission::Actions;
use crate::domain::policy::Policy;
use crate::domain::principal::CredentialRef;
use crate::domain::rights::Rights;
use crate::domain::secret::KeyDigest;
use crate::error::{Error, Result};

/// What the store knows about a credential.
#[derive(Debug, Clone)]
pub enum Grant {
    /// An API key.
    Key(KeyGrant),
    /// A session, identified by a token or a portal token.
    Session(SessionGrant),
}

/// What the store knows about a stored key and the key's owner.
#[derive(Debug, Clone)]
pub struct KeyGrant {
    /// Id of the key.
    pub id: ApiKeyId,
    /// Name of the key.
    pub name: String,
    /// Id of the owner.
    pub user: UserId,
    /// The owner's login name.
    pub username: String,
    /// Present rights of the owner, from the owner's roles and own permissions.
    pub held: Rights,
    /// Present rights granted to the key: the rights of the key's roles and the owner's own permissions, or all rights for a classic key.
    pub granted: Rights,
    /// Actions that the owner could perform when the key was minted.
    pub ceiling: Actions,
    /// Authentication methods of the owner when the key was minted (RFC 8176).
    pub amr: Vec<String>,
    /// Whether the key is suspended. A key that was minted with a second factor is suspended when the owner's second factors are reset,
    /// until the owner confirms the key.
    pub suspended: bool,
    /// Whether the key is the owner's classic key. A classic key has no roles of its own.
    pub classic: bool,
    /// Addresses and networks that a classic key is restricted to; `None` means no restriction.
    pub address_restriction: Option<String>,
    /// Number that identifies the owner.
    pub number: i64,
    /// The owner's status.
    pub status: Status,
    /// The policies in force.
    pub policy: Policy,
}

/// What the store knows about a stored session and the session's user.
#[derive(Debug, Clone)]
pub struct SessionGrant {
    /// Id of the session.
    pub id: SessionId,
    /// Id of the user.
    pub user: UserId,
    /// The user's login name.
    pub username: String,
    /// Present rights of the user, from the user's roles and own permissions.
    pub held: Rights,
    /// When the session began.
    pub created_at: Timestamp,
    /// When the session ends.
    pub expires_at: Timestamp,
    /// When the session was last used. The store records each use with a delay.
    pub last_seen_at: Option<Timestamp>,
    /// When the user last proved a second factor in the session.
    pub mfa_at: Option<Timestamp>,
    /// When the user last proved the password again in the session; `None` if never since the login.
    pub password_at: Option<Timestamp>,
    /// Whether the session began with an expired password that the user has not changed since.
    pub password_expired: bool,
    /// Whether the user has a second factor.
    pub has_factor: bool,
    /// Ids of the user's present roles.
    pub roles: Vec<RoleId>,
    /// Number that identifies the user.
    pub number: i64,
    /// The user's status.
    pub status: Status,
    /// The policies in force.
    pub policy: Policy,
}

impl Store {
    /// Finds a key by digest. Reads the key and the present rights of both key and owner in one statement.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn find_key(&self, digest: &KeyDigest) -> Result<Option<KeyGrant>> {
        key(&self.credentials, "k.digest", digest.as_bytes().to_vec().into()).await
    }

    /// Finds a session by id. Reads the session and the present rights of the session's user in one statement.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn find_session(&self, id: &SessionId) -> Result<Option<SessionGrant>> {
        session(&self.credentials, "s.id", id.as_str().into()).await
    }

    /// Finds the session of a portal token, by the digest of the token.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn find_portal_session(&self, digest: Vec<u8>) -> Result<Option<SessionGrant>> {
        session(&self.credentials, "s.digest", digest.into()).await
    }

    /// Returns the present grant of a credential that was accepted before; `None` if the credential is no longer stored. Also returns
    /// `None` for the operator, who has no credential.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn grant(&self, credential: &CredentialRef) -> Result<Option<Grant>> {
        grant(&self.credentials, credential).await
    }
}

impl Tx {
    /// Returns the grant, as this write sees it, of a credential that was accepted before; `None` if the credential is no longer stored.
    /// Also returns `None` for the operator, who has no credential.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn grant(&self, credential: &CredentialRef) -> Result<Option<Grant>> {
        grant(&self.db, credential).await
    }
}

async fn grant(db: &impl ConnectionTrait, credential: &CredentialRef) -> Result<Option<Grant>> {
    Ok(match credential {
        CredentialRef::Session(id) => session(db, "s.id", id.as_str().into()).await?.map(Grant::Session),
        CredentialRef::ApiKey { id, .. } => key(db, "k.id", id.as_str().into()).await?.map(Grant::Key),
        CredentialRef::Operator => None,
    })
}

async fn key(db: &impl ConnectionTrait, column: &'static str, value: sea_orm::Value) -> Result<Option<KeyGrant>> {
    const SQL: &str = "\
        SELECT k.id, k.name, k.amr, k.ceiling, k.suspended_at, k.user_id, k.classic_of, k.address_restriction, \
        u.username, u.number, u.status, u.permissions, 'held' AS side, r.actions, r.platform, \
        (SELECT g.auth FROM global_settings g WHERE g.id > '' ORDER BY g.id LIMIT 1) AS policy, \
        (SELECT g.mfa FROM global_settings g WHERE g.id > '' ORDER BY g.id LIMIT 1) AS mfa \
        FROM api_keys k JOIN users u ON u.id = k.user_id \
        LEFT JOIN user_roles ur ON ur.user_id = u.id LEFT JOIN roles r ON r.id = ur.role_id WHERE k.digest = $1 \
        UNION ALL \
        SELECT k.id, k.name, k.amr, k.ceiling, k.suspended_at, k.user_id, k.classic_of, k.address_restriction, \
        u.username, u.number, u.status, u.permissions, 'granted' AS side, r.actions, r.platform, \
        (SELECT g.auth FROM global_settings g WHERE g.id > '' ORDER BY g.id LIMIT 1) AS policy, \
        (SELECT g.mfa FROM global_settings g WHERE g.id > '' ORDER BY g.id LIMIT 1) AS mfa \
        FROM api_keys k JOIN users u ON u.id = k.user_id \
        LEFT JOIN api_key_roles kr ON kr.api_key_id = k.id LEFT JOIN roles r ON r.id = kr.role_id WHERE k.digest = $1";
    let sql = SQL.replace("k.digest", column);
    let query = statement(db.get_database_backend(), &sql, [value]);
    let rows = db.query_all_raw(query).await.map_err(error)?;
    let Some(first) = rows.first() else { return Ok(None) };
    // The permissions that a user has in addition to roles also apply to the user's keys.
    let own = own_rights(first)?;
    let mut key = KeyGrant {
        id: ApiKeyId::from(text(first, "id")?),
        name: text(first, "name")?,
        user: UserId::from(text(first, "user_id")?),
        username: text(first, "username")?,
        held: own,
        granted: own,
        ceiling: parse_actions(&text(first, "ceiling")?)?,
        amr: serde_json::from_str(&text(first, "amr")?).map_err(Error::internal)?,
        suspended: maybe::<String>(first, "suspended_at")?.is_some(),
        classic: maybe::<String>(first, "classic_of")?.is_some(),
        address_restriction: maybe(first, "address_restriction")?,
        number: number(first)?,
        status: status(&text(first, "status")?)?,
        policy: read_policy(&text(first, "policy")?, &text(first, "mfa")?)?,
    };
    for row in &rows {
        let rights = role_rights(row)?;
        match text(row, "side")?.as_str() {
            "held" => key.held = key.held.union(&rights),
            _ => key.granted = key.granted.union(&rights),
        }
    }
    if key.classic {
        key.granted = Rights::from(Actions::from_names(["*"]));
    }
    Ok(Some(key))
}

async fn session(
    db: &impl ConnectionTrait,
    column: &'static str,
    value: sea_orm::Value,
) -> Result<Option<SessionGrant>> {
    const SQL: &str = "\
        SELECT s.id, s.created_at, s.expires_at, s.last_seen_at, s.mfa_at, s.password_at, s.password_expired, s.user_id, \
        u.username, u.number, u.status, u.permissions, \
        r.id AS role, r.actions, r.platform, \
        (SELECT f.id FROM factors f WHERE f.user_id = u.id LIMIT 1) AS factor, \
        (SELECT g.auth FROM global_settings g WHERE g.id > '' ORDER BY g.id LIMIT 1) AS policy, \
        (SELECT g.mfa FROM global_settings g WHERE g.id > '' ORDER BY g.id LIMIT 1) AS mfa \
        FROM sessions s JOIN users u ON u.id = s.user_id \
        LEFT JOIN user_roles ur ON ur.user_id = u.id LEFT JOIN roles r ON r.id = ur.role_id WHERE ";
    let query = statement(db.get_database_backend(), &format!("{SQL}{column} = $1"), [value]);
    let rows = db.query_all_raw(query).await.map_err(error)?;
    let Some(first) = rows.first() else { return Ok(None) };
    let mut session = SessionGrant {
        id: SessionId::from(text(first, "id")?),
        user: UserId::from(text(first, "user_id")?),
        username: text(first, "username")?,
        held: own_rights(first)?,
        created_at: moment(first, "created_at")?,
        expires_at: moment(first, "expires_at")?,
        last_seen_at: maybe::<String>(first, "last_seen_at")?.as_deref().and_then(parse_iso),
        mfa_at: maybe::<String>(first, "mfa_at")?.as_deref().and_then(parse_iso),
        password_at: maybe::<String>(first, "password_at")?.as_deref().and_then(parse_iso),
        password_expired: maybe(first, "password_expired")?.unwrap_or_default(),
        has_factor: maybe::<String>(first, "factor")?.is_some(),
        roles: Vec::new(),
        number: number(first)?,
        status: status(&text(first, "status")?)?,
        policy: read_policy(&text(first, "policy")?, &text(first, "mfa")?)?,
    };
    for row in &rows {
        session.held = session.held.union(&role_rights(row)?);
        session.roles.extend(maybe(row, "role")?.map(RoleId::from as fn(String) -> RoleId));
    }
    Ok(Some(session))
}
