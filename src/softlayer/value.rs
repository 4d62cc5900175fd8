//! The value tree of arguments and answers, shared by the three codecs.

use crate::domain::clock::Timestamp;

/// Formats a timestamp as SoftLayer does, in UTC with a precision of one second: `2018-05-08T15:28:32+00:00`.
#[must_use]
pub fn date_text(moment: &Timestamp) -> String {
    moment.format("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// A value in a call or an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Null: `<nil/>` in XML-RPC, `null` in JSON, `xsi:nil` in SOAP.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction or an exponent.
    Double(f64),
    /// Text.
    Text(String),
    /// A timestamp; ISO 8601 with an offset on the wire.
    Date(Timestamp),
    /// A list.
    List(Vec<Value>),
    /// An object.
    Struct(Struct),
}

/// An object: the name of the datatype, if known, and the members in their original order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Struct {
    /// Name of the datatype, for example `SoftLayer_User_Customer`; `None` if unknown.
    pub kind: Option<String>,
    /// Name and value of each member.
    pub members: Vec<(String, Value)>,
}

impl Struct {
    /// Returns an object of a datatype, without members.
    #[must_use]
    pub fn of(kind: &str) -> Self {
        Self { kind: Some(kind.to_owned()), members: Vec::new() }
    }

    /// Adds a member to the object, unless the value is [`Value::Null`].
    pub fn put(&mut self, name: &str, value: impl Into<Value>) {
        match value.into() {
            Value::Null => {}
            value => self.members.push((name.to_owned(), value)),
        }
    }

    /// Returns the value of the member with a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

impl Value {
    /// Returns the value as a whole number, if possible; accepts text too, since clients send some numbers as text.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// Returns the value as true or false, if possible; accepts 0, 1 and text too, since clients send them. Empty text is false.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            Self::Int(number @ (0 | 1)) => Some(*number == 1),
            Self::Text(text) => match text.trim() {
                "true" | "1" => Some(true),
                "false" | "0" | "" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the value as text, if possible; a whole number becomes decimal digits.
    #[must_use]
    pub fn as_text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Int(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// Returns the value if it is an object.
    #[must_use]
    pub fn as_struct(&self) -> Option<&Struct> {
        match self {
            Self::Struct(object) => Some(object),
            _ => None,
        }
    }

    /// Returns the elements if the value is a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// Returns true for [`Value::Null`].
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Timestamp> for Value {
    fn from(moment: Timestamp) -> Self {
        Self::Date(moment)
    }
}

impl From<Struct> for Value {
    fn from(object: Struct) -> Self {
        Self::Struct(object)
    }
}

impl From<Vec<Value>> for Value {
    fn from(list: Vec<Value>) -> Self {
        Self::List(list)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::date_text;
    use crate::domain::clock::parse_iso;

    #[test]
    fn moments_are_written_to_the_second_with_an_offset() {
        let moment = parse_iso("2018-05-08T15:28:32.999-06:00").unwrap();
        assert_eq!(date_text(&moment), "2018-05-08T21:28:32+00:00");
    }
}
