//! Counters of a node: lock-free while running, read as a snapshot at any time.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use serde::Serialize;

/// Buckets per doubling: the error of a percentile is below one eighth.
const STEPS: u32 = 8;
const STEP_BITS: u32 = 3;
const BUCKETS: usize = 62 * STEPS as usize;

/// Why a packet was not delivered or not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DropReason {
    /// The edge was full and newer data was preferred.
    EdgeFullOldest,
    /// The edge was full and older data was preferred.
    EdgeFullNewest,
    /// The node reported an error on this packet.
    Error,
    /// The consumer had already ended.
    ConsumerGone,
    /// The run was cancelled while the packet was queued.
    Cancelled,
    /// The packet came after its place in time was settled.
    Late,
    /// A merge found no partner for it.
    Unpaired,
    /// A merge or delay line was full.
    Overflow,
    /// Removed to lower the rate.
    Rate,
    /// The node chose not to pass it on.
    Filtered,
}

impl DropReason {
    /// All reasons, in the order of their counters.
    pub const ALL: [Self; 10] = [
        Self::EdgeFullOldest,
        Self::EdgeFullNewest,
        Self::Error,
        Self::ConsumerGone,
        Self::Cancelled,
        Self::Late,
        Self::Unpaired,
        Self::Overflow,
        Self::Rate,
        Self::Filtered,
    ];

    /// Stable name for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::EdgeFullOldest => "edge_full_oldest",
            Self::EdgeFullNewest => "edge_full_newest",
            Self::Error => "error",
            Self::ConsumerGone => "consumer_gone",
            Self::Cancelled => "cancelled",
            Self::Late => "late",
            Self::Unpaired => "unpaired",
            Self::Overflow => "overflow",
            Self::Rate => "rate",
            Self::Filtered => "filtered",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Counters of one node since the run started.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeStats {
    /// Name of the node.
    pub node: String,
    /// What it is, for display.
    pub kind: String,
    /// Packets given to the node (dropped ones on its edge are not among them).
    pub packets_in: u64,
    /// Packets the node put on its output stream.
    pub packets_out: u64,
    /// Packets dropped on the way in or by the node, with the reason; reasons without drops are left out.
    pub dropped: Vec<(DropReason, u64)>,
    /// Errors and panics reported.
    pub errors: u64,
    /// Times the node was started again.
    pub restarts: u64,
    /// Packets waiting on its input edges now (all ports together).
    pub queue_depth: usize,
    /// Most packets that ever waited on one of its edges.
    pub queue_high_water: usize,
    /// Capacity of its largest input edge; 0 for sources and fused nodes.
    pub queue_capacity: usize,
    /// Time from entering the input edge until processed: half of the packets took no longer.
    pub latency_p50: Duration,
    /// The same for 95 of 100 packets.
    pub latency_p95: Duration,
    /// The same for 99 of 100 packets.
    pub latency_p99: Duration,
    /// Share of the run's time spent in the node's own code, 0 to 1.
    pub busy_share: f64,
    /// How long producers waited because a blocking edge into this node was full (the lag of a paced source).
    pub blocked: Duration,
}

impl NodeStats {
    /// Packets dropped for `reason`.
    pub fn dropped_by(&self, reason: DropReason) -> u64 {
        self.dropped
            .iter()
            .find(|(known, _)| *known == reason)
            .map_or(0, |(_, count)| *count)
    }

    /// Packets dropped for any reason.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().map(|(_, count)| count).sum()
    }
}

/// The live counters behind [`NodeStats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) packets_in: AtomicU64,
    pub(crate) packets_out: AtomicU64,
    pub(crate) errors: AtomicU64,
    pub(crate) restarts: AtomicU64,
    pub(crate) busy_ns: AtomicU64,
    pub(crate) blocked_ns: AtomicU64,
    pub(crate) high_water: AtomicUsize,
    pub(crate) latency: Histogram,
    dropped: [AtomicU64; DropReason::ALL.len()],
}

impl Counters {
    pub(crate) fn add_drops(&self, reason: DropReason, packets: u64) {
        if let Some(counter) = self.dropped.get(reason as usize) {
            counter.fetch_add(packets, Relaxed);
        }
    }

    pub(crate) fn dropped(&self) -> Vec<(DropReason, u64)> {
        let counts = DropReason::ALL
            .iter()
            .zip(&self.dropped)
            .map(|(reason, count)| (*reason, count.load(Relaxed)));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    pub(crate) fn add_busy(&self, spent: Duration) {
        self.busy_ns.fetch_add(nanos(spent), Relaxed);
    }

    pub(crate) fn add_blocked(&self, spent: Duration) {
        self.blocked_ns.fetch_add(nanos(spent), Relaxed);
    }
}

/// Fixed-size histogram of durations: eight buckets per doubling from 1 ns to over a century.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: Box<[AtomicU64]>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Histogram {
    pub(crate) fn record(&self, duration: Duration) {
        if let Some(bucket) = self.buckets.get(bucket_of(nanos(duration))) {
            bucket.fetch_add(1, Relaxed);
        }
    }

    /// Upper end of the bucket that holds the given share of all values; zero when empty.
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        let counts: Vec<u64> = self
            .buckets
            .iter()
            .map(|bucket| bucket.load(Relaxed))
            .collect();
        let total: u64 = counts.iter().sum();
        let wanted = ((total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(upper_end(index));
            }
        }
        Duration::ZERO
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Values below `STEPS` have their own bucket; above, the highest bits choose octave and step.
fn bucket_of(value: u64) -> usize {
    if value < u64::from(STEPS) {
        return value as usize;
    }
    let octave = value.ilog2() - STEP_BITS;
    let step = (value >> octave) as u32 - STEPS;
    ((octave + 1) * STEPS + step) as usize
}

/// Largest value of a bucket.
fn upper_end(index: usize) -> u64 {
    let steps = STEPS as usize;
    if index < steps {
        return index as u64;
    }
    let octave = (index / steps - 1) as u32;
    let step = (index % steps) as u128;
    let end = ((u128::from(STEPS) + step + 1) << octave) - 1;
    u64::try_from(end).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_lies_in_its_bucket() {
        for value in (0..5000)
            .chain((0..64).map(|bit| 1u64 << bit))
            .chain([u64::MAX])
        {
            let index = bucket_of(value);
            assert!(index < BUCKETS, "{value} -> {index}");
            assert!(upper_end(index) >= value);
            assert!(
                upper_end(index) as f64 <= value as f64 * 1.126,
                "{value} -> {}",
                upper_end(index)
            );
        }
        assert!((0..5000).all(|value| bucket_of(value) <= bucket_of(value + 1)));
    }

    #[test]
    fn percentiles_are_within_an_eighth() {
        let histogram = Histogram::default();
        assert_eq!(histogram.percentile(0.5), Duration::ZERO);
        for micros in 1..=1000 {
            histogram.record(Duration::from_micros(micros));
        }
        for (share, exact) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0)] {
            let got = histogram.percentile(share).as_secs_f64() * 1e6;
            assert!(got >= exact && got <= exact * 1.13, "{share}: {got}");
        }
    }

    #[test]
    fn reasons_index_their_counters() {
        for (index, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
        }
    }
}
