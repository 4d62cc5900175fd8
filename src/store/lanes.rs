//! The connections for reading lists ("lanes"), separate from the connections for credentials and for writes.
//!
//! A list may be costly, so each list has a deadline of 8 s, and one caller uses at most 2 lanes at a time. A further list waits for a lane
//! for up to 8 s, then fails. When a request is dropped or misses the deadline, the running statement is canceled, and only then is the
//! lane reused. To cancel a statement, SQLite checks a flag every 1,000 instructions; on PostgreSQL, another connection cancels the
//! statement of the lane's connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Store, error, statement};
use crate::domain::id::UserId;
use crate::domain::text::text;
use crate::error::{Error, Kind, Result};

/// Number of lanes: the maximum number of lists that are read at the same time.
pub(super) const LANES: usize = 4;
/// Maximum number of lists that one caller reads at the same time.
const OF_CALLER: usize = 2;
/// Maximum number of long lists (see [`super::Ids`]) that one caller receives at the same time. The ids of rows that are not sent yet stay
/// in memory, however slowly the client reads.
const WHOLE: usize = 8;
/// Time limit for reading a list, and also for waiting for a lane.
const DEADLINE: Duration = Duration::from_secs(8);
/// Time limit for the database to answer a probe.
const PROBE: Duration = Duration::from_secs(1);
/// Maximum number of attempts to cancel the statement of a lane.
const TRIES: u32 = 20;

/// A connection for lists, and the means to cancel the statement that runs on the connection.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    pub(super) db: DatabaseConnection,
    /// While this flag is true, SQLite aborts the statements of the connection.
    pub(super) cancel: Arc<AtomicBool>,
    /// The connection's `application_name` on PostgreSQL; empty on SQLite.
    pub(super) name: String,
}

/// All lanes.
#[derive(Debug)]
pub(super) struct Lanes {
    free: Mutex<Vec<Lane>>,
    places: Arc<Semaphore>,
    callers: Callers,
    whole: Callers,
    /// Connections outside the lanes, for canceling statements on PostgreSQL and for probing the database.
    control: DatabaseConnection,
}

/// Limits how many lists each caller reads or receives at the same time. All callers without a credential count as one caller.
#[derive(Debug)]
struct Callers {
    most: usize,
    places: Mutex<HashMap<Option<UserId>, Weak<Semaphore>>>,
}

impl Callers {
    fn new(most: usize) -> Self {
        Self { most, places: Mutex::default() }
    }

    fn of(&self, caller: Option<&UserId>) -> Arc<Semaphore> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = places.get(&caller.cloned()).and_then(Weak::upgrade) {
            return own;
        }
        places.retain(|_, own| own.strong_count() > 0);
        let own = Arc::new(Semaphore::new(self.most));
        places.insert(caller.cloned(), Arc::downgrade(&own));
        own
    }
}

tokio::task_local! {
    /// The connection of the lane that the current task reads on.
    static LANE: DatabaseConnection;
}

impl Store {
    /// Runs `work` on a lane, within the deadline of a list. The lane counts toward the caller's 2 lanes. The reads of the SoftLayer API
    /// inside `work` use the lane's connection.
    ///
    /// # Errors
    /// Same as [`Store::list`].
    pub async fn on_lane<T>(&self, caller: Option<&UserId>, work: impl AsyncFnOnce() -> T) -> Result<T> {
        self.lanes.read(caller, async |db| Ok(LANE.scope(db, work()).await)).await
    }

    /// Returns the connection of the current task's lane; outside of [`Store::on_lane`], the connections for short reads.
    pub(super) fn reader(&self) -> DatabaseConnection {
        LANE.try_with(Clone::clone).unwrap_or_else(|_| self.read.clone())
    }
}

/// A lane in use.
struct Held {
    lanes: Arc<Lanes>,
    lane: Option<Lane>,
    /// Whether all statements on the lane have ended, so that none must be canceled.
    is_idle: bool,
    places: Vec<OwnedSemaphorePermit>,
}

impl Lanes {
    pub(super) fn new(lanes: Vec<Lane>, control: DatabaseConnection) -> Self {
        let places = Arc::new(Semaphore::new(lanes.len()));
        let (callers, whole) = (Callers::new(OF_CALLER), Callers::new(WHOLE));
        Self { free: Mutex::new(lanes), places, callers, whole, control }
    }

