//! Operations of a filter: tests of a property's value.
//!
//! | operation | passes if |
//! |---|---|
//! | `v`, `!= v` | the value equals `v`, or does not; case-sensitive |
//! | `> v`, `>= v`, `< v`, `<= v` | the value is greater than `v`, and so on |
//! | `^= v`, `$= v`, `*= v`, and with `!` | the value begins with `v`, ends with `v`, contains `v`, or does not; case-insensitive |
//! | `_= v`, `!_= v` | the value equals `v`, or does not; case-insensitive |
//! | `~ v`, `!~ v` | the value contains `v`, or does not; case-sensitive. `v` is plain text, not a pattern |
//! | `is null`, `not null` | the value is missing, or exists |
//! | `in`, `not in` | the value is in the list of the option `data`, or is not |
//! | `or`, `and` | at least one of the operations in the option `data` passes; all operations pass |
//! | `betweenDate` | the value is between the options `startDate` and `endDate`, inclusive |
//! | `greaterThanDate`, `lessThanDate` | the value is after the option `date`; before it |
//! | `isDate` | the value is on the day of the option `date` |
//!
//! An operation with `!` or `not` passes if and only if the same operation without it fails, so a missing value passes `!= v`. Dates are
//! compared to the second, since answers show seconds.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::date;
use super::option::{data, date_option, refused};
use crate::domain::clock::Timestamp;
use crate::softlayer::fault::Fault;
use crate::softlayer::types::{Kind, Property};
use crate::softlayer::value::{Value, date_text};

/// Error text for a malformed operation.
const ALLOWED: &str = "an operation is a value, one behind !=, >, >=, <, <=, ^=, $=, *=, _=, ~ or their forms with !, or one of \
    is null, not null, in, not in, or, and, orderBy, betweenDate, greaterThanDate, lessThanDate, isDate";

/// A test of a value.
#[derive(Debug)]
pub(super) struct Test {
    opposite: bool,
    check: Check,
}

#[derive(Debug)]
enum Check {
    /// The value is missing.
    Missing,
    /// Compares the value with the stored value; passes if the function returns true for the result.
    Compare(fn(Ordering) -> bool, Value),
    /// The text of the value contains `text` at `part`; `text` is lowercase unless the test is `exact` (case-sensitive).
    Text { part: Part, text: String, exact: bool },
    /// The value is in this list.
    Among(Vec<Value>),
    /// The value is in this period, inclusive.
    Between(Timestamp, Timestamp),
    /// The value is on the same day (UTC).
    Day(Timestamp),
    /// At least one of these tests passes.
    Any(Vec<Test>),
    /// All of these tests pass.
    All(Vec<Test>),
}

/// Which part of a value to compare with a text.
#[derive(Debug, Clone, Copy)]
enum Part {
    Begin,
    End,
    Within,
    Whole,
}

/// The meaning of an operator sign in front of a value.
#[derive(Clone, Copy)]
enum Sign {
    Compare(fn(Ordering) -> bool),
    Text(Part),
    Exact,
}

/// Operator signs. A sign comes before the shorter signs that it begins with, such as `>=` before `>`.
const SIGNS: &[(&str, bool, Sign)] = &[
    ("!^=", true, Sign::Text(Part::Begin)),
    ("!$=", true, Sign::Text(Part::End)),
    ("!*=", true, Sign::Text(Part::Within)),
    ("!_=", true, Sign::Text(Part::Whole)),
    ("!~", true, Sign::Exact),
    ("!=", true, Sign::Compare(Ordering::is_eq)),
    ("^=", false, Sign::Text(Part::Begin)),
    ("$=", false, Sign::Text(Part::End)),
    ("*=", false, Sign::Text(Part::Within)),
    ("_=", false, Sign::Text(Part::Whole)),
    ("~", false, Sign::Exact),
    (">=", false, Sign::Compare(Ordering::is_ge)),
    ("<=", false, Sign::Compare(Ordering::is_le)),
    (">", false, Sign::Compare(Ordering::is_gt)),
    ("<", false, Sign::Compare(Ordering::is_lt)),
];

impl Test {
    /// Parses an operation and its options, except `orderBy`, which is not a test.
    pub(super) fn read(property: &Property, operation: &Value, options: Option<&Value>) -> Result<Self, Fault> {
        let word = operation.as_text().unwrap_or_default();
        let moment = |option: &str| date_option(property, options, option);
        let word = word.trim().to_ascii_lowercase();
        let check = match word.as_str() {
            "in" | "not in" => {
                let values = data(property, options)?.iter().map(|value| typed(property, value));
                Check::Among(values.collect::<Result<_, _>>()?)
            }
            "or" => Check::Any(literals(property, options)?),
            "and" => Check::All(literals(property, options)?),
            "betweendate" => Check::Between(moment("startDate")?, moment("endDate")?),
            "greaterthandate" => Check::Compare(Ordering::is_gt, Value::Date(moment("date")?)),
            "lessthandate" => Check::Compare(Ordering::is_lt, Value::Date(moment("date")?)),
            "isdate" => Check::Day(moment("date")?),
            _ => return Self::literal(property, operation),
        };
        Ok(Self { opposite: word == "not in", check })
    }

