//! Tasks: the work on keytower's own, and what other systems report of theirs.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::access::Wanted;
use super::door;
use super::lists::by_ids_in;
use super::people::{check_number, matched};
use super::power;
use crate::app::App;
use crate::domain::audit::Entry;
use crate::domain::entity::{CLUSTER, TASK, USER, VM};
use crate::domain::filter::Query;
use crate::domain::id::TaskId;
use crate::domain::operation::Operation;
use crate::domain::permit::Permit;
use crate::domain::task::{NewTask, TaskChange, check_name};
use crate::domain::text::{Language, Text, text};
use crate::error::{Error, Result};
use crate::store::{Budget, Node, Projection, TaskHead, Tx};

/// Tasks that end in one transaction.
const BATCH: u64 = 100;

/// A task that another system reports.
#[derive(Debug)]
pub struct TaskRequest {
    /// Its id, where the other system chose it.
    pub id: Option<String>,
    /// Whether it is hidden from people's lists of tasks.
    pub internal: bool,
    /// The key that the other system worked with, by name.
    pub api_key_name: Option<String>,
    /// Everything else.
    pub state: TaskChange,
}

/// Begins the tasks of keytower's own that wait, and ends those whose time has come. Any number of nodes may do so at once: who comes
/// second finds nothing left. Nobody owns a task, so that none is left behind by a node that dies.
///
/// # Errors
/// `Unavailable` when the database is away.
pub async fn work(app: &App) -> Result<()> {
    while app.store.has_work(app.now()).await? {
        let tx = app.begin(&door::operator(Operation::WorkTasks)?).await?;
        tx.alone_with(VM.table).await?;
        let now = app.now();
        let begun = tx.begin_tasks(now).await?;
        let due = tx.due_tasks(now, BATCH).await?;
        if begun == 0 && due.is_empty() {
            break;
        }
        if begun > 0 {
            tx.note(Entry::done(text!("{begun} tasks begun", "已开始 {begun} 个任务")));
        }
        let ended = due.len();
        power::end(&tx, due, now).await?;
        tx.commit().await?;
        tracing::info!(begun, ended, "tasks");
    }
    Ok(())
}

/// Writes down tasks of other systems: all of them, or none.
///
/// # Errors
/// `Invalid` for what is not allowed, with the place in the list, `Unavailable` when the database is away.
pub async fn create(app: &App, permit: &Permit, requests: Vec<TaskRequest>) -> Result<Vec<Arc<Node>>> {
    let permit = permit.require(Operation::CreateTask)?;
    check_number(&permit, requests.len())?;
    let at = |index: usize| format!("[{index}]");
    for (index, request) in requests.iter().enumerate() {
        request.check().map_err(|why| Error::invalid(why).at(&at(index)))?;
    }
    let now = app.now();
    let tx = app.begin(&permit).await?;
    let named = Named::by(&tx, requests.iter().map(|request| &request.state)).await?;
    let mut ids = Vec::new();
    for (index, request) in requests.into_iter().enumerate() {
        let TaskRequest { id, internal, api_key_name, state } = request;
        named.check(&state).map_err(|why| Error::invalid(why).at(&at(index)))?;
        let id = match id {
            Some(id) => TaskId::from(id),
            None => TaskId::generate(now, app.random.as_ref())?,
        };
        ids.push(id.to_string());
        let by = api_key_name.map(|name| text!(" with API key {name}", "（API 密钥 {name}）"));
        let [by_en, by_zh] = by.as_ref().map(Text::versions).unwrap_or_default();
        let entry = Entry::done(text!("task {id} written down{by_en}", "已记录任务 {id}{by_zh}")).of(TASK.name, &id);
        tx.note(Entry { cluster: state.cluster.clone(), ..entry });
        let new = NewTask { id, internal, own: None, state: state.completed(false) };
        tx.insert_task(new, now).await.map_err(|error| error.at(&at(index)))?;
    }
    finish(tx, &ids, permit.caller().language).await
}

