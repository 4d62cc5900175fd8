//! [`TASK`]: the fields of a `Task` (contract sections 5 and 6).

use super::enums::{TASK_STATUS, TASK_TYPE};
use super::shapes::STEP_SHAPE;
use super::{CLUSTER, Entity, Field, Join, Kind, Relation, USER};

/// A task: work that continues after the request that started the work.
pub static TASK: Entity = Entity {
    name: "Task",
    plural: "tasks",
    route: "tasks",
    table: "tasks",
    fields: &[
        Field::required("args", Kind::Json),
        Field::nullable(
            "cluster",
            Kind::One(Relation { target: &CLUSTER, join: Join::own("cluster_id"), brief: &["id", "name"] }),
        ),
        Field::required("description", Kind::Localized),
        Field::nullable("error_code", Kind::Text),
        Field::nullable("error_message", Kind::Localized),
        Field::nullable("finished_at", Kind::DateTime),
        Field::required("id", Kind::Id),
        Field::required("internal", Kind::Bool),
        Field::nullable("key", Kind::Text),
        Field::required("local_created_at", Kind::DateTime),
        Field::required("progress", Kind::Float),
        Field::nullable("resource_id", Kind::Text),
        Field::nullable("resource_mutation", Kind::Text),
        Field::nullable("resource_rollback_error", Kind::Text),
        Field::nullable("resource_rollback_retry_count", Kind::Int),
        Field::nullable("resource_rollbacked", Kind::Bool),
        Field::nullable("resource_type", Kind::Text),
        Field::required("snapshot", Kind::Text),
        Field::nullable("started_at", Kind::DateTime),
        Field::required("status", Kind::Enum(&TASK_STATUS)),
        Field::required("steps", Kind::Objects(&STEP_SHAPE)),
        Field::nullable("type", Kind::Enum(&TASK_TYPE)),
        Field::nullable(
            "user",
            Kind::One(Relation { target: &USER, join: Join::own("user_id"), brief: &["id", "name"] }),
        ),
    ],
};
