//! The locks that a write takes before reading anything, and the queue in front of the write connections.
//!
//! A write must not commit after the caller's credential has ended. Therefore, a write that ends a credential excludes the writes that use
//! the same credential. On PostgreSQL, the first statement of each write takes transaction-scoped advisory locks, always in the same order:
//! first the lock `AUTHORITY`, then the locks of the users, ordered by the hash of the user id. No write replaces a lock by a stronger one
//! later. Advisory locks queue fairly, so a series of overlapping writes with a stolen credential can't delay the revocation of this
//! credential. Row locks do not queue fairly: a new shared lock overtakes a waiting exclusive one. SQLite needs none of these locks,
//! because it runs only one write at a time.
//!
//! The service's own work waits for locks without a limit; every other write gives up after a few seconds. PostgreSQL also ends a
//! transaction that is idle for the same time, so that a frozen node blocks no other node.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use sea_orm::sea_query::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::id::UserId;
use crate::domain::operation::Effect;
use crate::domain::permit::Permit;
use crate::domain::text::text;
use crate::error::{Error, Result};

/// Key of the lock that guards roles, policies and access lists, on which the rights of all users depend. The key is smaller than the key
/// of any user's lock, so this lock is taken first.
const AUTHORITY: i64 = -1;
/// Time limit of a change. The limit applies separately to waiting for a lock, to running one statement, and to idling between two
/// statements.
const TIMES: Duration = Duration::from_secs(2);
/// Time limit of a change that ends a credential. This limit is longer, so that ending a credential succeeds where other changes give up.
const TIMES_OF_ENDS: Duration = Duration::from_secs(5);
/// Maximum number of changes that one user runs at the same time. Further changes wait.
const AT_ONCE: usize = 4;
/// Maximum time that a change waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// How a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    /// Shared: several writes hold the lock at the same time.
    Shared,
    /// Exclusive: only one write holds the lock.
    Alone,
}

/// The users that a write concerns, each with the mode in which the write locks the user.
#[derive(Debug, Clone, Default)]
pub struct Users(BTreeMap<UserId, Mode>);

impl Users {
    /// Returns users to lock exclusively, because the write changes these users or ends credentials of these users.
    pub fn changed(ids: impl IntoIterator<Item = UserId>) -> Self {
        Self(ids.into_iter().map(|id| (id, Mode::Alone)).collect())
    }

    /// Returns a user to lock in shared mode, because the write creates something for the user, such as a session or a key.
    #[must_use]
    pub fn used(id: UserId) -> Self {
        Self([(id, Mode::Shared)].into())
    }

    /// Returns true if the write locks the user exclusively.
    #[must_use]
    pub fn has_changed(&self, id: &UserId) -> bool {
        self.0.get(id) == Some(&Mode::Alone)
    }

    fn add(&mut self, id: UserId, mode: Mode) {
        let held = self.0.entry(id).or_insert(mode);
        *held = mode.max(*held);
    }
}

/// Returns the statement that takes the locks of a write on PostgreSQL and sets the write's time limits. Returns `None` if the write is the
/// service's own work and concerns no user.
pub(super) fn statement(permit: &Permit, mut users: Users) -> Option<(String, Vec<Value>)> {
    let effect = permit.operation().spec().effect;
    if let Some(actor) = permit.actor().filter(|actor| !actor.is_operator() && effect != Effect::Work) {
        users.add(actor.user.clone(), if effect == Effect::End { Mode::Alone } else { Mode::Shared });
    }
    if effect == Effect::Work && users.0.is_empty() {
        return None;
    }
    let authority = if effect == Effect::Rules { Mode::Alone } else { Mode::Shared };
    // If two ids hash to the same key, the stronger mode counts, so that no lock is taken twice.
    let mut locks = BTreeMap::from([(AUTHORITY, authority)]);
    for (id, mode) in users.0 {
        let held = locks.entry(number(&id)).or_insert(mode);
        *held = mode.max(*held);
    }
    let own_work = effect == Effect::Work || permit.actor().is_some_and(|actor| actor.is_operator());
    let times = match effect {
        _ if own_work => "0".to_owned(),
        Effect::End => TIMES_OF_ENDS.as_millis().to_string(),
        _ => TIMES.as_millis().to_string(),
    };
    let settings = ["lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"];
    let settings = settings.iter().map(|name| format!("set_config('{name}', $1, true)"));
    let mut values: Vec<Value> = vec![times.into()];
    let mut steps: Vec<String> = settings.collect();
    // PostgreSQL evaluates the steps from left to right.
    for (number, mode) in locks {
        values.push(number.into());
        let function = if mode == Mode::Alone { "pg_advisory_xact_lock" } else { "pg_advisory_xact_lock_shared" };
        steps.push(format!("{function}(${})::text", values.len()));
    }
    Some((format!("SELECT {}", steps.join(", ")), values))
}

/// Returns the key of a user's lock: the upper 63 bits of the FNV-1a hash of the id.
fn number(id: &UserId) -> i64 {
    let hash = id
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    i64::try_from(hash >> 1).unwrap_or_default()
}

