//! A service in this process, on a port that the kernel picked, with a clock that the test moves.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keytower::app::App;
use keytower::auth::random::SystemRandom;
use keytower::config::Settings;
use keytower::domain::caller::Caller;
use keytower::domain::clock::{Clock, SystemClock, Timestamp};
use keytower::domain::operation::Operation;
use keytower::domain::permit::{Permit, authorize};
use keytower::http::serve::{PATIENCE, Times, serve};
use keytower::router::router;
use keytower::service::inventory;
use keytower::service::people::users;
use keytower::service::setup;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{Database, ROOT_PASSWORD, contract};

/// A clock that stands still until it is moved.
pub struct TestClock(Mutex<Timestamp>);

impl TestClock {
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now += chrono::TimeDelta::from_std(by).unwrap();
    }

    /// Sets it to any moment, an earlier one too.
    pub fn set(&self, to: Timestamp) {
        *self.0.lock().unwrap() = to;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub async fn read(response: reqwest::Response) -> Self {
        Self::try_read(response).await.unwrap()
    }

    /// Reads an answer that may break off. One of REST v2 must be what the contract says that its route answers.
    pub async fn try_read(response: reqwest::Response) -> reqwest::Result<Self> {
        let path = response.url().path().to_owned();
        let answer = Self::unchecked(response).await?;
        answer.check(&path);
        Ok(answer)
    }

    /// Reads an answer as it is, for who measures how long that takes.
    pub async fn unchecked(response: reqwest::Response) -> reqwest::Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, text: response.text().await? })
    }

    /// Asserts that it is what the contract says.
    pub fn check(&self, path: &str) {
        let strays = contract::strays(path, self);
        assert!(strays.is_empty(), "{path}: {strays:#?} in {self:?}");
    }

    /// What it tells, beside when and under which id it was given.
    pub fn told(&self) -> (u16, &str, HeaderMap) {
        let mut headers = self.headers.clone();
        for own in ["date", "x-tower-request-id"] {
            assert!(headers.remove(own).is_some(), "{own}");
        }
        (self.status, &self.text, headers)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The code of the first GraphQL error.
    pub fn code(&self) -> String {
        self.json()["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no code in {self:?}"))
            .to_owned()
    }
}

/// A caller as the door lets them in: what they may do the use case asks for itself.
pub fn pass(caller: &Caller) -> Permit {
    authorize(caller, Operation::GetVersion).unwrap()
}

pub struct Service {
    pub app: Arc<App>,
    pub clock: Arc<TestClock>,
    pub address: SocketAddr,
    pub http: reqwest::Client,
    database: Arc<Database>,
    stop: Option<oneshot::Sender<()>>,
}

impl Service {
    /// Starts a service on a database of its own.
    pub async fn start() -> Self {
        Self::start_with(Arc::new(Database::new().await), &[]).await
    }

