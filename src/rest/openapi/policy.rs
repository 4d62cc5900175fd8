//! Schemas of the routes that change the policies.

use serde_json::{Map, Value, json};

use super::{closed, members, reference};
use crate::domain::policy::ACCESS_LIST_MAX;

/// Returns the schemas of the bodies of these routes.
pub(super) fn schemas() -> Map<String, Value> {
    let number = |text: &str| json!({ "type": "integer", "format": "int32", "minimum": 0, "description": text });
    let security = members(json!({
        "password_expire_days": number("Days that a password works; 0 for ever."),
        "password_complexity": reference("PasswordComplexity"),
        "login_miss_num_threshold": number("Wrong logins with one username within the time; 0, like the time, for any number."),
        "login_miss_time_threshold": number("That time in milliseconds."),
    }));
    let range = "An address, a network in CIDR form, or the first and the last address with a hyphen between.";
    let restriction = members(json!({
        "access_list": {
            "type": "array", "description": format!("At most {ACCESS_LIST_MAX}."),
            "items": { "type": "string", "description": range },
        },
        "access_mode": reference("AccessMode"),
    }));
    let age = "Milliseconds that a login lasts; 0 for as long as its token says. Keys are not touched.";
    let timeout = members(json!({ "session_max_age": number(age) }));
    members(json!({
        "UpdatePassrodSecurityParams": closed(security, &[]),
        "UpdateAccessRestrictionParams": closed(restriction, &["access_list", "access_mode"]),
        "UpdateSessionTimeoutParams": closed(timeout, &["session_max_age"]),
    }))
}
