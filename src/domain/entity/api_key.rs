//! [`API_KEY`]: the fields of an `ApiKey` (contract section 2.2), the time of the mint, and how the owner was authenticated at the mint:
//! `amr` (RFC 8176), `auth_time` and `auth_address`.

use super::{Entity, Field, Join, Kind, Relation, USER, USER_ROLE_NEXT};

/// An API key of a user.
pub static API_KEY: Entity = Entity {
    name: "ApiKey",
    plural: "apiKeys",
    route: "",
    table: "api_keys",
    fields: &[
        Field::required("amr", Kind::Texts),
        Field::nullable("auth_address", Kind::Text),
        Field::nullable("auth_time", Kind::DateTime),
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
        Field::nullable("suspended_at", Kind::DateTime),
        Field::nullable(
            "user",
            Kind::One(Relation { target: &USER, join: Join::own("user_id"), brief: &["id", "name"] }),
        ),
        Field::nullable("username", Kind::Text),
    ],
};