    /// Starts a service on a database, with settings beside those every test has (`("token_life", "1h")`).
    pub async fn start_with(database: Arc<Database>, settings: &[(&str, &str)]) -> Self {
        let mut environment = vec![
            ("KEYTOWER_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("KEYTOWER_DATA_DIR".to_owned(), database.data_dir()),
            ("KEYTOWER_DATABASE_URL".to_owned(), database.url().to_owned()),
            ("KEYTOWER_ROOT_PASSWORD".to_owned(), ROOT_PASSWORD.to_owned()),
        ];
        let own =
            settings.iter().map(|(name, value)| (format!("KEYTOWER_{}", name.to_uppercase()), (*value).to_owned()));
        environment.extend(own);
        let settings = Settings::load(None, environment).unwrap();
        let clock = Arc::new(TestClock(Mutex::new(SystemClock.now())));
        let (app, _) =
            setup::start(settings, Arc::clone(&clock) as Arc<dyn Clock>, Arc::new(SystemRandom)).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let times = Times { header: app.settings.header_timeout, patience: PATIENCE, shutdown: Duration::from_secs(5) };
        let (stop, stopped) = oneshot::channel::<()>();
        let router = router(Arc::clone(&app)).unwrap();
        tokio::spawn(serve(listener, router, times, async {
            let _ = stopped.await;
        }));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { app, clock, address, http, database, stop: Some(stop) }
    }

    pub fn database(&self) -> &Arc<Database> {
        &self.database
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// POSTs JSON.
    pub async fn post(&self, path: &str, credential: Option<&str>, body: &Value) -> Answer {
        self.post_text(path, credential, body.to_string()).await
    }

    /// POSTs any body as `application/json`.
    pub async fn post_text(&self, path: &str, credential: Option<&str>, body: impl Into<reqwest::Body>) -> Answer {
        let mut request = self.http.post(self.url(path)).header(CONTENT_TYPE, "application/json").body(body);
        if let Some(credential) = credential {
            request = request.header(AUTHORIZATION, credential);
        }
        let answer = Answer::unchecked(request.send().await.unwrap()).await.unwrap();
        // What an upstream answers is handed on as it is, and stand-ins for one answer anything.
        if self.app.upstream.is_none() {
            answer.check(path);
        }
        answer
    }

    /// GETs.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::read(self.http.get(self.url(path)).send().await.unwrap()).await
    }

    /// POSTs a GraphQL document with variables.
    pub async fn graphql(&self, credential: Option<&str>, query: &str, variables: Value) -> Answer {
        self.post("/api/", credential, &json!({ "query": query, "variables": variables })).await
    }

    /// Logs in over REST and answers the token.
    pub async fn login(&self, username: &str, password: &str) -> String {
        let body = json!({ "username": username, "password": password, "source": "LOCAL" });
        let answer = self.post("/v2/api/login", None, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["data"]["token"].as_str().unwrap().to_owned()
    }

    /// A token of `root`.
    pub async fn root(&self) -> String {
        self.login("root", ROOT_PASSWORD).await
    }

    /// Makes a user with the role of a preset and logs it in: user name and token.
    pub async fn user(&self, preset: &str) -> (String, String) {
        let name = format!("user-{}", keytower::domain::id::uuid_v7(self.app.now(), &SystemRandom).unwrap().simple());
        let made = users::create_with_password(&self.app, &pass(&Caller::operator()), name.clone(), preset).await;
        let token = self.login(&name, made.unwrap().expose()).await;
        (name, token)
    }

    /// Deletes a user as the operator does.
    pub async fn delete_user(&self, username: &str) {
        let conditions = json!({ "username": username }).as_object().unwrap().clone();
        let deleted = users::delete(&self.app, &pass(&Caller::operator()), conditions).await.unwrap();
        assert_eq!(deleted.len(), 1, "{username}");
    }

    /// Mints a key over GraphQL: id and text.
    pub async fn mint(&self, token: &str, name: &str) -> (String, String) {
        let mint = "mutation($name: String!) { createApiKey(data: { name: $name }) { id key } }";
        let answer = self.graphql(Some(token), mint, json!({ "name": name })).await;
        let key = &answer.json()["data"]["createApiKey"];
        let text = |member: &str| key[member].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned();
        (text("id"), text("key"))
    }

    /// Deletes a key over GraphQL, by its text.
    pub async fn delete_key(&self, credential: &str, key: &str) -> Answer {
        let delete = "mutation($key: String!) { deleteApiKey(where: { key: $key }) { id } }";
        self.graphql(Some(credential), delete, json!({ "key": key })).await
    }

    /// Forgets the wrong logins, for tests that are about something else than the throttle.
    pub async fn forget_attempts(&self) {
        self.database.execute("DELETE FROM attempts").await;
    }

    /// The status that `get-my-info` answers: 200 for a live credential, 401 for a dead one.
    pub async fn try_credential(&self, credential: &str) -> u16 {
        self.post_text("/v2/api/get-my-info", Some(credential), "").await.status
    }

    /// Imports the example inventory.
    pub async fn import_example(&self) {
        let text = include_str!("../../../examples/inventory.json");
        inventory::import(&self.app, &pass(&Caller::operator()), text, |_| {}).await.unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}
