//! How guesses are slowed down: the more of them were wrong, the longer the next one has to wait. Nobody is shut out for good.

use chrono::TimeDelta;

use super::clock::Timestamp;
use super::id::{DeviceId, SessionId};
use super::policy::Misses;

/// A delay that begins after some free attempts at one second, and doubles with each further one.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Wrong attempts without a delay.
    pub free: u32,
    /// Longest delay.
    pub longest: TimeDelta,
    /// For how long a wrong attempt counts.
    pub memory: TimeDelta,
}

/// Wrong passwords with one username from one client.
pub const CLIENT_OF_ACCOUNT: Rule = Rule { free: 5, longest: TimeDelta::minutes(15), memory: TimeDelta::hours(24) };
/// Wrong passwords with one username from all clients that the user never logged in from.
pub const STRANGERS: Rule = Rule { free: 30, longest: TimeDelta::minutes(1), memory: TimeDelta::hours(1) };
/// Wrong passwords from one client, with any usernames.
pub const CLIENT: Rule = Rule { free: 100, longest: TimeDelta::minutes(1), memory: TimeDelta::hours(1) };
/// Wrong codes of one user.
pub const CODES: Rule = Rule { free: 5, longest: TimeDelta::minutes(15), memory: TimeDelta::hours(24) };
/// Mailed codes that did not come back: those of two logins with all that is sent for them.
pub const MAILED_CODES: Rule = Rule { free: 6, longest: TimeDelta::minutes(15), memory: TimeDelta::hours(24) };
/// Mails that anybody can have sent to one user.
pub const MAILS: Rule = Rule { free: 3, longest: TimeDelta::minutes(15), memory: TimeDelta::hours(24) };

/// What sets a client apart from strangers. Its guesses are counted under that, so that they don't begin anew at another address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Its cookie: the user has logged in from this device before.
    Device(DeviceId),
    /// Its address: the user has logged in from there before.
    Address,
    /// Its token: the user is logged in.
    Session(SessionId),
}

/// What was counted: how many, as far as that matters, and when the newest was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub count: u32,
    /// The newest; nothing where there is none.
    pub newest: Option<Timestamp>,
}

impl Rule {
    /// Attempts beyond this number change nothing.
    #[must_use]
    pub fn most(self) -> u32 {
        self.free + 32
    }

    /// Until when the next attempt has to wait; nothing when it need not.
    #[must_use]
    pub fn wait(self, tally: Tally, now: Timestamp) -> Option<Timestamp> {
        let beyond = tally.count.checked_sub(self.free)?;
        // 2^30 s are beyond the longest of every rule.
        let delay = TimeDelta::seconds(1 << beyond.min(30)).min(self.longest);
        // A clock that was set back must not hold anybody off for longer than the delay.
        let until = tally.newest?.min(now) + delay;
        (until > now).then_some(until)
    }

    /// The moment from which on attempts count.
    #[must_use]
    pub fn since(self, now: Timestamp) -> Timestamp {
        now - self.memory
    }
}

/// For how long attempts have to be kept.
#[must_use]
pub fn memory(policy: Option<Misses>) -> TimeDelta {
    policy.map_or(CLIENT_OF_ACCOUNT.memory, |misses| misses.within.max(CLIENT_OF_ACCOUNT.memory))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::parse_iso;

    #[test]
    fn the_delay_doubles_up_to_the_longest() {
        let now = parse_iso("2026-01-31T00:00:00Z").unwrap();
        let wait =
            |count| CLIENT_OF_ACCOUNT.wait(Tally { count, newest: Some(now) }, now).map(|it| (it - now).num_seconds());
        for (count, expected) in
            [(0, None), (4, None), (5, Some(1)), (6, Some(2)), (10, Some(32)), (14, Some(512)), (15, Some(900))]
        {
            assert_eq!(wait(count), expected, "{count}");
        }
        for count in [37, 68, 69, 100, u32::MAX] {
            assert_eq!(wait(count), Some(900), "{count}");
        }
        let over = Tally { count: 6, newest: Some(now - TimeDelta::seconds(2)) };
        assert_eq!(CLIENT_OF_ACCOUNT.wait(over, now), None);
        let ahead = Tally { count: 6, newest: Some(now + TimeDelta::days(1)) };
        assert_eq!(CLIENT_OF_ACCOUNT.wait(ahead, now), Some(now + TimeDelta::seconds(2)));
    }

    /// The arithmetic behind the numbers: what somebody can try who waits out every delay for a whole day.
    #[test]
    fn a_day_of_guessing_finds_no_code_of_six_digits() {
        let start = parse_iso("2026-01-31T00:00:00Z").unwrap();
        let (mut now, mut tries) = (start, Vec::new());
        while now < start + TimeDelta::hours(24) {
            tries.push(now);
            let tally = Tally { count: u32::try_from(tries.len()).unwrap(), newest: Some(now) };
            now = CODES.wait(tally, now).unwrap_or(now);
        }
        // 5 at once, 10 while the delay grows to 15 minutes (17 minutes in all), then 4 an hour.
        assert!((100..=112).contains(&tries.len()), "{}", tries.len());
        // Three codes of a million are right at any moment (the present step and one on either side).
        let chance = 3.0 * f64::from(u32::try_from(tries.len()).unwrap()) / 1e6;
        assert!(chance < 0.000_4, "{chance}");
    }
}
