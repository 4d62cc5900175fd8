//! [`API_KEY`]: the fields of an `ApiKey` (contract section 2.2), and when it was made.

use super::{Entity, Field, Join, Kind, Relation, USER, USER_ROLE_NEXT};

/// A revocable key of a user.
pub static API_KEY: Entity = Entity {
    name: "ApiKey",
    plural: "apiKeys",
    route: "",
    table: "api_keys",
    fields: &[
        Field::required("created_at", Kind::DateTime),
        Field::required("description", Kind::Text),
        Field::required("editable", Kind::Bool),
        Field::required("id", Kind::Id),
        Field::nullable("key", Kind::Key),
        Field::required("name", Kind::Text),
        Field::nullable(
            "roles",
            Kind::Many(Relation {
                target: &USER_ROLE_NEXT,
                join: Join::through("api_key_roles", "api_key_id", "role_id"),
                brief: &["id", "name"],
            }),
        ),
        Field::nullable(
            "user",
            Kind::One(Relation { target: &USER, join: Join::own("user_id"), brief: &["id", "name"] }),
        ),
        Field::nullable("username", Kind::Text),
    ],
};
