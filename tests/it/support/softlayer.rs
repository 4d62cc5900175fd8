//! SoftLayer's three dialects as somebody speaks them who means no good: bodies of all kinds, what a refusal must look like, and the proof
//! that an honest call works after it.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use serde_json::json;

use super::check::{Rows, tells_nothing};
use super::{Answer, ROOT_PASSWORD, Service};

/// How long a body may keep the service busy, at the very most and on a slow machine; those that are not stopped take minutes.
const PATIENCE: Duration = Duration::from_secs(30);
pub const USER: &str = "SoftLayer_User_Customer";
/// What a login answers that was judged: bodies that say something else by themselves must not come so far.
const JUDGED: &str = "Invalid login credentials provided.";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    XmlRpc,
    Soap,
    Rest,
}

use Dialect::{Rest, Soap, XmlRpc};

impl Dialect {
    pub const OF_XML: [Self; 2] = [XmlRpc, Soap];

    pub fn path(self) -> String {
        match self {
            XmlRpc => format!("/xmlrpc/v3.1/{USER}"),
            Soap => format!("/soap/v3.1/{USER}"),
            Rest => format!("/rest/v3.1/{USER}/getPortalLoginToken.json"),
        }
    }

    /// A login of somebody, whose name is as it is given.
    pub fn login(self, prolog: &str, name: &str) -> Vec<u8> {
        let body = match self {
            XmlRpc => xml_rpc("getPortalLoginToken", &[&format!("<string>{name}</string>"), "<string>a</string>"]),
            Soap => envelope(&format!(
                "<n:getPortalLoginToken><username>{name}</username><password>a</password></n:getPortalLoginToken>"
            )),
            Rest => json!({ "parameters": [name, "a"] }).to_string(),
        };
        format!("{prolog}{body}").into_bytes()
    }

    /// Asserts that an answer is a fault in the shape that this dialect's clients read, and gives its code and text.
    pub fn fault(self, answer: &Answer, what: &str) -> (String, String) {
        tells_nothing(answer);
        let short: String = answer.text.chars().take(600).collect();
        let kind = answer.headers.get(CONTENT_TYPE).map_or("", |kind| kind.to_str().unwrap());
        let squeezed: String = answer.text.split(">\n").map(str::trim_start).collect::<Vec<_>>().join(">");
        let between = |start: &str, end: &str| {
            let (_, rest) = squeezed.split_once(start).unwrap_or_else(|| panic!("{what}: no {start} in {short}"));
            rest.split_once(end).unwrap().0.to_owned()
        };
        let too_large = answer.status == 413;
        match self {
            XmlRpc => {
                assert!(answer.status == 200 || too_large, "{what}: {} {short}", answer.status);
                assert!(kind.starts_with("text/xml"), "{what}: {kind}");
                assert!(squeezed.contains("<fault>"), "{what}: {short}");
                let value = |name: &str| between(&format!("<name>{name}</name><value><string>"), "</string>");
                (value("faultCode"), value("faultString"))
            }
            Soap => {
                assert!(answer.status == 500 || too_large, "{what}: {} {short}", answer.status);
                assert!(kind.starts_with("text/xml"), "{what}: {kind}");
                assert!(squeezed.contains("<SOAP-ENV:Fault>"), "{what}: {short}");
                (between("<faultcode>", "</faultcode>"), between("<faultstring>", "</faultstring>"))
            }
            Rest => {
                assert!((400..=500).contains(&answer.status), "{what}: {} {short}", answer.status);
                assert!(kind.starts_with("application/json"), "{what}: {kind}");
                let body = answer.json();
                assert_eq!(body.as_object().map(serde_json::Map::len), Some(2), "{what}: {short}");
                let member = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("{what}: {short}")).to_owned();
                (member("code"), member("error"))
            }
        }
    }
}

pub fn xml_rpc(method: &str, values: &[&str]) -> String {
    let headers = "<struct><member><name>headers</name><value><struct></struct></value></member></struct>";
    xml_rpc_with(method, headers, values)
}

pub fn xml_rpc_with(method: &str, headers: &str, values: &[&str]) -> String {
    let params = std::iter::once(&headers).chain(values);
    let params: String = params.map(|value| format!("<param><value>{value}</value></param>")).collect();
    format!("<methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>")
}

