//! Writes the rows of the inventory. The entity's description determines the columns, as it does for reads.

use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, OnConflict, Query as Sql};
use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder, Value as SqlValue};
use serde_json::{Map, Value};

use super::model::organization;
use super::{Tx, error};
use crate::domain::entity::{Entity, Field, Join, Kind};
use crate::error::{Error, Result};

/// Maximum number of rows in one statement. Even for the widest table, a statement of this size stays far below both databases' limits on
/// parameters.
const BATCH: usize = 100;

impl Tx {
    /// Inserts or replaces rows by id. The caller must have checked each record against the entity's description.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn upsert(&self, entity: &'static Entity, records: &[Map<String, Value>]) -> Result<()> {
        let columns: Vec<(&str, &Field)> =
            entity.fields.iter().filter_map(|field| Some((column(field)?, field))).collect();
        let names = || columns.iter().map(|(name, _)| Alias::new(*name));
        for batch in records.chunks(BATCH) {
            let mut insert = Sql::insert();
            insert.into_table(entity.table).columns(names());
            for record in batch {
                let values = columns.iter().map(|(_, field)| Expr::val(sql_value(field, record.get(field.name))));
                insert.values(values).map_err(Error::internal)?;
            }
            let others = columns.iter().filter(|(name, _)| *name != "id").map(|(name, _)| Alias::new(*name));
            insert.on_conflict(OnConflict::column("id").update_columns(others).to_owned());
            self.db.execute(&insert).await.map_err(error)?;
        }
        Ok(())
    }

    /// Returns the ids of all rows of an entity.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn existing_ids(&self, entity: &'static Entity) -> Result<Vec<String>> {
        let select = Sql::select().column("id").from(entity.table).to_owned();
        let rows = self.db.query_all(&select).await.map_err(error)?;
        rows.iter().map(|row| row.try_get("", "id").map_err(error)).collect()
    }

    /// Deletes rows by id, and all rows with a required reference to a deleted row.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn delete_rows(&self, entity: &'static Entity, ids: &[String]) -> Result<()> {
        for batch in ids.chunks(BATCH) {
            let ids = batch.iter().map(String::as_str);
            let delete = Sql::delete().from_table(entity.table).and_where(Expr::col("id").is_in(ids)).to_owned();
            self.db.execute(&delete).await.map_err(error)?;
        }
        Ok(())
    }

    /// Returns the id of the organization. Every initialized database has one.
    ///
    /// # Errors
    /// `Internal` if the organization does not exist.
    /// `Unavailable` if the database is unreachable.
    pub async fn organization(&self) -> Result<String> {
        let first = organization::Entity::find().order_by_asc(organization::Column::Id).one(&self.db).await;
        let first = first.map_err(error)?;
        first.map(|row| row.id).ok_or_else(|| Error::internal("there is no organization"))
    }

    /// Renames the organization.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn name_organization(&self, id: &str, name: String) -> Result<()> {
        let row = organization::ActiveModel { id: Unchanged(id.to_owned()), name: Set(name) };
        organization::Entity::update(row).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Deletes all pairs that contain the row `here` from the relation's table of pairs. Does nothing for a relation without such a table.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn unlink(&self, join: Join, here: &str) -> Result<()> {
        let Join::Through(table, column, _) = join else { return Ok(()) };
        let delete = Sql::delete().from_table(table).and_where(Expr::col(column).eq(here)).to_owned();
        self.db.execute(&delete).await.map_err(error)?;
        Ok(())
    }

    /// Adds the pair of the rows `here` and `there` to the relation's table of pairs, unless the pair already exists. Does nothing for a
    /// relation without such a table.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn link(&self, join: Join, here: &str, there: &str) -> Result<()> {
        let Join::Through(table, left, right) = join else { return Ok(()) };
        let mut insert = Sql::insert();
        insert.into_table(table).columns([left, right]);
        insert.values([here.into(), there.into()]).map_err(Error::internal)?;
        insert.on_conflict(OnConflict::columns([left, right]).do_nothing().to_owned());
        self.db.execute(&insert).await.map_err(error)?;
        Ok(())
    }
}

/// Returns the column that stores a field; `None` for a field of the kind `Kind::Key`, and for a relation that another table stores.
fn column(field: &'static Field) -> Option<&'static str> {
    match &field.kind {
        Kind::One(relation) => match relation.join {
            Join::Own(column) => Some(column),
            _ => None,
        },
        Kind::Many(_) | Kind::Key => None,
        _ => Some(field.name),
    }
}

fn sql_value(field: &Field, value: Option<&Value>) -> SqlValue {
    let value = value.unwrap_or(&Value::Null);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match field.kind {
        Kind::Bool => SqlValue::Bool(value.as_bool()),
        Kind::Int => SqlValue::Int(value.as_i64().and_then(|number| i32::try_from(number).ok())),
        Kind::Long => SqlValue::BigInt(value.as_i64()),
        Kind::Float => SqlValue::Double(value.as_f64()),
        Kind::Id | Kind::Text | Kind::Localized | Kind::DateTime | Kind::Enum(_) => SqlValue::String(text(value)),
        Kind::One(_) => SqlValue::String(value.get("id").and_then(text)),
        _ => SqlValue::String((!value.is_null()).then(|| value.to_string())),
    }
}
