//! Short ways to make, change and delete users and roles, and to hold them still from outside.

use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::{Value, json};

use super::check::error_body;
use super::database::is_postgres;
use super::{Answer, Service};

/// The password of users that tests make.
pub const PASSWORD: &str = "a password of theirs";

impl Service {
    /// POSTs to a route of REST v2.
    pub async fn rest(&self, credential: &str, path: &str, body: Value) -> Answer {
        self.post(&format!("/v2/api{path}"), Some(credential), &body).await
    }

    /// The same, and it must be done: the `data` of each `WithTask`, none of which has a task.
    pub async fn done(&self, credential: &str, path: &str, body: Value) -> Vec<Value> {
        let answer = self.rest(credential, path, body.clone()).await;
        assert_eq!(answer.status, 200, "{path} {body}: {answer:?}");
        let tasks = answer.json();
        let data = tasks.as_array().unwrap().iter().map(|task| {
            assert_eq!(task.as_object().unwrap().len(), 2, "{task}");
            assert!(task["task_id"].is_null(), "{task}");
            task["data"].clone()
        });
        data.collect()
    }

    /// The same, and it must be refused with this status and these words.
    pub async fn refused(&self, credential: &str, path: &str, body: Value, status: u16, words: &str) {
        let answer = self.rest(credential, path, body.clone()).await;
        let message = error_body(&answer, status, path);
        assert!(message.contains(words), "{path} {body}: {words:?} is not in {message:?}");
    }

    /// The id of a preset's role.
    pub async fn preset(&self, token: &str, preset: &str) -> String {
        let roles = self.rest(token, "/get-user-role-nexts", json!({ "where": { "preset": preset } })).await.json();
        roles[0]["id"].as_str().unwrap().to_owned()
    }

    /// Makes a role: its id.
    pub async fn make_role(&self, token: &str, name: &str, actions: &[&str]) -> String {
        let made = self.done(token, "/create-role", json!([{ "name": name, "actions": actions }])).await;
        made[0]["id"].as_str().unwrap().to_owned()
    }

    /// Makes a user and logs it in: id and token.
    pub async fn make_user(&self, token: &str, username: &str, role: &str) -> (String, String) {
        let made = self.done(token, "/create-user", json!([user(username, role)])).await;
        (made[0]["id"].as_str().unwrap().to_owned(), self.login(username, PASSWORD).await)
    }

    /// Everything there is about users and roles.
    pub async fn people(&self) -> Vec<String> {
        self.rows_of(&["users", "roles", "user_roles", "api_keys", "api_key_roles"]).await
    }

    /// The rows of tables as text, their bytes as hexadecimal digits.
    pub async fn rows_of(&self, tables: &[&str]) -> Vec<String> {
        let db = self.database().connect().await;
        let mut rows = Vec::new();
        for table in tables {
            let all = sea_orm::Statement::from_string(
                db.get_database_backend(),
                match is_postgres() {
                    true => format!("SELECT CAST(t AS text) AS row FROM {table} t ORDER BY 1"),
                    false => sqlite_rows(&db, table).await,
                },
            );
            let found = db.query_all_raw(all).await.unwrap();
            rows.extend(found.iter().map(|row| format!("{table}: {}", row.try_get::<String>("", "row").unwrap())));
        }
        db.close().await.unwrap();
        rows
    }
}

async fn sqlite_rows(db: &DatabaseConnection, table: &str) -> String {
    let columns = sea_orm::Statement::from_string(
        db.get_database_backend(),
        format!(
            "SELECT group_concat('quote(' || name || ')', ' || '','' || ') AS text FROM pragma_table_info('{table}')"
        ),
    );
    let columns: String = db.query_one_raw(columns).await.unwrap().unwrap().try_get("", "text").unwrap();
    format!("SELECT {columns} AS row FROM {table} ORDER BY 1")
}

/// The least `UserCreationParams`.
pub fn user(username: &str, role: &str) -> Value {
    json!({ "username": username, "name": username, "password": PASSWORD, "role_id": role })
}

/// A transaction from outside that keeps users and roles as they are.
pub struct Hold(DatabaseConnection);

impl Hold {
    /// Nobody begins to change users or roles, and nobody logs in.
    pub async fn of(service: &Service) -> Self {
        Self::begin(service, "LOCK TABLE user_roles IN SHARE ROW EXCLUSIVE MODE; SELECT id FROM users FOR UPDATE").await
    }

    /// On PostgreSQL changes begin, and wait where they come to change a user; on SQLite there is one writer.
    pub async fn of_users(service: &Service) -> Self {
        Self::begin(service, "SELECT id FROM users FOR UPDATE").await
    }

    async fn begin(service: &Service, locks: &str) -> Self {
        // One connection, so that the transaction is this one's alone.
        let mut options = sea_orm::ConnectOptions::new(service.database().url());
        options.max_connections(1);
        let hold = Self(sea_orm::Database::connect(options).await.unwrap());
        if is_postgres() {
            hold.run("BEGIN").await;
            hold.run(locks).await;
        } else {
            hold.run("BEGIN IMMEDIATE").await;
        }
        hold
    }

    pub async fn run(&self, sql: &str) {
        self.0.execute_unprepared(sql).await.unwrap();
    }

    pub async fn release(self) {
        self.run("COMMIT").await;
        self.0.close().await.unwrap();
    }
}

/// Waits until a service has sent a statement beside `before`: its request has begun to read.
pub async fn has_read(service: &Service, before: u64) {
    while service.app.store.statements() <= before {
        tokio::task::yield_now().await;
    }
}
