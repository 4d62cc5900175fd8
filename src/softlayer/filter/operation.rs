//! Operations: what the value of a property is compared with, and how.
//!
//! | operation | passes |
//! |---|---|
//! | `v`, `!= v` | the value is `v`, case counting; is not |
//! | `> v`, `>= v`, `< v`, `<= v` | the value stands after `v`, and so on |
//! | `^= v`, `$= v`, `*= v` and with `!` | the value begins with `v`, ends with it, has it in it, or not; case does not count |
//! | `_= v`, `!_= v` | the value is `v`, or is not; case does not count |
//! | `~ v`, `!~ v` | the value has `v` in it, or not; case counts. `v` is plain text and no pattern |
//! | `is null`, `not null` | there is no value; there is one |
//! | `in`, `not in` | the value is one of the option `data`, or none |
//! | `or`, `and` | one of the operations in the option `data` passes; all do |
//! | `betweenDate` | from the option `startDate` to `endDate`, both included |
//! | `greaterThanDate`, `lessThanDate` | after the option `date`; before |
//! | `isDate` | on the day of the option `date` |
//!
//! A form with `!`, or `not`, passes exactly what the form without does not; so a missing value passes `!= v`. Dates are compared to the
//! second, which is how they are answered.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::date;
use super::option::{data, date_option, refused};
use crate::domain::clock::Timestamp;
use crate::softlayer::fault::Fault;
use crate::softlayer::types::{Kind, Property};
use crate::softlayer::value::{Value, date_text};

/// What is told of an operation that can't be read.
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
    /// There is no value.
    Missing,
    /// It compares so with this one.
    Compare(fn(Ordering) -> bool, Value),
    /// Its text has this one, in lower case unless case counts.
    Text { part: Part, text: String, exact: bool },
    /// It is one of these.
    Among(Vec<Value>),
    /// It lies in this time, both ends included.
    Between(Timestamp, Timestamp),
    /// It is on the same day.
    Day(Timestamp),
    /// One of these passes.
    Any(Vec<Test>),
    /// All of these pass.
    All(Vec<Test>),
}

/// Where in a value its text is looked for.
#[derive(Debug, Clone, Copy)]
enum Part {
    Begin,
    End,
    Within,
    Whole,
}

/// What stands in front of a value.
#[derive(Clone, Copy)]
enum Sign {
    Compare(fn(Ordering) -> bool),
    Text(Part),
    Exact,
}

/// Of two that begin alike, the longer one comes first.
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
    /// Reads an operation and its options, other than `orderBy`.
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

    /// Reads an operation that needs no options.
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

    /// How many tests it consists of beside itself.
    pub(super) fn parts(&self) -> usize {
        match &self.check {
            Check::Any(tests) | Check::All(tests) => tests.len(),
            _ => 0,
        }
    }

    /// How many values there are in its list.
    pub(super) fn values(&self) -> usize {
        match &self.check {
            Check::Among(values) => values.len(),
            _ => 0,
        }
    }

    /// Tells whether a value passes.
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

/// Reads `is null` as false and `not null` as true; nothing else is either.
pub(super) fn presence(operation: &Value) -> Option<bool> {
    let words: Vec<String> = operation.as_text()?.split_whitespace().take(4).map(str::to_ascii_lowercase).collect();
    match words.join(" ").as_str() {
        "is null" => Some(false),
        "not null" | "is not null" => Some(true),
        _ => None,
    }
}

/// What is told of an operation that can't be read.
pub(super) fn unreadable(property: &Property) -> Fault {
    refused(property, ALLOWED)
}

fn literals(property: &Property, options: Option<&Value>) -> Result<Vec<Test>, Fault> {
    data(property, options)?.iter().map(|operation| Test::literal(property, operation)).collect()
}

/// A value as its property holds it.
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

/// A value as text.
fn written(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Text(text) => Some(Cow::Borrowed(text)),
        Value::Bool(truth) => Some(Cow::Borrowed(if *truth { "1" } else { "0" })),
        Value::Int(number) => Some(Cow::Owned(number.to_string())),
        Value::Date(moment) => Some(Cow::Owned(date_text(moment))),
        _ => None,
    }
}
