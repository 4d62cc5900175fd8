//! [`USER_AUDIT_LOG`] and [`SYSTEM_AUDIT_LOG`]: the fields of the contract (section 5), and the credential that the user used.

use super::enums::USER_AUDIT_LOG_STATUS;
use super::{CLUSTER, Entity, Field, Join, Kind, Relation, USER};

/// A row of the user audit log: an action that a user did or tried to do.
pub static USER_AUDIT_LOG: Entity = Entity {
    name: "UserAuditLog",
    plural: "userAuditLogs",
    route: "user-audit-logs",
    table: "user_audit_logs",
    fields: &[
        Field::required("action", Kind::Text),
        Field::nullable("auth_type", Kind::Text),
        Field::nullable(
            "cluster",
            Kind::One(Relation { target: &CLUSTER, join: Join::own("cluster_id"), brief: &["id", "name"] }),
        ),
        Field::required("createdAt", Kind::DateTime),
        Field::beyond_the_contract("credential", Kind::Text),
        Field::nullable("finished_at", Kind::DateTime),
        Field::required("id", Kind::Id),
        Field::required("ip_address", Kind::Text),
        Field::required("message", Kind::Localized),
        Field::nullable("resource_id", Kind::Text),
        Field::nullable("resource_type", Kind::Text),
        Field::nullable("started_at", Kind::DateTime),
        Field::nullable("status", Kind::Enum(&USER_AUDIT_LOG_STATUS)),
        Field::nullable(
            "user",
            Kind::One(Relation { target: &USER, join: Join::own("user_id"), brief: &["id", "name"] }),
        ),
        Field::nullable("username", Kind::Text),
    ],
};

/// A row of the system audit log: an action of the service itself or of the operator at the machine.
pub static SYSTEM_AUDIT_LOG: Entity = Entity {
    name: "SystemAuditLog",
    plural: "systemAuditLogs",
    route: "system-audit-logs",
    table: "system_audit_logs",
    fields: &[
        Field::required("action", Kind::Text),
        Field::nullable(
            "cluster",
            Kind::One(Relation { target: &CLUSTER, join: Join::own("cluster_id"), brief: &["id", "name"] }),
        ),
        Field::nullable("finished_at", Kind::DateTime),
        Field::required("id", Kind::Id),
        Field::nullable("local_created_at", Kind::DateTime),
        Field::required("local_id", Kind::Text),
        Field::required("message", Kind::Localized),
        Field::nullable("resource_id", Kind::Text),
        Field::nullable("status", Kind::Enum(&USER_AUDIT_LOG_STATUS)),
    ],
};
