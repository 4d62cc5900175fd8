//! The enumerations of the contract's objects: names and allowed values.

use super::Enumeration;

/// Allowed values of the contract's enumeration `Architecture`.
pub static ARCHITECTURE: Enumeration = Enumeration { name: "Architecture", values: &["AARCH64", "X86_64"] };

/// Allowed values of the contract's enumeration `ClusterConnectorErrorCode`.
pub static CLUSTER_CONNECTOR_ERROR_CODE: Enumeration = Enumeration {
    name: "ClusterConnectorErrorCode",
    values: &[
        "LOAD_CLUSTER_FAILED",
        "LOAD_CLUSTER_NETWORK_ERROR",
        "LOAD_CLUSTER_NOT_FOUND",
        "LOAD_CLUSTER_UNAUTHORIZED",
        "LOAD_CLUSTER_UNHEALTHY",
    ],
};

/// Allowed values of the contract's enumeration `ClusterType`.
pub static CLUSTER_TYPE: Enumeration =
    Enumeration { name: "ClusterType", values: &["BLUESHARK", "SMTX_ELF", "SMTX_OS", "SMTX_ZBS"] };

/// Allowed values of the contract's enumeration `ConnectState`.
pub static CONNECT_STATE: Enumeration =
    Enumeration { name: "ConnectState", values: &["CONNECTED", "DISCONNECTED", "INITIALIZING", "REMOVING"] };

/// Allowed values of the contract's enumeration `CpuFanSpeedUnit`.
pub static CPU_FAN_SPEED_UNIT: Enumeration = Enumeration { name: "CpuFanSpeedUnit", values: &["PERCENT", "RPM"] };

/// Allowed values of the contract's enumeration `EntityAsyncStatus`.
pub static ENTITY_ASYNC_STATUS: Enumeration =
    Enumeration { name: "EntityAsyncStatus", values: &["CREATING", "DELETING", "UPDATING"] };

/// Allowed values of the contract's enumeration `HostState`.
pub static HOST_STATE: Enumeration = Enumeration { name: "HostState", values: &["IDLE", "IN_USE", "REMOVING"] };

/// Allowed values of the contract's enumeration `HostStatus`.
pub static HOST_STATUS: Enumeration = Enumeration {
    name: "HostStatus",
    values: &[
        "CONNECTED_ERROR",
        "CONNECTED_HEALTHY",
        "CONNECTED_WARNING",
        "CONNECTING",
        "INITIALIZING",
        "SESSION_EXPIRED",
    ],
};

/// Allowed values of the contract's enumeration `Hypervisor`.
pub static HYPERVISOR: Enumeration =
    Enumeration { name: "Hypervisor", values: &["BLUESHARK", "ELF", "VMWARE", "XENSERVER"] };

/// Allowed values of the contract's enumeration `IommuStatus`.
pub static IOMMU_STATUS: Enumeration =
    Enumeration { name: "IommuStatus", values: &["DISABLE", "ENABLE", "NEED_REBOOT"] };

/// Allowed values of the contract's enumeration `LicenseType`.
pub static LICENSE_TYPE: Enumeration =
    Enumeration { name: "LicenseType", values: &["PERPETUAL", "SUBSCRIPTION", "TRIAL"] };

/// Allowed values of the contract's enumeration `MaintenanceModeEnum`.
pub static MAINTENANCE_MODE_ENUM: Enumeration = Enumeration {
    name: "MaintenanceModeEnum",
    values: &["ENTERING_MAINTENANCE_MODE", "IN_USE", "MAINTENANCE_MODE", "REMOVING"],
};

/// Allowed values of the contract's enumeration `MetroCheckStatusEnum`.
pub static METRO_CHECK_STATUS_ENUM: Enumeration =
    Enumeration { name: "MetroCheckStatusEnum", values: &["CRITICAL", "HEALTHY", "INFO", "NOTICE"] };

/// Allowed values of the contract's enumeration `NtpMode`.
pub static NTP_MODE: Enumeration = Enumeration { name: "NtpMode", values: &["EXTERNAL", "INTERNAL"] };

/// Allowed values of the contract's enumeration `SoftwareEdition`.
pub static SOFTWARE_EDITION: Enumeration = Enumeration {
    name: "SoftwareEdition",
    values: &["COMMUNITY", "ENTERPRISE", "ENTERPRISE_PLUS", "ESSENTIAL", "EXPRESS", "STANDARD", "TRIAL"],
};

/// Allowed values of the contract's enumeration `UserRole`.
pub static USER_ROLE: Enumeration = Enumeration { name: "UserRole", values: &["ADMIN", "READ_ONLY", "ROOT"] };

/// Allowed values of the contract's enumeration `UserRolePlatform`.
pub static USER_ROLE_PLATFORM: Enumeration =
    Enumeration { name: "UserRolePlatform", values: &["MANAGEMENT", "SELF_SERVICE"] };

