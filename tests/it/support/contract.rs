//! What every answer of REST v2 must be: for a 200 the contract's own schema of its route, for a refusal its ErrorBody (section 1.7).
//! [`Answer`] asks here whenever it reads one, so that no test needs to.

use std::sync::LazyLock;

use keytower::rest::PREFIX;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, SERVER};
use serde_json::{Value, json};

use super::Answer;
use super::schema::problems;

/// The contract's schemas of what its routes answer, as it publishes them in version 4.6.0; only descriptions are left out.
pub static CONTRACT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../contract/answers.json")).unwrap());

/// Pages and documents of our own, which stand beside the contract's routes and are none.
const OURS: [&str; 2] = ["/swagger3.json", "/docs"];

/// What a proxy may answer by itself, with a page of its own, when it can't or won't pass a request on.
const BY_PROXY: [u16; 4] = [400, 413, 502, 504];

/// Everything in which an answer from this path strays from the contract; nothing for a path outside of REST v2.
pub fn strays(path: &str, answer: &Answer) -> Vec<String> {
    let Some(route) = path.strip_prefix(PREFIX).filter(|route| route.is_empty() || route.starts_with('/')) else {
        return Vec::new();
    };
    let header = |name: &str| answer.headers.get(name).map_or("", |value| value.to_str().unwrap());
    let page = header(SERVER.as_str()) == "nginx" && header(CONTENT_TYPE.as_str()) == "text/html";
    let by_proxy = page && BY_PROXY.contains(&answer.status);
    // The answer to HEAD: the length of a body, and no body.
    let bodiless = answer.text.is_empty() && !["", "0"].contains(&header(CONTENT_LENGTH.as_str()));
    if by_proxy || bodiless || OURS.iter().any(|ours| route.starts_with(ours)) {
        return Vec::new();
    }
    let mut found = Vec::new();
    if header("x-tower-request-id").is_empty() {
        found.push("x-tower-request-id is missing".to_owned());
    }
    let schema = match answer.status {
        200 => CONTRACT["answers"].get(route).cloned(),
        400.. => Some(json!({ "$ref": "#/components/schemas/ErrorBody" })),
        _ => None,
    };
    let Some(schema) = schema else { return found };
    if header(CONTENT_TYPE.as_str()) != "application/json" {
        found.push(format!("the content type is {:?}", header(CONTENT_TYPE.as_str())));
    }
    let Ok(body) = serde_json::from_str(&answer.text) else {
        found.push("the body is not JSON".to_owned());
        return found;
    };
    found.extend(problems(&CONTRACT, &schema, &body));
    if answer.status >= 400 {
        found.extend(refusal(route, answer.status, &body));
    }
    found
}

/// What the schema of ErrorBody does not say.
fn refusal(route: &str, status: u16, body: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if body["path"] != route {
        found.push(format!("the path is {}", body["path"]));
    }
    if body["status"] != status {
        found.push(format!("the status is {}", body["status"]));
    }
    // Its one value tells which resources are held, and comes with 400.
    if body.get("code").is_some() && (status != 400 || !body["props"]["locked_resources"].is_array()) {
        found.push(format!("the code is {}", body["code"]));
    }
    found
}

