//! Sound that keeps step with pictures, in the mode that moves no picture in time (pipeline 2.3, `sync_av`).
//!
//! Two devices never count alike: a sound card that is 100 parts in a million fast is a third of a second ahead after an hour.
//!
//! ```text
//! pictures: newest time v ─┐
//!                          ├─ e = p − v − e₀, mean over 1 s ─▶ loop: speed = Kp·e + Ki·Σe, |speed| ≤ 0.005
//! sound: place p ──────────┘         ▲                                   │
//!              └── p += length / (1 + speed) ◀── the block is played that much faster ◀──┘
//! ```
//!
//! e₀ is the distance at the start: a constant one is how the devices work, not drift. Where pictures fail to come the last one is
//! repeated, once for each `max_delay` of sound and for [`REPEATED_NANOS`] at most; what comes after all for a time that has been
//! shown is dropped as late. A drift beyond [`MAX_SPEED`] (no sound card has one) is followed as far as that.

use std::marker::PhantomData;

use crate::error::NodeError;
use crate::node::{Emitter, Layer};
use crate::packet::{Either, MediaTime, Packet, Payload};
use crate::stats::DropReason;

/// Sound is made at most this much faster or slower.
pub const MAX_SPEED: f64 = 0.005;
/// Bandwidth of the loop, radians per second; critically damped, so its step response lasts about a minute.
const BANDWIDTH: f64 = 0.05;
/// The times that pictures and sound come at are a sawtooth of a frame's length: its mean over this time is what counts.
const WINDOW_SECS: f64 = 1.0;
/// Windows that make e₀.
const REFERENCE_WINDOWS: u32 = 2;
/// A step in the sound's own times beyond this is a gap and stays one.
const GAP_NANOS: i64 = 100_000_000;
/// A picture is repeated for at most this long, nanoseconds.
pub const REPEATED_NANOS: i64 = 1_000_000_000;
const NANOS: f64 = 1e9;

/// The rule alone: times in, times out.
#[derive(Clone, Debug)]
pub struct ClockSync {
    max_delay_nanos: i64,
    newest_picture: Option<i64>,
    /// Sound since the last picture or repetition, and since the last picture, nanoseconds.
    since_shown: i64,
    since_picture: i64,
    /// Where the sound has come to in what went out, nanoseconds.
    place: Option<f64>,
    /// Where the sound's own times have come to.
    own_end: i64,
    window: Window,
    reference: Option<f64>,
    warm_up: Window,
    integral: f64,
    speed: f64,
}

/// A mean that grows.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    sum: f64,
    count: u32,
    secs: f64,
}

impl Window {
    fn add(&mut self, value: f64, secs: f64) {
        self.sum += value;
        self.count += 1;
        self.secs += secs;
    }

    fn mean(&self) -> f64 {
        self.sum / f64::from(self.count.max(1))
    }
}

/// What becomes of a block of sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoundStep {
    /// Its time in what goes out: counted, so the stream has no other gaps than its input.
    pub pts: MediaTime,
    /// How much faster it is played, −0.005 to 0.005.
    pub speed: f64,
    /// Where the last picture is to be repeated, when none came for too long.
    pub repeat_picture: Option<MediaTime>,
}

impl ClockSync {
    /// Nothing measured yet. `max_delay_secs` is how far pictures may be behind; what is no time counts as 0.1 s.
    pub fn new(max_delay_secs: f64) -> Self {
        let is_time = max_delay_secs.is_finite() && max_delay_secs > 0.0;
        let secs = if is_time {
            max_delay_secs.min(60.0)
        } else {
            0.1
        };
        Self {
            max_delay_nanos: (secs * NANOS) as i64,
            newest_picture: None,
            since_shown: 0,
            since_picture: 0,
            place: None,
            own_end: 0,
            window: Window::default(),
            reference: None,
            warm_up: Window::default(),
            integral: 0.0,
            speed: 0.0,
        }
    }

    /// How much faster sound is played now.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// A picture arrives; whether it goes out, with its own time.
    pub fn picture(&mut self, pts: MediaTime) -> bool {
        (self.since_shown, self.since_picture) = (0, 0);
        if self.newest_picture.is_some_and(|newest| pts.0 <= newest) {
            return false;
        }
        self.newest_picture = Some(pts.0);
        true
    }

