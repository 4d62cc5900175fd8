//! What other systems report: rows about what their users did there.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::app::App;
use crate::domain::audit::{Author, Entry, Outcome};
use crate::domain::clock::Timestamp;
use crate::domain::entity::{CLUSTER, USER_AUDIT_LOG};
use crate::domain::filter::{Query, Scalar};
use crate::domain::id::{AuditLogId, UserId};
use crate::domain::key_format;
use crate::domain::name::check_name;
use crate::domain::operation::Operation;
use crate::domain::permit::{Denial, Permit};
use crate::domain::redact::redact;
use crate::domain::secret::PlainKey;
use crate::domain::text::{Language, Text, text};
use crate::error::{Error, Result};
use crate::service::people::check_number;
use crate::store::{Budget, Node, Projection, Scope, Tx};

/// Most characters of a message in one language.
const MESSAGE_MAX: usize = 4_000;
/// Most characters of everything else.
const TEXT_MAX: usize = 255;

/// A row that another system reports.
#[derive(Debug)]
pub struct ReportRequest {
    /// The row's id; made here when absent.
    pub id: Option<String>,
    /// Who did it.
    pub user: UserId,
    /// What was done.
    pub action: String,
    /// For people.
    pub message: Text,
    /// How it ended.
    pub outcome: Outcome,
    /// Type of what it was done to.
    pub resource_type: String,
    /// Id of what it was done to.
    pub resource_id: Option<String>,
    /// The cluster it belongs to.
    pub cluster: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The text of the API key that was used. It is not kept: the key's name is.
    pub key: Option<PlainKey>,
    /// The name of the API key that was used.
    pub key_name: Option<String>,
}

/// Writes rows that another system reports: all of them, or none. The `credential` of each tells who reported it.
///
/// # Errors
/// `Invalid` for what is not allowed, with the place in the list; `Forbidden` for whoever does not manage the audit log;
/// `Unavailable` when the database is away.
pub async fn create(app: &App, permit: &Permit, requests: Vec<ReportRequest>) -> Result<Vec<Arc<Node>>> {
    let permit = permit.require(Operation::CreateUserAuditLog)?;
    let reporter = Author::from(permit.actor().ok_or(Denial::NoCredential)?);
    check_number(&permit, requests.len())?;
    let tx = app.begin(&permit).await?;
    let (mut ids, mut known) = (Vec::new(), HashSet::new());
    for (index, request) in requests.into_iter().enumerate() {
        let at = |error: Error| error.at(&format!("[{index}]"));
        let entry = entry(app, &tx, &reporter, request).await.map_err(at)?;
        let id = entry.id.as_ref().map(ToString::to_string).unwrap_or_default();
        if !known.insert(id.clone()) {
            return Err(at(Error::invalid(text!("id {id:?} is taken already", "id {id:?} 已被使用"))));
        }
        let told = text!("row {id} written for another system", "已为其他系统写入记录 {id}");
        tx.note(entry);
        tx.note(Entry::done(told).of(USER_AUDIT_LOG.name, &id));
        ids.push(id);
    }
    tx.commit().await?;
    tracing::info!(audit_log.ids = ?ids, by = reporter.username, "audit log rows written for another system");
    read(app, permit.caller().language, &ids).await
}

