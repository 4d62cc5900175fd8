//! Permissions: the contract's 170 actions (section 3.3), sets of actions, and the role presets (section 3.1).

use std::fmt;

/// Names of all actions, as on the wire. The first name, `*`, stands for all actions.
#[rustfmt::skip]
pub const ACTIONS: &[&str] = &[
    "*", "MANAGE_DATA_CENTER", "MANAGE_CLUSTER_CONNECTION", "MANAGE_STORAGE_CLUSTER_CONNECTION",
    "MANAGE_PORT_ACCESS_CONTROL", "MANAGE_HOST", "MANAGE_NIC_MTU", "MANAGE_DISK",
    "MANAGE_HARDWARE_TOPO", "MANAGE_USB_DEVICE", "MANAGE_GPU_DEVICE", "MANAGE_VDS", "MANAGE_VLAN",
    "MANAGE_SYSTEM_VLAN", "MANAGE_ISCSI_DATA_STORE", "MANAGE_NFS_DATA_STORE",
    "MANAGE_NVMF_DATA_STORE", "CREATE_VM", "UPDATE_VM", "DELETE_VM", "UPDATE_VM_ADVANCED_SETTING",
    "UPDATE_VM_GUEST", "VM_OPERATION_OPEN_TERMINAL", "VM_OPERATION_MIGRATE",
    "VM_OPERATION_VM_FOLDER", "VM_OPERATION_VM_POWER", "VM_OPERATION_CLONE",
    "VM_OPERATION_INSTALL_TOOLS", "VM_IMPORT_EXPORT", "CREATE_VM_TEMPLATE", "MANAGE_VM_TEMPLATE",
    "VM_TEMPLATE_IMPORT_EXPORT", "MANAGE_VM_SNAPSHOT", "MANAGE_VM_VOLUME",
    "VM_VOLUME_IMPORT_EXPORT", "MANAGE_ISO", "DOWNLOAD_ISO", "QUERY_SENSITIVE_RESOURCE_LIST",
    "QUERY_SENSITIVE_RESOURCE", "MANAGE_SENSITIVE_RESOURCE", "MANAGE_VM_PLACEMENT_GROUP",
    "MANAGE_SNAPSHOT_PLAN", "MANAGE_ALERT", "MANAGE_MONITOR_VIEW", "MANAGE_ENTITY_FILTER",
    "MANAGE_CLUSTER_BASIC_INFO", "MANAGE_CLUSTER_LICENCE", "MANAGE_CLUSTER_SNMP_TRANSPORT",
    "MANAGE_SNMP_TRAP", "MANAGE_CLUSTER_VIP", "MANAGE_CLUSTER_MANAGEMENT_IP", "MANAGE_DNS_SERVER",
    "MANAGE_NTP_SERVER", "MANAGE_IPMI", "MANAGE_CLUSTER_VM_CPU_MODEL", "MANAGE_CLUSTER_VM_TOOLS",
    "MANAGE_CLUSTER_HOT_MIGRATION", "MANAGE_CLUSTER_HA", "MANAGE_SSL_CERTIFICATE",
    "MANAGE_LOG_COLLECTION", "MANAGE_SYSLOG", "MANAGE_LOG_FIND", "MANAGE_LABEL",
    "MANAGE_USER_AND_ROLE", "MANAGE_PASSWORD_SETTINGS", "MANAGE_ACCESS_CONTROL",
    "MANAGE_SESSION_EXPIRATION", "MANAGE_LOGOUT_METHOD", "MANAGE_VCENTER_ASSOCIATION",
    "MANAGE_ESXI_ASSOCIATION", "MANAGE_AUDIT_LOG", "MANAGE_AUDIT_LOG_CONFIG",
    "MANAGE_ALERT_EMAIL_SETTING", "MANAGE_SMTP_SERVER", "MANAGE_UPGRADE_CENTER",
    "MANAGE_CLUSTER_UPGRADE", "MANAGE_ALERT_NOTIFIER", "MANAGE_VM_RECYCLE_BIN_SETTING",
    "MANAGE_REPORT", "MANAGE_SHARING_VM_TOOLS", "MANAGE_ADVANCED_MONITOR",
    "MANAGE_THIRD_PARTY_DRIVER", "MANAGE_ORGANIZATION_NAME", "MANAGE_CLOUD_TOWER_LICENSE",
    "MANAGE_CONSISTENCY_GROUP", "MANAGE_NIC", "MANAGE_CLUSTER_ISCSI", "MANAGE_BACKUP_LICENSE",
    "MANAGE_BACKUP_PACKAGE", "MANAGE_BACKUP_SERVICE", "MANAGE_BACKUP_STORE_REPOSITORY",
    "MANAGE_BACKUP_PLAN", "MANAGE_BACKUP_TASK", "MANAGE_BACKUP_RESTORE_POINT",
    "MANAGE_BACKUP_RESTORE_POINT_TASK", "MANAGE_SECURITY_POLICY", "MANAGE_SECURITY_GROUP",
    "ISOLATE_VM", "MANAGE_EVEROUTE_LICENSE", "MANAGE_EVEROUTE_PACKAGE", "DEPLOY_EVEROUTE_CLUSTER",
    "UNDEPLOY_EVEROUTE_CLUSTER", "UPDATE_EVEROUTE_CLUSTER", "UPGRADE_EVEROUTE_CLUSTER",
    "MANAGE_EVEROUTE_NETWORK_POLICY_RULE_SERVICE", "MANAGE_EVEROUTE_CLUSTER_ASSOCIATION",
    "MANAGE_EVEROUTE_CLUSTER_GLOBAL_POLICY", "MANAGE_MICRO_SEGMENTATION",
    "MANAGE_LOAD_BALANCER_RESOURCE", "MANAGE_LOAD_BALANCER", "MANAGE_LOAD_BALANCER_VNET_BOND",
    "MANAGE_VIRTUAL_PRIVATE_CLOUD_SERVICE", "MANAGE_VIRTUAL_PRIVATE_CLOUD_CLUSTER_BINDING",
    "MANAGE_VIRTUAL_PRIVATE_CLOUD_EDGE_GATEWAY", "MANAGE_VIRTUAL_PRIVATE_CLOUD_EXTERNAL_SUBNET",
    "MANAGE_VIRTUAL_PRIVATE_CLOUD_BASIC_RESOURCE", "MANAGE_VIRTUAL_PRIVATE_CLOUD_SECURITY_GROUP",
    "MANAGE_VIRTUAL_PRIVATE_CLOUD_SECURITY_POLICY",
    "MANAGE_VIRTUAL_PRIVATE_CLOUD_ISOLATION_POLICY", "MANAGE_VIRTUAL_PRIVATE_CLOUD_FLOATING_IP",
    "MANAGE_VIRTUAL_PRIVATE_CLOUD_ROUTER_GATEWAY", "MANAGE_VIRTUAL_PRIVATE_CLOUD_NAT_GATEWAY",
    "MANAGE_VIRTUAL_PRIVATE_CLOUD_LAYER2_GATEWAY", "MANAGE_VIRTUAL_PRIVATE_CLOUD_PEERING",
    "MANAGE_VIRTUAL_PRIVATE_CLOUD_LOAD_BALANCER_RESOURCE", "MANAGE_LDAP_AD_CONFIG",
    "MANAGE_MFA_CONFIG", "MANAGE_DEFAULT_LOGIN_OPTION", "MANAGE_CLUSTER_STORAGE_POLICY",
    "MANAGE_SKS_SERVICE", "MANAGE_SKS_LICENSE", "CONFIGURE_SKS_SERVICE",
    "CREATE_SKS_WORKLOAD_CLUSTER", "DELETE_SKS_WORKLOAD_CLUSTER", "UPDATE_SKS_WORKLOAD_CLUSTER",
    "MANAGE_CONTAINER_REGISTRY", "DOWNLOAD_SKS_WORKLOAD_CLUSTER_KUBECONFIG",
    "DOWNLOAD_SKS_WORKLOAD_SPEC_FILE", "MANAGE_SKS_WORKLOAD_CLUSTER_RECONCILE",
    "MANAGE_OBSERVABILITY_PACKAGE", "MANAGE_OBSERVABILITY_SERVICE",
    "CONFIG_DYNAMIC_RESOURCE_SCHEDULE", "GENERATE_DRS_PROPOSALS", "APPLY_DRS_PROPOSAL",
    "MANAGE_AGENT_MESH", "MANAGE_REPLICATION_SERVICE", "MANAGE_REPLICATION_RESTORE_POINT",
    "MANAGE_REPLICATION_PLAN", "MANAGE_REPLICATION_TASK", "MANAGE_REPLICATION_FAULT_TASK",
    "MANAGE_REPLICA_OBJECT", "MANAGE_BACKUP_AND_DR_EMAIL", "MANAGE_CLUSTER_PRIORITIZED",
    "SMTX_INSPECTOR", "MANAGE_SFS_LICENSE", "MANAGE_SFS_IMAGE", "MANAGE_SFS_FILE_STORAGE_CLUSTER",
    "MANAGE_SFS_FILE_SYSTEM_CONFIG", "MANAGE_SFS_FILE_SYSTEM_ACCESSIBILITY",
    "MANAGE_SFS_FS_CONTROLLER", "MANAGE_SFS_SNAPSHOT", "MANAGE_CLOUDTOWER_SNMP_TRANSPORT",
    "MANAGE_CLOUD_TOWER_NTP", "MANAGE_CLOUDTOWER_WEBHOOK_NOTIFIER", "MANAGE_API_KEY",
    "MANAGE_KMS_CLUSTER", "MANAGE_CLUSTER_STORAGE_ENCRYPTION", "MANAGE_SSO_LOGIN",
    "MANAGE_SYSTEM_DNS", "MANAGE_SYSTEM_UPGRADE",
];

