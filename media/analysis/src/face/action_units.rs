//! Action units beside the session's AU12 score: brows, lips, jaw, lids, the compensated smile and its lopsidedness.
//!
//! ```text
//! Shape (kernels) ─▶ pose within the unit's limit? ─▶ neutral baseline (median of 45 frames) ─▶ score
//! ```
//!
//! A score is tanh(gain · max(0, measure − baseline)) as in math 4.5, in [0, 1). The gains are ours: a full movement, in
//! inter-ocular distances, gives about 0.72 as a full smile does. AU45 is 1 − aspect / baseline of both eyes. What has no
//! value has a typed reason, never a zero.
//!
//! | unit | measure | full movement | gain | yaw, pitch within |
//! |---|---|---|---|---|
//! | AU1, AU2 | height of inner, outer brow | 0.15 | 6 | 25°, 15° |
//! | AU12 compensated | mouth width along the head | 0.15 | 6 | 20°, 15° |
//! | AU25 | lip gap | 0.2 | 4.5 | 30°, 20° |
//! | AU26 | nose base to chin | 0.3 | 3 | 25°, 15° |
//! | AU45 | eye aspect ratio | shut | – | 30°, 15° |
//! | asymmetry | pull of the corners up and outward | – | – | 15°, 10° |

use lsie_kernels::action_units::Shape;
use lsie_kernels::au12::{ALPHA, score};
use lsie_kernels::pose::Pose;
use lsie_schemas::observation::{CALIBRATION_FRAMES_REQUIRED, NullReason, UnitScores};

use super::blink::BlinkCounter;
use super::calibration::{Calibrator, median};

const GAIN_LIPS: f64 = 4.5;
const GAIN_JAW: f64 = 3.0;
/// Both corners together must pull this far, inter-ocular distances, before their difference says anything.
const LEAST_PULL: f64 = 0.04;

/// Largest turn of the head under which a unit is scored, degrees either way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PoseLimit {
    /// To the sides.
    pub yaw_deg: f32,
    /// Up and down.
    pub pitch_deg: f32,
}

impl PoseLimit {
    /// AU1 and AU2.
    pub const BROWS: Self = Self::new(25.0, 15.0);
    /// The compensated AU12.
    pub const SMILE: Self = Self::new(20.0, 15.0);
    /// AU25.
    pub const LIPS: Self = Self::new(30.0, 20.0);
    /// AU26.
    pub const JAW: Self = Self::new(25.0, 15.0);
    /// AU45.
    pub const LIDS: Self = Self::new(30.0, 15.0);
    /// Asymmetry of AU12, and every frame of the neutral baseline.
    pub const ASYMMETRY: Self = Self::new(15.0, 10.0);

    const fn new(yaw_deg: f32, pitch_deg: f32) -> Self {
        PoseLimit { yaw_deg, pitch_deg }
    }

    /// Whether a head is turned no further than this.
    pub fn holds(&self, pose: &Pose) -> bool {
        pose.is_measured == 1
            && pose.yaw_deg.abs() <= self.yaw_deg
            && pose.pitch_deg.abs() <= self.pitch_deg
    }
}

/// Why a unit has no value in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnitAbsent {
    /// The frame has no measured face, or its numbers are not usable.
    Face(NullReason),
    /// The head is turned beyond the unit's limit.
    PoseOutOfRange,
    /// There is no smile whose sides could be compared.
    NoSmile,
    /// Fewer than ten seconds with both eyes measured in the last minute.
    TooShort,
}

impl UnitAbsent {
    /// Stable code for tables.
    pub const fn code(self) -> &'static str {
        match self {
            UnitAbsent::Face(reason) => reason.code(),
            UnitAbsent::PoseOutOfRange => "pose_out_of_range",
            UnitAbsent::NoSmile => "no_smile",
            UnitAbsent::TooShort => "too_short",
        }
    }
}

/// A measure, or the neutral one it is held against, is no number.
const BROKEN: UnitAbsent = UnitAbsent::Face(NullReason::NonFinite);

/// A value, or why there is none.
pub type UnitReading = Result<f64, UnitAbsent>;

