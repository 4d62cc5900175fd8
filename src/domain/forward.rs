//! The routes of the contract that keytower forwards to an upstream, and what a caller needs for each.
//!
//! The contract does not say which action a route needs. The tables below contain the routes whose names clearly show the action. Every
//! other route needs [`Action::ALL`], unless the operator sets a rule for that route.

use std::collections::BTreeMap;

use super::operation::Needs;
use super::permission::Action;

/// Word that stands in a rule instead of an action, if any valid credential is enough.
const ANYBODY: &str = "credential";

/// Names of routes that are never forwarded, because they need no credential or a credential that keytower did not issue.
const NEVER: &[&str] = &["create-root-user", "login", "resource-changes"];

/// Names of the contract's read routes, without the prefix `get-` and the optional suffix `-connection`. These routes need only basic read
/// permission (contract 3.1).
#[rustfmt::skip]
const READS: &[&str] = &[
    "alert-notifiers", "alert-rules", "alerts", "applications", "backup-plan-executions", "backup-plans",
    "backup-restore-executions", "backup-restore-point-metadata", "backup-restore-points", "backup-services",
    "backup-target-executions", "brick-topoes", "cloudtower-application-packages", "cloudtower-applications",
    "cluster-images", "cluster-metrics", "cluster-settingses", "cluster-storage-info", "cluster-topoes",
    "cluster-upgrade-histories", "clusters", "consistency-group-snapshots", "consistency-groups",
    "content-library-images", "content-library-vm-templates", "datacenters", "deploys",
    "detail-vm-info-by-gpu-devices", "discover-hosts", "disk-metrics", "disks", "elf-data-stores", "elf-images",
    "elf-storage-policies", "entity-filters", "everoute-clusters", "everoute-licenses", "everoute-packages",
    "global-alert-rules", "global-settingses", "gpu-devices", "graphs", "host-metrics", "host-network-metrics",
    "host-service-metrics", "hosts", "ipmis", "iscsi-connections", "iscsi-lun-snapshots", "iscsi-luns",
    "isolation-policies", "labels", "licenses", "log-collections", "log-service-configs", "lun-metrics",
    "meta-leader", "namespace-groups", "network-policy-rule-services", "nfs-exports", "nfs-inodes", "nics",
    "node-topoes", "ntp-service-url", "nvmf-namespace-metrics", "nvmf-namespace-snapshots", "nvmf-namespaces",
    "nvmf-subsystems", "organizations", "pci-devices", "pmem-dimms", "rack-topoes", "replica-vms",
    "replication-plans", "report-tasks", "report-templates", "scvm-disk-metrics", "scvm-metrics",
    "scvm-network-metrics", "scvm-service-metrics", "security-groups", "security-policies", "smtp-servers",
    "snapshot-groups", "snapshot-plan-tasks", "snapshot-plans", "svt-images", "tasks", "top-n-metrics-in-clusters",
    "upload-tasks", "usb-devices", "v2-everoute-licenses", "vcenter-accounts", "vdses", "views",
    "virtual-private-cloud-cluster-bindings", "virtual-private-cloud-edge-gateway-groups",
    "virtual-private-cloud-edge-gateways", "virtual-private-cloud-external-subnet-groups",
    "virtual-private-cloud-external-subnets", "virtual-private-cloud-floating-ips",
    "virtual-private-cloud-nat-gateways", "virtual-private-cloud-route-tables",
    "virtual-private-cloud-router-gateways", "virtual-private-cloud-security-groups",
    "virtual-private-cloud-security-policies", "virtual-private-cloud-subnets", "virtual-private-clouds", "vlans",
    "vm-disks", "vm-entity-filter-results", "vm-folders", "vm-gpu-device-info", "vm-metrics", "vm-network-metrics",
    "vm-nics", "vm-placement-groups", "vm-snapshots", "vm-templates", "vm-volume-metrics", "vm-volume-snapshots",
    "vm-volumes", "vms", "vsphere-esxi-accounts", "witness-metrics", "witness-services", "witnesses",
    "zone-metrics", "zone-topoes", "zones",
];

