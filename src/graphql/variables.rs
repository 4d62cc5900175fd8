//! Checks of variables that are missing in the GraphQL library.
//!
//! The GraphQL library panics if a variable has a default value and is a list of an unknown type. It reports a missing required variable
//! only as an error of the field that uses the variable, after other fields have run. It accepts any value for a scalar variable inside an
//! input object.

use async_graphql::parser::types::{BaseType, ExecutableDocument};
use async_graphql::registry::{MetaType, Registry};
use serde_json::{Map, Value};

use super::arrange::meant;
use crate::domain::text::{Text, text};

/// Checks the types of the variables of every operation, and the values of the variables for the operation that the request runs.
///
/// # Errors
/// An error text that names the faulty variable.
pub(super) fn check(
    document: &ExecutableDocument,
    operation: Option<&str>,
    registry: &Registry,
    given: &Map<String, Value>,
) -> Result<(), Text> {
    let declared = document.operations.iter().flat_map(|(_, operation)| &operation.node.variable_definitions);
    for variable in declared {
        let name = base(&variable.node.var_type.node.base);
        if !registry.types.get(name).is_some_and(MetaType::is_input) {
            return Err(text!(
                "variable ${}: {name} is no input type",
                "变量 ${}：{name} 不是输入类型",
                variable.node.name.node
            ));
        }
    }
    let needed = meant(document, operation).into_iter().flat_map(|operation| &operation.node.variable_definitions);
    for variable in needed {
        let (name, kind) = (&variable.node.name.node, &variable.node.var_type.node);
        let missing = match given.get(name.as_str()) {
            None => variable.node.default_value.is_none(),
            Some(value) => value.is_null(),
        };
        if missing && !kind.nullable {
            return Err(text!("variable ${name} of type {kind} is missing", "缺少类型为 {kind} 的变量 ${name}"));
        }
        if given.get(name.as_str()).is_some_and(|value| !fits(&kind.base, value)) {
            return Err(text!("variable ${name} must be of type {kind}", "变量 ${name} 的类型必须是 {kind}"));
        }
    }
    Ok(())
}

/// Returns true if a value fits a type. Checks only GraphQL's built-in scalars. A single value fits a list type, as a list of one.
fn fits(kind: &BaseType, value: &Value) -> bool {
    match (kind, value) {
        (_, Value::Null) => true,
        (BaseType::List(of), Value::Array(values)) => values.iter().all(|value| fits(&of.base, value)),
        (BaseType::List(of), value) => fits(&of.base, value),
        (BaseType::Named(name), value) => match name.as_str() {
            "Int" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            "Float" => value.is_number(),
            "String" => value.is_string(),
            "Boolean" => value.is_boolean(),
            "ID" => value.is_string() || value.is_i64() || value.is_u64(),
            _ => true,
        },
    }
}

fn base(kind: &BaseType) -> &str {
    match kind {
        BaseType::Named(name) => name,
        BaseType::List(of) => base(&of.base),
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::*;

    #[test]
    fn types_are_known_and_required_values_given() {
        let schema = super::super::schema::build(None).unwrap();
        for (document, given, refusal) in [
            ("query($a: Int) { a }", json!({}), None),
            ("query($a: [VmStatus!]! = [RUNNING]) { a }", json!({}), None),
            ("query($a: Int!) { a }", json!({ "a": 1 }), None),
            ("query A { a } query B($a: Int!) { a }", json!({}), None),
            ("query($a: Nope) { a }", json!({}), Some("Nope")),
            ("query($a: [[Nope!]!]! = [[1]]) { a }", json!({}), Some("Nope")),
            ("query A { a } query B($a: [Vm]) { a }", json!({}), Some("Vm")),
            ("query($a: Int!) { a }", json!({}), Some("Int!")),
            ("query($a: Int!) { a }", json!({ "a": null }), Some("Int!")),
            ("query($a: Int! = 1) { a }", json!({ "a": null }), Some("Int!")),
            ("query($a: Int) { a }", json!({ "a": "1" }), Some("Int")),
            ("query($a: Int) { a }", json!({ "a": 2_147_483_648_u64 }), Some("Int")),
            ("query($a: Int) { a }", json!({ "a": 1.5 }), Some("Int")),
            ("query($a: Int) { a }", json!({ "a": null }), None),
            ("query($a: Float) { a }", json!({ "a": 1 }), None),
            ("query($a: Float) { a }", json!({ "a": "1" }), Some("Float")),
            ("query($a: String) { a }", json!({ "a": 1 }), Some("String")),
            ("query($a: Boolean) { a }", json!({ "a": "true" }), Some("Boolean")),
            ("query($a: ID) { a }", json!({ "a": 1 }), None),
            ("query($a: ID) { a }", json!({ "a": true }), Some("ID")),
            ("query($a: [Int!]) { a }", json!({ "a": 1 }), None),
            ("query($a: [Int!]) { a }", json!({ "a": [1, "2"] }), Some("Int")),
        ] {
            let operation = document.contains("query A").then_some("A");
            let given = given.as_object().unwrap();
            let checked = check(&parse_query(document).unwrap(), operation, schema.registry(), given);
            match refusal {
                None => assert_eq!(checked, Ok(()), "{document}"),
                Some(word) => assert!(checked.as_ref().unwrap_err().en().contains(word), "{document}: {checked:?}"),
            }
        }
    }
}
