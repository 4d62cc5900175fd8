//! For every change a request that works and changes rows, with whatever it needs made fresh.

use keytower::domain::clock::iso;
use keytower::domain::operation::Operation;
use keytower::domain::power::Power;
use serde_json::{Value, json};

use super::call::{Call, Face};
use super::changes::Change;
use super::people::PASSWORD;
use super::stage::{Actor, Stage};
use super::tasks::report;

/// A request, and how to tell that it was carried out.
#[derive(Debug)]
pub struct Attempt {
    pub call: Call,
    /// Whether rows change that are no logs.
    pub changes_rows: bool,
    /// What counts its traces in a log, where it leaves them nowhere else: 0 before it was carried out.
    pub trace: Option<String>,
}

impl Attempt {
    fn of(call: Call) -> Self {
        Self { call, changes_rows: true, trace: None }
    }
}

/// A request for a change, by the credential of an actor. Panics for a change that has no row here.
pub async fn attempt(stage: &Stage, actor: &Actor, change: &Change) -> Attempt {
    match change.face {
        Face::Rest => rest(stage, actor, change).await,
        Face::Graphql => Attempt::of(graphql(stage, actor, &change.name).await),
        Face::SoftLayer(dialect) => {
            let (about, arguments) = softlayer(stage, actor, &change.name).await;
            let call = Call::softlayer(dialect, &change.name, about, &arguments);
            Attempt { changes_rows: change.operation != Operation::CheckPassword, ..Attempt::of(call) }
        }
    }
}

async fn rest(stage: &Stage, actor: &Actor, change: &Change) -> Attempt {
    let fresh = stage.fresh();
    let path = change.name.as_str();
    let body = match path {
        "/create-user" => {
            let username = stage.name("made");
            json!([{ "username": username, "name": username, "role_id": stage.nothing }])
        }
        "/update-user" => json!({ "where": victim(stage, actor).await, "data": { "name": stage.name("renamed") } }),
        "/delete-user" => json!({ "where": victim(stage, actor).await }),
        "/create-role" => json!([{ "name": stage.name("role"), "actions": ["MANAGE_AUDIT_LOG"] }]),
        "/update-role" => json!({ "where": role(stage).await, "data": { "name": stage.name("renamed") } }),
        "/delete-role" => json!({ "where": role(stage).await }),
        "/create-user-audit-log" => {
            let action = stage.name("restoreBackup");
            let report = json!({
                "user_id": actor.person.id, "action": action, "resource_type": "Vm", "status": "SUCCESSED",
                "message": { "en-US": "backup restored", "zh-CN": "备份已恢复" },
            });
            let trace = Some(format!("SELECT COUNT(*) FROM user_audit_logs WHERE action = '{action}'"));
            return Attempt { call: Call::rest(path, &json!([report])), changes_rows: false, trace };
        }
        "/create-task" => json!([report(&json!(actor.person.id))]),
        "/update-task" => {
            let id = stage.name("task");
            let mut task = report(&json!(actor.person.id));
            task["id"] = json!(id);
            stage.service.done(&stage.root, "/create-task", json!([task])).await;
            json!({ "where": { "id": id }, "data": { "progress": 0.5 } })
        }
        "/update-password-security" => json!({ "password_expire_days": 1_000 + fresh }),
        "/update-access-restriction" => {
            json!({ "access_mode": "DENY", "access_list": [format!("192.0.2.{}", fresh % 256)] })
        }
        "/update-session-timeout" => json!({ "session_max_age": 864_000_000 + fresh }),
        _ => match change.operation {
            Operation::Power(power) => json!({ "where": { "id": vm(stage, power).await } }),
            _ => panic!("{path} has no row in the table of attempts"),
        },
    };
    Attempt::of(Call::rest(path, &body))
}

