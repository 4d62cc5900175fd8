//! Reads VMs and hosts for power operations, marks a VM as held during an operation, and stores the result of the operation.

use std::collections::{BTreeSet, HashMap};

use sea_orm::sea_query::{Expr, ExprTrait, Func, Order, Query as Sql, SelectStatement, UpdateStatement};
use sea_orm::{ConnectionTrait, QueryResult, Value as SqlValue};
use serde_json::Value;

use super::{Tx, error};
use crate::domain::clock::iso;
use crate::domain::entity::{CLUSTER, Entity, HOST, VM};
use crate::domain::power::{Host, Switched, Vm};
use crate::domain::task::{EXECUTING, PENDING};
use crate::error::Result;

/// Column that is not NULL while a change of the row is in progress. The contract calls the type of this column EntityAsyncStatus.
const HELD: &str = "entityAsyncStatus";
/// Maximum number of ids in one statement.
const CHUNK: usize = 5_000;

impl Tx {
    /// Returns the subset of `ids` that exist in the entity's table.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn existing(&self, entity: &'static Entity, ids: &[String]) -> Result<BTreeSet<String>> {
        let mut select = Sql::select();
        select.column("id").from(entity.table);
        let read = |row: &QueryResult| row.try_get("", "id").map_err(error);
        Ok(self.read_in(&select, "id", ids, read).await?.into_iter().collect())
    }

    /// Returns VMs by id. Omits VMs that do not exist.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn vms(&self, ids: &[String]) -> Result<Vec<Vm>> {
        let mut select = Sql::select();
        select.columns(["id", "name", "status", "in_recycle_bin", HELD, "cluster_id", "host_id"]).from(VM.table);
        self.read_in(&select, "id", ids, read_vm).await
    }

    /// Returns hosts by id. Omits hosts that do not exist.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn hosts(&self, ids: &[String]) -> Result<Vec<Host>> {
        self.read_in(&hosts(), "id", ids, read_host).await
    }

    /// Returns the hosts of the clusters with the given ids.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn hosts_of(&self, clusters: &[String]) -> Result<Vec<Host>> {
        self.read_in(&hosts(), "cluster_id", clusters, read_host).await
    }

    async fn read_in<T>(
        &self,
        select: &SelectStatement,
        column: &'static str,
        values: &[String],
        read: impl Fn(&QueryResult) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut found = Vec::new();
        for values in values.chunks(CHUNK) {
            // No row contains NUL (`\0`), and PostgreSQL rejects NUL even in a comparison.
            let values = values.iter().filter(|value| !value.contains('\0')).map(String::as_str);
            let mut select = select.clone();
            select.and_where(Expr::col(column).is_in(values)).order_by("id", Order::Asc);
            for row in &self.db.query_all(&select).await.map_err(error)? {
                found.push(read(row)?);
            }
        }
        Ok(found)
    }

    /// Marks VMs as held: a change of each VM is in progress. The caller must have locked the table `vms` by [`Tx::alone_with`], and must
    /// have checked that none of the VMs is held already.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn hold_vms(&self, ids: &[String]) -> Result<()> {
        for ids in ids.chunks(CHUNK) {
            let mut hold = update(VM.table);
            hold.value(HELD, "UPDATING").and_where(Expr::col("id").is_in(ids));
            self.db.execute(&hold).await.map_err(error)?;
        }
        Ok(())
    }

    /// Marks every VM with an unfinished task of keytower's own as held again. An import calls this function, because the import replaces
    /// rows and so erases the marks.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn hold_vms_at_work(&self) -> Result<()> {
        let sql = format!(
            "UPDATE vms SET \"{HELD}\" = 'UPDATING' WHERE id IN \
             (SELECT resource_id FROM tasks WHERE status IN ('{PENDING}', '{EXECUTING}') AND due_at > '')"
        );
        self.db.execute_unprepared(&sql).await.map_err(error)?;
        Ok(())
    }

    /// Removes the held mark of a VM and changes nothing else.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn release_vm(&self, id: &str) -> Result<()> {
        let mut release = update(VM.table);
        release.value(HELD, SqlValue::String(None)).and_where(Expr::col("id").eq(id));
        self.db.execute(&release).await.map_err(error)?;
        Ok(())
    }

    /// Stores the new status and host of a VM, and removes the VM's held mark. Also updates the VM counts of the cluster and the hosts, as
    /// far as cluster, hosts and counts are known.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn switch_vm(&self, switched: &Switched) -> Result<()> {
        let Switched { vm, cluster, host, moved_to, from, to, stopped_at } = switched;
        let mut change = update(VM.table);
        change.value(HELD, SqlValue::String(None)).value("status", *to).and_where(Expr::col("id").eq(vm.as_str()));
        if let Some(at) = stopped_at {
            change.value("last_shutdown_time", iso(*at));
        }
        if let Some(place) = moved_to {
            change.value("host_id", place.host.as_str()).value("node_ip", place.ip.as_str());
        }
        self.db.execute(&change).await.map_err(error)?;
        let place = moved_to.as_ref().map(|place| place.host.as_str());
        self.count(CLUSTER.table, cluster.as_deref(), from, -1).await?;
        self.count(CLUSTER.table, cluster.as_deref(), to, 1).await?;
        self.count(HOST.table, host.as_deref(), from, -1).await?;
        self.count(HOST.table, place.or(host.as_deref()), to, 1).await?;
        if place.is_some() {
            self.add(HOST.table, host.as_deref(), "vm_num", -1).await?;
            self.add(HOST.table, place, "vm_num", 1).await?;
        }
        Ok(())
    }

    /// Returns the number of running VMs on each of the given hosts, by host id. Omits hosts without a running VM.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn running_on(&self, hosts: &[String]) -> Result<HashMap<String, i64>> {
        let mut select = Sql::select();
        select.column("host_id").expr_as(Func::count(Expr::col("id")), "number").from(VM.table);
        select.and_where(Expr::col("status").eq("RUNNING")).and_where(Expr::col("host_id").is_in(hosts));
        select.group_by_col("host_id");
        let rows = self.db.query_all(&select).await.map_err(error)?;
        let pair = |row: &sea_orm::QueryResult| Ok((row.try_get("", "host_id")?, row.try_get("", "number")?));
        rows.iter().map(pair).collect::<std::result::Result<_, _>>().map_err(error)
    }

    async fn count(&self, table: &'static str, id: Option<&str>, status: &str, by: i32) -> Result<()> {
        let column = match status {
            "RUNNING" => "running_vm_num",
            "STOPPED" => "stopped_vm_num",
            "SUSPENDED" => "suspended_vm_num",
            _ => return Ok(()),
        };
        self.add(table, id, column, by).await
    }

    /// Adds `by` to a count, unless the count is NULL or the result would be negative or too large for an `i32`.
    async fn add(&self, table: &'static str, id: Option<&str>, column: &'static str, by: i32) -> Result<()> {
        let Some(id) = id else { return Ok(()) };
        let (least, most) = (Ord::max(0, -by), i32::MAX - Ord::max(0, by));
        let mut add = update(table);
        add.value(column, Expr::col(column).add(by)).and_where(Expr::col("id").eq(id));
        add.and_where(Expr::col(column).between(least, most));
        self.db.execute(&add).await.map_err(error)?;
        Ok(())
    }
}

