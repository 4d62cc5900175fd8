//! Switching VMs on and off: what each operation is called, and between which states it goes (`docs/decisions`, tasks and power).

use super::clock::Timestamp;
use super::text::{Text, text};

/// What can be done to the power of a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// Switch it on, on a host.
    Start,
    /// Let the guest stop.
    ShutDown,
    /// Stop it, whatever the guest does.
    PowerOff,
    /// Let the guest stop and start again.
    Restart,
    /// Stop and start it, whatever the guest does.
    ForceRestart,
    /// Keep its memory and halt it.
    Suspend,
    /// Go on where it was suspended.
    Resume,
}

/// The states of a VM that operations go from and to (contract: VmStatus). Nothing goes from DELETED and UNKNOWN.
const RUNNING: &str = "RUNNING";
const STOPPED: &str = "STOPPED";
const SUSPENDED: &str = "SUSPENDED";

impl Power {
    /// Every operation.
    pub const ALL: [Self; 7] =
        [Self::Start, Self::ShutDown, Self::PowerOff, Self::Restart, Self::ForceRestart, Self::Suspend, Self::Resume];

    /// The path of its route, and its `operationId` in the contract.
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

    /// Its name in tasks and in the audit log.
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

    /// Finds an operation by its [`mutation`](Self::mutation).
    #[must_use]
    pub fn parse(mutation: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|power| power.mutation() == mutation)
    }

    /// The states that it goes from.
    #[must_use]
    pub fn from(self) -> &'static [&'static str] {
        match self {
            Self::Start => &[STOPPED],
            Self::ShutDown | Self::Restart | Self::ForceRestart | Self::Suspend => &[RUNNING],
            Self::PowerOff => &[RUNNING, SUSPENDED],
            Self::Resume => &[SUSPENDED],
        }
    }

    /// The state that it leads to.
    #[must_use]
    pub fn to(self) -> &'static str {
        match self {
            Self::Start | Self::Restart | Self::ForceRestart | Self::Resume => RUNNING,
            Self::ShutDown | Self::PowerOff => STOPPED,
            Self::Suspend => SUSPENDED,
        }
    }

    /// What it does to the VM of this name.
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

    /// Tells whether it can go from where a VM stands.
    ///
    /// # Errors
    /// The VM, where it stands, and what is allowed.
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

/// A VM, as decisions about its power read it.
#[derive(Debug, Clone)]
pub struct Vm {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// State.
    pub status: String,
    /// Whether it was thrown away.
    pub in_recycle_bin: bool,
    /// Whether another change holds it.
    pub is_held: bool,
    /// Its cluster.
    pub cluster: Option<String>,
    /// The host that it is on.
    pub host: Option<String>,
}

/// A host, as decisions about where a VM starts read it.
#[derive(Debug, Clone)]
pub struct Host {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Management address, which its VMs show as `node_ip`.
    pub management_ip: String,
    /// Its cluster.
    pub cluster: Option<String>,
    /// How it is connected (contract: HostStatus).
    pub status: String,
    /// What is done to it (contract: HostState).
    pub state: String,
    /// Its maintenance mode; `IN_USE` where none is known, `UNKNOWN` where it can't be read.
    pub maintenance: String,
}

impl Host {
    /// Tells whether a VM can start on it.
    ///
    /// # Errors
    /// The host, the VM, where the host stands, and what is allowed.
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

/// A VM that an operation has done its work on.
#[derive(Debug, Clone)]
pub struct Switched {
    /// Which.
    pub vm: String,
    /// Its cluster.
    pub cluster: Option<String>,
    /// The host it was on.
    pub host: Option<String>,
    /// The host that it is on now, where that is another one.
    pub moved_to: Option<Place>,
    /// The state it was in.
    pub from: String,
    /// The state it is in.
    pub to: &'static str,
    /// When it stopped, if it did.
    pub stopped_at: Option<Timestamp>,
}

/// A host to run on.
#[derive(Debug, Clone)]
pub struct Place {
    /// Which.
    pub host: String,
    /// Its management address, which its VMs show as `node_ip`.
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
