//! The authorization matrix, asked for real: who may call which REST route, GraphQL field and service function.
//!
//! A cell is ✔ when authorization let the call through, whatever became of it then. Each cell is also what
//! [`authorize`] says. The table is a snapshot, so that a change of rights shows in review.

use std::fmt::Write;
use std::sync::Arc;

use keytower::auth::random::SystemRandom;
use keytower::domain::caller::Caller;
use keytower::domain::clock::{Clock, SystemClock};
use keytower::domain::id::uuid_v7;
use keytower::domain::operation::Operation;
use keytower::domain::permission::PRESETS;
use keytower::domain::permit::{authorize, authorize_while_fresh};
use keytower::domain::secret::Password;
use keytower::error::{Error, Kind};
use keytower::rest::Call;
use keytower::service::inventory;
use keytower::service::people::users;
use keytower::service::policy;
use keytower::service::sessions::signing;
use keytower::softlayer::table::{METHODS, Method};
use keytower::{graphql, http, rest};
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::support::{Answer, Database, ROOT_PASSWORD, Service, pass};

/// Somebody who asks.
struct Asker {
    title: String,
    credential: Option<String>,
    /// A second token of the same rights, to be used up.
    spare: Option<String>,
}

/// The smallest valid body of a REST route; `None` for a route without a row here.
pub fn rest_body(path: &str) -> Option<Value> {
    Some(match path {
        "/login" => json!({ "username": "root", "password": ROOT_PASSWORD }),
        "/create-root-user" => json!({ "password": ROOT_PASSWORD }),
        "/get-version" | "/get-my-info" => Value::Null,
        "/create-user" | "/create-role" | "/create-task" | "/create-user-audit-log" => json!([]),
        "/start-vm" | "/shutdown-vm" | "/poweroff-vm" | "/restart-vm" | "/force-restart-vm" | "/suspend-vm"
        | "/resume-vm" => json!({ "where": { "id": "none" } }),
        "/update-task" => json!({ "where": { "id": "none" }, "data": {} }),
        "/update-user" | "/update-role" => json!({ "where": { "id": "none" }, "data": { "name": "a" } }),
        "/delete-user" | "/delete-role" => json!({ "where": { "id": "none" } }),
        "/update-password-security" => json!({}),
        "/update-access-restriction" => json!({ "access_mode": "NONE", "access_list": [] }),
        "/update-session-timeout" => json!({ "session_max_age": 0 }),
        "/get-clusters" | "/get-clusters-connection" => json!({}),
        "/get-datacenters" | "/get-datacenters-connection" => json!({}),
        "/get-hosts" | "/get-hosts-connection" => json!({}),
        "/get-organizations" | "/get-organizations-connection" => json!({}),
        "/get-user-role-nexts" | "/get-user-role-nexts-connection" => json!({}),
        "/get-users" | "/get-users-connection" => json!({}),
        "/get-vms" | "/get-vms-connection" => json!({}),
        "/get-global-settingses" | "/get-global-settingses-connection" => json!({}),
        "/get-tasks" | "/get-tasks-connection" => json!({}),
        "/get-user-audit-logs" | "/get-user-audit-logs-connection" => json!({}),
        "/get-system-audit-logs" | "/get-system-audit-logs-connection" => json!({}),
        _ => return None,
    })
}

