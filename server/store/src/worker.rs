//! Threads that own a connection each and run queued jobs on it.
//!
//! ```text
//! handles ──submit──▶ bounded queue (back-pressure: a full queue blocks the sender) ──▶ thread(s) ──▶ Pending
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};

use crate::error::StoreError;
use crate::pending::{Pending, pending};
use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

enum Message<S> {
    Run(Job<S>),
    Stop,
}

/// Sends jobs to the threads of one [`Worker`].
#[derive(Debug)]
pub(crate) struct Queue<S> {
    sender: Sender<Message<S>>,
    full_waits: Arc<AtomicU64>,
}

impl<S> Clone for Queue<S> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            full_waits: Arc::clone(&self.full_waits),
        }
    }
}

impl<S: 'static> Queue<S> {
    /// Queues a job; blocks while the queue is full. A stopped worker answers `Closed`.
    pub(crate) fn submit<T, F>(&self, job: F) -> Pending<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut S) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, pending) = pending();
        let message = Message::Run(Box::new(move |connection| answer.send(job(connection))));
        if let Err(TrySendError::Full(message)) = self.sender.try_send(message) {
            self.full_waits.fetch_add(1, Ordering::Relaxed);
            // A disconnected queue drops the message, and with it the answer, which then reads `Closed`.
            drop(self.sender.send(message));
        }
        pending
    }

    /// Jobs waiting now.
    pub(crate) fn depth(&self) -> usize {
        self.sender.len()
    }

    /// Times a sender had to wait because the queue was full.
    pub(crate) fn full_waits(&self) -> u64 {
        self.full_waits.load(Ordering::Relaxed)
    }
}

/// Named threads, one per connection, that share a queue.
#[derive(Debug)]
pub(crate) struct Worker<S> {
    queue: Queue<S>,
    threads: Vec<JoinHandle<()>>,
}

impl<S: Send + 'static> Worker<S> {
    /// Starts one thread per connection. `at_end` runs on each connection after the last job.
    pub(crate) fn start(
        name: &str,
        connections: Vec<S>,
        depth: usize,
        at_end: fn(&S),
    ) -> Result<Self, StoreError> {
        let (sender, receiver) = bounded(depth.max(1));
        let mut worker = Self {
            queue: Queue {
                sender,
                full_waits: Arc::new(AtomicU64::new(0)),
            },
            threads: Vec::with_capacity(connections.len()),
        };
        for (index, connection) in connections.into_iter().enumerate() {
            let receiver = receiver.clone();
            let thread = Builder::new()
                .name(format!("{name}-{index}"))
                .spawn(move || run(connection, &receiver, at_end))
                .map_err(StoreError::Thread)?;
            worker.threads.push(thread);
        }
        Ok(worker)
    }

    /// The sending side.
    pub(crate) fn queue(&self) -> Queue<S> {
        self.queue.clone()
    }
}

impl<S> Drop for Worker<S> {
    /// Lets the threads finish what is queued, then joins them.
    fn drop(&mut self) {
        for _ in &self.threads {
            drop(self.queue.sender.send(Message::Stop));
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a store thread panicked");
            }
        }
    }
}

fn run<S>(mut connection: S, receiver: &Receiver<Message<S>>, at_end: fn(&S)) {
    while let Ok(Message::Run(job)) = receiver.recv() {
        // The job's answer is dropped by the unwinding and reads `Closed`; an open transaction rolls back.
        if catch_unwind(AssertUnwindSafe(|| job(&mut connection))).is_err() {
            tracing::error!("a store job panicked");
        }
    }
    at_end(&connection);
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    fn worker(depth: usize) -> Worker<Connection> {
        Worker::start(
            "test",
            vec![Connection::open_in_memory().unwrap()],
            depth,
            |_| (),
        )
        .unwrap()
    }

    #[test]
    fn jobs_queued_before_the_stop_are_answered_and_later_ones_read_closed() {
        let worker = worker(8);
        let queue = worker.queue();
        let answers: Vec<_> = (0..5).map(|n| queue.submit(move |_| Ok(n))).collect();
        drop(worker);
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.wait().unwrap(), n);
        }
        assert!(matches!(
            queue.submit(|_| Ok(())).wait(),
            Err(StoreError::Closed)
        ));
    }

    #[test]
    fn a_panicking_job_is_answered_and_the_thread_goes_on() {
        let worker = worker(8);
        let queue = worker.queue();
        let broken: Pending<()> = queue.submit(|_| panic!("job"));
        assert!(matches!(broken.wait(), Err(StoreError::Closed)));
        assert_eq!(queue.submit(|_| Ok(3)).wait().unwrap(), 3);
    }

    #[test]
    fn a_full_queue_makes_the_sender_wait_and_counts_it() {
        let worker = worker(1);
        let queue = worker.queue();
        let (release, gate) = std::sync::mpsc::sync_channel::<()>(0);
        let blocked = queue.submit(move |_| Ok(gate.recv().is_ok()));
        let senders: Vec<_> = (0..3)
            .map(|n| {
                let queue = queue.clone();
                Builder::new()
                    .name(format!("sender-{n}"))
                    .spawn(move || queue.submit(move |_| Ok(n)).wait())
                    .unwrap()
            })
            .collect();
        while queue.full_waits() == 0 {
            std::thread::yield_now();
        }
        release.send(()).unwrap();
        assert!(blocked.wait().unwrap());
        let answers: Vec<i32> = senders
            .into_iter()
            .map(|sender| sender.join().unwrap().unwrap())
            .collect();
        assert_eq!(answers, [0, 1, 2]);
    }
}
