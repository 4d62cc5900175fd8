//! What the answer to bad input must look like, and the proof that nothing came of it.

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};

use super::{Answer, Service};

/// Texts that only the program's inside holds.
const INSIDES: [&str; 10] =
    ["panicked", "backtrace", ".rs:", "src/", "select ", "insert into", "sqlx", "sea_orm", "rustc", "/keytower.db"];

/// Asserts what holds for every answer that is not a page: it is no fault of ours, tells nothing of our inside, and has the headers.
pub fn clean(answer: &Answer) {
    assert!(answer.status < 500, "{answer:?}");
    tells_nothing(answer);
    let header = |name: &str| answer.headers.get(name).map_or("", |value| value.to_str().unwrap());
    assert_eq!(header("x-tower-request-id").len(), 36, "{answer:?}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{answer:?}");
    assert_eq!(header("cache-control"), "no-store", "{answer:?}");
    assert_eq!(header("www-authenticate").starts_with("Bearer"), answer.status == 401, "{answer:?}");
}

/// Asserts that an answer tells nothing of our inside.
pub fn tells_nothing(answer: &Answer) {
    let text = answer.text.to_lowercase();
    for inside in INSIDES {
        assert!(!text.contains(inside), "{inside:?} in {answer:?}");
    }
}

/// Asserts an ErrorBody of the contract, and gives its message.
pub fn error_body(answer: &Answer, status: u16, path: &str) -> String {
    clean(answer);
    assert_eq!(answer.status, status, "{answer:?}");
    let mut members = answer.json().as_object().unwrap().clone();
    let message = members.remove("message").unwrap().as_str().unwrap().to_owned();
    assert!(!message.is_empty() && message.chars().count() <= 4001, "{answer:?}");
    assert_eq!(serde_json::Value::Object(members), serde_json::json!({ "path": path, "status": status }), "{answer:?}");
    message
}

/// Counts rows, so that a test can tell whether any came or went.
pub struct Rows(DatabaseConnection);

impl Rows {
    pub async fn of(service: &Service) -> Self {
        Self(service.database().connect().await)
    }

    /// Users, API keys and sessions.
    pub async fn count(&self) -> [i64; 3] {
        let mut counts = [0; 3];
        for (count, table) in counts.iter_mut().zip(["users", "api_keys", "sessions"]) {
            let sql = format!("SELECT COUNT(*) AS rows FROM {table}");
            let row = self.0.query_one_raw(Statement::from_string(self.0.get_database_backend(), sql)).await.unwrap();
            *count = row.unwrap().try_get("", "rows").unwrap();
        }
        counts
    }
}
