//! Every object of the wire, described once: its fields, their types, columns and relations (contract sections 3.1 and 5).
//!
//! From these descriptions come the GraphQL types and inputs, the OpenAPI schemas, the check of list requests, the check of an
//! imported inventory, and the SQL that reads and writes rows. Nothing about a field is written anywhere else; only the shipped
//! migrations repeat the columns, because a shipped step must never change, and the suite compares the two.

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
    /// GraphQL list field.
    pub plural: &'static str,
    /// REST: `get-<route>` and `get-<route>-connection`. Empty when the contract has no route for it.
    pub route: &'static str,
    /// Table.
    pub table: &'static str,
    /// Fields, in the contract's order.
    pub fields: &'static [Field],
}

/// What an object consists of; by itself, one that is kept only inside another.
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
    /// Values allowed.
    pub values: &'static [&'static str],
}

/// One field.
#[derive(Debug)]
pub struct Field {
    /// Name on the wire, and of the column.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Present and never null.
    pub required: bool,
    /// Whether the contract's object has it. REST answers nothing else; GraphQL, where a client names what it wants, answers it too.
    pub contract: bool,
}

/// What a field holds.
#[derive(Debug)]
pub enum Kind {
    /// An id.
    Id,
    /// Text.
    Text,
    /// Text for people in both languages: a column of the field's name for English, one with `_zh` behind it for Chinese.
    Localized,
    /// The text of an API key: shown in the answer to its mint only; found by its digest only.
    Key,
    /// A moment, ISO 8601 in UTC with milliseconds.
    DateTime,
    /// True or false.
    Bool,
    /// 32-bit integer.
    Int,
    /// 64-bit integer: a number on REST, text on GraphQL.
    Long,
    /// Double.
    Float,
    /// One of a closed list.
    Enum(&'static Enumeration),
    /// List of texts.
    Texts,
    /// List of 32-bit integers.
    Ints,
    /// List of doubles.
    Floats,
    /// A nested object without a list of its own.
    Object(&'static Shape),
    /// A list of such objects.
    Objects(&'static Shape),
    /// A JSON object whose members nobody fixed.
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
    /// How its rows are found.
    pub join: Join,
    /// Which of its fields REST shows here.
    pub brief: &'static [&'static str],
}

/// How the rows of a relation are found.
#[derive(Debug, Clone, Copy)]
pub enum Join {
    /// By a column of this table that holds the other's id.
    Own(&'static str),
    /// By a column of the other table that holds this row's id.
    Reverse(&'static str),
    /// Through a table of pairs: its name, the column with this row's id, the column with the other's.
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

    /// Tells whether the field is a scalar, which conditions compare (contract 4.2).
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

    /// What conditions on this field speak of: the rows of a relation, or objects kept here that have an id. Those are rows of the
    /// contract's that have no list here; an object without an id is a value, which has an order and no conditions.
    #[must_use]
    pub fn related(&self) -> Option<Shape> {
        match &self.kind {
            Kind::One(relation) | Kind::Many(relation) => Some(relation.target.shape()),
            Kind::Object(shape) | Kind::Objects(shape) => Some(**shape).filter(Shape::has_id),
            _ => None,
        }
    }

    /// Tells whether an `orderBy` can name the field: a scalar, or a value of several members, which is ordered by its text. Not a
    /// key's text: its order would tell about it.
    #[must_use]
    pub fn is_orderable(&self) -> bool {
        match &self.kind {
            Kind::Key => false,
            Kind::Json | Kind::Object(_) | Kind::Objects(_) => self.related().is_none(),
            _ => self.is_scalar(),
        }
    }

    /// The relation, if the field is one.
    #[must_use]
    pub fn relation(&self) -> Option<&Relation> {
        match &self.kind {
            Kind::One(relation) | Kind::Many(relation) => Some(relation),
            _ => None,
        }
    }
}

impl Shape {
    /// Name of the `where` input type.
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

    /// Fields that hold one plain value.
    pub fn scalars(&self) -> impl Iterator<Item = &'static Field> + use<> {
        self.fields.iter().filter(|field| field.is_scalar())
    }

    /// Fields that an `orderBy` can name.
    pub fn orderable(&self) -> impl Iterator<Item = &'static Field> + use<> {
        self.fields.iter().filter(|field| field.is_orderable())
    }

    /// The values that an `orderBy` can have.
    pub fn orders(&self) -> impl Iterator<Item = String> + use<> {
        self.orderable().flat_map(|field| ["ASC", "DESC"].map(|way| format!("{}_{way}", field.name)))
    }

    /// What its rows consist of.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        Shape { name: self.name, fields: self.fields }
    }

    /// Name of the `where` input type.
    #[must_use]
    pub fn where_input(&self) -> String {
        self.shape().where_input()
    }

    /// Name of the `orderBy` enumeration.
    #[must_use]
    pub fn order_input(&self) -> String {
        format!("{}OrderByInput", self.name)
    }

    /// Name of the connection type.
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
