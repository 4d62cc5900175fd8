//! A validator for the part of OpenAPI's schemas that our document uses; any other keyword is a panic.

use serde_json::Value;

/// Checks a value against a schema of the document; answers every problem with its place.
pub fn problems(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut validator = Validator { document, found: Vec::new() };
    validator.check(schema, value, "$", false);
    validator.found
}

struct Validator<'a> {
    document: &'a Value,
    found: Vec<String>,
}

impl Validator<'_> {
    fn problem(&mut self, at: &str, what: impl std::fmt::Display) {
        self.found.push(format!("{at}: {what}"));
    }

    fn check(&mut self, schema: &Value, value: &Value, at: &str, nullable: bool) {
        let schema = schema.as_object().unwrap_or_else(|| panic!("{at}: no schema: {schema}"));
        for keyword in schema.keys() {
            let known = [
                "$ref",
                "allOf",
                "nullable",
                "type",
                "format",
                "enum",
                "items",
                "properties",
                "required",
                "additionalProperties",
                "minimum",
                "maximum",
                "minLength",
                "maxLength",
                "description",
            ];
            assert!(known.contains(&keyword.as_str()), "{at}: the keyword {keyword} is not known here");
        }
        let nullable = nullable || schema.get("nullable") == Some(&Value::Bool(true));
        if let Some(target) = schema.get("$ref") {
            let target = resolve(self.document, target.as_str().unwrap()).unwrap_or_else(|| panic!("{at}: {target}"));
            return self.check(target, value, at, nullable);
        }
        if let Some(all) = schema.get("allOf") {
            all.as_array().unwrap().iter().for_each(|one| self.check(one, value, at, nullable));
            return;
        }
        if value.is_null() {
            if !nullable && schema.contains_key("type") {
                self.problem(at, "is null");
            }
            return;
        }
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
            && !allowed.contains(value)
        {
            self.problem(at, format!("{value} is none of the values allowed"));
        }
        let format = schema.get("format").and_then(Value::as_str);
        let fits = match (schema.get("type").and_then(Value::as_str), format) {
            (None, _) => true,
            (Some("string"), None) => value.is_string(),
            (Some("boolean"), None) => value.is_boolean(),
            // A number with a point or an exponent is no integer to the stricter clients, whatever its value.
            (Some("integer"), Some("int32")) => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            (Some("integer"), Some("int64")) => value.as_i64().is_some(),
            (Some("number"), Some("double" | "float")) => value.is_number(),
            (Some("array"), None) => value.is_array(),
            (Some("object"), None) => value.is_object(),
            other => panic!("{at}: the type {other:?} is not known here"),
        };
        if !fits {
            return self.problem(at, format!("{value} is of another type than {:?}", schema["type"]));
        }
        if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
            for (index, value) in values.iter().enumerate() {
                self.check(items, value, &format!("{at}[{index}]"), false);
            }
        }
        if let Some(members) = value.as_object() {
            self.members(schema, members, at);
        }
    }

    fn members(&mut self, schema: &serde_json::Map<String, Value>, members: &serde_json::Map<String, Value>, at: &str) {
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            if !members.contains_key(name.as_str().unwrap()) {
                self.problem(at, format!("{name} is missing"));
            }
        }
        let known = schema.get("properties").and_then(Value::as_object);
        for (name, value) in members {
            match known.and_then(|known| known.get(name)) {
                Some(schema) => self.check(schema, value, &format!("{at}.{name}"), false),
                None if schema.get("additionalProperties") == Some(&Value::Bool(false)) => {
                    self.problem(at, format!("{name:?} is not in the schema"));
                }
                None => {}
            }
        }
    }
}

/// What a `$ref` points to.
pub fn resolve<'a>(document: &'a Value, reference: &str) -> Option<&'a Value> {
    document.pointer(reference.strip_prefix('#')?)
}

#[test]
fn the_validator_finds_what_is_wrong() {
    use serde_json::json;
    let document = json!({ "s": { "type": "object", "required": ["a"], "additionalProperties": false, "properties": {
        "a": { "type": "integer", "format": "int32" }, "b": { "type": "array", "items": { "type": "string" } },
        "c": { "allOf": [{ "$ref": "#/e" }], "nullable": true }, "d": {},
    } }, "e": { "type": "string", "enum": ["X"] } });
    let schema = json!({ "$ref": "#/s" });
    for good in [json!({ "a": 1 }), json!({ "a": -2, "b": ["x"], "c": null, "d": null }), json!({ "a": 0, "c": "X" })] {
        assert_eq!(problems(&document, &schema, &good), [""; 0]);
    }
    for (bad, place) in [
        (json!({}), "$"),
        (json!(null), "$"),
        (json!([]), "$"),
        (json!({ "a": null }), "$.a"),
        (json!({ "a": 1.0 }), "$.a"),
        (json!({ "a": "1" }), "$.a"),
        (json!({ "a": 3_000_000_000_u32 }), "$.a"),
        (json!({ "a": 1, "b": null }), "$.b"),
        (json!({ "a": 1, "b": [null] }), "$.b[0]"),
        (json!({ "a": 1, "b": ["x", 1] }), "$.b[1]"),
        (json!({ "a": 1, "c": "Y" }), "$.c"),
        (json!({ "a": 1, "x": 1 }), "$"),
    ] {
        let found = problems(&document, &schema, &bad);
        assert!(found.len() == 1 && found[0].starts_with(&format!("{place}:")), "{bad}: {found:?}");
    }
}
