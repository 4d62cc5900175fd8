//! Parses the JSON of a `where` into a [`Filter`].

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::super::nearest::did_you_mean;
use super::operator::{Member, members};
use super::{Filter, Operator, Quantifier, Scalar};
use crate::domain::clock::{iso, parse_iso};
use crate::domain::entity::{ENTITIES, Field, Kind, Shape};
use crate::domain::text::{Text, text};

/// Maximum number of values in a whole `where`. Each value is one parameter of an SQL statement; SQLite allows 32,766 parameters in a
/// statement, PostgreSQL 65,535.
const VALUES_MAX: usize = 30_000;
/// Maximum number of conditions in a whole `where`.
const CONDITIONS_MAX: usize = 5_000;
/// Maximum number of conditions on related rows in a whole `where`. PostgreSQL plans all of them together, which takes half a minute for
/// 200 conditions.
const RELATIONS_MAX: usize = 100;
/// Maximum depth of nested AND, OR, NOT and relations. The time that PostgreSQL needs to plan nested relations doubles with every four
/// levels.
const DEPTH_MAX: usize = 24;

type Members = HashMap<&'static str, HashMap<String, Member>>;

/// The members that each `where` can have, by the name of the object's type and the name of the member.
static MEMBERS: LazyLock<Members> = LazyLock::new(|| {
    let mut known = Members::new();
    ENTITIES.into_iter().for_each(|entity| learn(entity.shape(), &mut known));
    known
});

fn learn(shape: Shape, known: &mut Members) {
    if !known.contains_key(shape.name) {
        known.insert(shape.name, members(shape).collect());
        shape.fields.iter().filter_map(Field::related).for_each(|inner| learn(inner, known));
    }
}

/// Parses a `where`; an absent or null `where` is true for every row.
pub(super) fn filter(shape: Shape, input: Option<&Value>) -> Result<Filter, Text> {
    let mut reader = Reader { values: 0, conditions: 0, relations: 0 };
    match input {
        None | Some(Value::Null) => Ok(Filter::All(Vec::new())),
        Some(input) => reader.object(shape, input, "where", 0),
    }
}

/// Parser of a `where`. The parser counts values, conditions and relations, and checks each count against the limit.
struct Reader {
    values: usize,
    conditions: usize,
    relations: usize,
}

impl Reader {
    fn object(&mut self, shape: Shape, input: &Value, path: &str, depth: usize) -> Result<Filter, Text> {
        let Value::Object(members) = input else {
            return Err(text!("{path} must be an object, a {}", "{path} 必须是对象 {}", shape.where_input()));
        };
        if depth > DEPTH_MAX {
            return Err(text!(
                "{path} is nested too deep: at most {DEPTH_MAX} levels are allowed",
                "{path} 嵌套过深：最多允许 {DEPTH_MAX} 层"
            ));
        }
        let conditions = members.iter().map(|(name, value)| self.member(shape, name, value, path, depth));
        Ok(Filter::All(conditions.collect::<Result<_, _>>()?))
    }

    fn member(&mut self, shape: Shape, name: &str, value: &Value, path: &str, depth: usize) -> Result<Filter, Text> {
        let path = format!("{path}.{name}");
        self.conditions += 1;
        if self.conditions > CONDITIONS_MAX {
            return Err(text!(
                "where has more than {CONDITIONS_MAX} conditions",
                "where 的条件超过 {CONDITIONS_MAX} 个"
            ));
        }
        match name {
            "AND" => Ok(Filter::All(self.list(shape, value, &path, depth)?)),
            "OR" if value.is_null() => Ok(Filter::All(Vec::new())),
            "OR" => Ok(Filter::Any(self.list(shape, value, &path, depth)?)),
            "NOT" => {
                // The contract's own example has an empty object in a NOT and expects that this object has no effect.
                let refused = self.list(shape, value, &path, depth)?.into_iter();
                let refused = refused.filter(|filter| !matches!(filter, Filter::All(none) if none.is_empty()));
                Ok(Filter::All(refused.map(|filter| Filter::Not(Box::new(filter))).collect()))
            }
            _ => match MEMBERS.get(shape.name).and_then(|members| members.get(name)) {
                Some(Member::Scalar(field, operator)) => self.comparison(field, *operator, value, &path),
                Some(Member::Related(field, shape, quantifier)) => {
                    self.relations += usize::from(field.relation().is_some());
                    if self.relations > RELATIONS_MAX {
                        return Err(text!(
                            "where has more than {RELATIONS_MAX} conditions on related rows",
                            "where 中针对关联对象的条件超过 {RELATIONS_MAX} 个"
                        ));
                    }
                    match (quantifier, value) {
                        (Quantifier::One, Value::Null) => Ok(Filter::Unrelated(field)),
                        (_, Value::Null) => Err(text!("{path} must not be null", "{path} 不能为 null")),
                        _ => {
                            let inner = self.object(*shape, value, &path, depth + 1)?;
                            Ok(Filter::Related(field, *quantifier, Box::new(inner)))
                        }
                    }
                }
                None => {
                    let words = ["AND", "OR", "NOT"].into_iter().map(str::to_owned);
                    let meant = did_you_mean(name, members(shape).map(|(name, _)| name).chain(words));
                    let input = shape.where_input();
                    let unknown = text!(
                        "{path} is not known: it is no member of {input}",
                        "未知的 {path}：它不是 {input} 的成员"
                    );
                    Err(unknown.then(&meant))
                }
            },
        }
    }

