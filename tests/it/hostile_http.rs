//! Hostile input below the faces: heads, bodies, slow clients, `Host`, framing, methods, addresses, `Authorization`.

use std::time::Duration;

use keytower::rest::{PREFIX, table};
use reqwest::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::support::check::{Rows, clean, error_body};
use super::support::{Answer, Service};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const TEN_MEGABYTES: usize = 10 * 1024 * 1024;

/// Writes `bytes` on a connection of its own, and answers what came back until the server ended it. A server that closes while
/// bytes are still on their way resets the connection; what it said before counts.
async fn exchange(service: &Service, bytes: Vec<u8>) -> String {
    let (mut read, mut write) = TcpStream::connect(service.address).await.unwrap().into_split();
    let writing = tokio::spawn(async move {
        let _ = write.write_all(&bytes).await;
        write
    });
    let answer = read_to_end(&mut read).await;
    drop(writing.await.unwrap());
    answer
}

async fn read_to_end(read: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut answer = Vec::new();
    let reading = async { while read.read_buf(&mut answer).await.is_ok_and(|count| count > 0) {} };
    tokio::time::timeout(PATIENCE, reading).await.expect("the server did not end the connection");
    String::from_utf8(answer).unwrap()
}

fn status_of(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status in {answer:?}"))
}

async fn still_serves(service: &Service) {
    assert_eq!(service.get("/healthz").await.status, 200);
}

