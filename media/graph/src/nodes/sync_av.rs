//! The older audio/video synchroniser, reproduced for comparison (pipeline 1.3): it moves frames in time by up to
//! half of the allowed delay, and its output times may repeat or go back.

use std::collections::VecDeque;
use std::marker::PhantomData;

use crate::error::NodeError;
use crate::node::{Emitter, Layer};
use crate::nodes::fps::TimeBase;
use crate::packet::{Either, MediaTime, Packet, Payload};
use crate::stats::DropReason;

/// Which stream a frame belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// Settings of the older synchroniser.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeedSyncSettings {
    /// Frames whose nearest counterpart is farther away are dropped.
    pub max_delay_secs: f64,
    /// A counterpart nearer than this is used up.
    pub tolerance_secs: f64,
    /// Frames kept per stream, at least 1.
    pub buffer: usize,
}

impl Default for SeedSyncSettings {
    fn default() -> Self {
        Self {
            max_delay_secs: 0.1,
            tolerance_secs: 0.005,
            buffer: 30,
        }
    }
}

/// The rule alone, on ticks.
#[derive(Clone, Debug)]
pub struct SeedSync {
    settings: SeedSyncSettings,
    video: VecDeque<f64>,
    audio: VecDeque<f64>,
}

impl SeedSync {
    /// An empty synchroniser.
    pub fn new(settings: SeedSyncSettings) -> Self {
        Self {
            settings,
            video: VecDeque::new(),
            audio: VecDeque::new(),
        }
    }

    /// A frame arrives; returns the time it goes out with, in the same ticks, or `None` when it is dropped.
    pub fn arrive(&mut self, side: Side, pts_ticks: i64, time_base: TimeBase) -> Option<i64> {
        let secs = pts_ticks as f64 * time_base.secs();
        let (own, other) = match side {
            Side::Video => (&mut self.video, &mut self.audio),
            Side::Audio => (&mut self.audio, &mut self.video),
        };
        if own.len() >= self.settings.buffer.max(1) {
            own.pop_front();
        }
        own.push_back(secs);
        let distances = other
            .iter()
            .enumerate()
            .map(|(index, candidate)| (index, *candidate, (candidate - secs).abs()));
        let (index, nearest, distance) = distances.min_by(|a, b| a.2.total_cmp(&b.2))?;
        if distance > self.settings.max_delay_secs {
            return None;
        }
        let moved = (f64::midpoint(secs, nearest) / time_base.secs()) as i64;
        if distance < self.settings.tolerance_secs {
            other.remove(index);
        }
        // Later searches see the moved frame.
        if let Some(last) = own.back_mut() {
            *last = moved as f64 * time_base.secs();
        }
        Some(moved)
    }
}

/// The synchroniser as a layer behind `merge_any` (video first); times are re-stamped in nanoseconds and may go back.
pub struct SyncAv<V, A> {
    settings: SeedSyncSettings,
    state: SeedSync,
    payloads: PhantomData<fn(V, A)>,
}

impl<V, A> SyncAv<V, A> {
    /// The older behaviour.
    pub fn seed(settings: SeedSyncSettings) -> Self {
        Self {
            settings,
            state: SeedSync::new(settings),
            payloads: PhantomData,
        }
    }
}

impl<V: Payload, A: Payload> Layer for SyncAv<V, A> {
    type In = Either<V, A>;
    type Out = Either<V, A>;

    fn start(&mut self) -> Result<(), NodeError> {
        self.state = SeedSync::new(self.settings);
        Ok(())
    }

    fn process(
        &mut self,
        packet: Packet<Either<V, A>>,
        out: &mut Emitter<'_, Either<V, A>>,
    ) -> Result<(), NodeError> {
        let side = if matches!(packet.payload, Either::Left(_)) {
            Side::Video
        } else {
            Side::Audio
        };
        match self.state.arrive(side, packet.pts.0, TimeBase::NANOS) {
            Some(moved) => out.emit(MediaTime(moved), packet.payload),
            None => out.count_drop(DropReason::Unpaired, packet.pts),
        }
        Ok(())
    }

    fn settled(&self, _input: MediaTime) -> MediaTime {
        // Frames are moved back in time.
        MediaTime::MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::run_layer;

    #[test]
    fn frames_meet_in_the_middle() {
        let packets = [
            Packet::new(MediaTime(0), Either::Right('a')),
            Packet::new(MediaTime(40_000_000), Either::Left(1)),
            Packet::new(MediaTime(900_000_000), Either::Left(2)),
        ];
        let out = run_layer(
            &mut SyncAv::<i32, char>::seed(SeedSyncSettings::default()),
            packets,
        )
        .unwrap();
        assert_eq!(out.len(), 1);
        assert_eq!(
            (out[0].pts, &out[0].payload),
            (MediaTime(20_000_000), &Either::Left(1))
        );
    }

    #[test]
    fn extremes_are_harmless() {
        let mut sync = SeedSync::new(SeedSyncSettings {
            buffer: 0,
            ..SeedSyncSettings::default()
        });
        for ticks in [i64::MIN, i64::MAX, 0] {
            sync.arrive(Side::Video, ticks, TimeBase::NANOS);
            sync.arrive(Side::Audio, ticks, TimeBase::NANOS);
        }
    }
}