pub fn envelope(body: &str) -> String {
    envelope_with("", body)
}

pub fn envelope_with(header: &str, body: &str) -> String {
    format!(
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:n=\"http://api.service.softlayer.com/soap/v3.1/\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"><e:Header>{header}</e:Header><e:Body>{body}</e:Body></e:Envelope>"
    )
}

/// A service with a key of its user root, and what must stay as it is.
pub struct Target {
    pub service: Service,
    pub key: String,
    pub root: i64,
    rows: Rows,
    before: [i64; 3],
}

impl Target {
    pub async fn new() -> Self {
        let service = Service::start().await;
        let login =
            service.http.post(service.url(&Rest.path())).json(&json!({ "parameters": ["root", ROOT_PASSWORD] }));
        let token = Answer::unchecked(login.send().await.unwrap()).await.unwrap().json();
        let root = token["userId"].as_i64().unwrap_or_else(|| panic!("{token}"));
        let add = service.http.get(service.url(&format!("/rest/v3.1/{USER}/{root}/addApiAuthenticationKey.json")));
        let add = add.basic_auth(root, token["hash"].as_str());
        let key = Answer::unchecked(add.send().await.unwrap()).await.unwrap().json().as_str().unwrap().to_owned();
        let rows = Rows::of(&service).await;
        let before = rows.count().await;
        Self { service, key, root, rows, before }
    }

    pub async fn send(&self, request: reqwest::RequestBuilder, what: &str) -> Answer {
        let answer = async { Answer::unchecked(request.send().await.unwrap()).await.unwrap() };
        tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| panic!("no answer to {what}"))
    }

    pub async fn post(&self, dialect: Dialect, body: Vec<u8>, what: &str) -> Answer {
        let kind = if dialect == Rest { "application/json" } else { "text/xml" };
        let request = self.service.http.post(self.service.url(&dialect.path())).header(CONTENT_TYPE, kind);
        self.send(request.body(body), what).await
    }

    /// A body that must be refused for what it is: code and text.
    pub async fn refuses(&self, dialect: Dialect, body: Vec<u8>, what: &str) -> (String, String) {
        let what = format!("{dialect:?}: {what}");
        let told = dialect.fault(&self.post(dialect, body, &what).await, &what);
        assert_ne!(told.1, JUDGED, "{what}");
        self.still_honest(dialect).await;
        told
    }

    pub fn shown(&self) -> String {
        let member = |name: &str, value: &str| format!("<member><name>{name}</name><value>{value}</value></member>");
        let authenticate = member("username", "root") + &member("apiKey", &self.key);
        let init = member("id", &format!("<int>{}</int>", self.root));
        let headers = member("authenticate", &format!("<struct>{authenticate}</struct>"))
            + &member(&format!("{USER}InitParameters"), &format!("<struct>{init}</struct>"));
        format!("<struct>{}</struct>", member("headers", &format!("<struct>{headers}</struct>")))
    }

    /// An honest call in a dialect works.
    pub async fn still_honest(&self, dialect: Dialect) {
        let http = &self.service.http;
        let url = |path: &str| self.service.url(path);
        let request = match dialect {
            XmlRpc => http.post(url(&dialect.path())).body(xml_rpc_with("getObject", &self.shown(), &[])),
            Soap => {
                let header = format!(
                    "<n:authenticate><n:username>root</n:username><n:apiKey>{}</n:apiKey></n:authenticate>\
                     <n:{USER}InitParameters><id>{}</id></n:{USER}InitParameters>",
                    self.key, self.root
                );
                http.post(url(&dialect.path())).body(envelope_with(&header, "<n:getObject/>"))
            }
            Rest => {
                http.get(url("/rest/v3.1/SoftLayer_Account/getCurrentUser.json")).basic_auth("root", Some(&self.key))
            }
        };
        let answer = self.send(request, "an honest call").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.text.contains("username") && answer.text.contains("root"), "{answer:?}");
    }

    pub async fn is_as_before(&self) {
        assert_eq!(self.rows.count().await, self.before);
    }
}
