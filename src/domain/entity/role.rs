//! [`USER_ROLE_NEXT`]: the fields of a `UserRoleNext` (contract sections 3.1 and 5).

use super::enums::{USER_ROLE_PLATFORM, USER_ROLE_PRESET};
use super::{Entity, Field, Join, Kind, Relation, USER};

/// A role: a named set of actions, or one of the presets.
pub static USER_ROLE_NEXT: Entity = Entity {
    name: "UserRoleNext",
    plural: "userRoleNexts",
    route: "user-role-nexts",
    table: "roles",
    fields: &[
        Field::required("actions", Kind::Texts),
        Field::required("id", Kind::Id),
        Field::required("name", Kind::Text),
        Field::required("platform", Kind::Enum(&USER_ROLE_PLATFORM)),
        Field::nullable("preset", Kind::Enum(&USER_ROLE_PRESET)),
        Field::nullable(
            "users",
            Kind::Many(Relation {
                target: &USER,
                join: Join::through("user_roles", "role_id", "user_id"),
                brief: &["id", "name"],
            }),
        ),
    ],
};