    /// Runs `work`, which reads a list for a caller, on a lane and within the deadline.
    ///
    /// # Errors
    /// `TooMany` if the caller already reads too many lists.
    /// `Invalid` if the list takes too long.
    /// `Unavailable` if the database does not answer.
    /// Any error of `work`.
    pub(super) async fn read<T>(
        self: &Arc<Self>,
        caller: Option<&UserId>,
        work: impl AsyncFnOnce(DatabaseConnection) -> Result<T>,
    ) -> Result<T> {
        let mut held = self.take(caller).await?;
        let Some(lane) = &held.lane else { return Err(Error::internal("a lane without a connection")) };
        let done = tokio::time::timeout(DEADLINE, work(lane.db.clone())).await;
        held.is_idle = done.is_ok();
        match done {
            Ok(done) => done,
            Err(_) => Err(self.late().await),
        }
    }

    /// Returns the error of a list that missed its deadline: `Invalid` if the database answers a probe, otherwise `Unavailable`.
    async fn late(&self) -> Error {
        match tokio::time::timeout(PROBE, self.control.execute_unprepared("SELECT 1")).await {
            Ok(Ok(_)) => too_long(),
            Ok(Err(cause)) => error(cause),
            Err(_) => Error::unavailable("the database did not answer a list, nor anything else"),
        }
    }

    async fn take(self: &Arc<Self>, caller: Option<&UserId>) -> Result<Held> {
        let own = self.callers.of(caller);
        let places = tokio::time::timeout(DEADLINE, async {
            let own = own.acquire_owned().await.ok()?;
            Some(vec![own, Arc::clone(&self.places).acquire_owned().await.ok()?])
        });
        let places = places.await.ok().flatten().ok_or_else(|| too_many(OF_CALLER))?;
        let lane = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Ok(Held { lanes: Arc::clone(self), lane, is_idle: false, places })
    }

    /// Waits for a place among the long lists that the caller receives at the same time. Dropping the returned value frees the place.
    ///
    /// # Errors
    /// `TooMany` if the caller already receives 8 long lists and none of them ends in time.
    pub(super) async fn whole(&self, caller: Option<&UserId>) -> Result<OwnedSemaphorePermit> {
        let place = tokio::time::timeout(DEADLINE, self.whole.of(caller).acquire_owned()).await;
        place.ok().and_then(std::result::Result::ok).ok_or_else(|| too_many(WHOLE))
    }

    fn give_back(&self, lane: Lane) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(lane);
    }

    /// Cancels the statement that runs on a lane, and waits until the statement has ended. Gives up after 20 attempts.
    async fn recover(&self, lane: &Lane) {
        lane.cancel.store(true, Ordering::SeqCst);
        for _ in 0..TRIES {
            if lane.db.get_database_backend() == DatabaseBackend::Postgres {
                let sql = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity \
                    WHERE application_name = $1 AND state = 'active' AND pid <> pg_backend_pid()";
                let cancel = statement(DatabaseBackend::Postgres, sql, [lane.name.as_str().into()]);
                if let Err(error) = self.control.query_all_raw(cancel).await {
                    tracing::warn!(%error, "a statement could not be ended");
                }
            }
            // The connection runs this statement only after the previous statement has ended.
            if lane.db.execute_unprepared("SELECT 1").await.is_ok() {
                break;
            }
        }
        lane.cancel.store(false, Ordering::SeqCst);
    }

    /// Closes the connections of all free lanes.
    pub(super) async fn close(&self) {
        let lanes = std::mem::take(&mut *self.free.lock().unwrap_or_else(PoisonError::into_inner));
        for connection in lanes.iter().map(|lane| &lane.db).chain([&self.control]) {
            if let Err(error) = connection.close_by_ref().await {
                tracing::warn!(%error, "a connection for lists did not close cleanly");
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(lane) = self.lane.take() else { return };
        if self.is_idle {
            return self.lanes.give_back(lane);
        }
        let (lanes, places) = (Arc::clone(&self.lanes), std::mem::take(&mut self.places));
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                lanes.recover(&lane).await;
                lanes.give_back(lane);
                drop(places);
            })),
            Err(_) => self.lanes.give_back(lane),
        }
    }
}

fn too_many(most: usize) -> Error {
    let text = text!(
        "you read {most} lists already, and they take long: try again later",
        "您已有 {most} 个列表正在读取且耗时较长：请稍后重试"
    );
    Error::too_many(text, Duration::from_secs(1))
}

/// Returns the error for a list that takes too long: `Invalid`, because the same list would take as long again.
fn too_long() -> Error {
    let seconds = DEADLINE.as_secs();
    Error::new(
        Kind::Invalid,
        text!(
            "the list takes longer than {seconds} s: ask with fewer conditions, or page with first and skip",
            "列表读取超过 {seconds} 秒：请减少条件，或用 first 和 skip 分页"
        ),
    )
}
