//! API keys as their owner sees them: what a key looks like, that its text is shown once and kept nowhere, what is said about it,
//! and how it is found again. Who may do what with a key: `key_rights`.

use std::collections::HashSet;

use keytower::auth::random::SystemRandom;
use keytower::domain::key_format;
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};
use serde_json::{Value, json};

use crate::support::{Answer, Database, ROOT_PASSWORD, Service};

const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const ALL: &str = "created_at description editable id key name username user { id username } roles { id preset }";

/// Checks the format as a scanner would, from its description alone.
fn is_well_formed(key: &str) -> bool {
    let mut sum = crc32fast::hash(&key.as_bytes()[..57]);
    let mut digits = [0; 7];
    for digit in digits.iter_mut().rev() {
        *digit = BASE36[sum as usize % 36];
        sum /= 36;
    }
    key.len() == 64
        && key.starts_with("kt1")
        && key.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
        && key.as_bytes()[57..] == digits
}

async fn graphql(service: &Service, token: &str, query: &str) -> Answer {
    service.graphql(Some(token), query, json!({})).await
}

/// Updates a key by id with `data` as it stands, and answers name and description.
async fn update(service: &Service, token: &str, id: &str, data: Value) -> Answer {
    let update = "mutation($id: ID!, $data: ApiKeyUpdateInput!) { \
                  updateApiKey(where: { id: $id }, data: $data) { name description } }";
    service.graphql(Some(token), update, json!({ "id": id, "data": data })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_have_one_format_and_never_repeat() {
    let service = Service::start().await;
    let token = service.root().await;
    let mut keys = HashSet::new();
    for _ in 0..10 {
        keys.insert(service.mint(&token, "ci").await.1);
    }
    for _ in 0..1000 {
        keys.insert(key_format::generate(&SystemRandom).unwrap().expose().to_owned());
    }
    assert_eq!(keys.len(), 1010);
    assert!(keys.iter().all(|key| is_well_formed(key)));
    let mut used: HashSet<u8> = HashSet::new();
    for key in &keys {
        used.extend(&key.as_bytes()[3..57]);
    }
    assert_eq!(used.len(), 36, "every digit occurs");
    let fronts: HashSet<&str> = keys.iter().map(|key| &key[3..20]).collect();
    assert_eq!(fronts.len(), 1010, "nothing in a key tells when or for whom it was minted");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_the_mint_is_the_only_one_with_the_text() {
    let service = Service::start().await;
    let token = service.root().await;
    let mint =
        format!("mutation {{ createApiKey(data: {{ name: \"ci\", description: \"build\" }}) {{ {ALL} again: key }} }}");
    let minted = graphql(&service, &token, &mint).await.json()["data"]["createApiKey"].clone();
    let key = minted["key"].as_str().unwrap().to_owned();
    let id = minted["id"].as_str().unwrap().to_owned();
    assert!(is_well_formed(&key));
    assert_eq!(minted["again"], minted["key"]);
    assert_eq!(minted["roles"][0]["preset"], "ROOT");
    assert_eq!((&minted["user"]["username"], &minted["username"]), (&json!("root"), &json!("root")));
    assert_eq!((&minted["name"], &minted["description"]), (&json!("ci"), &json!("build")));
    assert_eq!(minted["created_at"], json!(keytower::domain::clock::iso(service.app.now())));

    let mut known = minted.clone();
    known["key"] = json!(null);
    known.as_object_mut().unwrap().remove("again");
    let by = [format!("id: \"{id}\""), format!("key: \"{key}\"")];
    for by in &by {
        let read = graphql(&service, &token, &format!("{{ apiKey(where: {{ {by} }}) {{ {ALL} }} }}")).await;
        assert_eq!(read.json()["data"]["apiKey"], known);
        let list = graphql(&service, &key, &format!("{{ apiKeys(where: {{ {by} }}) {{ {ALL} }} }}")).await;
        assert_eq!(list.json()["data"]["apiKeys"], json!([known]));
        let update = format!("mutation {{ updateApiKey(where: {{ {by} }}, data: {{ name: \"ci\" }}) {{ {ALL} }} }}");
        assert_eq!(graphql(&service, &token, &update).await.json()["data"]["updateApiKey"], known);
    }
    let delete = format!("mutation {{ deleteApiKey(where: {{ {} }}) {{ {ALL} }} }}", by[1]);
    let deleted = graphql(&service, &token, &delete).await;
    assert_eq!(deleted.json()["data"]["deleteApiKey"], known, "what it was, without its text");
    assert!(!deleted.text.contains(&key));
    let gone = graphql(&service, &token, &delete).await;
    assert_eq!((gone.code().as_str(), gone.text.contains(&key)), ("NOT_FOUND", false));
    assert_eq!(gone.json()["data"], json!({ "deleteApiKey": null }), "{gone:?}");
}

/// Everything in every table, but for the audit logs, which tell of what was refused too; as text, bytes as hexadecimal digits.
async fn dump(database: &Database) -> String {
    let db = database.connect().await;
    let ask = async |sql: String, column: &str| -> Vec<String> {
        let statement = Statement::from_string(db.get_database_backend(), sql);
        let rows = db.query_all_raw(statement).await.unwrap();
        rows.iter().map(|row| row.try_get::<String>("", column).unwrap()).collect()
    };
    let sqlite = db.get_database_backend() == DatabaseBackend::Sqlite;
    let tables = if sqlite {
        "SELECT name FROM sqlite_master WHERE type = 'table'"
    } else {
        "SELECT table_name::text AS name FROM information_schema.tables WHERE table_schema = 'public'"
    };
    let mut text = String::new();
    for table in ask(tables.to_owned(), "name").await.into_iter().filter(|name| !name.ends_with("audit_logs")) {
        let row = if sqlite {
            let columns = ask(format!("SELECT name FROM pragma_table_info('{table}')"), "name").await;
            let quoted = columns.iter().map(|column| format!("quote(\"{column}\")"));
            quoted.collect::<Vec<_>>().join(" || ' ' || ")
        } else {
            format!("{table}::text")
        };
        for row in ask(format!("SELECT {row} AS row FROM {table}"), "row")
            .await
            .into_iter()
            .filter(|row| !row.contains("audit_head"))
        {
            text.push_str(&format!("{table}: {row}\n"));
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_kept() {
    let service = Service::start().await;
    let token = service.root().await;
    let (id, key) = service.mint(&token, "a name to be found").await;
    let (_, deleted) = service.mint(&token, "deleted again").await;
    service.delete_key(&token, &deleted).await;
    assert_eq!(service.try_credential(&key).await, 200);
    let signature = token.rsplit('.').next().unwrap();
    let secrets = [&key, &deleted, &token, signature, ROOT_PASSWORD];
    let spelled = |secret: &str| {
        use base64::Engine;
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        [secret.to_owned(), hex.to_uppercase(), hex, base64::engine::general_purpose::STANDARD.encode(secret)]
    };

    let rows = dump(service.database()).await;
    let digest = key_format::parse(&key).map(|key| service.app.vault.digest(&key)).unwrap();
    let digest: String = digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(rows.contains("a name to be found") && rows.contains(&id), "the dump finds what is there");
    assert!(rows.to_lowercase().contains(&digest), "the key is there as its digest");
    assert!(rows.contains("$argon2id$"));
    let plain: String = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.as_bytes())
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert!(!rows.to_lowercase().contains(&plain), "a digest without the pepper could be searched");
    for spelling in secrets.into_iter().flat_map(spelled) {
        assert!(!rows.contains(&spelling), "{spelling} is in a table");
    }

    let mut files = 0;
    for entry in std::fs::read_dir(service.database().data_dir()).unwrap() {
        let (path, bytes) = entry.map(|entry| (entry.path(), std::fs::read(entry.path()).unwrap())).unwrap();
        files += 1;
        for spelling in secrets.into_iter().flat_map(spelled) {
            let found = bytes.windows(spelling.len()).any(|window| window == spelling.as_bytes());
            assert!(!found, "{spelling} is in {}", path.display());
        }
    }
    assert!(files >= if crate::support::database::is_postgres() { 1 } else { 3 }, "{files} files");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_stored_as_given() {
    let service = Service::start().await;
    let token = service.root().await;
    let long = "n".repeat(255);
    for name in [
        "ci",
        "CI",
        "ci ",
        " ci",
        "构建服务器",
        "🔑🗼",
        "e\u{301}",
        "\u{e9}",
        "\u{202e}desrever",
        "O'Brien",
        "\"quoted\"",
        "back\\slash",
        "'; DROP TABLE api_keys; --",
        "%s{}$1 $KEY",
        "<script>alert(1)</script>",
        "null",
        &long,
    ] {
        for _ in 0..2 {
            let (id, key) = service.mint(&token, name).await;
            let query = "query($id: ID!, $name: String!) { apiKey(where: { id: $id }) { name } apiKeys(where: { name: $name }) { id } }";
            let read = service.graphql(Some(&token), query, json!({ "id": id, "name": name })).await.json();
            assert_eq!(read["data"]["apiKey"]["name"], json!(name));
            assert!(read["data"]["apiKeys"].as_array().unwrap().contains(&json!({ "id": id })), "{name}");
            assert_eq!(service.try_credential(&key).await, 200, "the same name twice is two keys");
        }
        let same = service.graphql(
            Some(&token),
            "query($name: String!) { apiKeysConnection(where: { name: $name }) { aggregate { count } } }",
            json!({ "name": name }),
        );
        assert_eq!(same.await.json()["data"]["apiKeysConnection"]["aggregate"]["count"], 2, "{name}: byte by byte");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_allowed_mints_and_changes_nothing() {
    let service = Service::start().await;
    let token = service.root().await;
    let (id, _) = service.mint(&token, "before").await;
    let before = dump(service.database()).await;
    let long = "n".repeat(256);
    for name in ["", " ", "\t", "a\u{0}", "a\nb", "\u{7f}", &"n".repeat(10_000), &long] {
        let mint = "mutation($name: String!) { createApiKey(data: { name: $name }) { id key } }";
        let minted = service.graphql(Some(&token), mint, json!({ "name": name })).await;
        let updated = update(&service, &token, &id, json!({ "name": name })).await;
        for answer in [minted, updated] {
            assert_eq!((answer.status, answer.code().as_str()), (200, "BAD_USER_INPUT"), "{name:?}: {answer:?}");
            let message = answer.json()["errors"][0]["message"].as_str().unwrap().to_owned();
            assert!(message.starts_with("name must "), "{message}");
        }
    }
    for description in ["a\u{0}", "\u{1b}[31m", &"d".repeat(1001)] {
        let answer = update(&service, &token, &id, json!({ "description": description })).await;
        assert_eq!(answer.code(), "BAD_USER_INPUT");
    }
    assert_eq!(dump(service.database()).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_changes_what_it_names() {
    let service = Service::start().await;
    let token = service.root().await;
    let (id, key) = service.mint(&token, "first").await;
    for (data, name, description) in [
        (json!({}), "first", ""),
        (json!({ "name": "second" }), "second", ""),
        (json!({ "description": "line\nline\ttab" }), "second", "line\nline\ttab"),
        (json!({ "name": null, "description": null }), "second", "line\nline\ttab"),
        (json!({ "name": "third", "description": null }), "third", "line\nline\ttab"),
        (json!({ "name": null, "description": "" }), "third", ""),
        (json!({ "name": "fourth", "description": "both" }), "fourth", "both"),
    ] {
        let answer = update(&service, &token, &id, data.clone()).await;
        let expected = json!({ "name": name, "description": description });
        assert_eq!(answer.json()["data"]["updateApiKey"], expected, "{data}");
        let read =
            graphql(&service, &token, &format!("{{ apiKey(where: {{ id: \"{id}\" }}) {{ name description }} }}")).await;
        assert_eq!(read.json()["data"]["apiKey"], expected, "{data}");
    }
    assert_eq!(service.try_credential(&key).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sets_more_of_a_key_than_name_and_description() {
    let service = Service::start().await;
    let token = service.root().await;
    let (id, _) = service.mint(&token, "before").await;
    let before = dump(service.database()).await;
    for extra in [
        "key: \"kt1\"",
        "id: \"x\"",
        "user: \"x\"",
        "userId: \"x\"",
        "user_id: \"x\"",
        "username: \"x\"",
        "roles: [\"x\"]",
        "editable: false",
        "ceiling: [\"*\"]",
        "created_at: \"2020-01-01T00:00:00.000Z\"",
        "digest: \"x\"",
        "viewable: true",
    ] {
        for mutation in [
            format!("createApiKey(data: {{ name: \"x\", {extra} }}) {{ id key }}"),
            format!("updateApiKey(where: {{ id: \"{id}\" }}, data: {{ name: \"x\", {extra} }}) {{ id key }}"),
        ] {
            let answer = graphql(&service, &token, &format!("mutation {{ {mutation} }}")).await;
            assert!(answer.json()["data"].is_null() && answer.json()["errors"].is_array(), "{answer:?}");
        }
    }
    let open = "mutation { createApiKey(data: { name: \"x\" }) { id key } }";
    let answer = service.graphql(None, open, json!({})).await;
    assert_eq!((answer.code().as_str(), &answer.json()["data"]), ("UNAUTHENTICATED", &json!(null)));
    assert_eq!(dump(service.database()).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_found_by_its_whole_text_and_by_nothing_less() {
    let service = Service::start().await;
    let token = service.root().await;
    let mut keys = Vec::new();
    for name in ["a", "b", "c"] {
        keys.push(service.mint(&token, name).await.1);
    }
    let unknown = key_format::generate(&SystemRandom).unwrap().expose().to_owned();
    let found = async |filter: Value| {
        let query = "query($where: ApiKeyWhereInput) { apiKeys(where: $where, orderBy: name_ASC) { name key } }";
        let answer = service.graphql(Some(&token), query, json!({ "where": filter })).await.json();
        let rows = answer["data"]["apiKeys"].as_array().unwrap_or_else(|| panic!("{answer}")).clone();
        assert!(rows.iter().all(|row| row["key"].is_null()));
        rows.iter().map(|row| row["name"].as_str().unwrap()).collect::<String>()
    };
    for (filter, names) in [
        (json!({ "key": keys[1] }), "b"),
        (json!({ "key_in": [keys[0], keys[2]] }), "ac"),
        (json!({ "key_in": [keys[0], keys[0], unknown, "", "kt1"] }), "a"),
        (json!({ "key": keys[1], "name": "b" }), "b"),
        (json!({ "key": keys[1], "name": "a" }), ""),
        (json!({ "key_in": [] }), ""),
        (json!({ "key": unknown }), ""),
        (json!({ "key": "" }), ""),
        (json!({ "key": "%" }), ""),
        (json!({ "key": "kt1" }), ""),
        (json!({ "key": &keys[1][..63] }), ""),
        (json!({ "key": keys[1].to_uppercase() }), ""),
        (json!({ "key": null }), ""),
        (json!({}), "abc"),
    ] {
        assert_eq!(found(filter.clone()).await, names, "{filter}");
    }
    for operator in [
        "key_starts_with",
        "key_not_starts_with",
        "key_ends_with",
        "key_not_ends_with",
        "key_contains",
        "key_not_contains",
        "key_lt",
        "key_lte",
        "key_gt",
        "key_gte",
        "key_not",
        "digest",
        "ceiling",
        "user_id",
    ] {
        let answer =
            graphql(&service, &token, &format!("{{ apiKeys(where: {{ {operator}: \"k\" }}) {{ id }} }}")).await;
        assert!(answer.json()["data"].is_null() && answer.text.contains(operator), "{operator}: {answer:?}");
    }
    for order in ["key_ASC", "key_DESC", "digest_ASC", "ceiling_ASC"] {
        for list in ["apiKeys(orderBy: O) { id }", "apiKeysConnection(orderBy: O) { aggregate { count } }"] {
            let answer = graphql(&service, &token, &format!("{{ {} }}", list.replace('O', order))).await;
            assert!(answer.json()["data"].is_null() && answer.text.contains(order), "{order}: {answer:?}");
        }
    }
    for selector in ["{}", "{ id: null }", "{ key: null, id: null }", "{ id: \"x\", key: \"y\" }"] {
        for field in ["apiKey(where: S) { id }", "apiKeys: apiKey(where: S) { id }"] {
            let answer = graphql(&service, &token, &format!("{{ {} }}", field.replace('S', selector))).await;
            assert_eq!(answer.code(), "BAD_USER_INPUT", "{selector}");
        }
        let delete = format!("mutation {{ deleteApiKey(where: {selector}) {{ id }} }}");
        assert_eq!(graphql(&service, &token, &delete).await.code(), "BAD_USER_INPUT", "{selector}");
    }
    assert_eq!(found(json!({})).await, "abc", "nothing was deleted");
}
