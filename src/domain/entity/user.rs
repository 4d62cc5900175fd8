//! [`USER`]: the fields of a `User` (contract sections 3.1 and 5).

use super::enums::{USER_ROLE, USER_SOURCE};
use super::shapes::PASSWORD_RECOVER_QA_SHAPE;
use super::{Entity, Field, Join, Kind, Relation, USER_ROLE_NEXT};

/// A person or service that can log in and own keys.
pub static USER: Entity = Entity {
    name: "User",
    plural: "users",
    route: "users",
    table: "users",
    fields: &[
        Field::nullable("auth_config_id", Kind::Text),
        Field::required("display_username", Kind::Text),
        Field::nullable("email_address", Kind::Text),
        Field::required("id", Kind::Id),
        Field::required("internal", Kind::Bool),
        Field::nullable("ldap_dn", Kind::Text),
        Field::nullable("mobile_phone", Kind::Text),
        Field::required("name", Kind::Text),
        Field::nullable("password_expired", Kind::Bool),
        Field::nullable("password_recover_qa", Kind::Object(&PASSWORD_RECOVER_QA_SHAPE)),
        Field::nullable("password_updated_at", Kind::DateTime),
        Field::nullable("role", Kind::Enum(&USER_ROLE)),
        Field::nullable(
            "roles",
            Kind::Many(Relation {
                target: &USER_ROLE_NEXT,
                join: Join::through("user_roles", "user_id", "role_id"),
                brief: &["id", "name"],
            }),
        ),
        Field::required("source", Kind::Enum(&USER_SOURCE)),
        Field::required("username", Kind::Text),
    ],
};
