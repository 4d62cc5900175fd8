//! Helpers for migration steps. The helpers create tables, tables of pairs and indexes in the same way on both databases.

use sea_orm_migration::prelude::*;

/// A column: name, type, and whether the column is never null.
pub(crate) type Column = (&'static str, Type, bool);

#[derive(Clone, Copy)]
pub(crate) enum Type {
    Text,
    Bool,
    Int,
    Long,
    Float,
    Json,
    Bytes,
}

/// A column that holds another table's id.
pub(crate) struct Reference {
    column: &'static str,
    table: &'static str,
    required: bool,
}

impl Reference {
    pub(crate) fn required(column: &'static str, table: &'static str) -> Self {
        Self { column, table, required: true }
    }

    pub(crate) fn optional(column: &'static str, table: &'static str) -> Self {
        Self { column, table, required: false }
    }
}

pub(crate) struct Maker<'a> {
    manager: &'a SchemaManager<'a>,
}

impl<'a> Maker<'a> {
    pub(crate) fn new(manager: &'a SchemaManager<'a>) -> Self {
        Self { manager }
    }

    /// Creates a table with a text column `id`, the given columns, and the given references. Each reference gets an index.
    pub(crate) async fn table(
        &self,
        name: &'static str,
        columns: &[Column],
        references: &[Reference],
    ) -> Result<(), DbErr> {
        let mut table = Table::create();
        table.table(name).col(self.column(("id", Type::Text, true)).primary_key());
        for column in columns {
            table.col(self.column(*column));
        }
        for Reference { column, table: target, required } in references {
            let on_delete = if *required { ForeignKeyAction::Cascade } else { ForeignKeyAction::SetNull };
            table.col(self.column((column, Type::Text, *required)));
            table.foreign_key(ForeignKey::create().from(name, *column).to(*target, "id").on_delete(on_delete));
        }
        self.manager.create_table(table).await?;
        for reference in references {
            self.index(name, &[reference.column], false).await?;
        }
        Ok(())
    }

    /// Creates a table of pairs: each pair links a row of one table to a row of another table. Deleting either row deletes the pair. `left`
    /// and `right` each hold a column of the new table and the table that the column refers to.
    pub(crate) async fn pairs(
        &self,
        name: &'static str,
        left: (&'static str, &'static str),
        right: (&'static str, &'static str),
    ) -> Result<(), DbErr> {
        let mut table = Table::create();
        table.table(name);
        for (column, target) in [left, right] {
            table.col(self.column((column, Type::Text, true)));
            let reference = ForeignKey::create().from(name, column).to(target, "id").to_owned();
            table.foreign_key(reference.to_owned().on_delete(ForeignKeyAction::Cascade));
        }
        table.primary_key(Index::create().col(left.0).col(right.0));
        self.manager.create_table(table).await?;
        self.index(name, &[right.0], false).await
    }

    /// Adds a column to a table. If the column is never null, existing rows get the value `default`.
    pub(crate) async fn add(&self, table: &'static str, column: Column, default: &'static str) -> Result<(), DbErr> {
        let mut definition = self.column(column);
        if column.2 {
            definition.default(default);
        }
        self.manager.alter_table(Table::alter().table(table).add_column(definition).to_owned()).await
    }

    pub(crate) async fn index(&self, table: &'static str, columns: &[&'static str], unique: bool) -> Result<(), DbErr> {
        let mut index = Index::create();
        index.name(format!("{table}_{}", columns.join("_"))).table(table);
        for column in columns {
            index.col(*column);
        }
        if unique {
            index.unique();
        }
        self.manager.create_index(index).await
    }

    fn column(&self, (name, kind, required): Column) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        match kind {
            Type::Text | Type::Json => column.text(),
            Type::Bool => column.boolean(),
            Type::Int => column.integer(),
            Type::Long => column.big_integer(),
            Type::Float => column.double(),
            Type::Bytes => column.blob(),
        };
        if matches!(kind, Type::Text) && self.manager.get_database_backend() == sea_orm::DatabaseBackend::Postgres {
            column.extra("COLLATE \"C\"");
        }
        if required {
            column.not_null();
        }
        column
    }
}
