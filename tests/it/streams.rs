//! Lists of REST v2 without `first` are whole, and go out in blocks.

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

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
