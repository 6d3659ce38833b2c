//! Media time and the one value that travels on every edge.

use std::fmt;

use serde::{Deserialize, Serialize};

const NANOS_PER_SEC: f64 = 1e9;

/// What a stream may carry: anything that can be handed to several consumers and to another thread.
///
/// Implemented for every such type. Heavy payloads (frames) should be handles, so that a clone is cheap.
pub trait Payload: Clone + Send + 'static {}

impl<T: Clone + Send + 'static> Payload for T {}

/// A point on the session's media clock, in nanoseconds; may be negative.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct MediaTime(pub i64);

impl MediaTime {
    /// Earlier than every packet; as a bound it says "nothing is known yet".
    pub const MIN: Self = Self(i64::MIN);
    /// Later than every packet; as a bound it says "nothing will come any more".
    pub const MAX: Self = Self(i64::MAX);
    /// The origin of the media clock.
    pub const ZERO: Self = Self(0);

    /// Converts seconds to the nearest nanosecond; `None` if not finite or out of range.
    pub fn from_secs(secs: f64) -> Option<Self> {
        let nanos = (secs * NANOS_PER_SEC).round();
        (nanos.is_finite() && nanos.abs() < 9.2e18).then_some(Self(nanos as i64))
    }

    /// The time in seconds, for display and formulas.
    pub fn as_secs(self) -> f64 {
        self.0 as f64 / NANOS_PER_SEC
    }

    /// This time moved by `nanos`, clamped at the ends of the range.
    #[must_use]
    pub fn plus_nanos(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// Nanoseconds from `earlier` to this time, clamped; negative if this one is earlier.
    pub fn nanos_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Distance between two times in nanoseconds.
    pub fn distance_nanos(self, other: Self) -> u64 {
        self.0.abs_diff(other.0)
    }
}

impl fmt::Display for MediaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6} s", self.as_secs())
    }
}

/// One element of a stream (pipeline 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet<T> {
    /// Media time of the payload on the session clock.
    pub pts: MediaTime,
    /// Number of this packet in its stream, 0, 1, 2 ...; stamped by the runtime, so that a gap seen by a
    /// consumer is exactly what its edge dropped.
    pub seq: u64,
    /// The value.
    pub payload: T,
}

impl<T> Packet<T> {
    /// Makes a packet; the runtime stamps `seq` when it enters a stream.
    pub fn new(pts: MediaTime, payload: T) -> Self {
        Self {
            pts,
            seq: 0,
            payload,
        }
    }

    /// The same place in time and order with another payload.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Packet<U> {
        Packet {
            pts: self.pts,
            seq: self.seq,
            payload: change(self.payload),
        }
    }
}

/// One of two payloads: what a merge of kind `any` or `ordered` carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Either<A, B> {
    /// From the first input.
    Left(A),
    /// From the second input.
    Right(B),
}

#[cfg(test)]
mod tests {
    use super::MediaTime;

    #[test]
    fn seconds_round_to_nanoseconds_and_refuse_what_does_not_fit() {
        assert_eq!(MediaTime::from_secs(0.1), Some(MediaTime(100_000_000)));
        assert_eq!(MediaTime::from_secs(-1.5), Some(MediaTime(-1_500_000_000)));
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            assert_eq!(MediaTime::from_secs(bad), None);
        }
    }

    #[test]
    fn arithmetic_clamps_instead_of_wrapping() {
        assert_eq!(MediaTime::MAX.plus_nanos(1), MediaTime::MAX);
        assert_eq!(MediaTime::MAX.nanos_since(MediaTime::MIN), i64::MAX);
        assert_eq!(MediaTime::MIN.distance_nanos(MediaTime::MAX), u64::MAX);
    }
}
