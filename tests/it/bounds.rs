//! How much one request may change, what guesses cost, and how far keys and ancestors reach.

use keytower::domain::audit::Log;
use serde_json::{Value, json};

use crate::support::call::{Call, DIALECTS, Face, Refusal};
use crate::support::changes::Shown;
use crate::support::people::{PASSWORD, user};
use crate::support::slow::Everything;
use crate::support::softlayer::Dialect;
use crate::support::stage::{Actor, OTHER_PASSWORD, Stage, softlayer};
use crate::support::tasks::report;
use crate::support::trail;
use crate::support::{Answer, Database};

const KEY: &str = "SoftLayer_User_Customer_ApiAuthentication";
/// One more than a request may change.
const MANY: usize = 101;

fn dialects() -> impl Iterator<Item = Dialect> {
    DIALECTS.into_iter().map(|face| match face {
        Face::SoftLayer(dialect) => dialect,
        _ => unreachable!(),
    })
}

/// Actions in the audit log of users, the oldest first.
async fn actions(stage: &Stage) -> Vec<String> {
    let rows = trail::rows(stage.service.database(), Log::User, 1).await;
    rows.iter().map(|row| row["action"].clone()).collect()
}

/// Asserts that calls are refused, and that no row but those of the logs changes.
async fn all_refused(stage: &Stage, credential: &str, calls: &[Call], refusal: Refusal) -> Vec<String> {
    let before = Everything::of(&stage.service).await;
    let mut texts = Vec::new();
    for call in calls {
        texts.push(call.refused(&stage.service, credential, refusal).await);
    }
    let changed = before.against(&Everything::of(&stage.service).await);
    assert!(changed.is_empty(), "{changed:#?}");
    texts
}

