//! Stores, changes and reads tasks. A task of keytower's own has a `due_at`: the time at which the service ends the task. A task that
//! another system reports has no `due_at`.

use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::{ActiveModelTrait, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;

use super::model::task::{ActiveModel, Column, Entity, Model};
use super::{Store, Tx, error, is_taken};
use crate::domain::audit::Author;
use crate::domain::clock::{Timestamp, iso, parse_iso};
use crate::domain::id::{TaskId, UserId};
use crate::domain::power::Power;
use crate::domain::task::{DueTask, EXECUTING, NewTask, Own, PENDING, Step, TaskChange};
use crate::domain::text::{Language, Text, text};
use crate::error::{Error, Result};

/// Maximum number of ids in one statement.
const CHUNK: usize = 5_000;
/// Maximum number of new tasks in one statement.
const BATCH: usize = 100;

/// The part of a task that is checked before the task is changed.
#[derive(Debug, Clone)]
pub struct TaskHead {
    /// Id of the task.
    pub id: TaskId,
    /// Whether the task is keytower's own. Only the service itself changes such a task.
    pub is_own: bool,
    /// Whether the task has an error message.
    pub has_error_message: bool,
}

impl Store {
    /// Returns true if a task of keytower's own must be started or ended now.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn has_work(&self, now: Timestamp) -> Result<bool> {
        let waiting = Condition::any().add(Column::Status.eq(PENDING)).add(over(now));
        let found = Entity::find().filter(own()).filter(waiting).limit(1).one(&self.read).await.map_err(error)?;
        Ok(found.is_some())
    }
}

impl Tx {
    /// Stores a new task.
    ///
    /// # Errors
    /// `Invalid` if a task with this id already exists.
    /// `Unavailable` if the database is unreachable.
    pub async fn insert_task(&self, new: NewTask, now: Timestamp) -> Result<()> {
        let taken = text!("id {:?} is another task's", "id {:?} 已被其他任务使用", new.id.as_str());
        let inserted = Entity::insert(row_of(new, now)).exec_without_returning(&self.db).await;
        inserted.map(drop).map_err(|cause| if is_taken(&cause) { Error::invalid(taken) } else { error(cause) })
    }

    /// Stores new tasks with generated ids, 100 in each statement.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn insert_tasks(&self, new: Vec<NewTask>, now: Timestamp) -> Result<()> {
        let mut new = new.into_iter().map(|new| row_of(new, now)).peekable();
        while new.peek().is_some() {
            let batch: Vec<ActiveModel> = new.by_ref().take(BATCH).collect();
            Entity::insert_many(batch).exec_without_returning(&self.db).await.map_err(error)?;
        }
        Ok(())
    }

    /// Changes a task. A field of `change` that is `None` stays as it is.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn update_task(&self, id: &TaskId, change: TaskChange) -> Result<()> {
        let mut row = ActiveModel { id: Unchanged(id.to_string()), ..Default::default() };
        put(&mut row, change);
        if row.is_changed() {
            Entity::update(row).exec(&self.db).await.map_err(error)?;
        }
        Ok(())
    }

    /// Returns the heads of the tasks with the given ids. Reads `ids` in groups of 5,000; the heads of each group are ordered by id. Omits
    /// tasks that do not exist.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn task_heads(&self, ids: &[String]) -> Result<Vec<TaskHead>> {
        let mut found = Vec::new();
        for ids in ids.chunks(CHUNK) {
            let query = Entity::find().filter(Column::Id.is_in(ids)).order_by_asc(Column::Id).select_only();
            let query = query.columns([Column::Id, Column::DueAt, Column::ErrorMessage]);
            let rows: Vec<(String, Option<String>, Option<String>)> =
                query.into_tuple().all(&self.db).await.map_err(error)?;
            found.extend(rows.into_iter().map(|(id, due_at, error_message)| TaskHead {
                id: TaskId::from(id),
                is_own: due_at.is_some(),
                has_error_message: error_message.is_some(),
            }));
        }
        Ok(found)
    }

    /// Starts every pending task of keytower's own. Returns the number of started tasks.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn begin_tasks(&self, now: Timestamp) -> Result<u64> {
        let begin = Entity::update_many()
            .col_expr(Column::Status, EXECUTING.into())
            .col_expr(Column::StartedAt, iso(now).into())
            .filter(own())
            .filter(Column::Status.eq(PENDING));
        Ok(begin.exec(&self.db).await.map_err(error)?.rows_affected)
    }

    /// Returns at most `most` running tasks of keytower's own that are due. The task that has been due for longest comes first.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn due_tasks(&self, now: Timestamp, most: u64) -> Result<Vec<DueTask>> {
        let due = Entity::find().filter(own()).filter(over(now));
        let due = due.order_by_asc(Column::DueAt).order_by_asc(Column::Id).limit(most);
        due.all(&self.db).await.map_err(error)?.into_iter().map(due_task).collect()
    }
}

