//! Puts RTP packets in order and says what is missing. Pure: time is an argument.

use std::collections::BTreeMap;
use std::time::Duration;

/// How long a missing packet is waited for: some round trips of its repair.
const PATIENCE: Duration = Duration::from_millis(150);
/// Most packets that wait for a missing one.
const MAX_WAITING: usize = 512;
/// A jump this far is a new beginning.
const NEW_BEGINNING: i64 = 3000;

/// What comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ordered<T> {
    /// The next one.
    Next(T),
    /// So many are missing here.
    Lost(u64),
}

/// A buffer that is empty as long as nothing is missing.
#[derive(Debug)]
pub(crate) struct Reorder<T> {
    /// Number of the next one, unwrapped.
    next: Option<i64>,
    waiting: BTreeMap<i64, T>,
    since: Option<Duration>,
}

impl<T> Default for Reorder<T> {
    fn default() -> Self {
        Self {
            next: None,
            waiting: BTreeMap::new(),
            since: None,
        }
    }
}

impl<T> Reorder<T> {
    /// Takes a packet and gives what is in order now.
    pub(crate) fn push(&mut self, sequence: u16, packet: T, now: Duration) -> Vec<Ordered<T>> {
        let mut out = Vec::new();
        let next = *self.next.get_or_insert(i64::from(sequence));
        let mut number = unwrap(sequence, next);
        if number < next && next - number < NEW_BEGINNING {
            // It was given up, and counted, before.
            return out;
        }
        if (number - next).abs() >= NEW_BEGINNING {
            out.extend(
                std::mem::take(&mut self.waiting)
                    .into_values()
                    .map(Ordered::Next),
            );
            out.push(Ordered::Lost(1));
            number = i64::from(sequence);
            self.next = Some(number);
        }
        self.waiting.insert(number, packet);
        self.drain(&mut out);
        while self.waiting.len() > MAX_WAITING {
            self.give_up(&mut out);
        }
        self.note(now);
        out.append(&mut self.tick(now));
        out
    }

    /// Gives up what was waited for too long.
    pub(crate) fn tick(&mut self, now: Duration) -> Vec<Ordered<T>> {
        let mut out = Vec::new();
        if self
            .since
            .is_some_and(|since| now.saturating_sub(since) >= PATIENCE)
        {
            self.give_up(&mut out);
            self.since = None;
            self.note(now);
        }
        out
    }

    fn note(&mut self, now: Duration) {
        if self.waiting.is_empty() {
            self.since = None;
        } else {
            self.since.get_or_insert(now);
        }
    }

    fn give_up(&mut self, out: &mut Vec<Ordered<T>>) {
        let (Some(next), Some((first, _))) = (self.next, self.waiting.first_key_value()) else {
            return;
        };
        out.push(Ordered::Lost((*first - next).unsigned_abs()));
        self.next = Some(*first);
        self.drain(out);
    }

    fn drain(&mut self, out: &mut Vec<Ordered<T>>) {
        let Some(mut next) = self.next else { return };
        while let Some(packet) = self.waiting.remove(&next) {
            out.push(Ordered::Next(packet));
            next += 1;
        }
        self.next = Some(next);
    }
}

/// The number nearest to `near` that ends in `sequence`.
fn unwrap(sequence: u16, near: i64) -> i64 {
    let delta = sequence.wrapping_sub(near as u16).cast_signed();
    near + i64::from(delta)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn swapped_packets_come_in_order_across_the_wrap() {
        let mut reorder = Reorder::default();
        let mut out = Vec::new();
        for sequence in [65_534_u16, 0, 65_535, 1] {
            out.extend(reorder.push(sequence, sequence, NOW));
        }
        let expected = [65_534, 65_535, 0, 1].map(Ordered::Next);
        assert_eq!(out, expected);
    }

    #[test]
    fn a_missing_packet_is_waited_for_and_given_up() {
        let mut reorder = Reorder::default();
        reorder.push(1, 1, NOW);
        assert!(reorder.push(3, 3, NOW).is_empty());
        assert!(reorder.tick(Duration::from_millis(149)).is_empty());
        let out = reorder.tick(Duration::from_millis(150));
        assert_eq!(out, [Ordered::Lost(1), Ordered::Next(3)]);
        assert!(reorder.push(2, 2, NOW).is_empty());
    }

    #[test]
    fn a_jump_is_a_new_beginning() {
        let mut reorder = Reorder::default();
        reorder.push(1, 1, NOW);
        let out = reorder.push(30_000, 2, NOW);
        assert_eq!(out, [Ordered::Lost(1), Ordered::Next(2)]);
    }

    proptest! {
        #[test]
        fn it_never_holds_more_than_its_bound(sequences in proptest::collection::vec(any::<u16>(), 0..3000)) {
            let mut reorder = Reorder::default();
            for (n, sequence) in sequences.into_iter().enumerate() {
                reorder.push(sequence, n, NOW);
                prop_assert!(reorder.waiting.len() <= MAX_WAITING);
            }
        }
    }
}
