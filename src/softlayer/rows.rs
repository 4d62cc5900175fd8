//! Objects with all local properties, before a mask selects some of the properties.

use super::value::{Struct, Value};
use crate::domain::customer::{
    Customer, DEPARTMENTS, Event, LoginAttempt, PERMISSIONS, PROFILE_FLAGS, PROFILE_NUMBERS, PROFILE_TEXTS, Permission,
    QUESTIONS, Status,
};
use crate::domain::id::UserId;
use crate::service::keys::classic_keys::Shown;
use crate::service::people::customers::{UserOutline, VisibleUser};

/// Id of the only account.
pub(super) const ACCOUNT: i64 = 1;

/// An object of a SoftLayer datatype.
#[derive(Debug, Clone)]
pub(super) enum Row {
    /// A user that is visible to the caller.
    User(Box<VisibleUser>),
    /// A user that is not visible to the caller: answers show only the user's id and names.
    Outline(UserOutline),
    /// A classic API key.
    Key(Box<Shown>),
    /// Any other object with all local properties and relations, and the id of the user that the object belongs to, if any.
    Plain(Struct, Option<UserId>),
    /// The account.
    Account,
}

/// Returns the value of a local property of a user; null if there is no such property.
pub(super) fn of_user(user: &Customer, name: &str) -> Value {
    let text = || user.profile.get(name).cloned();
    match name {
        "accountId" => ACCOUNT.into(),
        "createDate" => user.created_at.into(),
        "displayName" => user.name.as_str().into(),
        "email" => user.email.clone().into(),
        "id" => user.number.into(),
        "ipAddressRestriction" => user.address_restriction.clone().into(),
        "isMasterUserFlag" => user.is_master().into(),
        "managedByFederationFlag" | "managedByOpenIdConnectFlag" => false.into(),
        "modifyDate" => user.modified_at.into(),
        "parentId" => user.parent_number.into(),
        "permissionSystemVersion" => 2.into(),
        "secondaryLoginRequiredFlag" => user.answers_required.into(),
        "statusDate" => user.status_at.into(),
        "userStatusId" => user.status.id().into(),
        "username" => user.username.as_str().into(),
        name if PROFILE_TEXTS.contains(&name) => text().into(),
        name if PROFILE_FLAGS.contains(&name) => (text().as_deref() == Some("true")).into(),
        name if PROFILE_NUMBERS.contains(&name) => text().and_then(|digits| digits.parse::<i64>().ok()).into(),
        _ => Value::Null,
    }
}

/// Returns the value of a local property of a user that is not visible to the caller.
pub(super) fn of_outline(user: &UserOutline, name: &str) -> Value {
    match name {
        "displayName" => user.name.as_str().into(),
        "id" => user.number.into(),
        "username" => user.username.as_str().into(),
        _ => Value::Null,
    }
}

/// Returns the value of a local property of a classic key.
pub(super) fn of_key(shown: &Shown, name: &str) -> Value {
    match name {
        "authenticationKey" => shown.text.as_ref().map(|text| text.expose().to_owned()).into(),
        "id" => shown.key.number.into(),
        "ipAddressRestriction" => shown.key.address_restriction.clone().unwrap_or_default().into(),
        "timestampKey" => shown.key.changed_at.timestamp().into(),
        "userId" => shown.key.owner_number.into(),
        _ => Value::Null,
    }
}

/// Returns a user status as an object.
pub(super) fn status(status: Status) -> Row {
    let mut object = Struct::of("SoftLayer_User_Customer_Status");
    object.put("id", status.id());
    object.put("keyName", status.key_name());
    object.put("name", status.name());
    Row::Plain(object, None)
}

/// Returns a permission that a user has as an object.
pub(super) fn permission(permission: &Permission) -> Row {
    let mut object = Struct::of("SoftLayer_User_Customer_CustomerPermission_Permission");
    object.put("key", permission.key);
    object.put("keyName", permission.key_name);
    object.put("name", permission.name);
    Row::Plain(object, None)
}

