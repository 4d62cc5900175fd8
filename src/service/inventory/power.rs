//! Switches VMs on and off. A VM is locked from the request to the end of its task. At the end, only the record of the VM changes: keytower
//! itself does not control any machine.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::app::App;
use crate::domain::audit::{Author, Entry};
use crate::domain::clock::Timestamp;
use crate::domain::entity::VM;
use crate::domain::filter::Query;
use crate::domain::id::TaskId;
use crate::domain::operation::Operation;
use crate::domain::permit::{Denial, Permit};
use crate::domain::power::{Host, Place, Power, Switched, Vm};
use crate::domain::task::{DueTask, FAILED, NewTask, Own, SUCCESSED, TaskChange};
use crate::domain::text::{Text, text};
use crate::error::{Error, Result};
use crate::service::access::Wanted;
use crate::service::inventory::lists::by_ids;
use crate::service::people::change::matched;
use crate::store::{Budget, Node, Projection, Tx};

/// Value of the field `snapshot` of a power task: the type of the task's resource, as JSON.
const SNAPSHOT: &str = r#"{"typename":"Vm"}"#;
/// Name of the type VM in the error `Locked` (contract section 1.7).
const LOCKED: &str = "VM";

/// Begins a power operation on all VMs that `conditions` match, or on none. Returns each VM, which is locked by now, with the id of its
/// task. `host` is the id of the host to start the VMs on.
///
/// # Errors
/// - `NotFound` if no VM matches.
/// - `Locked` if another change has locked one of the VMs.
/// - `Invalid` if more than 1,000 VMs match, the operation is not possible in the state of a VM, or a VM can't be placed on a host.
/// - `Unavailable` if the database is unreachable.
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
    // From here on, no other change can touch the VMs: of two requests for one VM, the second request finds the VM locked.
    tx.alone_with(VM.table).await?;
    let ids = matched(&tx, &query).await?;
    let vms = tx.vms(&ids).await?;
    check(power, &vms)?;
    let mut places = match power {
        Power::Start => Some(Places::find(&tx, &vms, host).await?),
        _ => None,
    };
    let now = app.now();
    let (mut tasks, mut answer) = (Vec::new(), Vec::new());
    for vm in &vms {
        let id = TaskId::generate(now, app.random.as_ref())?;
        let place = match &mut places {
            Some(places) => places.choose(vm)?,
            None => None,
        };
        let description = power.describe(&vm.name);
        let [en, zh] = description.versions();
        let entry = Entry::done(text!("{en}: task {id}", "{zh}：任务 {id}")).of(VM.name, &vm.id);
        tx.note(Entry { cluster: vm.cluster.clone(), ..entry });
        let state = TaskChange {
            args: place.map(|host| Map::from_iter([("host_id".to_owned(), json!(host))])),
            cluster: vm.cluster.clone(),
            description: Some(description),
            resource_id: Some(vm.id.clone()),
            resource_mutation: Some(power.mutation().to_owned()),
            resource_type: Some(VM.name.to_owned()),
            snapshot: Some(SNAPSHOT.to_owned()),
            ..TaskChange::default()
        };
        let own = Some(Own { due_at: now + app.settings.power_time, author: author.clone() });
        answer.push((id.clone(), vm.id.clone()));
        tasks.push(NewTask { id, internal: false, own, state });
    }
    tx.insert_tasks(tasks, now).await?;
    tx.hold_vms(&ids).await?;
    let wanted = Wanted { projection: &Projection::full(&VM), budget: &Budget::unlimited() };
    let rows = by_ids(&tx, &VM, &ids, wanted).await?;
    tx.commit().await?;
    tracing::info!(operation = power.mutation(), vms = vms.len(), by = author.username, "power operation begun");
    let mut rows: HashMap<String, Arc<Node>> = rows.into_iter().map(|row| (row.id().to_owned(), row)).collect();
    let lost = || Error::internal("a VM that is held was not read");
    answer.into_iter().map(|(task, vm)| Ok((task, rows.remove(&vm).ok_or_else(lost)?))).collect()
}

