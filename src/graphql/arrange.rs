//! Corrects answers as the GraphQL specification requires: the order of the fields on the first level, the nulls of failed fields there,
//! and the paths in errors.
//!
//! The GraphQL library runs the fields of a query concurrently and adds each field to the answer when the field completes. It leaves out
//! failed fields, and does not say which field failed. The GraphQL specification (October 2021, sections 6.2.1, 6.4.4 and 7.2.2) requires
//! the order of the query, null for a failed nullable field, and null for all of `data` if a failed field is not nullable.

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, Selection, SelectionSet};
use async_graphql::{Name, PathSegment, Pos, Positioned, ServerError, Value};

use super::schema::is_nullable;

/// A field on the first level of an operation.
pub(super) struct TopField {
    /// Name of the field in the answer: the alias, if the field has one.
    shown: Name,
    /// Name of the field in the schema.
    pub(super) name: Name,
    at: Pos,
}

/// Returns the fields on the first level of the operation that the request runs, in query order, with fragments expanded.
pub(super) fn asked(document: &ExecutableDocument, operation: Option<&str>) -> Vec<TopField> {
    let mut found = Vec::new();
    if let Some(operation) = meant(document, operation) {
        collect(document, &operation.node.selection_set.node, &mut found);
    }
    found
}

/// Returns the operation that the request runs: the operation with the given name or, without a name, the first operation.
pub(super) fn meant<'a>(
    document: &'a ExecutableDocument,
    operation: Option<&str>,
) -> Option<&'a Positioned<OperationDefinition>> {
    let mut operations = document.operations.iter();
    match operation {
        Some(wanted) => {
            operations.find(|(name, _)| name.is_some_and(|name| name.as_str() == wanted)).map(|(_, found)| found)
        }
        None => operations.next().map(|(_, found)| found),
    }
}

fn collect(document: &ExecutableDocument, set: &SelectionSet, found: &mut Vec<TopField>) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                let shown = field.node.response_key().node.clone();
                found.push(TopField { shown, name: field.node.name.node.clone(), at: field.pos });
            }
            Selection::InlineFragment(inline) => collect(document, &inline.node.selection_set.node, found),
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    collect(document, &fragment.node.selection_set.node, found);
                }
            }
        }
    }
}

/// Sets the path of each error without a path to the field at the position of the error.
pub(super) fn locate(asked: &[TopField], errors: &mut [ServerError]) {
    for error in errors.iter_mut().filter(|error| error.path.is_empty()) {
        let field = error.locations.first().and_then(|at| asked.iter().find(|field| field.at == *at));
        error.path.extend(field.map(|field| PathSegment::Field(field.shown.to_string())));
    }
}

/// Puts the fields of `data` in query order, and adds nulls for the fields that failed according to `errors`.
pub(super) fn arrange(asked: &[TopField], data: Value, errors: &[ServerError]) -> Value {
    let failed = |shown: &Name| errors.iter().any(|error| first_level(error) == Some(shown.as_str()));
    let mut unordered = match data {
        Value::Object(members) => members,
        _ => IndexMap::new(),
    };
    let mut ordered = IndexMap::new();
    for TopField { shown, name, .. } in asked {
        if let Some(value) = unordered.swap_remove(shown) {
            ordered.insert(shown.clone(), value);
        } else if failed(shown) && !ordered.contains_key(shown) {
            if !is_nullable(name) {
                return Value::Null;
            }
            ordered.insert(shown.clone(), Value::Null);
        }
    }
    Value::Object(ordered)
}

fn first_level(error: &ServerError) -> Option<&str> {
    match error.path.first() {
        Some(PathSegment::Field(name)) => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn arranged(document: &str, data: serde_json::Value, failed: &[&str]) -> String {
        let asked = asked(&parse_query(document).unwrap(), None);
        let error = |shown: &&str| {
            let field = asked.iter().find(|field| field.shown == *shown).unwrap();
            ServerError::new("failed", Some(field.at))
        };
        let mut errors: Vec<ServerError> = failed.iter().map(error).collect();
        locate(&asked, &mut errors);
        arrange(&asked, Value::from_json(data).unwrap(), &errors).to_string()
    }

    #[test]
    fn fields_stand_in_the_order_of_the_question() {
        let document = "{ b ... { a } ...f x: c } fragment f on Query { d }";
        let data = serde_json::json!({ "x": 4, "d": 3, "a": 2, "b": 1 });
        assert_eq!(arranged(document, data, &[]), "{b: 1, a: 2, d: 3, x: 4}");
    }

    #[test]
    fn a_failed_field_is_null_or_takes_all_with_it() {
        let data = || serde_json::json!({ "a": 1 });
        assert_eq!(arranged("{ x: deleteApiKey a }", data(), &["x"]), "{x: null, a: 1}");
        assert_eq!(arranged("{ x: createApiKey a }", data(), &["x"]), "null");
        assert_eq!(arranged("{ x: createApiKey @skip(if: true) a }", data(), &[]), "{a: 1}");
    }
}
