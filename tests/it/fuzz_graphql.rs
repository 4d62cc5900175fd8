//! Queries and mutations of chance, made from the schema as it is served: each answer has the shape that the schema and the query
//! say, is no fault of ours, and lets nobody in.

use std::collections::BTreeMap;
use std::fmt::Write;

use keytower::domain::operation::Needs;
use keytower::graphql::schema::table;
use serde_json::{Map, Value, json};

use crate::support::chance::Chance;
use crate::support::{ROOT_PASSWORD, Service};

/// Requests.
const ROUNDS: usize = 1_000;
/// Deepest nesting of arguments, and of selections.
const DEPTH: usize = 5;
const LEVELS: usize = 3;

const INTROSPECTION: &str = "{ __schema { types { kind name enumValues { name } \
     inputFields { name type { ...t } } fields { name type { ...t } args { name type { ...t } } } } } } \
     fragment t on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// The schema as introspection tells it.
struct Types(BTreeMap<String, Value>);

impl Types {
    fn get(&self, name: &Value) -> &Value {
        &self.0[name.as_str().unwrap()]
    }

    /// The root fields of both kinds of operation.
    fn roots(&self) -> Vec<(&'static str, &Value)> {
        let of = |object: &str, kind| self.0[object]["fields"].as_array().unwrap().iter().map(move |it| (kind, it));
        of("Query", "query").chain(of("Mutation", "mutation")).collect()
    }
}

/// A field that is asked for, and what is asked of it.
struct Asked<'a> {
    /// What it is called in the answer: its name, or an alias.
    key: String,
    field: &'a Value,
    arguments: String,
    inner: Vec<Asked<'a>>,
}

impl Asked<'_> {
    fn write(&self, document: &mut String) {
        let alias = if self.field["name"] == *self.key { String::new() } else { format!("{}: ", self.key) };
        write!(document, " {alias}{}{}", self.field["name"].as_str().unwrap(), self.arguments).unwrap();
        if !self.inner.is_empty() {
            document.push_str(" {");
            self.inner.iter().for_each(|inner| inner.write(document));
            document.push_str(" }");
        }
    }
}

/// Makes documents.
struct Maker<'a> {
    types: &'a Types,
    chance: Chance,
    /// Declarations and values of the document's variables.
    declared: String,
    variables: Map<String, Value>,
}

