//! The GraphQL types of the entities, built from the entities' descriptions: objects, `where` inputs, `orderBy` enumerations and
//! connections.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_graphql::dynamic::{
    Enum, Field, FieldFuture, FieldValue, InputObject, InputValue, Object, Scalar, Type, TypeRef,
};
use serde_json::Value;

use super::value::leaf;
use crate::domain::entity::{self, ENTITIES, Entity, Enumeration, Kind, Shape};
use crate::domain::filter::operator::{Member, members};
use crate::service::inventory::lists::Node;

const DATE_TIME: &str = "DateTime";
const LONG: &str = "BigInt";
const JSON: &str = "JSON";

/// Parent value for the resolvers of a nested object.
struct Nested(Value);

/// Returns all GraphQL types for the entities, by name.
pub(super) fn all() -> BTreeMap<String, Type> {
    let mut types = Types::default();
    types.put(
        DATE_TIME,
        Scalar::new(DATE_TIME).description("A moment: ISO 8601 in UTC with milliseconds, 2026-01-31T12:00:00.000Z."),
    );
    types.put(LONG, Scalar::new(LONG).description("A 64-bit integer, sent as text."));
    types.put(JSON, Scalar::new(JSON).description("A JSON object."));
    let count = Field::new("count", TypeRef::named_nn(TypeRef::INT), |ctx| {
        FieldFuture::from_value(ctx.parent_value.downcast_ref::<u64>().map(|count| async_graphql::Value::from(*count)))
    });
    types.put("Aggregate", Object::new("Aggregate").field(count));
    for entity in ENTITIES {
        types.entity(entity);
    }
    types.0
}

/// Wraps a row as the parent value for the resolvers of the row's fields.
pub(super) fn row(node: Arc<Node>) -> FieldValue<'static> {
    FieldValue::owned_any(node)
}

/// Wraps a connection as the parent value for the resolvers of the connection's fields. A connection holds only the number of rows.
pub(super) fn connection(count: u64) -> FieldValue<'static> {
    FieldValue::owned_any(count)
}

/// Adds the arguments of a list query to a field (contract section 4.1).
pub(super) fn list_arguments(entity: &Entity, mut field: Field) -> Field {
    let int = || TypeRef::named(TypeRef::INT);
    let text = || TypeRef::named(TypeRef::STRING);
    for (name, kind) in [
        ("where", TypeRef::named(entity.where_input())),
        ("orderBy", TypeRef::named(entity.order_input())),
        ("skip", int()),
        ("after", text()),
        ("before", text()),
        ("first", int()),
        ("last", int()),
    ] {
        field = field.argument(InputValue::new(name, kind));
    }
    field
}

#[derive(Default)]
struct Types(BTreeMap<String, Type>);

impl Types {
    fn put(&mut self, name: &str, kind: impl Into<Type>) {
        self.0.insert(name.to_owned(), kind.into());
    }

    fn entity(&mut self, entity: &'static Entity) {
        let mut object = Object::new(entity.name);
        for field in entity.fields {
            object = object.field(self.column(field));
        }
        self.put(entity.name, object);

        self.conditions(entity.shape());

        let name = entity.order_input();
        self.put(&name, Enum::new(&name).items(entity.orders()));

        let name = entity.connection();
        let aggregate = Field::new("aggregate", TypeRef::named_nn("Aggregate"), |ctx| {
            let count = ctx.parent_value.downcast_ref::<u64>().copied();
            FieldFuture::Value(count.map(FieldValue::owned_any))
        });
        self.put(&name, Object::new(&name).field(aggregate));
    }

    /// Adds the `where` inputs of an object and of the related objects, unless they exist already.
    fn conditions(&mut self, shape: Shape) {
        let name = shape.where_input();
        if self.0.contains_key(&name) {
            return;
        }
        let mut input = InputObject::new(&name);
        for word in ["AND", "OR", "NOT"] {
            input = input.field(InputValue::new(word, TypeRef::named_nn_list(&name)));
        }
        let mut inside = Vec::new();
        for (member, meaning) in members(shape) {
            let kind = match meaning {
                Member::Scalar(field, operator) if operator.takes_list() => {
                    TypeRef::named_nn_list(self.named(&field.kind))
                }
                Member::Scalar(field, _) => TypeRef::named(self.named(&field.kind)),
                Member::Related(_, shape, _) => {
                    inside.push(shape);
                    TypeRef::named(shape.where_input())
                }
            };
            input = input.field(InputValue::new(member, kind));
        }
        self.put(&name, input);
        inside.into_iter().for_each(|shape| self.conditions(shape));
    }

