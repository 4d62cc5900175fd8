//! [`GLOBAL_SETTINGS`]: the policies, with the fields of the contract (section 1.5).

use super::shapes::{AUTH_SETTINGS_SHAPE, VM_RECYCLE_BIN_SHAPE};
use super::{Entity, Field, Kind};

/// The global settings, which hold the policies; there is always exactly one row.
pub static GLOBAL_SETTINGS: Entity = Entity {
    name: "GlobalSettings",
    plural: "globalSettingses",
    route: "global-settingses",
    table: "global_settings",
    fields: &[
        Field::nullable("auth", Kind::Object(&AUTH_SETTINGS_SHAPE)),
        Field::required("id", Kind::Id),
        Field::required("vm_recycle_bin", Kind::Object(&VM_RECYCLE_BIN_SHAPE)),
    ],
};
