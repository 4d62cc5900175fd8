//! People for tests of authority: an actor who may do anything, whose credential is about to end, and those to whom they do it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keytower::domain::clock::iso;
use serde_json::{Value, json};

use super::call::Call;
use super::changes::{Ending, Shown};
use super::node::borrowed;
use super::otp::STEP_TIME;
use super::people::PASSWORD;
use super::post::Encryption;
use super::softlayer::{Dialect, USER};
use super::{Database, Device, Post, ROOT_PASSWORD, Service};

/// A service with the example inventory and a mail server, and its first user.
pub struct Stage {
    pub service: Service,
    pub post: Post,
    /// A token of `root`, who has no second factor.
    pub root: String,
    pub everything: String,
    pub nothing: String,
    next: AtomicU64,
}

/// A user.
#[derive(Debug, Clone)]
pub struct Person {
    pub id: String,
    pub number: i64,
    pub username: String,
}

/// A user with every right, and a credential of theirs.
pub struct Actor {
    pub person: Person,
    pub shown: Shown,
    pub credential: String,
    /// Another session of theirs.
    pub spare: String,
    /// The id of the key, where the credential is one.
    pub key: String,
    /// Their authenticator app, where they have one; its code of the moment is spent.
    pub device: Option<Device>,
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With settings beside those of every stage.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        let post = Post::start(Encryption::Upgraded);
        let own = post.settings();
        // Nobody's patience ends while the machine is busy.
        let all = [&borrowed(&own)[..], &[("body_timeout", "60s"), ("token_life", "7d")], settings].concat();
        let service = Service::start_with(Arc::new(Database::new().await), &all).await;
        service.import_example().await;
        let root = service.root().await;
        let (everything, nothing) = (service.preset(&root, "ROOT").await, service.preset(&root, "READ_ONLY").await);
        Self { service, post, root, everything, nothing, next: AtomicU64::new(1) }
    }

    /// A number that was not given before.
    pub fn fresh(&self) -> u64 {
        self.next.fetch_add(1, Ordering::SeqCst)
    }

    /// A name that nobody has.
    pub fn name(&self, what: &str) -> String {
        format!("{what}-{}", self.fresh())
    }

    /// Makes a user with a role and a password, below `root`.
    pub async fn person(&self, role: &str) -> Person {
        let username = self.name("person");
        let mut new = super::people::user(&username, role);
        new["email_address"] = json!(format!("{username}@example.com"));
        self.service.done(&self.root, "/create-user", json!([new])).await;
        self.find(&username).await
    }

    /// Makes a user who can do nothing and can't log in, below another.
    pub async fn below(&self, above: &Person) -> Person {
        let username = self.name("below");
        let new = json!({ "username": username, "name": username, "role_id": self.nothing });
        self.service.done(&self.root, "/create-user", json!([new])).await;
        self.put_below(&username, above).await;
        self.find(&username).await
    }

    /// Gives a user another parent.
    pub async fn put_below(&self, username: &str, above: &Person) {
        let sql = format!("UPDATE users SET parent = '{}' WHERE username = '{username}'", above.id);
        self.service.database().execute(&sql).await;
    }

    pub async fn find(&self, username: &str) -> Person {
        let number = format!("SELECT number FROM users WHERE username = '{username}'");
        let number = self.service.database().number(&number).await;
        let id = self.service.texts(&format!("SELECT id FROM users WHERE username = '{username}'")).await.remove(0);
        Person { id, number, username: username.to_owned() }
    }

    /// Makes a user with every right and a credential, which has a fresh second factor where that is wished.
    pub async fn actor(&self, shown: Shown, factor: bool) -> Actor {
        let person = self.person(&self.everything).await;
        self.actor_of(person, shown, factor).await
    }

    /// The same of a user that there is.
    pub async fn actor_of(&self, person: Person, shown: Shown, factor: bool) -> Actor {
        let service = &self.service;
        let spare = service.login(&person.username, PASSWORD).await;
        let session = match shown {
            Shown::Token => service.login(&person.username, PASSWORD).await,
            Shown::Portal => self.portal(&person.username, PASSWORD).await,
            Shown::Key | Shown::Classic => spare.clone(),
        };
        let device = if factor { Some(service.enroll(&session, PASSWORD).await) } else { None };
        let (credential, key) = match shown {
            Shown::Token | Shown::Portal => (session, String::new()),
            Shown::Key => {
                let (id, key) = service.mint(&session, "held").await;
                (key, id)
            }
            Shown::Classic => {
                let (key, _) = self.classic(&session, &person).await;
                let sql = format!("SELECT id FROM api_keys WHERE user_id = '{}'", person.id);
                (key, service.texts(&sql).await.remove(0))
            }
        };
        Actor { person, shown, credential, spare, key, device }
    }

    /// Logs in for a portal token.
    pub async fn portal(&self, username: &str, password: &str) -> String {
        let login = format!("{USER}::getPortalLoginToken");
        let call = Call::softlayer(Dialect::Rest, &login, 0, &[json!(username), json!(password)]);
        let request = self.service.http.post(self.service.url(&call.path)).body(call.body);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["hash"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Makes a user's classic key: text and number.
    pub async fn classic(&self, credential: &str, owner: &Person) -> (String, i64) {
        let add = format!("{USER}::addApiAuthenticationKey");
        let made = Call::softlayer(Dialect::Rest, &add, owner.number, &[]).done(&self.service, credential).await;
        let sql = format!("SELECT number FROM api_keys WHERE user_id = '{}' AND number IS NOT NULL", owner.id);
        (made.json().as_str().unwrap().to_owned(), self.service.database().number(&sql).await)
    }

    /// Puts a session of a user into the database: its id.
    pub async fn session_of(&self, person: &Person) -> String {
        let (id, now) = (self.name("session"), self.service.app.now());
        let until = iso(now + chrono::TimeDelta::days(1));
        let sql = format!(
            "INSERT INTO sessions (id, amr, created_at, expires_at, last_seen_at, user_id) \
             VALUES ('{id}', '[\"pwd\"]', '{now}', '{until}', '{now}', '{}')",
            person.id,
            now = iso(now)
        );
        self.service.database().execute(&sql).await;
        id
    }

    /// The id of the session behind a token.
    pub async fn session_id(&self, token: &str) -> String {
        let answer = self.service.graphql(Some(token), "{ sessions { id current } }", json!({})).await.json();
        let sessions = answer["data"]["sessions"].as_array().unwrap_or_else(|| panic!("{answer}"));
        let current = sessions.iter().find(|session| session["current"] == true).unwrap();
        current["id"].as_str().unwrap().to_owned()
    }

    /// The code that an actor's app shows next. The clock goes on by one step, so that it was not used before.
    pub async fn code(&self, actor: &Actor) -> String {
        self.service.clock.advance(STEP_TIME);
        actor.device.as_ref().unwrap().code(&self.service, 0)
    }

    /// Ends a credential, and waits until that is acknowledged.
    pub async fn end(&self, actor: &Actor, ending: Ending) {
        let (root, person) = (&self.root, &actor.person);
        let one = json!({ "id": person.id });
        let graphql = |query: &str, variables: Value| Call::graphql(query, &variables);
        let (by, call) = match ending {
            Ending::Logout => (&actor.credential, graphql("mutation { logout }", json!({}))),
            Ending::EndSession => {
                let end = "mutation($id: ID!) { endSession(where: { id: $id }) { id } }";
                (&actor.spare, graphql(end, json!({ "id": self.session_id(&actor.credential).await })))
            }
            Ending::DeleteKey => {
                let delete = "mutation($id: ID!) { deleteApiKey(where: { id: $id }) { id } }";
                (&actor.spare, graphql(delete, json!({ "id": actor.key })))
            }
            Ending::ChangePassword => {
                let change =
                    "mutation($data: PasswordChangeInput!) { changePassword(data: $data) { api_keys_deleted } }";
                let new = self.name("another password");
                let data = json!({ "old_password": PASSWORD, "new_password": new, "delete_api_keys": true });
                (&actor.spare, graphql(change, json!({ "data": data })))
            }
            Ending::SetPassword => {
                let data = json!({ "password": self.name("another password") });
                (root, Call::rest("/update-user", &json!({ "where": one, "data": data })))
            }
            Ending::Disable => {
                let edit = format!("{USER}::editObject");
                let template = json!({ "userStatusId": 1002 });
                (root, Call::softlayer(Dialect::Rest, &edit, person.number, &[template]))
            }
            Ending::Demote => {
                let data = json!({ "role_id": self.nothing });
                (root, Call::rest("/update-user", &json!({ "where": one, "data": data })))
            }
            Ending::ResetFactors => {
                let reset = "mutation($user: UserWhereInput!) { resetMfa(where: { user: $user }) { id } }";
                (root, graphql(reset, json!({ "user": one })))
            }
            Ending::DeleteUser => (root, Call::rest("/delete-user", &json!({ "where": one }))),
        };
        call.done(&self.service, by).await;
    }

    /// A token of `root` of its own.
    pub async fn another_root(&self) -> String {
        self.service.login("root", ROOT_PASSWORD).await
    }
}
