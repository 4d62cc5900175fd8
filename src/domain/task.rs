//! Tasks: work that keytower does itself, and work that other systems report.

use serde_json::{Map, Value, json};

use super::audit::Author;
use super::clock::Timestamp;
use super::entity::Enumeration;
use super::entity::enums::{TASK_STATUS, TASK_TYPE};
use super::id::{TaskId, UserId};
use super::power::Power;
use super::text::{Text, text};

/// Status of a task that has not begun (contract: TaskStatus).
pub const PENDING: &str = "PENDING";
/// Status of a task that is running.
pub const EXECUTING: &str = "EXECUTING";
/// Status of a task that succeeded (the contract's spelling).
pub const SUCCESSED: &str = "SUCCESSED";
/// Status of a task that failed.
pub const FAILED: &str = "FAILED";

/// Maximum number of characters in an id or a name of a task.
const NAME_MAX: usize = 255;
/// Maximum number of characters in a longer text of a task, such as the description.
const TEXT_MAX: usize = 10_000;
/// Maximum number of steps in a task.
const STEPS_MAX: usize = 1_000;

/// A task to be stored.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// Id of the task.
    pub id: TaskId,
    /// Whether user interfaces hide the task from lists of tasks.
    pub internal: bool,
    /// Data of a task that keytower itself does; `None` for a task that another system reports.
    pub own: Option<Own>,
    /// Members of the task that can also change after the task is stored.
    pub state: TaskChange,
}

/// Internal data of a task that keytower itself does.
#[derive(Debug, Clone)]
pub struct Own {
    /// When the work of the task is due.
    pub due_at: Timestamp,
    /// User who requested the task.
    pub author: Author,
}

/// Changes to a task. A field that is `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct TaskChange {
    /// Arguments of the task.
    pub args: Option<Map<String, Value>>,
    /// Id of the cluster that the task concerns.
    pub cluster: Option<String>,
    /// Description of the task, for people.
    pub description: Option<Text>,
    /// Error code, for programs.
    pub error_code: Option<String>,
    /// Error message, for people.
    pub error_message: Option<Text>,
    /// When the task ended.
    pub finished_at: Option<Timestamp>,
    /// Marker that prevents doing the same work twice.
    pub key: Option<String>,
    /// Progress from 0 to 1.
    pub progress: Option<f64>,
    /// Id of the resource that the task concerns.
    pub resource_id: Option<String>,
    /// Name of the operation on the resource.
    pub resource_mutation: Option<String>,
    /// Why the rollback failed.
    pub resource_rollback_error: Option<String>,
    /// Number of rollback attempts.
    pub resource_rollback_retry_count: Option<i32>,
    /// Whether the operation was rolled back.
    pub resource_rollbacked: Option<bool>,
    /// Type of the resource.
    pub resource_type: Option<String>,
    /// State of the resource when the task began.
    pub snapshot: Option<String>,
    /// When the task began.
    pub started_at: Option<Timestamp>,
    /// Status of the task.
    pub status: Option<String>,
    /// Steps of the task.
    pub steps: Option<Vec<Step>>,
    /// Type of the task.
    pub kind: Option<String>,
    /// Id of the user who requested the task.
    pub user: Option<UserId>,
}

/// A step of a task, as another system reports it.
#[derive(Debug, Clone)]
pub struct Step {
    /// Key that identifies the step.
    pub key: String,
    /// Whether the step is done.
    pub finished: bool,
}

/// A task that keytower itself does, and whose work is due.
#[derive(Debug, Clone)]
pub struct DueTask {
    /// Id of the task.
    pub id: TaskId,
    /// Power operation to do on the VM.
    pub power: Power,
    /// Id of the VM.
    pub vm: String,
    /// Id of the VM's cluster.
    pub cluster: Option<String>,
    /// Id of the host on which the VM is to run; `None` if no host was chosen.
    pub host: Option<String>,
    /// When the task began.
    pub started_at: Option<Timestamp>,
    /// User who requested the task.
    pub author: Author,
}

impl TaskChange {
    /// Checks every field that is not `None`.
    ///
    /// # Errors
    /// The text names the member, then says what is wrong and what is allowed.
    pub fn check(&self) -> Result<(), Text> {
        let texts = [
            ("error_code", &self.error_code, NAME_MAX),
            ("key", &self.key, NAME_MAX),
            ("resource_id", &self.resource_id, NAME_MAX),
            ("resource_rollback_error", &self.resource_rollback_error, TEXT_MAX),
            ("snapshot", &self.snapshot, TEXT_MAX),
        ];
        for (what, text, most) in texts {
            check_text(what, text.as_deref().unwrap_or_default(), most)?;
        }
        for (what, text) in [("resource_mutation", &self.resource_mutation), ("resource_type", &self.resource_type)] {
            text.as_deref().map_or(Ok(()), |text| check_name(what, text))?;
        }
        for (what, both) in [("description", &self.description), ("error_message", &self.error_message)] {
            let Some(both) = both else { continue };
            both.versions().into_iter().try_for_each(|text| check_text(what, text, TEXT_MAX))?;
        }
        check_value("status", self.status.as_deref(), &TASK_STATUS)?;
        check_value("type", self.kind.as_deref(), &TASK_TYPE)?;
        if self.progress.is_some_and(|progress| !(0.0..=1.0).contains(&progress)) {
            return Err(text!("progress must be a number from 0 to 1", "progress 必须是 0 到 1 之间的数"));
        }
        if self.resource_rollback_retry_count.is_some_and(|count| count < 0) {
            return Err(text!(
                "resource_rollback_retry_count must be 0 or more",
                "resource_rollback_retry_count 必须大于或等于 0"
            ));
        }
        let steps = self.steps.as_deref().unwrap_or_default();
        if steps.len() > STEPS_MAX {
            return Err(text!("steps must be at most {STEPS_MAX}", "steps 最多 {STEPS_MAX} 个"));
        }
        steps.iter().try_for_each(|step| check_name("steps.key", &step.key))?;
        let args = Value::from(self.args.clone().unwrap_or_default()).to_string();
        check_text("args", &args, TEXT_MAX)
    }

