//! The main job from end to end: log in, mint, use on both faces, revoke.

use serde_json::json;

use crate::support::Service;

#[tokio::test(flavor = "multi_thread")]
async fn log_in_mint_use_and_revoke() {
    let service = Service::start().await;
    service.import_example().await;
    let token = service.root().await;
    let (_, key) = service.mint(&token, "ci").await;
    for credential in [token.clone(), key.clone(), format!("Bearer {token}"), format!("Bearer {key}")] {
        let vms = service.post("/v2/api/get-vms", Some(&credential), &json!({ "where": {} })).await;
        assert_eq!((vms.status, vms.json().as_array().unwrap().len()), (200, 30));
        let vms = service.graphql(Some(&credential), "{ vms { id } }", json!({})).await;
        assert_eq!(vms.json()["data"]["vms"].as_array().unwrap().len(), 30);
    }
    let deleted = service.delete_key(&token, &key).await;
    assert!(deleted.json()["data"]["deleteApiKey"]["id"].is_string(), "{deleted:?}");
    assert_eq!(service.try_credential(&key).await, 401);
    let dead = service.graphql(Some(&key), "{ vms { id } }", json!({})).await;
    assert_eq!((dead.status, dead.code().as_str()), (401, "UNAUTHENTICATED"));
    assert_eq!(service.try_credential(&token).await, 200);
}
