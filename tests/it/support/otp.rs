//! The second factor as a person uses it: an authenticator app of another make (pyotp), and the steps of a login.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use chrono::DateTime;
use keytower::domain::clock::{Clock, Timestamp};
use serde_json::{Value, json};

use super::people::PASSWORD;
use super::{Answer, Service};

/// How long a code is the present one, in seconds.
pub const STEP: i64 = 30;
/// How long that is for a clock.
pub const STEP_TIME: Duration = Duration::from_secs(30);

/// What `verifyMfa` is asked with.
pub const VERIFY: &str = "mutation($data: MfaVerifyInput!) { verifyMfa(data: $data) { token uid need_mfa } }";
/// What `login` is asked with.
pub const LOGIN: &str = "mutation($data: LoginInput!) { login(data: $data) \
    { token uid need_mfa mfa_meta { recipient mid type valid } } }";

const CODES: &str = "import json, pyotp, sys
app = pyotp.TOTP(sys.argv[1])
print(json.dumps([app.at(int(moment)) for moment in sys.argv[2:]]))";
const PARSE: &str = "import json, pyotp, sys
app = pyotp.parse_uri(sys.argv[1])
print(json.dumps([type(app).__name__, app.issuer, app.name, app.secret, app.digits, app.interval, app.digest().name]))";

