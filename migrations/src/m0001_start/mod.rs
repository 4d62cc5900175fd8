//! The first schema: users, roles, keys, sessions, signing keys, and the inventory.
//!
//! Text is compared byte by byte on both databases: SQLite does so by default, PostgreSQL by `COLLATE "C"`. Timestamps are text in one
//! fixed format that sorts chronologically.

mod inventory;

use sea_orm_migration::prelude::*;

use crate::maker::{Maker, Reference, Type};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0001_start"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use Type::{Bool, Bytes, Json, Text};
        let make = Maker::new(manager);

        make.table("meta", &[("value", Text, true)], &[]).await?;
        make.table("organizations", &[("name", Text, true)], &[]).await?;
        make.table(
            "users",
            &[
                ("auth_config_id", Text, false),
                ("created_at", Text, true),
                ("display_username", Text, true),
                ("email_address", Text, false),
                ("internal", Bool, true),
                ("ldap_dn", Text, false),
                ("mobile_phone", Text, false),
                ("name", Text, true),
                ("password_expired", Bool, false),
                ("password_hash", Text, false),
                ("password_recover_qa", Json, true),
                ("password_updated_at", Text, false),
                ("source", Text, true),
                ("username", Text, true),
            ],
            &[],
        )
        .await?;
        make.index("users", &["username", "source"], true).await?;
        make.table(
            "roles",
            &[("actions", Json, true), ("name", Text, true), ("platform", Text, true), ("preset", Text, false)],
            &[],
        )
        .await?;
        make.index("roles", &["preset"], true).await?;
        make.pairs("user_roles", ("user_id", "users"), ("role_id", "roles")).await?;
        make.table(
            "api_keys",
            &[
                ("ceiling", Json, true),
                ("created_at", Text, true),
                ("description", Text, true),
                ("digest", Bytes, true),
                ("editable", Bool, true),
                ("name", Text, true),
            ],
            &[Reference::required("user_id", "users")],
        )
        .await?;
        make.index("api_keys", &["digest"], true).await?;
        make.pairs("api_key_roles", ("api_key_id", "api_keys"), ("role_id", "roles")).await?;
        make.table(
            "sessions",
            &[("amr", Json, true), ("created_at", Text, true), ("expires_at", Text, true)],
            &[Reference::required("user_id", "users")],
        )
        .await?;
        make.index("sessions", &["expires_at"], false).await?;
        make.table(
            "signing_keys",
            &[
                ("active_from", Text, true),
                ("algorithm", Text, true),
                ("created_at", Text, true),
                ("public_key", Bytes, true),
                ("retired_at", Text, false),
                ("sealed_private_key", Bytes, true),
            ],
            &[],
        )
        .await?;

        make.table("datacenters", inventory::DATACENTERS, &[Reference::required("organization_id", "organizations")])
            .await?;
        make.table("clusters", inventory::CLUSTERS, &[]).await?;
        make.pairs("cluster_datacenters", ("cluster_id", "clusters"), ("datacenter_id", "datacenters")).await?;
        make.table("hosts", inventory::HOSTS, &[Reference::required("cluster_id", "clusters")]).await?;
        let of_vm = [Reference::optional("cluster_id", "clusters"), Reference::optional("host_id", "hosts")];
        make.table("vms", inventory::VMS, &of_vm).await?;
        for table in ["vms", "hosts", "clusters"] {
            make.index(table, &["name"], false).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            "vms",
            "hosts",
            "cluster_datacenters",
            "clusters",
            "datacenters",
            "signing_keys",
            "sessions",
            "api_key_roles",
            "api_keys",
            "user_roles",
            "roles",
            "users",
            "organizations",
            "meta",
        ] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}
