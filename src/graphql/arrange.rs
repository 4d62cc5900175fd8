//! Puts the first level of an answer into the order of the question, and nulls where the specification wants them.
//!
//! The library runs the fields of a query side by side, puts each into the answer as it is done, and leaves failed ones out. The
//! GraphQL specification (October 2021, sections 6.2.1, 6.4.4 and 7.2.2) wants them in the order in which they were asked for, a
//! failed nullable field null, and the whole of `data` null when a failed field is not nullable.

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, Selection, SelectionSet};
use async_graphql::{Name, Positioned, Value};

use super::schema::is_nullable;

/// The fields of an operation's first level: what they are called in the answer, and in the schema.
pub(super) fn asked(document: &ExecutableDocument, operation: Option<&str>) -> Vec<(Name, Name)> {
    let mut found = Vec::new();
    if let Some(operation) = meant(document, operation) {
        collect(document, &operation.node.selection_set.node, &mut found);
    }
    found
}

/// The operation that runs: the named one, or the only one.
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

fn collect(document: &ExecutableDocument, set: &SelectionSet, found: &mut Vec<(Name, Name)>) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                let shown = field.node.response_key().node.clone();
                found.push((shown, field.node.name.node.clone()));
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

/// Arranges `data`; `failed` are the fields of the first level in which an error occurred.
pub(super) fn arrange(asked: &[(Name, Name)], data: Value, failed: &[&str]) -> Value {
    let mut unordered = match data {
        Value::Object(members) => members,
        _ => IndexMap::new(),
    };
    let mut ordered = IndexMap::new();
    for (shown, name) in asked {
        if let Some(value) = unordered.swap_remove(shown) {
            ordered.insert(shown.clone(), value);
        } else if failed.contains(&shown.as_str()) && !ordered.contains_key(shown) {
            if !is_nullable(name) {
                return Value::Null;
            }
            ordered.insert(shown.clone(), Value::Null);
        }
    }
    Value::Object(ordered)
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn arranged(document: &str, data: serde_json::Value, failed: &[&str]) -> String {
        let asked = asked(&parse_query(document).unwrap(), None);
        arrange(&asked, Value::from_json(data).unwrap(), failed).to_string()
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