/// Ends the tasks that are due: updates the VM of each task, the task and the audit log. A task whose operation is no longer possible
/// fails.
pub(in crate::service) async fn end(tx: &Tx, due: Vec<DueTask>, now: Timestamp) -> Result<()> {
    let vms = tx.vms(&due.iter().map(|task| task.vm.clone()).collect::<Vec<_>>()).await?;
    let vms: HashMap<String, Vm> = vms.into_iter().map(|vm| (vm.id.clone(), vm)).collect();
    let hosts = tx.hosts(&due.iter().filter_map(|task| task.host.clone()).collect::<Vec<_>>()).await?;
    let hosts: HashMap<String, Host> = hosts.into_iter().map(|host| (host.id.clone(), host)).collect();
    for task in due {
        let vm = vms.get(&task.vm);
        let description = task.power.describe(vm.map_or(task.vm.as_str(), |vm| vm.name.as_str()));
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

/// Why a task failed: a code for programs and a text for people.
struct Failure {
    code: &'static str,
    why: Text,
}

/// Returns the change that a task makes to its VM, or the reason why the task fails. An import may have changed the VM since the task
/// began.
fn judge(
    task: &DueTask,
    vm: Option<&Vm>,
    hosts: &HashMap<String, Host>,
    now: Timestamp,
) -> std::result::Result<Switched, Failure> {
    let failure = |code, why| Failure { code, why };
    let id = &task.vm;
    let gone = || text!("there is no VM {id} any more", "虚拟机 {id} 已不存在");
    let vm = vm.ok_or_else(|| failure("VM_NOT_FOUND", gone()))?;
    task.power.check(vm).map_err(|why| failure("VM_STATE_CHANGED", why))?;
    let mut moved_to = None;
    if let Some(id) = &task.host {
        let gone = || text!("there is no host {id} any more", "主机 {id} 已不存在");
        let found = hosts.get(id).ok_or_else(|| failure("HOST_UNAVAILABLE", gone()))?;
        found.takes(vm).map_err(|why| failure("HOST_UNAVAILABLE", why))?;
        let place = Place { host: id.clone(), ip: found.management_ip.clone() };
        moved_to = Some(place).filter(|place| Some(&place.host) != vm.host.as_ref());
    }
    let to = task.power.to();
    Ok(Switched {
        vm: task.vm.clone(),
        cluster: vm.cluster.clone(),
        host: vm.host.clone(),
        moved_to,
        from: vm.status.clone(),
        to,
        stopped_at: (to == "STOPPED").then_some(now),
    })
}

/// Rejects a power operation if one of the VMs is locked, or the operation is not possible in the state of one of the VMs.
fn check(power: Power, vms: &[Vm]) -> Result<()> {
    let held: Vec<_> = vms.iter().filter(|vm| vm.is_held).map(|vm| (LOCKED, vm.id.clone())).collect();
    if !held.is_empty() {
        return Err(Error::locked(held));
    }
    vms.iter().try_for_each(|vm| power.check(vm).map_err(Error::invalid))
}

/// The hosts that VMs may start on.
struct Places {
    /// The requested host, or all hosts of the VMs' clusters.
    hosts: Vec<Host>,
    asked: bool,
    /// Number of VMs that run on each host, including VMs that this request has placed there.
    running: HashMap<String, i64>,
}

impl Places {
    async fn find(tx: &Tx, vms: &[Vm], host: Option<String>) -> Result<Self> {
        if let Some(id) = host {
            let hosts = tx.hosts(std::slice::from_ref(&id)).await?;
            if hosts.is_empty() {
                return Err(Error::invalid(text!(
                    "data.host_id {id:?} is no host's",
                    "data.host_id {id:?} 不是任何主机的 id"
                )));
            }
            return Ok(Self { hosts, asked: true, running: HashMap::new() });
        }
        let clusters: BTreeSet<String> = vms.iter().filter_map(|vm| vm.cluster.clone()).collect();
        let hosts = tx.hosts_of(&clusters.into_iter().collect::<Vec<_>>()).await?;
        let running = tx.running_on(&hosts.iter().map(|host| host.id.clone()).collect::<Vec<_>>()).await?;
        Ok(Self { hosts, asked: false, running })
    }

    /// Returns the id of the host to start a VM on: the requested host, if there is one. Otherwise this is the VM's current host, if that
    /// host accepts the VM. Otherwise it is the accepting host of the VM's cluster with the fewest running VMs, and among equals the first
    /// by id. Returns `None` if no host of the cluster is known.
    fn choose(&mut self, vm: &Vm) -> Result<Option<String>> {
        if self.asked {
            let host = self.hosts.first();
            host.map_or(Ok(()), |host| host.takes(vm)).map_err(Error::invalid)?;
            return Ok(host.map(|host| host.id.clone()));
        }
        let near: Vec<&Host> = self.hosts.iter().filter(|host| host.cluster == vm.cluster).collect();
        if near.is_empty() {
            return Ok(None);
        }
        let open = near.into_iter().filter(|host| host.takes(vm).is_ok());
        let running = |host: &str| self.running.get(host).copied().unwrap_or_default();
        let best = open.map(|host| &host.id).min_by_key(|host| (Some(*host) != vm.host.as_ref(), running(host), *host));
        let (name, id) = (&vm.name, &vm.id);
        let best = best.cloned().ok_or_else(|| {
            Error::invalid(text!(
                "no host of the cluster of VM {name} ({id}) takes VMs now",
                "虚拟机 {name}（{id}）所属集群中目前没有可用的主机"
            ))
        })?;
        *self.running.entry(best.clone()).or_default() += 1;
        Ok(Some(best))
    }
}
