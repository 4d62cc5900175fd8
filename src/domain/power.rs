//! Power operations on VMs: the names of the operations, and the states of a VM before and after each operation (`docs/decisions`, tasks
//! and power).

use super::clock::Timestamp;
use super::text::{Text, text};

/// A power operation on a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// Starts the VM on a host.
    Start,
    /// Lets the guest shut down.
    ShutDown,
    /// Stops the VM, whatever the guest does.
    PowerOff,
    /// Lets the guest shut down and starts the VM again.
    Restart,
    /// Stops and starts the VM, whatever the guest does.
    ForceRestart,
    /// Halts the VM and keeps the contents of the VM's memory.
    Suspend,
    /// Continues a suspended VM.
    Resume,
}

/// States of a VM before and after power operations (contract: VmStatus). No operation is allowed in the states DELETED and UNKNOWN.
const RUNNING: &str = "RUNNING";
const STOPPED: &str = "STOPPED";
const SUSPENDED: &str = "SUSPENDED";

impl Power {
    /// All power operations.
    pub const ALL: [Self; 7] =
        [Self::Start, Self::ShutDown, Self::PowerOff, Self::Restart, Self::ForceRestart, Self::Suspend, Self::Resume];

    /// Returns the path of the operation's route, and the `operationId` of that route in the contract.
    #[must_use]
    pub fn route(self) -> (&'static str, &'static str) {
        match self {
            Self::Start => ("/start-vm", "StartVm"),
            Self::ShutDown => ("/shutdown-vm", "ShutDownVm"),
            Self::PowerOff => ("/poweroff-vm", "PoweroffVm"),
            Self::Restart => ("/restart-vm", "RestartVm"),
            Self::ForceRestart => ("/force-restart-vm", "ForceRestartVm"),
            Self::Suspend => ("/suspend-vm", "SuspendVm"),
            Self::Resume => ("/resume-vm", "ResumeVm"),
        }
    }

    /// Returns the name of the operation in tasks and in the audit log.
    #[must_use]
    pub const fn mutation(self) -> &'static str {
        match self {
            Self::Start => "startVm",
            Self::ShutDown => "shutDownVm",
            Self::PowerOff => "poweroffVm",
            Self::Restart => "restartVm",
            Self::ForceRestart => "forceRestartVm",
            Self::Suspend => "suspendVm",
            Self::Resume => "resumeVm",
        }
    }

    /// Finds an operation by the name that [`mutation`](Self::mutation) returns.
    #[must_use]
    pub fn parse(mutation: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|power| power.mutation() == mutation)
    }

    /// Returns the states of a VM in which the operation is allowed.
    #[must_use]
    pub fn from(self) -> &'static [&'static str] {
        match self {
            Self::Start => &[STOPPED],
            Self::ShutDown | Self::Restart | Self::ForceRestart | Self::Suspend => &[RUNNING],
            Self::PowerOff => &[RUNNING, SUSPENDED],
            Self::Resume => &[SUSPENDED],
        }
    }

    /// Returns the state of the VM after the operation.
    #[must_use]
    pub fn to(self) -> &'static str {
        match self {
            Self::Start | Self::Restart | Self::ForceRestart | Self::Resume => RUNNING,
            Self::ShutDown | Self::PowerOff => STOPPED,
            Self::Suspend => SUSPENDED,
        }
    }

    /// Describes the operation on the VM with this name.
    #[must_use]
    pub fn describe(self, vm: &str) -> Text {
        match self {
            Self::Start => text!("Start VM {vm}", "开启虚拟机 {vm}"),
            Self::ShutDown => text!("Shut down VM {vm}", "关闭虚拟机 {vm}"),
            Self::PowerOff => text!("Power off VM {vm}", "强制关闭虚拟机 {vm}"),
            Self::Restart => text!("Restart VM {vm}", "重启虚拟机 {vm}"),
            Self::ForceRestart => text!("Force restart VM {vm}", "强制重启虚拟机 {vm}"),
            Self::Suspend => text!("Suspend VM {vm}", "暂停虚拟机 {vm}"),
            Self::Resume => text!("Resume VM {vm}", "恢复虚拟机 {vm}"),
        }
    }

    /// Checks that the operation is allowed in the VM's state.
    ///
    /// # Errors
    /// The text names the VM, its state, and what is allowed.
    pub fn check(self, vm: &Vm) -> Result<(), Text> {
        let Vm { name, id, status, .. } = vm;
        if vm.in_recycle_bin {
            return Err(text!(
                "VM {name} ({id}) is in the recycle bin: no power operation is allowed there",
                "虚拟机 {name}（{id}）在回收站中：不允许任何电源操作"
            ));
        }
        if self.from().contains(&status.as_str()) {
            return Ok(());
        }
        let (route, from) = (self.route().0, self.from().join(", "));
        let possible: Vec<&str> = Self::ALL
            .into_iter()
            .filter(|power| power.from().contains(&status.as_str()))
            .map(|power| power.route().0)
            .collect();
        let possible = if possible.is_empty() { "-".to_owned() } else { possible.join(", ") };
        Err(text!(
            "VM {name} ({id}) is {status}: {route} is allowed for {from}; allowed for {status}: {possible}",
            "虚拟机 {name}（{id}）的状态为 {status}：{route} 只允许用于 {from}；{status} 允许：{possible}"
        ))
    }
}