/// What one frame says about the units. Scores in [0, 1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ActionUnits {
    /// AU1, inner brow raise, mean of both sides.
    pub inner_brow: UnitReading,
    /// AU2, outer brow raise, mean of both sides.
    pub outer_brow: UnitReading,
    /// AU12 along the head's own axis: mouth width over eye distance before the baseline.
    pub smile_ratio: UnitReading,
    /// AU12 scored from `smile_ratio` with this meter's own median baseline.
    pub smile: UnitReading,
    /// Pull of the corner on the picture's right against the left, -1 to 1.
    pub smile_asymmetry: UnitReading,
    /// AU25, lips part.
    pub lips_part: UnitReading,
    /// AU26, jaw drop.
    pub jaw_drop: UnitReading,
    /// AU45, how far both eyes are shut, 0 to 1.
    pub eye_closure: UnitReading,
    /// Blinks a minute over the last minute.
    pub blinks_per_min: UnitReading,
}

impl ActionUnits {
    /// Every unit absent for one reason.
    pub const fn absent(reason: UnitAbsent) -> Self {
        let nothing = Err(reason);
        ActionUnits {
            inner_brow: nothing,
            outer_brow: nothing,
            smile_ratio: nothing,
            smile: nothing,
            smile_asymmetry: nothing,
            lips_part: nothing,
            jaw_drop: nothing,
            eye_closure: nothing,
            blinks_per_min: nothing,
        }
    }

    /// Those that an observation carries.
    pub fn scores(&self) -> UnitScores {
        UnitScores {
            inner_brow: self.inner_brow.ok(),
            outer_brow: self.outer_brow.ok(),
            lips_part: self.lips_part.ok(),
            jaw_drop: self.jaw_drop.ok(),
            eye_closure: self.eye_closure.ok(),
        }
    }
}

/// The measures that are compared with neutral ones, means of both sides but for the corners.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Measures([f64; MEASURES]);

const MEASURES: usize = 8;
const INNER: usize = 0;
const OUTER: usize = 1;
const WIDTH: usize = 2;
const LIPS: usize = 3;
const JAW: usize = 4;
const ASPECT: usize = 5;
/// Pull of the left and right corner along the muscle: outward and up in equal parts.
const PULLS: [usize; 2] = [6, 7];

impl Measures {
    fn of(shape: &Shape) -> Self {
        let mean = |[a, b]: [f32; 2]| f64::midpoint(f64::from(a), f64::from(b));
        let pull =
            |out: f32, up: f32| (f64::from(out) + f64::from(up)) * std::f64::consts::FRAC_1_SQRT_2;
        let ([out_left, out_right], [up_left, up_right]) = (shape.corner_out, shape.corner_up);
        Measures([
            mean(shape.brow_inner),
            mean(shape.brow_outer),
            f64::from(shape.mouth_width),
            f64::from(shape.lip_gap),
            f64::from(shape.jaw_drop),
            mean(shape.eye_aspect),
            pull(out_left, up_left),
            pull(out_right, up_right),
        ])
    }

    fn get(&self, measure: usize) -> f64 {
        self.0.get(measure).copied().unwrap_or(f64::NAN)
    }
}

/// Scores shapes against the neutral ones of the first frames. Holds 45 shapes at most.
#[derive(Debug, Clone, Default)]
pub struct UnitMeter {
    /// Says which frames count: 15 a second of media time.
    pace: Calibrator,
    samples: Vec<Measures>,
    neutral: Option<Measures>,
    blinks: BlinkCounter,
}

impl UnitMeter {
    /// Starts anew: the next frames are neutral.
    pub fn reset(&mut self) {
        *self = UnitMeter::default();
    }

    /// Whether the neutral shape is known.
    pub fn is_calibrated(&self) -> bool {
        self.neutral.is_some()
    }

    /// Takes one frame. With `calibrates` false (no session) nothing is learnt.
    pub fn take(
        &mut self,
        pts_ns: i64,
        seen: Result<(Shape, Pose), NullReason>,
        calibrates: bool,
    ) -> ActionUnits {
        let (shape, pose) = match seen {
            Ok(seen) => seen,
            Err(reason) => {
                self.blinks.miss();
                let mut units = ActionUnits::absent(UnitAbsent::Face(reason));
                units.blinks_per_min = self.blinks.per_minute().ok_or(UnitAbsent::TooShort);
                return units;
            }
        };
        let measures = Measures::of(&shape);
        if self.neutral.is_none() && calibrates && PoseLimit::ASYMMETRY.holds(&pose) {
            self.learn(pts_ns, measures);
        }
        self.read(pts_ns, &measures, &pose)
    }

