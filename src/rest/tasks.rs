//! Bodies of the routes with which other systems report tasks (contract section 6). Unknown members are rejected.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::people::given;
use crate::domain::clock::{Timestamp, parse_iso};
use crate::domain::id::UserId;
use crate::domain::task::{Step, TaskChange};
use crate::domain::text::Text;
use crate::service::inventory::tasks::TaskRequest;

/// `TaskCreationParams` in the contract: a task to create.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaskCreation {
    user_id: String,
    description: Description,
    resource_mutation: String,
    resource_type: String,
    id: Option<String>,
    api_key_name: Option<String>,
    internal: Option<bool>,
    args: Option<Map<String, Value>>,
    cluster_id: Option<String>,
    finished_at: Option<Moment>,
    key: Option<String>,
    resource_id: Option<String>,
    snapshot: Option<String>,
    started_at: Option<Moment>,
    status: Option<String>,
    steps: Option<Vec<StepCreation>>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// `TaskUpdateParams` in the contract: changes to the tasks that `where` selects.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaskUpdate {
    /// Must not be null: in a list request, a null `where` matches every row.
    #[serde(rename = "where")]
    conditions: Map<String, Value>,
    data: TaskData,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskData {
    #[serde(default, deserialize_with = "given")]
    args: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "given")]
    cluster_id: Option<String>,
    #[serde(default, deserialize_with = "given")]
    description: Option<Description>,
    #[serde(default, deserialize_with = "given")]
    error_code: Option<String>,
    #[serde(default, deserialize_with = "given")]
    error_message: Option<String>,
    #[serde(default, deserialize_with = "given")]
    finished_at: Option<Moment>,
    #[serde(default, deserialize_with = "given")]
    key: Option<String>,
    #[serde(default, deserialize_with = "given")]
    progress: Option<f64>,
    #[serde(default, deserialize_with = "given")]
    resource_id: Option<String>,
    #[serde(default, deserialize_with = "given")]
    resource_mutation: Option<String>,
    #[serde(default, deserialize_with = "given")]
    resource_rollback_error: Option<String>,
    #[serde(default, deserialize_with = "given")]
    resource_rollback_retry_count: Option<i32>,
    #[serde(default, deserialize_with = "given")]
    resource_rollbacked: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    resource_type: Option<String>,
    #[serde(default, deserialize_with = "given")]
    snapshot: Option<String>,
    #[serde(default, deserialize_with = "given")]
    started_at: Option<Moment>,
    #[serde(default, deserialize_with = "given")]
    status: Option<String>,
    #[serde(default, deserialize_with = "given")]
    steps: Option<Vec<StepCreation>>,
    #[serde(default, rename = "type", deserialize_with = "given")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "given")]
    user_id: Option<String>,
}

/// `TaskDescription` and `UserAuditLogMessage` in the contract: a text in English and Chinese.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    #[serde(rename = "en-US")]
    en: String,
    #[serde(rename = "zh-CN")]
    zh: String,
}

/// `TaskStepCreationParams` in the contract: a step of a task. The description is accepted and dropped, since the contract's `Task` has no
/// description of steps.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepCreation {
    key: String,
    finished: bool,
    #[serde(rename = "description")]
    _description: Option<String>,
}

/// A timestamp, sent as text in ISO 8601.
#[derive(Debug)]
pub(super) struct Moment(pub(super) Timestamp);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let moment = parse_iso(&String::deserialize(deserializer)?);
        moment.map(Self).ok_or_else(|| serde::de::Error::custom("must be a time such as 2026-01-31T12:00:00.000Z"))
    }
}

impl Description {
    pub(super) fn read(self) -> Text {
        Text::new(self.en, self.zh)
    }
}

fn steps(given: Vec<StepCreation>) -> Vec<Step> {
    given.into_iter().map(|StepCreation { key, finished, .. }| Step { key, finished }).collect()
}

impl TaskCreation {
    /// Converts the body to a request for a new task.
    pub(super) fn read(self) -> TaskRequest {
        let state = TaskChange {
            args: self.args,
            cluster: self.cluster_id,
            description: Some(self.description.read()),
            finished_at: self.finished_at.map(|at| at.0),
            key: self.key,
            resource_id: self.resource_id,
            resource_mutation: Some(self.resource_mutation),
            resource_type: Some(self.resource_type),
            snapshot: self.snapshot,
            started_at: self.started_at.map(|at| at.0),
            status: self.status,
            steps: self.steps.map(steps),
            kind: self.kind,
            user: Some(UserId::from(self.user_id)),
            ..TaskChange::default()
        };
        let (id, internal, api_key_name) = (self.id, self.internal.unwrap_or_default(), self.api_key_name);
        TaskRequest { id, internal, api_key_name, state }
    }
}

impl TaskUpdate {
    /// Returns the conditions that select tasks, and the change to these tasks.
    pub(super) fn read(self) -> (Map<String, Value>, TaskChange) {
        let data = self.data;
        let change = TaskChange {
            args: data.args,
            cluster: data.cluster_id,
            description: data.description.map(Description::read),
            error_code: data.error_code,
            error_message: data.error_message.map(Text::from),
            finished_at: data.finished_at.map(|at| at.0),
            key: data.key,
            progress: data.progress,
            resource_id: data.resource_id,
            resource_mutation: data.resource_mutation,
            resource_rollback_error: data.resource_rollback_error,
            resource_rollback_retry_count: data.resource_rollback_retry_count,
            resource_rollbacked: data.resource_rollbacked,
            resource_type: data.resource_type,
            snapshot: data.snapshot,
            started_at: data.started_at.map(|at| at.0),
            status: data.status,
            steps: data.steps.map(steps),
            kind: data.kind,
            user: data.user_id.map(UserId::from),
        };
        (self.conditions, change)
    }
}
