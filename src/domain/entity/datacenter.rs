//! [`DATACENTER`]: the fields of a `Datacenter` (contract section 5).

use super::shapes::LABEL_SHAPE;
use super::{CLUSTER, Entity, Field, Join, Kind, ORGANIZATION, Relation};

/// A data center: a named group of clusters.
pub static DATACENTER: Entity = Entity {
    name: "Datacenter",
    plural: "datacenters",
    route: "datacenters",
    table: "datacenters",
    fields: &[
        Field::nullable("cluster_num", Kind::Int),
        Field::nullable(
            "clusters",
            Kind::Many(Relation {
                target: &CLUSTER,
                join: Join::through("cluster_datacenters", "datacenter_id", "cluster_id"),
                brief: &["id", "name"],
            }),
        ),
        Field::nullable("failure_data_space", Kind::Long),
        Field::nullable("host_num", Kind::Int),
        Field::required("id", Kind::Id),
        Field::nullable("labels", Kind::Objects(&LABEL_SHAPE)),
        Field::required("name", Kind::Text),
        Field::required(
            "organization",
            Kind::One(Relation { target: &ORGANIZATION, join: Join::own("organization_id"), brief: &["id", "name"] }),
        ),
        Field::nullable("total_cpu_hz", Kind::Long),
        Field::nullable("total_data_capacity", Kind::Long),
        Field::nullable("total_memory_bytes", Kind::Long),
        Field::nullable("used_cpu_hz", Kind::Float),
        Field::nullable("used_data_space", Kind::Long),
        Field::nullable("used_memory_bytes", Kind::Float),
        Field::nullable("vm_num", Kind::Int),
    ],
};