/// Returns the condition for keytower's own tasks that this release can perform. A task of an unknown kind was stored by a later release,
/// and waits until that release runs again.
fn own() -> Condition {
    let known = Column::ResourceMutation.is_in(Power::ALL.map(Power::mutation));
    Condition::all().add(Column::DueAt.gt("")).add(known)
}

fn over(now: Timestamp) -> Condition {
    Condition::all().add(Column::Status.eq(EXECUTING)).add(Column::DueAt.lte(iso(now)))
}

/// Returns the row of a new task. Sets every column, so that all rows of one statement have the same columns.
fn row_of(new: NewTask, now: Timestamp) -> ActiveModel {
    let NewTask { id, internal, own, state } = new;
    let or = |value: &str| Set(value.to_owned());
    let mut row = ActiveModel {
        id: Set(id.to_string()),
        args: or("{}"),
        cluster_id: Set(None),
        credential: Set(None),
        description: or(""),
        description_zh: or(""),
        due_at: Set(None),
        error_code: Set(None),
        error_message: Set(None),
        error_message_zh: Set(None),
        finished_at: Set(None),
        internal: Set(internal),
        key: Set(None),
        local_created_at: Set(iso(now)),
        progress: Set(0.0),
        resource_id: Set(None),
        resource_mutation: Set(None),
        resource_rollback_error: Set(None),
        resource_rollback_retry_count: Set(None),
        resource_rollbacked: Set(None),
        resource_type: Set(None),
        snapshot: or(""),
        started_at: Set(None),
        status: or(PENDING),
        steps: or("[]"),
        kind: Set(None),
        user_id: Set(None),
        username: Set(None),
    };
    put(&mut row, state);
    if let Some(Own { due_at, author }) = own {
        row.due_at = Set(Some(iso(due_at)));
        row.user_id = Set(Some(author.id.to_string()));
        row.username = Set(Some(author.username));
        row.credential = Set(author.credential);
    }
    row
}

fn due_task(row: Model) -> Result<DueTask> {
    let power = row.resource_mutation.as_deref().and_then(Power::parse);
    let args: Value = serde_json::from_str(&row.args).unwrap_or_default();
    Ok(DueTask {
        id: TaskId::from(row.id),
        power: power.ok_or_else(|| Error::internal("a task of no known kind was read"))?,
        vm: row.resource_id.unwrap_or_default(),
        cluster: row.cluster_id,
        host: args.get("host_id").and_then(Value::as_str).map(str::to_owned),
        started_at: row.started_at.as_deref().and_then(parse_iso),
        author: Author {
            id: UserId::from(row.user_id.unwrap_or_default()),
            username: row.username.unwrap_or_default(),
            credential: row.credential,
        },
    })
}

/// Sets the columns for which `change` has a value.
fn put(row: &mut ActiveModel, change: TaskChange) {
    fn set<T: Into<sea_orm::Value>>(to: &mut sea_orm::ActiveValue<T>, value: Option<T>) {
        if let Some(value) = value {
            *to = Set(value);
        }
    }
    let [description, description_zh] = versions(change.description);
    let [error_message, error_message_zh] = versions(change.error_message);
    set(&mut row.args, change.args.map(|args| Value::from(args).to_string()));
    set(&mut row.cluster_id, change.cluster.map(Some));
    set(&mut row.description, description);
    set(&mut row.description_zh, description_zh);
    set(&mut row.error_code, change.error_code.map(Some));
    set(&mut row.error_message, error_message.map(Some));
    set(&mut row.error_message_zh, error_message_zh.map(Some));
    set(&mut row.finished_at, change.finished_at.map(|at| Some(iso(at))));
    set(&mut row.key, change.key.map(Some));
    set(&mut row.progress, change.progress);
    set(&mut row.resource_id, change.resource_id.map(Some));
    set(&mut row.resource_mutation, change.resource_mutation.map(Some));
    set(&mut row.resource_rollback_error, change.resource_rollback_error.map(Some));
    set(&mut row.resource_rollback_retry_count, change.resource_rollback_retry_count.map(Some));
    set(&mut row.resource_rollbacked, change.resource_rollbacked.map(Some));
    set(&mut row.resource_type, change.resource_type.map(Some));
    set(&mut row.snapshot, change.snapshot);
    set(&mut row.started_at, change.started_at.map(|at| Some(iso(at))));
    set(&mut row.status, change.status);
    let steps = change.steps.map(|steps| steps.iter().map(Step::to_json).collect::<Value>().to_string());
    set(&mut row.steps, steps);
    set(&mut row.kind, change.kind.map(Some));
    set(&mut row.user_id, change.user.map(|user| Some(user.to_string())));
}

fn versions(text: Option<Text>) -> [Option<String>; 2] {
    [Language::EnUs, Language::ZhCn].map(|language| text.as_ref().map(|text| text.said_in(language)))
}
