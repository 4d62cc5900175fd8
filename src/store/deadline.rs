//! The time limit of a write on SQLite, which has one writer and no statement timeout.
//!
//! Each write has a number. SQLite aborts a statement only while the number of the current write is the number of the canceled write, so
//! that a late cancel never hits the next write.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::domain::operation::Effect;
use crate::domain::permit::Permit;

/// Maximum time that a write may take. The service's own work and the operator's commands have no limit.
const LIMIT: Duration = Duration::from_secs(8);

/// The numbers of the current and of the canceled write, and the time limit of a write.
#[derive(Debug, Clone)]
pub(super) struct Deadline {
    numbers: Arc<Numbers>,
    limit: Duration,
}

#[derive(Debug)]
struct Numbers {
    current: AtomicU64,
    canceled: AtomicU64,
}

/// The time limit of one write. Dropping the guard cancels the write's statement that still runs, for example because the client has closed
/// the connection.
#[derive(Debug)]
pub(super) struct Guard {
    numbers: Arc<Numbers>,
    /// The number of this write; 0 after the time limit was stopped.
    number: u64,
    timer: Option<AbortHandle>,
}

impl Default for Deadline {
    fn default() -> Self {
        let numbers = Numbers { current: AtomicU64::new(0), canceled: AtomicU64::new(u64::MAX) };
        Self { numbers: Arc::new(numbers), limit: LIMIT }
    }
}

impl Deadline {
    /// Starts the time limit of a write that has just begun. Such a write holds the only connection for writes.
    pub(super) fn start(&self, permit: &Permit) -> Guard {
        let (numbers, limit) = (Arc::clone(&self.numbers), self.limit);
        let number = numbers.current.fetch_add(1, Ordering::SeqCst) + 1;
        let is_own = permit.operation().spec().effect == Effect::Work
            || permit.actor().is_some_and(crate::domain::principal::Principal::is_operator);
        let timer = (!is_own).then(|| {
            let numbers = Arc::clone(&numbers);
            let expire = async move {
                tokio::time::sleep(limit).await;
                numbers.canceled.store(number, Ordering::SeqCst);
            };
            tokio::spawn(expire).abort_handle()
        });
        Guard { numbers, number, timer }
    }

    /// Returns true if the statement that runs now belongs to a write that was canceled.
    pub(super) fn is_over(&self) -> bool {
        self.numbers.canceled.load(Ordering::SeqCst) == self.numbers.current.load(Ordering::SeqCst)
    }
}

impl Guard {
    /// Stops the time limit before the commit, because the commit must not be canceled.
    pub(super) fn stop(&mut self) {
        self.number = 0;
        self.timer.take().iter().for_each(AbortHandle::abort);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let number = self.number;
        self.stop();
        if number != 0 {
            self.numbers.canceled.store(number, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::caller::Caller;
    use crate::domain::operation::Operation;
    use crate::domain::permit::authorize;

    #[tokio::test]
    async fn a_write_that_is_dropped_is_canceled_and_the_next_is_not() {
        let permit = authorize(&Caller::operator(), Operation::Maintain).unwrap();
        let deadline = Deadline::default();
        let mut first = deadline.start(&permit);
        assert!(!deadline.is_over());
        first.stop();
        drop(first);
        assert!(!deadline.is_over());
        let second = deadline.start(&permit);
        drop(second);
        assert!(deadline.is_over());
        let _third = deadline.start(&permit);
        assert!(!deadline.is_over());
    }

    #[tokio::test]
    async fn the_work_of_a_caller_ends_in_time_and_that_of_the_service_does_not() {
        let deadline = Deadline { limit: Duration::from_millis(1), ..Deadline::default() };
        let work = deadline.start(&authorize(&Caller::operator(), Operation::Maintain).unwrap());
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!deadline.is_over());
        drop(work);
        let open = Caller { principal: None, ..Caller::operator() };
        let _login = deadline.start(&authorize(&open, Operation::Login).unwrap());
        while !deadline.is_over() {
            tokio::task::yield_now().await;
        }
    }
}
