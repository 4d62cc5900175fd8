//! The description of every object of the API: its fields, their types, columns and relations (contract sections 3.1 and 5).
//!
//! The GraphQL types and inputs, the OpenAPI schemas, the check of list requests, the check of an imported inventory, and the SQL that
//! reads and writes rows all derive from these descriptions. Only the shipped migrations repeat the columns, because a shipped migration
//! must never change; a test compares the two.

mod api_key;
mod audit_log;
mod cluster;
mod datacenter;
pub mod enums;
mod global_settings;
mod host;
mod organization;
mod role;
mod shapes;
mod task;
mod user;
mod vm;

pub use api_key::API_KEY;
pub use audit_log::{SYSTEM_AUDIT_LOG, USER_AUDIT_LOG};
pub use cluster::CLUSTER;
pub use datacenter::DATACENTER;
pub use global_settings::GLOBAL_SETTINGS;
pub use host::HOST;
pub use organization::ORGANIZATION;
pub use role::USER_ROLE_NEXT;
pub use task::TASK;
pub use user::USER;
pub use vm::VM;

/// Every entity that can be listed.
pub static ENTITIES: [&Entity; 12] = [
    &API_KEY,
    &CLUSTER,
    &DATACENTER,
    &GLOBAL_SETTINGS,
    &HOST,
    &ORGANIZATION,
    &SYSTEM_AUDIT_LOG,
    &TASK,
    &USER,
    &USER_AUDIT_LOG,
    &USER_ROLE_NEXT,
    &VM,
];

/// An object that can be listed.
#[derive(Debug)]
pub struct Entity {
    /// GraphQL type name.
    pub name: &'static str,
    /// Name of the GraphQL list field.
    pub plural: &'static str,
    /// REST routes: `get-<route>` and `get-<route>-connection`. Empty if the contract has no route for it.
    pub route: &'static str,
    /// Name of its table.
    pub table: &'static str,
    /// Fields, in the contract's order.
    pub fields: &'static [Field],
}

/// The fields of an object: of an entity, or of an object that is stored only inside another.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// GraphQL type name.
    pub name: &'static str,
    /// Fields, in the contract's order.
    pub fields: &'static [Field],
}

/// A closed list of values.
#[derive(Debug)]
pub struct Enumeration {
    /// GraphQL type name.
    pub name: &'static str,
    /// Allowed values.
    pub values: &'static [&'static str],
}

/// One field.
#[derive(Debug)]
pub struct Field {
    /// Name on the wire and of the column.
    pub name: &'static str,
    /// Type of its value.
    pub kind: Kind,
    /// Whether it is always present and never null.
    pub required: bool,
    /// Whether the contract's object has it. REST returns only such fields; GraphQL also returns the others, to clients that select them.
    pub contract: bool,
}

