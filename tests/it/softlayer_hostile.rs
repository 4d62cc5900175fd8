//! Hostile input to SoftLayer's three dialects: entities, depth, many calls in one, encodings, bodies that are none. Each is refused in the
//! shape that its dialect's clients read, in time, without a word of our inside and without a request to anywhere; and nothing comes of it.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::net::TcpListener;

use super::support::softlayer::Dialect::{Rest, Soap, XmlRpc};
use super::support::softlayer::{Dialect, Target, envelope, xml_rpc, xml_rpc_with};

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
