//! Parses scalar values of XML-RPC and SOAP. An error text says what is allowed. It never repeats the input, which could be a password.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Datelike, NaiveDateTime, Utc};

use super::value::Value;
use super::xml::is_allowed;
use crate::domain::clock::parse_iso;

/// Error text that says which values are allowed.
pub(super) type Allowed = &'static str;

/// Parses a signed 64-bit whole number.
pub(super) fn int(text: &str) -> Result<Value, Allowed> {
    let number = text.trim().parse();
    number.map(Value::Int).map_err(|_| "a whole number from -9223372036854775808 to 9223372036854775807 is allowed")
}

/// Parses a finite number.
pub(super) fn double(text: &str) -> Result<Value, Allowed> {
    let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
    number.map(Value::Double).ok_or("a finite number is allowed")
}

/// Parses true or false: `1`, `true`, `0` or `false`.
pub(super) fn bool(text: &str) -> Result<Value, Allowed> {
    match text.trim() {
        "1" | "true" => Ok(Value::Bool(true)),
        "0" | "false" => Ok(Value::Bool(false)),
        _ => Err("1, 0, true or false is allowed"),
    }
}

/// Parses a timestamp in the years 1 to 9999: ISO 8601, in the long or the short form. A timestamp without an offset is in UTC.
pub(super) fn date(text: &str) -> Result<Value, Allowed> {
    const SHORT: &str = "%Y%m%dT%H:%M:%S%.f%#z";
    const LOCAL: [&str; 2] = ["%Y%m%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"];
    let text = text.trim();
    let utc = |form: &&str| Some(NaiveDateTime::parse_from_str(text, form).ok()?.and_utc());
    let moment = parse_iso(text)
        .or_else(|| Some(DateTime::parse_from_str(text, SHORT).ok()?.with_timezone(&Utc)))
        .or_else(|| LOCAL.iter().find_map(utc));
    let moment = moment.filter(|moment| (1..=9999).contains(&moment.year()));
    moment.map(Value::Date).ok_or("a moment is allowed, as 2018-05-08T15:28:32+00:00 or 20180508T15:28:32")
}

/// Parses text in Base64, and ignores white space. Rejects bytes that are not UTF-8 or contain characters that XML forbids, since no method
/// accepts such bytes.
pub(super) fn base64(text: &str) -> Result<Value, Allowed> {
    let code: String = text.split_ascii_whitespace().collect();
    let text = STANDARD.decode(code).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.filter(|text| text.chars().all(is_allowed));
    text.map(Value::Text).ok_or("Base64 of text in UTF-8 is allowed")
}

/// Rejects duplicate members, since parsers disagree on which of the duplicates counts.
pub(super) fn once(members: &[(String, Value)]) -> Result<(), Allowed> {
    let mut seen = HashSet::with_capacity(members.len());
    let each = members.iter().all(|(name, _)| seen.insert(name.as_str()));
    each.then_some(()).ok_or("each member is allowed once")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::softlayer::value::date_text;

    #[test]
    fn whole_numbers_have_64_bits() {
        for (text, number) in [
            ("0", 0),
            (" -5\n", -5),
            ("+7", 7),
            ("007", 7),
            ("2147483648", 2_147_483_648),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(int(text), Ok(Value::Int(number)), "{text}");
        }
        for text in
            ["", " ", "-", "1.0", "1e3", "0x10", "9223372036854775808", "-9223372036854775809", "1 2", "٣", "1_0"]
        {
            assert!(int(text).is_err(), "{text}");
        }
        assert!(int(&"9".repeat(1_000_000)).is_err());
    }

    #[test]
    fn numbers_are_finite() {
        assert_eq!(double("-1.5"), Ok(Value::Double(-1.5)));
        assert_eq!(double("1e3"), Ok(Value::Double(1000.0)));
        for text in ["", "x", "inf", "-infinity", "NaN", "1e400", "1,5", "0x1p3"] {
            assert!(double(text).is_err(), "{text}");
        }
    }

    #[test]
    fn truth_has_four_spellings() {
        for (text, truth) in [("1", true), ("true", true), ("0", false), (" false ", false)] {
            assert_eq!(bool(text), Ok(Value::Bool(truth)), "{text}");
        }
        for text in ["", "2", "TRUE", "yes", "-0", "00"] {
            assert!(bool(text).is_err(), "{text}");
        }
    }

    #[test]
    fn moments_have_a_long_and_a_short_form() {
        for text in [
            "2018-05-08T21:28:32+00:00",
            "2018-05-08T15:28:32-06:00",
            "2018-05-08T21:28:32Z",
            "2018-05-08T21:28:32.25Z",
            "2018-05-08T21:28:32",
            "20180508T21:28:32",
            " 20180508T21:28:32.9 ",
            "20180508T21:28:32Z",
            "20180508T15:28:32-0600",
            "20180508T15:28:32-06:00",
        ] {
            let Ok(Value::Date(moment)) = date(text) else { panic!("{text} is none") };
            assert_eq!(date_text(&moment), "2018-05-08T21:28:32+00:00", "{text}");
        }
        for text in [
            "",
            "2018-05-08",
            "21:28:32",
            "2018-13-08T21:28:32Z",
            "2018-02-30T21:28:32Z",
            "20180508T25:00:00",
            "+12018-05-08T21:28:32",
            "0000-05-08T21:28:32",
            "-0001-05-08T21:28:32",
            "99999999999999999999T21:28:32",
            "0000-12-31T23:59:59-23:59x",
        ] {
            assert!(date(text).is_err(), "{text}");
        }
    }

    #[test]
    fn base64_holds_text() {
        assert_eq!(base64("U0wx\n MDAx"), Ok("SL1001".into()));
        assert_eq!(base64(""), Ok("".into()));
        assert_eq!(base64("w6k="), Ok("é".into()));
        for text in ["U0w", "U0wx===", "!", "6Q==", "AA==", "U0-_"] {
            assert!(base64(text).is_err(), "{text}");
        }
    }

    #[test]
    fn each_member_is_there_once() {
        let members = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), Value::Null)).collect::<Vec<_>>();
        assert_eq!(once(&members(&["a", "b", "A"])), Ok(()));
        assert!(once(&members(&["a", "b", "a"])).is_err());
    }
}