/// The type of a field.
#[derive(Debug)]
pub enum Kind {
    /// An id.
    Id,
    /// Text.
    Text,
    /// Text for people in both languages: the column with the field's name holds English, the one with the suffix `_zh` Chinese.
    Localized,
    /// The text of an API key: only the answer to the mint shows it, and the store finds it only by its digest.
    Key,
    /// A time, ISO 8601 in UTC with milliseconds.
    DateTime,
    /// True or false.
    Bool,
    /// 32-bit integer.
    Int,
    /// 64-bit integer: a number on REST, text on GraphQL.
    Long,
    /// Double.
    Float,
    /// One value of a closed list.
    Enum(&'static Enumeration),
    /// List of texts.
    Texts,
    /// List of 32-bit integers.
    Ints,
    /// List of doubles.
    Floats,
    /// A nested object without a list of its own.
    Object(&'static Shape),
    /// A list of nested objects.
    Objects(&'static Shape),
    /// A JSON object with arbitrary members.
    Json,
    /// At most one row of another entity.
    One(Relation),
    /// Rows of another entity.
    Many(Relation),
}

/// A relation to another entity.
#[derive(Debug)]
pub struct Relation {
    /// The other entity.
    pub target: &'static Entity,
    /// How to find its rows.
    pub join: Join,
    /// Fields of the other entity that REST shows here.
    pub brief: &'static [&'static str],
}

/// How to find the rows of a relation.
#[derive(Debug, Clone, Copy)]
pub enum Join {
    /// By a column of this table that holds the other row's id.
    Own(&'static str),
    /// By a column of the other table that holds this row's id.
    Reverse(&'static str),
    /// Through a table of pairs: its name, the column with this row's id, the column with the other row's id.
    Through(&'static str, &'static str, &'static str),
}

impl Join {
    const fn own(column: &'static str) -> Self {
        Self::Own(column)
    }

    const fn reverse(column: &'static str) -> Self {
        Self::Reverse(column)
    }

    const fn through(table: &'static str, here: &'static str, there: &'static str) -> Self {
        Self::Through(table, here, there)
    }
}

impl Field {
    const fn required(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, required: true, contract: true }
    }

    const fn nullable(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, required: false, contract: true }
    }

    const fn beyond_the_contract(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, required: false, contract: false }
    }

    /// Returns whether the field is a scalar, which conditions can compare (contract 4.2).
    #[must_use]
    pub fn is_scalar(&self) -> bool {
        matches!(
            self.kind,
            Kind::Id
                | Kind::Text
                | Kind::Localized
                | Kind::Key
                | Kind::DateTime
                | Kind::Bool
                | Kind::Int
                | Kind::Long
                | Kind::Float
                | Kind::Enum(_)
        )
    }

    /// Returns the shape of the rows of a relation, or of nested objects that have an id: conditions on this field apply to them. Nested
    /// objects with an id are rows of the contract that have no list here; one without an id is a plain value, which has an order but no
    /// conditions.
    #[must_use]
    pub fn related(&self) -> Option<Shape> {
        match &self.kind {
            Kind::One(relation) | Kind::Many(relation) => Some(relation.target.shape()),
            Kind::Object(shape) | Kind::Objects(shape) => Some(**shape).filter(Shape::has_id),
            _ => None,
        }
    }

    /// Returns whether an `orderBy` can name the field: a scalar, or a plain value of several members, which is ordered by its text. A
    /// key's text is excluded, because its order would reveal something about it.
    #[must_use]
    pub fn is_orderable(&self) -> bool {
        match &self.kind {
            Kind::Key => false,
            Kind::Json | Kind::Object(_) | Kind::Objects(_) => self.related().is_none(),
            _ => self.is_scalar(),
        }
    }

    /// Returns the relation, if the field is one.
    #[must_use]
    pub fn relation(&self) -> Option<&Relation> {
        match &self.kind {
            Kind::One(relation) | Kind::Many(relation) => Some(relation),
            _ => None,
        }
    }
}

impl Shape {
    /// Returns the name of the `where` input type.
    #[must_use]
    pub fn where_input(&self) -> String {
        format!("{}WhereInput", self.name)
    }

    fn has_id(&self) -> bool {
        self.fields.iter().any(|field| matches!(field.kind, Kind::Id))
    }
}

impl Entity {
    /// Finds a field by its name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Returns the scalar fields.
    pub fn scalars(&self) -> impl Iterator<Item = &'static Field> + use<> {
        self.fields.iter().filter(|field| field.is_scalar())
    }

    /// Returns the fields that an `orderBy` can name.
    pub fn orderable(&self) -> impl Iterator<Item = &'static Field> + use<> {
        self.fields.iter().filter(|field| field.is_orderable())
    }

    /// Returns the values that an `orderBy` can have.
    pub fn orders(&self) -> impl Iterator<Item = String> + use<> {
        self.orderable().flat_map(|field| ["ASC", "DESC"].map(|way| format!("{}_{way}", field.name)))
    }

    /// Returns the shape of its rows.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        Shape { name: self.name, fields: self.fields }
    }

    /// Returns the name of the `where` input type.
    #[must_use]
    pub fn where_input(&self) -> String {
        self.shape().where_input()
    }

    /// Returns the name of the `orderBy` enumeration.
    #[must_use]
    pub fn order_input(&self) -> String {
        format!("{}OrderByInput", self.name)
    }

    /// Returns the name of the connection type.
    #[must_use]
    pub fn connection(&self) -> String {
        format!("{}Connection", self.name)
    }
}

impl PartialEq for Entity {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Entity {}