/// Checks a report and makes it a row.
async fn entry(app: &App, tx: &Tx, reporter: &Author, request: ReportRequest) -> Result<Entry> {
    check(&request).map_err(Error::invalid)?;
    let user = request.user.as_str();
    let found = if user.contains('\0') { None } else { tx.login_user(&request.user).await? };
    let username = found
        .map(|user| user.username)
        .ok_or_else(|| Error::invalid(text!("user_id {user:?} is no user's", "user_id {user:?} 不是任何用户的 id")))?;
    if let Some(cluster) = &request.cluster
        && tx.existing(&CLUSTER, std::slice::from_ref(cluster)).await?.is_empty()
    {
        let text = text!("cluster_id {cluster:?} is no cluster's", "cluster_id {cluster:?} 不是任何集群的 id");
        return Err(Error::invalid(text));
    }
    let key = match &request.key {
        Some(key) => Some(name_of(app, key, &request.user).await?),
        None => request.key_name.map(|name| format!("API key {name}")),
    };
    let (who, with) = (&reporter.username, reporter.credential.as_deref().unwrap_or_default());
    let told = format!("reported by {who} with {with}");
    let credential = Some(key.map_or(told.clone(), |key| format!("{key}, {told}")));
    let id = match request.id {
        Some(id) => AuditLogId::from(id),
        None => AuditLogId::generate(app.now(), app.random.as_ref())?,
    };
    Ok(Entry {
        message: request.message,
        outcome: request.outcome,
        action: Some(request.action),
        resource_type: Some(request.resource_type),
        resource_id: request.resource_id,
        by: Some(Author { id: request.user, username, credential }),
        // Not the caller's: it tells where that other system stands.
        address: Some(request.address.unwrap_or_default()),
        cluster: request.cluster,
        times: Some((request.started_at, request.finished_at)),
        id: Some(id),
    })
}

/// Checks what can be checked without the database.
fn check(request: &ReportRequest) -> std::result::Result<(), Text> {
    for (what, text) in [
        ("action", Some(&request.action)),
        ("resource_type", Some(&request.resource_type)),
        ("resource_id", request.resource_id.as_ref()),
        ("api_key_name", request.key_name.as_ref()),
        ("id", request.id.as_ref()),
    ] {
        text.map_or(Ok(()), |text| check_name(what, text, TEXT_MAX))?;
    }
    if request.id.as_ref().is_some_and(|id| redact(id) != *id) {
        return Err(text!("id must not hold an API key or a token", "id 不能包含 API 密钥或令牌"));
    }
    if let Some(address) = request.address.as_ref().filter(|address| address.parse::<IpAddr>().is_err()) {
        return Err(text!(
            "ip_address {address:?} must be an address such as 192.0.2.1 or 2001:db8::1",
            "ip_address {address:?} 必须是地址，例如 192.0.2.1 或 2001:db8::1"
        ));
    }
    if request.started_at.zip(request.finished_at).is_some_and(|(started, finished)| finished < started) {
        return Err(text!("finished_at must not be earlier than started_at", "finished_at 不能早于 started_at"));
    }
    match request.message.versions().iter().map(|text| text.chars().count()).find(|length| *length > MESSAGE_MAX) {
        None => Ok(()),
        Some(length) => Err(text!(
            "message must have at most {MESSAGE_MAX} characters, this one has {length}",
            "message 最多 {MESSAGE_MAX} 个字符，当前为 {length} 个"
        )),
    }
}

/// The name of a user's key, found by its text.
async fn name_of(app: &App, key: &PlainKey, user: &UserId) -> Result<String> {
    let row = match key_format::parse(key.expose()) {
        Some(key) => app.store.find_key(&app.vault.digest(&key)).await?,
        None => None,
    };
    let row = row.filter(|row| row.user == *user).ok_or_else(|| {
        Error::invalid(text!(
            "key must be the text of an API key that this user has: leave it out, or name the key as api_key_name",
            "key 必须是该用户所拥有的 API 密钥：请不填，或用 api_key_name 填写密钥名称"
        ))
    })?;
    Ok(format!("API key {} ({})", row.name, row.id))
}

/// The rows as the caller reads them, in the order of their ids here.
async fn read(app: &App, language: Language, ids: &[String]) -> Result<Vec<Arc<Node>>> {
    let id = USER_AUDIT_LOG.field("id").ok_or_else(|| Error::internal("UserAuditLog has lost its id"))?;
    let mut query = Query::having(&USER_AUDIT_LOG, id, ids.iter().cloned().map(Scalar::Text).collect());
    query.language = language;
    let wanted = Projection::full(&USER_AUDIT_LOG);
    let mut rows = app.store.named(&query, &Scope::All, &wanted, &Budget::unlimited()).await?;
    rows.sort_by_key(|row| ids.iter().position(|id| id == row.id()));
    Ok(rows)
}
