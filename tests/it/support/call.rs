//! A request of any face, as data: where it goes, what its body is, and how the face refuses it.

use keytower::softlayer::table::{METHODS, Method};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use super::check::error_body;
use super::softlayer::{Dialect, envelope_with, xml_rpc_with};
use super::{Answer, Service};

/// A dialect in which clients talk to the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    Rest,
    Graphql,
    SoftLayer(Dialect),
}

/// SoftLayer's three dialects, as faces.
pub const DIALECTS: [Face; 3] =
    [Face::SoftLayer(Dialect::Rest), Face::SoftLayer(Dialect::XmlRpc), Face::SoftLayer(Dialect::Soap)];

/// Why a request was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The credential does not work.
    Dead,
    /// The credential works and lacks the right.
    Forbidden,
    /// The second factor, or the password, has to be proven anew.
    StepUp,
    /// The request is not allowed, whoever sends it.
    Invalid,
}

/// A request without its credential.
#[derive(Debug, Clone)]
pub struct Call {
    pub face: Face,
    pub path: String,
    pub body: String,
}

impl Call {
    pub fn rest(path: &str, body: &Value) -> Self {
        Self { face: Face::Rest, path: format!("/v2/api{path}"), body: body.to_string() }
    }

    pub fn graphql(query: &str, variables: &Value) -> Self {
        let body = json!({ "query": query, "variables": variables });
        Self { face: Face::Graphql, path: "/api".to_owned(), body: body.to_string() }
    }

    /// A call of `Service::method`, about the object of a number where the method is about one.
    pub fn softlayer(dialect: Dialect, name: &str, id: i64, arguments: &[Value]) -> Self {
        let Method { service, name, parameters, of_object, .. } = method(name);
        let id = of_object.then_some(id);
        let (path, body) = match dialect {
            Dialect::Rest => {
                let id = id.map_or_else(String::new, |id| format!("/{id}"));
                let path = format!("/rest/v3.1/{service}{id}/{name}.json");
                (path, json!({ "parameters": arguments }).to_string())
            }
            Dialect::XmlRpc => {
                let init = |id: i64| {
                    let id = xml_rpc_value(&json!({ "id": id }));
                    format!("<member><name>{service}InitParameters</name><value>{id}</value></member>")
                };
                let init = id.map_or_else(String::new, init);
                let headers = format!(
                    "<struct><member><name>headers</name><value><struct>{init}</struct></value></member></struct>"
                );
                let values: Vec<String> = arguments.iter().map(xml_rpc_value).collect();
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                (format!("/xmlrpc/v3.1/{service}"), xml_rpc_with(name, &headers, &values))
            }
            Dialect::Soap => {
                let init = |id: i64| format!("<n:{service}InitParameters><id>{id}</id></n:{service}InitParameters>");
                let named = parameters.iter().zip(arguments).map(|((name, _), value)| soap_element(name, value));
                let call = format!("<n:{name}>{}</n:{name}>", named.collect::<String>());
                (format!("/soap/v3.1/{service}"), envelope_with(&id.map_or_else(String::new, init), &call))
            }
        };
        Self { face: Face::SoftLayer(dialect), path, body }
    }

