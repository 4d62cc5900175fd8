//! Filters, which select and sort the rows of a list (contract section 6).
//!
//! | file | holds |
//! |---|---|
//! | this one | the filter; matching and sorting rows |
//! | `read` | parsing of the struct that a call contains as filter |
//! | `operation` | tests of a property's value |
//! | `option` | options of an operation |
//! | `date` | parsing of dates |
//!
//! A filter ignores properties that the datatype does not have. A filter also ignores the text of an API key: conditions such as `^= 3f`
//! would reveal the key step by step. A relation matches as in an outer join: at least one related object meets all conditions. A relation
//! without objects counts as one object without values.

mod date;
mod operation;
mod option;
mod read;

use std::cmp::Ordering;

pub use read::read;

use self::operation::Test;
use super::mask::Wanted;
use super::types::Property;
use super::value::{Struct, Value};

/// Names of the properties that filters ignore.
const HIDDEN: &[&str] = &["authenticationKey"];

/// A filter: conditions on rows, and properties to sort by.
#[derive(Debug)]
pub struct Filter {
    conditions: Vec<Condition>,
    order: Vec<Order>,
    needs: Wanted,
}

/// A condition on a row.
#[derive(Debug)]
enum Condition {
    /// The property passes the test.
    Plain(&'static Property, Test),
    /// The relation has at least one object (`true`) or no object (`false`).
    Exists(&'static Property, bool),
    /// At least one object of the relation meets all of these conditions.
    Related(&'static Property, Vec<Condition>),
}

/// A property to sort rows by.
#[derive(Debug)]
struct Order {
    /// Names of the relations that lead to the property, then the name of the property.
    path: Vec<&'static str>,
    descending: bool,
    /// Priority among the sort properties: the property with the lowest rank counts first.
    rank: i64,
}

impl Filter {
    /// Returns the properties that filtering and sorting need, whatever the caller's mask: the properties that the filter names, and the id
    /// of each object that has such a property.
    #[must_use]
    pub fn needs(&self) -> &Wanted {
        &self.needs
    }

    /// Returns true if a row meets all conditions.
    #[must_use]
    pub fn matches(&self, row: &Value) -> bool {
        self.conditions.iter().all(|condition| condition.holds(row.as_struct()))
    }

    /// Sorts rows as the filter says, then by id; rows without an id keep their order.
    pub fn sort(&self, rows: &mut [Value]) {
        let by_id = |a: &Value, b: &Value| compare(find(a, &["id"]), find(b, &["id"]));
        rows.sort_by(|a, b| {
            self.order
                .iter()
                .fold(Ordering::Equal, |so_far, by| so_far.then_with(|| by.compare(a, b)))
                .then_with(|| by_id(a, b))
        });
    }
}

impl Condition {
    fn holds(&self, row: Option<&Struct>) -> bool {
        let value = |property: &Property| row.and_then(|row| row.get(property.name));
        match self {
            Self::Plain(property, test) => test.passes(value(property)),
            Self::Exists(property, wanted) => objects(value(property)).next().is_some() == *wanted,
            Self::Related(property, conditions) => {
                let all = |object: Option<&Struct>| conditions.iter().all(|condition| condition.holds(object));
                let mut objects = objects(value(property)).peekable();
                if objects.peek().is_none() { all(None) } else { objects.any(|object| all(Some(object))) }
            }
        }
    }
}

/// Returns the objects in the value of a relation, which is a list, one object or null.
fn objects(value: Option<&Value>) -> impl Iterator<Item = &Struct> {
    let list = match value {
        Some(Value::List(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    list.iter().filter_map(Value::as_struct)
}

impl Order {
    fn compare(&self, a: &Value, b: &Value) -> Ordering {
        let order = compare(find(a, &self.path), find(b, &self.path));
        if self.descending { order.reverse() } else { order }
    }
}

/// Returns the value at the end of a path of property names. At a list, the path continues in the first object.
fn find<'a>(row: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(row, |value, name| objects(Some(value)).next()?.get(name))
}

/// Compares values for sorting. Missing values come first; text is compared without regard to case.
fn compare(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a.unwrap_or(&Value::Null), b.unwrap_or(&Value::Null)) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Double(a), Value::Double(b)) => a.total_cmp(b),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => lower(a).cmp(lower(b)),
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

fn lower(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

/// Returns the position of a value's kind when values of different kinds are sorted.
fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Int(_) => 2,
        Value::Double(_) => 3,
        Value::Text(_) => 4,
        Value::Date(_) => 5,
        Value::List(_) => 6,
        Value::Struct(_) => 7,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::softlayer::fault::Fault;
    use crate::softlayer::types::Type;

    const USER: &str = "SoftLayer_User_Customer";

    /// Converts JSON to a value; text that begins with `@` is a timestamp.
    fn value(json: &Json) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Bool(truth) => Value::Bool(*truth),
            Json::Number(number) => number.as_i64().map_or_else(|| Value::Double(number.as_f64().unwrap()), Value::Int),
            Json::String(text) => match text.strip_prefix('@') {
                Some(moment) => Value::Date(crate::domain::clock::parse_iso(moment).unwrap()),
                None => Value::from(text.as_str()),
            },
            Json::Array(list) => Value::List(list.iter().map(value).collect()),
            Json::Object(object) => {
                let members = object.iter().map(|(name, inner)| (name.clone(), value(inner))).collect();
                Value::Struct(Struct { kind: None, members })
            }
        }
    }

    fn filter(relation: Option<&str>, kind: &str, filter: &Json) -> Result<Filter, Fault> {
        read(&value(filter), relation, Type::find(kind).unwrap())
    }

    fn users(filter_: &Json) -> Filter {
        filter(Some("users"), USER, filter_).unwrap_or_else(|fault| panic!("{filter_}: {fault:?}"))
    }

    fn row() -> Value {
        value(&json!({
            "id": 1001, "username": "SL1001", "isMasterUserFlag": true, "createDate": "@2018-05-01T12:30:00.400Z",
            "apiAuthenticationKeyCount": 2, "userStatus": {"id": 1001, "name": "Active"}, "childUsers": [],
            "apiAuthenticationKeys": [{"id": 7, "ipAddressRestriction": "10.0.0.1", "authenticationKey": "3fa"}, {"id": 8}],
        }))
    }

    /// Returns true if the test row passes an operation on a property.
    fn passes(property: &str, operation: Json) -> bool {
        users(&json!({"users": {property: {"operation": operation}}})).matches(&row())
    }

    fn ids(filter: &Filter, mut rows: Vec<Value>) -> Vec<i64> {
        filter.sort(&mut rows);
        rows.iter().map(|row| row.as_struct().unwrap().get("id").unwrap().as_int().unwrap()).collect()
    }

    #[test]
    fn every_operation_passes_what_it_should() {
        for (property, operation, passed) in [
            ("username", json!("SL1001"), true),
            ("username", json!("sl1001"), false),
            ("username", json!(" SL1001 "), true),
            ("username", json!("_= sl1001"), true),
            ("username", json!("_=SL1001"), true),
            ("username", json!("_= SL100"), false),
            ("username", json!("!= SL1001"), false),
            ("username", json!("!=SL1002"), true),
            ("username", json!("^= sl"), true),
            ("username", json!("^=1001"), false),
            ("username", json!("$= 1001"), true),
            ("username", json!("$= SL"), false),
            ("username", json!("*= L10"), true),
            ("username", json!("*= x"), false),
            ("username", json!("!^= sl"), false),
            ("username", json!("!$= 1001"), false),
            ("username", json!("!*= x"), true),
            ("username", json!("~ L10"), true),
            ("username", json!("~ l10"), false),
            ("username", json!("~ S.*1"), false),
            ("username", json!("!~ l10"), true),
            ("username", json!("> SL1000"), true),
            ("username", json!("< SL1000"), false),
            ("username", json!(">= SL1001"), true),
            ("username", json!("<= SL1001"), true),
            ("username", json!("not null"), true),
            ("username", json!("IS  NULL"), false),
            ("email", json!("is null"), true),
            ("email", json!("not null"), false),
            ("email", json!("x"), false),
            ("email", json!("!= x"), true),
            ("email", json!("> a"), false),
            ("email", json!("<= z"), false),
            ("id", json!(1001), true),
            ("id", json!("1001"), true),
            ("id", json!(1001.0), true),
            ("id", json!(1002), false),
            ("id", json!("_= 1001"), true),
            ("id", json!("> 1000"), true),
            ("id", json!(">999"), true),
            ("id", json!("< 1001"), false),
            ("id", json!("<= 1001"), true),
            ("id", json!("*= 00"), true),
            ("apiAuthenticationKeyCount", json!("> 1"), true),
            ("isMasterUserFlag", json!(true), true),
            ("isMasterUserFlag", json!(1), true),
            ("isMasterUserFlag", json!("false"), false),
            ("createDate", json!("05/01/2018 12:30:00"), true),
            ("createDate", json!("> 2018-05-01T12:30:00+00:00"), false),
            ("createDate", json!(">= 2018-05-01T14:30:00+02:00"), true),
            ("createDate", json!("^= 2018-05"), true),
            ("userStatus", json!("not null"), true),
            ("parent", json!("not null"), false),
            ("childUsers", json!("is null"), true),
            ("apiAuthenticationKeys", json!("is null"), false),
        ] {
            assert_eq!(passes(property, operation.clone()), passed, "{property} {operation}");
        }
    }

    #[test]
    fn operations_with_options_read_them() {
        let data = |values: Json| json!([{"name": "data", "value": values}]);
        let date = |name: &str, text: &str| json!({"name": name, "value": [text]});
        let day = |text: &str| json!([date("date", text)]);
        let between = |start: &str, end: &str| json!([date("startDate", start), date("endDate", end)]);
        for (property, operation, options, passed) in [
            ("username", "in", data(json!(["a", "SL1001"])), true),
            ("username", "in", data(json!(["a", "sl1001"])), false),
            ("username", "in", data(json!([])), false),
            ("username", "not in", data(json!(["a"])), true),
            ("username", "in", json!({"name": "data", "value": "SL1001"}), true),
            ("email", "in", data(json!(["a"])), false),
            ("id", "in", data(json!([1, "1001"])), true),
            ("username", "or", data(json!(["^= x", "$= 01"])), true),
            ("username", "and", data(json!(["^= sl", "$= x"])), false),
            ("createDate", "greaterThanDate", day("05/01/2018 0:0:0"), true),
            ("createDate", "greaterThanDate", day("05/02/2018 0:0:0"), false),
            ("createDate", "lessThanDate", day("05/02/2018"), true),
            ("createDate", "lessThanDate", day("05/01/2018"), false),
            ("createDate", "isDate", day("05/01/2018"), true),
            ("createDate", "isDate", day("05/02/2018"), false),
            ("createDate", "betweenDate", between("05/01/2018 12:30:0", "05/01/2018 12:30:0"), true),
            ("createDate", "betweenDate", between("05/02/2018 0:0:0", "05/03/2018 0:0:0"), false),
            ("modifyDate", "isDate", day("05/01/2018"), false),
        ] {
            let filter = users(&json!({"users": {property: {"operation": operation, "options": options}}}));
            assert_eq!(filter.matches(&row()), passed, "{property} {operation} {options}");
        }
    }

    #[test]
    fn a_filter_stands_at_the_root_or_under_the_relation_that_is_listed() {
        for filter in [json!({"users": {"id": {"operation": 1}}}), json!({"id": {"operation": 1}}), json!({"id": 1})] {
            assert!(!users(&filter).matches(&row()), "{filter}");
        }
        let both = json!({"users": {"username": {"operation": "SL1001"}}, "id": {"operation": "orderBy"}});
        assert!(users(&both).matches(&row()));
        let statuses = "SoftLayer_User_Customer_Status";
        let active = filter(None, statuses, &json!({"keyName": {"operation": "ACTIVE"}})).unwrap();
        assert!(active.matches(&value(&json!({"id": 1001, "keyName": "ACTIVE"}))));
        // Here `childUsers` is the filtered list itself, not a relation of the users in that list.
        let children = filter(Some("childUsers"), USER, &json!({"childUsers": {"id": {"operation": 1001}}})).unwrap();
        assert!(children.matches(&row()));
    }

    #[test]
    fn what_is_not_known_is_ignored() {
        for filter in [
            json!({}),
            json!(null),
            json!([]),
            json!(""),
            json!({"hardware_": {"id": {"operation": 1}}}),
            json!({"virtualGuests_": 5, "x": [1, {"y": []}]}),
            json!({"users": null}),
            json!({"users": {}}),
            json!({"users": {"Username": {"operation": "x"}}}),
            json!({"users": {"username": {}, "userStatus": {"x": {"operation": 1}}}}),
            json!({"operation": "x"}),
        ] {
            assert!(users(&filter).matches(&row()), "{filter}");
        }
    }

    #[test]
    fn a_malformed_operation_of_a_known_property_is_refused_with_what_is_allowed() {
        for (filter_, told) in [
            (json!({"id": {"operation": "x"}}), "'id' is not valid: it holds a whole number"),
            (json!({"id": {"operation": 1.5}}), "whole number"),
            (json!({"id": {"operation": "> "}}), "whole number"),
            (json!({"username": {"operation": null}}), "is null"),
            (json!({"username": {"operation": ["x"]}}), "is null"),
            (json!({"username": {"x": 1}}), "an operation is a value"),
            (json!({"username": [1]}), "an operation is a value"),
            (json!({"username": {"operation": "in"}}), "'data'"),
            (json!({"username": {"operation": "in", "options": [{"name": "date", "value": []}]}}), "'data'"),
            (json!({"username": {"operation": "isDate"}}), "no date"),
            (json!({"createDate": {"operation": "x"}}), "a date is MM/DD/YYYY"),
            (json!({"createDate": {"operation": "> sysdate - 30"}}), "a date is MM/DD/YYYY"),
            (json!({"createDate": {"operation": "isDate"}}), "the option 'date'"),
            (json!({"createDate": {"operation": "isDate", "options": [{"name": "date", "value": ["x"]}]}}), "'date'"),
            (
                json!({"createDate": {"operation": "betweenDate", "options": [{"name": "startDate", "value": ["5/1/2018"]}]}}),
                "'endDate'",
            ),
            (json!({"isMasterUserFlag": {"operation": "maybe"}}), "true or false"),
            (json!({"id": {"operation": "orderBy", "options": [{"name": "sort", "value": ["UP"]}]}}), "ASC or DESC"),
            (
                json!({"id": {"operation": "orderBy", "options": [{"name": "sortOrder", "value": ["x"]}]}}),
                "'sortOrder'",
            ),
            (json!({"userStatus": {"operation": "x"}}), "'not null'"),
            (json!({"userStatus": 5}), "a struct"),
            (json!({"users": 5}), "a struct"),
            (json!(5), "a struct"),
        ] {
            let fault = filter(Some("users"), USER, &filter_).unwrap_err();
            assert_eq!((fault.code.as_str(), fault.status), ("SoftLayer_Exception_InvalidValue", 500), "{filter_}");
            assert!(fault.text.contains(told), "{filter_}: {}", fault.text);
        }
    }

    #[test]
    fn a_relation_matches_when_one_of_its_objects_meets_all_conditions() {
        let keys = |conditions: Json| users(&json!({"users": {"apiAuthenticationKeys": conditions}})).matches(&row());
        assert!(keys(json!({"id": {"operation": 8}})));
        assert!(keys(json!({"id": {"operation": 7}, "ipAddressRestriction": {"operation": "^= 10."}})));
        assert!(!keys(json!({"id": {"operation": 8}, "ipAddressRestriction": {"operation": "^= 10."}})));
        assert!(!keys(json!({"id": {"operation": 9}})));
        assert!(keys(json!({"operation": "not null", "id": {"operation": 8}})));
        assert!(!keys(json!({"operation": "is null", "id": {"operation": 8}})));
        let status =
            |operation: &str| users(&json!({"userStatus": {"name": {"operation": operation}}})).matches(&row());
        assert!(status("Active") && !status("Disabled"));
        // A user without a parent matches like a user whose parent has no values.
        let parent =
            |operation: &str| users(&json!({"parent": {"username": {"operation": operation}}})).matches(&row());
        assert!(!parent("x") && parent("!= x") && parent("is null") && !parent("not null"));
    }

    #[test]
    fn the_text_of_a_key_is_neither_filtered_nor_ordered_by() {
        for operation in ["^= zzz", "is null", "nothing", "orderBy", "in", "not null"] {
            let condition = json!({"authenticationKey": {"operation": operation}});
            for filter_ in [
                json!({"users": {"apiAuthenticationKeys": condition}}),
                json!({"apiAuthenticationKeys": condition}),
                json!({"users": {"parent": {"childUsers": {"apiAuthenticationKeys": condition}}}}),
            ] {
                let filter = users(&filter_);
                assert!(filter.conditions.is_empty() && filter.order.is_empty(), "{filter_}");
                assert!(filter.matches(&row()));
                assert!(!filter.needs().to_string().contains("authenticationKey"), "{}", filter.needs());
            }
            let key = "SoftLayer_User_Customer_ApiAuthentication";
            let listed =
                filter(Some("apiAuthenticationKeys"), key, &json!({"apiAuthenticationKeys": condition})).unwrap();
            assert!(listed.conditions.is_empty() && listed.order.is_empty());
        }
    }

    #[test]
    fn a_filter_tells_what_it_needs_and_no_more() {
        assert_eq!(users(&json!({})).needs().to_string(), "mask[id]");
        let filter_ = json!({
            "users": {
                "username": {"operation": "_= x"}, "apiAuthenticationKeys": {"operation": "not null"}, "email": {},
                "userStatus": {"name": {"operation": "orderBy"}}, "hardwareCount": {"operation": 0},
            },
            "unknown": {"operation": 1},
        });
        assert_eq!(
            users(&filter_).needs().to_string(),
            "mask[apiAuthenticationKeys[id],hardwareCount,id,userStatus[id,name],username]"
        );
        let events = filter(None, "SoftLayer_Event_Log", &json!({"userId": {"operation": 5}})).unwrap();
        assert_eq!(events.needs().to_string(), "mask[userId]");
    }

    #[test]
    fn rows_stand_in_the_order_that_is_asked_for_and_by_id_otherwise() {
        let rows = || {
            [(3, "b", 1), (1, "B", 2), (2, "a", 2)]
                .map(|(id, name, status)| value(&json!({"id": id, "username": name, "userStatus": {"id": status}})))
                .to_vec()
        };
        let by = |sort: &str, rank: i64| {
            json!({"operation": "orderBy", "options": [
                {"name": "sort", "value": [sort]}, {"name": "sortOrder", "value": [rank]},
            ]})
        };
        assert_eq!(ids(&users(&json!({})), rows()), [1, 2, 3]);
        assert_eq!(ids(&users(&json!({"id": by("DESC", 0)})), rows()), [3, 2, 1]);
        assert_eq!(ids(&users(&json!({"users": {"username": by("ASC", 0)}})), rows()), [2, 1, 3]);
        assert_eq!(ids(&users(&json!({"username": {"operation": "orderBy"}})), rows()), [2, 1, 3]);
        let ranked =
            |name: i64, status: i64| json!({"username": by("asc", name), "userStatus": {"id": by("DESC", status)}});
        assert_eq!(ids(&users(&ranked(0, 1)), rows()), [2, 1, 3]);
        assert_eq!(ids(&users(&ranked(1, 0)), rows()), [2, 1, 3]);
        assert_eq!(ids(&users(&json!({"userStatus": {"id": by("ASC", 0)}, "id": by("DESC", 1)})), rows()), [3, 2, 1]);
        // Rows without the property come first.
        let mut some = rows();
        some.push(value(&json!({"id": 9})));
        assert_eq!(ids(&users(&json!({"username": by("ASC", 0)})), some), [9, 2, 1, 3]);
    }

    #[test]
    fn rows_without_ids_keep_their_order() {
        let attempts = "SoftLayer_User_Customer_Access_Authentication";
        let newest_first = filter(Some("loginAttempts"), attempts, &json!({"id": {"operation": "orderBy"}})).unwrap();
        let mut rows = vec![value(&json!({"userId": 2})), value(&json!({"userId": 1}))];
        newest_first.sort(&mut rows);
        assert_eq!(rows, [value(&json!({"userId": 2})), value(&json!({"userId": 1}))]);
    }

    #[test]
    fn values_of_every_kind_can_be_ordered() {
        let kinds = [
            json!(null),
            json!(true),
            json!(5),
            json!(1.5),
            json!("x"),
            json!("@2018-05-01T00:00:00Z"),
            json!([1]),
            json!({}),
        ];
        let mut rows: Vec<Value> =
            (0..200).map(|at| value(&json!({"username": kinds[at * 7 % 8], "id": kinds[at % 8]}))).collect();
        users(&json!({"username": {"operation": "orderBy"}})).sort(&mut rows);
        assert!(rows[0].as_struct().unwrap().get("username").unwrap().is_null());
    }

    #[test]
    fn a_filter_is_bounded() {
        let nested = |levels: usize| {
            let inner = json!({"id": {"operation": 1}});
            (0..levels).fold(inner, |inner, _| json!({"parent": inner}))
        };
        assert!(filter(Some("users"), USER, &nested(64)).is_ok());
        assert!(filter(Some("users"), USER, &nested(65)).is_err());
        let many = |name: &str, inner: Json, count: usize| {
            let members = vec![(name.to_owned(), value(&inner)); count];
            read(&Value::Struct(Struct { kind: None, members }), None, Type::find(USER).unwrap())
        };
        let condition = json!({"operation": 1});
        assert!(many("id", condition.clone(), 200).is_ok() && many("id", condition, 201).is_err());
        // Relations without conditions count too, since the service loads their objects.
        let nothing = json!({"unknown": 1});
        assert!(many("parent", nothing.clone(), 200).is_ok() && many("parent", nothing, 201).is_err());
        let list = |operation: &str, count: usize| {
            let options = json!([{"name": "data", "value": vec![1; count]}]);
            filter(None, USER, &json!({"id": {"operation": operation, "options": options}}))
        };
        assert!(list("in", 1_000).is_ok() && list("in", 1_001).is_err());
        assert!(list("or", 199).is_ok() && list("or", 200).is_err());
    }
}