fn update(table: &'static str) -> UpdateStatement {
    Sql::update().table(table).to_owned()
}

fn hosts() -> SelectStatement {
    let mut select = Sql::select();
    select.columns(["id", "name", "management_ip", "cluster_id", "status", "state", "host_state"]).from(HOST.table);
    select
}

fn read_vm(row: &QueryResult) -> Result<Vm> {
    let held: Option<String> = row.try_get("", HELD).map_err(error)?;
    Ok(Vm {
        id: row.try_get("", "id").map_err(error)?,
        name: row.try_get("", "name").map_err(error)?,
        status: row.try_get("", "status").map_err(error)?,
        in_recycle_bin: row.try_get("", "in_recycle_bin").map_err(error)?,
        is_held: held.is_some(),
        cluster: row.try_get("", "cluster_id").map_err(error)?,
        host: row.try_get("", "host_id").map_err(error)?,
    })
}

fn read_host(row: &QueryResult) -> Result<Host> {
    let maintenance: Option<String> = row.try_get("", "host_state").map_err(error)?;
    let maintenance = match maintenance.as_deref().map(serde_json::from_str::<Value>) {
        None | Some(Ok(Value::Null)) => "IN_USE".to_owned(),
        Some(state) => state
            .ok()
            .and_then(|it| it.get("state")?.as_str().map(str::to_owned))
            .unwrap_or_else(|| "UNKNOWN".to_owned()),
    };
    Ok(Host {
        id: row.try_get("", "id").map_err(error)?,
        name: row.try_get("", "name").map_err(error)?,
        management_ip: row.try_get("", "management_ip").map_err(error)?,
        cluster: row.try_get("", "cluster_id").map_err(error)?,
        status: row.try_get("", "status").map_err(error)?,
        state: row.try_get("", "state").map_err(error)?,
        maintenance,
    })
}
