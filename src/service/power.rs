//! Switching VMs on and off. A VM is held from the request to the end of its task; then its record changes, and nothing but the
//! record: keytower alone reaches no machine.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::api_keys::Wanted;
use super::lists::by_ids;
use super::people::check_matched;
use crate::app::App;
use crate::domain::audit::{Author, Entry};
use crate::domain::clock::Timestamp;
use crate::domain::entity::{Entity, HOST, VM};
use crate::domain::filter::Query;
use crate::domain::id::TaskId;
use crate::domain::operation::Operation;
use crate::domain::permission::Action;
use crate::domain::permit::{Denial, Permit};
use crate::domain::power::{Place, Power, Standing, Switched};
use crate::domain::task::{DueTask, FAILED, NewTask, Own, SUCCESSED, TaskChange};
use crate::domain::text::{Text, text};
use crate::error::{Error, Kind, Result};
use crate::store::{Budget, Node, Projection, Scope, Tx};

/// What a task shows of what it was about.
const SNAPSHOT: &str = r#"{"typename":"Vm"}"#;
/// What the contract calls a VM where something is locked (section 1.7).
const LOCKED: &str = "VM";

/// Begins an operation on all VMs that a `where` matches, or on none. Answers each as it is now, with its task. `host` says where to
/// start.
///
/// # Errors
/// `NotFound` when none matches, `Locked` when another change holds one, `Invalid` when one can't go from where it stands or can't
/// be placed, `Unavailable` when the database is away.
pub async fn operate(
    app: &App,
    permit: &Permit,
    power: Power,
    conditions: Map<String, Value>,
    host: Option<String>,
) -> Result<Vec<(TaskId, Arc<Node>)>> {
    let permit = permit.require(Operation::Power(power))?;
    let author = Author::from(permit.actor().ok_or(Denial::NoCredential)?);
    let query = Query::matching(&VM, conditions).map_err(Error::invalid)?;
    let tx = app.begin(&permit).await?;
    expect_all_vms(&tx).await?;
    // What is read from here on stays so: of two requests for one VM, the second finds it held.
    tx.alone_with(VM.table).await?;
    let mut vms = tx.list(&query, &Scope::All, &Projection::full(&VM), &Budget::unlimited()).await?;
    check_matched(&vms, permit.operation().spec().most)?;
    check(power, &vms)?;
    let mut places = match power {
        Power::Start => Some(Places::find(&tx, &vms, host).await?),
        _ => None,
    };
    let now = app.now();
    let mut tasks = Vec::new();
    for vm in &vms {
        let id = TaskId::generate(now, app.random.as_ref())?;
        let place = match &mut places {
            Some(places) => places.choose(vm)?,
            None => None,
        };
        let description = power.describe(name(vm));
        let [en, zh] = description.versions();
        let entry = Entry::done(text!("{en}: task {id}", "{zh}：任务 {id}")).of(VM.name, vm.id());
        let cluster = vm.one("cluster").map(|cluster| cluster.id().to_owned());
        tx.note(Entry { cluster: cluster.clone(), ..entry });
        let state = TaskChange {
            args: place.map(|host| Map::from_iter([("host_id".to_owned(), json!(host))])),
            cluster,
            description: Some(description),
            resource_id: Some(vm.id().to_owned()),
            resource_mutation: Some(power.mutation().to_owned()),
            resource_type: Some(VM.name.to_owned()),
            snapshot: Some(SNAPSHOT.to_owned()),
            ..TaskChange::default()
        };
        let own = Some(Own { due_at: now + app.settings.power_time, author: author.clone() });
        tx.insert_task(NewTask { id: id.clone(), internal: false, own, state }, now).await?;
        tasks.push(id);
    }
    tx.hold_vms(&vms.iter().map(|vm| vm.id().to_owned()).collect::<Vec<_>>()).await?;
    tx.commit().await?;
    tracing::info!(operation = power.mutation(), vms = vms.len(), by = author.username, "power operation begun");
    for vm in vms.iter_mut().filter_map(Arc::get_mut) {
        vm.reveal("entityAsyncStatus", json!("UPDATING"));
    }
    Ok(tasks.into_iter().zip(vms).collect())
}

/// Refuses a caller whose roles reach only their own VMs: nothing in the inventory says whose a VM is, so that none matches.
async fn expect_all_vms(tx: &Tx) -> Result<()> {
    let actor = tx.permit().principal()?;
    if actor.is_operator() {
        return Ok(());
    }
    let users = tx.users(std::slice::from_ref(&actor.user)).await?;
    let reaches_all = users
        .iter()
        .flat_map(|user| &user.roles)
        .any(|role| !role.self_service && role.actions.allows(Action::VM_OPERATION_VM_POWER));
    if reaches_all { Ok(()) } else { Err(no_vm()) }
}

fn no_vm() -> Error {
    Error::new(Kind::NotFound, text!("no Vm matches", "没有匹配的 Vm"))
}

