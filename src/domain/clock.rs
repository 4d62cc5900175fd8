//! Time as a parameter. No other module asks the system for the time.

use chrono::{DateTime, SecondsFormat, Utc};

/// A time in UTC.
pub type Timestamp = DateTime<Utc>;

/// A source of time. The program uses [`SystemClock`]; tests use a clock that they set.
pub trait Clock: Send + Sync {
    /// Returns the present time.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
    fn now(&self) -> Timestamp {
        Utc::now()
    }
}

/// Formats a time as the contract does: ISO 8601, milliseconds, `Z`.
///
/// The texts sort in the order of time, which is why the store keeps times in this form.
#[must_use]
pub fn iso(moment: Timestamp) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Parses an RFC 3339 time with any offset; `None` if the text is malformed.
#[must_use]
pub fn parse_iso(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::{iso, parse_iso};

    #[test]
    fn moments_are_written_in_utc_with_milliseconds() {
        let moment = parse_iso("2026-01-02T05:04:05+02:00").unwrap();
        assert_eq!(iso(moment), "2026-01-02T03:04:05.000Z");
    }
}