/// An action: one of [`ACTIONS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Action(u8);

impl Action {
    /// The action `*`, which stands for all actions.
    pub const ALL: Self = Self(0);
    /// Change from which addresses users and keys are accepted.
    pub const MANAGE_ACCESS_CONTROL: Self = Self::named("MANAGE_ACCESS_CONTROL");
    /// Read, change and delete the API keys of other users.
    pub const MANAGE_API_KEY: Self = Self::named("MANAGE_API_KEY");
    /// Read the audit log of all users, and write rows for other systems.
    pub const MANAGE_AUDIT_LOG: Self = Self::named("MANAGE_AUDIT_LOG");
    /// Set the name of the organization.
    pub const MANAGE_ORGANIZATION_NAME: Self = Self::named("MANAGE_ORGANIZATION_NAME");
    /// Change the policy for second factors, and remove second factors that users lost.
    pub const MANAGE_MFA_CONFIG: Self = Self::named("MANAGE_MFA_CONFIG");
    /// Change the complexity and the expiry of passwords, and the limit of wrong logins.
    pub const MANAGE_PASSWORD_SETTINGS: Self = Self::named("MANAGE_PASSWORD_SETTINGS");
    /// Change how long sessions live.
    pub const MANAGE_SESSION_EXPIRATION: Self = Self::named("MANAGE_SESSION_EXPIRATION");
    /// Create, change and delete users and roles.
    pub const MANAGE_USER_AND_ROLE: Self = Self::named("MANAGE_USER_AND_ROLE");
    /// Create VMs.
    pub const CREATE_VM: Self = Self::named("CREATE_VM");
    /// Switch VMs on and off.
    pub const VM_OPERATION_VM_POWER: Self = Self::named("VM_OPERATION_VM_POWER");