impl<'a> Maker<'a> {
    /// Fields with something asked of each. A name that stands twice needs an alias, others may have one.
    fn ask_all(&mut self, fields: Vec<&'a Value>, levels: usize) -> Vec<Asked<'a>> {
        let mut asked: Vec<Asked<'_>> = Vec::new();
        for (at, field) in fields.into_iter().enumerate() {
            let name = field["name"].as_str().unwrap();
            let taken = asked.iter().any(|asked| asked.key == name);
            let key = if taken || self.chance.once_in(8) { format!("k{at}") } else { name.to_owned() };
            asked.push(self.ask(field, key, levels));
        }
        asked
    }

    fn ask(&mut self, field: &'a Value, key: String, levels: usize) -> Asked<'a> {
        let mut arguments = String::new();
        for argument in field["args"].as_array().unwrap() {
            if argument["type"]["kind"] != "NON_NULL" && self.chance.once_in(2) {
                continue;
            }
            let name = argument["name"].as_str().unwrap();
            let value = self.value(&argument["type"], name, DEPTH);
            let text = if self.chance.once_in(2) {
                let variable = format!("v{}", self.variables.len());
                write!(self.declared, " ${variable}: {}", written(&argument["type"])).unwrap();
                self.variables.insert(variable.clone(), value);
                format!("${variable}")
            } else {
                self.literal(&argument["type"], &value)
            };
            write!(arguments, " {name}: {text}").unwrap();
        }
        let arguments = if arguments.is_empty() { arguments } else { format!("({arguments} )") };
        let fields = self.types.get(&named(&field["type"])["name"])["fields"].as_array();
        let inner = fields.map(|fields| self.select(fields, levels)).unwrap_or_default();
        Asked { key, field, arguments, inner }
    }

    /// Some of an object's fields; on the last level only those that have none of their own.
    fn select(&mut self, fields: &'a [Value], levels: usize) -> Vec<Asked<'a>> {
        let leaf = |field: &&Value| named(&field["type"])["kind"] != "OBJECT";
        let able: Vec<&Value> = fields.iter().filter(|field| levels > 0 || leaf(field)).collect();
        let able = if able.is_empty() { fields.iter().collect() } else { able };
        let wanted = (0..1 + self.chance.random.below(6)).map(|_| *self.chance.pick(&able)).collect();
        self.ask_all(wanted, levels.saturating_sub(1))
    }

    fn value(&mut self, kind: &Value, member: &str, depth: usize) -> Value {
        if let Some(any) = self.chance.wild() {
            return any;
        }
        let inner = &kind["ofType"];
        match kind["kind"].as_str().unwrap() {
            "NON_NULL" => return self.present(inner, member, depth),
            _ if self.chance.once_in(10) => return Value::Null,
            _ => {}
        }
        self.present(kind, member, depth)
    }

    fn present(&mut self, kind: &Value, member: &str, depth: usize) -> Value {
        let types = self.types;
        match kind["kind"].as_str().unwrap() {
            "LIST" => {
                let most = if depth == 0 { 1 } else { 4 };
                (0..self.chance.random.below(most)).map(|_| self.value(&kind["ofType"], member, depth - 1)).collect()
            }
            "ENUM" => {
                let values = types.get(&kind["name"])["enumValues"].as_array().unwrap();
                self.chance.pick(values)["name"].clone()
            }
            "INPUT_OBJECT" => {
                let fields = types.get(&kind["name"])["inputFields"].as_array().unwrap();
                let (required, others): (Vec<&Value>, Vec<&Value>) =
                    fields.iter().partition(|field| field["type"]["kind"] == "NON_NULL");
                let mut wanted = required;
                for _ in 0..if depth == 0 { 0 } else { self.chance.random.below(5) } {
                    wanted.extend(others.get(self.chance.random.below(others.len().max(1))));
                }
                let mut object = Map::new();
                for field in wanted {
                    let name = field["name"].as_str().unwrap();
                    object.insert(name.to_owned(), self.value(&field["type"], name, depth.saturating_sub(1)));
                }
                object.into()
            }
            _ => match kind["name"].as_str().unwrap() {
                "Int" => self.chance.integer(false),
                "BigInt" => self.chance.integer(true),
                "Float" => self.chance.float(),
                "Boolean" => self.chance.once_in(2).into(),
                _ => self.chance.text(member).into(),
            },
        }
    }

    /// A value as it stands in a document, where names of enumerations have no quotes.
    fn literal(&self, kind: &Value, value: &Value) -> String {
        let kind = if kind["kind"] == "NON_NULL" { &kind["ofType"] } else { kind };
        match (kind["kind"].as_str(), value) {
            (Some("ENUM"), Value::String(name)) if !name.is_empty() => name.clone(),
            (Some("LIST"), Value::Array(items)) => {
                let items: Vec<String> = items.iter().map(|item| self.literal(&kind["ofType"], item)).collect();
                format!("[{}]", items.join(" "))
            }
            (_, Value::Object(members)) => {
                let known = kind["name"].as_str().and_then(|name| self.types.0.get(name));
                let known = known.and_then(|known| known["inputFields"].as_array());
                let kind_of = |name: &str| {
                    let field = known.into_iter().flatten().find(|field| field["name"] == name);
                    field.map_or(Value::Null, |field| field["type"].clone())
                };
                let members: Vec<String> = members
                    .iter()
                    .map(|(name, value)| format!("{name}: {}", self.literal(&kind_of(name), value)))
                    .collect();
                format!("{{{}}}", members.join(" "))
            }
            (_, value) => value.to_string(),
        }
    }
}

/// The type inside lists and marks of what is never null.
fn named(kind: &Value) -> &Value {
    if kind["ofType"].is_null() { kind } else { named(&kind["ofType"]) }
}

fn written(kind: &Value) -> String {
    match kind["kind"].as_str().unwrap() {
        "NON_NULL" => format!("{}!", written(&kind["ofType"])),
        "LIST" => format!("[{}]", written(&kind["ofType"])),
        _ => kind["name"].as_str().unwrap().to_owned(),
    }
}

/// Tells what is wrong with a value that answers fields of an object.
fn misshapen(types: &Types, asked: &[Asked<'_>], value: &Value) -> Option<String> {
    let members = value.as_object()?;
    if members.len() != asked.len() || asked.iter().any(|asked| !members.contains_key(&asked.key)) {
        return Some(format!("{value} has other members than were asked for"));
    }
    asked.iter().find_map(|asked| strays(types, &asked.field["type"], asked, &members[&asked.key]))
}

fn strays(types: &Types, kind: &Value, asked: &Asked<'_>, value: &Value) -> Option<String> {
    let wrong = || Some(format!("{} is {value}, and not of {}", asked.field["name"], written(kind)));
    match (kind["kind"].as_str().unwrap(), value) {
        ("NON_NULL", Value::Null) => wrong(),
        ("NON_NULL", value) => strays(types, &kind["ofType"], asked, value),
        (_, Value::Null) => None,
        ("LIST", Value::Array(items)) => items.iter().find_map(|item| strays(types, &kind["ofType"], asked, item)),
        ("OBJECT", Value::Object(_)) => misshapen(types, &asked.inner, value),
        ("ENUM", value) => {
            let known = types.get(&kind["name"])["enumValues"].as_array().unwrap();
            if known.iter().any(|known| known["name"] == *value) { None } else { wrong() }
        }
        ("SCALAR", value) => {
            let fits = match kind["name"].as_str().unwrap() {
                "Int" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
                "BigInt" => value.as_str().is_some_and(|text| text.parse::<i64>().is_ok()),
                "Float" => value.is_number(),
                "Boolean" => value.is_boolean(),
                "JSON" => true,
                _ => value.is_string(),
            };
            if fits { None } else { wrong() }
        }
        _ => wrong(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_is_answered_in_the_shape_that_was_asked_for() {
    let service = Service::start().await;
    service.import_example().await;
    let mut root = service.root().await;
    let read_only = service.user("READ_ONLY").await.1;
    let told = service.graphql(None, INTROSPECTION, json!({})).await.json();
    let told = told["data"]["__schema"]["types"].as_array().unwrap_or_else(|| panic!("{told}")).clone();
    let types = Types(told.into_iter().map(|kind| (kind["name"].as_str().unwrap().to_owned(), kind)).collect());
    let roots = types.roots();
    let open = |name: &Value| table().iter().any(|row| *name == row.name && row.operation.needs() == Needs::Nothing);
    let chance = Chance::new("GraphQL");
    let mut maker = Maker { types: &types, chance, declared: String::new(), variables: Map::new() };
    let (mut whole, mut partly, mut refused) = (0, 0, 0);
    for round in 0..ROUNDS {
        maker.chance.wild = if round % 2 == 0 { 0 } else { 15 };
        (maker.declared, maker.variables) = (String::new(), Map::new());
        let (kind, first) = *maker.chance.pick(&roots);
        let mut fields = vec![first];
        while maker.chance.once_in(2) {
            let (other, field) = *maker.chance.pick(&roots);
            if other == kind && field["name"] != "login" {
                fields.push(field);
            }
        }
        let asked = maker.ask_all(fields, LEVELS);
        let declared = if maker.declared.is_empty() { String::new() } else { format!("({} )", maker.declared) };
        let mut document = format!("{kind} fuzz{declared} {{");
        asked.iter().for_each(|asked| asked.write(&mut document));
        document.push_str(" }");
        let credential = [None, Some("dead"), Some(read_only.as_str()), Some(root.as_str()), Some(root.as_str())];
        let credential = *maker.chance.pick(&credential);
        let variables = Value::Object(maker.variables.clone());
        let answer = service.graphql(credential, &document, variables.clone()).await;
        let body = answer.json();
        let context = format!("{document} {variables} with {credential:?}: {answer:?}");
        assert!([200, 401].contains(&answer.status), "{context}");
        for error in body["errors"].as_array().into_iter().flatten() {
            let code = error["extensions"]["code"].as_str().unwrap_or_else(|| panic!("{context}"));
            let ours = ["INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE", "REQUEST_TIMEOUT"].contains(&code);
            assert!(error["message"].is_string() && !ours, "{context}");
        }
        let data = body.get("data").unwrap_or(&Value::Null);
        let wrong = misshapen(&types, &asked, data);
        assert_eq!(wrong, None, "{context}");
        let secured = |asked: &&Asked<'_>| !open(&asked.field["name"]);
        if credential.is_none() || credential == Some("dead") {
            for asked in asked.iter().filter(secured) {
                assert!(data[&asked.key].is_null(), "{context}");
            }
        }
        if credential == Some("dead") && asked.iter().any(|asked| secured(&asked)) {
            // A document that is none is refused before anybody looks at who sent it.
            let unread = body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT" && maker.chance.wild > 0;
            assert!(body.get("data").is_none() && (answer.status == 401 || unread), "{context}");
        }
        match (data.is_null(), body.get("errors").is_some()) {
            (false, false) => whole += 1,
            (false, true) => partly += 1,
            (true, true) => refused += 1,
            (true, false) => panic!("neither data nor errors: {context}"),
        }
        maker.chance.remember(data);
        // What would shut root out is taken back.
        if document.contains("updateMfaPolicy") {
            service.database().execute("UPDATE global_settings SET mfa = '{}'").await;
        }
        if answer.status == 401 && credential == Some(root.as_str()) {
            service.forget_attempts().await;
            root = service.login("root", ROOT_PASSWORD).await;
        }
    }
    println!("answered: {whole}, with errors beside data: {partly}, refused: {refused}");
    assert!(whole > ROUNDS / 8 && refused > ROUNDS / 8, "chance has made too few of a kind: {whole}, {refused}");
}
