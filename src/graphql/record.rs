//! GraphQL object types that belong to no entity. The value of such an object is a JSON object.

use async_graphql::dynamic::{Field, FieldFuture, FieldValue, Object, TypeRef};
use serde_json::Value;

/// A member of an object type: name, type and description.
pub(super) type Member = (&'static str, TypeRef, &'static str);

/// Creates an object type; [`value`] creates the values of such a type.
pub(super) fn object(name: &str, members: Vec<Member>) -> Object {
    members.into_iter().fold(Object::new(name), |object, (name, kind, meaning)| {
        let field = Field::new(name, kind, move |ctx| {
            let member = ctx.parent_value.downcast_ref::<Value>().and_then(|members| members.get(name));
            FieldFuture::Value(member.and_then(|member| value(member.clone())))
        });
        object.field(if meaning.is_empty() { field } else { field.description(meaning) })
    })
}

/// Converts JSON to a value of an object type from [`object`], a list or a scalar; null becomes `None`.
pub(super) fn value<'a>(json: Value) -> Option<FieldValue<'a>> {
    match json {
        Value::Null => None,
        Value::Object(_) => Some(FieldValue::owned_any(json)),
        Value::Array(items) => {
            Some(FieldValue::list(items.into_iter().map(|item| value(item).unwrap_or(FieldValue::NULL))))
        }
        plain => async_graphql::Value::from_json(plain).ok().map(FieldValue::value),
    }
}

/// Returns the type of text that is never null.
pub(super) fn text() -> TypeRef {
    TypeRef::named_nn(TypeRef::STRING)
}

/// Returns the type of text that can be null.
pub(super) fn maybe_text() -> TypeRef {
    TypeRef::named(TypeRef::STRING)
}