    fn learn(&mut self, pts_ns: i64, measures: Measures) {
        if !self.pace.offer(pts_ns, 1.0) {
            return;
        }
        self.samples.push(measures);
        if self.samples.len() < CALIBRATION_FRAMES_REQUIRED as usize {
            return;
        }
        let mut neutral = Measures::default();
        for (measure, slot) in neutral.0.iter_mut().enumerate() {
            let mut values: Vec<f64> = self.samples.iter().map(|s| s.get(measure)).collect();
            *slot = median(&mut values);
        }
        self.neutral = Some(neutral);
        self.samples = Vec::new();
    }

    fn read(&mut self, pts_ns: i64, measures: &Measures, pose: &Pose) -> ActionUnits {
        let smile_ratio = within(PoseLimit::SMILE, pose).map(|()| measures.get(WIDTH));
        let Some(neutral) = self.neutral else {
            let nothing = UnitAbsent::Face(NullReason::NotCalibrated);
            return ActionUnits {
                smile_ratio,
                ..ActionUnits::absent(nothing)
            };
        };
        let scored = |limit: PoseLimit, measure: usize, gain: f64| {
            within(limit, pose)?;
            score(measures.get(measure), neutral.get(measure), gain).map_err(|_| BROKEN)
        };
        let eye_closure = within(PoseLimit::LIDS, pose).and_then(|()| {
            let closure = 1.0 - measures.get(ASPECT) / neutral.get(ASPECT);
            let is_number = closure.is_finite();
            is_number.then(|| closure.clamp(0.0, 1.0)).ok_or(BROKEN)
        });
        match eye_closure {
            Ok(closure) => self.blinks.take(pts_ns, closure),
            Err(_) => self.blinks.miss(),
        }
        ActionUnits {
            inner_brow: scored(PoseLimit::BROWS, INNER, ALPHA),
            outer_brow: scored(PoseLimit::BROWS, OUTER, ALPHA),
            smile_ratio,
            smile: scored(PoseLimit::SMILE, WIDTH, ALPHA),
            smile_asymmetry: within(PoseLimit::ASYMMETRY, pose)
                .and_then(|()| asymmetry(measures, &neutral)),
            lips_part: scored(PoseLimit::LIPS, LIPS, GAIN_LIPS),
            jaw_drop: scored(PoseLimit::JAW, JAW, GAIN_JAW),
            eye_closure,
            blinks_per_min: self.blinks.per_minute().ok_or(UnitAbsent::TooShort),
        }
    }
}

fn within(limit: PoseLimit, pose: &Pose) -> Result<(), UnitAbsent> {
    if limit.holds(pose) {
        Ok(())
    } else {
        Err(UnitAbsent::PoseOutOfRange)
    }
}

