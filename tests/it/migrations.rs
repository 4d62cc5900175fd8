//! The schema: made, unmade and made again; its keys, indexes and collations; and that it holds what the descriptions promise.

use std::collections::{BTreeMap, BTreeSet};

use keytower::domain::entity::{ENTITIES, Join, Kind};
use keytower_migrations::Migrator;
use sea_orm::{ConnectionTrait, DatabaseConnection, FromQueryResult, Statement, TransactionTrait};
use sea_orm_migration::MigratorTrait;

use crate::support::Service;
use crate::support::database::is_postgres;

/// Columns that no description names: what only the service itself needs.
const INTERNAL: &[&str] = &[
    "api_keys.address_restriction",
    "api_keys.ceiling",
    "api_keys.changed_at",
    "api_keys.classic_of",
    "api_keys.digest",
    "api_keys.made_by",
    "api_keys.number",
    "api_keys.sealed",
    "global_settings.mfa",
    "system_audit_logs.chain_code",
    "system_audit_logs.chain_seq",
    "tasks.credential",
    "tasks.due_at",
    "tasks.username",
    "user_audit_logs.chain_code",
    "user_audit_logs.chain_seq",
    "users.address_restriction",
    "users.answers_required",
    "users.created_at",
    "users.modified_at",
    "users.number",
    "users.parent",
    "users.password_hash",
    "users.permissions",
    "users.profile",
    "users.status",
    "users.status_at",
];

/// Fields without a column: the store derives them from other tables.
const DERIVED: &[&str] = &["api_keys.username", "users.role"];

/// Columns of JSON beside those of the descriptions.
const JSON: &[&str] =
    &["api_keys.ceiling", "global_settings.mfa", "sessions.amr", "users.permissions", "users.profile"];

#[derive(Debug, FromQueryResult)]
struct Column {
    on: String,
    name: String,
    kind: String,
    required: bool,
    collation: Option<String>,
}

#[derive(Debug, FromQueryResult)]
struct Reference {
    on: String,
    name: String,
    on_delete: String,
}

#[derive(Debug, FromQueryResult)]
struct Index {
    on: String,
    only_one: bool,
    columns: String,
}

async fn rows<T: FromQueryResult>(db: &impl ConnectionTrait, sqlite: &str, postgres: &str) -> Vec<T> {
    let sql = if is_postgres() { postgres } else { sqlite };
    let found = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    found.iter().map(|row| T::from_query_result(row, "").unwrap()).collect()
}

async fn columns(db: &DatabaseConnection) -> Vec<Column> {
    rows(
        db,
        "SELECT m.name AS \"on\", c.name AS name, lower(c.type) AS kind, c.\"notnull\" = 1 AS required, NULL AS collation
         FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'
         ORDER BY 1, 2",
        "SELECT table_name::text AS \"on\", column_name::text AS name, data_type::text AS kind,
                is_nullable = 'NO' AS required, collation_name::text AS collation
         FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2",
    )
    .await
}

async fn references(db: &DatabaseConnection) -> Vec<Reference> {
    rows(
        db,
        "SELECT m.name AS \"on\", f.\"from\" AS name, f.on_delete AS on_delete
         FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table' ORDER BY 1, 2",
        "SELECT c.conrelid::regclass::text AS \"on\", a.attname::text AS name,
                CASE c.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' ELSE 'NO ACTION' END AS on_delete
         FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
         WHERE c.contype = 'f' ORDER BY 1, 2",
    )
    .await
}

/// The indexes, each with its columns in order.
async fn indexes(db: &DatabaseConnection) -> Vec<Index> {
    rows(
        db,
        "SELECT \"on\", only_one, group_concat(name, ' ') AS columns FROM (
             SELECT m.name AS \"on\", l.name AS called, l.\"unique\" = 1 AS only_one, i.name AS name
             FROM sqlite_master m JOIN pragma_index_list(m.name) l JOIN pragma_index_info(l.name) i
             WHERE m.type = 'table' ORDER BY 1, 2, i.seqno
         ) GROUP BY \"on\", called, only_one ORDER BY 1, 3",
        "SELECT i.indrelid::regclass::text AS \"on\", i.indisunique AS only_one,
                string_agg(a.attname::text, ' ' ORDER BY array_position(i.indkey::int2[], a.attnum)) AS columns
         FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
         WHERE i.indrelid::regclass::text NOT LIKE 'pg_%' GROUP BY i.indexrelid, i.indrelid, i.indisunique ORDER BY 1, 3",
    )
    .await
}

