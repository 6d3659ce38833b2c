//! The signal that ends blocking waits.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};

/// Tells a node that the run is ending; cheap to clone, safe to wait on.
#[derive(Clone, Debug)]
pub struct StopToken {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    raised: AtomicBool,
    // Nothing is ever sent: dropping the sender disconnects the channel and so wakes every waiter.
    sender: Mutex<Option<Sender<Infallible>>>,
    receiver: Receiver<Infallible>,
}

impl Default for StopToken {
    fn default() -> Self {
        Self::new()
    }
}

impl StopToken {
    /// Makes a token that is not raised.
    pub fn new() -> Self {
        let (sender, receiver) = bounded(0);
        Self {
            inner: Arc::new(Inner {
                raised: AtomicBool::new(false),
                sender: Mutex::new(Some(sender)),
                receiver,
            }),
        }
    }

    /// Raises the token and wakes everybody who waits on it; returns whether this call was the first.
    pub fn raise(&self) -> bool {
        let first = !self.inner.raised.swap(true, Ordering::SeqCst);
        drop(
            self.inner
                .sender
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        first
    }

    /// Whether the token was raised.
    pub fn is_raised(&self) -> bool {
        self.inner.raised.load(Ordering::SeqCst)
    }

    /// Waits for `duration`; returns `true` at once when the token is or becomes raised.
    pub fn wait(&self, duration: Duration) -> bool {
        matches!(
            self.inner.receiver.recv_timeout(duration),
            Err(RecvTimeoutError::Disconnected)
        )
    }

    /// A channel that never carries a message and disconnects when the token is raised, for use in `select!`.
    pub fn channel(&self) -> &Receiver<Infallible> {
        &self.inner.receiver
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::StopToken;

    #[test]
    fn raise_wakes_a_waiter_and_only_the_first_call_counts() {
        let token = StopToken::new();
        assert!(!token.wait(Duration::from_millis(1)));
        let waiter = token.clone();
        let wait = move || waiter.wait(Duration::from_mins(10));
        let thread = std::thread::Builder::new()
            .name("waiter".to_owned())
            .spawn(wait)
            .unwrap();
        assert!(token.raise());
        assert!(!token.raise());
        assert!(thread.join().unwrap());
        assert!(token.is_raised());
    }
}
