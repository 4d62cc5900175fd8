//! The body of an upstream's answer, with a time limit for each piece.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

/// The body of an answer, with a time limit for each piece. The time begins when the reader asks for the piece.
#[derive(Debug)]
pub struct Paced {
    body: Incoming,
    time: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

/// Reason why a body ended early.
#[derive(Debug)]
pub enum Broken {
    /// The next piece of the body did not arrive within the time limit.
    Silent,
    /// The connection broke before the end of the body.
    Off(hyper::Error),
}

impl Paced {
    pub(super) fn new(body: Incoming, time: Duration) -> Self {
        Self { body, time, waiting: None }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            this.waiting = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Broken::Off)));
        }
        let waiting = this.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(this.time)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Some(Err(Broken::Silent)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Silent => f.write_str("the upstream fell silent within an answer"),
            Self::Off(error) => write!(f, "the upstream's answer broke off: {error}"),
        }
    }
}

impl std::error::Error for Broken {}
