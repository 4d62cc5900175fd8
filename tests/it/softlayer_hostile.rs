//! Hostile input to SoftLayer's three dialects: entities, depth, encodings, numbers, bodies that are none. Each is refused in the shape
//! that its dialect's clients read, in time, without a word of our inside and without a request to anywhere; and nothing comes of it.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::support::check::{Rows, tells_nothing};
use super::support::{Answer, Database, ROOT_PASSWORD, Service};

/// How long a body may keep the service busy, at the very most and on a slow machine; those that are not stopped take minutes.
const PATIENCE: Duration = Duration::from_secs(30);
const USER: &str = "SoftLayer_User_Customer";
const LARGEST: usize = 1024 * 1024;
/// What a login answers that was judged: bodies that say something else by themselves must not come so far.
const JUDGED: &str = "Invalid login credentials provided.";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    XmlRpc,
    Soap,
    Rest,
}

use Dialect::{Rest, Soap, XmlRpc};

impl Dialect {
    const OF_XML: [Self; 2] = [XmlRpc, Soap];

    fn path(self) -> String {
        match self {
            XmlRpc => format!("/xmlrpc/v3.1/{USER}"),
            Soap => format!("/soap/v3.1/{USER}"),
            Rest => format!("/rest/v3.1/{USER}/getPortalLoginToken.json"),
        }
    }

