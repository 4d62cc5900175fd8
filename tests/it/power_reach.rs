//! Tests which VMs a power operation reaches, and the maximum number of VMs.

use keytower::domain::caller::Caller;
use keytower::service::inventory;
use serde_json::json;

use crate::power::furnished;
use crate::support::{Service, pass};

/// Creates copies of a VM; `where: {name_starts_with: "copy-"}` matches exactly these.
async fn copies(service: &Service, name: &str, number: usize) {
    let mut file = serde_json::from_str::<serde_json::Value>(include_str!("../../examples/inventory.json")).unwrap();
    let vms = file["vms"].as_array().unwrap();
    let vm = vms.iter().find(|vm| vm["name"] == name).unwrap().clone();
    let copies = (0..number).map(|at| {
        let mut copy = vm.clone();
        (copy["id"], copy["name"], copy["local_id"]) =
            (json!(format!("copy-{at:05}")), json!(format!("copy-{at}")), json!(format!("local-{at}")));
        copy
    });
    let copies: Vec<_> = copies.collect();
    file["vms"].as_array_mut().unwrap().extend(copies);
    inventory::import(&service.app, &pass(&Caller::operator()), &file.to_string(), |_| {}).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn self_service_reaches_no_vm_because_no_record_says_whose_it_is() {
    let (service, root) = furnished().await;
    let (_, vm_user) = service.user("VM_USER").await;
    let (_, vm_user_key) = service.mint(&vm_user, "own").await;
    let before = (service.rows("vms").await, service.rows("tasks").await);
    for credential in [&vm_user, &vm_user_key] {
        for conditions in [json!({ "name": "db-01" }), json!({}), json!({ "name": "nobody" })] {
            let body = json!({ "where": conditions });
            service.refused(credential, "/shutdown-vm", body, 403, "what belongs to you").await;
        }
    }
    assert_eq!((service.rows("vms").await, service.rows("tasks").await), before);
    // A custom role with the same action reaches all VMs.
    let night_shift = service.make_role(&root, "night shift", &["VM_OPERATION_VM_POWER"]).await;
    let (id, operator) = service.make_user(&root, "operator", &night_shift).await;
    let (_, key) = service.mint(&operator, "night").await;
    service.power(&key, "/shutdown-vm", json!({ "name": "db-01" })).await;
    service.power(&operator, "/shutdown-vm", json!({ "name": "db-02" })).await;
    // The owner has both roles; a key with only the self-service role reaches no VM.
    let vm_role = service.preset(&root, "VM_USER").await;
    service
        .database()
        .execute(&format!("INSERT INTO user_roles (user_id, role_id) VALUES ('{id}', '{vm_role}')"))
        .await;
    let (narrow, narrow_key) = service.mint(&operator, "narrow").await;
    service
        .database()
        .execute(&format!("DELETE FROM api_key_roles WHERE api_key_id = '{narrow}' AND role_id <> '{vm_role}'"))
        .await;
    let web = json!({ "where": { "name": "web-01" } });
    service.refused(&narrow_key, "/shutdown-vm", web.clone(), 403, "what belongs to you").await;
    // A key reaches no more than its owner reaches now.
    service
        .database()
        .execute(&format!("DELETE FROM user_roles WHERE user_id = '{id}' AND role_id <> '{vm_role}'"))
        .await;
    for credential in [&operator, &key] {
        service.refused(credential, "/shutdown-vm", web.clone(), 403, "what belongs to you").await;
    }
    let (_, admin) = service.user("ADMIN").await;
    service.power(&admin, "/shutdown-vm", json!({ "name": "web-01" })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reaches_only_what_is_theirs_hands_out_no_right_to_reach_everything() {
    let (service, root) = furnished().await;
    let managers = service.make_role(&root, "managers", &["MANAGE_USER_AND_ROLE"]).await;
    let (id, manager) = service.make_user(&root, "manager", &managers).await;
    let vm_role = service.preset(&root, "VM_USER").await;
    service
        .database()
        .execute(&format!("INSERT INTO user_roles (user_id, role_id) VALUES ('{id}', '{vm_role}')"))
        .await;
    let role = json!([{ "name": "all VMs", "actions": ["VM_OPERATION_VM_POWER"] }]);
    service.refused(&manager, "/create-role", role, 403, "beyond your own rights").await;
    service.make_user(&manager, "vm user", &vm_role).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_a_thousand_vms_are_switched_at_once() {
    let (service, root) = furnished().await;
    copies(&service, "db-01", 1_001).await;
    let all = json!({ "name_starts_with": "copy-" });
    let before = service.rows("tasks").await;
    service.refused(&root, "/shutdown-vm", json!({ "where": all }), 400, "where matches more than 1000").await;
    assert_eq!(service.rows("tasks").await, before);
    let statements = service.app.store.statements();
    let (tasks, vms) = service.power(&root, "/shutdown-vm", json!({ "AND": [all, { "id_not": "copy-00000" }] })).await;
    assert_eq!((tasks.len(), vms.len()), (1_000, 1_000));
    assert!(vms.iter().all(|vm| vm["entityAsyncStatus"] == "UPDATING"));
    // Rows are written in batches: far fewer statements than VMs.
    let statements = service.app.store.statements() - statements;
    assert!(statements < 200, "{statements}");
}
