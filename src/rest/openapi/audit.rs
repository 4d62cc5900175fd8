//! Schemas of the bodies with which other systems report events to the audit log.

use serde_json::{Map, Value, json};

use super::{closed, members, nullable, reference};

pub(super) fn schemas() -> Map<String, Value> {
    let text = || json!({ "type": "string" });
    let named = || json!({ "type": "string", "minLength": 1 });
    let message = members(json!({ "en-US": text(), "zh-CN": text() }));
    let report = members(json!({
        "user_id": text(), "action": named(), "message": reference("UserAuditLogMessage"),
        "status": reference("UserAuditLogStatus"), "resource_type": named(), "resource_id": nullable(text()),
        "cluster_id": nullable(text()), "ip_address": nullable(text()), "started_at": nullable(text()),
        "finished_at": nullable(text()), "api_key_name": nullable(text()), "key": nullable(text()), "id": nullable(text()),
    }));
    let needed = ["user_id", "action", "message", "status", "resource_type"];
    members(json!({
        "UserAuditLogMessage": closed(message, &["en-US", "zh-CN"]),
        "UserAuditLogCreationParams": closed(report, &needed),
    }))
}