/// The smallest valid question to a GraphQL field; `None` for a field without a row here.
pub fn question(name: &str) -> Option<String> {
    let list = |name: &str| format!("{{ {name}(first: 1) {{ id }} }}");
    let count = |name: &str| format!("{{ {name} {{ aggregate {{ count }} }} }}");
    Some(match name {
        "authnStrategies" => "{ authnStrategies { id type } }".to_owned(),
        "userCreated" => "{ userCreated { created } }".to_owned(),
        "apiKey" => "{ apiKey(where: { id: \"none\" }) { id } }".to_owned(),
        "login" => {
            format!("mutation {{ login(data: {{ username: \"root\", password: \"{ROOT_PASSWORD}\" }}) {{ token }} }}")
        }
        "createUser" => {
            let name = uuid_v7(SystemClock.now(), &SystemRandom).unwrap().simple();
            format!(
                "mutation {{ createUser(data: {{ username: \"{name}\", name: \"a\", password: \"not {name}\", role: READ_ONLY }}) {{ id }} }}"
            )
        }
        "createOrganization" => "mutation { createOrganization(data: { name: \"a\" }) { id } }".to_owned(),
        "logout" => "mutation { logout }".to_owned(),
        "verifyMfa" => {
            "mutation { verifyMfa(data: { mid: \"none\", code: \"000000\", type: Totp }) { token } }".to_owned()
        }
        "resendMfa" => "mutation { resendMfa(data: { mid: \"none\" }) { mid } }".to_owned(),
        "mfa" => "{ mfa { recovery_codes_left factors { type } } }".to_owned(),
        "enrollTotp" => "mutation { enrollTotp(data: { password: \"wrong\" }) { secret } }".to_owned(),
        "enrollMail" => "mutation { enrollMail(data: { password: \"wrong\" }) { mid } }".to_owned(),
        "confirmTotp" => "mutation { confirmTotp(data: { code: \"000000\" }) { recovery_codes } }".to_owned(),
        "confirmMail" => "mutation { confirmMail(data: { code: \"000000\" }) { recovery_codes } }".to_owned(),
        "renewRecoveryCodes" => "mutation { renewRecoveryCodes { recovery_codes } }".to_owned(),
        "removeMfa" => {
            "mutation { removeMfa(data: { type: Totp, code: \"000000\" }) { recovery_codes_left } }".to_owned()
        }
        "reauthenticate" => "mutation { reauthenticate(data: { code: \"000000\" }) { need_mfa } }".to_owned(),
        "resetMfa" => "mutation { resetMfa(where: { user: { id: \"none\" } }) { id } }".to_owned(),
        "mfaPolicy" => "{ mfaPolicy { required } }".to_owned(),
        "updateMfaPolicy" => "mutation { updateMfaPolicy(data: {}) { required } }".to_owned(),
        "confirmApiKey" => "mutation { confirmApiKey(where: { id: \"none\" }) { id } }".to_owned(),
        "sessions" => "{ sessions { id } }".to_owned(),
        "endSession" => "mutation { endSession(where: { id: \"none\" }) { id } }".to_owned(),
        "endSessions" => "mutation { endSessions }".to_owned(),
        "changePassword" => {
            "mutation { changePassword(data: { old_password: \"wrong\", new_password: \"several words\" }) { sessions_ended } }".to_owned()
        }
        "requestPasswordReset" => "mutation { requestPasswordReset(data: { username: \"none\" }) }".to_owned(),
        "resetPassword" => "mutation { resetPassword(data: { token: \"none\", new_password: \"a\" }) }".to_owned(),
        "createApiKey" => "mutation { createApiKey(data: { name: \"a\" }) { id } }".to_owned(),
        "updateApiKey" => "mutation { updateApiKey(where: { id: \"none\" }, data: { name: \"b\" }) { id } }".to_owned(),
        "deleteApiKey" => "mutation { deleteApiKey(where: { id: \"none\" }) { id } }".to_owned(),
        "apiKeys" | "clusters" | "datacenters" | "globalSettingses" | "hosts" | "organizations" | "systemAuditLogs"
        | "apiKeysWithoutMfa" | "usersWithoutMfa" | "tasks" | "users" | "userAuditLogs" | "userRoleNexts" | "vms" => {
            list(name)
        }
        "apiKeysConnection"
        | "clustersConnection"
        | "datacentersConnection"
        | "globalSettingsesConnection"
        | "systemAuditLogsConnection"
        | "tasksConnection"
        | "userAuditLogsConnection"
        | "hostsConnection"
        | "organizationsConnection"
        | "usersConnection"
        | "userRoleNextsConnection"
        | "vmsConnection" => count(name),
        _ => return None,
    })
}

async fn callers(service: &Service) -> Vec<Asker> {
    let mut callers = vec![Asker { title: "nobody".to_owned(), credential: None, spare: None }];
    let mut keys = Vec::new();
    for preset in PRESETS {
        let (_, token) = service.user(preset.name).await;
        let (_, spare) = service.user(preset.name).await;
        let (_, key) = service.mint(&token, "matrix").await;
        callers.push(Asker { title: format!("{} token", preset.name), credential: Some(token), spare: Some(spare) });
        keys.push(Asker { title: format!("{} key", preset.name), credential: Some(key), spare: None });
    }
    callers.extend(keys);
    callers
}

async fn known(service: &Service, caller: &Asker) -> Caller {
    match &caller.credential {
        Some(credential) => service.app.authenticate(credential, None).await.unwrap().into(),
        None => Caller::default(),
    }
}

