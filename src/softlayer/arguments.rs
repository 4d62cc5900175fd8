//! Reads the arguments of a call, in the order of the method's parameters.

use super::call::{Arguments, Call};
use super::fault::Fault;
use super::table::Method;
use super::types::{Kind, Type};
use super::value::{Struct, Value};

/// The arguments of a call. Positions start at 0.
#[derive(Debug)]
pub(super) struct Given(Vec<(&'static str, Value)>);

impl Given {
    /// Maps a call's arguments to the method's parameters: a missing argument becomes null, a surplus argument is ignored.
    pub(super) fn of(method: &Method, call: &Call) -> Self {
        let value = |at: usize, name: &str| match &call.arguments {
            Arguments::InOrder(values) => values.get(at).cloned(),
            Arguments::Named(values) => values.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()),
        };
        let all = method.parameters.iter().enumerate();
        Self(all.map(|(at, (name, _))| (*name, value(at, name).unwrap_or(Value::Null))).collect())
    }

    fn at(&self, at: usize) -> (&'static str, &Value) {
        self.0.get(at).map_or(("argument", &Value::Null), |(name, value)| (*name, value))
    }

    /// Returns the argument at a position as text.
    pub(super) fn text(&self, at: usize) -> Result<String, Fault> {
        let (name, value) = self.at(at);
        value.as_text().ok_or_else(|| wrong(name, "text"))
    }

    /// Returns the argument at a position as text; `None` for null.
    pub(super) fn maybe_text(&self, at: usize) -> Result<Option<String>, Fault> {
        if self.at(at).1.is_null() { Ok(None) } else { self.text(at).map(Some) }
    }

    /// Returns the argument at a position as a whole number.
    pub(super) fn int(&self, at: usize) -> Result<i64, Fault> {
        let (name, value) = self.at(at);
        value.as_int().ok_or_else(|| wrong(name, "a whole number"))
    }

    /// Returns the argument at a position as a whole number; `None` for null.
    pub(super) fn maybe_int(&self, at: usize) -> Result<Option<i64>, Fault> {
        if self.at(at).1.is_null() { Ok(None) } else { self.int(at).map(Some) }
    }

    /// Returns the argument at a position as true or false; false for null.
    pub(super) fn flag(&self, at: usize) -> Result<bool, Fault> {
        let (name, value) = self.at(at);
        if value.is_null() { Ok(false) } else { value.as_bool().ok_or_else(|| wrong(name, "true or false")) }
    }

    /// Returns the argument at a position as an object.
    pub(super) fn object(&self, at: usize) -> Result<&Struct, Fault> {
        let (name, value) = self.at(at);
        value.as_struct().ok_or_else(|| wrong(name, "an object"))
    }

    /// Returns the elements of the list at a position. A single object counts as a list of one, null as an empty list.
    pub(super) fn list(&self, at: usize) -> Result<Vec<Value>, Fault> {
        let (name, value) = self.at(at);
        match value {
            Value::List(list) => Ok(list.clone()),
            Value::Null => Ok(Vec::new()),
            // SOAP clients name the elements of a list `item`, or after the datatype of the elements.
            Value::Struct(object) if is_wrapped(object) => {
                Ok(object.members.iter().map(|(_, value)| value.clone()).collect())
            }
            Value::Struct(_) => Ok(vec![value.clone()]),
            _ => Err(wrong(name, "a list")),
        }
    }
}

fn is_wrapped(object: &Struct) -> bool {
    let is_element = |name: &str| name == "item" || Type::find(name).is_some();
    !object.members.is_empty() && object.members.iter().all(|(name, _)| is_element(name))
}

fn wrong(name: &str, what: &str) -> Fault {
    Fault::invalid(format!("{name} must be {what}"))
}

/// Returns the datatype of the objects in an answer; `None` if the answer holds no objects.
pub(super) fn type_of(kind: Kind) -> Option<&'static Type> {
    kind.target().and_then(Type::find)
}