/// Names of routes, grouped by the action that each route needs: routes that change something, and read routes that reveal a secret or give
/// access to something.
#[rustfmt::skip]
const ROUTES: &[(Action, &[&str])] = &[
    (Action::named("CREATE_VM"), &[
        "create-vm", "create-vm-from-template", "create-vm-from-content-library-template",
        "create-vm-from-content-library-template-batch", "rebuild-vm-from-snapshot",
    ]),
    (Action::named("UPDATE_VM"), &[
        "update-vm-basic-info", "update-vm-disk", "add-vm-disk", "expand-vm-disk", "remove-vm-disk",
        "add-vm-cd-rom", "remove-vm-cd-rom", "toggle-vm-cd-rom-disable", "eject-iso-from-vm-cd-rom", "add-vm-nic",
        "remove-vm-nic", "remove-vm-nic-by-where", "update-vm-nic", "update-vm-nic-advance-info",
        "update-vm-nic-basic-info", "update-vm-nic-qos-option", "update-vm-vpc-nic", "add-vm-pci-nic",
        "remove-vm-pci-nic", "add-vm-gpu-device", "remove-vm-gpu-device", "update-vm-io-policy",
    ]),
    (Action::named("UPDATE_VM_ADVANCED_SETTING"), &["update-vm-advanced-options"]),
    (Action::named("UPDATE_VM_GUEST"), &["update-vm-host-options", "reset-vm-guest-os-password"]),
    (Action::named("DELETE_VM"), &["delete-vm", "move-vm-to-recycle", "recover-vm-from-recycle"]),
    (Action::named("VM_OPERATION_VM_POWER"), &[
        "start-vm", "shutdown-vm", "poweroff-vm", "restart-vm", "force-restart-vm", "suspend-vm", "resume-vm",
    ]),
    (Action::named("VM_OPERATION_MIGRATE"), &[
        "migrate-vm", "migrate-vm-across-cluster", "abort-migrate-vm-across-cluster",
        "stop-vm-in-cutover-migration",
    ]),
    (Action::named("VM_OPERATION_CLONE"), &["clone-vm"]),
    (Action::named("VM_OPERATION_INSTALL_TOOLS"), &["install-vmtools"]),
    (Action::named("VM_OPERATION_OPEN_TERMINAL"), &["get-vm-vnc-info"]),
    (Action::named("VM_OPERATION_VM_FOLDER"), &[
        "create-vm-folder", "update-vm-folder", "delete-vm-folder", "add-vm-to-folder", "remove-vm-from-folder",
    ]),
    (Action::named("VM_IMPORT_EXPORT"), &[
        "import-vm", "export-vm", "parse-ovf", "get-vm-export-files", "get-export-file-download-links",
    ]),
    (Action::named("CREATE_VM_TEMPLATE"), &[
        "clone-vm-template-from-vm", "convert-vm-template-from-vm", "clone-content-library-vm-template-from-vm",
        "convert-content-library-vm-template-from-vm",
    ]),
    (Action::named("MANAGE_VM_TEMPLATE"), &[
        "update-vm-template", "delete-vm-template", "update-content-library-vm-template",
        "delete-content-library-vm-template", "distribute-content-library-vm-template-clusters",
        "remove-content-library-vm-template-clusters",
    ]),
    (Action::named("VM_TEMPLATE_IMPORT_EXPORT"), &[
        "import-content-library-vm-template", "export-content-library-vm-template",
    ]),
    (Action::named("MANAGE_VM_SNAPSHOT"), &["create-vm-snapshot", "delete-vm-snapshot", "rollback-vm"]),
    (Action::named("MANAGE_VM_VOLUME"), &[
        "create-vm-volume", "update-vm-volume", "delete-vm-volume", "clone-vm-volume", "rebuild-vm-volume",
        "rollback-vm-volume", "create-vm-volume-snapshot", "delete-vm-volume-snapshot",
    ]),
    (Action::named("VM_VOLUME_IMPORT_EXPORT"), &["import-vm-volume", "export-vm-volume"]),
    (Action::named("MANAGE_ISO"), &[
        "upload-elf-image", "update-elf-image", "delete-elf-image", "upload-content-library-image",
        "import-content-library-image", "update-content-library-image", "delete-content-library-image",
        "distribute-content-library-image-clusters", "remove-content-library-image-clusters",
    ]),
    (Action::named("MANAGE_VM_PLACEMENT_GROUP"), &[
        "create-vm-placement-group", "update-vm-placement-group", "delete-vm-placement-group",
    ]),
    (Action::named("MANAGE_SNAPSHOT_PLAN"), &[
        "create-snapshot-plan", "update-snapshot-plan", "delete-snapshot-plan", "execute-snapshot-plan",
        "suspend-snapshot-plan", "resume-snapshot-plan", "clone-snapshot-group", "delete-snapshot-group",
        "keep-snapshot-group", "rollback-snapshot-group",
    ]),
    (Action::named("MANAGE_VM_RECYCLE_BIN_SETTING"), &[
        "update-global-recycle-bin-setting", "create-cluster-recycle-bin-setting",
        "update-cluster-recycle-bin-setting", "delete-cluster-recycle-bin-setting",
    ]),
    (Action::named("ISOLATE_VM"), &["create-isolation-policy", "update-isolation-policy", "delete-isolation-policy"]),
    (Action::named("MANAGE_DATA_CENTER"), &[
        "create-datacenter", "update-datacenter", "delete-datacenter", "add-clusters-to-datacenter",
        "remove-clusters-from-datacenter",
    ]),
    (Action::named("MANAGE_CLUSTER_CONNECTION"), &["connect-cluster", "update-cluster", "delete-cluster"]),
    (Action::named("MANAGE_HOST"), &[
        "create-host", "update-host", "operate-host-power", "enter-maintance-mode", "exit-maintance-mode",
        "enter-maintenance-mode-precheck", "enter-maintance-mode-precheck-result",
        "exit-maintance-mode-precheck-result",
    ]),
    (Action::named("MANAGE_DISK"), &["mount-disk", "unmount-disk", "trigger-disk-blink"]),
    (Action::named("MANAGE_HARDWARE_TOPO"), &[
        "create-rack-topo", "update-rack-topo", "delete-rack-topo", "create-brick-topo", "update-brick-topo",
        "delete-brick-topo", "move-brick-topo", "move-node-topo",
    ]),
    (Action::named("MANAGE_USB_DEVICE"), &["mount-usb-device", "unmount-usb-device"]),
    (Action::named("MANAGE_GPU_DEVICE"), &[
        "update-gpu-device-description", "update-gpu-device-usage", "switch-gpu-device-sriov",
    ]),
    (Action::named("MANAGE_NIC"), &["update-nic"]),
    (Action::named("MANAGE_VDS"), &[
        "create-vds", "create-vds-with-access-vlan", "create-vds-with-migrate-vlan", "update-vds", "delete-vds",
    ]),
    (Action::named("MANAGE_VLAN"), &["create-vm-vlan", "update-vm-vlan", "delete-vm-vlan"]),
    (Action::named("MANAGE_SYSTEM_VLAN"), &["update-management-vlan", "update-migration-vlan"]),
    (Action::named("MANAGE_ISCSI_DATA_STORE"), &[
        "get-iscsi-targets", "create-iscsi-target", "update-iscsi-target", "delete-iscsi-target",
        "create-iscsi-lun", "update-iscsi-lun", "delete-iscsi-lun", "copy-iscsi-lun",
        "clone-iscsi-lun-from-snapshot", "rollback-iscsi-lun-from-snapshot", "create-iscsi-lun-snapshot",
        "delete-iscsi-lun-snapshot",
    ]),
    (Action::named("MANAGE_NFS_DATA_STORE"), &["create-nfs-export", "update-nfs-export", "delete-nfs-export"]),
    (Action::named("MANAGE_NVMF_DATA_STORE"), &[
        "create-nvmf-subsystem", "update-nvmf-subsystem", "delete-nvmf-subsystem", "create-nvmf-namespace",
        "update-nvmf-namespace", "delete-nvmf-namespace", "clone-nvmf-namespace-from-snapshot",
        "rollback-nvmf-namespace-from-snapshot", "create-nvmf-namespace-snapshot", "delete-nvmf-namespace-snapshot",
        "create-namespace-group", "update-namespace-group", "delete-namespace-group",
    ]),
    (Action::named("MANAGE_CONSISTENCY_GROUP"), &[
        "create-consistency-group", "update-consistency-group", "delete-consistency-group",
        "create-consistency-snapshot-group", "delete-consistency-snapshot-group",
        "rollback-consistency-snapshot-group",
    ]),
    (Action::named("MANAGE_CLUSTER_LICENCE"), &["update-cluster-license"]),
    (Action::named("MANAGE_CLUSTER_HA"), &["update-cluster-ha-setting"]),
    (Action::named("MANAGE_CLUSTER_ISCSI"), &["update-cluster-enable-iscsi-setting"]),
    (Action::named("MANAGE_CLUSTER_SNMP_TRANSPORT"), &[
        "get-snmp-transports", "create-snmp-transport", "update-snmp-transport", "delete-snmp-transport",
    ]),
    (Action::named("MANAGE_SNMP_TRAP"), &[
        "get-snmp-trap-receivers", "create-snmp-trap-receiver", "update-snmp-trap-receiver",
        "delete-snmp-trap-receiver",
    ]),
    (Action::named("MANAGE_ALERT"), &["resolve-alert", "update-global-alert-rule", "update-customize-alert-rule"]),
    (Action::named("MANAGE_ALERT_NOTIFIER"), &[
        "create-alert-notifier", "update-alert-notifier", "update-many-alert-notifiers", "delete-alert-notifier",
    ]),
    (Action::named("MANAGE_MONITOR_VIEW"), &[
        "create-view", "update-view", "delete-view", "create-graph", "update-graph", "delete-graph",
    ]),
    (Action::named("MANAGE_ENTITY_FILTER"), &[
        "create-entity-filter", "update-entity-filter", "delete-entity-filter",
    ]),
    (Action::named("MANAGE_REPORT"), &[
        "create-report-template", "update-report-template", "delete-report-template",
        "generate-from-report-template",
    ]),
    (Action::named("MANAGE_LABEL"), &[
        "create-label", "update-label", "delete-label", "add-labels-to-resources", "remove-labels-from-resources",
    ]),
    (Action::named("MANAGE_LOG_COLLECTION"), &[
        "create-log-collection", "delete-log-collection", "force-stop-log-collection",
    ]),
    (Action::named("MANAGE_AUDIT_LOG"), &["get-user-audit-logs", "get-system-audit-logs"]),
    (Action::named("MANAGE_ORGANIZATION_NAME"), &["update-organization"]),
    (Action::named("MANAGE_CLOUD_TOWER_LICENSE"), &["update-license"]),
    (Action::named("MANAGE_VCENTER_ASSOCIATION"), &["create-vcenter-account", "update-vcenter-account"]),
    (Action::named("MANAGE_ESXI_ASSOCIATION"), &["update-vsphere-esxi-account"]),
    (Action::named("MANAGE_BACKUP_STORE_REPOSITORY"), &["get-backup-store-repositories"]),
    (Action::named("MANAGE_BACKUP_PLAN"), &[
        "create-backup-plan", "update-backup-plan", "delete-backup-plan", "execute-backup-plan",
        "suspend-backup-plan", "resume-backup-plan",
    ]),
    (Action::named("MANAGE_BACKUP_RESTORE_POINT"), &["delete-backup-restore-point"]),
    (Action::named("MANAGE_SECURITY_POLICY"), &[
        "create-security-policy", "update-security-policy", "delete-security-policy",
    ]),
    (Action::named("MANAGE_SECURITY_GROUP"), &[
        "create-security-group", "update-security-group", "delete-security-group",
    ]),
    (Action::named("MANAGE_EVEROUTE_NETWORK_POLICY_RULE_SERVICE"), &[
        "create-network-policy-rule-service", "update-network-policy-rule-service",
        "delete-network-policy-rule-service",
    ]),
    (Action::named("MANAGE_VIRTUAL_PRIVATE_CLOUD_BASIC_RESOURCE"), &[
        "create-virtual-private-cloud", "update-virtual-private-cloud", "delete-virtual-private-cloud",
        "create-virtual-private-cloud-subnet", "update-virtual-private-cloud-subnet",
        "delete-virtual-private-cloud-subnet", "create-virtual-private-cloud-route-table",
        "update-virtual-private-cloud-route-table", "delete-virtual-private-cloud-route-table",
    ]),
    (Action::named("MANAGE_VIRTUAL_PRIVATE_CLOUD_FLOATING_IP"), &[
        "create-virtual-private-cloud-floating-ip", "batch-create-virtual-private-cloud-floating-ips",
        "delete-virtual-private-cloud-floating-ip",
    ]),
    (Action::named("MANAGE_VIRTUAL_PRIVATE_CLOUD_NAT_GATEWAY"), &[
        "create-virtual-private-cloud-nat-gateway", "update-virtual-private-cloud-nat-gateway",
        "delete-virtual-private-cloud-nat-gateway",
    ]),
    (Action::named("MANAGE_VIRTUAL_PRIVATE_CLOUD_ROUTER_GATEWAY"), &[
        "create-virtual-private-cloud-router-gateway", "update-virtual-private-cloud-router-gateway",
        "delete-virtual-private-cloud-router-gateway",
    ]),
    (Action::named("MANAGE_VIRTUAL_PRIVATE_CLOUD_SECURITY_GROUP"), &[
        "create-virtual-private-cloud-security-group", "update-virtual-private-cloud-security-group",
        "delete-virtual-private-cloud-security-group",
    ]),
    (Action::named("MANAGE_VIRTUAL_PRIVATE_CLOUD_SECURITY_POLICY"), &[
        "create-virtual-private-cloud-security-policy", "update-virtual-private-cloud-security-policy",
        "delete-virtual-private-cloud-security-policy",
    ]),
];