/// The queue in front of the write connections. Writes that end a credential or log a user in skip the queue. One user runs at most 4
/// changes at the same time.
#[derive(Debug)]
pub(super) struct Queue {
    /// Places for the writes that do not skip the queue. On PostgreSQL, there are fewer places than write connections.
    ordinary: Arc<Semaphore>,
    callers: Mutex<HashMap<UserId, Weak<Semaphore>>>,
    /// Maximum time that a change waits for its turn.
    wait: Duration,
}

/// A write's place among the writes that run at the same time. Dropping this value frees the place.
#[derive(Debug)]
pub(super) struct Turn(#[expect(dead_code, reason = "held until it is dropped")] Vec<OwnedSemaphorePermit>);

impl Queue {
    pub(super) fn new(ordinary: usize) -> Self {
        Self { ordinary: Arc::new(Semaphore::new(ordinary)), callers: Mutex::default(), wait: TURN }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// `TooMany` if the caller has too many changes in progress.
    /// `Unavailable` if other changes take too long.
    pub(super) async fn turn(&self, permit: &Permit) -> Result<Turn> {
        let effect = permit.operation().spec().effect;
        if matches!(effect, Effect::End | Effect::Login) {
            return Ok(Turn(Vec::new()));
        }
        let mut places = Vec::new();
        if let Some(actor) = permit.actor().filter(|actor| !actor.is_operator() && effect != Effect::Work) {
            let own = self.of_caller(&actor.user);
            places.push(self.wait(own).await.ok_or_else(too_many)?);
        }
        let ordinary = self.wait(Arc::clone(&self.ordinary)).await;
        places.push(ordinary.ok_or_else(|| Error::unavailable("other changes take too long"))?);
        Ok(Turn(places))
    }

    async fn wait(&self, places: Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        tokio::time::timeout(self.wait, places.acquire_owned()).await.ok()?.ok()
    }

    fn of_caller(&self, user: &UserId) -> Arc<Semaphore> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = callers.get(user).and_then(Weak::upgrade) {
            return own;
        }
        callers.retain(|_, own| own.strong_count() > 0);
        let own = Arc::new(Semaphore::new(AT_ONCE));
        callers.insert(user.clone(), Arc::downgrade(&own));
        own
    }
}

fn too_many() -> Error {
    let text = text!(
        "you have {AT_ONCE} changes under way already, and they take long: try again later",
        "您已有 {AT_ONCE} 个变更正在进行且耗时较长：请稍后重试"
    );
    Error::too_many(text, Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::caller::Caller;
    use crate::domain::operation::Operation;
    use crate::domain::permit::authorize;
    use crate::domain::principal::{CredentialRef, Principal};

    fn permit(operation: Operation) -> Permit {
        let credential = CredentialRef::Session(crate::domain::id::SessionId::from("s".to_owned()));
        let principal = Principal { user: UserId::from("actor".to_owned()), credential, ..Principal::operator() };
        authorize(&Caller::from(principal), operation).unwrap()
    }

    #[test]
    fn locks_are_taken_once_each_in_one_order_with_authority_first() {
        let ids = ["b", "a", "actor", "c"].map(|id| UserId::from(id.to_owned()));
        let (sql, values) = statement(&permit(Operation::UpdateUser), Users::changed(ids)).unwrap();
        let numbers: Vec<i64> =
            values.iter().filter_map(|value| if let Value::BigInt(number) = value { *number } else { None }).collect();
        assert_eq!(numbers.len(), 5);
        assert_eq!(numbers[0], AUTHORITY);
        assert!(numbers.is_sorted());
        assert!(sql.contains("pg_advisory_xact_lock_shared($2)") && sql.ends_with("pg_advisory_xact_lock($6)::text"));
    }

    #[test]
    fn who_ends_credentials_is_alone_with_its_user_and_who_changes_rules_with_authority() {
        let alone = |operation| statement(&permit(operation), Users::default()).unwrap().0.matches("lock($").count();
        assert_eq!(alone(Operation::CreateApiKey), 0);
        assert_eq!(alone(Operation::Logout), 1);
        assert_eq!(alone(Operation::UpdateRole), 1);
        assert!(statement(&permit(Operation::Record), Users::default()).is_none());
    }

    #[tokio::test]
    async fn ends_go_ahead_and_one_user_has_some_turns_only() {
        let queue = Queue { wait: Duration::from_millis(1), ..Queue::new(AT_ONCE + 1) };
        let mut held = Vec::new();
        for _ in 0..AT_ONCE {
            held.push(queue.turn(&permit(Operation::CreateApiKey)).await.unwrap());
        }
        let error = queue.turn(&permit(Operation::CreateApiKey)).await.unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::TooMany);
        queue.turn(&permit(Operation::Logout)).await.unwrap();
        held.push(queue.turn(&authorize(&Caller::operator(), Operation::Maintain).unwrap()).await.unwrap());
        let error = queue.turn(&authorize(&Caller::operator(), Operation::Maintain).unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Unavailable);
        drop(held);
        queue.turn(&permit(Operation::CreateApiKey)).await.unwrap();
    }
}
