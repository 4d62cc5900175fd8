//! Bodies of the routes that switch VMs on and off (contract section 6).

use serde::Deserialize;
use serde_json::{Map, Value};

/// Body of `start-vm`, `VmStartParams` in the contract.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    /// Must not be null: in a list request, a null `where` matches every row.
    #[serde(rename = "where")]
    pub(super) conditions: Map<String, Value>,
    pub(super) data: Option<StartData>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StartData {
    pub(super) host_id: String,
}

/// Body of the other routes that switch VMs on and off, `VmOperateParams` in the contract.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Operate {
    #[serde(rename = "where")]
    pub(super) conditions: Map<String, Value>,
}