async fn graphql(stage: &Stage, actor: &Actor, name: &str) -> Call {
    let data = |kind: &str, fields: &str, data: Value| {
        let query = format!("mutation($data: {kind}!) {{ {name}(data: $data) {fields} }}");
        Call::graphql(&query, &json!({ "data": data }))
    };
    let one = |fields: &str, id: &str| {
        let query = format!("mutation($id: ID!) {{ {name}(where: {{ id: $id }}) {fields} }}");
        Call::graphql(&query, &json!({ "id": id }))
    };
    let simple = |query: &str| Call::graphql(&format!("mutation {{ {name}{query} }}"), &json!({}));
    let password = json!({ "password": PASSWORD });
    match name {
        "updateMfaPolicy" => {
            let from = stage.service.app.now() + chrono::TimeDelta::days(stage.fresh().try_into().unwrap());
            data("MfaPolicyUpdateInput", "{ required }", json!({ "enforced_from": iso(from) }))
        }
        "logout" => simple(""),
        "enrollTotp" => data("PasswordInput", "{ secret }", password),
        "enrollMail" => data("PasswordInput", "{ mid }", password),
        "confirmTotp" => {
            let begin = "mutation($data: PasswordInput!) { enrollTotp(data: $data) { secret } }";
            let begun =
                Call::graphql(begin, &json!({ "data": password })).done(&stage.service, &actor.credential).await;
            let secret = begun.json()["data"]["enrollTotp"]["secret"].as_str().unwrap().to_owned();
            let device = super::Device { secret, recovery: Vec::new() };
            data("CodeInput", "{ recovery_codes }", json!({ "code": device.code(&stage.service, 0) }))
        }
        "confirmMail" => {
            let begin = "mutation($data: PasswordInput!) { enrollMail(data: $data) { mid } }";
            Call::graphql(begin, &json!({ "data": password })).done(&stage.service, &actor.credential).await;
            let code = stage.post.code_to(&format!("{}@example.com", actor.person.username)).await;
            data("CodeInput", "{ recovery_codes }", json!({ "code": code }))
        }
        "renewRecoveryCodes" => simple(" { recovery_codes }"),
        "removeMfa" => {
            let given = json!({ "type": "Totp", "code": stage.code(actor).await });
            data("MfaRemoveInput", "{ recovery_codes_left }", given)
        }
        "reauthenticate" => data("ReauthenticateInput", "{ need_mfa }", json!({ "code": stage.code(actor).await })),
        "resetMfa" => {
            let victim = stage.below(&actor.person).await;
            stage.session_of(&victim).await;
            let query = "mutation($user: UserWhereInput!) { resetMfa(where: { user: $user }) { id } }";
            Call::graphql(query, &json!({ "user": { "id": victim.id } }))
        }
        "endSession" => one("{ id }", &stage.session_of(&actor.person).await),
        "endSessions" => {
            stage.session_of(&actor.person).await;
            simple("")
        }
        "changePassword" => {
            let given = json!({ "old_password": PASSWORD, "new_password": stage.name("another password") });
            data("PasswordChangeInput", "{ sessions_ended }", given)
        }
        "createUser" => {
            let given = json!({ "username": stage.name("made"), "name": "made", "role": "READ_ONLY" });
            data("UserCreateInput", "{ id }", given)
        }
        "createOrganization" => data("OrganizationCreateInput", "{ id }", json!({ "name": stage.name("we") })),
        "createApiKey" => data("ApiKeyCreateInput", "{ id }", json!({ "name": stage.name("minted") })),
        "updateApiKey" => {
            let query = "mutation($id: ID!, $name: String!) \
                { updateApiKey(where: { id: $id }, data: { name: $name }) { id } }";
            Call::graphql(query, &json!({ "id": key(stage, actor).await, "name": stage.name("renamed") }))
        }
        // A key deletes itself only.
        "deleteApiKey" if actor.shown.is_key() => one("{ id }", &actor.key),
        "deleteApiKey" => one("{ id }", &key(stage, actor).await),
        "confirmApiKey" => {
            let id = key(stage, actor).await;
            let sql = format!("UPDATE api_keys SET suspended_at = '2026-01-01T00:00:00.000Z' WHERE id = '{id}'");
            stage.service.database().execute(&sql).await;
            one("{ id }", &id)
        }
        _ => panic!("{name} has no row in the table of attempts"),
    }
}