/// Runs a script of Python to its end: what it prints, as JSON.
fn python(script: &str, arguments: &[String]) -> Value {
    let output =
        Command::new(super::tool("KT_TEST_PYTHON")).args(["-B", "-c", script]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What an authenticator app reads from an address: kind, issuer, name, secret, digits, seconds of a step, algorithm.
pub fn parse(otpauth_url: &str) -> Value {
    python(PARSE, &[otpauth_url.to_owned()])
}

/// Sets the clocks of nodes to the same moment: ten seconds into a step.
pub fn align(nodes: &[Service]) {
    let now = nodes[0].clock.now().timestamp() / STEP * STEP + 10;
    nodes.iter().for_each(|node| node.clock.set(DateTime::from_timestamp(now, 0).unwrap()));
}

/// Lets time pass at all nodes.
pub fn pass(nodes: &[Service], time: Duration) {
    nodes.iter().for_each(|node| node.clock.advance(time));
}

/// A person's authenticator app, and the codes on their paper.
#[derive(Debug, Clone)]
pub struct Device {
    pub secret: String,
    pub recovery: Vec<String>,
}

impl Device {
    /// The code that it shows at a service's time, some steps later (or earlier).
    pub fn code(&self, service: &Service, later: i64) -> String {
        self.codes(service.clock.now(), [later]).remove(0)
    }

    /// The codes that it shows some steps after a moment.
    pub fn codes(&self, now: Timestamp, later: impl IntoIterator<Item = i64>) -> Vec<String> {
        let moments = later.into_iter().map(|steps| (now.timestamp() + steps * STEP).to_string());
        let arguments: Vec<String> = std::iter::once(self.secret.clone()).chain(moments).collect();
        serde_json::from_value(python(CODES, &arguments)).unwrap()
    }

    /// Codes that are wrong at a service's time and for some steps around it: all different.
    pub fn wrong(&self, service: &Service, number: usize) -> Vec<String> {
        let right = self.codes(service.clock.now(), -10..=10);
        (0..).map(|number: u32| format!("{number:06}")).filter(|code| !right.contains(code)).take(number).collect()
    }
}

impl Service {
    /// Enrols an authenticator app for the user of a token, whose session has a fresh second factor from then on.
    pub async fn enroll(&self, token: &str, password: &str) -> Device {
        let begin = "mutation($data: PasswordInput!) { enrollTotp(data: $data) { secret } }";
        let begun = self.graphql(Some(token), begin, json!({ "data": { "password": password } })).await;
        let text = |name: &str| {
            begun.json()["data"]["enrollTotp"][name].as_str().unwrap_or_else(|| panic!("{begun:?}")).to_owned()
        };
        let device = Device { secret: text("secret"), recovery: Vec::new() };
        let recovery = self.confirm(token, "Totp", &device.code(self, 0)).await;
        let recovery = recovery.json()["data"]["confirmTotp"]["recovery_codes"].clone();
        Device { recovery: serde_json::from_value(recovery).unwrap_or_default(), ..device }
    }

    /// Shows the first code of a factor that was begun.
    pub async fn confirm(&self, token: &str, kind: &str, code: &str) -> Answer {
        let confirm = format!("mutation($data: CodeInput!) {{ confirm{kind}(data: $data) {{ recovery_codes }} }}");
        self.graphql(Some(token), &confirm, json!({ "data": { "code": code } })).await
    }

    /// Enrols codes by mail for the user of a token.
    pub async fn enroll_mail(&self, token: &str, post: &super::Post, address: &str) {
        let begin = "mutation($data: PasswordInput!) { enrollMail(data: $data) { mid recipient type } }";
        let begun = self.graphql(Some(token), begin, json!({ "data": { "password": PASSWORD } })).await;
        assert!(begun.json()["errors"].is_null(), "{begun:?}");
        let confirmed = self.confirm(token, "Mail", &post.code_to(address).await).await;
        assert!(confirmed.json()["errors"].is_null(), "{confirmed:?}");
    }

    /// Makes a user with a role of a preset and an address, and logs it in: token.
    pub async fn make_person(&self, root: &str, username: &str, preset: &str) -> String {
        let role = self.preset(root, preset).await;
        let mut person = super::people::user(username, &role);
        person["email_address"] = format!("{username}@example.com").into();
        self.done(root, "/create-user", json!([person])).await;
        self.login(username, PASSWORD).await
    }

    /// Makes a user with an authenticator app: token and app. The step of the moment is spent.
    pub async fn make_holder(&self, username: &str) -> (String, Device) {
        let root = self.root().await;
        let token = self.make_person(&root, username, "READ_ONLY").await;
        let device = self.enroll(&token, PASSWORD).await;
        (token, device)
    }

    /// Logs in over GraphQL with members beside name and password: the whole answer.
    pub async fn try_login(&self, username: &str, password: &str, more: Value) -> Answer {
        self.graphql(None, LOGIN, json!({ "data": login_data(username, password, more) })).await
    }

    /// The first step of a login with a second factor, which must ask for a code: the login that waits.
    pub async fn challenge(&self, username: &str, kind: Option<&str>) -> Value {
        let answer = self.try_login(username, PASSWORD, json!({ "mfa_type": kind })).await;
        let login = answer.json()["data"]["login"].clone();
        assert_eq!((&login["token"], &login["need_mfa"]), (&Value::Null, &json!(true)), "{answer:?}");
        login["mfa_meta"].clone()
    }

    /// The second step.
    pub async fn verify(&self, mid: &Value, kind: &str, code: &str) -> Answer {
        self.graphql(None, VERIFY, json!({ "data": { "mid": mid, "type": kind, "code": code } })).await
    }

    /// Both steps, with the app's code of the next step: token. The clock goes on by one step, so that no code is used twice.
    pub async fn full_login(&self, username: &str, device: &Device) -> String {
        self.clock.advance(STEP_TIME);
        let meta = self.challenge(username, Some("Totp")).await;
        token(&self.verify(&meta["mid"], "Totp", &device.code(self, 0)).await)
    }

    /// Proves the second factor of a session anew.
    pub async fn reauthenticate(&self, token: &str, data: Value) -> Answer {
        let query = "mutation($data: ReauthenticateInput!) { reauthenticate(data: $data) \
            { need_mfa valid_until mfa_meta { recipient mid type valid } } }";
        self.graphql(Some(token), query, json!({ "data": data })).await
    }
}

/// What a login over GraphQL is tried with.
pub fn login_data(username: &str, password: &str, more: Value) -> Value {
    let mut data = json!({ "username": username, "password": password });
    if let Value::Object(more) = more {
        data.as_object_mut().unwrap().extend(more);
    }
    data
}

/// The token of a login that is complete.
pub fn token(answer: &Answer) -> String {
    let data = &answer.json()["data"];
    let found = data["verifyMfa"]["token"].as_str().or(data["login"]["token"].as_str());
    found.unwrap_or_else(|| panic!("no token: {answer:?}")).to_owned()
}

/// The code of the error that an answer must be, which holds no token.
pub fn refusal(answer: &Answer) -> String {
    super::check::clean(answer);
    assert!(!answer.text.contains("eyJ"), "a token: {answer:?}");
    answer.code()
}

/// What many requests came to: how many got a token, or which refusal.
pub fn tally(answers: &[Answer]) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for answer in answers {
        let what = if answer.json()["errors"].is_null() { "token".to_owned() } else { refusal(answer) };
        *all.entry(what).or_default() += 1;
    }
    if let Some(tokens) = all.get("token") {
        assert_eq!(answers.iter().filter(|answer| answer.text.contains("eyJ")).count(), *tokens);
    }
    all
}
