//! Shapes of objects that occur only inside another object and can't be listed on their own.

use super::enums::{ACCESS_MODE, MAINTENANCE_MODE_ENUM, METRO_CHECK_STATUS_ENUM, PASSWORD_COMPLEXITY, STEP_UNIT};
use super::{Field, Kind, Shape};

/// Fields of the contract's `Application` object.
pub(super) static APPLICATION_SHAPE: Shape = Shape { name: "Application", fields: &[Field::required("id", Kind::Id)] };

/// Fields of the contract's `BackupPlan` object.
pub(super) static BACKUP_PLAN_SHAPE: Shape =
    Shape { name: "BackupPlan", fields: &[Field::required("id", Kind::Id), Field::required("name", Kind::Text)] };

/// Fields of the contract's `ClusterSettings` object.
pub(super) static CLUSTER_SETTINGS_SHAPE: Shape =
    Shape { name: "ClusterSettings", fields: &[Field::required("id", Kind::Id)] };

/// Fields of the contract's `ConsistencyGroup` object.
pub(super) static CONSISTENCY_GROUP_SHAPE: Shape =
    Shape { name: "ConsistencyGroup", fields: &[Field::required("id", Kind::Id), Field::required("name", Kind::Text)] };

/// Fields of the contract's `Cpu` object.
pub(super) static CPU_SHAPE: Shape =
    Shape { name: "Cpu", fields: &[Field::required("cores", Kind::Int), Field::required("sockets", Kind::Int)] };

/// Fields of the contract's `Disk` object.
pub(super) static DISK_SHAPE: Shape =
    Shape { name: "Disk", fields: &[Field::required("id", Kind::Id), Field::required("name", Kind::Text)] };

/// Fields of the contract's `EverouteCluster` object.
pub(super) static EVEROUTE_CLUSTER_SHAPE: Shape =
    Shape { name: "EverouteCluster", fields: &[Field::required("id", Kind::Id), Field::required("name", Kind::Text)] };

/// Fields of the contract's `GpuDevice` object.
pub(super) static GPU_DEVICE_SHAPE: Shape =
    Shape { name: "GpuDevice", fields: &[Field::required("id", Kind::Id), Field::required("name", Kind::Text)] };

/// Fields of the contract's `Ipmi` object.
pub(super) static IPMI_SHAPE: Shape = Shape { name: "Ipmi", fields: &[Field::required("id", Kind::Id)] };

/// Fields of the contract's `IsolationPolicy` object.
pub(super) static ISOLATION_POLICY_SHAPE: Shape =
    Shape { name: "IsolationPolicy", fields: &[Field::required("id", Kind::Id)] };

/// Fields of the contract's `Label` object.
pub(super) static LABEL_SHAPE: Shape = Shape {
    name: "Label",
    fields: &[
        Field::required("id", Kind::Id),
        Field::required("key", Kind::Text),
        Field::nullable("value", Kind::Text),
    ],
};

/// Fields of the contract's `MaintenanceHostState` object.
pub(super) static MAINTENANCE_HOST_STATE_SHAPE: Shape = Shape {
    name: "MaintenanceHostState",
    fields: &[
        Field::required("enter_maintenance_time", Kind::Text),
        Field::required("maintenance_job_id", Kind::Text),
        Field::required("state", Kind::Enum(&MAINTENANCE_MODE_ENUM)),
    ],
};

/// Fields of the contract's `MetroAvailabilityChecklist` object.
pub(super) static METRO_AVAILABILITY_CHECKLIST_SHAPE: Shape = Shape {
    name: "MetroAvailabilityChecklist",
    fields: &[
        Field::required("primaryZone", Kind::Object(&METRO_CHECK_RESULT_SHAPE)),
        Field::required("primaryZoneAndWitness", Kind::Object(&METRO_CHECK_RESULT_SHAPE)),
        Field::required("secondaryZone", Kind::Object(&METRO_CHECK_RESULT_SHAPE)),
        Field::required("secondaryZoneAndWitness", Kind::Object(&METRO_CHECK_RESULT_SHAPE)),
        Field::required("witness", Kind::Object(&METRO_CHECK_RESULT_SHAPE)),
        Field::required("zoneAndZone", Kind::Object(&METRO_CHECK_RESULT_SHAPE)),
    ],
};

/// Fields of the contract's `MetroCheckItem` object.
pub(super) static METRO_CHECK_ITEM_SHAPE: Shape = Shape {
    name: "MetroCheckItem",
    fields: &[
        Field::required("critical", Kind::Texts),
        Field::required("info", Kind::Texts),
        Field::required("key", Kind::Text),
        Field::required("labels", Kind::Json),
        Field::required("notice", Kind::Texts),
        Field::required("status", Kind::Enum(&METRO_CHECK_STATUS_ENUM)),
    ],
};

/// Fields of the contract's `MetroCheckResult` object.
pub(super) static METRO_CHECK_RESULT_SHAPE: Shape = Shape {
    name: "MetroCheckResult",
    fields: &[
        Field::required("critical", Kind::Int),
        Field::required("info", Kind::Int),
        Field::required("items", Kind::Objects(&METRO_CHECK_ITEM_SHAPE)),
        Field::required("notice", Kind::Int),
        Field::required("status", Kind::Enum(&METRO_CHECK_STATUS_ENUM)),
    ],
};

/// Fields of the contract's `Nic` object.
pub(super) static NIC_SHAPE: Shape =
    Shape { name: "Nic", fields: &[Field::required("id", Kind::Id), Field::required("name", Kind::Text)] };

