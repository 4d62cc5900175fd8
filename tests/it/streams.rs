//! Lists of REST v2 without `first` are whole, and go out in blocks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use keytower::http::serve::{Times, serve};
use keytower::router::router;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::isolation::fill;
use crate::support::Service;

/// More than goes out while nobody reads, so that a client can stop in the middle.
const MANY: usize = 60_000;

async fn usernames(service: &Service, token: &str, body: Value) -> Vec<String> {
    let answer = service.rest(token, "/get-users", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let rows = answer.json();
    rows.as_array().unwrap().iter().map(|row| row["username"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_list_is_what_its_pages_are() {
    let service = Service::start().await;
    fill(&service, 1_234).await;
    let token = service.root().await;
    for order in [json!({}), json!({ "orderBy": "username_DESC" }), json!({ "orderBy": "name_ASC", "skip": 7 })] {
        let whole = usernames(&service, &token, order.clone()).await;
        let skipped = order["skip"].as_u64().unwrap_or_default();
        assert_eq!(whole.len() as u64, 1_235 - skipped);
        let mut paged = Vec::new();
        while paged.len() < whole.len() {
            let mut page = order.clone();
            page["first"] = json!(100);
            page["skip"] = json!(skipped + paged.len() as u64);
            paged.extend(usernames(&service, &token, page).await);
        }
        assert_eq!(whole, paged, "{order}");
    }
    let whole = usernames(&service, &token, json!({})).await;
    assert_eq!(usernames(&service, &token, json!({ "first": 1_000 })).await, whole[..1_000]);
    assert_eq!(usernames(&service, &token, json!({ "last": 1_000 })).await, whole[235..]);
    assert!(usernames(&service, &token, json!({ "where": { "username": "nobody" } })).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_ends_in_the_middle_breaks_the_list_off() {
    let service = Service::start().await;
    fill(&service, MANY).await;
    let root = service.root().await;
    let (_, key) = service.mint(&root, "reader").await;
    let request = service.http.post(service.url("/v2/api/get-users")).header(CONTENT_TYPE, "application/json");
    let mut answer = request.header(AUTHORIZATION, &key).body("{}").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.content_length()), (200, None));
    assert!(answer.chunk().await.unwrap().unwrap().starts_with(b"[{"));
    assert_eq!(service.delete_key(&root, &key).await.status, 200);
    let mut read = 0;
    let broken = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => read += chunk.len(),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broken, "{read} bytes were read, and the list ended as if it were whole");
}

/// Asks for all users, and answers the connection before anything of the answer was read.
async fn ask(address: SocketAddr, key: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v2/api/get-users HTTP/1.1\r\nhost: x\r\nauthorization: {key}\r\ncontent-type: application/json\r\n\
         content-length: 2\r\n\r\n{{}}"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Waits until the answer has begun, and leaves it where it is.
async fn begun(stream: &TcpStream) {
    assert!(stream.peek(&mut [0; 64]).await.unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_who_stops_reading_is_cut() {
    let service = Service::start().await;
    fill(&service, MANY).await;
    let key = service.root().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let times = Times {
        header: Duration::from_secs(8),
        patience: Duration::from_millis(300),
        shutdown: Duration::from_secs(5),
    };
    let router = router(Arc::clone(&service.app)).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, router, times, async {
        let _ = stopped.await;
    }));
    let mut stream = ask(address, &key).await;
    begun(&stream).await;
    // The end waits for answers in flight: there is none once the connection was cut.
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(4), server).await.expect("an answer that nobody reads is held").unwrap();
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read).await;
    assert!(!read.is_empty() && !read.ends_with(b"0\r\n\r\n"), "{} bytes, and the end", read.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_caller_is_sent_a_few_whole_lists_at_once() {
    let service = Service::start().await;
    fill(&service, MANY).await;
    let root = service.root().await;
    let (_, other) = service.user("READ_ONLY").await;
    let mut open = Vec::new();
    for _ in 0..8 {
        let stream = ask(service.address, &root).await;
        begun(&stream).await;
        open.push(stream);
    }
    let refused = service.rest(&root, "/get-users", json!({})).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(refused.headers.contains_key(RETRY_AFTER), "{refused:?}");
    assert_eq!(usernames(&service, &root, json!({ "first": 3 })).await.len(), 3, "a page needs no place");
    assert_eq!(usernames(&service, &other, json!({ "where": { "username": "root" } })).await, ["root"]);
    drop(open.pop());
    assert_eq!(usernames(&service, &root, json!({ "where": { "username": "root" } })).await, ["root"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_deleted_meanwhile_are_left_out_and_the_list_stays_whole() {
    let service = Service::start().await;
    fill(&service, MANY).await;
    let key = service.root().await;
    let mut stream = ask(service.address, &key).await;
    begun(&stream).await;
    // The last block was not read yet, for more lies before it than goes out while nobody reads.
    service.database().execute(&format!("DELETE FROM users WHERE username > 'user-{:06}'", MANY - 700)).await;
    let mut answer = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    while !answer.ends_with(b"\r\n0\r\n\r\n") {
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the list broke off after {} bytes", answer.len());
        answer.extend_from_slice(&buffer[..count]);
    }
    let rows = answer.windows(b"\"username\":\"user-".len()).filter(|part| part == b"\"username\":\"user-").count();
    // Names that a boundary of chunks cuts in two are not counted.
    assert!((MANY - 700 - 200..=MANY - 700).contains(&rows), "{rows}");
}
