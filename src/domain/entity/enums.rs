//! The enumerations of the contract's objects: their names and allowed values.

use super::Enumeration;

/// Values of `Architecture`.
pub static ARCHITECTURE: Enumeration = Enumeration { name: "Architecture", values: &["AARCH64", "X86_64"] };

/// Values of `ClusterConnectorErrorCode`.
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

/// Values of `ClusterType`.
pub static CLUSTER_TYPE: Enumeration =
    Enumeration { name: "ClusterType", values: &["BLUESHARK", "SMTX_ELF", "SMTX_OS", "SMTX_ZBS"] };

/// Values of `ConnectState`.
pub static CONNECT_STATE: Enumeration =
    Enumeration { name: "ConnectState", values: &["CONNECTED", "DISCONNECTED", "INITIALIZING", "REMOVING"] };

/// Values of `CpuFanSpeedUnit`.
pub static CPU_FAN_SPEED_UNIT: Enumeration = Enumeration { name: "CpuFanSpeedUnit", values: &["PERCENT", "RPM"] };

/// Values of `EntityAsyncStatus`.
pub static ENTITY_ASYNC_STATUS: Enumeration =
    Enumeration { name: "EntityAsyncStatus", values: &["CREATING", "DELETING", "UPDATING"] };

/// Values of `HostState`.
pub static HOST_STATE: Enumeration = Enumeration { name: "HostState", values: &["IDLE", "IN_USE", "REMOVING"] };

/// Values of `HostStatus`.
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

/// Values of `Hypervisor`.
pub static HYPERVISOR: Enumeration =
    Enumeration { name: "Hypervisor", values: &["BLUESHARK", "ELF", "VMWARE", "XENSERVER"] };

/// Values of `IommuStatus`.
pub static IOMMU_STATUS: Enumeration =
    Enumeration { name: "IommuStatus", values: &["DISABLE", "ENABLE", "NEED_REBOOT"] };

/// Values of `LicenseType`.
pub static LICENSE_TYPE: Enumeration =
    Enumeration { name: "LicenseType", values: &["PERPETUAL", "SUBSCRIPTION", "TRIAL"] };

/// Values of `MaintenanceModeEnum`.
pub static MAINTENANCE_MODE_ENUM: Enumeration = Enumeration {
    name: "MaintenanceModeEnum",
    values: &["ENTERING_MAINTENANCE_MODE", "IN_USE", "MAINTENANCE_MODE", "REMOVING"],
};

/// Values of `MetroCheckStatusEnum`.
pub static METRO_CHECK_STATUS_ENUM: Enumeration =
    Enumeration { name: "MetroCheckStatusEnum", values: &["CRITICAL", "HEALTHY", "INFO", "NOTICE"] };

/// Values of `NtpMode`.
pub static NTP_MODE: Enumeration = Enumeration { name: "NtpMode", values: &["EXTERNAL", "INTERNAL"] };

/// Values of `SoftwareEdition`.
pub static SOFTWARE_EDITION: Enumeration = Enumeration {
    name: "SoftwareEdition",
    values: &["COMMUNITY", "ENTERPRISE", "ENTERPRISE_PLUS", "ESSENTIAL", "EXPRESS", "STANDARD", "TRIAL"],
};

/// Values of `UserRole`.
pub static USER_ROLE: Enumeration = Enumeration { name: "UserRole", values: &["ADMIN", "READ_ONLY", "ROOT"] };

/// Values of `UserRolePlatform`.
pub static USER_ROLE_PLATFORM: Enumeration =
    Enumeration { name: "UserRolePlatform", values: &["MANAGEMENT", "SELF_SERVICE"] };

/// Values of `UserRolePreset`.
pub static USER_ROLE_PRESET: Enumeration = Enumeration {
    name: "UserRolePreset",
    values: &["ADMIN", "AUDITOR", "READ_ONLY", "ROOT", "USER_ADMIN", "VM_USER", "WORKLOAD_CLUSTER_USER"],
};

/// Values of `UserSource`.
pub static USER_SOURCE: Enumeration = Enumeration { name: "UserSource", values: &["AUTHN", "LDAP", "LOCAL", "SSO"] };

/// Values of `VmClockOffset`.
pub static VM_CLOCK_OFFSET: Enumeration = Enumeration { name: "VmClockOffset", values: &["LOCALTIME", "UTC"] };

/// Values of `VmDiskIoPolicy`.
pub static VM_DISK_IO_POLICY: Enumeration =
    Enumeration { name: "VmDiskIoPolicy", values: &["RESTRICT_EACH_DISK", "RESTRICT_WHOLE_VM"] };

/// Values of `VmDiskIoRestrictType`.
pub static VM_DISK_IO_RESTRICT_TYPE: Enumeration =
    Enumeration { name: "VmDiskIoRestrictType", values: &["DYNAMIC", "FORCED"] };

/// Values of `VmFirmware`.
pub static VM_FIRMWARE: Enumeration = Enumeration { name: "VmFirmware", values: &["BIOS", "UEFI"] };

/// Values of `VmGuestsOperationSystem`.
pub static VM_GUESTS_OPERATION_SYSTEM: Enumeration =
    Enumeration { name: "VmGuestsOperationSystem", values: &["LINUX", "UNKNOWN", "WINDOWS"] };

/// Values of `VmStatus`.
pub static VM_STATUS: Enumeration =
    Enumeration { name: "VmStatus", values: &["DELETED", "RUNNING", "STOPPED", "SUSPENDED", "UNKNOWN"] };

/// Values of `VmToolsStatus`.
pub static VM_TOOLS_STATUS: Enumeration =
    Enumeration { name: "VmToolsStatus", values: &["NOT_INSTALLED", "NOT_RUNNING", "RESTRICTION", "RUNNING"] };

/// Values of `VmUsage`.
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

/// Values of `VmVideoType`.
pub static VM_VIDEO_TYPE: Enumeration =
    Enumeration { name: "VmVideoType", values: &["CIRRUS", "QXL", "VGA", "VIRTIO"] };

/// Values of `AccessMode`.
pub static ACCESS_MODE: Enumeration = Enumeration { name: "AccessMode", values: &["ALLOW", "DENY", "NONE"] };

/// Values of `PasswordComplexity`.
pub static PASSWORD_COMPLEXITY: Enumeration =
    Enumeration { name: "PasswordComplexity", values: &["HIGH", "LOW", "MIDDLE"] };

/// Values of `StepUnit`.
pub static STEP_UNIT: Enumeration = Enumeration { name: "StepUnit", values: &["BIT", "BYTE", "COUNT", "PERCENT"] };

/// Values of `TaskStatus`.
pub static TASK_STATUS: Enumeration =
    Enumeration { name: "TaskStatus", values: &["EXECUTING", "FAILED", "PAUSED", "PENDING", "SUCCESSED"] };

/// Values of `TaskType`.
pub static TASK_TYPE: Enumeration = Enumeration {
    name: "TaskType",
    values: &["APPLICATION", "BACKUP", "HOST_PLUGIN", "REPLICATION", "RESOLVER", "SFS"],
};

/// Values of `UserAuditLogStatus`.
pub static USER_AUDIT_LOG_STATUS: Enumeration =
    Enumeration { name: "UserAuditLogStatus", values: &["FAILED", "SUCCESSED"] };