/// The object that a method is about, and its arguments.
async fn softlayer(stage: &Stage, actor: &Actor, name: &str) -> (i64, Vec<Value>) {
    let permission = |name: &str| json!({ "keyName": name });
    let (_, method) = name.split_once("::").unwrap();
    let of_key = name.starts_with("SoftLayer_User_Customer_ApiAuthentication::");
    match method {
        "createUser" | "createObject" => {
            let template = json!({ "username": stage.name("made"), "firstName": "Made" });
            (0, vec![template, Value::Null, Value::Null])
        }
        "editObject" if of_key => {
            let owner = stage.below(&actor.person).await;
            let (_, number) = stage.classic(&stage.root, &owner).await;
            (number, vec![json!({ "ipAddressRestriction": "192.0.2.0/24" })])
        }
        "editObject" => {
            let victim = stage.below(&actor.person).await;
            (victim.number, vec![json!({ "firstName": stage.name("Renamed") })])
        }
        "editObjects" => {
            let victim = stage.below(&actor.person).await;
            (0, vec![json!([{ "id": victim.number, "firstName": stage.name("Renamed") }])])
        }
        "addApiAuthenticationKey" => (stage.below(&actor.person).await.number, Vec::new()),
        "removeApiAuthenticationKey" => {
            let owner = stage.below(&actor.person).await;
            (0, vec![json!(stage.classic(&stage.root, &owner).await.1)])
        }
        "isValidPortalPassword" => (actor.person.number, vec![json!(PASSWORD)]),
        "selfPasswordChange" => (0, vec![json!(PASSWORD), json!(stage.name("another password"))]),
        "addPortalPermission" => (stage.below(&actor.person).await.number, vec![permission("TICKET_VIEW")]),
        "addBulkPortalPermission" => {
            let both = json!([permission("TICKET_VIEW"), permission("TICKET_ADD")]);
            (stage.below(&actor.person).await.number, vec![both])
        }
        "removePortalPermission" => (permitted(stage, actor).await, vec![permission("TICKET_VIEW"), json!(false)]),
        "removeBulkPortalPermission" => {
            (permitted(stage, actor).await, vec![json!([permission("TICKET_VIEW")]), json!(false)])
        }
        "assignNewParentId" => {
            let parent = stage.below(&actor.person).await;
            (stage.below(&actor.person).await.number, vec![json!(parent.number), json!(false)])
        }
        "updateSecurityAnswers" => {
            let questions = json!([{ "id": 1 }, { "id": 2 }, { "id": 3 }]);
            (0, vec![questions, json!(["Bello", "a red one", "Bergen"])])
        }
        _ => panic!("{name} has no row in the table of attempts"),
    }
}

async fn victim(stage: &Stage, actor: &Actor) -> Value {
    json!({ "id": stage.below(&actor.person).await.id })
}

async fn role(stage: &Stage) -> Value {
    let id = stage.service.make_role(&stage.root, &stage.name("role"), &["MANAGE_AUDIT_LOG"]).await;
    json!({ "id": id })
}

/// A key of the actor: its id.
async fn key(stage: &Stage, actor: &Actor) -> String {
    let id = stage.name("key");
    let sql = format!(
        "INSERT INTO api_keys (id, amr, ceiling, created_at, description, digest, editable, name, user_id) \
         VALUES ('{id}', '[]', '[]', '2026-01-01T00:00:00.000Z', '', CAST('{id}' AS {}), {}, '{id}', '{}')",
        if super::database::is_postgres() { "BYTEA" } else { "BLOB" },
        if super::database::is_postgres() { "TRUE" } else { "1" },
        actor.person.id
    );
    stage.service.database().execute(&sql).await;
    id
}

/// Somebody below the actor with a permission: their number.
async fn permitted(stage: &Stage, actor: &Actor) -> i64 {
    let person = stage.below(&actor.person).await;
    let sql = format!("UPDATE users SET permissions = '[\"TICKET_VIEW\"]' WHERE id = '{}'", person.id);
    stage.service.database().execute(&sql).await;
    person.number
}

/// A VM that a power operation can go from, and that no task holds.
async fn vm(stage: &Stage, power: Power) -> String {
    let free = json!({ "status_in": power.from(), "in_recycle_bin": false, "entityAsyncStatus": null });
    let found = stage.service.rest(&stage.root, "/get-vms", json!({ "where": free, "first": 1 })).await.json();
    found[0]["id"].as_str().unwrap_or_else(|| panic!("no VM for {power:?}: {found}")).to_owned()
}