    /// Parses an operation without options.
    fn literal(property: &Property, operation: &Value) -> Result<Self, Fault> {
        let Value::Text(text) = operation else {
            let value = typed(property, operation)?;
            return Ok(Self { opposite: false, check: Check::Compare(Ordering::is_eq, value) });
        };
        let text = text.trim();
        if let Some(presence) = presence(operation) {
            return Ok(Self { opposite: presence, check: Check::Missing });
        }
        let found = SIGNS.iter().find_map(|(sign, opposite, what)| Some((text.strip_prefix(sign)?, *opposite, *what)));
        let (text, opposite, sign) = found.unwrap_or((text, false, Sign::Compare(Ordering::is_eq)));
        let text = text.trim();
        let check = match sign {
            Sign::Compare(holds) => Check::Compare(holds, typed_text(property, text)?),
            Sign::Text(Part::Whole) if property.kind != Kind::Text => {
                Check::Compare(Ordering::is_eq, typed_text(property, text)?)
            }
            Sign::Text(part) => Check::Text { part, text: text.to_lowercase(), exact: false },
            Sign::Exact => Check::Text { part: Part::Within, text: text.to_owned(), exact: true },
        };
        Ok(Self { opposite, check })
    }

    /// Returns the number of tests inside an `and` or `or` operation; 0 for other operations.
    pub(super) fn parts(&self) -> usize {
        match &self.check {
            Check::Any(tests) | Check::All(tests) => tests.len(),
            _ => 0,
        }
    }

    /// Returns the number of values in the list of an `in` or `not in` operation; 0 for other operations.
    pub(super) fn values(&self) -> usize {
        match &self.check {
            Check::Among(values) => values.len(),
            _ => 0,
        }
    }

    /// Returns true if a value passes the test; `None` and null count as a missing value.
    pub(super) fn passes(&self, value: Option<&Value>) -> bool {
        let value = value.filter(|value| !value.is_null());
        self.opposite != self.check.holds(value)
    }
}

impl Check {
    fn holds(&self, value: Option<&Value>) -> bool {
        let moment = |value: Option<&Value>| match value {
            Some(Value::Date(moment)) => Some(*moment),
            _ => None,
        };
        match self {
            Self::Missing => value.is_none(),
            Self::Compare(holds, with) => value.and_then(|value| compare(value, with)).is_some_and(holds),
            Self::Text { part, text, exact } => value.and_then(written).is_some_and(|found| {
                if *exact { part.holds(&found, text) } else { part.holds(&found.to_lowercase(), text) }
            }),
            Self::Among(values) => value.is_some_and(|value| values.iter().any(|with| is_same(value, with))),
            Self::Between(start, end) => moment(value)
                .is_some_and(|moment| seconds(start) <= seconds(&moment) && seconds(&moment) <= seconds(end)),
            Self::Day(day) => moment(value).is_some_and(|moment| moment.date_naive() == day.date_naive()),
            Self::Any(tests) => tests.iter().any(|test| test.passes(value)),
            Self::All(tests) => tests.iter().all(|test| test.passes(value)),
        }
    }
}

impl Part {
    fn holds(self, value: &str, text: &str) -> bool {
        match self {
            Self::Begin => value.starts_with(text),
            Self::End => value.ends_with(text),
            Self::Within => value.contains(text),
            Self::Whole => value == text,
        }
    }
}

/// Parses `is null` as `Some(false)`, `not null` and `is not null` as `Some(true)`, and anything else as `None`.
pub(super) fn presence(operation: &Value) -> Option<bool> {
    let words: Vec<String> = operation.as_text()?.split_whitespace().take(4).map(str::to_ascii_lowercase).collect();
    match words.join(" ").as_str() {
        "is null" => Some(false),
        "not null" | "is not null" => Some(true),
        _ => None,
    }
}

/// Returns the fault for a malformed operation.
pub(super) fn unreadable(property: &Property) -> Fault {
    refused(property, ALLOWED)
}

fn literals(property: &Property, options: Option<&Value>) -> Result<Vec<Test>, Fault> {
    data(property, options)?.iter().map(|operation| Test::literal(property, operation)).collect()
}

/// Converts a value in a filter to the type of the property.
fn typed(property: &Property, value: &Value) -> Result<Value, Fault> {
    match (property.kind, value) {
        (_, Value::Text(text)) => typed_text(property, text),
        (Kind::Bool, Value::Bool(_)) | (Kind::Date, Value::Date(_)) | (Kind::Int | Kind::Count(_), Value::Int(_)) => {
            Ok(value.clone())
        }
        (_, Value::Int(number)) => typed_text(property, &number.to_string()),
        (_, Value::Double(number)) => typed_text(property, &number.to_string()),
        (Kind::Text | Kind::Int | Kind::Count(_), Value::Bool(truth)) => {
            typed_text(property, if *truth { "1" } else { "0" })
        }
        _ => Err(unreadable(property)),
    }
}

fn typed_text(property: &Property, text: &str) -> Result<Value, Fault> {
    let text = text.trim();
    let (value, allowed) = match property.kind {
        Kind::Bool => {
            (Value::from(text).as_bool().filter(|_| !text.is_empty()).map(Value::Bool), "it is true or false")
        }
        Kind::Int | Kind::Count(_) => (text.parse().ok().map(Value::Int), "it holds a whole number"),
        Kind::Date => (date::read(text).map(Value::Date), date::ALLOWED),
        _ => (Some(Value::from(text)), ""),
    };
    value.ok_or_else(|| refused(property, allowed))
}

fn compare(value: &Value, with: &Value) -> Option<Ordering> {
    match (value, with) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Date(a), Value::Date(b)) => Some(seconds(a).cmp(&seconds(b))),
        _ => None,
    }
}

fn is_same(value: &Value, with: &Value) -> bool {
    compare(value, with).is_some_and(Ordering::is_eq)
}

fn seconds(moment: &Timestamp) -> i64 {
    moment.timestamp()
}

/// Returns a value as text, for text tests.
fn written(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Text(text) => Some(Cow::Borrowed(text)),
        Value::Bool(truth) => Some(Cow::Borrowed(if *truth { "1" } else { "0" })),
        Value::Int(number) => Some(Cow::Owned(number.to_string())),
        Value::Date(moment) => Some(Cow::Owned(date_text(moment))),
        _ => None,
    }
}
