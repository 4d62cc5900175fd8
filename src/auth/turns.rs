//! Turns: what is done under one name goes on one after another on this node.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// From this many names on, those that nobody waits under are forgotten.
const TIDY_FROM: usize = 64;

/// Who is doing something, by name.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<String, Weak<Semaphore>>>);

/// One's turn, until it is dropped.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "it is held, not read")] OwnedSemaphorePermit);

impl Turns {
    /// Waits for one's turn under a name; who came first goes first.
    ///
    /// # Errors
    /// `Internal`, never in practice: a queue is not closed.
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