fn post_routes() -> Vec<String> {
    let rest = table().into_iter().filter(|route| route.call.method() == Method::POST);
    let rest = rest.map(|route| format!("{PREFIX}{}", route.path));
    rest.chain(["/api".to_owned(), "/api/".to_owned()]).collect()
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_and_the_connection_ends() {
    let service = Service::start().await;
    let many: String = (0..200).map(|at| format!("X-{at}: a\r\n")).collect();
    for (head, what) in [
        (format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(64 * 1024)), "a header of 64 KB"),
        (format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{many}\r\n"), "200 headers"),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(64 * 1024)), "an address of 64 KB"),
        (format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{}: a\r\n\r\n", "X".repeat(70_000)), "a name of 70 KB"),
    ] {
        let answer = exchange(&service, head.into_bytes()).await;
        assert!(matches!(status_of(&answer), 400 | 414 | 431), "{what}: {answer}");
        still_serves(&service).await;
    }
}

/// Writes a head, then byte by byte (or nothing) until the server ends the connection, and answers what it said.
async fn drip(address: std::net::SocketAddr, head: &'static str, drops: &'static str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let dripping = tokio::spawn(async move {
        for byte in drops.bytes().cycle() {
            if write.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // Whoever says nothing keeps the connection open all the same.
        std::future::pending::<()>().await;
    });
    let answer = read_to_end(&mut read).await;
    dripping.abort();
    answer
}

#[tokio::test]
async fn slow_and_silent_clients_are_cut_and_keep_nobody_waiting() {
    let database = std::sync::Arc::new(super::support::Database::new().await);
    let service = Service::start_with(database, &[("header_timeout", "1s"), ("body_timeout", "1s")]).await;
    let body =
        "POST /v2/api/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n";
    let graphql = "POST /api HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n";
    let chunked =
        "POST /api/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut heads = JoinSet::new();
    let mut bodies = JoinSet::new();
    for _ in 0..30 {
        heads.spawn(drip(service.address, "", "x"));
        heads.spawn(drip(service.address, "", ""));
        heads.spawn(drip(service.address, "GET /healthz HTTP/1.1\r\nHost: a\r\n", "X-A: b\r\n"));
        bodies.spawn(drip(service.address, body, " "));
        bodies.spawn(drip(service.address, graphql, ""));
        bodies.spawn(drip(service.address, chunked, "1\r\n \r\n"));
    }
    // Connections of their own: one that was kept would be cut for its silence, as it should be.
    let honest = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let body = r#"{"query":"{ userCreated { created } }"}"#;
    for _ in 0..20 {
        let request = honest.post(service.url("/api")).header(CONTENT_TYPE, "application/json").body(body);
        let answer = Answer::read(request.send().await.unwrap()).await;
        assert_eq!(answer.json()["data"]["userCreated"]["created"], true);
    }
    while let Some(answer) = heads.join_next().await {
        let answer = answer.unwrap();
        assert!(answer.is_empty() || matches!(status_of(&answer), 400 | 408), "{answer}");
    }
    while let Some(answer) = bodies.join_next().await {
        let answer = answer.unwrap();
        assert_eq!(status_of(&answer), 408, "{answer}");
        assert!(answer.contains("the body did not arrive within 1s"), "{answer}");
    }
    assert_eq!(honest.get(service.url("/healthz")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_request_has_one_valid_host() {
    let service = Service::start().await;
    for (hosts, path, good) in [
        (vec!["a"], "/healthz", true),
        (vec!["a.example:8080"], "/healthz", true),
        (vec!["[::1]:8080"], "/healthz", true),
        (vec![""], "/healthz", true),
        (vec!["a"], "http://b/healthz", true),
        (vec![], "/healthz", false),
        (vec!["a", "a"], "/healthz", false),
        (vec!["a", "b"], "/v2/api/get-version", false),
        (vec!["a", "b"], "http://a/healthz", false),
        (vec![], "http://a/healthz", false),
        (vec!["a b"], "/healthz", false),
        (vec!["user@a"], "/healthz", false),
        (vec!["a/b"], "/healthz", false),
        (vec!["<script>"], "/api", false),
        (vec!["é"], "/healthz", false),
    ] {
        let headers: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
        let head = format!("GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
        let answer = exchange(&service, head.into_bytes()).await;
        assert_eq!(status_of(&answer), if good { 200 } else { 400 }, "{hosts:?} {path}: {answer}");
        assert_eq!(answer.contains("valid Host header"), !good, "{answer}");
    }
}

#[tokio::test]
async fn what_could_be_read_in_two_ways_is_answered_once_and_ends_the_connection() {
    let service = Service::start().await;
    let rows = Rows::of(&service).await;
    let before = rows.count().await;
    let head = "POST /v2/api/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    let chunks = "1f\r\n{\"username\":\"a\",\"password\":\"b\"}\r\n0\r\n\r\n";
    let second = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    for (request, what) in [
        (format!("{head}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{second}"), "length and chunks"),
        (format!("{head}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n{chunks}{second}"), "chunks and length"),
        (format!("{head}Content-Length: 2\r\nContent-Length: 30\r\n\r\n{{}}{second}"), "two lengths"),
        (format!("{head}Content-Length: -2\r\n\r\n{{}}{second}"), "negative length"),
        (format!("{head}Content-Length: 99999999999999999999\r\n\r\n{{}}{second}"), "endless length"),
        (format!("{head}Transfer-Encoding: gzip\r\n\r\n{{}}{second}"), "unknown encoding"),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n{second}"), "chunk without a size"),
        (format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n{second}"), "space before a colon"),
        (format!("GET /healthz HTTP/1.1\r\nHost: a\r\n X: y\r\n\r\n{second}"), "folded header"),
        (format!("GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n{second}"), "unknown version"),
        (format!("\u{16}\u{3}\u{1}\u{2}\u{0}{second}"), "the hello of TLS"),
        (format!("\0\0\0\0\0\0\0\0\r\n\r\n{second}"), "garbage"),
    ] {
        let answer = exchange(&service, request.into_bytes()).await;
        assert_eq!(status_of(&answer), 400, "{what}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{what}: {answer}");
    }
    // The preface of HTTP/2 is not even answered.
    let answer = exchange(&service, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()).await;
    assert!(answer.is_empty() || status_of(&answer) == 400, "{answer}");
    still_serves(&service).await;
    assert_eq!(rows.count().await, before);
}

#[tokio::test]
async fn ten_megabytes_are_refused_on_every_route_that_takes_a_body() {
    let service = Service::start().await;
    let root = service.root().await;
    let rows = Rows::of(&service).await;
    let before = rows.count().await;
    for path in post_routes() {
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nAuthorization: {root}\r\n");
        let mut declared = format!("{head}Content-Length: {TEN_MEGABYTES}\r\n\r\n").into_bytes();
        declared.resize(declared.len() + TEN_MEGABYTES, b' ');
        let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{TEN_MEGABYTES:x}\r\n").into_bytes();
        chunked.resize(chunked.len() + TEN_MEGABYTES, b' ');
        chunked.extend(b"\r\n0\r\n\r\n");
        for (request, what) in [(declared, "declared"), (chunked, "in chunks")] {
            let answer = exchange(&service, request).await;
            assert_eq!(status_of(&answer), 413, "{path}, {what}: {answer}");
            assert!(answer.contains("at most 1048576 bytes"), "{answer}");
        }
    }
    still_serves(&service).await;
    assert_eq!(rows.count().await, before);
}

#[tokio::test]
async fn a_body_that_is_not_utf8_or_breaks_off_is_refused() {
    let service = Service::start().await;
    let root = service.root().await;
    for path in post_routes().into_iter().filter(|path| !path.ends_with("/get-my-info")) {
        for body in [
            b"{\"username\":\"\xff\",\"password\":\"b\",\"query\":\"\xff\",\"where\":null}".to_vec(),
            b"\xff\xfe{\0}\0".to_vec(),
            b"{\"query\":\"\xed\xa0\x80\",\"username\":\"a\",\"password\":\"b\",\"after\":\"\xed\xa0\x80\"}".to_vec(),
            br#"{"query":"\ud800","username":"\ud800","password":"b","after":"\ud800"}"#.to_vec(),
        ] {
            let answer = service.post_text(&path, Some(&root), body).await;
            clean(&answer);
            assert_eq!(answer.status, 400, "{path}: {answer:?}");
            assert!(answer.text.contains("not JSON"), "{answer:?}");
        }
        let broken =
            format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{{");
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        stream.write_all(broken.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.is_empty() || matches!(status_of(&answer), 400 | 401), "{path}: {answer}");
    }
    still_serves(&service).await;
}

#[tokio::test]
async fn authorization_is_one_header_in_ascii() {
    let service = Service::start().await;
    let root = service.root().await;
    let rows = Rows::of(&service).await;
    let before = rows.count().await;
    let mint = r#"{"query":"mutation { createApiKey(data: { name: \"a\" }) { id } }"}"#;
    let good = root.as_bytes().to_vec();
    let mixed = [good.as_slice(), b"\xff"].concat();
    for given in [
        vec![good.clone(), good.clone()],
        vec![good.clone(), b"x".to_vec()],
        vec![b"x".to_vec(), good.clone()],
        vec![good.clone(), Vec::new()],
        vec![b"\xff\xfe".to_vec()],
        vec!["é".as_bytes().to_vec()],
        vec![mixed],
        vec![Vec::new()],
        vec![b"Bearer".to_vec()],
        vec!["a.b.c".repeat(5_000).into_bytes()],
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for value in &given {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        for (path, body) in [("/v2/api/get-users", "{}"), ("/v2/api/get-my-info", ""), ("/api", mint), ("/api/", mint)]
        {
            let request = service.http.post(service.url(path)).headers(headers.clone()).body(body);
            let answer = Answer::read(request.send().await.unwrap()).await;
            clean(&answer);
            assert_eq!(answer.status, 401, "{path} {given:?}: {answer:?}");
            assert!(answer.text.contains("the credential is not valid"), "{answer:?}");
        }
    }
    assert_eq!(rows.count().await, before);
}

#[tokio::test]
async fn a_wrong_method_is_refused_by_name_of_the_right_one() {
    let service = Service::start().await;
    let rest = table().into_iter().map(|route| (format!("{PREFIX}{}", route.path), vec![route.call.method()]));
    let others = [
        ("/api", vec![Method::GET, Method::HEAD, Method::POST]),
        ("/api/", vec![Method::GET, Method::HEAD, Method::POST]),
        ("/healthz", vec![Method::GET]),
        ("/readyz", vec![Method::GET]),
        ("/api/healthz", vec![Method::GET]),
        ("/.well-known/jwks.json", vec![Method::GET]),
        ("/v2/api/swagger3.json", vec![Method::GET]),
        ("/api/graphiql/start.js", vec![Method::GET]),
    ];
    for (path, right) in rest.chain(others.map(|(path, right)| (path.to_owned(), right))) {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = service.http.request(method.clone(), service.url(&path)).send().await.unwrap();
            let answer = Answer::read(answer).await;
            assert!(answer.status < 500, "{method} {path}: {answer:?}");
            if right.contains(&method) || (method == Method::HEAD && right.contains(&Method::GET)) {
                assert_ne!(answer.status, 405, "{method} {path}: {answer:?}");
                continue;
            }
            clean(&answer);
            assert_eq!(answer.status, 405, "{method} {path}: {answer:?}");
            let allowed = answer.headers.get(ALLOW).and_then(|allowed| allowed.to_str().ok()).unwrap_or_default();
            for right in &right {
                assert!(allowed.contains(right.as_str()), "{method} {path}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_404_in_the_contracts_shape() {
    let service = Service::start().await;
    let long = format!("/{}", "a".repeat(20_000));
    for (address, path) in [
        ("/", "/"),
        ("//", "//"),
        ("/nope", "/nope"),
        ("/api/x", "/api/x"),
        ("/api/graphiql/", "/api/graphiql/"),
        ("/api/graphiql/nope.js", "/api/graphiql/nope.js"),
        ("/api/graphiql/%ff", "/api/graphiql/%ff"),
        ("/api/graphiql/..%2f..%2fetc%2fpasswd", "/api/graphiql/..%2f..%2fetc%2fpasswd"),
        ("/v2/api", ""),
        ("/v2/api/", "/"),
        ("/v2/api/nope", "/nope"),
        ("/v2/api/login/", "/login/"),
        ("/v2/api//login", "//login"),
        ("/v2/api/../../etc/passwd", "/../../etc/passwd"),
        ("/v2/api/%00", "/%00"),
        ("/v2/api/%2e%2e/%ff", "/%2e%2e/%ff"),
        ("/v2/api/get-vms;a=b", "/get-vms;a=b"),
        ("/V2/API/LOGIN", "/V2/API/LOGIN"),
        ("/v2/apix", "/v2/apix"),
        ("/é", "/é"),
        (&long, &long),
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let head =
                format!("{method} {address} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let raw = exchange(&service, head.into_bytes()).await;
            let answer = parsed(&raw);
            assert!(error_body(&answer, 404, path).contains("no such route"), "{raw}");
        }
    }
    // What stands for the whole server, and for a tunnel through it.
    for head in ["OPTIONS * HTTP/1.1", "CONNECT example.com:443 HTTP/1.1"] {
        let raw = exchange(&service, format!("{head}\r\nHost: a\r\nConnection: close\r\n\r\n").into_bytes()).await;
        clean(&parsed(&raw));
        assert_eq!(status_of(&raw), 404, "{raw}");
    }
}

/// An answer that came over a raw connection.
fn parsed(raw: &str) -> Answer {
    let (head, body) = raw.split_once("\r\n\r\n").unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((HeaderName::try_from(name).ok()?, HeaderValue::from_str(value).ok()?))
    };
    Answer { status: status_of(raw), headers: head.lines().filter_map(header).collect(), text: body.to_owned() }
}

#[tokio::test]
async fn what_a_client_says_about_itself_is_not_repeated() {
    let service = Service::start().await;
    let names = ["x-tower-request-id", "x-request-id", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded"];
    for path in ["/healthz", "/v2/api/get-version", "/api?query={__typename}", "/nope"] {
        let request =
            names.iter().fold(service.http.get(service.url(path)), |request, name| request.header(*name, "evil"));
        let response = request.send().await.unwrap();
        assert_ne!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let answer = Answer::read(response).await;
        clean(&answer);
        assert!(!format!("{answer:?}").contains("evil"), "{answer:?}");
    }
    let ids = [service.get("/healthz").await, service.get("/healthz").await];
    let ids = ids.map(|answer| answer.headers["x-tower-request-id"].clone());
    assert_ne!(ids[0], ids[1]);
}