/// Ends tasks whose time has come: each VM's record, its task and the log, or why it failed.
pub(super) async fn end(tx: &Tx, due: Vec<DueTask>, now: Timestamp) -> Result<()> {
    let vms = known(tx, &VM, due.iter().map(|task| task.vm.clone())).await?;
    let hosts = known(tx, &HOST, due.iter().filter_map(|task| task.host.clone())).await?;
    for task in due {
        let vm = vms.get(&task.vm);
        let description = task.power.describe(vm.map_or(task.vm.as_str(), |vm| name(vm)));
        let [en, zh] = description.versions();
        let ended = TaskChange { finished_at: Some(now), ..TaskChange::default() };
        let (ended, entry) = match judge(&task, vm, &hosts, now) {
            Ok(switched) => {
                tx.switch_vm(&switched).await?;
                let ended = TaskChange { status: Some(SUCCESSED.to_owned()), ..ended };
                (ended, Entry::done(text!("{en}: done", "{zh}：完成")))
            }
            Err(Failure { code, why }) => {
                tx.release_vm(&task.vm).await?;
                let [why_en, why_zh] = why.versions();
                let entry = Entry::failed(text!("{en}: {why_en}", "{zh}：{why_zh}"));
                let (code, status) = (Some(code.to_owned()), Some(FAILED.to_owned()));
                (TaskChange { status, error_code: code, error_message: Some(why), ..ended }, entry)
            }
        };
        tx.update_task(&task.id, ended.completed(false)).await?;
        let entry = Entry {
            action: Some(task.power.mutation().to_owned()),
            cluster: task.cluster,
            times: Some((task.started_at, Some(now))),
            ..entry
        };
        tx.note(entry.of(VM.name, &task.vm).by(task.author));
    }
    Ok(())
}

/// Why a task failed: for programs, and for people.
struct Failure {
    code: &'static str,
    why: Text,
}

/// What a task makes of its VM, if that is still possible: its record may have been imported anew since.
fn judge(
    task: &DueTask,
    vm: Option<&Arc<Node>>,
    hosts: &HashMap<String, Arc<Node>>,
    now: Timestamp,
) -> std::result::Result<Switched, Failure> {
    let failure = |code, why| Failure { code, why };
    let id = &task.vm;
    let gone = || text!("there is no VM {id} any more", "虚拟机 {id} 已不存在");
    let vm = vm.ok_or_else(|| failure("VM_NOT_FOUND", gone()))?;
    task.power.check(standing(vm)).map_err(|why| failure("VM_STATE_CHANGED", why))?;
    let of = |relation| vm.one(relation).map(|row| row.id().to_owned());
    let host = of("host");
    let mut moved_to = None;
    if let Some(id) = &task.host {
        let gone = || text!("there is no host {id} any more", "主机 {id} 已不存在");
        let found = hosts.get(id).ok_or_else(|| failure("HOST_UNAVAILABLE", gone()))?;
        takes(found, vm).map_err(|why| failure("HOST_UNAVAILABLE", why))?;
        let ip = found.value("management_ip").as_str().unwrap_or_default().to_owned();
        moved_to = Some(Place { host: id.clone(), ip }).filter(|place| Some(&place.host) != host.as_ref());
    }
    let to = task.power.to();
    Ok(Switched {
        vm: task.vm.clone(),
        cluster: of("cluster"),
        host,
        moved_to,
        from: standing(vm).status.to_owned(),
        to,
        stopped_at: (to == "STOPPED").then_some(now),
    })
}

/// Refuses an operation that not all of these VMs can take.
fn check(power: Power, vms: &[Arc<Node>]) -> Result<()> {
    if vms.is_empty() {
        return Err(no_vm());
    }
    let held = vms.iter().filter(|vm| !vm.value("entityAsyncStatus").is_null());
    let held: Vec<_> = held.map(|vm| (LOCKED, vm.id().to_owned())).collect();
    if !held.is_empty() {
        return Err(Error::locked(held));
    }
    vms.iter().try_for_each(|vm| power.check(standing(vm)).map_err(Error::invalid))
}

fn standing(vm: &Node) -> Standing<'_> {
    Standing {
        name: name(vm),
        id: vm.id(),
        status: vm.value("status").as_str().unwrap_or_default(),
        in_recycle_bin: vm.value("in_recycle_bin") == true,
    }
}

fn name(row: &Node) -> &str {
    row.value("name").as_str().unwrap_or_default()
}

async fn known(
    tx: &Tx,
    entity: &'static Entity,
    ids: impl Iterator<Item = String>,
) -> Result<HashMap<String, Arc<Node>>> {
    let ids: Vec<String> = ids.collect();
    let wanted = Wanted { projection: &projection(entity), budget: &Budget::unlimited() };
    let rows = by_ids(tx, entity, &ids, wanted).await?;
    Ok(rows.into_iter().map(|row| (row.id().to_owned(), row)).collect())
}