/// Rules of the operator: what a caller needs for a route, by the name of the route. The rules take precedence over the tables in this
/// module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules(BTreeMap<String, Needs>);

impl Rules {
    /// Description of the text form of rules, for people.
    pub const FORM: &str = "ROUTE = ACTION, more of them behind commas; ACTION is an action such as CREATE_VM, or `credential` for everybody who is logged in";

    /// Parses rules such as `create-vm = CREATE_VM, get-news = credential`.
    ///
    /// # Errors
    /// The error is the text of the first malformed rule.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rules = text.split(',').map(str::trim).filter(|rule| !rule.is_empty());
        rules.map(|rule| read(rule).ok_or_else(|| rule.to_owned())).collect::<Result<_, _>>().map(Self)
    }

    /// Returns what a caller needs for a route; `None` if the route is never forwarded.
    #[must_use]
    pub fn needs(&self, route: &str) -> Option<Needs> {
        if !is_route(route) {
            return None;
        }
        Some(self.0.get(route).copied().unwrap_or_else(|| by_name(route)))
    }
}

fn read(rule: &str) -> Option<(String, Needs)> {
    let (route, action) = rule.split_once('=')?;
    let (route, action) = (route.trim(), action.trim());
    let needs = if action == ANYBODY { Needs::Credential } else { Needs::Action(Action::parse(action)?) };
    is_route(route).then(|| (route.to_owned(), needs))
}