/// Asks a REST route; tells whether authorization let it through.
async fn rest_lets_through(service: &Service, route: &rest::Route, caller: &Asker) -> bool {
    let body = rest_body(&route.path).unwrap_or_else(|| panic!("{} has no row in rest_body", route.path));
    let url = service.url(&format!("{}{}", rest::PREFIX, route.path));
    let mut request = service.http.request(route.call.method(), url);
    if !body.is_null() {
        request = request.json(&body);
    }
    if let Some(credential) = &caller.credential {
        request = request.header(AUTHORIZATION, credential);
    }
    let answer = Answer::read(request.send().await.unwrap()).await;
    // Whoever is let through is understood too. The one user that there can be made once exists already, and nobody is called "none".
    let done = match route.call {
        Call::CreateRootUser => 400,
        Call::UpdateUser | Call::DeleteUser | Call::UpdateRole | Call::DeleteRole => 404,
        Call::Power(_) | Call::UpdateTask => 404,
        _ => 200,
    };
    assert!([done, 401, 403].contains(&answer.status), "{} {}: {answer:?}", caller.title, route.path);
    answer.status == done
}

/// Fields about a factor, a link or a mail server that must be there.
const LACKING: [&str; 7] = [
    "confirmMail",
    "confirmTotp",
    "reauthenticate",
    "removeMfa",
    "renewRecoveryCodes",
    "requestPasswordReset",
    "resetPassword",
];

/// Asks a GraphQL field; tells whether authorization let it through.
async fn graphql_lets_through(service: &Service, field: &graphql::schema::RootField, caller: &Asker) -> bool {
    let question = question(&field.name).unwrap_or_else(|| panic!("{} has no row in question", field.name));
    let credential = match field.operation {
        Operation::Logout => caller.spare.as_ref().or(caller.credential.as_ref()),
        _ => caller.credential.as_ref(),
    };
    let answer = service.graphql(credential.map(String::as_str), &question, json!({})).await;
    assert_eq!(answer.status, 200, "{} {}: {answer:?}", caller.title, field.name);
    let error = answer.json().get("errors").map(|_| answer.code());
    match error.as_deref() {
        // Whoever is let through has no second factor here, nor the password that is given, nor what the question names.
        None | Some("NOT_FOUND" | "LOGIN_FAILED") => true,
        Some("BAD_USER_INPUT") if LACKING.contains(&field.name.as_str()) => true,
        Some("UNAUTHENTICATED" | "FORBIDDEN") => false,
        Some(_) => panic!("{} {}: {answer:?}", caller.title, field.name),
    }
}

/// Calls a method of SoftLayer's without arguments, about nobody; tells whether authorization let it through.
async fn softlayer_lets_through(service: &Service, method: &Method, caller: &Asker) -> bool {
    let id = if method.of_object { "/0" } else { "" };
    let url = service.url(&format!("/rest/v3.1/{}{id}/{}.json", method.service, method.name));
    let mut request = service.http.post(url).body("{\"parameters\": []}");
    if let Some(credential) = &caller.credential {
        request = request.bearer_auth(credential);
    }
    let answer = Answer::read(request.send().await.unwrap()).await;
    let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
    assert!([200, 401, 404, 500].contains(&answer.status), "{} {}: {answer:?}", caller.title, method.name);
    answer.status != 401 && code != "SoftLayer_Exception_PermissionDenied"
}

fn let_through<T>(result: Result<T, Error>) -> bool {
    !result.is_err_and(|error| matches!(error.kind(), Kind::Unauthenticated | Kind::Forbidden))
}

