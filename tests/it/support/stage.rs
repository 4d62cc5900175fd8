//! A service with people on it: for each change, a user who may do it, what it is done to, and the request that does it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::call::{Call, Face};
use super::changes::{Change, Ending, Shown};
use super::node::borrowed;
use super::people::{PASSWORD, user};
use super::post::Encryption;
use super::softlayer::{Dialect, USER};
use super::tasks::report;
use super::{Answer, Database, Device, Post, Service};

/// The passwords that users get.
pub const OTHER_PASSWORD: &str = "quite another password";
const KEY: &str = "SoftLayer_User_Customer_ApiAuthentication";
/// Permissions that every role with rights over users holds.
const PERMISSION: &str = "ACCOUNT_SUMMARY_VIEW";

pub struct Stage {
    pub post: Post,
    pub service: Service,
    pub root: String,
    made: AtomicUsize,
}

/// A user: who, and with which credential.
#[derive(Debug, Clone)]
pub struct Actor {
    pub name: String,
    pub id: String,
    pub number: i64,
    pub shown: Shown,
    /// What requests show.
    pub credential: String,
    /// A token of another session.
    pub other: String,
    pub device: Option<Device>,
}

impl Stage {
    /// A service with the example inventory, whose letters go to a post office of its own.
    pub async fn new() -> Self {
        Self::beside(Arc::new(Database::new().await), &[]).await
    }

    /// The same, on a database and with settings.
    pub async fn beside(database: Arc<Database>, settings: &[(&str, &str)]) -> Self {
        let post = Post::start(Encryption::Upgraded);
        let own = post.settings();
        let settings = [&borrowed(&own)[..], &[("body_timeout", "60s")], settings].concat();
        let service = Service::start_with(database, &settings).await;
        service.import_example().await;
        let root = service.root().await;
        Self { post, service, root, made: AtomicUsize::default() }
    }

    /// A name that nobody has.
    pub fn name(&self, what: &str) -> String {
        format!("{what}-{}", self.made.fetch_add(1, Ordering::SeqCst))
    }

    /// Makes a user with a role of a preset, below somebody: name, id, number.
    pub async fn person(&self, by: &str, preset: &str) -> (String, String, i64) {
        let name = self.name("user");
        let mut new = user(&name, &self.service.preset(&self.root, preset).await);
        new["email_address"] = json!(format!("{name}@example.com"));
        let made = self.service.done(by, "/create-user", json!([new])).await;
        let number = self.number_of(&name).await;
        (name, made[0]["id"].as_str().unwrap().to_owned(), number)
    }

    pub async fn number_of(&self, name: &str) -> i64 {
        self.service.database().number(&format!("SELECT number FROM users WHERE username = '{name}'")).await
    }

    /// The number of a user's classic key.
    pub async fn classic_number(&self, user: &str) -> i64 {
        self.service.database().number(&format!("SELECT number FROM api_keys WHERE classic_of = '{user}'")).await
    }

    /// A user with a role of a preset, one credential, and an authenticator app if wanted.
    pub async fn actor(&self, preset: &str, shown: Shown, with_factor: bool) -> Actor {
        let (name, id, number) = self.person(&self.root, preset).await;
        let service = &self.service;
        let (token, other) = (service.login(&name, PASSWORD).await, service.login(&name, PASSWORD).await);
        let portal = match shown {
            Shown::Portal => Some(self.portal(&name, PASSWORD).await),
            _ => None,
        };
        // The portal's session gets the factor, for it has no second step.
        let device = match with_factor {
            true => Some(service.enroll(portal.as_ref().unwrap_or(&token), PASSWORD).await),
            false => None,
        };
        let credential = match shown {
            Shown::Token => token,
            Shown::Portal => portal.unwrap(),
            Shown::Key => service.mint(&token, "held").await.1,
            Shown::Classic => self.classic(&token, number).await,
        };
        Actor { name, id, number, shown, credential, other, device }
    }

