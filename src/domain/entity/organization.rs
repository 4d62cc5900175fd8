//! [`ORGANIZATION`]: the fields of an `Organization` (contract section 5).

use super::{DATACENTER, Entity, Field, Join, Kind, Relation};

/// The organization; there is always exactly one row.
pub static ORGANIZATION: Entity = Entity {
    name: "Organization",
    plural: "organizations",
    route: "organizations",
    table: "organizations",
    fields: &[
        Field::nullable(
            "datacenters",
            Kind::Many(Relation {
                target: &DATACENTER,
                join: Join::reverse("organization_id"),
                brief: &["id", "name"],
            }),
        ),
        Field::required("id", Kind::Id),
        Field::required("name", Kind::Text),
    ],
};