/// Calls a service function that no row above names; tells whether authorization let it through.
async fn service_lets_through(service: &Service, operation: Operation, caller: &Caller) -> bool {
    let app = &service.app;
    match operation {
        Operation::SetPassword | Operation::SetAddress => {
            let conditions = json!({ "id": "none" }).as_object().unwrap().clone();
            let mut request = users::UpdateRequest::default();
            match operation {
                Operation::SetPassword => request.password = Some(Password::from(ROOT_PASSWORD.to_owned())),
                _ => request.change.email_address = Some(None),
            }
            let_through(users::update(app, &pass(caller), conditions, request).await)
        }
        Operation::ImportInventory => let_through(inventory::import(app, &pass(caller), "{}", |_| {}).await),
        Operation::RotateSigningKey => let_through(signing::rotate(app, &pass(caller)).await),
        Operation::UnlockPolicies => let_through(policy::unlock(app, &pass(caller)).await),
        other => panic!("{} is offered by a face", other.name()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_do_what_the_matrix_says_and_nothing_else() {
    let service = Service::start().await;
    service.import_example().await;
    let callers = callers(&service).await;
    let mut principals = Vec::new();
    for caller in &callers {
        principals.push(known(&service, caller).await);
    }
    let mut rows = Vec::new();
    for route in rest::table() {
        let mut cells = Vec::new();
        for (caller, principal) in callers.iter().zip(&principals) {
            let real = rest_lets_through(&service, &route, caller).await;
            let rule = authorize(principal, route.call.operation()).is_ok();
            assert_eq!(real, rule, "{} {}", caller.title, route.path);
            cells.push(real);
        }
        rows.push((format!("{} {}{}", route.call.method(), rest::PREFIX, route.path), cells));
    }
    for field in graphql::schema::table() {
        let mut cells = Vec::new();
        for (caller, principal) in callers.iter().zip(&principals) {
            let real = graphql_lets_through(&service, field, caller).await;
            let rule = authorize(principal, field.operation).is_ok();
            assert_eq!(real, rule, "{} {}", caller.title, field.name);
            cells.push(real);
        }
        rows.push((format!("{}.{}", field.object, field.name), cells));
    }
    for method in METHODS {
        let mut cells = Vec::new();
        for (caller, principal) in callers.iter().zip(&principals) {
            let real = softlayer_lets_through(&service, method, caller).await;
            let rule = authorize(principal, method.operation).is_ok();
            assert_eq!(real, rule, "{} {}::{}", caller.title, method.service, method.name);
            cells.push(real);
        }
        rows.push((format!("{}::{}", method.service, method.name), cells));
    }
    let elsewhere = [
        Operation::SetPassword,
        Operation::SetAddress,
        Operation::ImportInventory,
        Operation::RotateSigningKey,
        Operation::UnlockPolicies,
    ];
    for operation in elsewhere {
        let mut cells = Vec::new();
        for (caller, principal) in callers.iter().zip(&principals) {
            let real = service_lets_through(&service, operation, principal).await;
            let rule = authorize(principal, operation).is_ok();
            assert_eq!(real, rule, "{} {}", caller.title, operation.name());
            cells.push(real);
        }
        rows.push((format!("service {operation:?}"), cells));
    }
    insta::assert_snapshot!("matrix", matrix(&callers, &rows));
}

/// As long as there is no user: what the table says anybody may do then, and nothing else. REST keeps its own open routes, for the
/// contract has no other ones.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_fresh_service_nobody_needs_a_credential_for_what_sets_it_up() {
    let settings = [("create_root", "false"), ("root_password", "")];
    let service = Service::start_with(Arc::new(Database::new().await), &settings).await;
    service.import_example().await;
    let mut text = String::new();
    for route in rest::table() {
        let body = rest_body(&route.path).unwrap();
        let url = service.url(&format!("{}{}", rest::PREFIX, route.path));
        let refused = match route.call {
            // They let anybody through, and one of them would make a user.
            Call::Login | Call::CreateRootUser => continue,
            _ => service.http.request(route.call.method(), url).json(&body).send().await.unwrap().status() == 401,
        };
        assert_eq!(!refused, authorize(&Caller::default(), route.call.operation()).is_ok(), "{}", route.path);
    }
    for field in graphql::schema::table() {
        // The first user ends it all, and can't be a READ_ONLY.
        let question = question(&field.name).unwrap().replace("role: READ_ONLY", "role: ADMIN");
        let code = service.graphql(None, &question, json!({})).await.json()["errors"][0]["extensions"]["code"].clone();
        let real = code != "UNAUTHENTICATED";
        assert_eq!(real, authorize_while_fresh(&Caller::default(), field.operation).is_ok(), "{}: {code}", field.name);
        if real {
            writeln!(text, "{}.{}", field.object, field.name).unwrap();
        }
    }
    assert_eq!(service.database().number("SELECT COUNT(*) FROM users").await, 0);
    insta::assert_snapshot!("fresh", text);
}

/// The table: a number for every caller, a line for every operation.
fn matrix(callers: &[Asker], rows: &[(String, Vec<bool>)]) -> String {
    let mut text = String::new();
    for (at, caller) in callers.iter().enumerate() {
        writeln!(text, "{:>2} {}", at + 1, caller.title).unwrap();
    }
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    write!(text, "\n{:width$}", "").unwrap();
    for at in 1..=callers.len() {
        write!(text, " {at:>2}").unwrap();
    }
    text.push('\n');
    for (name, cells) in rows {
        write!(text, "{name:width$}").unwrap();
        for cell in cells {
            write!(text, "  {}", if *cell { '✔' } else { '✘' }).unwrap();
        }
        text.push('\n');
    }
    text
}

#[test]
fn every_kind_of_error_looks_the_same_wherever_it_comes_from() {
    let mut text = format!("{:<22} {:>4}  GraphQL\n", "kind", "REST");
    for kind in Kind::ALL {
        let (kind_name, status) = (format!("{kind:?}"), http::status(kind).as_u16());
        writeln!(text, "{kind_name:<22} {status:>4}  {}", graphql::code(kind)).unwrap();
    }
    insta::assert_snapshot!("errors", text);
}