/// What is looked at of a VM or a host.
fn projection(entity: &'static Entity) -> Projection {
    const FIELDS: [&str; 6] = ["name", "status", "in_recycle_bin", "management_ip", "state", "host_state"];
    let mut wanted = Projection::default();
    FIELDS.iter().filter_map(|name| entity.field(name)).for_each(|field| wanted.want(field));
    for field in ["cluster", "host"].iter().filter_map(|name| entity.field(name)) {
        if let Some(relation) = field.relation() {
            wanted.relate(field.name, relation, Projection::default());
        }
    }
    wanted
}

/// Refuses a host on which a VM can't start.
fn takes(host: &Node, vm: &Node) -> std::result::Result<(), Text> {
    let (host_name, host_id, vm_name, vm_id) = (name(host), host.id(), name(vm), vm.id());
    let cluster = |row: &Node| row.one("cluster").map(|cluster| cluster.id().to_owned());
    if cluster(host).is_none() || cluster(host) != cluster(vm) {
        return Err(text!(
            "host {host_name} ({host_id}) is not in the cluster of VM {vm_name} ({vm_id})",
            "主机 {host_name}（{host_id}）不在虚拟机 {vm_name}（{vm_id}）所属的集群中"
        ));
    }
    let is = |field: &str| host.value(field).as_str().unwrap_or_default();
    let maintenance = host.value("host_state").get("state").and_then(Value::as_str).unwrap_or("IN_USE");
    let connected = ["CONNECTED_HEALTHY", "CONNECTED_WARNING"].contains(&is("status"));
    if connected && is("state") != "REMOVING" && maintenance == "IN_USE" {
        return Ok(());
    }
    let stands = [is("status"), is("state"), maintenance].join(", ");
    Err(text!(
        "host {host_name} ({host_id}) takes no VMs: it is {stands}; allowed are CONNECTED_HEALTHY and CONNECTED_WARNING, in use",
        "主机 {host_name}（{host_id}）不接受虚拟机：其状态为 {stands}；只允许 CONNECTED_HEALTHY 或 CONNECTED_WARNING，且正在使用"
    ))
}

/// The hosts that VMs may start on.
struct Places {
    /// The one that was asked for, or all of the VMs' clusters.
    hosts: Vec<Arc<Node>>,
    asked: bool,
    /// How many VMs run on each, those included that were placed here.
    running: HashMap<String, i64>,
}

impl Places {
    async fn find(tx: &Tx, vms: &[Arc<Node>], host: Option<String>) -> Result<Self> {
        if let Some(id) = host {
            let hosts: Vec<_> = known(tx, &HOST, [id.clone()].into_iter()).await?.into_values().collect();
            if hosts.is_empty() {
                return Err(Error::invalid(text!(
                    "data.host_id {id:?} is no host's",
                    "data.host_id {id:?} 不是任何主机的 id"
                )));
            }
            return Ok(Self { hosts, asked: true, running: HashMap::new() });
        }
        let clusters: std::collections::BTreeSet<&str> =
            vms.iter().filter_map(|vm| vm.one("cluster")).map(|cluster| cluster.id()).collect();
        let conditions = Map::from_iter([("cluster".to_owned(), json!({ "id_in": clusters }))]);
        let query = Query::matching(&HOST, conditions).map_err(Error::invalid)?;
        let hosts = tx.list(&query, &Scope::All, &projection(&HOST), &Budget::unlimited()).await?;
        let running = tx.running_on(&hosts.iter().map(|host| host.id().to_owned()).collect::<Vec<_>>()).await?;
        Ok(Self { hosts, asked: false, running })
    }

    /// The host that was asked for; else the one that the VM is on, if that takes it; else the one of its cluster that runs the fewest
    /// VMs, and of these the first by id. None where no host of the cluster is known at all.
    fn choose(&mut self, vm: &Node) -> Result<Option<String>> {
        if self.asked {
            let host = self.hosts.first();
            host.map_or(Ok(()), |host| takes(host, vm)).map_err(Error::invalid)?;
            return Ok(host.map(|host| host.id().to_owned()));
        }
        let cluster = |row: &Node| row.one("cluster").map(|cluster| cluster.id().to_owned());
        let mine = cluster(vm);
        let near: Vec<&Arc<Node>> = self.hosts.iter().filter(|host| cluster(host) == mine).collect();
        if near.is_empty() {
            return Ok(None);
        }
        let own = vm.one("host").map(|host| host.id());
        let open = near.into_iter().filter(|host| takes(host, vm).is_ok());
        let running = |host: &str| self.running.get(host).copied().unwrap_or_default();
        let best =
            open.map(|host| host.id()).min_by_key(|host| (Some(*host) != own, running(host), (*host).to_owned()));
        let (name, id) = (name(vm), vm.id());
        let best = best.map(str::to_owned).ok_or_else(|| {
            Error::invalid(text!(
                "no host of the cluster of VM {name} ({id}) takes VMs now",
                "虚拟机 {name}（{id}）所属集群中目前没有可用的主机"
            ))
        })?;
        *self.running.entry(best.clone()).or_default() += 1;
        Ok(Some(best))
    }
}