/// Fields of the contract's `PasswordRecoverQa` object.
pub(super) static PASSWORD_RECOVER_QA_SHAPE: Shape = Shape {
    name: "PasswordRecoverQa",
    fields: &[
        Field::required("enabled", Kind::Bool),
        Field::nullable("items", Kind::Objects(&PASSWORD_REOVER_QA_ITEM_SHAPE)),
    ],
};

/// Fields of the contract's `PasswordReoverQaItem` object.
pub(super) static PASSWORD_REOVER_QA_ITEM_SHAPE: Shape =
    Shape { name: "PasswordReoverQaItem", fields: &[Field::required("question", Kind::Text)] };

/// Fields of the contract's `PmemDimm` object.
pub(super) static PMEM_DIMM_SHAPE: Shape =
    Shape { name: "PmemDimm", fields: &[Field::required("id", Kind::Id), Field::required("name", Kind::Text)] };

/// Fields of the contract's `SnapshotPlan` object.
pub(super) static SNAPSHOT_PLAN_SHAPE: Shape =
    Shape { name: "SnapshotPlan", fields: &[Field::required("id", Kind::Id), Field::required("name", Kind::Text)] };

/// Fields of the contract's `UsbDevice` object.
pub(super) static USB_DEVICE_SHAPE: Shape =
    Shape { name: "UsbDevice", fields: &[Field::required("id", Kind::Id), Field::required("name", Kind::Text)] };

/// Fields of the contract's `VcenterAccount` object.
pub(super) static VCENTER_ACCOUNT_SHAPE: Shape =
    Shape { name: "VcenterAccount", fields: &[Field::required("id", Kind::Id)] };

/// Fields of the contract's `Vds` object.
pub(super) static VDS_SHAPE: Shape =
    Shape { name: "Vds", fields: &[Field::required("id", Kind::Id), Field::required("name", Kind::Text)] };

/// Fields of the contract's `VmDisk` object.
pub(super) static VM_DISK_SHAPE: Shape = Shape { name: "VmDisk", fields: &[Field::required("id", Kind::Id)] };

/// Fields of the contract's `VmEntityFilterResult` object.
pub(super) static VM_ENTITY_FILTER_RESULT_SHAPE: Shape =
    Shape { name: "VmEntityFilterResult", fields: &[Field::required("id", Kind::Id)] };

/// Fields of the contract's `VmFolder` object.
pub(super) static VM_FOLDER_SHAPE: Shape =
    Shape { name: "VmFolder", fields: &[Field::required("id", Kind::Id), Field::required("name", Kind::Text)] };

/// Fields of the contract's `VmNic` object.
pub(super) static VM_NIC_SHAPE: Shape = Shape { name: "VmNic", fields: &[Field::required("id", Kind::Id)] };

/// Fields of the contract's `VmPlacementGroup` object.
pub(super) static VM_PLACEMENT_GROUP_SHAPE: Shape =
    Shape { name: "VmPlacementGroup", fields: &[Field::required("id", Kind::Id), Field::required("name", Kind::Text)] };

/// Fields of the contract's `VmSnapshot` object.
pub(super) static VM_SNAPSHOT_SHAPE: Shape =
    Shape { name: "VmSnapshot", fields: &[Field::required("id", Kind::Id), Field::required("name", Kind::Text)] };

/// Fields of the contract's `VmTemplate` object.
pub(super) static VM_TEMPLATE_SHAPE: Shape =
    Shape { name: "VmTemplate", fields: &[Field::required("id", Kind::Id), Field::required("name", Kind::Text)] };

/// Fields of the contract's `VsphereEsxiAccount` object.
pub(super) static VSPHERE_ESXI_ACCOUNT_SHAPE: Shape =
    Shape { name: "VsphereEsxiAccount", fields: &[Field::required("id", Kind::Id)] };

/// Fields of the contract's `Witness` object.
pub(super) static WITNESS_SHAPE: Shape =
    Shape { name: "Witness", fields: &[Field::required("id", Kind::Id), Field::required("name", Kind::Text)] };

/// Fields of the contract's `Zone` object.
pub(super) static ZONE_SHAPE: Shape = Shape { name: "Zone", fields: &[Field::required("id", Kind::Id)] };

/// Fields of the contract's `AuthSettings` object.
pub(super) static AUTH_SETTINGS_SHAPE: Shape = Shape {
    name: "AuthSettings",
    fields: &[
        Field::nullable("access_list", Kind::Texts),
        Field::nullable("access_mode", Kind::Enum(&ACCESS_MODE)),
        Field::nullable("enable_single_session_login", Kind::Bool),
        Field::nullable("login_miss_num_threshold", Kind::Int),
        Field::nullable("login_miss_time_threshold", Kind::Int),
        Field::nullable("password_complexity", Kind::Enum(&PASSWORD_COMPLEXITY)),
        Field::nullable("password_expire_days", Kind::Int),
        Field::nullable("session_max_age", Kind::Int),
    ],
};

/// Fields of the contract's `Step` object.
pub(super) static STEP_SHAPE: Shape = Shape {
    name: "Step",
    fields: &[
        Field::nullable("current", Kind::Float),
        Field::nullable("finished", Kind::Bool),
        Field::nullable("key", Kind::Text),
        Field::nullable("per_second", Kind::Float),
        Field::nullable("total", Kind::Float),
        Field::nullable("unit", Kind::Enum(&STEP_UNIT)),
    ],
};

/// Fields of the contract's `VmRecycleBin` object.
pub(super) static VM_RECYCLE_BIN_SHAPE: Shape = Shape {
    name: "VmRecycleBin",
    fields: &[Field::required("enabled", Kind::Bool), Field::required("retain", Kind::Int)],
};
