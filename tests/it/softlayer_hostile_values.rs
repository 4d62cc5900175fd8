//! Hostile values to SoftLayer's three dialects: numbers, addresses, sizes, methods of HTTP and credentials that can't be.

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::Value;

use super::support::check::tells_nothing;
use super::support::softlayer::Dialect::{Rest, Soap, XmlRpc};
use super::support::softlayer::{Target, USER, envelope, envelope_with, xml_rpc, xml_rpc_with};

const LARGEST: usize = 1024 * 1024;

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
    let target = Target::new().await;
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
            request = request.header(AUTHORIZATION, value);
        }
        let answer = target.send(request, &what).await;
        tells_nothing(&answer);
        assert!(matches!(answer.status, 400 | 401), "{what}: {answer:?}");
        let body: Value = answer.json();
        assert!(body["error"].is_string() && body["code"].is_string(), "{what}: {answer:?}");
    }
    for value in [good, format!("basic {}", base64(format!("root:{}", target.key).as_bytes()))] {
        let request = target.service.http.get(&url).header(AUTHORIZATION, &value);
        assert_eq!(target.send(request, &value).await.status, 200, "{value}");
    }
}

fn base64(bytes: &[u8]) -> String {
    use ::base64::Engine;
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}