#[tokio::test(flavor = "multi_thread")]
async fn edit_objects_takes_a_hundred_users_and_each_once() {
    let stage = Stage::new().await;
    let actor = stage.actor("READ_ONLY", Shown::Token, false).await;
    let template = |id: i64| json!({ "id": id, "displayName": "renamed" });
    let lists: [Vec<Value>; 3] = [
        (0..MANY).map(|at| template(actor.number + i64::try_from(at).unwrap())).collect(),
        vec![template(actor.number); MANY],
        vec![template(actor.number); 2],
    ];
    for dialect in dialects() {
        for list in &lists {
            let before = actions(&stage).await.len();
            let call = softlayer(dialect, "editObjects", 0, &[json!(list)]);
            all_refused(&stage, &actor.credential, &[call], Refusal::Invalid).await;
            assert_eq!(actions(&stage).await.len(), before + 1, "{dialect:?}: one row of the log");
        }
    }
    softlayer(Dialect::XmlRpc, "editObjects", 0, &[json!([template(actor.number)])])
        .done(&stage.service, &actor.credential)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_changes_more_than_a_hundred_elements() {
    let stage = Stage::new().await;
    let (service, root) = (&stage.service, &stage.root);
    let role = service.preset(root, "READ_ONLY").await;
    let (_, id, number) = stage.person(root, "READ_ONLY").await;
    let list = |one: &dyn Fn(usize) -> Value| Value::Array((0..MANY).map(one).collect());
    let role_named = |at: usize| json!({ "name": format!("many {at}"), "actions": [] });
    let row = json!({ "user_id": id, "action": "restoreBackup", "resource_type": "Vm", "status": "SUCCESSED",
        "message": { "en-US": "restored", "zh-CN": "restored" } });
    let mut calls = vec![
        Call::rest("/create-user", &list(&|at| user(&format!("many-{at}"), &role))),
        Call::rest("/create-role", &list(&role_named)),
        Call::rest("/create-task", &list(&|_| report(&json!(id)))),
        Call::rest("/create-user-audit-log", &list(&|_| row.clone())),
    ];
    let permissions = list(&|_| json!({ "keyName": "ACCOUNT_SUMMARY_VIEW" }));
    let questions = list(&|at| json!({ "id": at }));
    let answers = list(&|at| json!(format!("answer {at}")));
    for dialect in dialects() {
        calls.push(softlayer(dialect, "addBulkPortalPermission", number, std::slice::from_ref(&permissions)));
        calls.push(softlayer(dialect, "removeBulkPortalPermission", number, &[permissions.clone(), json!(false)]));
        calls.push(softlayer(dialect, "updateSecurityAnswers", 0, &[questions.clone(), answers.clone()]));
    }
    let texts = all_refused(&stage, root, &calls, Refusal::Invalid).await;
    for (call, text) in calls.iter().zip(texts) {
        let named =
            text.contains("100") || call.body.contains("updateSecurityAnswers") || call.path.contains("Answers");
        assert!(named, "{}: {text}", call.path);
    }
    // What a `where` selects counts as well.
    for some in [0..MANY - 1, MANY - 1..MANY] {
        let users: Vec<Value> = some.clone().map(|at| user(&format!("many-{at}"), &role)).collect();
        service.done(root, "/create-user", json!(users)).await;
        let roles: Vec<Value> = some.clone().map(role_named).collect();
        service.done(root, "/create-role", json!(roles)).await;
        let tasks: Vec<Value> = some.map(|_| report(&json!(id))).collect();
        service.done(root, "/create-task", json!(tasks)).await;
    }
    let users = json!({ "username_starts_with": "many-" });
    let roles = json!({ "name_starts_with": "many " });
    let reset = "mutation($where: UserWhereInput!) { resetMfa(where: { user: $where }) { id } }";
    let calls = [
        Call::rest("/update-user", &json!({ "where": users, "data": { "name": "renamed" } })),
        Call::rest("/update-user", &json!({ "where": users, "data": { "password": OTHER_PASSWORD } })),
        Call::rest("/delete-user", &json!({ "where": users })),
        Call::rest("/update-role", &json!({ "where": roles, "data": { "actions": ["MANAGE_HOST"] } })),
        Call::rest("/delete-role", &json!({ "where": roles })),
        Call::rest("/update-task", &json!({ "where": {}, "data": { "progress": 0.5 } })),
        Call::graphql(reset, &json!({ "where": users })),
    ];
    for text in all_refused(&stage, root, &calls, Refusal::Invalid).await {
        assert!(text.contains("100"), "{text}");
    }
}

async fn guess(stage: &Stage, actor: &Actor, dialect: Dialect) -> Answer {
    softlayer(dialect, "isValidPortalPassword", actor.number, &[json!("not that one")])
        .send(&stage.service, &actor.credential)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_guesses_are_counted_by_user_and_each_leaves_a_row() {
    let stage = Stage::new().await;
    let service = &stage.service;
    let actor = stage.actor("USER_ADMIN", Shown::Token, false).await;
    let rename = |name: &str| softlayer(Dialect::Rest, "editObject", actor.number, &[json!({ "username": name })]);
    let mut judged = 0;
    loop {
        let before = actions(&stage).await.len();
        let answer = guess(&stage, &actor, Dialect::Rest).await;
        if answer.status != 200 {
            assert_eq!(answer.status, 429, "{answer:?}");
            break;
        }
        assert_eq!(answer.json(), json!(false));
        let after = actions(&stage).await;
        assert_eq!(after.len(), before + 1, "{after:?}");
        judged += 1;
        assert!(judged <= 20, "{judged} wrong guesses were judged");
        rename(&stage.name("renamed")).done(service, &actor.credential).await;
    }
    rename(&stage.name("renamed")).done(service, &actor.credential).await;
    assert_eq!(guess(&stage, &actor, Dialect::Rest).await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_name_is_changed_by_those_who_manage_users_only() {
    let stage = Stage::new().await;
    let plain = stage.actor("READ_ONLY", Shown::Token, false).await;
    let own: Vec<Call> = dialects()
        .map(|dialect| softlayer(dialect, "editObject", plain.number, &[json!({ "username": "freed" })]))
        .collect();
    all_refused(&stage, &plain.credential, &own, Refusal::Forbidden).await;
    softlayer(Dialect::Rest, "editObject", plain.number, &[json!({ "displayName": "Free" })])
        .done(&stage.service, &plain.credential)
        .await;
}

fn new_user(stage: &Stage, dialect: Dialect) -> Call {
    let name = stage.name("made");
    softlayer(dialect, "createObject", 0, &[json!({ "username": name, "displayName": name }), json!(PASSWORD)])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_classic_key_makes_users_within_its_owners_rights_unless_the_setting_says_no() {
    let stage = Stage::new().await;
    let owner = stage.actor("USER_ADMIN", Shown::Classic, false).await;
    let give = |number: i64, name: &str| {
        softlayer(Dialect::XmlRpc, "addPortalPermission", number, &[json!({ "keyName": name })])
    };
    let (_, id, number) = stage.person(&stage.root, "READ_ONLY").await;
    stage.adopt(&id, &owner.id).await;
    for dialect in dialects() {
        new_user(&stage, dialect).done(&stage.service, &owner.credential).await;
    }
    give(number, "USER_MANAGE").done(&stage.service, &owner.credential).await;
    // Somebody else's user, and a user who holds more.
    let (_, _, foreign) = stage.person(&stage.root, "READ_ONLY").await;
    assert!(!give(foreign, "USER_MANAGE").send(&stage.service, &owner.credential).await.text.contains("true"));
    let (_, above, mightier) = stage.person(&stage.root, "ROOT").await;
    stage.adopt(&above, &owner.id).await;
    all_refused(&stage, &owner.credential, &[give(mightier, "USER_MANAGE")], Refusal::Forbidden).await;

    let settings = [("softlayer_keys_manage_users", "false")];
    let stage = Stage::beside(std::sync::Arc::new(Database::new().await), &settings).await;
    let owner = stage.actor("USER_ADMIN", Shown::Classic, false).await;
    let (_, id, number) = stage.person(&stage.root, "READ_ONLY").await;
    stage.adopt(&id, &owner.id).await;
    let mut calls: Vec<Call> = dialects().map(|dialect| new_user(&stage, dialect)).collect();
    calls.push(give(number, "USER_MANAGE"));
    calls.extend(dialects().map(|it| softlayer(it, "addApiAuthenticationKey", number, &[])));
    all_refused(&stage, &owner.credential, &calls, Refusal::Forbidden).await;
    let made = softlayer(Dialect::Rest, "addApiAuthenticationKey", number, &[]);
    made.done(&stage.service, &owner.other).await;
    let key = stage.service.database().number("SELECT MAX(number) FROM api_keys WHERE classic_of IS NOT NULL").await;
    let removals: Vec<Call> =
        dialects().map(|it| softlayer(it, "removeApiAuthenticationKey", 0, &[json!(key)])).collect();
    all_refused(&stage, &owner.credential, &removals, Refusal::Forbidden).await;
    new_user(&stage, Dialect::Rest).done(&stage.service, &owner.other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_changes_its_own_owner() {
    let stage = Stage::new().await;
    for shown in [Shown::Key, Shown::Classic] {
        let owner = stage.actor("ROOT", shown, false).await;
        let mut calls = Vec::new();
        for data in [
            json!({ "name": "renamed" }),
            json!({ "username": "renamed" }),
            json!({ "email_address": "thief@example.com" }),
            json!({ "password": OTHER_PASSWORD }),
        ] {
            calls.push(Call::rest("/update-user", &json!({ "where": { "id": owner.id }, "data": data })));
        }
        for template in [
            json!({ "displayName": "renamed" }),
            json!({ "username": "renamed" }),
            json!({ "email": "thief@example.com" }),
            json!({ "ipAddressRestriction": "127.0.0.1" }),
            json!({ "secondaryLoginRequiredFlag": true }),
        ] {
            calls.extend(
                dialects().map(|it| softlayer(it, "editObject", owner.number, std::slice::from_ref(&template))),
            );
        }
        calls.push(softlayer(Dialect::XmlRpc, "selfPasswordChange", 0, &[json!(PASSWORD), json!(OTHER_PASSWORD)]));
        let questions = json!([{ "id": 1 }, { "id": 2 }, { "id": 3 }]);
        calls.push(softlayer(Dialect::Rest, "updateSecurityAnswers", 0, &[questions, json!(["a", "b", "c"])]));
        let change = "mutation($data: PasswordChangeInput!) { changePassword(data: $data) { sessions_ended } }";
        let data = json!({ "old_password": PASSWORD, "new_password": OTHER_PASSWORD });
        calls.push(Call::graphql(change, &json!({ "data": data })));
        let enroll = "mutation($data: PasswordInput!) { enrollTotp(data: $data) { secret } }";
        calls.push(Call::graphql(enroll, &json!({ "data": { "password": PASSWORD } })));
        all_refused(&stage, &owner.credential, &calls, Refusal::Forbidden).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ancestor_tightens_and_removes_the_key_of_a_mightier_descendant_and_does_not_loosen_it() {
    let stage = Stage::new().await;
    let service = &stage.service;
    let ancestor = stage.actor("READ_ONLY", Shown::Token, false).await;
    let middle = stage.actor("READ_ONLY", Shown::Token, false).await;
    let deep = stage.actor("ROOT", Shown::Classic, false).await;
    stage.adopt(&middle.id, &ancestor.id).await;
    stage.adopt(&deep.id, &middle.id).await;
    let number = stage.classic_number(&deep.id).await;
    let restrict = |addresses: &str| {
        let template = json!({ "ipAddressRestriction": addresses });
        Call::softlayer(Dialect::Rest, &format!("{KEY}::editObject"), number, &[template])
    };
    restrict("192.0.2.0/24, 198.51.100.7").done(service, &deep.other).await;
    for user in [&ancestor, &middle] {
        let keys = softlayer(Dialect::Rest, "getApiAuthenticationKeys", deep.number, &[]);
        let keys = keys.done(service, &user.credential).await;
        assert!(keys.text.contains(&number.to_string()) && !keys.text.contains(&deep.credential), "{keys:?}");
        let looser = ["", "192.0.0.0/16", "192.0.2.0/24, 198.51.100.0/24", "127.0.0.1"].map(restrict);
        all_refused(&stage, &user.credential, &looser, Refusal::Forbidden).await;
    }
    restrict("192.0.2.0/24").done(service, &ancestor.credential).await;
    restrict("192.0.2.0/25").done(service, &middle.credential).await;
    softlayer(Dialect::XmlRpc, "removeApiAuthenticationKey", 0, &[json!(number)])
        .done(service, &ancestor.credential)
        .await;
    assert_eq!(service.try_credential(&deep.credential).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_set_and_one_that_is_refused_have_one_name_in_the_log() {
    let stage = Stage::new().await;
    let plain = stage.actor("READ_ONLY", Shown::Token, false).await;
    let (_, id, _) = stage.person(&stage.root, "READ_ONLY").await;
    let set = Call::rest("/update-user", &json!({ "where": { "id": id }, "data": { "password": OTHER_PASSWORD } }));
    let told = async |from: usize| actions(&stage).await.split_off(from);
    let from = actions(&stage).await.len();
    set.refused(&stage.service, &plain.credential, Refusal::Forbidden).await;
    let refused = told(from).await;
    set.done(&stage.service, &stage.root).await;
    let done = told(from + refused.len()).await;
    assert_eq!((refused.len(), done.len()), (1, 1), "{refused:?} {done:?}");
    assert_eq!(refused, done);
}
