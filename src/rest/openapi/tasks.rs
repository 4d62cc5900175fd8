//! Schemas of the routes that switch VMs on and off, and of the routes that report tasks.

use serde_json::{Map, Value, json};

use super::{closed, list_of, members, reference};
use crate::domain::entity::{TASK, VM};

/// Description, in the OpenAPI document, of every route that switches VMs on or off.
pub(super) const RECORD_ONLY: &str = "Begins a task for every VM that `where` matches, or for none. keytower alone holds the record of \
    the VMs and reaches no machine: when the task ends, the record changes, and nothing else.";

/// Returns the schemas of the bodies of these routes.
pub(super) fn schemas() -> Map<String, Value> {
    let text = || json!({ "type": "string" });
    let filled = || json!({ "type": "string", "minLength": 1 });
    let boolean = || json!({ "type": "boolean" });
    let rows = |input: String| members(json!({ "where": reference(&input) }));
    let state = || {
        members(json!({
            "args": { "type": "object" }, "cluster_id": text(), "description": reference("TaskDescription"),
            "finished_at": text(), "key": text(), "resource_id": text(), "resource_mutation": filled(),
            "resource_type": filled(), "snapshot": text(), "started_at": text(), "status": reference("TaskStatus"),
            "steps": list_of("TaskStepCreationParams"), "type": reference("TaskType"), "user_id": text(),
        }))
    };
    let mut creation = state();
    creation.extend(members(json!({ "api_key_name": filled(), "id": filled(), "internal": boolean() })));
    let mut change = state();
    change.extend(members(json!({
        "error_code": text(), "error_message": text(),
        "progress": { "type": "number", "format": "float", "minimum": 0, "maximum": 1 },
        "resource_rollback_error": text(),
        "resource_rollback_retry_count": { "type": "integer", "format": "int32", "minimum": 0 },
        "resource_rollbacked": boolean(),
    })));
    let mut update = rows(TASK.where_input());
    update.insert("data".to_owned(), closed(change, &[]));
    let mut start = rows(VM.where_input());
    start.insert("data".to_owned(), closed(members(json!({ "host_id": text() })), &["host_id"]));
    let description = members(json!({ "en-US": text(), "zh-CN": text() }));
    let step = members(json!({ "description": text(), "finished": boolean(), "key": filled() }));
    let needed = ["user_id", "description", "resource_mutation", "resource_type"];
    members(json!({
        "VmStartParams": closed(start, &["where"]),
        "VmOperateParams": closed(rows(VM.where_input()), &["where"]),
        "TaskCreationParams": closed(creation, &needed),
        "TaskUpdateParams": closed(update, &["data", "where"]),
        "TaskDescription": closed(description, &["en-US", "zh-CN"]),
        "TaskStepCreationParams": closed(step, &["finished", "key"]),
    }))
}