    /// Finds an action by its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let at = ACTIONS.iter().position(|action| *action == name)?;
        u8::try_from(at).ok().map(Self)
    }

    /// Returns the name of the action on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        ACTIONS.get(usize::from(self.0)).copied().unwrap_or_default()
    }

    /// Finds one of [`ACTIONS`] at compile time; an unknown name does not compile.
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks the bounds")]
    pub(super) const fn named(name: &str) -> Self {
        let mut at = 0;
        loop {
            if same(ACTIONS[at as usize].as_bytes(), name.as_bytes()) {
                return Self(at);
            }
            at += 1;
        }
    }
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks the bounds")]
const fn same(left: &[u8], right: &[u8]) -> bool {
    let mut at = 0;
    while at < left.len() && at < right.len() && left[at] == right[at] {
        at += 1;
    }
    at == left.len() && at == right.len()
}

/// A set of actions. A set that has `*` allows every action, including those of later releases.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Actions([u64; 3]);

impl Actions {
    /// The empty set.
    pub const NONE: Self = Self([0; 3]);

    /// Makes a set from the names of actions; names that this release does not know grant nothing.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().filter_map(Action::parse).collect()
    }

    /// Returns whether the set allows an action.
    #[must_use]
    pub fn allows(&self, action: Action) -> bool {
        self.has(Action::ALL) || self.has(action)
    }

    /// Returns the first action of `other` that this set does not allow; `None` if this set covers `other`.
    #[must_use]
    pub fn missing_action(&self, other: &Self) -> Option<Action> {
        (0..=u8::MAX).map(Action).take(ACTIONS.len()).find(|action| other.has(*action) && !self.allows(*action))
    }

    /// Returns the actions that both sets allow.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        match (self.has(Action::ALL), other.has(Action::ALL)) {
            (true, _) => *other,
            (_, true) => *self,
            _ => self.zip(other, |mine, theirs| mine & theirs),
        }
    }

    /// Returns the actions that at least one of the sets allows.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.zip(other, |mine, theirs| mine | theirs)
    }

    /// Returns the names of the actions in the contract's order; `["*"]` if the set has `*`.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        if self.has(Action::ALL) {
            return vec![Action::ALL.name()];
        }
        (0..=u8::MAX).map(Action).take(ACTIONS.len()).filter(|action| self.has(*action)).map(Action::name).collect()
    }

    fn has(&self, action: Action) -> bool {
        let (word, bit) = (usize::from(action.0 / 64), action.0 % 64);
        self.0.get(word).is_some_and(|word| word >> bit & 1 == 1)
    }

    fn zip(&self, other: &Self, both: impl Fn(u64, u64) -> u64) -> Self {
        let ([a, b, c], [x, y, z]) = (self.0, other.0);
        Self([both(a, x), both(b, y), both(c, z)])
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        let mut set = Self::NONE;
        for action in actions {
            let (word, bit) = (usize::from(action.0 / 64), action.0 % 64);
            if let Some(word) = set.0.get_mut(word) {
                *word |= 1 << bit;
            }
        }
        set
    }
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// Platform of roles whose actions reach all objects (contract: `UserRolePlatform`).
pub const MANAGEMENT: &str = "MANAGEMENT";
/// Platform of roles whose actions reach only objects that belong to the user who has the role.
pub const SELF_SERVICE: &str = "SELF_SERVICE";