/// The whole schema as text, but for the table in which the library notes which steps ran.
async fn schema(db: &DatabaseConnection) -> String {
    let (columns, references, indexes) = (columns(db).await, references(db).await, indexes(db).await);
    let mine = |on: &str| on != "seaql_migrations";
    let mut text: Vec<String> = columns.iter().filter(|it| mine(&it.on)).map(|it| format!("{it:?}")).collect();
    text.extend(references.iter().filter(|it| mine(&it.on)).map(|it| format!("{it:?}")));
    text.extend(indexes.iter().filter(|it| mine(&it.on)).map(|it| format!("{it:?}")));
    text.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn down_undoes_up_even_with_rows_and_up_makes_the_same_again() {
    let service = Service::start().await;
    service.import_example().await;
    let token = service.root().await;
    service.mint(&token, "in the way").await;
    service.app.store.close().await;
    let db = service.database().connect().await;
    let first = schema(&db).await;
    assert!(first.lines().count() > 200, "{first}");
    Migrator::up(&db, None).await.unwrap();
    assert_eq!(schema(&db).await, first, "a second up changed something");
    for _ in 0..2 {
        Migrator::down(&db, None).await.unwrap();
        assert_eq!(schema(&db).await, "", "down left something behind");
        Migrator::up(&db, None).await.unwrap();
        assert_eq!(schema(&db).await, first);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn references_say_what_a_delete_does_and_are_indexed() {
    let service = Service::start().await;
    let db = service.database().connect().await;
    let (references, indexes, columns) = (references(&db).await, indexes(&db).await, columns(&db).await);
    let named: BTreeSet<String> = references.iter().map(|it| format!("{}.{}", it.on, it.name)).collect();
    // What looks like a reference is one.
    let looks: BTreeSet<String> =
        columns.iter().filter(|it| it.name.ends_with("_id")).map(|it| format!("{}.{}", it.on, it.name)).collect();
    let only_looks = [
        "hosts.chunk_id",
        "hosts.local_id",
        "hosts.node_topo_local_id",
        "clusters.local_id",
        "vms.local_id",
        "users.auth_config_id",
        // What the logs tell outlives what it is told of.
        "system_audit_logs.cluster_id",
        "system_audit_logs.local_id",
        "system_audit_logs.resource_id",
        "tasks.cluster_id",
        "tasks.resource_id",
        "tasks.user_id",
        "user_audit_logs.cluster_id",
        "user_audit_logs.resource_id",
        "user_audit_logs.user_id",
    ];
    let only_looks: BTreeSet<String> = only_looks.map(str::to_owned).into();
    assert_eq!(named, looks.difference(&only_looks).cloned().collect());
    for Reference { on, name, on_delete } in &references {
        let column = columns.iter().find(|it| it.on == *on && it.name == *name).unwrap();
        assert_eq!(on_delete, if column.required { "CASCADE" } else { "SET NULL" }, "{on}.{name}");
        let indexed = indexes.iter().any(|it| it.on == *on && it.columns.split(' ').next() == Some(name));
        assert!(indexed, "{on}.{name} has no index");
    }
    for (on, columns) in [("api_keys", "digest"), ("users", "username source"), ("roles", "preset")] {
        let found = indexes.iter().any(|it| it.on == on && it.columns == columns && it.only_one);
        assert!(found, "{on} has no unique index on {columns}: {indexes:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_compares_byte_by_byte() {
    let service = Service::start().await;
    let db = service.database().connect().await;
    if !is_postgres() {
        let made: Vec<Made> = rows(&db, "SELECT coalesce(sql, '') AS sql FROM sqlite_master", "").await;
        assert!(made.iter().all(|it| !it.sql.to_uppercase().contains("COLLATE")), "{made:?}");
        return;
    }
    let json: BTreeSet<String> = json_columns();
    let mut compared = 0;
    for it in columns(&db).await.iter().filter(|it| it.kind == "text" && it.on != "seaql_migrations") {
        if !json.contains(&format!("{}.{}", it.on, it.name)) {
            assert_eq!(it.collation.as_deref(), Some("C"), "{}.{}", it.on, it.name);
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
}

#[derive(Debug, FromQueryResult)]
struct Made {
    sql: String,
}

/// The columns whose text is JSON: never compared.
fn json_columns() -> BTreeSet<String> {
    let fields = ENTITIES.into_iter().flat_map(|entity| entity.fields.iter().map(move |field| (entity, field)));
    let json = fields.filter(|(_, field)| expected(&field.kind) == Some("json"));
    let names = json.map(|(entity, field)| format!("{}.{}", entity.table, field.name));
    names.chain(JSON.iter().map(|name| (*name).to_owned())).collect()
}

/// What a column must hold for a kind; `None` for what other rows keep.
fn expected(kind: &Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Id | Kind::Text | Kind::Localized | Kind::DateTime | Kind::Enum(_) => "text",
        Kind::Bool => "boolean",
        Kind::Int => "integer",
        Kind::Long => "bigint",
        Kind::Float => "double",
        Kind::Texts | Kind::Ints | Kind::Floats | Kind::Object(_) | Kind::Objects(_) | Kind::Json => "json",
        Kind::One(relation) => match relation.join {
            Join::Own(_) => "text",
            _ => return None,
        },
        Kind::Many(_) | Kind::Key => return None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_described_field_has_its_column_and_every_column_its_field() {
    let service = Service::start().await;
    let db = service.database().connect().await;
    let mut unseen: BTreeMap<String, Column> =
        columns(&db).await.into_iter().map(|it| (format!("{}.{}", it.on, it.name), it)).collect();
    for entity in ENTITIES {
        for field in entity.fields {
            let name = match field.relation().map(|relation| relation.join) {
                Some(Join::Own(column)) => column,
                _ => field.name,
            };
            let name = format!("{}.{name}", entity.table);
            let Some(kind) = expected(&field.kind).filter(|_| !DERIVED.contains(&name.as_str())) else { continue };
            let column = unseen.remove(&name).unwrap_or_else(|| panic!("there is no {name}"));
            let actual = match column.kind.as_str() {
                "text" if kind == "json" => "json",
                "double precision" => "double",
                // SQLite's one integer has 64 bits.
                "integer" if kind == "bigint" && !is_postgres() => "bigint",
                other => other,
            };
            assert_eq!(actual, kind, "{name}");
            assert!(column.required || !field.required, "{name} may be null");
            if matches!(field.kind, Kind::Localized) {
                assert!(unseen.remove(&format!("{name}_zh")).is_some(), "{name} has no Chinese twin");
            }
        }
    }
    let tables: Vec<&str> = ENTITIES.iter().map(|entity| entity.table).collect();
    let left: Vec<&String> =
        unseen.iter().filter(|(_, column)| tables.contains(&column.on.as_str())).map(|(name, _)| name).collect();
    assert_eq!(left, INTERNAL);
}

/// The statements behind `authenticate`, from the source: the store shows nobody its SQL.
fn statements() -> Vec<String> {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/credentials.rs");
    let source = std::fs::read_to_string(source).unwrap();
    let found = source.split("const SQL: &str = \"").skip(1).map(|rest| rest.split("\";").next().unwrap());
    let found = found.map(|sql| sql.replace('\\', " ").split_whitespace().collect::<Vec<_>>().join(" "));
    // A session is found by its id, or by the digest of the portal token that names it.
    let whole = |sql: String| match sql.ends_with("WHERE") {
        true => vec![format!("{sql} s.id = $1"), format!("{sql} s.digest = $1")],
        // A key is found by its digest at the door, and by its id where it is judged anew.
        false => vec![sql.replace("k.digest", "k.id"), sql],
    };
    found.flat_map(whole).collect()
}

#[derive(Debug, FromQueryResult)]
struct Step {
    detail: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn authenticate_reads_by_indexes_alone() {
    let service = Service::start().await;
    let statements = statements();
    assert_eq!(statements.len(), 4);
    let db = service.database().connect().await;
    for sql in statements {
        let literal = match (sql.contains("digest"), is_postgres()) {
            (true, true) => "'\\x00'::bytea",
            (true, false) => "x'00'",
            _ => "'a'",
        };
        let sql = sql.replace("$1", literal);
        let tx = db.begin().await.unwrap();
        if is_postgres() {
            // The tables are empty here: without this, any plan would read them whole.
            for way in ["seqscan", "bitmapscan", "hashjoin", "mergejoin"] {
                tx.execute_unprepared(&format!("SET LOCAL enable_{way} = off")).await.unwrap();
            }
        }
        let explain = if is_postgres() { "EXPLAIN" } else { "EXPLAIN QUERY PLAN" };
        let plan = tx.query_all_raw(Statement::from_string(tx.get_database_backend(), format!("{explain} {sql}")));
        let plan: Vec<Step> = plan
            .await
            .unwrap()
            .iter()
            .map(|row| Step { detail: row.try_get("", if is_postgres() { "QUERY PLAN" } else { "detail" }).unwrap() })
            .collect();
        let count = |word: &str| plan.iter().filter(|step| step.detail.contains(word)).count();
        if is_postgres() {
            assert_eq!(count("Seq Scan"), 0, "{plan:#?}");
            let scans = count("Index Scan") + count("Index Only Scan");
            assert!(scans > 0 && count("Index Cond") >= scans, "{plan:#?}");
        } else {
            assert_eq!(count("SCAN"), 0, "{plan:#?}");
            assert!(count("SEARCH") >= 4, "{plan:#?}");
            assert_eq!(count("USING INDEX") + count("USING COVERING INDEX"), count("SEARCH"), "{plan:#?}");
        }
    }
}
