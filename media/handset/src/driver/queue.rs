//! Bounded queues between the readers and the consumer. A push never waits.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::media::{AccessUnit, UnitFlags};

/// Most access units that wait.
const MAX_UNITS: usize = 8;
/// Longest stretch of pictures that waits, nanoseconds.
const MAX_STRETCH_NS: i64 = 250_000_000;
/// Keys lie a second apart; some more, so that none is asked for that is under way.
const KEY_INTERVAL_NS: i64 = 1_500_000_000;

#[derive(Debug)]
struct Inner<T> {
    items: VecDeque<T>,
    dropped: u64,
    is_closed: bool,
}

/// Loss policy: the oldest goes. Clones share one queue.
#[derive(Debug)]
pub struct BoundedQueue<T> {
    shared: Arc<(Mutex<Inner<T>>, Condvar)>,
    capacity: usize,
}

impl<T> Clone for BoundedQueue<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            capacity: self.capacity,
        }
    }
}

impl<T> BoundedQueue<T> {
    /// A queue of at most `capacity` items.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let inner = Inner {
            items: VecDeque::with_capacity(capacity),
            dropped: 0,
            is_closed: false,
        };
        Self {
            shared: Arc::new((Mutex::new(inner), Condvar::new())),
            capacity: capacity.max(1),
        }
    }

    /// Adds an item; returns how many old ones went for it.
    pub fn push(&self, item: T) -> u64 {
        let mut inner = self.lock();
        let mut lost = 0;
        while inner.items.len() >= self.capacity {
            inner.items.pop_front();
            lost += 1;
        }
        inner.items.push_back(item);
        inner.dropped += lost;
        drop(inner);
        self.shared.1.notify_one();
        lost
    }

    /// The oldest item; waits up to `timeout` for one. `None` also when the queue is closed and empty.
    #[must_use]
    pub fn pop(&self, timeout: Duration) -> Option<T> {
        let waiting = |inner: &mut Inner<T>| inner.items.is_empty() && !inner.is_closed;
        let (mut inner, _) = self
            .shared
            .1
            .wait_timeout_while(self.lock(), timeout, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        inner.items.pop_front()
    }

    /// Items lost so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Whether nothing more will come.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        let inner = self.lock();
        inner.is_closed && inner.items.is_empty()
    }

    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.shared.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Units {
    waiting: VecDeque<AccessUnit>,
    /// Since when units are dropped for want of a key, by arrival.
    dropping_since_ns: Option<i64>,
    /// A consumer wants a key that it cannot wait for much longer.
    is_key_wanted: bool,
    /// Since when it got none, by arrival.
    wanted_since_ns: Option<i64>,
    is_next_discontinuous: bool,
    dropped: u64,
    is_closed: bool,
}

/// At most 8 access units or 250 ms. Loss policy: when full, everything up to the next key goes, and that key empties the
/// queue before it. Clones share one queue.
#[derive(Debug, Clone, Default)]
pub struct VideoQueue {
    shared: Arc<(Mutex<Units>, Condvar)>,
}

impl VideoQueue {
    /// Adds a unit; returns how many units were lost by that.
    pub fn push(&self, mut unit: AccessUnit) -> u64 {
        let mut units = self.lock();
        let is_key = unit.flags.has(UnitFlags::KEY);
        if is_key {
            (units.is_key_wanted, units.wanted_since_ns) = (false, None);
        } else if units.is_key_wanted {
            units.wanted_since_ns.get_or_insert(unit.arrived_ns);
        }
        let stretch = units.waiting.front().map_or(0, |first| {
            unit.device_pts_ns.saturating_sub(first.device_pts_ns)
        });
        let is_full = units.waiting.len() >= MAX_UNITS || stretch > MAX_STRETCH_NS;
        let is_dropping = units.dropping_since_ns.is_some();
        let mut lost = 0;
        if (is_full || is_dropping) && !is_key {
            units.dropping_since_ns.get_or_insert(unit.arrived_ns);
            units.is_next_discontinuous = true;
            units.dropped += 1;
            return 1;
        }
        if is_full {
            lost = units.waiting.len() as u64;
            units.waiting.clear();
            units.is_next_discontinuous = true;
        }
        units.dropping_since_ns = None;
        let is_torn = std::mem::take(&mut units.is_next_discontinuous);
        unit.flags = unit.flags.with(UnitFlags::DISCONTINUOUS, is_torn);
        units.waiting.push_back(unit);
        units.dropped += lost;
        drop(units);
        self.shared.1.notify_one();
        lost
    }