/// A built-in role.
#[derive(Debug)]
pub struct Preset {
    /// Name of the preset on the wire (`UserRolePreset`).
    pub name: &'static str,
    /// Name of the preset for people.
    pub title: &'static str,
    /// [`MANAGEMENT`] or [`SELF_SERVICE`].
    pub platform: &'static str,
    /// Actions that the preset allows.
    pub holds: Holds,
}

/// The actions of a preset. Reading needs no action, so that a preset without actions is read-only.
#[derive(Debug)]
pub enum Holds {
    /// All actions, including those of later releases.
    Everything,
    /// All of [`ACTIONS`] except `*` and the actions in these groups.
    AllBut(&'static [&'static [&'static str]]),
    /// Only these actions.
    Only(&'static [&'static str]),
}

impl Preset {
    /// Returns the actions that the preset allows.
    #[must_use]
    pub fn actions(&self) -> Actions {
        match self.holds {
            Holds::Everything => Actions::from_names(["*"]),
            Holds::Only(names) => Actions::from_names(names.iter().copied()),
            Holds::AllBut(groups) => {
                let others = |name: &&str| *name != "*" && !groups.iter().any(|group| group.contains(name));
                Actions::from_names(ACTIONS.iter().copied().filter(others))
            }
        }
    }
}

/// Name of the super administrator's preset.
pub const ROOT: &str = "ROOT";
/// Name of the preset that allows only reading.
pub const READ_ONLY: &str = "READ_ONLY";

/// The role presets. The contract names the presets without listing the actions; keytower derives the actions from the names.
pub const PRESETS: &[Preset] = &[
    Preset { name: ROOT, title: "Super administrator", platform: MANAGEMENT, holds: Holds::Everything },
    Preset {
        name: "ADMIN",
        title: "Operations administrator",
        platform: MANAGEMENT,
        holds: Holds::AllBut(&[IDENTITY, AUDIT]),
    },
    Preset { name: "USER_ADMIN", title: "User administrator", platform: MANAGEMENT, holds: Holds::Only(IDENTITY) },
    Preset { name: "AUDITOR", title: "Auditor", platform: MANAGEMENT, holds: Holds::Only(AUDIT) },
    Preset { name: "READ_ONLY", title: "Read-only", platform: MANAGEMENT, holds: Holds::Only(&[]) },
    Preset { name: "VM_USER", title: "VM user", platform: SELF_SERVICE, holds: Holds::Only(VM_USE) },
    Preset {
        name: "WORKLOAD_CLUSTER_USER",
        title: "Workload cluster user",
        platform: SELF_SERVICE,
        holds: Holds::Only(&["DOWNLOAD_SKS_WORKLOAD_CLUSTER_KUBECONFIG", "DOWNLOAD_SKS_WORKLOAD_SPEC_FILE"]),
    },
];

const AUDIT: &[&str] = &["MANAGE_AUDIT_LOG", "MANAGE_AUDIT_LOG_CONFIG"];

/// Names of the actions on users, credentials and access.
const IDENTITY: &[&str] = &[
    "MANAGE_USER_AND_ROLE",
    "MANAGE_PASSWORD_SETTINGS",
    "MANAGE_ACCESS_CONTROL",
    "MANAGE_SESSION_EXPIRATION",
    "MANAGE_LOGOUT_METHOD",
    "MANAGE_LDAP_AD_CONFIG",
    "MANAGE_MFA_CONFIG",
    "MANAGE_DEFAULT_LOGIN_OPTION",
    "MANAGE_API_KEY",
    "MANAGE_SSO_LOGIN",
    "MANAGE_SSL_CERTIFICATE",
];

const VM_USE: &[&str] = &[
    "CREATE_VM",
    "UPDATE_VM",
    "DELETE_VM",
    "UPDATE_VM_ADVANCED_SETTING",
    "UPDATE_VM_GUEST",
    "VM_OPERATION_OPEN_TERMINAL",
    "VM_OPERATION_VM_POWER",
    "VM_OPERATION_CLONE",
    "VM_OPERATION_INSTALL_TOOLS",
    "MANAGE_VM_SNAPSHOT",
    "MANAGE_VM_VOLUME",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_a_preset_is_an_action() {
        for name in [IDENTITY, AUDIT, VM_USE].concat() {
            assert!(Action::parse(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_administrators_share_the_work() {
        let actions = |name| PRESETS.iter().find(|preset| preset.name == name).unwrap().actions();
        let (root, admin, user_admin) = (actions("ROOT"), actions("ADMIN"), actions("USER_ADMIN"));
        assert_eq!(root.names(), ["*"]);
        assert_eq!(admin.intersection(&user_admin), Actions::NONE);
        assert_eq!(admin.names().len() + IDENTITY.len() + AUDIT.len() + 1, ACTIONS.len());
        assert!(user_admin.allows(Action::MANAGE_API_KEY) && !admin.allows(Action::MANAGE_API_KEY));
        assert_eq!(actions("READ_ONLY"), Actions::NONE);
    }

    #[test]
    fn the_star_allows_everything_and_intersects_to_the_other() {
        let all = Actions::from_names(["*"]);
        let some = Actions::from_names(["MANAGE_API_KEY", "CREATE_VM", "NOT_AN_ACTION"]);
        assert!(all.allows(Action::MANAGE_USER_AND_ROLE));
        assert_eq!(all.intersection(&some), some);
        assert_eq!(some.intersection(&all), some);
        assert_eq!(all.names(), ["*"]);
        assert_eq!(some.names(), ["CREATE_VM", "MANAGE_API_KEY"]);
        assert!(!some.allows(Action::MANAGE_USER_AND_ROLE));
        assert_eq!(some.intersection(&Actions::NONE), Actions::NONE);
        assert_eq!(some.union(&Actions::NONE), some);
    }

    #[test]
    fn a_set_covers_what_it_allows_and_only_the_star_covers_the_star() {
        let [all, some, one] = [&["*"][..], &["CREATE_VM", "MANAGE_API_KEY"], &["MANAGE_API_KEY"]]
            .map(|names| Actions::from_names(names.iter().copied()));
        let each: Actions = ACTIONS.iter().skip(1).filter_map(|name| Action::parse(name)).collect();
        for (mine, theirs, lacking) in [
            (all, all, None),
            (all, some, None),
            (some, one, None),
            (some, Actions::NONE, None),
            (Actions::NONE, Actions::NONE, None),
            (one, some, Some("CREATE_VM")),
            (some, all, Some("*")),
            (each, all, Some("*")),
            (each, some, None),
        ] {
            assert_eq!(mine.missing_action(&theirs).map(Action::name), lacking, "{mine:?} {theirs:?}");
        }
    }
}