    /// Returns the GraphQL field for a field of an entity.
    fn column(&mut self, field: &'static entity::Field) -> Field {
        let kind = self.reference(field);
        Field::new(field.name, kind, move |ctx| {
            let Some(node) = ctx.parent_value.downcast_ref::<Arc<Node>>() else { return FieldFuture::Value(None) };
            match &field.kind {
                Kind::One(_) => FieldFuture::Value(node.one(field.name).map(|node| row(Arc::clone(node)))),
                Kind::Many(_) => {
                    let rows = node.many(field.name).iter().map(|node| row(Arc::clone(node)));
                    FieldFuture::Value(Some(FieldValue::list(rows)))
                }
                kind => plain(kind, node.value(field.name)),
            }
        })
    }

    /// Adds the type of a nested object, unless the type exists already.
    fn shape(&mut self, shape: &'static Shape) {
        if self.0.contains_key(shape.name) {
            return;
        }
        let mut object = Object::new(shape.name);
        for field in shape.fields {
            let kind = self.reference(field);
            object = object.field(Field::new(field.name, kind, move |ctx| {
                let parent = ctx.parent_value.downcast_ref::<Nested>();
                let value = parent.and_then(|Nested(parent)| parent.get(field.name));
                plain(&field.kind, value.unwrap_or(&Value::Null))
            }));
        }
        self.put(shape.name, object);
    }

    fn enumeration(&mut self, values: &'static Enumeration) {
        if !self.0.contains_key(values.name) {
            self.put(values.name, Enum::new(values.name).items(values.values.iter().copied()));
        }
    }

    /// Returns the name of the GraphQL type for a kind of field. Adds the type if it does not exist yet.
    fn named(&mut self, kind: &Kind) -> String {
        match kind {
            Kind::Id => TypeRef::ID,
            Kind::Text | Kind::Localized | Kind::Key | Kind::Texts => TypeRef::STRING,
            Kind::DateTime => DATE_TIME,
            Kind::Bool => TypeRef::BOOLEAN,
            Kind::Int | Kind::Ints => TypeRef::INT,
            Kind::Long => LONG,
            Kind::Float | Kind::Floats => TypeRef::FLOAT,
            Kind::Json => JSON,
            Kind::Enum(values) => {
                self.enumeration(values);
                values.name
            }
            Kind::Object(shape) | Kind::Objects(shape) => {
                self.shape(shape);
                shape.name
            }
            Kind::One(relation) | Kind::Many(relation) => relation.target.name,
        }
        .to_owned()
    }

    fn reference(&mut self, field: &entity::Field) -> TypeRef {
        let name = self.named(&field.kind);
        let list = matches!(field.kind, Kind::Texts | Kind::Ints | Kind::Floats | Kind::Objects(_) | Kind::Many(_));
        match (list, field.required) {
            (false, false) => TypeRef::named(name),
            (false, true) => TypeRef::named_nn(name),
            (true, false) => TypeRef::named_nn_list(name),
            (true, true) => TypeRef::named_nn_list_nn(name),
        }
    }
}

/// Resolves a field that is not a relation: converts the value of the field.
fn plain<'a>(kind: &Kind, value: &Value) -> FieldFuture<'a> {
    let nested = |value: &Value| FieldValue::owned_any(Nested(value.clone()));
    match (kind, value) {
        (_, Value::Null) => FieldFuture::Value(None),
        (Kind::Object(_), object) => FieldFuture::Value(Some(nested(object))),
        (Kind::Objects(_), Value::Array(objects)) => {
            FieldFuture::Value(Some(FieldValue::list(objects.iter().map(nested))))
        }
        (kind, value) => FieldFuture::from_value(leaf(kind, value)),
    }
}
