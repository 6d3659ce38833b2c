//! What waits for one viewer, and what is dropped when it cannot keep up. Pure.

use std::collections::VecDeque;

/// Most pictures that wait: a whole cache and two seconds more.
pub(crate) const MAX_PICTURES: usize = 240;
/// A key frame that finds more waiting than this takes their place: later, they would only be shown late.
const STALE_PICTURES: usize = 45;

/// Pictures in order, each decodable: a gap lasts to the next key frame.
#[derive(Debug)]
pub(crate) struct SendQueue<T> {
    waiting: VecDeque<T>,
    awaits_key: bool,
    /// Pictures that were put in at once when the viewer came; they are not late.
    grace: usize,
}

/// What became of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offered {
    /// Pictures that are not sent because of it, itself included.
    pub(crate) dropped: usize,
    /// Whether a key frame is needed.
    pub(crate) wants_key: bool,
}

impl<T> SendQueue<T> {
    /// A queue that begins with what is cached from the last key frame on; without any it awaits one.
    pub(crate) fn starting_with(cached: impl IntoIterator<Item = T>) -> Self {
        let waiting: VecDeque<T> = cached.into_iter().collect();
        Self {
            awaits_key: waiting.is_empty(),
            grace: waiting.len(),
            waiting,
        }
    }

    pub(crate) fn offer(&mut self, is_key: bool, picture: T) -> Offered {
        let mut dropped = 0;
        if is_key {
            self.awaits_key = false;
            if self.waiting.len() > STALE_PICTURES.max(self.grace) {
                dropped = self.waiting.len();
                self.waiting.clear();
            }
        }
        if self.awaits_key || self.waiting.len() >= MAX_PICTURES {
            self.awaits_key = true;
            dropped += 1;
        } else {
            self.waiting.push_back(picture);
        }
        Offered {
            dropped,
            wants_key: self.awaits_key,
        }
    }

    pub(crate) fn take(&mut self) -> Option<T> {
        let next = self.waiting.pop_front();
        if self.waiting.is_empty() {
            self.grace = 0;
        }
        next
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_is_sent_before_a_key_frame() {
        let mut queue = SendQueue::starting_with(Vec::<u32>::new());
        let first = queue.offer(false, 1);
        assert!(first.wants_key && first.dropped == 1);
        assert_eq!(queue.offer(true, 2).dropped, 0);
        assert_eq!(queue.offer(false, 3).dropped, 0);
        assert_eq!((queue.take(), queue.take(), queue.take()), (Some(2), Some(3), None));
    }

    #[test]
    fn a_viewer_that_stands_still_goes_on_at_the_newest_key_frame() {
        let mut queue = SendQueue::starting_with([0]);
        let mut dropped = 0;
        for n in 1..1000_u32 {
            dropped += queue.offer(n % 300 == 0, n).dropped;
        }
        assert_eq!(queue.take(), Some(900));
        assert_eq!(dropped + 100, 1000);
        for n in 0..500 {
            queue.offer(false, n);
        }
        assert!(queue.len() <= MAX_PICTURES);
    }

    proptest! {
        /// What is taken can always be decoded: every picture is a key frame or follows the one before it.
        #[test]
        fn what_is_sent_has_no_gap_but_before_key_frames(steps in proptest::collection::vec((0u8..3, any::<bool>()), 0..2000)) {
            let mut queue = SendQueue::starting_with(Vec::new());
            let (mut number, mut last) = (0u32, None);
            for (step, is_key) in steps {
                if step == 0 {
                    if let Some((sent, key)) = queue.take() {
                        prop_assert!(key || last == Some(sent - 1));
                        last = Some(sent);
                    }
                } else {
                    number += 1;
                    queue.offer(is_key, (number, is_key));
                }
                prop_assert!(queue.len() <= MAX_PICTURES);
            }
        }
    }
}