    /// A login of somebody, whose name is as it is given.
    fn login(self, prolog: &str, name: &str) -> Vec<u8> {
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
    fn fault(self, answer: &Answer, what: &str) -> (String, String) {
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

fn xml_rpc(method: &str, values: &[&str]) -> String {
    let headers = "<struct><member><name>headers</name><value><struct></struct></value></member></struct>";
    xml_rpc_with(method, headers, values)
}

fn xml_rpc_with(method: &str, headers: &str, values: &[&str]) -> String {
    let params = std::iter::once(&headers).chain(values);
    let params: String = params.map(|value| format!("<param><value>{value}</value></param>")).collect();
    format!("<methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>")
}

fn envelope(body: &str) -> String {
    envelope_with("", body)
}

fn envelope_with(header: &str, body: &str) -> String {
    format!(
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:n=\"http://api.service.softlayer.com/soap/v3.1/\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"><e:Header>{header}</e:Header><e:Body>{body}</e:Body></e:Envelope>"
    )
}

/// A service with a key of its user root, and what must stay as it is.
struct Target {
    service: Service,
    key: String,
    root: i64,
    rows: Rows,
    before: [i64; 3],
}

impl Target {
    async fn new() -> Self {
        Self::of(Service::start().await).await
    }

    async fn of(service: Service) -> Self {
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

    async fn send(&self, request: reqwest::RequestBuilder, what: &str) -> Answer {
        let answer = async { Answer::unchecked(request.send().await.unwrap()).await.unwrap() };
        tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| panic!("no answer to {what}"))
    }

    async fn post(&self, dialect: Dialect, body: Vec<u8>, what: &str) -> Answer {
        let kind = if dialect == Rest { "application/json" } else { "text/xml" };
        let request = self.service.http.post(self.service.url(&dialect.path())).header(CONTENT_TYPE, kind);
        self.send(request.body(body), what).await
    }

    /// A body that must be refused for what it is: code and text.
    async fn refuses(&self, dialect: Dialect, body: Vec<u8>, what: &str) -> (String, String) {
        let what = format!("{dialect:?}: {what}");
        let told = dialect.fault(&self.post(dialect, body, &what).await, &what);
        assert_ne!(told.1, JUDGED, "{what}");
        self.still_honest(dialect).await;
        told
    }

    fn shown(&self) -> String {
        let member = |name: &str, value: &str| format!("<member><name>{name}</name><value>{value}</value></member>");
        let authenticate = member("username", "root") + &member("apiKey", &self.key);
        let init = member("id", &format!("<int>{}</int>", self.root));
        let headers = member("authenticate", &format!("<struct>{authenticate}</struct>"))
            + &member(&format!("{USER}InitParameters"), &format!("<struct>{init}</struct>"));
        format!("<struct>{}</struct>", member("headers", &format!("<struct>{headers}</struct>")))
    }

    /// An honest call in a dialect works.
    async fn still_honest(&self, dialect: Dialect) {
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

    async fn is_as_before(&self) {
        assert_eq!(self.rows.count().await, self.before);
    }
}

/// Somebody who counts who calls.
async fn listener() -> (String, Arc<AtomicUsize>) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, calls) = (format!("http://{}", socket.local_addr().unwrap()), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&calls);
    tokio::spawn(async move {
        while socket.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (url, calls)
}

#[tokio::test]
async fn no_document_type_is_read_and_nothing_is_fetched() {
    let target = Target::new().await;
    let (url, calls) = listener().await;
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "the contents of a file").unwrap();
    let file = format!("file://{}", secret.display());
    let laughs: String = (1..10).fold("<!ENTITY l0 \"ha\">".to_owned(), |mut all, at| {
        write!(all, "<!ENTITY l{at} \"{}\">", format!("&l{};", at - 1).repeat(10)).unwrap();
        all
    });
    let long = "a".repeat(50_000);
    let cases = [
        (format!("<!DOCTYPE x [{laughs}]>"), "&l9;".to_owned(), "billion laughs"),
        (format!("<!DOCTYPE x [<!ENTITY a \"{long}\">]>"), "&a;".repeat(100_000), "quadratic blow-up"),
        ("<!DOCTYPE x [<!ENTITY a \"&b;\"><!ENTITY b \"&a;\">]>".to_owned(), "&a;".to_owned(), "a circle of entities"),
        (format!("<!DOCTYPE x [<!ENTITY a SYSTEM \"{file}\">]>"), "&a;".to_owned(), "a file"),
        (format!("<!DOCTYPE x [<!ENTITY a SYSTEM \"{url}/a\">]>"), "&a;".to_owned(), "an address"),
        (format!("<!DOCTYPE x [<!ENTITY a PUBLIC \"a\" \"{url}/a\">]>"), "&a;".to_owned(), "a public address"),
        (format!("<!DOCTYPE x [<!ENTITY % a SYSTEM \"{url}/a\"> %a;]>"), "b".to_owned(), "a parameter entity"),
        (format!("<!DOCTYPE x SYSTEM \"{url}/a.dtd\">"), "b".to_owned(), "a DTD elsewhere"),
        (format!("<!DOCTYPE x PUBLIC \"-//A//B\" \"{url}/a.dtd\" []>"), "b".to_owned(), "a public DTD elsewhere"),
        ("<!DOCTYPE methodCall>".to_owned(), "b".to_owned(), "a harmless one"),
        ("<!DOCTYPE x [<!ATTLIST methodName a CDATA \"b\">]>".to_owned(), "b".to_owned(), "an attribute by default"),
        ("<!doctype html>".to_owned(), "b".to_owned(), "one of HTML"),
        ("<?xml version=\"1.0\"?>\n<!DOCTYPE x []>".to_owned(), "b".to_owned(), "one behind a declaration"),
        ("<!-- --><!DOCTYPE x []>".to_owned(), "b".to_owned(), "one behind a comment"),
        ("<!DOCTYPE x [".to_owned(), "b".to_owned(), "one without an end"),
        (String::new(), "&a;".to_owned(), "an entity that is not declared"),
        (String::new(), "&nbsp;".to_owned(), "an entity of HTML"),
        (String::new(), "&a".to_owned(), "a reference without an end"),
        (String::new(), "<!DOCTYPE x>".to_owned(), "one in the middle"),
        (String::new(), "<!ENTITY a \"b\">".to_owned(), "a declaration in the middle"),
        (
            String::new(),
            format!("<i:include xmlns:i=\"http://www.w3.org/2001/XInclude\" href=\"{file}\" parse=\"text\"/>"),
            "an inclusion of a file",
        ),
        (
            String::new(),
            format!("<i:include xmlns:i=\"http://www.w3.org/2001/XInclude\" href=\"{url}/a\"/>"),
            "an inclusion from an address",
        ),
    ];
    for dialect in Dialect::OF_XML {
        for (prolog, name, what) in &cases {
            let (_, text) = target.refuses(dialect, dialect.login(prolog, name), what).await;
            assert!(!text.contains("the contents"), "{dialect:?} {what}: {text}");
        }
        // A stylesheet is nothing that a program looks at, and a schema no place that one must go to.
        for (prolog, name, what) in [
            (format!("<?xml-stylesheet type=\"text/xsl\" href=\"{url}/a.xsl\"?>"), "b", "a stylesheet"),
            (String::new(), "b<?include a?>", "an instruction"),
        ] {
            let what = format!("{dialect:?}: {what}");
            dialect.fault(&target.post(dialect, dialect.login(&prolog, name), &what).await, &what);
        }
    }
    let schema = format!(
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:n=\"{url}/n\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:schemaLocation=\"{url}/n {url}/a.xsd\"><e:Body>\
         <n:getObject/></e:Body></e:Envelope>"
    );
    Soap.fault(&target.post(Soap, schema.into_bytes(), "a schema elsewhere").await, "a schema elsewhere");
    target.is_as_before().await;
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn depth_width_and_names_without_end_are_refused_in_time() {
    let target = Target::new().await;
    let struct_of = |depth: usize| {
        "<struct><member><name>a</name><value>".repeat(depth) + "b" + &"</value></member></struct>".repeat(depth)
    };
    let array_of = |depth: usize| "<array><data><value>".repeat(depth) + "b" + &"</value></data></array>".repeat(depth);
    let attributes = |count: usize, name: &str| {
        (0..count).fold(String::new(), |mut all, at| {
            write!(all, " {name}{at}=\"urn:a\"").unwrap();
            all
        })
    };
    let values = [
        (struct_of(10_000), "10,000 structs in each other"),
        (array_of(10_000), "10,000 arrays in each other"),
        (struct_of(200), "200 structs in each other"),
        ("<struct><member><name>a</name><value>".repeat(20_000), "structs that don't end"),
        ("<a>".repeat(300_000), "elements that don't end"),
        ("</value>".repeat(100_000), "ends without a beginning"),
        (format!("<string{}>a</string>", attributes(30_000, "xmlns:a")), "30,000 namespaces"),
        (format!("<string{}>a</string>", attributes(30_000, "a")), "30,000 attributes"),
        ("<string a=\"1\" a=\"2\">a</string>".to_owned(), "one attribute twice"),
        (format!("<array><data>{}</data></array>", "<value><nil/></value>".repeat(40_000)), "40,000 values in a list"),
        (format!("<{}/>", "a".repeat(500_000)), "an element with a name of 500 kB"),
        ("<![CDATA[".repeat(50_000), "sections that don't end"),
        ("<!--".repeat(100_000), "comments that don't end"),
        (format!("<string>{}", "&#x61;".repeat(100_000)), "references, and no end"),
    ];
    for (value, what) in values {
        target
            .refuses(XmlRpc, xml_rpc("getPortalLoginToken", &[&value, "<string>a</string>"]).into_bytes(), what)
            .await;
        let soap = envelope(&format!("<n:getPortalLoginToken><username>{value}</username></n:getPortalLoginToken>"));
        target.refuses(Soap, soap.into_bytes(), what).await;
    }
    // Namespaces that each double the one before, as far as anybody would write them out.
    let nested = (0..1_000).fold(String::new(), |mut all, at| {
        write!(all, "<a{at}:x xmlns:a{at}=\"urn:{at}\">").unwrap();
        all
    });
    for dialect in Dialect::OF_XML {
        target.refuses(dialect, dialect.login("", &nested), "1,000 namespaces in each other").await;
    }
    for (name, what) in [
        ("a".repeat(200_000), "a method with a name of 200 kB"),
        (String::new(), "a method without a name"),
        ("../../../../etc/passwd".to_owned(), "a path"),
        ("getObject&#10;Set-Cookie: a=b".to_owned(), "a name of two lines"),
        ("system.listMethods".to_owned(), "a list of methods"),
        ("__proto__".to_owned(), "a prototype"),
    ] {
        target.refuses(XmlRpc, xml_rpc(&name, &[]).into_bytes(), what).await;
    }
    target.is_as_before().await;
}

#[tokio::test]
async fn many_calls_in_one_are_no_call_and_no_guess() {
    let target = Target::new().await;
    let attempts = async || target.service.database().number("SELECT COUNT(*) FROM attempts").await;
    let before = attempts().await;
    let guess = |number: usize| {
        format!(
            "<value><struct><member><name>methodName</name><value>getPortalLoginToken</value></member><member>\
             <name>params</name><value><array><data><value><string>root</string></value><value><string>{number}</string>\
             </value></data></array></value></member></struct></value>"
        )
    };
    for many in [1, 500] {
        let guesses: String = (0..many).map(guess).collect();
        let list = format!("<array><data>{guesses}</data></array>");
        for values in [vec![list.as_str()], vec!["<struct></struct>", list.as_str()]] {
            let params: String = values.iter().map(|value| format!("<param><value>{value}</value></param>")).collect();
            let body =
                format!("<methodCall><methodName>system.multicall</methodName><params>{params}</params></methodCall>");
            let (code, _) = target.refuses(XmlRpc, body.into_bytes(), "system.multicall").await;
            assert!(code.starts_with("-32"), "{code}");
        }
    }
    let twice = "<n:getPortalLoginToken><username>root</username><password>a</password></n:getPortalLoginToken>";
    target.refuses(Soap, envelope(&twice.repeat(300)).into_bytes(), "300 calls in a body").await;
    let calls = "<methodCall><methodName>getPortalLoginToken</methodName></methodCall>".repeat(2);
    target.refuses(XmlRpc, calls.into_bytes(), "two calls in a body").await;
    target.refuses(Rest, json!([{ "parameters": ["root", "a"] }]).to_string().into_bytes(), "a list of calls").await;
    assert_eq!(attempts().await, before);
    target.is_as_before().await;
}

#[tokio::test]
async fn what_is_no_text_and_no_document_is_refused() {
    let target = Target::new().await;
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    for dialect in Dialect::OF_XML {
        let whole = |prolog: &str, name: &[u8]| {
            let text = String::from_utf8(dialect.login(prolog, "NAME")).unwrap();
            let (front, back) = text.split_once("NAME").unwrap();
            [front.as_bytes(), name, back.as_bytes()].concat()
        };
        let declared = |encoding: &str| format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?>");
        let login = String::from_utf8(dialect.login("", "a")).unwrap();
        let cases = [
            (Vec::new(), "nothing"),
            (b" \r\n\t ".to_vec(), "white space"),
            (b"\xef\xbb\xbf".to_vec(), "a mark alone"),
            (declared("utf-8").into_bytes(), "a declaration alone"),
            (b"{\"parameters\":[]}".to_vec(), "JSON"),
            (b"username=root&password=a".to_vec(), "a form"),
            (b"<html><body>a</body></html>".to_vec(), "a page"),
            (b"\0\0\0\0".to_vec(), "zeros"),
            (login.as_bytes()[..login.len() / 2].to_vec(), "one half"),
            (login.as_bytes()[..login.len() - 1].to_vec(), "all but the last letter"),
            (format!("{login}{login}").into_bytes(), "two documents"),
            (format!("{login} trailing").into_bytes(), "text behind it"),
            (format!("leading {login}").into_bytes(), "text before it"),
            (whole("", b"\xff\xfe"), "bytes that are no UTF-8"),
            (whole(&declared("utf-8"), b"\xe9"), "Latin-1 declared as UTF-8"),
            (whole(&declared("utf-8"), b"\xed\xa0\x80"), "half of a pair"),
            (whole(&declared("utf-8"), b"\xc0\xbc"), "a sign of two bytes that needs one"),
            (whole("", b"\0"), "a zero"),
            (whole("", b"\x01"), "a control character"),
            (whole("", b"&#0;"), "a reference to zero"),
            (whole("", b"&#x1;"), "a reference to a control character"),
            (whole("", b"&#xD800;"), "a reference to half of a pair"),
            (whole("", b"&#xFFFE;"), "a reference to no character"),
            (whole("", b"&#x110000;"), "a reference beyond all characters"),
            (whole("", b"&#99999999999999999999;"), "a reference without end"),
            (whole("", b"a]]>b"), "the end of a section"),
            (utf16(&login), "UTF-16"),
            ([b"\xff\xfe".to_vec(), utf16(&login)].concat(), "UTF-16 with its mark"),
            (whole(&declared("utf-16"), b"a"), "UTF-16 that is none"),
            (whole(&declared("utf-7"), b"+ADw-"), "UTF-7"),
            (whole(&declared("ebcdic"), b"\xe9"), "an encoding that nobody reads"),
        ];
        for (body, what) in cases {
            target.refuses(dialect, body, what).await;
        }
    }
    for (body, what) in [
        (b"{\"parameters\":[\"\xff\",\"a\"]}".to_vec(), "bytes that are no UTF-8"),
        (br#"{"parameters":["\ud800","a"]}"#.to_vec(), "half of a pair"),
        (b"\xef\xbb\xbf{\"parameters\":[\"a\",\"b\"]}".to_vec(), "a mark"),
        (utf16("{\"parameters\":[\"a\",\"b\"]}"), "UTF-16"),
        (b"{\"parameters\":[\"a\",\"b\"]} {}".to_vec(), "two documents"),
        (b"{\"parameters\":[\"a\",\"b\"".to_vec(), "no end"),
        (br#"{"parameters":[NaN]}"#.to_vec(), "a number that is none"),
        (br#"{"parameters":[1e999]}"#.to_vec(), "a number without end"),
        (format!("{{\"parameters\":{}", "[".repeat(500_000)).into_bytes(), "lists that don't end"),
        (format!("{{\"parameters\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000)).into_bytes(), "10,000 lists"),
        (
            format!("{{\"parameters\":[{}1{}]}}", "{\"a\":".repeat(10_000), "}".repeat(10_000)).into_bytes(),
            "10,000 objects in each other",
        ),
        (b"<methodCall/>".to_vec(), "XML"),
    ] {
        target.refuses(Rest, body, what).await;
    }
    target.is_as_before().await;
}

/// Python's client declares Latin-1 and sends UTF-8; others send what they declare.
#[tokio::test]
async fn text_in_either_encoding_arrives_as_it_was_meant() {
    let target = Target::new().await;
    for (encoding, city, expected) in [
        ("iso-8859-1", "Göteborg ☃".as_bytes().to_vec(), "Göteborg ☃"),
        ("iso-8859-1", b"G\xf6teborg".to_vec(), "Göteborg"),
        ("ISO-8859-1", b"Malm\xf6".to_vec(), "Malmö"),
        ("utf-8", "Łódź 🌍".as_bytes().to_vec(), "Łódź 🌍"),
        ("UTF-8", b"&#x141;&#243;d&#x17a;".to_vec(), "Łódź"),
    ] {
        let change = "<struct><member><name>city</name><value><string>CITY</string></value></member></struct>";
        let body = xml_rpc_with("editObject", &target.shown(), &[change]);
        let (front, back) = body.split_once("CITY").unwrap();
        let declaration = format!("<?xml version='1.0' encoding='{encoding}'?>");
        let body = [declaration.as_bytes(), front.as_bytes(), &city, back.as_bytes()].concat();
        let answer = target.post(XmlRpc, body, encoding).await;
        assert!(answer.text.contains("<boolean>1</boolean>"), "{answer:?}");
        let read = target.service.http.get(target.service.url("/rest/v3.1/SoftLayer_Account/getCurrentUser.json"));
        let user = target.send(read.basic_auth("root", Some(&target.key)), "reading").await.json();
        assert_eq!(user["city"], expected);
    }
}

#[tokio::test]
async fn values_that_can_not_be_are_refused() {
    let target = Target::new().await;
    let values = [
        "<int>99999999999999999999</int>",
        "<int>-9223372036854775809</int>",
        "<i4>1e3</i4>",
        "<int>0x10</int>",
        "<int>one</int>",
        "<int></int>",
        "<boolean>2</boolean>",
        "<boolean>yes</boolean>",
        "<double>1e999</double>",
        "<double>NaN</double>",
        "<double>1,5</double>",
        "<base64>!!!</base64>",
        "<dateTime.iso8601>yesterday</dateTime.iso8601>",
        "<struct><member><name>a</name></member></struct>",
        "<struct><member><value>a</value></member></struct>",
        "<struct><value>a</value></struct>",
        "<array><value>a</value></array>",
        "<array></array>",
        "<int>1</int><int>2</int>",
        "a<int>1</int>",
        "<unknown>1</unknown>",
        "<nil>1</nil>",
    ];
    for value in values {
        for body in [
            xml_rpc("getPortalLoginToken", &[value, "<string>a</string>"]),
            xml_rpc_with("getPortalLoginToken", value, &["<string>a</string>", "<string>a</string>"]),
        ] {
            target.refuses(XmlRpc, body.into_bytes(), value).await;
        }
        let headers =
            |inner: &str| format!("<struct><member><name>headers</name><value>{inner}</value></member></struct>");
        let member = |name: &str| {
            headers(&format!("<struct><member><name>{name}</name><value>{value}</value></member></struct>"))
        };
        for name in ["authenticate".to_owned(), format!("{USER}InitParameters"), "resultLimit".to_owned()] {
            target.refuses(XmlRpc, xml_rpc_with("getObject", &member(&name), &[]).into_bytes(), value).await;
        }
    }
    for id in ["99999999999999999999", "-1", "1.5", "0x1", "one", "", " ", "1 OR 1=1", "null", "[]"] {
        let header = format!(
            "<n:authenticate><username>root</username><apiKey>{}</apiKey></n:authenticate><n:{USER}InitParameters>\
             <id xsi:type=\"xsd:int\">{id}</id></n:{USER}InitParameters>",
            target.key
        );
        target.refuses(Soap, envelope_with(&header, "<n:getObject/>").into_bytes(), id).await;
        let shown = target.shown().replace(&format!("<int>{}</int>", target.root), &format!("<string>{id}</string>"));
        target.refuses(XmlRpc, xml_rpc_with("getObject", &shown, &[]).into_bytes(), id).await;
    }
    for (body, what) in [
        ("<n:getObject/><n:getObject/>", "two calls"),
        ("", "no call"),
        ("text", "text"),
        ("<e:Fault><faultcode>a</faultcode></e:Fault>", "a fault"),
    ] {
        target.refuses(Soap, envelope(body).into_bytes(), what).await;
    }
    target.is_as_before().await;
}

#[tokio::test]
async fn addresses_of_rest_that_can_not_be_are_refused() {
    let target = Target::new().await;
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(3_000), close.repeat(3_000));
    let encoded = |text: String| {
        text.replace('{', "%7B").replace('}', "%7D").replace('"', "%22").replace('[', "%5B").replace(']', "%5D")
    };
    let users = "/rest/v3.1/SoftLayer_Account/getUsers.json";
    let user = format!("/rest/v3.1/{USER}");
    let paths = [
        format!("{user}/99999999999999999999.json"),
        format!("{user}/-1.json"),
        format!("{user}/0.json"),
        format!("{user}/1.5.json"),
        format!("{user}/%00.json"),
        format!("{user}/%ff%fe.json"),
        format!("{user}/%zz.json"),
        format!("{user}/..%2f..%2fetc%2fpasswd"),
        format!("{user}/1/2/3/4/5.json"),
        format!("{user}/{}/getObject/{}", target.root, "a/".repeat(5_000)),
        format!("{user}/{}/getObject.exe", target.root),
        "/rest/v3.1/".to_owned(),
        "/rest/v3.1//getObject.json".to_owned(),
        "/rest/v3.1/SoftLayer_Account/__proto__.json".to_owned(),
        format!("{users}?resultLimit=-1"),
        format!("{users}?resultLimit=a"),
        format!("{users}?resultLimit=1,2,3"),
        format!("{users}?resultLimit=99999999999999999999"),
        format!("{users}?objectFilter={}", encoded("{".repeat(5_000))),
        format!("{users}?objectFilter={}", encoded(deep("{\"users\":", "}"))),
        format!("{users}?objectFilter={}", encoded(deep("[", "]"))),
        format!("{users}?objectFilter=%ff"),
        format!("{users}?objectMask={}", encoded(deep("parent[", "]"))),
        format!("{users}?objectMask={}", encoded("mask[".repeat(5_000))),
        format!("{users}?objectMask={}", "parent.".repeat(5_000)),
        format!("{users}?objectMask=%00"),
        format!("{users}?objectMask=%ff"),
    ];
    for path in paths {
        let what: String = path.chars().take(120).collect();
        let request = target.service.http.get(target.service.url(&path)).basic_auth("root", Some(&target.key));
        let answer = target.send(request, &what).await;
        Rest.fault(&answer, &what);
        target.still_honest(Rest).await;
    }
    // Children of parents of children: short to ask for, long to answer.
    let mask = (0..12).fold("id".to_owned(), |mask, _| format!("childUsers[parent[{mask}],id]"));
    let request = target.service.http.get(target.service.url(&format!("{users}?objectMask={}", encoded(mask))));
    let answer = target.send(request.basic_auth("root", Some(&target.key)), "a mask of 24 relations").await;
    assert!(answer.text.len() < 10 * LARGEST, "{} bytes", answer.text.len());
    target.is_as_before().await;
}

#[tokio::test]
async fn bodies_that_are_too_large_or_packed_are_refused() {
    let target = Target::new().await;
    for dialect in [XmlRpc, Soap, Rest] {
        let large = dialect.login("", &"a".repeat(LARGEST + 1));
        let what = format!("{dialect:?}: more than a megabyte");
        let answer = target.post(dialect, large, &what).await;
        dialect.fault(&answer, &what);
        target.still_honest(dialect).await;
        // A megabyte of zeros in a thousand bytes, if anybody unpacked it.
        let packed = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0; 1_000]].concat();
        for encoding in ["gzip", "deflate", "br", "zstd"] {
            let request = target.service.http.post(target.service.url(&dialect.path()));
            let request = request.header(CONTENT_TYPE, "text/xml").header(CONTENT_ENCODING, encoding);
            let answer = target.send(request.body(packed.clone()), encoding).await;
            if answer.status != 415 {
                dialect.fault(&answer, encoding);
            }
            tells_nothing(&answer);
        }
        target.still_honest(dialect).await;
    }
    target.is_as_before().await;
}

#[tokio::test]
async fn other_methods_of_http_do_nothing() {
    let target = Target::new().await;
    let key = format!("/rest/v3.1/{USER}/{}/removeApiAuthenticationKey/1.json", target.root);
    for path in
        [XmlRpc.path(), Soap.path(), key, "/xmlrpc/v3.1".to_owned(), "/soap/v3.1/".to_owned(), "/rest".to_owned()]
    {
        for method in
            [Method::GET, Method::HEAD, Method::OPTIONS, Method::PATCH, Method::PUT, Method::DELETE, Method::TRACE]
        {
            let what = format!("{method} {path}");
            let request = target.service.http.request(method, target.service.url(&path));
            let answer = target.send(request.basic_auth("root", Some(&target.key)), &what).await;
            tells_nothing(&answer);
            assert!((400..=500).contains(&answer.status), "{what}: {answer:?}");
        }
    }
    for dialect in [XmlRpc, Soap, Rest] {
        target.still_honest(dialect).await;
    }
    target.is_as_before().await;
}

/// Headers of HTTP and of a call that contradict each other: whoever asks is one, or nobody.
#[tokio::test]
async fn credentials_of_odd_shapes_are_none() {
    let service = Service::start_with(Arc::new(Database::new().await), &[]).await;
    let target = Target::of(service).await;
    let url = target.service.url("/rest/v3.1/SoftLayer_Account/getCurrentUser.json");
    let basic = |text: &str| format!("Basic {}", base64(text.as_bytes()));
    let good = basic(&format!("root:{}", target.key));
    let mut cases = vec![
        vec![good.clone(), good.clone()],
        vec![good.clone(), "Bearer x".to_owned()],
        vec!["Basic".to_owned()],
        vec!["Basic ".to_owned()],
        vec!["Basic !!!".to_owned()],
        vec![format!("Basic {}", base64(b"\xff\xfe:\xff"))],
        vec![basic("root")],
        vec![basic(":")],
        vec![basic(&format!(":{}", target.key))],
        vec![basic("root:")],
        vec![basic(&format!("root:{}:", target.key))],
        vec![basic(&format!("root\0:{}", target.key))],
        vec![basic(&format!("root:{}\n", target.key))],
        vec![basic(&"a:".repeat(10_000))],
        vec![format!("Digest {}", target.key)],
        vec!["Bearer".to_owned()],
        vec!["Bearer  ".to_owned()],
    ];
    cases.push(vec![format!("Negotiate {}", base64(b"a"))]);
    for case in cases {
        let what = format!("{case:?}");
        let mut request = target.service.http.get(&url);
        for value in &case {
            request = request.header(reqwest::header::AUTHORIZATION, value);
        }
        let answer = target.send(request, &what).await;
        tells_nothing(&answer);
        assert!(matches!(answer.status, 400 | 401), "{what}: {answer:?}");
        let body: Value = answer.json();
        assert!(body["error"].is_string() && body["code"].is_string(), "{what}: {answer:?}");
    }
    for value in [good, format!("basic {}", base64(format!("root:{}", target.key).as_bytes()))] {
        let request = target.service.http.get(&url).header(reqwest::header::AUTHORIZATION, &value);
        assert_eq!(target.send(request, &value).await.status, 200, "{value}");
    }
}

fn base64(bytes: &[u8]) -> String {
    use ::base64::Engine;
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}