/// Changes all tasks that a `where` matches, or none.
///
/// # Errors
/// `Invalid` for what is not allowed, when more than 1,000 match and when one of them is keytower's own, `NotFound` when none matches, `Unavailable` when the
/// database is away.
pub async fn update(
    app: &App,
    permit: &Permit,
    conditions: Map<String, Value>,
    change: TaskChange,
) -> Result<Vec<Arc<Node>>> {
    let permit = permit.require(Operation::UpdateTask)?;
    let query = Query::matching(&TASK, conditions).map_err(Error::invalid)?;
    let query = Query { language: permit.caller().language, ..query };
    let of_data = |why| Error::invalid(why).at("data");
    change.check().map_err(of_data)?;
    let tx = app.begin(&permit).await?;
    tx.alone_with(TASK.table).await?;
    let ids = matched(&tx, &query).await?;
    let found = tx.task_heads(&ids).await?;
    if let Some(own) = found.iter().find(|task| task.is_own).map(|task| &task.id) {
        return Err(Error::invalid(text!(
            "task {own} is keytower's own: only tasks made by create-task can be changed",
            "任务 {own} 属于 keytower：只能修改由 create-task 创建的任务"
        )));
    }
    Named::by(&tx, [&change].into_iter()).await?.check(&change).map_err(of_data)?;
    for TaskHead { id, has_error_message, .. } in found {
        tx.note(Entry::done(text!("task {id} changed", "已修改任务 {id}")).of(TASK.name, &id));
        tx.update_task(&id, change.clone().completed(has_error_message)).await?;
    }
    finish(tx, &ids, permit.caller().language).await
}

/// Ends a change, and answers its tasks as they are then, in the order of their ids here.
async fn finish(tx: Tx, ids: &[String], language: Language) -> Result<Vec<Arc<Node>>> {
    let wanted = Wanted { projection: &Projection::full(&TASK), budget: &Budget::unlimited() };
    let rows = by_ids_in(language, &tx, &TASK, ids, wanted).await?;
    tx.commit().await?;
    tracing::info!(task.ids = ?ids, "tasks of other systems written down");
    let mut rows: HashMap<_, _> = rows.into_iter().map(|row| (row.id().to_owned(), row)).collect();
    ids.iter().map(|id| rows.remove(id).ok_or_else(|| Error::internal("a task that was written is gone"))).collect()
}

impl TaskRequest {
    fn check(&self) -> std::result::Result<(), Text> {
        for (what, name) in [("id", &self.id), ("api_key_name", &self.api_key_name)] {
            name.as_deref().map_or(Ok(()), |name| check_name(what, name))?;
        }
        self.state.check()
    }
}

/// Those users and clusters that tasks name and that exist.
struct Named {
    users: BTreeSet<String>,
    clusters: BTreeSet<String>,
}

impl Named {
    async fn by<'a>(tx: &Tx, tasks: impl Iterator<Item = &'a TaskChange> + Clone) -> Result<Self> {
        let users = tasks.clone().filter_map(|task| task.user.as_ref().map(ToString::to_string));
        let clusters = tasks.filter_map(|task| task.cluster.clone());
        let (users, clusters): (Vec<String>, Vec<String>) = (users.collect(), clusters.collect());
        Ok(Self { users: tx.existing(&USER, &users).await?, clusters: tx.existing(&CLUSTER, &clusters).await? })
    }

    fn check(&self, task: &TaskChange) -> std::result::Result<(), Text> {
        if let Some(user) = task.user.as_ref().map(|user| user.as_str())
            && !self.users.contains(user)
        {
            return Err(text!("user_id {user:?} is no user's", "user_id {user:?} 不是任何用户的 id"));
        }
        if let Some(cluster) = task.cluster.as_ref().filter(|cluster| !self.clusters.contains(*cluster)) {
            return Err(text!("cluster_id {cluster:?} is no cluster's", "cluster_id {cluster:?} 不是任何集群的 id"));
        }
        Ok(())
    }
}
