//! The contracts as files, as served, and as kept: `schema.graphql` and `openapi.json` are what the program makes, each is sound, and
//! real answers are what they promise.

use std::collections::{BTreeMap, BTreeSet};

use keytower::domain::caller::Caller;
use keytower::domain::entity::{ENTITIES, Entity, Field, Kind, Shape};
use keytower::domain::power::Power;
use keytower::error::Kind as ErrorKind;
use keytower::service::inventory;
use keytower::{graphql, http, rest};
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::support::contract::CONTRACT;
use crate::support::samples::{self, Filled};
use crate::support::schema::{problems, resolve};
use crate::support::tasks::report;
use crate::support::{Answer, ROOT_PASSWORD, Service, node, pass};

fn committed(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_committed_documents_are_what_the_program_prints() {
    assert_eq!(
        graphql::schema::sdl().unwrap().trim(),
        committed("schema.graphql").trim(),
        "cargo run -- schema graphql > schema.graphql"
    );
    let openapi: Value = serde_json::from_str(&committed("openapi.json")).unwrap();
    assert!(openapi == rest::openapi::document(), "openapi.json is old: cargo run -- schema openapi > openapi.json");
    for (which, file) in [("graphql", "schema.graphql"), ("openapi", "openapi.json")] {
        let printed = node::run(&[], &["schema", which]);
        assert!(printed.status.success(), "{printed:?}");
        assert!(printed.stdout == committed(file), "{file} is old: cargo run -- schema {which} > {file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_served_document_is_the_committed_one() {
    let service = Service::start().await;
    let served = service.get("/v2/api/swagger3.json").await;
    assert_eq!((served.status, &served.headers["content-type"]), (200, &"application/json".parse().unwrap()));
    assert_eq!(served.json(), serde_json::from_str::<Value>(&committed("openapi.json")).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_documented_is_served_and_nothing_else() {
    let service = Service::start().await;
    let document = rest::openapi::document();
    let documented = document["paths"].as_object().unwrap();
    let table: BTreeMap<String, Method> =
        rest::table().into_iter().map(|route| (route.path, route.call.method())).collect();
    assert_eq!(documented.keys().collect::<Vec<_>>(), table.keys().collect::<Vec<_>>());
    for (path, method) in &table {
        let methods: Vec<&String> = documented[path].as_object().unwrap().keys().collect();
        assert_eq!(methods, [&method.as_str().to_ascii_lowercase()], "{path}");
        for asked in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
            let answer = service.http.request(asked.clone(), service.url(&format!("/v2/api{path}"))).send().await;
            let answer = Answer::read(answer.unwrap()).await;
            assert_eq!(answer.status == 405, asked != *method, "{asked} {path}: {answer:?}");
            assert_ne!(answer.status, 404, "{asked} {path}");
            if answer.status == 405 {
                assert_eq!(answer.headers["allow"], method.as_str(), "{asked} {path}");
                assert_eq!(answer.json()["path"], path.as_str());
            }
        }
    }
    for path in ["/get-api-keys", "/get-vm", "/GET-VMS", "/get-vms/", "//get-vms", "/login/x", "", "/", "/get-vms%2f"] {
        let answer = service.post(&format!("/v2/api{path}"), None, &json!({})).await;
        assert_eq!((answer.status, &answer.json()["path"]), (404, &json!(path)), "{answer:?}");
    }
}

/// What the suite checks every answer with knows every route.
#[test]
fn every_route_is_one_of_the_contracts() {
    for route in rest::table() {
        assert!(CONTRACT["answers"].get(&route.path).is_some(), "{}", route.path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_root_field_has_its_row_and_its_nullability() {
    let service = Service::start().await;
    let query = "{ __schema { queryType { ...t } mutationType { ...t } subscriptionType { name } } }
                 fragment t on __Type { name fields { name type { kind } } }";
    let answer = service.graphql(None, query, json!({})).await.json();
    assert_eq!(answer["data"]["__schema"]["subscriptionType"], Value::Null);
    let mut served = BTreeMap::new();
    for object in ["queryType", "mutationType"] {
        let object = &answer["data"]["__schema"][object];
        for field in object["fields"].as_array().unwrap() {
            let name = format!("{}.{}", object["name"].as_str().unwrap(), field["name"].as_str().unwrap());
            served.insert(name, field["type"]["kind"] != "NON_NULL");
        }
    }
    let table = graphql::schema::table();
    let rows: BTreeSet<String> = table.iter().map(|row| format!("{}.{}", row.object, row.name)).collect();
    assert_eq!(rows.len(), table.len(), "a field has two rows");
    assert_eq!(served.keys().cloned().collect::<BTreeSet<_>>(), rows);
    // A field that fails is null where the schema lets it be null, and else takes all of `data` with it.
    for (name, nullable) in served {
        let (object, name) = name.split_once('.').unwrap();
        let arguments = match name {
            "authnStrategies" | "userCreated" => continue, // nothing that a caller sends makes these fail
            "login" => "(data: { username: \"nobody\", password: \"wrong\" }) { token }",
            "logout" | "endSessions" => "",
            "changePassword" => "(data: { old_password: \"a\", new_password: \"b\" }) { sessions_ended }",
            "requestPasswordReset" => "(data: { username: \"a\" })",
            "resetPassword" => "(data: { token: \"a\", new_password: \"b\" })",
            "createApiKey" | "createOrganization" => "(data: { name: \"a\" }) { id }",
            "createUser" => "(data: { username: \"a\", name: \"a\", role: READ_ONLY }) { id }",
            "updateApiKey" => "(where: { id: \"a\" }, data: { name: \"a\" }) { id }",
            "verifyMfa" => "(data: { mid: \"a\", code: \"a\", type: Totp }) { token }",
            "resendMfa" => "(data: { mid: \"a\" }) { mid }",
            "mfa" => "{ recovery_codes_left }",
            "enrollTotp" => "(data: { password: \"a\" }) { secret }",
            "enrollMail" => "(data: { password: \"a\" }) { mid }",
            "confirmTotp" | "confirmMail" => "(data: { code: \"a\" }) { recovery_codes }",
            "renewRecoveryCodes" => "{ recovery_codes }",
            "removeMfa" => "(data: { type: Totp, code: \"a\" }) { recovery_codes_left }",
            "reauthenticate" => "(data: {}) { need_mfa }",
            "resetMfa" => "(where: { user: {} }) { id }",
            "mfaPolicy" => "{ required }",
            "updateMfaPolicy" => "(data: {}) { required }",
            "apiKey" | "deleteApiKey" | "confirmApiKey" | "endSession" => "(where: { id: \"a\" }) { id }",
            count if count.ends_with("Connection") => "{ aggregate { count } }",
            _ => "{ id }",
        };
        let kind = object.to_ascii_lowercase();
        let answer = service.graphql(None, &format!("{kind} {{ alias: {name}{arguments} }}"), json!({})).await.json();
        assert!(answer["errors"][0]["extensions"]["code"].is_string(), "{name}: {answer}");
        assert_eq!(answer["errors"][0]["path"], json!(["alias"]), "{name}: {answer}");
        let expected = if nullable { json!({ "alias": null }) } else { Value::Null };
        assert_eq!(answer["data"], expected, "{name}");
    }
}

/// The types that descriptions make, by name, each with what it looks like.
#[derive(Default)]
struct Types(BTreeMap<String, String>);

impl Types {
    fn put(&mut self, name: String, looks: String) {
        let known = self.0.entry(name.clone()).or_insert_with(|| looks.clone());
        assert_eq!(*known, looks, "two types are called {name}");
    }

    fn entity(&mut self, entity: &'static Entity) {
        let looks = self.fields(entity.fields);
        self.put(entity.name.to_owned(), looks);
        for made in [entity.where_input(), entity.order_input(), entity.connection()] {
            self.put(made, format!("of {}", entity.name));
        }
    }

    fn shape(&mut self, shape: &'static Shape) {
        let looks = self.fields(shape.fields);
        self.put(shape.name.to_owned(), looks.clone());
        self.put(format!("Nested{}", shape.name), looks);
    }

    fn fields(&mut self, fields: &'static [Field]) -> String {
        let names: BTreeSet<&str> = fields.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), fields.len(), "a field stands twice in {names:?}");
        assert!(fields.is_sorted_by_key(|field| field.name), "the contract sorts fields: {names:?}");
        let mut looks = String::new();
        for field in fields {
            let kind = match &field.kind {
                Kind::Enum(values) => {
                    self.put(values.name.to_owned(), values.values.join(" "));
                    values.name.to_owned()
                }
                Kind::Object(shape) | Kind::Objects(shape) => {
                    self.shape(shape);
                    format!("{} {}", shape.name, matches!(field.kind, Kind::Objects(_)))
                }
                Kind::One(relation) | Kind::Many(relation) => {
                    let brief = relation.brief.join(" ");
                    self.put(format!("Nested{}", relation.target.name), brief);
                    for name in relation.brief {
                        assert!(relation.target.field(name).is_some_and(|field| field.required), "{name}");
                    }
                    format!("{} {}", relation.target.name, matches!(field.kind, Kind::Many(_)))
                }
                plain => format!("{plain:?}"),
            };
            looks.push_str(&format!("{} {kind} {}\n", field.name, field.required));
        }
        looks
    }
}

#[test]
fn no_two_types_share_a_name() {
    let mut types = Types::default();
    for entity in ENTITIES {
        types.entity(entity);
    }
    for fixed in
        ["Query", "Mutation", "Login", "LoginInput", "MfaMeta", "MfaType", "Aggregate", "DateTime", "BigInt", "JSON"]
    {
        assert!(!types.0.contains_key(fixed), "{fixed}");
    }
}

#[test]
fn every_reference_resolves_and_every_schema_is_used() {
    let document = rest::openapi::document();
    let mut used = BTreeSet::new();
    let mut waiting = vec![&document["paths"]];
    while let Some(value) = waiting.pop() {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let target = resolve(&document, reference).unwrap_or_else(|| panic!("{reference} leads nowhere"));
            if used.insert(reference.trim_start_matches("#/components/schemas/").to_owned()) {
                waiting.push(target);
            }
        }
        match value {
            Value::Object(members) => waiting.extend(members.values()),
            Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
    let defined: BTreeSet<String> = document["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(used, defined);
    let ids: Vec<&Value> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .map(|path| &path.as_object().unwrap().values().next().unwrap()["operationId"])
        .collect();
    assert_eq!(ids.iter().map(|id| id.as_str().unwrap()).collect::<BTreeSet<_>>().len(), ids.len());
}

/// What a route promises to answer.
fn promised(document: &Value, path: &str, status: u16) -> Value {
    let methods = document["paths"][path].as_object().unwrap();
    let response = &methods.values().next().unwrap()["responses"][status.to_string()];
    let schema = &response["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "{path} does not document {status}");
    schema.clone()
}

/// A service with the example inventory, the samples, several users, tasks, and root's token.
async fn furnished() -> (Service, String) {
    let service = Service::start().await;
    service.import_example().await;
    let samples = samples::inventory().to_string();
    inventory::import(&service.app, &pass(&Caller::operator()), &samples, |_| {}).await.unwrap();
    for preset in ["READ_ONLY", "VM_USER"] {
        service.user(preset).await;
    }
    service.report_tasks().await;
    let token = service.root().await;
    (service, token)
}

#[tokio::test(flavor = "multi_thread")]
async fn real_answers_are_what_the_document_promises() {
    let (service, token) = furnished().await;
    let document = rest::openapi::document();
    let read_only = json!({ "where": { "preset": "READ_ONLY" } });
    let roles = service.post("/v2/api/get-user-role-nexts", Some(&token), &read_only).await.json();
    let role = &roles[0]["id"];
    let me = service.post_text("/v2/api/get-my-info", Some(&token), "").await.json()["id"].clone();
    let mut wrong = Vec::new();
    let mut checked = 0;
    for route in rest::table() {
        let body = match route.call {
            rest::Call::Login => json!({ "username": "root", "password": ROOT_PASSWORD }),
            rest::Call::CreateRootUser => continue, // see below: it works once, before there are users
            rest::Call::CreateUser => {
                json!([{ "username": "ada", "name": "Ada", "password": "ada's password", "role_id": role }])
            }
            rest::Call::UpdateUser => {
                json!({ "where": { "username": "ada" }, "data": { "name": "Ada L.", "mobile_phone": "1" } })
            }
            rest::Call::DeleteUser => json!({ "where": { "username": "ada" } }),
            rest::Call::CreateRole => json!([{ "name": "own", "actions": ["CREATE_VM"] }]),
            rest::Call::UpdateRole => json!({ "where": { "name": "own" }, "data": { "actions": ["*"] } }),
            rest::Call::DeleteRole => json!({ "where": { "name": "own" } }),
            rest::Call::CreateUserAuditLog => {
                json!([{
                    "user_id": me, "action": "restore", "status": "FAILED", "resource_type": "Vm",
                    "message": { "en-US": "restored", "zh-CN": "已恢复" }, "ip_address": "192.0.2.1",
                }])
            }
            rest::Call::CreateTask => json!([report(&me)]),
            rest::Call::UpdateTask => {
                json!({ "where": { "id": "reported" }, "data": { "status": "FAILED", "progress": 0.5 } })
            }
            rest::Call::Power(power) => json!({ "where": { "name": switchable(power) } }),
            rest::Call::UpdatePasswordSecurity => json!({ "password_expire_days": 90, "password_complexity": "HIGH" }),
            rest::Call::UpdateAccessRestriction => json!({ "access_mode": "DENY", "access_list": ["192.0.2.0/24"] }),
            rest::Call::UpdateSessionTimeout => json!({ "session_max_age": 86_400_000 }),
            _ => json!({}),
        };
        let asked = &document["paths"][&route.path][route.call.method().as_str().to_lowercase()]["requestBody"];
        if asked.is_object() {
            let schema = &asked["content"]["application/json"]["schema"];
            wrong.extend(problems(&document, schema, &body).into_iter().map(|it| format!("to {} {it}", route.path)));
        }
        let request = service.http.request(route.call.method(), service.url(&format!("/v2/api{}", route.path)));
        let answer = Answer::read(request.header(AUTHORIZATION, &token).json(&body).send().await.unwrap()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.headers["content-type"], "application/json");
        let schema = promised(&document, &route.path, 200);
        wrong.extend(problems(&document, &schema, &answer.json()).into_iter().map(|it| format!("{} {it}", route.path)));
        if let rest::Call::List(entity) = route.call {
            let rows = answer.json();
            assert!(!rows.as_array().unwrap().is_empty(), "{}", route.path);
            for row in rows.as_array().unwrap() {
                wrong.extend(incomplete(entity, row));
            }
        }
        checked += 1;
    }
    assert_eq!(checked, rest::table().len() - 1);
    assert!(wrong.is_empty(), "{} problems, the first: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
}

/// A VM of the example that an operation can take.
fn switchable(power: Power) -> &'static str {
    match power {
        Power::Start => "mail-01",
        Power::ShutDown => "db-01",
        Power::PowerOff => "db-02",
        Power::Restart => "web-01",
        Power::ForceRestart => "web-02",
        Power::Suspend => "lb-01",
        Power::Resume => "ci-runner-03",
    }
}

/// Beyond the document: every field is there, and a list is never null (contract section 5).
fn incomplete(entity: &'static Entity, row: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for field in entity.fields.iter().filter(|field| field.contract) {
        let list = matches!(field.kind, Kind::Texts | Kind::Ints | Kind::Floats | Kind::Objects(_) | Kind::Many(_));
        match row.get(field.name) {
            None => wrong.push(format!("{} {}: {} is missing", entity.name, row["id"], field.name)),
            Some(Value::Null) if list => wrong.push(format!("{} {}: {} is null", entity.name, row["id"], field.name)),
            _ => {}
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_user_is_answered_as_documented() {
    let database = std::sync::Arc::new(crate::support::Database::new().await);
    let service = Service::start_with(database, &[("create_root", "false")]).await;
    let document = rest::openapi::document();
    let body = json!({ "password": ROOT_PASSWORD });
    let answer = service.post("/v2/api/create-root-user", None, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let schema = promised(&document, "/create-root-user", 200);
    assert_eq!(problems(&document, &schema, &answer.json()), [""; 0]);
    assert_eq!((&answer.json()["data"]["username"], &answer.json()["task_id"]), (&json!("root"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_what_the_document_promises() {
    let service = Service::start().await;
    let token = service.root().await;
    let document = rest::openapi::document();
    for route in rest::table() {
        let path = format!("/v2/api{}", route.path);
        let mut answers = Vec::new();
        if route.call.method() == Method::POST {
            if document["paths"][&route.path]["post"].get("requestBody").is_some() {
                answers.push((400, service.post_text(&path, Some(&token), "{").await));
                let text = service.http.post(service.url(&path)).header(AUTHORIZATION, &token).body("{}");
                answers.push((415, Answer::read(text.send().await.unwrap()).await));
                let large = " ".repeat(http::body::MAX + 1);
                answers.push((413, service.post_text(&path, Some(&token), large).await));
            }
            if document["paths"][&route.path]["post"]["security"] != json!([]) {
                answers.push((401, service.post(&path, None, &json!({})).await));
                answers.push((401, service.post(&path, Some("dead"), &json!({})).await));
            }
        }
        for (status, answer) in answers {
            assert_eq!(answer.status, status, "{path}: {answer:?}");
            let schema = promised(&document, &route.path, status);
            assert_eq!(problems(&document, &schema, &answer.json()), [""; 0], "{path}");
            let body = answer.json();
            assert_eq!((&body["path"], &body["status"]), (&json!(route.path), &json!(status)));
            // `code` has one value, which means something else, and must not be null either.
            assert!(body.get("code").is_none(), "{path}");
        }
    }
    assert_eq!(http::status(ErrorKind::LoginFailed).as_u16(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_imported_is_answered_unchanged() {
    let (service, token) = furnished().await;
    for entity in inventory::ENTITIES {
        for filled in [Filled::All, Filled::Required] {
            let sent = samples::record(entity, filled);
            let body = json!({ "where": { "id": sent["id"] } });
            let rows = service.post(&format!("/v2/api/get-{}", entity.route), Some(&token), &body).await.json();
            assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
            for field in entity.fields.iter().filter(|field| field.relation().is_none()) {
                let list = matches!(field.kind, Kind::Texts | Kind::Ints | Kind::Floats | Kind::Objects(_));
                let absent = if list { json!([]) } else { Value::Null };
                let expected = sent.get(field.name).unwrap_or(&absent);
                assert_eq!(&rows[0][field.name], expected, "{} {filled:?} {}", entity.name, field.name);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_of_a_list_body_may_be_null() {
    let (service, token) = furnished().await;
    let document = rest::openapi::document();
    for route in
        rest::table().into_iter().filter(|route| matches!(route.call, rest::Call::List(_) | rest::Call::Count(_)))
    {
        let schema = &document["paths"][&route.path]["post"]["requestBody"]["content"]["application/json"]["schema"];
        let schema = resolve(&document, schema["$ref"].as_str().unwrap()).unwrap();
        let nulls: Value =
            schema["properties"].as_object().unwrap().keys().map(|name| (name.clone(), Value::Null)).collect();
        assert_eq!(nulls.as_object().unwrap().len(), 7);
        let path = format!("/v2/api{}", route.path);
        let plain = service.post(&path, Some(&token), &json!({})).await;
        let answer = service.post(&path, Some(&token), &nulls).await;
        assert_eq!((answer.status, answer.json()), (200, plain.json()), "{path}");
        let unknown = service.post(&path, Some(&token), &json!({ "limit": 1 })).await;
        assert_eq!(unknown.status, 400, "{path}");
        assert!(unknown.json()["message"].as_str().unwrap().contains("limit"), "{unknown:?}");
    }
}
