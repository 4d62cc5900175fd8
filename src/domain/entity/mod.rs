//! The description of every object of the API: the fields, and the types, columns and relations of the fields (contract sections 3.1 and
//! 5).
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
    /// Name in the REST routes `get-<route>` and `get-<route>-connection`; empty if the contract has no route for the entity.
    pub route: &'static str,
    /// Name of the entity's table.
    pub table: &'static str,
    /// Fields, in the contract's order.
    pub fields: &'static [Field],
}

/// The fields of an entity, or of an object that is stored only inside another object.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// GraphQL type name.
    pub name: &'static str,
    /// Fields, in the contract's order.
    pub fields: &'static [Field],
}

/// An enumeration: a closed list of values.
#[derive(Debug)]
pub struct Enumeration {
    /// GraphQL type name.
    pub name: &'static str,
    /// Allowed values.
    pub values: &'static [&'static str],
}

/// A field of an object.
#[derive(Debug)]
pub struct Field {
    /// Name of the field on the wire, and name of the column.
    pub name: &'static str,
    /// Type of the field's value.
    pub kind: Kind,
    /// Whether the field is always present and never null.
    pub required: bool,
    /// Whether the contract has the field. REST returns only fields of the contract. GraphQL returns all fields that a client selects.
    pub contract: bool,
}

/// The type of a field.
#[derive(Debug)]
pub enum Kind {
    /// An id.
    Id,
    /// Text.
    Text,
    /// Text for people in both languages. The column with the field's name holds the English text; the column with the suffix `_zh` holds
    /// the Chinese text.
    Localized,
    /// The text of an API key. Only the answer to the request that mints the key shows this text. The store finds a key by a digest of the
    /// text.
    Key,
    /// A time, ISO 8601 in UTC with milliseconds.
    DateTime,
    /// True or false.
    Bool,
    /// 32-bit integer.
    Int,
    /// 64-bit integer: a number on REST, text on GraphQL.
    Long,
    /// Double-precision number.
    Float,
    /// One value of a closed list.
    Enum(&'static Enumeration),
    /// List of texts.
    Texts,
    /// List of 32-bit integers.
    Ints,
    /// List of doubles.
    Floats,
    /// A nested object, which can't be listed on its own.
    Object(&'static Shape),
    /// A list of nested objects, which can't be listed on their own.
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
    /// The other entity, whose rows are related.
    pub target: &'static Entity,
    /// How to find the rows of the other entity.
    pub join: Join,
    /// Names of those fields of the other entity that REST returns in this field.
    pub brief: &'static [&'static str],
}

/// How to find the rows of a relation.
#[derive(Debug, Clone, Copy)]
pub enum Join {
    /// By a column of this table that holds the other row's id: name of the column.
    Own(&'static str),
    /// By a column of the other table that holds this row's id: name of the column.
    Reverse(&'static str),
    /// Through a table of pairs of ids: name of the table, name of the column with this row's id, name of the column with the other row's
    /// id.
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

    /// Returns the shape of the related rows, or of nested objects that have an id. Conditions on this field apply to these rows or
    /// objects. The contract can list nested objects with an id, keytower can't. A nested object without an id is a plain value, which has
    /// an order but no conditions.
    #[must_use]
    pub fn related(&self) -> Option<Shape> {
        match &self.kind {
            Kind::One(relation) | Kind::Many(relation) => Some(relation.target.shape()),
            Kind::Object(shape) | Kind::Objects(shape) => Some(**shape).filter(Shape::has_id),
            _ => None,
        }
    }

    /// Returns whether an `orderBy` can name the field: a scalar, or a plain value of several members, which is ordered by its text form. A
    /// key's text is excluded, because the order of keys would reveal something about the text.
    #[must_use]
    pub fn is_orderable(&self) -> bool {
        match &self.kind {
            Kind::Key => false,
            Kind::Json | Kind::Object(_) | Kind::Objects(_) => self.related().is_none(),
            _ => self.is_scalar(),
        }
    }

    /// Returns the relation; `None` if the field is not a relation.
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

    /// Returns the shape of the entity's rows.
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
