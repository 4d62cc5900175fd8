//! Queues with names. On this node, the work in one queue runs one piece at a time, in order of arrival.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// Once this number of queues exists, unused queues are removed before another queue is created.
const TIDY_FROM: usize = 64;

/// A queue for each name in use.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<String, Weak<Semaphore>>>);

/// A turn in a queue. Dropping the turn gives the next waiter its turn.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "it is held, not read")] OwnedSemaphorePermit);

impl Turns {
    /// Waits for a turn in the queue with this name. Waiters get their turns in order of arrival.
    ///
    /// # Errors
    /// `Internal` if the queue is closed, which never happens.
    pub async fn wait(&self, name: &str) -> Result<Turn> {
        let queue = self.queue(name);
        queue.acquire_owned().await.map(Turn).map_err(Error::internal)
    }

    fn queue(&self, name: &str) -> Arc<Semaphore> {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(name).and_then(Weak::upgrade) {
            return queue;
        }
        if queues.len() >= TIDY_FROM {
            queues.retain(|_, queue| queue.strong_count() > 0);
        }
        let queue = Arc::new(Semaphore::new(1));
        queues.insert(name.to_owned(), Arc::downgrade(&queue));
        queue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_under_a_name_and_nothing_is_left() {
        let turns = Turns::default();
        let first = turns.wait("a").await.unwrap();
        let _other = turns.wait("b").await.unwrap();
        let second = turns.wait("a");
        tokio::pin!(second);
        tokio::select! {
            biased;
            _ = &mut second => panic!("two had their turn at once"),
            () = std::future::ready(()) => {}
        }
        drop(first);
        drop(second.await.unwrap());
        for number in 0..10 * TIDY_FROM {
            drop(turns.wait(&number.to_string()).await.unwrap());
        }
        assert!(turns.0.lock().unwrap().len() <= TIDY_FROM);
    }
}
