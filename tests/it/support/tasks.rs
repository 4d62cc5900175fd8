//! Short ways to switch VMs, to report tasks, and to move both on.

use std::time::Duration;

use keytower::service::inventory::tasks;
use sea_orm::{ConnectionTrait, FromQueryResult, JsonValue, Statement};
use serde_json::{Value, json};

use super::Service;

impl Service {
    /// Begins a power operation, which must be accepted: the ids of its tasks, and the VMs as they were answered.
    pub async fn power(&self, credential: &str, route: &str, conditions: Value) -> (Vec<String>, Vec<Value>) {
        self.power_with(credential, route, json!({ "where": conditions })).await
    }

    /// The same, with the whole body.
    pub async fn power_with(&self, credential: &str, route: &str, body: Value) -> (Vec<String>, Vec<Value>) {
        let answer = self.rest(credential, route, body.clone()).await;
        assert_eq!(answer.status, 200, "{route} {body}: {answer:?}");
        let both = answer.json().as_array().unwrap().clone().into_iter().map(|begun| {
            assert_eq!(begun.as_object().unwrap().len(), 2, "{begun}");
            (begun["task_id"].as_str().unwrap_or_else(|| panic!("no task: {begun}")).to_owned(), begun["data"].clone())
        });
        both.unzip()
    }

    /// One step of the work on tasks, as a node does it again and again.
    pub async fn work(&self) {
        tasks::work(&self.app).await.unwrap();
    }

    /// All that is under way comes to its end.
    pub async fn finish_tasks(&self) {
        self.work().await;
        self.clock.advance(Duration::from_secs(1));
        self.work().await;
    }

    /// A task.
    pub async fn task(&self, token: &str, id: &str) -> Value {
        self.row(token, "/get-tasks", json!({ "id": id })).await
    }

    /// The one VM of a name.
    pub async fn vm(&self, token: &str, name: &str) -> Value {
        self.row(token, "/get-vms", json!({ "name": name })).await
    }

    /// The one row that matches.
    pub async fn row(&self, token: &str, route: &str, conditions: Value) -> Value {
        let rows = self.rest(token, route, json!({ "where": conditions })).await.json();
        assert_eq!(rows.as_array().map(Vec::len), Some(1), "{route} {conditions}: {rows}");
        rows[0].clone()
    }

    /// Tasks of another system: one with everything, one with only what must be there, one that failed.
    pub async fn report_tasks(&self) {
        let token = self.root().await;
        let me = self.post_text("/v2/api/get-my-info", Some(&token), "").await.json()["id"].clone();
        let mut all = report(&me);
        let clusters = self.rest(&token, "/get-clusters", json!({ "first": 1 })).await.json();
        let more = json!({
            "id": "reported", "api_key_name": "backup", "internal": true, "args": { "any": [1, null] }, "key": "once",
            "finished_at": "2026-01-31T13:00:00+01:00", "started_at": "2026-01-31T11:00:00.000Z", "type": "BACKUP",
            "resource_id": "backup-7", "snapshot": "{}", "status": "SUCCESSED", "cluster_id": clusters[0]["id"],
            "steps": [{ "key": "copy", "finished": true, "description": "Copy" }, { "key": "check", "finished": false }],
        });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut failed = report(&me);
        failed["status"] = json!("FAILED");
        self.done(&token, "/create-task", json!([all, report(&me), failed])).await;
    }

    /// Every row of a table.
    pub async fn rows(&self, table: &str) -> Vec<Value> {
        let db = self.database().connect().await;
        let all = Statement::from_string(db.get_database_backend(), format!("SELECT * FROM {table} ORDER BY id"));
        let rows = JsonValue::find_by_statement(all).all(&db).await.unwrap();
        db.close().await.unwrap();
        rows
    }

    /// Does to the database what nobody does through the program.
    pub async fn tamper(&self, sql: &str) {
        let db = self.database().connect().await;
        db.execute_unprepared(sql).await.unwrap();
        db.close().await.unwrap();
    }
}

/// The least `TaskCreationParams`.
pub fn report(user: &Value) -> Value {
    json!({
        "user_id": user, "resource_mutation": "createBackup", "resource_type": "Backup",
        "description": { "en-US": "Back up db-01", "zh-CN": "\u{5907}\u{4efd} db-01" },
    })
}