    /// A block of sound of `length_nanos` arrives.
    pub fn sound(&mut self, pts: MediaTime, length_nanos: u64) -> SoundStep {
        let length = length_nanos as f64;
        let gap = pts.0.saturating_sub(self.own_end);
        let begin = match self.place {
            None => pts.0 as f64,
            Some(place) if gap.saturating_abs() > GAP_NANOS => {
                self.window = Window::default();
                place + gap as f64
            }
            Some(place) => place,
        };
        let speed = self.speed;
        let end = begin + length / (1.0 + speed);
        self.place = Some(end);
        let length_nanos = i64::try_from(length_nanos).unwrap_or(i64::MAX);
        self.own_end = pts.0.saturating_add(length_nanos);
        if let Some(newest) = self.newest_picture {
            self.measure(end - newest as f64, length / NANOS);
        }
        SoundStep {
            pts: MediaTime(begin as i64),
            speed,
            repeat_picture: self.repeat(length_nanos),
        }
    }

    /// Takes a distance into the window and, when that is full, turns the loop once.
    fn measure(&mut self, distance: f64, secs: f64) {
        self.window.add(distance, secs);
        if self.window.secs < WINDOW_SECS {
            return;
        }
        let window = std::mem::take(&mut self.window);
        let Some(reference) = self.reference else {
            self.warm_up.add(window.mean(), window.secs);
            if self.warm_up.count >= REFERENCE_WINDOWS {
                self.reference = Some(self.warm_up.mean());
            }
            return;
        };
        let error_secs = (window.mean() - reference) / NANOS;
        let turned = self.integral + BANDWIDTH * BANDWIDTH * error_secs * window.secs;
        // The loop does not wind up beyond what it may do.
        self.integral = turned.clamp(-MAX_SPEED, MAX_SPEED);
        let speed = 2.0 * BANDWIDTH * error_secs + self.integral;
        self.speed = speed.clamp(-MAX_SPEED, MAX_SPEED);
    }

    /// Where the last picture is shown again, when the sound has gone on by `max_delay` without one.
    fn repeat(&mut self, length_nanos: i64) -> Option<MediaTime> {
        let newest = self.newest_picture?;
        self.since_shown = self.since_shown.saturating_add(length_nanos);
        self.since_picture = self.since_picture.saturating_add(length_nanos);
        if self.since_shown <= self.max_delay_nanos || self.since_picture > REPEATED_NANOS {
            return None;
        }
        let again = newest.saturating_add(self.since_shown);
        self.since_shown = 0;
        self.newest_picture = Some(again);
        Some(MediaTime(again))
    }
}

/// How a block of sound is measured and stretched.
pub trait Stretch<A>: Send + 'static {
    /// Forgets what it kept from blocks before.
    fn reset(&mut self);

    /// Nanoseconds that the block plays.
    fn length_nanos(&self, block: &A) -> Result<u64, NodeError>;

    /// The block played `speed` faster (−0.005 to 0.005), its time being `pts` now.
    fn stretch(&mut self, block: A, speed: f64, pts: MediaTime) -> Result<A, NodeError>;
}

/// The clock mode as a layer behind `merge_any` (pictures first), for live inputs: how far two clocks are apart shows in what
/// arrives together. Pictures keep their time; sound is counted anew from its first.
pub struct SyncAvByClock<V, A, S> {
    max_delay_secs: f64,
    stretch: S,
    state: ClockSync,
    last: Option<V>,
    sound: PhantomData<fn(A)>,
}

impl<V, A, S: Stretch<A>> SyncAvByClock<V, A, S> {
    /// A synchroniser that repeats a picture when none comes for `max_delay_secs`; `stretch` plays sound faster or slower.
    pub fn new(max_delay_secs: f64, stretch: S) -> Self {
        Self {
            max_delay_secs,
            stretch,
            state: ClockSync::new(max_delay_secs),
            last: None,
            sound: PhantomData,
        }
    }
}

impl<V: Payload, A: Payload, S: Stretch<A>> Layer for SyncAvByClock<V, A, S> {
    type In = Either<V, A>;
    type Out = Either<V, A>;

    fn start(&mut self) -> Result<(), NodeError> {
        self.state = ClockSync::new(self.max_delay_secs);
        self.stretch.reset();
        self.last = None;
        Ok(())
    }

    fn process(
        &mut self,
        packet: Packet<Either<V, A>>,
        out: &mut Emitter<'_, Either<V, A>>,
    ) -> Result<(), NodeError> {
        match packet.payload {
            Either::Left(picture) => {
                if self.state.picture(packet.pts) {
                    self.last = Some(picture.clone());
                    out.emit(packet.pts, Either::Left(picture));
                } else {
                    out.count_drop(DropReason::Late, packet.pts);
                }
            }
            Either::Right(block) => {
                let step = self
                    .state
                    .sound(packet.pts, self.stretch.length_nanos(&block)?);
                if let (Some(pts), Some(last)) = (step.repeat_picture, &self.last) {
                    out.emit(pts, Either::Left(last.clone()));
                }
                let block = self.stretch.stretch(block, step.speed, step.pts)?;
                out.emit(step.pts, Either::Right(block));
            }
        }
        Ok(())
    }