fn action(permission: &Permission) -> Struct {
    let mut object = Struct::of("SoftLayer_User_Permission_Action");
    object.put("description", permission.description);
    object.put("id", permission.id);
    object.put("key", permission.key);
    object.put("keyName", permission.key_name);
    object.put("name", permission.name);
    object
}

/// Returns all permissions as objects.
pub(super) fn actions() -> Vec<Row> {
    PERMISSIONS.iter().map(|permission| Row::Plain(action(permission), None)).collect()
}

/// Returns all departments as objects, each with the permissions in it.
pub(super) fn departments() -> Vec<Row> {
    let department = |(id, key_name, name): &(i64, &'static str, &'static str)| {
        let theirs = PERMISSIONS.iter().filter(|permission| permission.department == *key_name);
        let mut object = Struct::of("SoftLayer_User_Permission_Department");
        object.put("description", *name);
        object.put("id", *id);
        object.put("keyName", *key_name);
        object.put("name", *name);
        object.put("permissions", theirs.map(|permission| Value::Struct(action(permission))).collect::<Vec<_>>());
        Row::Plain(object, None)
    };
    DEPARTMENTS.iter().map(department).collect()
}

fn question(number: i64) -> Struct {
    let text = usize::try_from(number - 1).ok().and_then(|at| QUESTIONS.get(at)).copied().unwrap_or_default();
    let mut object = Struct::of("SoftLayer_User_Security_Question");
    object.put("displayOrder", number);
    object.put("id", number);
    object.put("question", text);
    object.put("viewable", 1);
    object
}

/// Returns all security questions as objects.
pub(super) fn questions() -> Vec<Row> {
    (1_i64..).take(QUESTIONS.len()).map(|number| Row::Plain(question(number), None)).collect()
}

/// Returns an object which says that a user has answered a security question. The object does not contain the answer.
pub(super) fn answer(user: &Customer, number: i64) -> Row {
    let mut object = Struct::of("SoftLayer_User_Customer_Security_Answer");
    object.put("id", number_of_part(user, number));
    object.put("questionId", number);
    object.put("userId", user.number);
    object.put("question", question(number));
    Row::Plain(object, None)
}

/// Returns a second factor of a user as an object; `since` is the time when the user enrolled the factor.
pub(super) fn binding(user: &Customer, mfa_type: &str, since: Option<crate::domain::clock::Timestamp>) -> Row {
    let place = if mfa_type == "Totp" { 1 } else { 2 };
    let mut object = Struct::of("SoftLayer_User_External_Binding");
    object.put("active", true);
    object.put("createDate", since);
    object.put("id", number_of_part(user, place));
    object.put("type", mfa_type);
    object.put("userId", user.number);
    Row::Plain(object, None)
}

/// Returns a stable id for a part of a user, such as a second factor: 100 times the user's number, plus `place`, which is below 100.
fn number_of_part(user: &Customer, place: i64) -> i64 {
    user.number.saturating_mul(100).saturating_add(place)
}

/// Returns a login attempt as an object.
pub(super) fn attempt(user: &Customer, attempt: &LoginAttempt) -> Row {
    let mut object = Struct::of("SoftLayer_User_Customer_Access_Authentication");
    object.put("createDate", attempt.at);
    object.put("ipAddress", attempt.address.clone());
    object.put("successFlag", attempt.success);
    object.put("userId", user.number);
    object.put("username", attempt.username.as_str());
    Row::Plain(object, Some(user.id.clone()))
}

/// Returns an audit log entry as an object; `number` is the number of the user in the entry.
pub(super) fn event(event: &Event, number: Option<i64>) -> Row {
    let mut object = Struct::of("SoftLayer_Event_Log");
    object.put("eventCreateDate", event.at);
    object.put("eventName", event.action.as_str());
    object.put("ipAddress", event.address.clone());
    object.put("label", event.message.as_str());
    object.put("metaData", event.outcome.clone());
    object.put("objectName", event.resource_type.as_deref().unwrap_or("User"));
    object.put("traceId", event.id.as_str());
    object.put("userId", number);
    object.put("userType", "CUSTOMER");
    object.put("username", event.username.clone());
    Row::Plain(object, event.user.clone())
}