    /// The oldest unit; waits up to `timeout` for one. `None` also when the queue is closed and empty.
    #[must_use]
    pub fn pop(&self, timeout: Duration) -> Option<AccessUnit> {
        let waiting = |units: &mut Units| units.waiting.is_empty() && !units.is_closed;
        let (mut units, _) = self
            .shared
            .1
            .wait_timeout_while(self.lock(), timeout, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        units.waiting.pop_front()
    }

    /// Units lost so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Whether nothing more will come.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        let units = self.lock();
        units.is_closed && units.waiting.is_empty()
    }

    /// Wants a key for somebody beside the decoder. The phone gives one each second by itself; only when it does not, its
    /// capture is started again, which is seen as a gap.
    pub fn want_key(&self) {
        self.lock().is_key_wanted = true;
    }

    /// Since when a key is missing, our monotonic clock in nanoseconds: units are dropped because none came, or one is
    /// wanted and longer overdue than keys lie apart.
    #[must_use]
    pub fn dropping_since_ns(&self) -> Option<i64> {
        let units = self.lock();
        let overdue = units.wanted_since_ns.map(|since| since + KEY_INTERVAL_NS);
        units.dropping_since_ns.into_iter().chain(overdue).min()
    }

    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.shared.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Units> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn unit(n: i64, is_key: bool) -> AccessUnit {
        AccessUnit {
            data: vec![0, 0, 1],
            device_pts_ns: n * 20_000_000,
            host_time: None,
            arrived_ns: n,
            size: None,
            flags: UnitFlags::default().with(UnitFlags::KEY, is_key),
        }
    }

    #[test]
    fn a_full_queue_drops_up_to_the_next_key_and_goes_on_with_it() {
        let queue = VideoQueue::default();
        for n in 0..8 {
            assert_eq!(queue.push(unit(n, n == 0)), 0);
        }
        assert_eq!(queue.push(unit(8, false)), 1);
        assert!(queue.pop(NOW).is_some_and(|u| u.arrived_ns == 0));
        assert_eq!(queue.push(unit(9, false)), 1, "there is room but no key");
        assert_eq!(queue.dropping_since_ns(), Some(8));
        assert_eq!(queue.push(unit(10, true)), 0);
        assert_eq!(queue.dropped(), 2);
        let rest: Vec<_> = std::iter::from_fn(|| queue.pop(NOW)).collect();
        assert_eq!(rest.len(), 8);
        assert!(rest[7].flags.has(UnitFlags::DISCONTINUOUS));
        assert!(!rest[6].flags.has(UnitFlags::DISCONTINUOUS));
    }

    #[test]
    fn a_key_that_is_wanted_is_missing_only_when_it_is_overdue() {
        let queue = VideoQueue::default();
        queue.push(unit(0, true));
        queue.want_key();
        assert_eq!(queue.dropping_since_ns(), None, "nothing came since");
        queue.push(unit(1, false));
        queue.push(unit(2, false));
        assert_eq!(queue.dropping_since_ns(), Some(1 + KEY_INTERVAL_NS));
        queue.push(unit(3, true));
        queue.push(unit(4, false));
        assert_eq!(queue.dropping_since_ns(), None);
    }

    #[test]
    fn a_key_into_a_full_queue_empties_it() {
        let queue = VideoQueue::default();
        for n in 0..8 {
            queue.push(unit(n, n == 0));
        }
        assert_eq!(queue.push(unit(8, true)), 8);
        let only = queue.pop(NOW).unwrap();
        assert_eq!(only.arrived_ns, 8);
        assert!(only.flags.has(UnitFlags::DISCONTINUOUS));
        assert_eq!(queue.pop(NOW), None);
    }

    #[test]
    fn a_quarter_second_of_slow_pictures_is_full_too() {
        let queue = VideoQueue::default();
        queue.push(unit(0, true));
        assert_eq!(queue.push(unit(12, false)), 0);
        assert_eq!(queue.push(unit(13, false)), 1);
    }

    #[test]
    fn a_bounded_queue_loses_its_oldest() {
        let queue = BoundedQueue::new(2);
        assert_eq!((queue.push(1), queue.push(2), queue.push(3)), (0, 0, 1));
        assert_eq!((queue.pop(NOW), queue.dropped()), (Some(2), 1));
        queue.close();
        assert!(!queue.is_finished());
        assert_eq!((queue.pop(NOW), queue.pop(NOW)), (Some(3), None));
        assert!(queue.is_finished());
    }
}
