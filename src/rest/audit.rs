//! Bodies of the route `create-user-audit-log`, with which other systems report events.

use serde::Deserialize;

use super::tasks::{Description, Moment};
use crate::domain::audit::Outcome;
use crate::domain::secret::PlainKey;
use crate::service::audit::ReportRequest;

/// `UserAuditLogCreationParams` in the contract: an event to add to the audit log.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportCreation {
    user_id: String,
    action: String,
    message: Description,
    status: Status,
    resource_type: String,
    resource_id: Option<String>,
    cluster_id: Option<String>,
    ip_address: Option<String>,
    started_at: Option<Moment>,
    finished_at: Option<Moment>,
    api_key_name: Option<String>,
    key: Option<String>,
    id: Option<String>,
}

/// `UserAuditLogStatus` in the contract: whether the reported action succeeded.
#[derive(Debug, Deserialize)]
enum Status {
    #[serde(rename = "SUCCESSED")]
    Succeeded,
    #[serde(rename = "FAILED")]
    Failed,
}

/// Converts a list of `UserAuditLogCreationParams` to requests to report events.
pub(super) fn reports(given: Vec<ReportCreation>) -> Vec<ReportRequest> {
    given.into_iter().map(ReportCreation::read).collect()
}

impl ReportCreation {
    fn read(self) -> ReportRequest {
        ReportRequest {
            id: self.id,
            user: self.user_id.into(),
            action: self.action,
            message: self.message.read(),
            outcome: match self.status {
                Status::Succeeded => Outcome::Succeeded,
                Status::Failed => Outcome::Failed,
            },
            resource_type: self.resource_type,
            resource_id: self.resource_id,
            cluster: self.cluster_id,
            address: self.ip_address,
            started_at: self.started_at.map(|moment| moment.0),
            finished_at: self.finished_at.map(|moment| moment.0),
            key: self.key.map(PlainKey::from),
            key_name: self.api_key_name,
        }
    }
}
