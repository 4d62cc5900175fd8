//! Requests of chance, made from the OpenAPI document as it is served: whatever is sent, with whatever credential, the answer is one
//! that the document describes, is no fault of ours, and lets nobody in.

use std::collections::BTreeMap;

use keytower::domain::caller::Caller;
use keytower::rest::PREFIX;
use keytower::service::inventory;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Map, Value, json};

use crate::support::chance::Chance;
use crate::support::schema::{problems, resolve};
use crate::support::{Answer, Service, pass, samples};

/// Requests to each route.
const ROUNDS: usize = 60;
/// Deepest nesting of what is made.
const DEPTH: usize = 6;

/// What a request is sent with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Nothing,
    DeadKey,
    ReadOnly,
    RootKey,
    Root,
}

/// Makes bodies from schemas.
struct Maker<'a> {
    document: &'a Value,
    chance: Chance,
}

impl Maker<'_> {
    fn value(&mut self, schema: &Value, member: &str, depth: usize) -> Value {
        if let Some(any) = self.chance.wild() {
            return any;
        }
        if schema["nullable"] == true && self.chance.once_in(10) {
            return Value::Null;
        }
        let target = schema.get("$ref").or_else(|| schema.pointer("/allOf/0/$ref"));
        if let Some(target) = target {
            let target = resolve(self.document, target.as_str().unwrap()).unwrap();
            return self.value(target, member, depth);
        }
        if let Some(values) = schema["enum"].as_array() {
            return self.chance.pick(values).clone();
        }
        match schema["type"].as_str().unwrap() {
            "string" => self.chance.text(member).into(),
            "boolean" => self.chance.once_in(2).into(),
            "integer" => self.chance.integer(schema["format"] == "int64"),
            "number" => self.chance.float(),
            "array" => {
                let most = if depth == 0 { 1 } else { 4 };
                (0..self.chance.random.below(most)).map(|_| self.value(&schema["items"], member, depth - 1)).collect()
            }
            "object" => self.object(schema, depth).into(),
            other => panic!("the type {other} is not known here"),
        }
    }

    /// The members that must be there, and some of the others: fewer, the more there are and the deeper it stands.
    fn object(&mut self, schema: &Value, depth: usize) -> Map<String, Value> {
        let nothing = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&nothing);
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap()).collect();
        let most = if depth == 0 { 1 } else { properties.len().min(5) };
        let names: Vec<&String> = properties.keys().collect();
        let mut wanted: Vec<&str> = required;
        for _ in 0..self.chance.random.below(most + 1) {
            wanted.push(self.chance.pick(&names).as_str());
        }
        let mut object = Map::new();
        for name in wanted {
            object.insert(name.to_owned(), self.value(&properties[name], name, depth.saturating_sub(1)));
        }
        if self.chance.wild > 0 && self.chance.once_in(8) {
            object.insert("unknown".to_owned(), json!(1));
        }
        object
    }
}

/// A service with an inventory, and the credentials to ask it with.
struct Target {
    service: Service,
    root: String,
    root_key: String,
    read_only: String,
}

impl Target {
    async fn new() -> Self {
        let service = Service::start().await;
        service.import_example().await;
        let samples = samples::inventory().to_string();
        inventory::import(&service.app, &pass(&Caller::operator()), &samples, |_| {}).await.unwrap();
        let mut target = Self { service, root: String::new(), root_key: String::new(), read_only: String::new() };
        target.renew().await;
        target
    }

    /// Users are among what is changed: new ones, when the old ones can't log in any more.
    async fn renew(&mut self) {
        self.root = self.service.user("ROOT").await.1;
        self.root_key = self.service.mint(&self.root, "a key").await.1;
        self.read_only = self.service.user("READ_ONLY").await.1;
    }

    fn credential(&self, shown: Shown) -> Option<&str> {
        match shown {
            Shown::Nothing => None,
            Shown::DeadKey => Some("kt1000000000000000000000000000000000000000000000000000000000000000"),
            Shown::ReadOnly => Some(&self.read_only),
            Shown::RootKey => Some(&self.root_key),
            Shown::Root => Some(&self.root),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_is_answered_as_documented() {
    let mut target = Target::new().await;
    let document = target.service.get("/v2/api/swagger3.json").await.json();
    let mut maker = Maker { document: &document, chance: Chance::new("REST") };
    let mut statuses = BTreeMap::<u16, usize>::new();
    for round in 0..ROUNDS {
        for (path, methods) in document["paths"].as_object().unwrap() {
            let (method, operation) = methods.as_object().unwrap().iter().next().unwrap();
            maker.chance.wild = if round % 2 == 0 { 0 } else { 12 };
            let shown = [Shown::Nothing, Shown::DeadKey, Shown::ReadOnly, Shown::RootKey, Shown::Root, Shown::Root];
            let shown = *maker.chance.pick(&shown);
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let body = if schema.is_null() { String::new() } else { maker.value(schema, "", DEPTH).to_string() };
            let method = method.to_uppercase().parse().unwrap();
            let url = target.service.url(&format!("{PREFIX}{path}"));
            let mut request = target.service.http.request(method, url);
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
            if let Some(credential) = target.credential(shown) {
                request = request.header(AUTHORIZATION, credential);
            }
            let answer = Answer::read(request.send().await.unwrap()).await;
            let asked = format!("{path} with {shown:?}: {body}");
            assert!(answer.status < 500, "{asked}: {answer:?}");
            let secured = operation["security"] != json!([]);
            if secured && [Shown::Nothing, Shown::DeadKey].contains(&shown) {
                assert_eq!(answer.status, 401, "{asked}: {answer:?}");
            }
            let response = &operation["responses"][answer.status.to_string()];
            assert!(response.is_object(), "{} is not documented of {asked}: {answer:?}", answer.status);
            for (header, _) in response["headers"].as_object().unwrap() {
                assert!(answer.headers.contains_key(header), "{header} is missing: {asked}: {answer:?}");
            }
            let schema = &response["content"]["application/json"]["schema"];
            assert_eq!(problems(&document, schema, &answer.json()), [""; 0], "{asked}: {answer:?}");
            *statuses.entry(answer.status).or_default() += 1;
            if answer.status == 200 {
                maker.chance.remember(&answer.json());
            }
            if answer.status == 401 && ![Shown::Nothing, Shown::DeadKey].contains(&shown) {
                target.renew().await;
            }
        }
    }
    println!("answers by status: {statuses:?}");
    for status in [200, 400, 401, 403, 404] {
        assert!(statuses.contains_key(&status), "{statuses:?}");
    }
}
