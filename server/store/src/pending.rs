//! The answer of a queued command: waited for by a thread or awaited by a task.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::error::StoreError;

/// The answer to a command that is queued or running.
///
/// Needs no async runtime: [`Pending::wait`] blocks, `.await` works under any executor. Dropping it does not cancel
/// the command. When the store closes before the command ran, the answer is [`StoreError::Closed`].
#[derive(Debug)]
#[must_use = "a dropped answer hides whether the command succeeded"]
pub struct Pending<T> {
    slot: Arc<Slot<T>>,
}

impl<T> Pending<T> {
    /// Blocks the calling thread until the command has run.
    pub fn wait(self) -> Result<T, StoreError> {
        let mut state = self.slot.lock();
        loop {
            if let Some(answer) = state.answer.take() {
                return answer;
            }
            state = self
                .slot
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, StoreError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.slot.lock();
        if let Some(answer) = state.answer.take() {
            return Poll::Ready(answer);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// The answering side of a [`Pending`]; answers `Closed` when dropped unused.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    slot: Option<Arc<Slot<T>>>,
}

impl<T> Answer<T> {
    /// Delivers the answer and wakes whoever waits.
    pub(crate) fn send(mut self, answer: Result<T, StoreError>) {
        if let Some(slot) = self.slot.take() {
            slot.fill(answer);
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.fill(Err(StoreError::Closed));
        }
    }
}

/// Creates a connected pair.
pub(crate) fn pending<T>() -> (Answer<T>, Pending<T>) {
    let slot = Arc::new(Slot {
        state: Mutex::new(SlotState {
            answer: None,
            waker: None,
        }),
        changed: Condvar::new(),
    });
    (
        Answer {
            slot: Some(Arc::clone(&slot)),
        },
        Pending { slot },
    )
}

#[derive(Debug)]
struct Slot<T> {
    state: Mutex<SlotState<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct SlotState<T> {
    answer: Option<Result<T, StoreError>>,
    waker: Option<Waker>,
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, SlotState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill(&self, answer: Result<T, StoreError>) {
        let waker = {
            let mut state = self.lock();
            state.answer = Some(answer);
            state.waker.take()
        };
        self.changed.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    struct CountingWaker(AtomicUsize);

    impl Wake for CountingWaker {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_dropped_answer_reads_as_closed() {
        let (answer, pending) = pending::<u32>();
        drop(answer);
        assert!(matches!(pending.wait(), Err(StoreError::Closed)));
    }

    #[test]
    fn polling_wakes_the_task_once_the_answer_is_there() {
        let (answer, mut pending) = pending::<u32>();
        let counter = Arc::new(CountingWaker(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&counter));
        let mut context = Context::from_waker(&waker);
        assert!(Pin::new(&mut pending).poll(&mut context).is_pending());
        answer.send(Ok(7));
        assert_eq!(counter.0.load(Ordering::SeqCst), 1);
        assert!(matches!(
            Pin::new(&mut pending).poll(&mut context),
            Poll::Ready(Ok(7))
        ));
    }

    #[test]
    fn waiting_returns_an_answer_sent_from_another_thread() {
        let (answer, pending) = pending::<u32>();
        let sender = std::thread::Builder::new()
            .name("sender".to_owned())
            .spawn(move || answer.send(Ok(9)))
            .unwrap();
        assert_eq!(pending.wait().unwrap(), 9);
        sender.join().unwrap();
    }
}
