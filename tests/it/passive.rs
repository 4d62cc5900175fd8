//! Active and passive nodes: what a passive one answers where, and that the change takes effect at once, survives, and is told.

use std::path::Path;
use std::sync::Arc;

use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, LOCATION};
use serde_json::{Value, json};

use crate::support::check::{Rows, error_body};
use crate::support::node::{self, Ended, borrowed, settings};
use crate::support::{Answer, Database, Node, Peer, ROOT_PASSWORD, Service};

const ELSEWHERE: &str = "https://tower-2.example:8443";

/// What a passive node hands over: the whole API, known or not.
const HANDED_OVER: [&str; 18] = [
    "/reset-password",
    "/console/reset-password.js",
    "/api",
    "/api/",
    "/api?query=%7B__typename%7D",
    "/api/?",
    "/api/healthz",
    "/api/graphiql/start.js",
    "/v2/api",
    "/v2/api/",
    "/v2/api/login",
    "/v2/api/get-version",
    "/v2/api/get-vms?a=b%20c&d",
    "/v2/api/get-my-info",
    "/v2/api/no-such-route",
    "/v2/api/no/such//route",
    "/v2/api/swagger3.json",
    "/v2/api/docs/",
];

/// Does not follow redirects, as the contract's client does not.
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

async fn ask(http: &reqwest::Client, method: Method, url: String, credential: Option<&str>) -> Answer {
    let mut request = http.request(method, url).header(ACCEPT, "text/html, */*");
    if let Some(credential) = credential {
        request = request.header(AUTHORIZATION, credential);
    }
    Answer::read(request.send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passive_node_hands_over_the_whole_api_and_nothing_else() {
    let service = Service::start_with(Arc::new(Database::new().await), &[("active_url", ELSEWHERE)]).await;
    let root = service.root().await;
    let rows = Rows::of(&service).await;
    let before = rows.count().await;
    let http = client();
    service.app.node.set(true).unwrap();
    let statements = service.app.store.statements();
    for path in HANDED_OVER {
        let plain = path.split('?').next().unwrap();
        for method in [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::OPTIONS,
            Method::HEAD,
            Method::from_bytes(b"ODD").unwrap(),
        ] {
            for credential in [None, Some("dead.dead.dead"), Some(root.as_str())] {
                let answer = ask(&http, method.clone(), service.url(path), credential).await;
                assert_eq!(answer.headers[LOCATION], format!("{ELSEWHERE}{path}"), "{method} {path}");
                if method == Method::HEAD {
                    assert_eq!((answer.status, answer.text.as_str()), (307, ""), "{path}");
                } else {
                    let message = error_body(&answer, 307, plain);
                    assert!(message.contains("passive"), "{message}");
                }
            }
        }
    }
    // Changes are not made on the way, and the database is not even asked.
    for body in [json!({ "username": "root", "password": ROOT_PASSWORD }), json!({}), json!(["a"])] {
        assert_eq!(http.post(service.url("/v2/api/login")).json(&body).send().await.unwrap().status(), 307);
        assert_eq!(http.post(service.url("/api")).json(&body).send().await.unwrap().status(), 307);
    }
    assert_eq!(service.app.store.statements(), statements);
    assert_eq!(rows.count().await, before);
    for (path, status) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/.well-known/jwks.json", 200),
        ("/no-such-route", 404),
        ("/apis", 404),
        ("/v2", 404),
        ("/v2/apis", 404),
    ] {
        assert_eq!(ask(&http, Method::GET, service.url(path), None).await.status, status, "{path}");
    }
    assert_eq!(service.get("/readyz").await.json()["node"], "passive");
    // And back again: the next request is served, the token is still good.
    service.app.node.set(false).unwrap();
    assert_eq!(service.get("/api/healthz").await.json(), json!({ "status": "active" }));
    assert_eq!(service.get("/readyz").await.json()["node"], "active");
    assert_eq!(service.try_credential(&root).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_knowing_the_active_node_it_names_none() {
    let service = Service::start_with(Arc::new(Database::new().await), &[("passive", "true")]).await;
    let http = client();
    for path in HANDED_OVER {
        let answer = ask(&http, Method::GET, service.url(path), None).await;
        error_body(&answer, 307, path.split('?').next().unwrap());
        assert!(!answer.headers.contains_key(LOCATION), "{answer:?}");
    }
}

/// Runs `keytower node …` with the node's own configuration.
fn command(settings: &[(&'static str, String)], word: &str) -> Ended {
    node::run(&borrowed(settings), &["node", word])
}

fn said(settings: &[(&'static str, String)], word: &str) -> String {
    let ended = command(settings, word);
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
    ended.stdout
}

async fn probe(node: &Node) -> (u16, Value) {
    let http = client();
    let probed = ask(&http, Method::GET, node.url("/api/healthz"), None).await;
    let ready = ask(&http, Method::GET, node.url("/readyz"), None).await;
    assert_eq!(ready.status, 200, "{ready:?}");
    (probed.status, ready.json()["node"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_beside_the_node_is_obeyed_at_once_and_for_good() {
    let database = Database::new().await;
    let mut settings = settings(&database);
    let node = Node::start(&borrowed(&settings));
    let peer = Peer::new(node.address);
    let token = peer.root().await;
    assert_eq!(said(&settings, "status"), "active: the setting passive is false\n");
    // Many times over one connection, each seen by the very next request.
    for _ in 0..5 {
        assert!(said(&settings, "passive").contains("passive"));
        assert_eq!(probe(&node).await, (307, json!("passive")));
        let answer = peer.post("/v2/api/get-my-info", Some(&token), &json!({})).await.unwrap();
        error_body(&answer, 307, "/v2/api/get-my-info");
        assert_eq!(peer.login("root", "wrong").await.unwrap().status, 307);
        assert!(said(&settings, "active").contains("active"));
        assert_eq!(probe(&node).await, (200, json!("active")));
        assert_eq!(peer.post("/v2/api/get-my-info", Some(&token), &json!({})).await.unwrap().status, 200);
    }
    let log = node.log();
    let told = |word: &str| log.iter().filter(|line| line.contains(&format!("this node is {word} now"))).count();
    assert_eq!((told("passive"), told("active")), (5, 5), "{log:?}");
    assert_eq!(said(&settings, "passive"), said(&settings, "passive"));
    assert_eq!(said(&settings, "status"), "passive: `keytower node passive` said so\n");
    drop(node);
    // It stays passive through a restart, and is as healthy as any.
    let node = Node::start(&borrowed(&settings));
    assert!(node.log().iter().any(|line| line.contains("keytower listens") && line.contains("passive")));
    assert_eq!(probe(&node).await, (307, json!("passive")));
    let check = node::run(&[("listen", &node.address.to_string())], &["healthcheck"]);
    assert!(check.status.success() && check.stdout.contains("passive"), "{check:?}");
    drop(node);
    // What a command said counts for more than the setting, either way.
    settings.push(("passive", "true".to_owned()));
    assert!(said(&settings, "active").contains("active"));
    let node = Node::start(&borrowed(&settings));
    assert_eq!(said(&settings, "status"), "active: `keytower node active` said so\n");
    assert_eq!(probe(&node).await, (200, json!("active")));
    said(&settings, "passive");
    assert_eq!(probe(&node).await, (307, json!("passive")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_makes_a_node_start_passive() {
    let database = Database::new().await;
    let mut settings = settings(&database);
    settings.extend([("passive", "true".to_owned()), ("active_url", format!("{ELSEWHERE}/"))]);
    let node = Node::start(&borrowed(&settings));
    assert_eq!(probe(&node).await, (307, json!("passive")));
    let answer = ask(&client(), Method::POST, node.url("/v2/api/login?x=1"), None).await;
    assert_eq!(
        (answer.status, &answer.headers[LOCATION]),
        (307, &format!("{ELSEWHERE}/v2/api/login?x=1").parse().unwrap())
    );
    assert_eq!(said(&settings, "status"), "passive: the setting passive is true\n");
    said(&settings, "active");
    assert_eq!(probe(&node).await, (200, json!("active")));
    Peer::new(node.address).root().await;
}

#[test]
fn a_command_without_its_node_is_told_so_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (missing, file) = (folder.path().join("missing"), folder.path().join("file"));
    std::fs::write(&file, "").unwrap();
    let refusal = |path: &Path, word| {
        let ended = node::run(&[("data_dir", path.to_str().unwrap())], &["node", word]);
        assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
        assert!(ended.stderr.contains(path.to_str().unwrap()), "{ended:?}");
        ended.stderr
    };
    for word in ["passive", "active", "status"] {
        assert!(refusal(&missing, word).contains("data_dir"));
        assert!(refusal(&file, word).contains("no folder"));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    for (name, value) in [("passive", "yes"), ("active_url", "tower-2"), ("active_url", "https://a/b")] {
        let ended = node::run(&[("data_dir", folder.path().to_str().unwrap()), (name, value)], &["node", "status"]);
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(ended.stderr.contains(&format!("KEYTOWER_{} must be", name.to_uppercase())), "{ended:?}");
    }
}
