//! Parses dates in filters, in the formats that clients send.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use crate::domain::clock::Timestamp;

/// Error text that names the allowed formats of a date.
pub(super) const ALLOWED: &str = "a date is MM/DD/YYYY, MM/DD/YYYY HH:MM:SS or ISO 8601";

const LONGEST: usize = 64;
/// Formats with two-digit years come first, since they reject four-digit years.
const DAYS: &[&str] = &["%m/%d/%y", "%m/%d/%Y", "%Y-%m-%d"];
const MOMENTS: &[&str] = &["%m/%d/%y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
const WITH_OFFSET: &[&str] = &["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z"];

/// Parses a date or a timestamp. Text without an offset is in UTC; a date without a time means the start of that day.
pub(super) fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.len() > LONGEST {
        return None;
    }
    let with_offset = || WITH_OFFSET.iter().find_map(|format| DateTime::parse_from_str(text, format).ok());
    let moment = || MOMENTS.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let day = || DAYS.iter().find_map(|format| NaiveDate::parse_from_str(text, format).ok()?.and_hms_opt(0, 0, 0));
    with_offset().map(|moment| moment.to_utc()).or_else(|| moment().or_else(day).map(|moment| moment.and_utc()))
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::domain::clock::iso;

    #[test]
    fn the_dates_of_the_clients_are_read() {
        for (text, moment) in [
            ("05/01/2018 0:0:0", "2018-05-01T00:00:00.000Z"),
            ("5/1/2018 0:0:0", "2018-05-01T00:00:00.000Z"),
            ("05/01/2018 13:05:25", "2018-05-01T13:05:25.000Z"),
            ("05/01/2018", "2018-05-01T00:00:00.000Z"),
            (" 01/02/03 ", "2003-01-02T00:00:00.000Z"),
            ("2018-05-01", "2018-05-01T00:00:00.000Z"),
            ("2018-05-01T00:00:00", "2018-05-01T00:00:00.000Z"),
            ("2018-05-01T00:00:00.000000+00:00", "2018-05-01T00:00:00.000Z"),
            ("2018-05-01T00:00:00.0000-06:00", "2018-05-01T06:00:00.000Z"),
            ("2018-05-08T15:28:32-06:00", "2018-05-08T21:28:32.000Z"),
            ("2018-05-08T15:28:32+0200", "2018-05-08T13:28:32.000Z"),
            ("2018-05-08T15:28:32Z", "2018-05-08T15:28:32.000Z"),
            ("2018-05-08 15:28:32", "2018-05-08T15:28:32.000Z"),
        ] {
            assert_eq!(read(text).map(iso).as_deref(), Some(moment), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_date() {
        for text in
            ["", "x", "13/01/2018", "02/30/2018", "2018-05-01T25:00:00", "sysdate - 30", "99999999-01-01", "1", "🕐"]
        {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read(&"1".repeat(1_000_000)), None);
        assert_eq!(read("262142-12-31T23:59:59-23:59"), None);
    }
}