    pub fn content_type(&self) -> &'static str {
        match self.face {
            Face::Rest | Face::Graphql | Face::SoftLayer(Dialect::Rest) => "application/json",
            Face::SoftLayer(_) => "text/xml",
        }
    }

    /// Sends it whole.
    pub async fn send(&self, service: &Service, credential: &str) -> Answer {
        let request = service.http.post(service.url(&self.path)).header(CONTENT_TYPE, self.content_type());
        let request = request.header(AUTHORIZATION, format!("Bearer {credential}")).body(self.body.clone());
        Answer::unchecked(request.send().await.unwrap()).await.unwrap()
    }

    /// What it asks for, as messages of tests show it.
    pub fn short(&self) -> String {
        short(&format!("{} {}", self.path, self.body))
    }

    /// Sends it whole, and it must be done.
    pub async fn done(&self, service: &Service, credential: &str) -> Answer {
        let answer = self.send(service, credential).await;
        assert!(self.is_done(&answer), "{}: {answer:?}", self.short());
        answer
    }

    /// Sends it whole, and it must be refused as its face refuses. Answers the words.
    pub async fn refused(&self, service: &Service, credential: &str, refusal: Refusal) -> String {
        let answer = self.send(service, credential).await;
        let what = self.short();
        let found = self.refusal(&answer).unwrap_or_else(|| panic!("{what} was not refused: {answer:?}"));
        assert_eq!(found, refusal, "{what}: {answer:?}");
        answer.text
    }

    /// Tells whether it was carried out.
    pub fn is_done(&self, answer: &Answer) -> bool {
        match self.face {
            Face::Rest => answer.status == 200,
            Face::Graphql => answer.status == 200 && answer.json()["errors"].is_null(),
            Face::SoftLayer(_) => answer.status == 200 && !answer.text.contains("<fault>"),
        }
    }

    /// Which refusal an answer is, in the shape of its face; `None` for anything else.
    pub fn refusal(&self, answer: &Answer) -> Option<Refusal> {
        match self.face {
            Face::Rest => {
                let path = self.path.strip_prefix("/v2/api").unwrap();
                let refusal = match answer.status {
                    400 => Refusal::Invalid,
                    401 => Refusal::Dead,
                    403 if answer.text.contains("reauthenticate") => Refusal::StepUp,
                    403 => Refusal::Forbidden,
                    _ => return None,
                };
                error_body(answer, answer.status, path);
                Some(refusal)
            }
            Face::Graphql if answer.json()["errors"].is_null() => None,
            Face::Graphql => match answer.code().as_str() {
                "UNAUTHENTICATED" => Some(Refusal::Dead),
                "FORBIDDEN" => Some(Refusal::Forbidden),
                "REAUTHENTICATION_REQUIRED" => Some(Refusal::StepUp),
                "BAD_USER_INPUT" => Some(Refusal::Invalid),
                _ => None,
            },
            Face::SoftLayer(_) if self.is_done(answer) => None,
            Face::SoftLayer(dialect) => {
                let (code, text) = dialect.fault(answer, &self.path);
                let dead =
                    ["Access Denied", "Invalid API token", "Invalid authentication token", "authentication headers"];
                match code.as_str() {
                    _ if dead.iter().any(|words| text.contains(words)) => Some(Refusal::Dead),
                    "SoftLayer_Exception_PermissionDenied" => Some(Refusal::Forbidden),
                    _ if text.contains("reauthenticate") => Some(Refusal::StepUp),
                    "SoftLayer_Exception_InvalidValue" | "SoftLayer_Exception_Public" => Some(Refusal::Invalid),
                    "SoftLayer_Exception_WebService_BadRequest" => Some(Refusal::Invalid),
                    _ => None,
                }
            }
        }
    }
}

/// A method by `Service::name`.
fn method(name: &str) -> &'static Method {
    let found = METHODS.iter().find(|method| method_name(method) == name);
    found.unwrap_or_else(|| panic!("there is no method {name}"))
}

/// What tests call a method.
pub fn method_name(method: &Method) -> String {
    format!("{}::{}", method.service, method.name)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn xml_rpc_value(value: &Value) -> String {
    match value {
        Value::Null => "<nil/>".to_owned(),
        Value::Bool(truth) => format!("<boolean>{}</boolean>", u8::from(*truth)),
        Value::Number(number) => format!("<int>{number}</int>"),
        Value::String(text) => format!("<string>{}</string>", escaped(text)),
        Value::Array(items) => {
            let items = items.iter().map(|item| format!("<value>{}</value>", xml_rpc_value(item)));
            format!("<array><data>{}</data></array>", items.collect::<String>())
        }
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| {
                format!("<member><name>{name}</name><value>{}</value></member>", xml_rpc_value(value))
            });
            format!("<struct>{}</struct>", members.collect::<String>())
        }
    }
}

fn soap_element(name: &str, value: &Value) -> String {
    let typed = |kind: &str, text: String| format!("<{name} xsi:type=\"xsd:{kind}\">{text}</{name}>");
    match value {
        Value::Null => format!("<{name} xsi:nil=\"true\"/>"),
        Value::Bool(truth) => typed("boolean", truth.to_string()),
        Value::Number(number) => typed("int", number.to_string()),
        Value::String(text) => typed("string", escaped(text)),
        Value::Array(items) => {
            let items = items.iter().map(|item| soap_element("item", item));
            format!("<{name}>{}</{name}>", items.collect::<String>())
        }
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| soap_element(name, value));
            format!("<{name}>{}</{name}>", members.collect::<String>())
        }
    }
}

/// The beginning of a text.
pub fn short(text: &str) -> String {
    text.chars().take(300).collect()
}
