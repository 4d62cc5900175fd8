//! What widens needs a second factor that was proven lately, on every face; without any factor, one's own address needs a password that
//! was proven lately.

use std::time::Duration;

use keytower::service::outbox;
use serde_json::{Value, json};

use crate::support::call::{Call, DIALECTS, Face, Refusal, short};
use crate::support::changes::{Ending, Shown, changes, steps_up};
use crate::support::people::{PASSWORD, user};
use crate::support::slow::Everything;
use crate::support::softlayer::Dialect;
use crate::support::stage::{Actor, OTHER_PASSWORD, Stage, softlayer};
use crate::support::{Answer, Device};

const KEY: &str = "SoftLayer_User_Customer_ApiAuthentication";
/// Longer than a proven factor is fresh.
const STALE: Duration = Duration::from_secs(11 * 60);

/// Makes calls of SoftLayer's methods, in its dialects in turn.
struct Turns(usize);

impl Turns {
    fn user(&mut self, name: &str, id: i64, arguments: &[Value]) -> Call {
        softlayer(self.dialect(), name, id, arguments)
    }

    fn key(&mut self, name: &str, id: i64, arguments: &[Value]) -> Call {
        Call::softlayer(self.dialect(), &format!("{KEY}::{name}"), id, arguments)
    }

    fn dialect(&mut self) -> Dialect {
        self.0 += 1;
        let Face::SoftLayer(dialect) = DIALECTS[self.0 % DIALECTS.len()] else { unreachable!() };
        dialect
    }
}

/// A user below the actor: id and number.
async fn victim(stage: &Stage, actor: &Actor) -> (String, i64) {
    let (_, id, number) = stage.person(&stage.root, "READ_ONLY").await;
    stage.adopt(&id, &actor.id).await;
    (id, number)
}

fn update_user(id: &str, data: &Value) -> Call {
    Call::rest("/update-user", &json!({ "where": { "id": id }, "data": data }))
}

async fn rest_calls(stage: &Stage, actor: &Actor) -> Vec<Call> {
    let (service, root) = (&stage.service, &stage.root);
    let admin = service.preset(root, "ADMIN").await;
    let role = service.make_role(root, &stage.name("role"), &["MANAGE_HOST"]).await;
    let mut calls = vec![
        Call::rest("/create-user", &json!([user(&stage.name("made"), &admin)])),
        update_user(&actor.id, &json!({ "email_address": "own@example.com" })),
        Call::rest(
            "/update-role",
            &json!({ "where": { "id": role }, "data": { "actions": ["MANAGE_HOST", "MANAGE_DISK"] } }),
        ),
    ];
    for data in [
        json!({ "role_id": admin }),
        json!({ "password": OTHER_PASSWORD }),
        json!({ "email_address": "another@example.com" }),
    ] {
        calls.push(update_user(&victim(stage, actor).await.0, &data));
    }
    for (path, tight, loose) in [
        ("/update-password-security", json!({ "password_expire_days": 300 }), json!({ "password_expire_days": 0 })),
        (
            "/update-access-restriction",
            json!({ "access_mode": "DENY", "access_list": ["192.0.2.0/24"] }),
            json!({ "access_mode": "NONE", "access_list": [] }),
        ),
        ("/update-session-timeout", json!({ "session_max_age": 1_000_000_000 }), json!({ "session_max_age": 0 })),
    ] {
        Call::rest(path, &tight).done(service, root).await;
        calls.push(Call::rest(path, &loose));
    }
    calls
}

/// The fields that the table names, as the walk over all changes asks them.
async fn graphql_calls(stage: &Stage, actor: &mut Actor) -> Vec<Call> {
    let ask = |field: &str, kind: &str, data: Value, answer: &str| {
        let query = format!("mutation($data: {kind}!) {{ {field}(data: $data) {answer} }}");
        Call::graphql(&query, &json!({ "data": data }))
    };
    let name = stage.name("made");
    let new = json!({ "username": name, "name": name, "password": PASSWORD, "role": "READ_ONLY" });
    let (victim, _) = victim(stage, actor).await;
    let confirm = "mutation($id: ID!) { confirmApiKey(where: { id: $id }) { id } }";
    let suspended = {
        let (id, _) = stage.service.mint(&actor.credential, "suspended").await;
        stage.end(actor, Ending::ResetFactors).await;
        actor.credential = stage.service.login(&actor.name, PASSWORD).await;
        actor.device = Some(stage.service.enroll(&actor.credential, PASSWORD).await);
        id
    };
    vec![
        ask("createApiKey", "ApiKeyCreateInput", json!({ "name": "made" }), "{ id }"),
        ask("createUser", "UserCreateInput", new, "{ id }"),
        ask("updateMfaPolicy", "MfaPolicyUpdateInput", json!({ "report_only": true }), "{ required }"),
        Call::graphql(confirm, &json!({ "id": suspended })),
        Call::graphql("mutation($id: ID!) { resetMfa(where: { user: { id: $id } }) { id } }", &json!({ "id": victim })),
    ]
}