    fn list(&mut self, shape: Shape, value: &Value, path: &str, depth: usize) -> Result<Vec<Filter>, Text> {
        match value {
            Value::Null => Ok(Vec::new()),
            Value::Array(items) => {
                let items = items.iter().enumerate();
                items.map(|(at, item)| self.object(shape, item, &format!("{path}[{at}]"), depth + 1)).collect()
            }
            _ => Err(text!("{path} must be a list of {}", "{path} 必须是 {} 的数组", shape.where_input())),
        }
    }

    fn comparison(
        &mut self,
        field: &'static Field,
        operator: Operator,
        value: &Value,
        path: &str,
    ) -> Result<Filter, Text> {
        let values = match value {
            Value::Array(values) if operator.takes_list() => {
                values.iter().map(|value| scalar(field, path, value)).collect::<Result<_, _>>()?
            }
            Value::Null => vec![Scalar::Null],
            _ if operator.takes_list() => return Err(text!("{path} must be a list", "{path} 必须是数组")),
            value => vec![scalar(field, path, value)?],
        };
        self.values += values.len();
        if self.values > VALUES_MAX {
            return Err(text!("where holds more than {VALUES_MAX} values", "where 的值超过 {VALUES_MAX} 个"));
        }
        Ok(Filter::Compare(field, operator, values))
    }
}

/// Parses one value for a field. Numbers can be sent as text, as CloudTower's own pages do.
fn scalar(field: &Field, path: &str, value: &Value) -> Result<Scalar, Text> {
    let wrong = |allowed: Text| Err(text!("{path} must be ", "{path} 必须是").then(&allowed));
    let given_text = |text: &str| Ok(Scalar::Text(text.to_owned()));
    if value.is_null() {
        return Ok(Scalar::Null);
    }
    match (&field.kind, value) {
        // In GraphQL an id can also be a number.
        (Kind::Id, Value::Number(number)) if number.is_u64() => given_text(&number.to_string()),
        (Kind::Id | Kind::Text | Kind::Localized | Kind::Key, Value::String(given)) if !given.contains('\0') => {
            given_text(given)
        }
        (Kind::Id | Kind::Text | Kind::Localized | Kind::Key, _) => wrong(text!("text without NUL", "不含 NUL 的文本")),
        (Kind::DateTime, value) => match value.as_str().and_then(parse_iso) {
            Some(moment) => given_text(&iso(moment)),
            None => {
                wrong(text!("a time such as \"2026-01-31T12:00:00.000Z\"", "时间，例如 \"2026-01-31T12:00:00.000Z\""))
            }
        },
        (Kind::Enum(values), value) => {
            let one_of = || text!("one of {}", "以下之一：{}", values.values.join(", "));
            match value.as_str() {
                Some(given) if values.values.contains(&given) => given_text(given),
                Some(given) => {
                    let meant = did_you_mean(given, values.values.iter().map(|value| (*value).to_owned()));
                    wrong(one_of().then(&meant))
                }
                None => wrong(one_of()),
            }
        }
        (Kind::Bool, Value::Bool(truth)) => Ok(Scalar::Bool(*truth)),
        (Kind::Bool, _) => wrong(text!("true or false", "true 或 false")),
        (Kind::Int, value) => match integer(value).filter(|number| i32::try_from(*number).is_ok()) {
            Some(number) => Ok(Scalar::Integer(number)),
            None => wrong(text!("a 32-bit whole number", "32 位整数")),
        },
        (Kind::Long, value) => integer(value)
            .map_or_else(|| wrong(text!("a 64-bit whole number", "64 位整数")), |it| Ok(Scalar::Integer(it))),
        (Kind::Float, value) => {
            let number = value.as_f64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
            match number.filter(|number| number.is_finite()) {
                Some(number) => Ok(Scalar::Float(number)),
                None => wrong(text!("a number", "数字")),
            }
        }
        _ => wrong(text!("a scalar", "标量")),
    }
}

fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::entity::VM;

    fn read(input: &Value) -> Result<Filter, Text> {
        filter(VM.shape(), Some(input))
    }

    #[test]
    fn what_is_wrong_is_said_with_its_path() {
        for (input, wrong) in [
            (json!({ "bogus": 1 }), "where.bogus is not known"),
            (json!({ "cluster": { "bogus": 1 } }), "where.cluster.bogus is not known"),
            (json!({ "OR": [{}, { "vcpu_gt": "two" }] }), "where.OR[1].vcpu_gt must be a 32-bit whole number"),
            (json!({ "AND": {} }), "where.AND must be a list"),
            (json!({ "name_in": "a" }), "where.name_in must be a list"),
            (json!({ "ha_in": [true] }), "where.ha_in is not known"),
            (json!({ "cpu": {} }), "where.cpu is not known: it is no member of VmWhereInput; did you mean \"vcpu\"?"),
            (json!({ "labels_some": { "nmae": 1 } }), "where.labels_some.nmae is not known: it is no member of LabelW"),
            (
                json!({ "labels_some": { "keys": 1 } }),
                "where.labels_some.keys is not known: it is no member of LabelWhereInput; did you mean \"key\"?",
            ),
            (
                json!({ "labels": {} }),
                "where.labels is not known: it is no member of VmWhereInput; did you mean \"labels_some\"?",
            ),
            (json!({ "labels_some": null }), "where.labels_some must not be null"),
            (json!({ "folder": [] }), "where.folder must be an object, a VmFolderWhereInput"),
            (json!({ "and": [] }), "where.and is not known: it is no member of VmWhereInput; did you mean \"AND\"?"),
            (
                json!({ "status": "RUNING" }),
                "where.status must be one of DELETED, RUNNING, STOPPED, SUSPENDED, UNKNOWN; did you mean \"RUNNING\"?",
            ),
            (json!({ "cluster": 1 }), "where.cluster must be an object, a ClusterWhereInput"),
            (json!({ "cluster": { "hosts_some": null } }), "where.cluster.hosts_some must not be null"),
            (json!({ "status": "ON" }), "where.status must be one of "),
            (json!({ "id": { "in": [] } }), "where.id must be text"),
        ] {
            let refusal = read(&input).unwrap_err();
            assert!(refusal.en().starts_with(wrong), "{input}: {refusal:?}");
        }
    }

    #[test]
    fn depth_conditions_and_values_are_bounded() {
        let nested = |levels| (0..levels).fold(json!({}), |inner, _| json!({ "NOT": [inner] }));
        assert!(read(&nested(24)).is_ok());
        assert!(read(&nested(25)).unwrap_err().en().contains("too deep"));
        assert!(read(&json!({ "AND": vec![json!({ "vcpu": 1 }); 4999] })).is_ok());
        assert!(
            read(&json!({ "AND": vec![json!({ "vcpu": 1 }); 5000] })).unwrap_err().en().contains("5000 conditions")
        );
        assert!(read(&json!({ "vcpu_in": vec![1; 30_000] })).is_ok());
        assert!(read(&json!({ "vcpu_in": vec![1; 30_001] })).unwrap_err().en().contains("30000 values"));
    }

    #[test]
    fn a_keys_text_is_compared_for_equality_only() {
        let of = |name: &str| filter(crate::domain::entity::API_KEY.shape(), Some(&json!({ name: "x" })));
        assert!(of("key").is_ok());
        for operator in ["key_not", "key_contains", "key_starts_with", "key_lt", "key_gte", "key_ends_with"] {
            assert!(of(operator).is_err(), "{operator}");
        }
    }
}
