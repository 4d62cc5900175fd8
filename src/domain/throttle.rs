//! Throttling of guesses: the more guesses were wrong, the longer the next guess must wait. No account is locked for good.

use chrono::TimeDelta;

use super::clock::Timestamp;
use super::id::{DeviceId, SessionId};
use super::policy::Misses;

/// A rule for the delay before the next attempt. The first `free` attempts need no delay. The next attempt must wait one second, and each
/// further attempt doubles the delay.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Number of attempts without a delay.
    pub free: u32,
    /// Maximum delay.
    pub longest: TimeDelta,
    /// How long an attempt counts.
    pub memory: TimeDelta,
}

/// Rule for wrong passwords with one username from one client.
pub const CLIENT_OF_ACCOUNT: Rule = Rule { free: 5, longest: TimeDelta::minutes(15), memory: TimeDelta::hours(24) };
/// Rule for wrong passwords with one username, counted together for all clients from which the user never logged in.
pub const STRANGERS: Rule = Rule { free: 30, longest: TimeDelta::minutes(1), memory: TimeDelta::hours(1) };
/// Rule for wrong passwords from one client, with any usernames.
pub const CLIENT: Rule = Rule { free: 100, longest: TimeDelta::minutes(1), memory: TimeDelta::hours(1) };
/// Rule for wrong codes of one user.
pub const CODES: Rule = Rule { free: 5, longest: TimeDelta::minutes(15), memory: TimeDelta::hours(24) };
/// Rule for mailed codes that the user did not enter. The free number is the number of codes that two logins can send.
pub const MAILED_CODES: Rule = Rule { free: 6, longest: TimeDelta::minutes(15), memory: TimeDelta::hours(24) };
/// Rule for mails to one user that anybody can trigger.
pub const MAILS: Rule = Rule { free: 3, longest: TimeDelta::minutes(15), memory: TimeDelta::hours(24) };

/// Evidence that a client belongs to a user. Guesses are counted by device or session if one is known, so that a new address does not reset
/// the count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// The client sent the cookie of this device, from which the user has logged in before.
    Device(DeviceId),
    /// The client has an address from which the user has logged in before.
    Address,
    /// The client sent the token of this session, so that the user is logged in.
    Session(SessionId),
}

/// The number of attempts, counted up to [`Rule::most`], and the time of the newest attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Number of attempts.
    pub count: u32,
    /// Time of the newest attempt; `None` if there is no attempt.
    pub newest: Option<Timestamp>,
}

impl Rule {
    /// Returns the maximum number of attempts to count. Further attempts do not change the delay.
    #[must_use]
    pub fn most(self) -> u32 {
        self.free + 32
    }

    /// Returns the time until which the next attempt must wait; `None` if the next attempt is allowed now.
    #[must_use]
    pub fn wait(self, tally: Tally, now: Timestamp) -> Option<Timestamp> {
        let beyond = tally.count.checked_sub(self.free)?;
        // 2^30 s exceed the maximum delay of every rule.
        let delay = TimeDelta::seconds(1 << beyond.min(30)).min(self.longest);
        // A clock that was set back must not make the wait longer than the delay.
        let until = tally.newest?.min(now) + delay;
        (until > now).then_some(until)
    }

    /// Returns the start of the period in which attempts count.
    #[must_use]
    pub fn since(self, now: Timestamp) -> Timestamp {
        now - self.memory
    }
}

/// Returns how long the store must keep attempts.
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

    /// The arithmetic behind the numbers: how many codes an attacker can try within a day by waiting out every delay.
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
        // At any time three codes of a million are right (the present step and one on either side).
        let chance = 3.0 * f64::from(u32::try_from(tries.len()).unwrap()) / 1e6;
        assert!(chance < 0.000_4, "{chance}");
    }
}