async fn softlayer_calls(stage: &Stage, actor: &Actor) -> Vec<Call> {
    let (service, root, mut turns, mut calls) = (&stage.service, &stage.root, Turns(0), Vec::new());
    let permission = |name: &str| json!({ "keyName": name });
    for method in ["createObject", "createUser"] {
        let name = stage.name("made");
        let template = json!({ "username": name, "displayName": name });
        let call = match method {
            "createUser" => {
                Call::softlayer(turns.dialect(), "SoftLayer_Account::createUser", 0, &[template, json!(PASSWORD)])
            }
            _ => turns.user(method, 0, &[template, json!(PASSWORD)]),
        };
        calls.push(call);
    }
    for template in [json!({ "email": "mine@example.com" }), json!({ "email": "theirs@example.com" })] {
        let number = if template["email"] == "mine@example.com" { actor.number } else { victim(stage, actor).await.1 };
        calls.push(turns.user("editObject", number, &[template]));
    }
    let number = victim(stage, actor).await.1;
    calls.push(turns.user("editObjects", 0, &[json!([{ "id": number, "email": "listed@example.com" }])]));
    let number = victim(stage, actor).await.1;
    calls.push(turns.user("addApiAuthenticationKey", number, &[]));
    let number = victim(stage, actor).await.1;
    calls.push(turns.user("addPortalPermission", number, &[permission("ACCOUNT_SUMMARY_VIEW")]));
    calls.push(turns.user("addBulkPortalPermission", number, &[json!([permission("USER_MANAGE")])]));
    let parent = victim(stage, actor).await.1;
    calls.push(turns.user("assignNewParentId", number, &[json!(parent), json!(true)]));
    let questions = json!([{ "id": 1 }, { "id": 2 }, { "id": 3 }]);
    calls.push(turns.user("updateSecurityAnswers", 0, &[questions.clone(), json!(["red", "green", "blue"])]));
    // Somebody whose login asks for an answer, and comes from one network.
    let careful = stage.actor("READ_ONLY", Shown::Token, false).await;
    softlayer(Dialect::Rest, "updateSecurityAnswers", 0, &[questions, json!(["one", "two", "three"])])
        .done(service, &careful.credential)
        .await;
    let template = json!({ "secondaryLoginRequiredFlag": true, "ipAddressRestriction": "192.0.2.0/24" });
    softlayer(Dialect::Rest, "editObject", careful.number, &[template]).done(service, root).await;
    for template in [json!({ "secondaryLoginRequiredFlag": false }), json!({ "ipAddressRestriction": "192.0.0.0/8" })] {
        calls.push(turns.user("editObject", careful.number, &[template]));
    }
    let number = stage.classic_number(&actor.id).await;
    calls.push(turns.key("editObject", number, &[json!({ "ipAddressRestriction": "" })]));
    calls
}

#[tokio::test(flavor = "multi_thread")]
async fn what_widens_is_refused_with_a_stale_factor_and_goes_with_a_fresh_one() {
    let stage = Stage::new().await;
    let service = &stage.service;
    let mut actor = stage.actor("ROOT", Shown::Token, true).await;
    let mut calls = graphql_calls(&stage, &mut actor).await;
    stage.classic(&actor.credential, actor.number).await;
    let number = stage.classic_number(&actor.id).await;
    let restrict = |addresses: &str| {
        let template = json!({ "ipAddressRestriction": addresses });
        Call::softlayer(Dialect::Rest, &format!("{KEY}::editObject"), number, &[template])
    };
    restrict("127.0.0.0/8, 192.0.2.0/24").done(service, &actor.credential).await;
    calls.extend(rest_calls(&stage, &actor).await);
    calls.extend(softlayer_calls(&stage, &actor).await);
    service.clock.advance(STALE);
    let mut wrong = Vec::new();
    let before = Everything::of(service).await;
    for call in &calls {
        let answer = call.send(service, &actor.credential).await;
        if call.is_done(&answer) || call.refusal(&answer) != Some(Refusal::StepUp) {
            wrong.push(format!("stale: {}: {}", call.short(), short(&answer.text)));
        }
    }
    if wrong.is_empty() {
        let changed = before.against(&Everything::of(service).await);
        assert!(changed.is_empty(), "{changed:#?}");
    }
    prove(&stage, &actor).await;
    for call in &calls {
        let answer = call.send(service, &actor.credential).await;
        if !call.is_done(&answer) {
            wrong.push(format!("fresh: {}: {}", call.short(), short(&answer.text)));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), calls.len(), wrong.join("\n"));
}

/// Proves the app anew, with a code that was not used.
async fn prove(stage: &Stage, actor: &Actor) {
    let device: &Device = actor.device.as_ref().unwrap();
    let code = device.code(&stage.service, 0);
    let answer = stage.service.reauthenticate(&actor.credential, json!({ "code": code })).await;
    assert!(answer.json()["errors"].is_null(), "{answer:?}");
}