    /// Adds the values that the new status implies: progress 1 if the task succeeded, and an error message if the task failed, because
    /// clients read that message without checking for null. No message is added if the stored task already has a message (`has_said`).
    #[must_use]
    pub fn completed(mut self, has_said: bool) -> Self {
        match self.status.as_deref() {
            Some(SUCCESSED) => self.progress = self.progress.or(Some(1.0)),
            Some(FAILED) if !has_said => {
                let unsaid = || text!("no reason was given", "未说明原因");
                self.error_message = self.error_message.or_else(|| Some(unsaid()));
            }
            _ => {}
        }
        self
    }
}

impl Step {
    /// Returns the step as JSON, in the contract's form.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Self { key, finished } = self;
        json!({ "current": null, "finished": finished, "key": key, "per_second": null, "total": null, "unit": null })
    }
}

/// Checks a name that must not be empty.
///
/// # Errors
/// The text names the member, then says what is wrong and what is allowed.
pub fn check_name(what: &str, text: &str) -> Result<(), Text> {
    match text {
        "" => Err(text!("{what} must not be empty", "{what} 不能为空")),
        _ => check_text(what, text, NAME_MAX),
    }
}

fn check_text(what: &str, text: &str, most: usize) -> Result<(), Text> {
    let length = text.chars().count();
    if length > most {
        return Err(text!(
            "{what} must have at most {most} characters, this one has {length}",
            "{what} 最多 {most} 个字符，当前为 {length} 个"
        ));
    }
    // JSON that is stored as text is not affected, because JSON writes NUL as the escape \u0000.
    if text.contains('\0') {
        return Err(text!("{what} must not contain NUL", "{what} 不能包含 NUL"));
    }
    Ok(())
}

fn check_value(what: &str, value: Option<&str>, allowed: &Enumeration) -> Result<(), Text> {
    match value {
        Some(value) if !allowed.values.contains(&value) => {
            let allowed = allowed.values.join(", ");
            Err(text!("{what} must be one of {allowed}", "{what} 必须是 {allowed} 之一"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{FAILED, SUCCESSED, Step, TaskChange};

    #[test]
    fn what_is_out_of_range_is_refused_by_name() {
        let some = |text: &str| Some(text.to_owned());
        let steps = |key: &str| Some(vec![Step { key: key.to_owned(), finished: true }]);
        for (change, word) in [
            (TaskChange { progress: Some(1.01), ..Default::default() }, "progress"),
            (TaskChange { progress: Some(-0.01), ..Default::default() }, "progress"),
            (TaskChange { progress: Some(f64::NAN), ..Default::default() }, "progress"),
            (TaskChange { status: some("SUCCEEDED"), ..Default::default() }, "SUCCESSED"),
            (TaskChange { kind: some("VM"), ..Default::default() }, "type must be one of APPLICATION"),
            (TaskChange { resource_type: some(""), ..Default::default() }, "resource_type"),
            (TaskChange { snapshot: some("a\0"), ..Default::default() }, "NUL"),
            (TaskChange { key: some(&"k".repeat(256)), ..Default::default() }, "255"),
            (TaskChange { description: Some("\0".into()), ..Default::default() }, "description"),
            (TaskChange { resource_rollback_retry_count: Some(-1), ..Default::default() }, "retry_count"),
            (TaskChange { steps: steps(""), ..Default::default() }, "steps.key"),
        ] {
            let refusal = change.check().unwrap_err();
            assert!(refusal.en().contains(word), "{refusal:?}");
        }
        TaskChange { progress: Some(1.0), status: some(FAILED), steps: steps("a"), ..Default::default() }
            .check()
            .unwrap();
    }

    #[test]
    fn what_follows_from_the_end_is_added_and_what_was_said_is_kept() {
        let ended = |status: &str| TaskChange { status: Some(status.to_owned()), ..Default::default() };
        assert_eq!(ended(SUCCESSED).completed(false).progress, Some(1.0));
        assert!(ended(FAILED).completed(false).error_message.is_some());
        assert!(ended(FAILED).completed(true).error_message.is_none());
        let said = TaskChange { progress: Some(0.5), error_message: Some("disk".into()), ..ended(FAILED) };
        let said = said.completed(false);
        assert_eq!((said.progress, said.error_message.unwrap().en()), (Some(0.5), "disk"));
        assert!(ended("PAUSED").completed(false).error_message.is_none());
    }
}