    /// A portal token of a user without a second factor.
    pub async fn portal(&self, name: &str, password: &str) -> String {
        let call = Call::softlayer(
            Dialect::Rest,
            &format!("{USER}::getPortalLoginToken"),
            0,
            &[json!(name), json!(password), Value::Null, Value::Null],
        );
        let request = self.service.http.post(self.service.url(&call.path)).body(call.body.clone());
        let answer = Answer::unchecked(request.send().await.unwrap()).await.unwrap();
        answer.json()["hash"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    }

    /// Makes the classic key of a user: its text.
    pub async fn classic(&self, token: &str, number: i64) -> String {
        let call = softlayer(Dialect::Rest, "addApiAuthenticationKey", number, &[]);
        let answer = call.done(&self.service, token).await;
        answer.json().as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    }

    /// Ends the credential of an actor, or takes what it needs; when this returns, that is acknowledged.
    pub async fn end(&self, actor: &Actor, ending: Ending) {
        let Self { service, root, .. } = self;
        let conditions = json!({ "id": actor.id });
        let update = async |data: Value| {
            service.done(root, "/update-user", json!({ "where": conditions, "data": data })).await;
        };
        let done = async |credential: &str, query: &str, variables: Value| {
            Call::graphql(query, &variables).done(service, credential).await;
        };
        match ending {
            Ending::Logout => done(&actor.credential, "mutation { logout }", json!({})).await,
            Ending::EndSession => done(&actor.other, "mutation { endSessions }", json!({})).await,
            Ending::DeleteKey if actor.shown == Shown::Classic => {
                let number = self.classic_number(&actor.id).await;
                softlayer(Dialect::Rest, "removeApiAuthenticationKey", 0, &[json!(number)])
                    .done(service, &actor.other)
                    .await;
            }
            Ending::DeleteKey => {
                let query = "mutation($key: String!) { deleteApiKey(where: { key: $key }) { id } }";
                done(&actor.other, query, json!({ "key": actor.credential })).await;
            }
            Ending::ChangePassword => {
                let query = "mutation($data: PasswordChangeInput!) { changePassword(data: $data) { sessions_ended } }";
                let data = json!({ "old_password": PASSWORD, "new_password": OTHER_PASSWORD,
                    "delete_api_keys": actor.shown.is_key() });
                done(&actor.other, query, json!({ "data": data })).await;
            }
            Ending::SetPassword => update(json!({ "password": OTHER_PASSWORD })).await,
            Ending::Demote => update(json!({ "role_id": service.preset(root, "READ_ONLY").await })).await,
            Ending::Disable => {
                let template = json!({ "userStatusId": 1002 });
                softlayer(Dialect::Rest, "editObject", actor.number, &[template]).done(service, root).await;
            }
            Ending::ResetFactors => {
                let query = "mutation($id: ID!) { resetMfa(where: { user: { id: $id } }) { id } }";
                done(root, query, json!({ "id": actor.id })).await;
            }
            Ending::DeleteUser => {
                service.done(root, "/delete-user", json!({ "where": conditions })).await;
            }
        }
    }

    /// The actor for a change, and the request that does it: it is carried out as long as the credential lives.
    pub async fn attempt(&self, change: &Change, shown: Shown, with_factor: bool) -> (Actor, Call) {
        let mut actor = self.actor("ROOT", shown, with_factor || change.has_factor()).await;
        let call = match change.face {
            Face::Rest => self.rest(&change.name, &actor).await,
            Face::Graphql => self.graphql(&change.name, &mut actor).await,
            Face::SoftLayer(dialect) => self.softlayer(dialect, &change.name, &actor).await,
        };
        (actor, call)
    }

    async fn rest(&self, path: &str, actor: &Actor) -> Call {
        let Self { service, root, .. } = self;
        let victim = async || self.person(root, "READ_ONLY").await.1;
        let role = async || service.make_role(root, &self.name("role"), &["MANAGE_HOST"]).await;
        let vm = |name: &str| json!({ "where": { "name": name } });
        let body = match path {
            "/create-user" => json!([user(&self.name("made"), &service.preset(root, "READ_ONLY").await)]),
            "/update-user" => json!({ "where": { "id": victim().await }, "data": { "name": "renamed" } }),
            "/delete-user" => json!({ "where": { "id": victim().await } }),
            "/create-role" => json!([{ "name": self.name("role"), "actions": ["MANAGE_HOST"] }]),
            "/update-role" => json!({ "where": { "id": role().await }, "data": { "name": self.name("renamed") } }),
            "/delete-role" => json!({ "where": { "id": role().await } }),
            "/create-user-audit-log" => json!([{ "user_id": actor.id, "action": "restoreBackup", "resource_type": "Vm",
                "status": "SUCCESSED", "message": { "en-US": "restored", "zh-CN": "\u{5df2}\u{6062}\u{590d}" } }]),
            "/start-vm" => vm("web-03"),
            "/shutdown-vm" => vm("db-01"),
            "/poweroff-vm" => vm("db-02"),
            "/restart-vm" => vm("web-01"),
            "/force-restart-vm" => vm("web-02"),
            "/suspend-vm" => vm("lb-01"),
            "/resume-vm" => vm("db-12"),
            "/create-task" => json!([report(&json!(actor.id))]),
            "/update-task" => {
                let mut task = report(&json!(actor.id));
                task["id"] = json!(self.name("task"));
                service.done(root, "/create-task", json!([task])).await;
                json!({ "where": { "id": task["id"] }, "data": { "progress": 0.5 } })
            }
            "/update-password-security" => json!({ "password_expire_days": 300 }),
            "/update-access-restriction" => json!({ "access_mode": "DENY", "access_list": ["192.0.2.0/24"] }),
            "/update-session-timeout" => json!({ "session_max_age": 1_000_000 }),
            _ => panic!("{path} has no request here"),
        };
        Call::rest(path, &body)
    }

    async fn graphql(&self, field: &str, actor: &mut Actor) -> Call {
        let service = &self.service;
        let begun = async |query: &str| {
            let variables = json!({ "data": { "password": PASSWORD } });
            service.graphql(Some(&actor.credential), query, variables).await.json()
        };
        let ask = |kind: &str, data: Value, answer: &str| {
            let query = format!("mutation($data: {kind}!) {{ {field}(data: $data) {answer} }}");
            Call::graphql(&query, &json!({ "data": data }))
        };
        let about = |kind: &str, id: &str, more: &str| {
            let query = format!("mutation($where: {kind}!) {{ {field}(where: $where{more}) {{ id }} }}");
            Call::graphql(&query, &json!({ "where": { "id": id } }))
        };
        let code = |device: &Option<Device>| device.as_ref().unwrap().recovery[0].clone();
        match field {
            "updateMfaPolicy" => ask("MfaPolicyUpdateInput", json!({ "report_only": true }), "{ required }"),
            "logout" | "endSessions" => Call::graphql(&format!("mutation {{ {field} }}"), &json!({})),
            "enrollTotp" => ask("PasswordInput", json!({ "password": PASSWORD }), "{ secret }"),
            "enrollMail" => ask("PasswordInput", json!({ "password": PASSWORD }), "{ mid }"),
            "confirmTotp" => {
                let begun = begun("mutation($data: PasswordInput!) { enrollTotp(data: $data) { secret } }").await;
                let secret = begun["data"]["enrollTotp"]["secret"].as_str().unwrap().to_owned();
                let code = Device { secret, recovery: Vec::new() }.code(service, 0);
                ask("CodeInput", json!({ "code": code }), "{ recovery_codes }")
            }
            "confirmMail" => {
                let begun = begun("mutation($data: PasswordInput!) { enrollMail(data: $data) { mid } }").await;
                assert!(begun["errors"].is_null(), "{begun}");
                let code = self.post.code_to(&format!("{}@example.com", actor.name)).await;
                ask("CodeInput", json!({ "code": code }), "{ recovery_codes }")
            }
            "renewRecoveryCodes" => Call::graphql("mutation { renewRecoveryCodes { recovery_codes } }", &json!({})),
            "removeMfa" => {
                let data = json!({ "type": "Totp", "code": code(&actor.device) });
                ask("MfaRemoveInput", data, "{ recovery_codes_left }")
            }
            "reauthenticate" => {
                let data = json!({ "type": "TotpRecoveryCode", "code": code(&actor.device) });
                ask("ReauthenticateInput", data, "{ need_mfa }")
            }
            "resetMfa" => {
                let (_, id, _) = self.person(&self.root, "READ_ONLY").await;
                let query = "mutation($id: ID!) { resetMfa(where: { user: { id: $id } }) { id } }";
                Call::graphql(query, &json!({ "id": id }))
            }
            "endSession" => {
                let sessions =
                    service.graphql(Some(&actor.other), "{ sessions { id current } }", json!({})).await.json();
                let sessions = sessions["data"]["sessions"].as_array().unwrap().clone();
                let own = sessions.iter().find(|session| session["current"] == json!(true)).unwrap();
                about("SessionWhereUniqueInput", own["id"].as_str().unwrap(), "")
            }
            "changePassword" => {
                let data = json!({ "old_password": PASSWORD, "new_password": "one more password" });
                ask("PasswordChangeInput", data, "{ sessions_ended }")
            }
            "createUser" => {
                let name = self.name("made");
                let data = json!({ "username": name, "name": name, "password": PASSWORD, "role": "READ_ONLY" });
                ask("UserCreateInput", data, "{ id }")
            }
            "createOrganization" => ask("OrganizationCreateInput", json!({ "name": self.name("org") }), "{ id }"),
            "createApiKey" => ask("ApiKeyCreateInput", json!({ "name": "made" }), "{ id }"),
            "updateApiKey" => {
                let (id, _) = service.mint(&actor.credential, "old").await;
                about("ApiKeyWhereUniqueInput", &id, ", data: { name: \"new\" }")
            }
            // A key deletes only itself.
            "deleteApiKey" if actor.shown.is_key() => {
                let query = "mutation($key: String!) { deleteApiKey(where: { key: $key }) { id } }";
                Call::graphql(query, &json!({ "key": actor.credential }))
            }
            "deleteApiKey" => {
                let (id, _) = service.mint(&actor.credential, "old").await;
                about("ApiKeyWhereUniqueInput", &id, "")
            }
            "confirmApiKey" => {
                let (id, _) = service.mint(&actor.credential, "suspended").await;
                self.end(actor, Ending::ResetFactors).await;
                actor.credential = service.login(&actor.name, PASSWORD).await;
                actor.other = service.login(&actor.name, PASSWORD).await;
                actor.device = Some(service.enroll(&actor.credential, PASSWORD).await);
                about("ApiKeyWhereUniqueInput", &id, "")
            }
            _ => panic!("{field} has no request here"),
        }
    }

    async fn softlayer(&self, dialect: Dialect, method: &str, actor: &Actor) -> Call {
        let victim = async || {
            let (_, id, number) = self.person(&self.root, "READ_ONLY").await;
            self.adopt(&id, &actor.id).await;
            (id, number)
        };
        let (service, name) = method.split_once("::").unwrap();
        let call = |id: i64, arguments: &[Value]| Call::softlayer(dialect, method, id, arguments);
        let permission = json!({ "keyName": PERMISSION });
        let template = || {
            let name = self.name("made");
            json!({ "username": name, "displayName": name, "email": format!("{name}@example.com") })
        };
        let texts = |texts: [&str; 3]| json!(texts);
        match name {
            "createUser" | "createObject" => call(0, &[template(), json!(PASSWORD)]),
            "editObject" if service == KEY => {
                let (id, number) = victim().await;
                self.classic(&self.root, number).await;
                call(self.classic_number(&id).await, &[json!({ "ipAddressRestriction": "192.0.2.0/24" })])
            }
            "editObject" => call(victim().await.1, &[json!({ "displayName": "renamed" })]),
            "editObjects" => call(0, &[json!([{ "id": victim().await.1, "displayName": "renamed" }])]),
            "addApiAuthenticationKey" => call(victim().await.1, &[]),
            "removeApiAuthenticationKey" => {
                let (id, number) = victim().await;
                self.classic(&self.root, number).await;
                call(0, &[json!(self.classic_number(&id).await)])
            }
            "isValidPortalPassword" => call(victim().await.1, &[json!(PASSWORD)]),
            "selfPasswordChange" => call(0, &[json!(PASSWORD), json!("one more password")]),
            "addPortalPermission" => call(victim().await.1, &[permission]),
            "addBulkPortalPermission" => call(victim().await.1, &[json!([permission])]),
            "removePortalPermission" | "removeBulkPortalPermission" => {
                let number = victim().await.1;
                softlayer(Dialect::Rest, "addPortalPermission", number, std::slice::from_ref(&permission))
                    .done(&self.service, &self.root)
                    .await;
                let one = if name == "removePortalPermission" { permission } else { json!([permission]) };
                call(number, &[one, json!(false)])
            }
            "assignNewParentId" => call(victim().await.1, &[json!(victim().await.1), json!(true)]),
            "updateSecurityAnswers" => {
                call(0, &[json!([{ "id": 1 }, { "id": 2 }, { "id": 3 }]), texts(["red", "green", "blue"])])
            }
            _ => panic!("{method} has no request here"),
        }
    }

    /// Puts a user below another one.
    pub async fn adopt(&self, child: &str, parent: &str) {
        self.service.database().execute(&format!("UPDATE users SET parent = '{parent}' WHERE id = '{child}'")).await;
    }
}

/// A call of a method of users.
pub fn softlayer(dialect: Dialect, name: &str, id: i64, arguments: &[Value]) -> Call {
    Call::softlayer(dialect, &format!("{USER}::{name}"), id, arguments)
}
