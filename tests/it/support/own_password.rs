//! Short ways to one's own password, and a service whose letters go to a real mail server.

use std::sync::Arc;

use keytower::service::outbox;
use serde_json::{Value, json};

use super::node::borrowed;
use super::post::{Encryption, Letter};
use super::{Answer, Database, Post, Service};

const CHANGE: &str =
    "mutation($data: PasswordChangeInput!) { changePassword(data: $data) { sessions_ended api_keys_deleted } }";
const REQUEST: &str = "mutation($data: PasswordResetRequestInput!) { requestPasswordReset(data: $data) }";
const RESET: &str = "mutation($data: PasswordResetInput!) { resetPassword(data: $data) }";
const LOGIN: &str =
    "mutation($data: LoginInput!) { login(data: $data) { token need_mfa must_change_password mfa_meta { mid } } }";

/// Words of letters.
pub const LOGIN_CODE: &str = "complete your login";
pub const PROOF_CODE: &str = "it is you who is changing something";
pub const LINK: &str = "asked for a new password";
pub const CHANGED: &str = "The password of your account was changed";

/// The next letter to an address that has these words; others before it are left out.
pub async fn letter(post: &Post, address: &str, words: &str) -> Letter {
    loop {
        let letter = post.letter_to(address).await;
        if letter.text.split_whitespace().collect::<Vec<_>>().join(" ").contains(words) {
            return letter;
        }
    }
}

/// A service that sends its letters to a post office of its own.
pub async fn with_post() -> (Post, Arc<Service>) {
    let post = Post::start(Encryption::Upgraded);
    let service = Service::start_with(Arc::new(Database::new().await), &borrowed(&post.settings())).await;
    (post, Arc::new(service))
}

impl Service {
    pub async fn change_password(&self, token: &str, old: &str, new: &str) -> Answer {
        self.graphql(Some(token), CHANGE, json!({ "data": { "old_password": old, "new_password": new } })).await
    }

    pub async fn change_password_and_keys(&self, token: &str, old: &str, new: &str) -> Answer {
        let data = json!({ "old_password": old, "new_password": new, "delete_api_keys": true });
        self.graphql(Some(token), CHANGE, json!({ "data": data })).await
    }

    pub async fn request_reset(&self, username: &str) -> Answer {
        self.graphql(None, REQUEST, json!({ "data": { "username": username } })).await
    }

    pub async fn reset_password(&self, token: &str, new: &str) -> Answer {
        self.graphql(None, RESET, json!({ "data": { "token": token, "new_password": new } })).await
    }

    /// Has a link mailed to a user, and answers its token.
    pub async fn reset_token(&self, post: &Post, username: &str, address: &str) -> String {
        token_of(&self.reset_letter(post, username, address).await)
    }

    /// Has a link mailed to a user, and answers the letter.
    pub async fn reset_letter(&self, post: &Post, username: &str, address: &str) -> Letter {
        let answer = self.request_reset(username).await;
        assert_eq!(answer.json(), json!({ "data": { "requestPasswordReset": true } }));
        outbox::deliver(&self.app).await.unwrap();
        letter(post, address, LINK).await
    }

    /// Logs in over GraphQL: `data` of the answer.
    pub async fn log_in(&self, username: &str, password: &str) -> Value {
        let answer = self.graphql(None, LOGIN, json!({ "data": { "username": username, "password": password } })).await;
        answer.json()["data"]["login"].clone()
    }

    /// Whether a password is the one of a user.
    pub async fn is_password(&self, username: &str, password: &str) -> bool {
        self.forget_attempts().await;
        let body = json!({ "username": username, "password": password });
        let answer = self.post("/v2/api/login", None, &body).await;
        assert!([200, 400].contains(&answer.status), "{answer:?}");
        answer.status == 200
    }

    /// Makes a user with an address: a token of theirs.
    pub async fn make_reachable(&self, username: &str, address: &str) -> String {
        let root = self.root().await;
        let role = self.preset(&root, "READ_ONLY").await;
        let (id, token) = self.make_user(&root, username, &role).await;
        let change = json!({ "where": { "id": id }, "data": { "email_address": address } });
        self.done(&root, "/update-user", change).await;
        // The letter that tells of the address is not what these tests are about.
        self.database().execute("DELETE FROM letters").await;
        token
    }
}

/// The token in the link of a letter.
pub fn token_of(letter: &Letter) -> String {
    let start = "https://keys.example/reset-password#token=";
    let (_, rest) = letter.text.split_once(start).unwrap_or_else(|| panic!("no link: {letter:?}"));
    let token: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    assert!(token.len() >= 40, "{letter:?}");
    assert!(letter.html.contains(&format!("{start}{token}\"")), "{letter:?}");
    token
}