/// Every operation that the table lets step up does so, whatever it is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn every_operation_that_steps_up_is_refused_with_a_stale_factor() {
    let stage = Stage::new().await;
    let service = &stage.service;
    let actor = stage.actor("ROOT", Shown::Token, true).await;
    let mut calls = Vec::new();
    for change in changes().iter().filter(|change| steps_up(change.operation)) {
        let (_, call) = stage.attempt(change, Shown::Token, false).await;
        calls.push((change.name.clone(), call));
    }
    assert!(calls.len() > 20, "{calls:?}");
    service.clock.advance(STALE);
    let before = Everything::of(service).await;
    for (name, call) in &calls {
        let answer = call.send(service, &actor.credential).await;
        assert_eq!(call.refusal(&answer), Some(Refusal::StepUp), "{name}: {answer:?}");
    }
    let changed = before.against(&Everything::of(service).await);
    assert!(changed.is_empty(), "{changed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_of_a_classic_key_is_shown_with_a_fresh_factor_only_and_tightening_is_free() {
    let stage = Stage::new().await;
    let service = &stage.service;
    let actor = stage.actor("READ_ONLY", Shown::Token, true).await;
    let key = stage.classic(&actor.credential, actor.number).await;
    let number = stage.classic_number(&actor.id).await;
    let texts = async || {
        let mut shown = Vec::new();
        for dialect in [Dialect::Rest, Dialect::XmlRpc, Dialect::Soap] {
            let of_key = Call::softlayer(dialect, &format!("{KEY}::getObject"), number, &[]);
            let of_user = softlayer(dialect, "getApiAuthenticationKeys", actor.number, &[]);
            for call in [of_key, of_user] {
                let answer: Answer = call.done(service, &actor.credential).await;
                assert!(answer.text.contains(&number.to_string()), "{answer:?}");
                shown.push(answer.text.contains(&key));
            }
        }
        shown
    };
    assert_eq!(texts().await, [true; 6]);
    service.clock.advance(STALE);
    assert_eq!(texts().await, [false; 6]);
    let restrict = |addresses: &str| {
        let template = json!({ "ipAddressRestriction": addresses });
        Call::softlayer(Dialect::Rest, &format!("{KEY}::editObject"), number, &[template])
    };
    for tighter in ["127.0.0.0/8, 192.0.2.0/24", "127.0.0.1, 192.0.2.0/24", "127.0.0.1"] {
        let answer = restrict(tighter).done(service, &actor.credential).await;
        assert!(!answer.text.contains(&key), "{answer:?}");
    }
    for looser in ["127.0.0.1, 192.0.2.1", "192.0.2.1", "127.0.0.0/31", ""] {
        restrict(looser).refused(service, &actor.credential, Refusal::StepUp).await;
    }
    prove(&stage, &actor).await;
    assert_eq!(texts().await, [true; 6]);
    restrict("").done(service, &actor.credential).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_factor_ones_own_address_needs_a_password_that_was_proven_lately() {
    for face in ["REST", "SoftLayer"] {
        let stage = Stage::new().await;
        let service = &stage.service;
        let actor = stage.actor("USER_ADMIN", Shown::Token, false).await;
        let (old, new) = (format!("{}@example.com", actor.name), "new@example.com");
        let change = |address: &str| match face {
            "REST" => update_user(&actor.id, &json!({ "email_address": address })),
            _ => softlayer(Dialect::XmlRpc, "editObject", actor.number, &[json!({ "email": address })]),
        };
        outbox::deliver(&service.app).await.unwrap();
        while stage.post.take(&old).is_some() {}
        // The login is proof enough while it is young.
        change(new).done(service, &actor.credential).await;
        outbox::deliver(&service.app).await.unwrap();
        stage.post.letter_to(&old).await;
        stage.post.letter_to(new).await;
        service.clock.advance(STALE);
        let before = Everything::of(service).await;
        change("late@example.com").refused(service, &actor.credential, Refusal::StepUp).await;
        assert!(before.against(&Everything::of(service).await).is_empty(), "{face}");
        let wrong = service.reauthenticate(&actor.credential, json!({ "password": "not that one" })).await;
        assert_eq!(wrong.code(), "LOGIN_FAILED", "{wrong:?}");
        change("late@example.com").refused(service, &actor.credential, Refusal::StepUp).await;
        let proven = service.reauthenticate(&actor.credential, json!({ "password": PASSWORD })).await;
        let proven = proven.json()["data"]["reauthenticate"].clone();
        assert!(proven["valid_until"].is_string() && proven["mfa_meta"].is_null(), "{proven}");
        change("late@example.com").done(service, &actor.credential).await;
        outbox::deliver(&service.app).await.unwrap();
        stage.post.letter_to(new).await;
        stage.post.letter_to("late@example.com").await;
    }
}