/// Allowed values of the contract's enumeration `UserRolePreset`.
pub static USER_ROLE_PRESET: Enumeration = Enumeration {
    name: "UserRolePreset",
    values: &["ADMIN", "AUDITOR", "READ_ONLY", "ROOT", "USER_ADMIN", "VM_USER", "WORKLOAD_CLUSTER_USER"],
};

/// Allowed values of the contract's enumeration `UserSource`.
pub static USER_SOURCE: Enumeration = Enumeration { name: "UserSource", values: &["AUTHN", "LDAP", "LOCAL", "SSO"] };

/// Allowed values of the contract's enumeration `VmClockOffset`.
pub static VM_CLOCK_OFFSET: Enumeration = Enumeration { name: "VmClockOffset", values: &["LOCALTIME", "UTC"] };

/// Allowed values of the contract's enumeration `VmDiskIoPolicy`.
pub static VM_DISK_IO_POLICY: Enumeration =
    Enumeration { name: "VmDiskIoPolicy", values: &["RESTRICT_EACH_DISK", "RESTRICT_WHOLE_VM"] };

/// Allowed values of the contract's enumeration `VmDiskIoRestrictType`.
pub static VM_DISK_IO_RESTRICT_TYPE: Enumeration =
    Enumeration { name: "VmDiskIoRestrictType", values: &["DYNAMIC", "FORCED"] };

/// Allowed values of the contract's enumeration `VmFirmware`.
pub static VM_FIRMWARE: Enumeration = Enumeration { name: "VmFirmware", values: &["BIOS", "UEFI"] };

/// Allowed values of the contract's enumeration `VmGuestsOperationSystem`.
pub static VM_GUESTS_OPERATION_SYSTEM: Enumeration =
    Enumeration { name: "VmGuestsOperationSystem", values: &["LINUX", "UNKNOWN", "WINDOWS"] };

/// Allowed values of the contract's enumeration `VmStatus`.
pub static VM_STATUS: Enumeration =
    Enumeration { name: "VmStatus", values: &["DELETED", "RUNNING", "STOPPED", "SUSPENDED", "UNKNOWN"] };

/// Allowed values of the contract's enumeration `VmToolsStatus`.
pub static VM_TOOLS_STATUS: Enumeration =
    Enumeration { name: "VmToolsStatus", values: &["NOT_INSTALLED", "NOT_RUNNING", "RESTRICTION", "RUNNING"] };

/// Allowed values of the contract's enumeration `VmUsage`.
pub static VM_USAGE: Enumeration = Enumeration {
    name: "VmUsage",
    values: &[
        "ADVANCED_MONITORING",
        "AGENT_MESH_NODE",
        "BACKUP_CONTROLLER",
        "BUNDLE_APPLICATION",
        "CLOUDTOWER",
        "EVEROUTE_CONTROLLER",
        "REGISTRY",
        "REPLICATION_CONTROLLER",
        "SFS_CONTROLLER",
        "SHARE_REGISTRY",
        "SKS_MANAGEMENT",
    ],
};

/// Allowed values of the contract's enumeration `VmVideoType`.
pub static VM_VIDEO_TYPE: Enumeration =
    Enumeration { name: "VmVideoType", values: &["CIRRUS", "QXL", "VGA", "VIRTIO"] };

/// Allowed values of the contract's enumeration `AccessMode`.
pub static ACCESS_MODE: Enumeration = Enumeration { name: "AccessMode", values: &["ALLOW", "DENY", "NONE"] };

/// Allowed values of the contract's enumeration `PasswordComplexity`.
pub static PASSWORD_COMPLEXITY: Enumeration =
    Enumeration { name: "PasswordComplexity", values: &["HIGH", "LOW", "MIDDLE"] };

/// Allowed values of the contract's enumeration `StepUnit`.
pub static STEP_UNIT: Enumeration = Enumeration { name: "StepUnit", values: &["BIT", "BYTE", "COUNT", "PERCENT"] };

/// Allowed values of the contract's enumeration `TaskStatus`.
pub static TASK_STATUS: Enumeration =
    Enumeration { name: "TaskStatus", values: &["EXECUTING", "FAILED", "PAUSED", "PENDING", "SUCCESSED"] };

/// Allowed values of the contract's enumeration `TaskType`.
pub static TASK_TYPE: Enumeration = Enumeration {
    name: "TaskType",
    values: &["APPLICATION", "BACKUP", "HOST_PLUGIN", "REPLICATION", "RESOLVER", "SFS"],
};

/// Allowed values of the contract's enumeration `UserAuditLogStatus`.
pub static USER_AUDIT_LOG_STATUS: Enumeration =
    Enumeration { name: "UserAuditLogStatus", values: &["FAILED", "SUCCESSED"] };