/// A VM, with the members that the rules for power operations need.
#[derive(Debug, Clone)]
pub struct Vm {
    /// Id of the VM.
    pub id: String,
    /// Name of the VM.
    pub name: String,
    /// State of the VM (contract: VmStatus).
    pub status: String,
    /// Whether the VM is in the recycle bin.
    pub in_recycle_bin: bool,
    /// Whether another operation on the VM is still running.
    pub is_held: bool,
    /// Id of the VM's cluster.
    pub cluster: Option<String>,
    /// Id of the VM's host.
    pub host: Option<String>,
}

/// A host, with the members that the choice of a host for a VM needs.
#[derive(Debug, Clone)]
pub struct Host {
    /// Id of the host.
    pub id: String,
    /// Name of the host.
    pub name: String,
    /// Management address of the host; VMs on the host show this address as `node_ip`.
    pub management_ip: String,
    /// Id of the host's cluster.
    pub cluster: Option<String>,
    /// State of the connection to the host (contract: HostStatus).
    pub status: String,
    /// Whether the host is in use, idle or being removed (contract: HostState).
    pub state: String,
    /// Maintenance mode of the host; `IN_USE` if no mode is stored, `UNKNOWN` if the stored mode is unreadable.
    pub maintenance: String,
}

impl Host {
    /// Checks that a VM can start on this host.
    ///
    /// # Errors
    /// The text names the host, the VM, the host's state, and what is allowed.
    pub fn takes(&self, vm: &Vm) -> Result<(), Text> {
        let (host_name, host_id, vm_name, vm_id) = (&self.name, &self.id, &vm.name, &vm.id);
        if self.cluster.is_none() || self.cluster != vm.cluster {
            return Err(text!(
                "host {host_name} ({host_id}) is not in the cluster of VM {vm_name} ({vm_id})",
                "主机 {host_name}（{host_id}）不在虚拟机 {vm_name}（{vm_id}）所属的集群中"
            ));
        }
        let connected = ["CONNECTED_HEALTHY", "CONNECTED_WARNING"].contains(&self.status.as_str());
        if connected && self.state != "REMOVING" && self.maintenance == "IN_USE" {
            return Ok(());
        }
        let stands = [self.status.as_str(), &self.state, &self.maintenance].join(", ");
        Err(text!(
            "host {host_name} ({host_id}) takes no VMs: it is {stands}; allowed are CONNECTED_HEALTHY and CONNECTED_WARNING, in use",
            "主机 {host_name}（{host_id}）不接受虚拟机：其状态为 {stands}；只允许 CONNECTED_HEALTHY 或 CONNECTED_WARNING，且正在使用"
        ))
    }
}

/// The result of a completed operation on a VM.
#[derive(Debug, Clone)]
pub struct Switched {
    /// Id of the VM.
    pub vm: String,
    /// Id of the VM's cluster.
    pub cluster: Option<String>,
    /// Id of the VM's host before the operation.
    pub host: Option<String>,
    /// New host of the VM; `None` if the VM stayed on its host.
    pub moved_to: Option<Place>,
    /// State of the VM before the operation.
    pub from: String,
    /// State of the VM after the operation.
    pub to: &'static str,
    /// When the VM stopped; `None` if the operation did not stop the VM.
    pub stopped_at: Option<Timestamp>,
}

/// The host that a VM moved to.
#[derive(Debug, Clone)]
pub struct Place {
    /// Id of the host.
    pub host: String,
    /// Management address of the host; VMs on the host show this address as `node_ip`.
    pub ip: String,
}

#[cfg(test)]
mod tests {
    use super::{Power, Vm};
    use crate::domain::entity::enums::VM_STATUS;

    fn vm(status: &str, in_recycle_bin: bool) -> Vm {
        let (id, name, status) = ("1".to_owned(), "db".to_owned(), status.to_owned());
        Vm { id, name, status, in_recycle_bin, is_held: false, cluster: None, host: None }
    }

    #[test]
    fn every_operation_goes_from_its_states_and_from_no_others() {
        let mut table = String::new();
        for power in Power::ALL {
            let goes = |status: &&&str| {
                assert!(power.check(&vm(status, true)).is_err());
                power.check(&vm(status, false)).is_ok()
            };
            let from: Vec<&str> = VM_STATUS.values.iter().filter(goes).copied().collect();
            table += &format!("{} {} -> {}\n", power.mutation(), from.join("|"), power.to());
            assert_eq!(Power::parse(power.mutation()), Some(power));
        }
        let expected = "startVm STOPPED -> RUNNING\nshutDownVm RUNNING -> STOPPED\npoweroffVm RUNNING|SUSPENDED -> STOPPED\n\
                        restartVm RUNNING -> RUNNING\nforceRestartVm RUNNING -> RUNNING\nsuspendVm RUNNING -> SUSPENDED\n\
                        resumeVm SUSPENDED -> RUNNING\n";
        assert_eq!(table, expected);
        assert_eq!(Power::parse("StartVm"), None);
    }

    #[test]
    fn a_refusal_names_the_vm_its_state_and_what_is_allowed() {
        let refusal = Power::Start.check(&vm("SUSPENDED", false)).unwrap_err();
        assert_eq!(
            refusal.en(),
            "VM db (1) is SUSPENDED: /start-vm is allowed for STOPPED; allowed for SUSPENDED: /poweroff-vm, /resume-vm"
        );
        let deleted = Power::Start.check(&vm("DELETED", false)).unwrap_err();
        assert!(deleted.en().ends_with("allowed for DELETED: -"), "{deleted:?}");
    }
}