/// (right − left) / (right + left) of the pulls beyond neutral.
fn asymmetry(measures: &Measures, neutral: &Measures) -> UnitReading {
    let [left, right] =
        PULLS.map(|measure| (measures.get(measure) - neutral.get(measure)).max(0.0));
    if left + right >= LEAST_PULL {
        Ok((right - left) / (right + left))
    } else {
        Err(UnitAbsent::NoSmile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::CALIBRATION_PERIOD_NS;

    const NEUTRAL: Measures = Measures([0.3, 0.35, 0.8, 0.02, 0.9, 0.32, 0.1, 0.1]);

    fn shape(change: impl FnOnce(&mut Shape)) -> Shape {
        let mut shape = Shape {
            brow_inner: [0.3; 2],
            brow_outer: [0.35; 2],
            lip_gap: 0.02,
            jaw_drop: 0.9,
            eye_aspect: [0.32; 2],
            mouth_width: 0.8,
            corner_out: [0.4; 2],
            corner_up: [-1.1; 2],
            ..Shape::default()
        };
        change(&mut shape);
        shape
    }

    fn pose(yaw_deg: f32, pitch_deg: f32) -> Pose {
        Pose {
            yaw_deg,
            pitch_deg,
            roll_deg: 40.0,
            is_measured: 1,
        }
    }

    fn calibrated() -> (UnitMeter, i64) {
        let mut meter = UnitMeter::default();
        for frame in 0..45 {
            // Three blinks in the neutral seconds do not move a median.
            let blinks = frame % 15 == 7;
            let shape = shape(|shape| {
                if blinks {
                    shape.eye_aspect = [0.02; 2];
                }
            });
            let units = meter.take(
                frame * CALIBRATION_PERIOD_NS,
                Ok((shape, pose(0.0, 0.0))),
                true,
            );
            assert_eq!(units.smile_ratio, Ok(f64::from(0.8_f32)));
            assert_eq!(units.lips_part.is_ok(), frame == 44);
        }
        (meter, 45 * CALIBRATION_PERIOD_NS)
    }

    #[test]
    fn each_unit_moves_with_its_own_measure_only() {
        let (mut meter, at) = calibrated();
        let neutral = meter.take(at, Ok((shape(|_| ()), pose(0.0, 0.0))), true);
        for unit in [neutral.inner_brow, neutral.jaw_drop, neutral.eye_closure] {
            assert!(unit.unwrap() < 1e-6, "{neutral:?}");
        }
        assert_eq!(neutral.smile_asymmetry, Err(UnitAbsent::NoSmile));
        let raised = shape(|shape| shape.brow_inner = [0.45; 2]);
        let units = meter.take(at, Ok((raised, pose(0.0, 0.0))), true);
        assert!(
            (units.inner_brow.unwrap() - 0.9_f64.tanh()).abs() < 1e-5,
            "{units:?}"
        );
        assert!(units.outer_brow.unwrap() < 1e-5);
        let open = shape(|shape| (shape.lip_gap, shape.jaw_drop) = (0.22, 1.2));
        let units = meter.take(at, Ok((open, pose(0.0, 0.0))), true);
        assert!((units.lips_part.unwrap() - 0.9_f64.tanh()).abs() < 1e-5);
        assert!((units.jaw_drop.unwrap() - 0.9_f64.tanh()).abs() < 1e-5);
        let shut = shape(|shape| shape.eye_aspect = [0.032; 2]);
        let units = meter.take(at, Ok((shut, pose(0.0, 0.0))), true);
        assert!((units.eye_closure.unwrap() - 0.9).abs() < 1e-5);
    }

    #[test]
    fn a_smile_on_one_side_leans_to_it() {
        let (mut meter, at) = calibrated();
        let mut lean = |left: f32, right: f32| {
            let smile = shape(|shape| shape.corner_up = [-1.1 + left, -1.1 + right]);
            let units = meter.take(at, Ok((smile, pose(0.0, 0.0))), true);
            units.smile_asymmetry.unwrap()
        };
        assert!((lean(0.0, 0.1) - 1.0).abs() < 1e-6);
        assert!((lean(0.1, 0.0) + 1.0).abs() < 1e-6);
        assert!(lean(0.1, 0.1).abs() < 1e-4);
    }

    #[test]
    fn beyond_its_limit_a_unit_has_a_reason_and_the_others_go_on() {
        let (mut meter, at) = calibrated();
        let units = meter.take(at, Ok((shape(|_| ()), pose(22.0, 0.0))), true);
        assert_eq!(units.smile, Err(UnitAbsent::PoseOutOfRange));
        assert_eq!(units.smile_ratio, Err(UnitAbsent::PoseOutOfRange));
        assert!(units.inner_brow.is_ok() && units.lips_part.is_ok());
        let units = meter.take(at, Ok((shape(|_| ()), pose(f32::NAN, 0.0))), true);
        assert_eq!(units.lips_part, Err(UnitAbsent::PoseOutOfRange));
    }

    #[test]
    fn nothing_is_learnt_without_a_session_or_from_a_turned_head() {
        let mut meter = UnitMeter::default();
        for frame in 0..90 {
            let at = frame * CALIBRATION_PERIOD_NS;
            meter.take(at, Ok((shape(|_| ()), pose(0.0, 0.0))), false);
            meter.take(at, Ok((shape(|_| ()), pose(18.0, 0.0))), true);
        }
        assert!(!meter.is_calibrated());
        let units = meter.take(0, Err(NullReason::NoFace), true);
        assert_eq!(
            units.smile,
            Err(UnitAbsent::Face(NullReason::NoFace)),
            "a lost face says so"
        );
        let (mut meter, _) = calibrated();
        meter.reset();
        assert!(!meter.is_calibrated());
        assert_eq!(meter.samples.len(), 0);
    }

    #[test]
    fn the_neutral_shape_is_the_median() {
        let (meter, _) = calibrated();
        let neutral = meter.neutral.unwrap();
        for measure in 0..6 {
            assert!(
                (neutral.get(measure) - NEUTRAL.get(measure)).abs() < 1e-6,
                "{neutral:?}"
            );
        }
    }
}