    fn settled(&self, _input: MediaTime) -> MediaTime {
        // Pictures and sound go out as they come, each in its own order.
        MediaTime::MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::run_layer;

    const FRAME: i64 = 33_333_333;
    const BLOCK: i64 = 20_000_000;

    /// Runs `secs` of 30 pictures and 50 blocks a second, the sound card fast by `drift`. The distance of sound that went out to
    /// the pictures as it changed from second 10, at the end, seconds; and the speed.
    fn drifted(drift: f64, secs: i64) -> (f64, f64) {
        let mut sync = ClockSync::new(0.1);
        let (mut picture, mut block, mut early, mut place) = (0, 0, None, 0.0);
        while picture < secs * 30 {
            let real = block as f64 * BLOCK as f64 / (1.0 + drift);
            if picture as f64 * FRAME as f64 <= real {
                assert!(sync.picture(MediaTime(picture * FRAME)));
                picture += 1;
                continue;
            }
            let step = sync.sound(MediaTime(block * BLOCK), BLOCK.unsigned_abs());
            assert!(step.speed.abs() <= MAX_SPEED && step.repeat_picture.is_none());
            place = step.pts.0 as f64 - real;
            if real > 10e9 {
                early.get_or_insert(place);
            }
            block += 1;
        }
        ((place - early.unwrap()) / NANOS, sync.speed())
    }

    #[test]
    fn a_fast_or_slow_sound_card_is_followed_and_sound_stays_with_the_pictures() {
        for drift in [100e-6, -100e-6, 1e-3, 0.0] {
            let (apart, speed) = drifted(drift, 600);
            // The times that both come at are grains of 20 and 33 ms: the speed wanders around the drift, the distance stays.
            assert!((speed - drift).abs() < 3e-4, "{drift}: {speed}");
            // Uncorrected it would be 60 ms at 100 parts in a million.
            assert!(apart.abs() < 0.012, "{drift}: {apart} s");
        }
    }

    #[test]
    fn a_drift_that_no_device_has_is_followed_as_far_as_allowed() {
        let (_, speed) = drifted(0.02, 120);
        assert_eq!(speed, MAX_SPEED);
    }

    #[test]
    fn a_gap_of_the_sound_stays_a_gap() {
        let mut sync = ClockSync::new(0.1);
        let times: Vec<i64> = [0, 20, 40, 2_000, 2_020]
            .map(|millis| sync.sound(MediaTime(millis * 1_000_000), 20_000_000).pts.0 / 1_000_000)
            .to_vec();
        assert_eq!(times, [0, 20, 40, 2_000, 2_020]);
    }

    /// Samples are counted, not played.
    struct Plain;

    impl Stretch<char> for Plain {
        fn reset(&mut self) {}

        fn length_nanos(&self, _block: &char) -> Result<u64, NodeError> {
            Ok(BLOCK.unsigned_abs())
        }

        fn stretch(&mut self, block: char, _: f64, _: MediaTime) -> Result<char, NodeError> {
            Ok(block)
        }
    }

    #[test]
    fn a_missing_picture_is_repeated_for_a_second_and_what_comes_too_late_is_dropped() {
        let sound = (0..100).map(|n| Packet::new(MediaTime(n * BLOCK), Either::Right('a')));
        let mut packets = vec![Packet::new(MediaTime(0), Either::Left(1))];
        packets.extend(sound);
        packets.push(Packet::new(MediaTime(500_000_000), Either::Left(2)));
        packets.push(Packet::new(MediaTime(2_000_000_000), Either::Left(3)));
        let mut layer = SyncAvByClock::new(0.1, Plain);
        let out = run_layer(&mut layer, packets).unwrap();
        let shown: Vec<(i64, i32)> = out
            .iter()
            .filter_map(|packet| match packet.payload {
                Either::Left(picture) => Some((packet.pts.0 / 1_000_000, picture)),
                Either::Right(_) => None,
            })
            .collect();
        let repeated = (0..=8).map(|n| (120 * n, 1));
        assert_eq!(shown, repeated.chain([(2_000, 3)]).collect::<Vec<_>>());
        assert_eq!(out.len(), shown.len() + 100);
    }

    #[test]
    fn extremes_are_harmless() {
        for max_delay in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
            let mut sync = ClockSync::new(max_delay);
            for pts in [i64::MIN, i64::MAX, 0] {
                sync.picture(MediaTime(pts));
                for length in [0, u64::MAX, 1_000_000_000] {
                    assert!(sync.sound(MediaTime(pts), length).speed.abs() <= MAX_SPEED);
                }
            }
        }
    }
}