/// Returns whether the text is a route that can be forwarded: one path segment that every server reads the same way.
fn is_route(route: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !route.is_empty() && route.bytes().all(plain) && !NEVER.contains(&route)
}

fn by_name(route: &str) -> Needs {
    let list = match route.strip_suffix("-connection") {
        Some(list) if list.starts_with("get-") => list,
        _ => route,
    };
    if list.strip_prefix("get-").is_some_and(|name| READS.contains(&name)) {
        return Needs::Credential;
    }
    let row = ROUTES.iter().find(|(_, routes)| routes.contains(&list));
    Needs::Action(row.map_or(Action::ALL, |(action, _)| *action))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn action(name: &str) -> Option<Needs> {
        Action::parse(name).map(Needs::Action)
    }

    #[test]
    fn a_route_stands_in_the_table_once() {
        let reads = READS.iter().map(|name| format!("get-{name}"));
        let all: Vec<String> =
            reads.chain(ROUTES.iter().flat_map(|(_, routes)| routes.iter().map(ToString::to_string))).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        for route in &all {
            assert!(is_route(route) && !route.ends_with("-connection"), "{route}");
        }
        let actions: BTreeSet<Action> = ROUTES.iter().map(|(action, _)| *action).collect();
        assert!(actions.len() == ROUTES.len() && !actions.contains(&Action::ALL));
    }

    #[test]
    fn the_name_of_a_route_says_what_it_needs() {
        let rules = Rules::default();
        for (route, needs) in [
            ("get-vm-volumes", Some(Needs::Credential)),
            ("get-vm-volumes-connection", Some(Needs::Credential)),
            ("get-iscsi-targets", action("MANAGE_ISCSI_DATA_STORE")),
            ("get-iscsi-targets-connection", action("MANAGE_ISCSI_DATA_STORE")),
            ("get-vm-vnc-info", action("VM_OPERATION_OPEN_TERMINAL")),
            ("create-vm", action("CREATE_VM")),
            ("create-vm-connection", action("*")),
            ("update-session-timeout", action("*")),
            ("get-things-of-tomorrow", action("*")),
            ("create-things-of-tomorrow", action("*")),
            ("login", None),
            ("resource-changes", None),
            ("", None),
            ("..", None),
            ("get-vms/../login", None),
            ("get-vms?x", None),
            ("get%2dvms", None),
            ("Get-vms", None),
        ] {
            assert_eq!(rules.needs(route), needs, "{route}");
        }
    }

    #[test]
    fn a_rule_comes_before_the_table() {
        let rules = Rules::parse("create-vm=*, get-vm-vnc-info = credential ,new-thing=MANAGE_HOST,").unwrap();
        assert_eq!(rules.needs("create-vm"), action("*"));
        assert_eq!(rules.needs("get-vm-vnc-info"), Some(Needs::Credential));
        assert_eq!(rules.needs("new-thing"), action("MANAGE_HOST"));
        assert_eq!(rules.needs("delete-vm"), action("DELETE_VM"));
        assert_eq!(Rules::parse(" "), Ok(Rules::default()));
        for wrong in ["create-vm", "create-vm=", "create-vm=CREATE", "=CREATE_VM", "a/b=CREATE_VM", "login=*"] {
            assert_eq!(Rules::parse(&format!("clone-vm=*, {wrong}")), Err(wrong.to_owned()));
        }
    }
}