#[test]
fn an_answer_that_strays_is_found() {
    let answer = |status: u16, body: Value| Answer {
        status,
        headers: [(CONTENT_TYPE.as_str(), "application/json"), ("x-tower-request-id", "an id")]
            .map(|(name, value)| (name.try_into().unwrap(), value.parse().unwrap()))
            .into_iter()
            .collect(),
        text: body.to_string(),
    };
    let user = json!({
        "auth_config_id": null, "display_username": "", "email_address": null, "id": "u", "internal": false,
        "ldap_dn": null, "mobile_phone": null, "name": "", "password_expired": null, "password_recover_qa": null,
        "password_updated_at": null, "role": "ROOT", "roles": [{ "id": "r", "name": "" }], "source": "LOCAL", "username": "u",
    });
    let with = |member: &str, value: Value| {
        let mut user = user.clone();
        user[member] = value;
        user
    };
    let without = |member: &str| {
        let mut user = user.clone();
        user.as_object_mut().unwrap().remove(member).unwrap();
        user
    };
    let count = |count: Value| json!({ "aggregate": { "count": count } });
    let refused = json!({ "message": "no", "path": "/login", "status": 400 });
    let locked = json!({
        "message": "no", "path": "/start-vm", "status": 400, "code": "ResourceLocked",
        "props": { "locked_resources": [{ "id": "v", "type": "VM" }] },
    });
    for (path, good) in [
        ("/v2/api/get-my-info", answer(200, user.clone())),
        ("/v2/api/get-users", answer(200, json!([user, with("role", Value::Null)]))),
        ("/v2/api/update-user", answer(200, json!([{ "data": user, "task_id": null }]))),
        ("/v2/api/get-users-connection", answer(200, count(json!(0)))),
        ("/v2/api/login", answer(400, refused.clone())),
        ("/v2/api/start-vm", answer(400, locked.clone())),
        ("/healthz", answer(500, json!("whatever"))),
        ("/v2/apix", answer(500, json!("whatever"))),
    ] {
        assert_eq!(strays(path, &good), [""; 0], "{path} {good:?}");
    }
    let mut nameless = answer(200, user.clone());
    nameless.headers.remove("x-tower-request-id");
    let mut plain = answer(200, user.clone());
    plain.headers.insert(CONTENT_TYPE, "text/plain".parse().unwrap());
    let mut broken = answer(502, json!({}));
    broken.text.pop();
    let error = |member: &str, value: Value| {
        let mut body = refused.clone();
        body[member] = value;
        answer(400, body)
    };
    let held = |member: &str, value: Value| {
        let mut body = locked.clone();
        body[member] = value;
        answer(400, body)
    };
    for (path, bad, part) in [
        ("/v2/api/get-my-info", nameless, "x-tower-request-id"),
        ("/v2/api/get-my-info", plain, "text/plain"),
        ("/v2/api/get-my-info", answer(200, without("username")), "\"username\" is missing"),
        ("/v2/api/get-my-info", answer(200, with("username", Value::Null)), "$.username: is null"),
        ("/v2/api/get-my-info", answer(200, with("internal", json!("false"))), "$.internal"),
        ("/v2/api/get-my-info", answer(200, with("source", json!("SAML"))), "$.source"),
        ("/v2/api/get-my-info", answer(200, with("roles", json!([{ "id": "r" }]))), "$.roles[0]: \"name\" is missing"),
        ("/v2/api/get-my-info", answer(200, with("password", json!("x"))), "\"password\" is not in the schema"),
        ("/v2/api/get-users", answer(200, user.clone()), "another type"),
        ("/v2/api/get-users", answer(200, json!([user, null])), "$[1]: is null"),
        ("/v2/api/update-user", answer(200, json!([{ "data": null, "task_id": null }])), "$[0].data: is null"),
        ("/v2/api/update-user", answer(200, json!([{ "data": user, "task_id": 1 }])), "$[0].task_id"),
        ("/v2/api/get-users-connection", answer(200, count(json!(1.0))), "$.aggregate.count"),
        ("/v2/api/get-users-connection", answer(200, count(json!("1"))), "$.aggregate.count"),
        ("/v2/api/get-users-connection", answer(200, count(json!(1_u64 << 31))), "$.aggregate.count"),
        ("/v2/api/login", answer(200, json!({ "data": {}, "task_id": null })), "\"token\" is missing"),
        ("/v2/api/login", answer(401, refused.clone()), "the status is 400"),
        ("/v2/api", answer(400, refused.clone()), "the path is \"/login\""),
        ("/v2/api/login", error("path", json!("/v2/api/login")), "the path is"),
        ("/v2/api/login", error("code", Value::Null), "$.code: is null"),
        ("/v2/api/login", error("code", json!("Invalid")), "$.code"),
        ("/v2/api/login", error("code", json!("ResourceLocked")), "the code is"),
        ("/v2/api/start-vm", held("props", Value::Null), "the code is"),
        ("/v2/api/login", error("message", Value::Null), "$.message: is null"),
        ("/v2/api/login", broken, "not JSON"),
    ] {
        let found = strays(path, &bad);
        assert!(found.iter().any(|found| found.contains(part)), "{part} is not in {found:?} of {path} {bad:?}");
    }
}
