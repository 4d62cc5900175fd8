//! In front of a CloudTower: what is handed on, to whom, with which credential, and what comes back.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use keytower::domain::permission::PRESETS;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::check::error_body;
use crate::support::node::{self, borrowed};
use crate::support::tower::{self, Seen, Tower};
use crate::support::{Answer, Database, Node, Peer, ROOT_PASSWORD, Service};

/// A keytower in front of something.
async fn in_front(settings: &[(&str, String)], more: &[(&str, &str)]) -> Service {
    let mut all: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    all.extend_from_slice(more);
    Service::start_with(Arc::new(Database::new().await), &all).await
}

/// Says what it was asked.
async fn echo(seen: Seen) -> axum::response::Response {
    let body = String::from_utf8_lossy(&seen.body).into_owned();
    tower::json(StatusCode::OK, &json!({ "method": seen.method, "target": seen.target, "body": body }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keytower_in_front_of_a_keytower_shows_the_inventory_and_the_routes_of_the_one_behind() {
    let tower = Tower::start(echo).await;
    // The one behind has a route that keytower does not serve: its own tower does.
    let behind = in_front(&tower.settings(), &[]).await;
    let alone = Service::start().await;
    alone.import_example().await;
    let front = |url: String| {
        vec![
            ("upstream_url", url),
            ("upstream_username", "root".to_owned()),
            ("upstream_password", ROOT_PASSWORD.to_owned()),
        ]
    };
    let (front, over) = (in_front(&front(alone.url("/")), &[]).await, in_front(&front(behind.url("")), &[]).await);
    let (token, there) = (front.root().await, alone.root().await);
    let (_, key) = front.mint(&token, "automation").await;
    let window =
        json!({ "where": { "cluster": { "architecture": "X86_64" } }, "orderBy": "name_DESC", "first": 7, "skip": 2 });
    for (route, body) in [
        ("get-vms", &json!({})),
        ("get-vms", &json!({ "where": { "status": "RUNNING" } })),
        ("get-vms", &window),
        ("get-vms-connection", &window),
        ("get-hosts", &json!({})),
        ("get-hosts-connection", &json!({})),
        ("get-clusters", &json!({})),
        ("get-clusters-connection", &json!({})),
        ("get-datacenters", &json!({})),
        ("get-datacenters-connection", &json!({})),
        ("get-organizations", &json!({})),
    ] {
        let path = format!("/v2/api/{route}");
        let own = alone.post(&path, Some(&there), body).await;
        let through = front.post(&path, Some(&key), body).await;
        assert_eq!((through.status, &through.text), (200, &own.text), "{route} {body}");
        assert_eq!(through.headers[CONTENT_TYPE], "application/json");
        assert!(through.text.len() > 20, "{through:?}");
    }
    // What the one behind has against a list is told as it tells it.
    let wrong = json!({ "where": { "nonsense": 1 } });
    let own = alone.post("/v2/api/get-vms", Some(&there), &wrong).await;
    let through = front.post("/v2/api/get-vms", Some(&key), &wrong).await;
    assert_eq!((error_body(&through, 400, "/get-vms"), &through.text), (error_body(&own, 400, "/get-vms"), &own.text));
    // Users are this keytower's own, and so is GraphQL: its inventory is the local record.
    let users = front.post("/v2/api/get-users", Some(&key), &json!({})).await.json();
    assert_ne!(users[0]["id"], alone.post("/v2/api/get-users", Some(&there), &json!({})).await.json()[0]["id"]);
    let local = front.graphql(Some(&key), "{ vms { id } }", json!({})).await;
    assert_eq!(local.json(), json!({ "data": { "vms": [] } }));
    // Through two of them.
    let (_, key) = over.mint(&over.root().await, "automation").await;
    let body = json!([{ "name": "a vm" }]);
    let made = over.post("/v2/api/create-vm", Some(&key), &body).await;
    assert_eq!(made.status, 200, "{made:?}");
    let expected = json!({ "method": "POST", "target": "/v2/api/create-vm", "body": body.to_string() });
    assert_eq!(made.json(), expected);
    assert_eq!((tower.logins(), tower.seen().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credential_and_no_header_of_a_connection_goes_through_either_way() {
    let tower = Tower::start(|_| async {
        let headers = [
            ("content-type", "text/csv; charset=utf-8"),
            ("content-disposition", "attachment; filename=vms.csv"),
            ("set-cookie", "connect.sid=s%3Asecret"),
            ("authorization", "the-token-at-the-tower"),
            ("x-tower-request-id", "the tower's"),
            ("x-powered-by", "Express"),
            ("keep-alive", "timeout=5"),
            ("access-control-allow-origin", "*"),
        ];
        (StatusCode::CREATED, headers, Body::from("a,b\n1,2\n")).into_response()
    })
    .await;
    let service = in_front(&tower.settings(), &[]).await;
    let (_, key) = service.mint(&service.root().await, "automation").await;
    let request = service.http.post(service.url("/v2/api/export-vm")).body("{\"name\": 1 }");
    let request = request
        .header(AUTHORIZATION, format!("Bearer {key}"))
        .header("content-type", "application/json; charset=utf-8")
        .header("content-language", "zh-CN")
        .header("accept", "text/csv")
        .header("external-cloudtower-id", "site-2")
        .header("cookie", format!("connect.sid={key}"))
        .header("connection", "x-secret")
        .header("x-secret", &key)
        .header("te", "trailers")
        .header("proxy-authorization", &key)
        .header("x-bypass-whitelist", "true")
        .header("x-forwarded-for", "10.0.0.1")
        .header("accept-encoding", "identity");
    let answer = Answer::unchecked(request.send().await.unwrap()).await.unwrap();
    let seen = tower.seen();
    let mut names: Vec<(&str, &str)> =
        seen[0].headers.keys().map(|name| (name.as_str(), seen[0].header(name.as_str()))).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            ("accept", "text/csv"),
            ("authorization", "the-token-at-the-tower"),
            ("content-language", "zh-CN"),
            ("content-length", "12"),
            ("content-type", "application/json; charset=utf-8"),
            ("external-cloudtower-id", "site-2"),
            ("host", &tower.address.to_string()),
        ]
    );
    assert_eq!((seen[0].method.as_str(), seen[0].target.as_str()), ("POST", "/v2/api/export-vm"));
    assert_eq!(seen[0].body, "{\"name\": 1 }");
    assert!(!format!("{seen:?}").contains(&key));
    assert_eq!((answer.status, answer.text.as_str()), (201, "a,b\n1,2\n"));
    let mut names: Vec<&str> = answer.headers.keys().map(reqwest::header::HeaderName::as_str).collect();
    names.sort_unstable();
    let own =
        ["cache-control", "content-disposition", "content-length", "content-security-policy", "content-type", "date"];
    assert_eq!(names, [&own[..], &["referrer-policy", "x-content-type-options", "x-tower-request-id"]].concat());
    assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(answer.headers["x-tower-request-id"].len(), 36);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_here_does_not_reach_the_upstream() {
    let tower = Tower::start(echo).await;
    let service = in_front(&tower.settings(), &[]).await;
    let (_, dead) = service.mint(&service.root().await, "dead").await;
    service.delete_key(&service.root().await, &dead).await;
    for path in ["/get-vms", "/get-vms-connection", "/get-vm-volumes", "/create-vm", "/route-of-tomorrow"] {
        for credential in
            [None, Some(dead.as_str()), Some("the-token-at-the-tower"), Some("Basic cm9vdDpyb290"), Some("")]
        {
            let answer = service.post(&format!("/v2/api{path}"), credential, &json!({})).await;
            error_body(&answer, 401, path);
        }
    }
    let (_, key) = service.mint(&service.root().await, "alive").await;
    // Nothing but one plain segment is a route, and a query could say what the body does not.
    for (method, path, status) in [
        (Method::POST, "/resource-changes", 404),
        (Method::GET, "/resource-changes", 404),
        (Method::POST, "/get-vm-volumes/", 404),
        (Method::POST, "//get-vm-volumes", 404),
        (Method::POST, "/get-vm-volumes/../login", 404),
        (Method::POST, "/%2e%2e/api", 404),
        (Method::POST, "/get-vm-volumes%2f..", 404),
        (Method::POST, "/get-vm-volumes%3Fa", 404),
        (Method::POST, "/Get-vm-volumes", 404),
        (Method::POST, "/get_vm_volumes", 404),
        (Method::DELETE, "/get-vm-volumes", 405),
        (Method::PUT, "/create-vm", 405),
        (Method::GET, "/get-vms", 405),
    ] {
        let answer = raw(&service, &method, path, &key).await;
        let head = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&head) && answer.contains("\"message\""), "{method} {path}: {answer}");
    }
    let query = service.post("/v2/api/get-vm-volumes?first=1", Some(&key), &json!({})).await;
    assert!(error_body(&query, 400, "/get-vm-volumes").contains("query"));
    let large = service.post_text("/v2/api/create-vm", Some(&key), vec![b' '; 1024 * 1024 + 1]).await;
    error_body(&large, 413, "/create-vm");
    assert_eq!((tower.seen().len(), tower.logins()), (0, 0));
    // And what is one goes through, with GET too.
    let get = service.http.get(service.url("/v2/api/get-vm-volumes")).header(AUTHORIZATION, &key).send().await.unwrap();
    assert_eq!(Answer::unchecked(get).await.unwrap().json()["method"], "GET");
}

/// A request with its path as it is: other clients tidy up.
async fn raw(service: &Service, method: &Method, path: &str, key: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(service.address).await.unwrap();
    let head = format!("{method} /v2/api{path} HTTP/1.1\r\nHost: k\r\nAuthorization: {key}\r\nConnection: close\r\n");
    let request = format!("{head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_takes_the_action_of_its_name_and_an_unknown_one_takes_root() {
    let tower = Tower::start(echo).await;
    let rules = "route-of-tomorrow = MANAGE_REPORT, get-route-of-tomorrow = credential, delete-vm = *";
    let service = in_front(&tower.settings(), &[("upstream_rules", rules)]).await;
    let root = service.root().await;
    let mut tokens = Vec::new();
    for preset in PRESETS {
        tokens.push((preset.name, service.user(preset.name).await.1));
    }
    let role = service.make_role(&root, "vm maker", &["CREATE_VM", "MANAGE_REPORT"]).await;
    tokens.push(("CREATE_VM", service.make_user(&root, "maker", &role).await.1));
    let everybody: Vec<&str> = tokens.iter().map(|(name, _)| *name).collect();
    for (route, allowed, missing) in [
        ("get-vms", &everybody[..], ""),
        ("get-vm-volumes", &everybody, ""),
        ("get-vm-volumes-connection", &everybody, ""),
        ("get-route-of-tomorrow", &everybody, ""),
        ("get-iscsi-targets", &["ROOT", "ADMIN"], "MANAGE_ISCSI_DATA_STORE"),
        ("get-snmp-transports-connection", &["ROOT", "ADMIN"], "MANAGE_CLUSTER_SNMP_TRANSPORT"),
        ("get-vm-vnc-info", &["ROOT", "ADMIN"], "VM_OPERATION_OPEN_TERMINAL"),
        ("create-vm", &["ROOT", "ADMIN", "VM_USER", "CREATE_VM"], "CREATE_VM"),
        ("clone-vm", &["ROOT", "ADMIN"], "VM_OPERATION_CLONE"),
        ("delete-host", &["ROOT"], "*"),
        ("update-host", &["ROOT", "ADMIN"], "MANAGE_HOST"),
        ("create-label", &["ROOT", "ADMIN"], "MANAGE_LABEL"),
        ("update-global-recycle-bin-setting", &["ROOT", "ADMIN"], "MANAGE_VM_RECYCLE_BIN_SETTING"),
        ("route-of-the-day-after", &["ROOT"], "*"),
        ("get-route-of-the-day-after", &["ROOT"], "*"),
        // As the rules say.
        ("route-of-tomorrow", &["ROOT", "ADMIN", "CREATE_VM"], "MANAGE_REPORT"),
        ("delete-vm", &["ROOT"], "*"),
    ] {
        for (name, token) in &tokens {
            let answer = service.post(&format!("/v2/api/{route}"), Some(token), &json!({})).await;
            let came = tower.seen();
            if allowed.contains(name) {
                assert_eq!((answer.status, came.len()), (200, 1), "{name} {route}: {answer:?}");
            } else {
                let message = error_body(&answer, 403, &format!("/{route}"));
                assert!(
                    message.contains(&format!("action {missing} ")) && came.is_empty(),
                    "{name} {route}: {answer:?}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_on_leaves_its_trace_before_it_goes_out() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let settings = [("upstream_url", format!("http://{nobody}")), ("upstream_api_key", "a-key".to_owned())];
    let service = in_front(&settings, &[]).await;
    let (root, (name, reader)) = (service.root().await, service.user("READ_ONLY").await);
    for (token, path, status) in [
        (&root, "/create-vm", 502),
        (&reader, "/create-vm", 403),
        (&reader, "/get-iscsi-targets", 403),
        (&reader, "/get-vm-volumes", 502),
        (&reader, "/get-vms", 502),
    ] {
        assert_eq!(service.rest(token, path, json!({})).await.status, status, "{path}");
    }
    let asked = json!({ "where": { "action_in": ["create-vm", "get-iscsi-targets", "get-vm-volumes", "get-vms"] } });
    let rows = service.rest(&root, "/get-user-audit-logs", asked).await.json();
    let mut told: Vec<String> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| ["action", "username", "status", "message"].map(|member| row[member].as_str().unwrap()).join(" | "))
        .collect();
    told.sort();
    let mut expected = [
        "create-vm | root | SUCCESSED | handed on to the upstream".to_owned(),
        format!("create-vm | {name} | FAILED | the action CREATE_VM is missing"),
        format!("get-iscsi-targets | {name} | FAILED | the action MANAGE_ISCSI_DATA_STORE is missing"),
    ];
    expected.sort();
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_token_is_renewed_once_however_many_requests_find_it_dead() {
    const COUNT: usize = 32;
    let tower = Tower::start(echo).await;
    let service = Arc::new(in_front(&tower.settings(), &[]).await);
    let (_, key) = service.mint(&service.root().await, "automation").await;
    let create = async |number: usize| {
        // Almost as large as a body may be: the whole of it goes out again.
        let body = json!([{ "name": number, "description": "x".repeat(1_000_000 / COUNT) }]);
        let answer = service.post("/v2/api/create-vm", Some(&key), &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["body"], body.to_string());
    };
    create(0).await;
    assert_eq!((tower.logins(), tower.seen().len()), (1, 1));
    create(1).await;
    assert_eq!((tower.logins(), tower.seen().len()), (1, 1));
    tower.forget_for(COUNT);
    let mut requests = JoinSet::new();
    for number in 0..COUNT {
        let (service, key) = (Arc::clone(&service), key.clone());
        requests.spawn(async move {
            let body = json!([{ "name": number, "description": "x".repeat(1_000_000 / COUNT) }]).to_string();
            let answer = service.post_text("/v2/api/create-vm", Some(&key), body.clone()).await;
            (answer.status, answer.json()["body"].as_str() == Some(&body))
        });
    }
    assert!(requests.join_all().await.into_iter().all(|answer| answer == (200, true)));
    assert_eq!((tower.logins(), tower.seen().len()), (2, 2 * COUNT));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_at_a_keytower_behind_dies_and_is_renewed() {
    let behind = Service::start_with(Arc::new(Database::new().await), &[("token_life", "1h")]).await;
    behind.import_example().await;
    let settings = [
        ("upstream_url", behind.url("/v2/api")),
        ("upstream_username", "root".to_owned()),
        ("upstream_password", ROOT_PASSWORD.to_owned()),
    ];
    let service = in_front(&settings, &[]).await;
    let token = service.root().await;
    let sessions = async || behind.database().number("SELECT COUNT(*) FROM sessions").await;
    for passed in [0, 0, 3601] {
        behind.clock.advance(Duration::from_secs(passed));
        let vms = service.post("/v2/api/get-vms", Some(&token), &json!({})).await;
        assert_eq!((vms.status, vms.json().as_array().unwrap().len()), (200, 30));
        // There is one session, and never a second one beside it: the one that is over gave way.
        assert_eq!(sessions().await, 1);
    }
    // With an API key in place of a password there is no login.
    let (id, key) = behind.mint(&behind.root().await, "the one in front").await;
    let before = sessions().await;
    let settings = [("upstream_url", behind.url("")), ("upstream_api_key", key)];
    let service = in_front(&settings, &[]).await;
    let token = service.root().await;
    let vms = service.post("/v2/api/get-vms", Some(&token), &json!({})).await;
    assert_eq!((vms.status, vms.json().as_array().unwrap().len()), (200, 30));
    // And none that could renew it: a dead key is keytower's own fault, not the caller's.
    let delete = "mutation($id: ID!) { deleteApiKey(where: { id: $id }) { id } }";
    assert_eq!(behind.graphql(Some(&behind.root().await), delete, json!({ "id": id })).await.status, 200);
    let vms = service.post("/v2/api/get-vms", Some(&token), &json!({})).await;
    assert!(vms.status == 502 && vms.json()["message"].as_str().unwrap().contains("own credential"), "{vms:?}");
    assert_eq!(sessions().await, before + 1, "the test's own login");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_hands_on_as_it_is_configured() {
    let tower = Tower::start(echo).await;
    let database = Database::new().await;
    let mut settings = node::settings(&database);
    settings.extend(tower.settings());
    settings.push(("log", "debug".to_owned()));
    let node = Node::start(&borrowed(&settings));
    let peer = Peer::new(node.address);
    let token = peer.root().await;
    let answer = peer.post("/v2/api/create-vm", Some(&token), &json!([])).await.unwrap();
    assert_eq!(answer.json()["target"], "/v2/api/create-vm");
    tower.forget();
    let answer = peer.post("/v2/api/create-vm", Some(&token), &json!([])).await.unwrap();
    assert_eq!((answer.status, tower.logins()), (200, 2));
    let log = node.log().join("\n");
    assert!(log.contains("handed on to the upstream") && log.contains("create-vm"), "{log}");
    for secret in [tower::PASSWORD, "the-token-at-the-tower", &token] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}
