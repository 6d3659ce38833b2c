//! What one analysed video frame yields: a face measurement or the reason why there is none.
//!
//! An observation is a derived value: it may leave the device and, except for its landmarks (tier T0), the media process.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::contract::VisualStatus;

/// Landmarks per face of the attention mesh: 468 mesh points and 10 iris points.
pub const LANDMARK_COUNT: usize = 478;

/// Accepted calibration frames needed before scores count (math 4.4).
pub const CALIBRATION_FRAMES_REQUIRED: u32 = 45;

/// Why a frame, window or feature has no value. Absence is data: it is never replaced by a zero.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum NullReason {
    /// The detector found no face in the frame.
    NoFace,
    /// A face was tracked before and its landmarks are no longer credible.
    FaceLost,
    /// A face was found but the network's own confidence is below the floor.
    LowConfidence,
    /// The eye corners coincide, so the ratio has no scale (math 4.3).
    DegenerateGeometry,
    /// A coordinate needed by the formula is not finite (math 4.3, B4).
    NonFinite,
    /// A model file is not installed.
    ModelUnavailable,
    /// The inference runtime returned an error for this frame.
    NetworkFailure,
    /// No neutral baseline exists yet (math 4.5).
    NotCalibrated,
}

impl NullReason {
    /// Every reason, in wire order.
    pub const ALL: [Self; 8] = [
        Self::NoFace,
        Self::FaceLost,
        Self::LowConfidence,
        Self::DegenerateGeometry,
        Self::NonFinite,
        Self::ModelUnavailable,
        Self::NetworkFailure,
        Self::NotCalibrated,
    ];

    /// Stable wire code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoFace => "no_face",
            Self::FaceLost => "face_lost",
            Self::LowConfidence => "low_confidence",
            Self::DegenerateGeometry => "degenerate_geometry",
            Self::NonFinite => "non_finite",
            Self::ModelUnavailable => "model_unavailable",
            Self::NetworkFailure => "network_failure",
            Self::NotCalibrated => "not_calibrated",
        }
    }
}

/// Head rotation in degrees. Yaw is positive when the head turns to the picture's right, pitch when it looks up,
/// roll when it tilts clockwise in the picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeadPose {
    /// Rotation about the vertical axis.
    pub yaw_deg: f32,
    /// Rotation about the horizontal axis.
    pub pitch_deg: f32,
    /// Rotation about the viewing axis.
    pub roll_deg: f32,
}

/// The 478 landmarks of one face as fixed point: each coordinate is `round(v * 16384)` with x and z in units of the frame
/// width and y in units of the frame height, so the range is -2 to 2 and one step is 0.08 px at 1280 px.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landmarks(pub Box<[[i16; 3]]>);

impl Landmarks {
    /// Fixed-point units per frame width or height.
    pub const SCALE: f32 = 16384.0;

    /// Encodes normalised coordinates; values outside the range saturate, a non-finite one becomes 0.
    #[must_use]
    pub fn from_normalised(points: &[[f32; 3]]) -> Self {
        Self(
            points
                .iter()
                .map(|p| p.map(|v| (v * Self::SCALE).round() as i16))
                .collect(),
        )
    }

    /// Decodes point `index` to normalised coordinates.
    #[must_use]
    pub fn normalised(&self, index: usize) -> Option<[f32; 3]> {
        self.0
            .get(index)
            .map(|p| p.map(|v| f32::from(v) / Self::SCALE))
    }
}

/// A face that was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceMeasurement {
    /// Number of the followed person within the session; it changes when another face takes over.
    pub subject: u32,
    /// Left, top, width, height in pixels of the frame.
    pub box_in_frame: [f32; 4],
    /// Face presence probability of the landmark network, 0 to 1.
    pub confidence: f32,
    /// Head rotation.
    pub pose: HeadPose,
    /// Raw AU12 ratio mouth width / inter-ocular distance (math 4.3); `None` with `ratio_absent` when it has no value.
    pub ratio: Option<f64>,
    /// Why `ratio` is absent.
    pub ratio_absent: Option<NullReason>,
    /// All landmarks; never leaves the media process except to the operator's own peer.
    pub landmarks: Landmarks,
}

/// One analysed frame.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceObservation {
    /// Frame number within the stream.
    pub seq: u64,
    /// Media time in nanoseconds from the start of the source.
    pub pts_ns: i64,
    /// Host monotonic time in nanoseconds at which the frame's access unit entered the decoder.
    pub host_time_ns: u64,
    /// Frame width in pixels.
    pub frame_width: u32,
    /// Frame height in pixels.
    pub frame_height: u32,
    /// Faces seen in the frame, the subject included.
    pub faces: u32,
    /// The followed face, or why there is none.
    pub face: Result<FaceMeasurement, NullReason>,
    /// Progress of the neutral baseline.
    pub calibration: CalibrationState,
    /// Bounded AU12 score in [0, 1); `None` while calibrating or without a ratio (math 4.5).
    pub score: Option<f64>,
    /// Further action units of the frame.
    pub units: UnitScores,
    /// State for display (math 4.6).
    pub status: VisualStatus,
}

/// Action units beside the session's AU12, each in [0, 1] against the person's own neutral face; `None` where one has no
/// value in the frame.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct UnitScores {
    /// AU1, inner brow raise.
    pub inner_brow: Option<f64>,
    /// AU2, outer brow raise.
    pub outer_brow: Option<f64>,
    /// AU25, lips part.
    pub lips_part: Option<f64>,
    /// AU26, jaw drop.
    pub jaw_drop: Option<f64>,
    /// AU45, how far both eyes are shut.
    pub eye_closure: Option<f64>,
}

impl UnitScores {
    /// Each with the unit's name.
    pub const fn scores(&self) -> [(ActionUnit, Option<f64>); 5] {
        [
            (ActionUnit::InnerBrow, self.inner_brow),
            (ActionUnit::OuterBrow, self.outer_brow),
            (ActionUnit::LipsPart, self.lips_part),
            (ActionUnit::JawDrop, self.jaw_drop),
            (ActionUnit::EyeClosure, self.eye_closure),
        ]
    }

    /// Those that have a value, by the name of their unit.
    pub fn measured(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.scores().into_iter().filter_map(|(unit, score)| {
            Some((unit.code(), score.filter(|score| score.is_finite())?))
        })
    }
}

/// An action unit of the Facial Action Coding System that is scored.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum ActionUnit {
    /// Inner brow raise.
    #[serde(rename = "AU1")]
    InnerBrow,
    /// Outer brow raise.
    #[serde(rename = "AU2")]
    OuterBrow,
    /// Lip corner pull: the session's smile (math 4.5).
    #[serde(rename = "AU12")]
    LipCorner,
    /// Lips part.
    #[serde(rename = "AU25")]
    LipsPart,
    /// Jaw drop.
    #[serde(rename = "AU26")]
    JawDrop,
    /// Both eyes shut.
    #[serde(rename = "AU45")]
    EyeClosure,
}

impl ActionUnit {
    /// Every unit, by number.
    pub const ALL: [Self; 6] = [
        Self::InnerBrow,
        Self::OuterBrow,
        Self::LipCorner,
        Self::LipsPart,
        Self::JawDrop,
        Self::EyeClosure,
    ];

    /// Its code, which is its name on every wire: `AU12`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InnerBrow => "AU1",
            Self::OuterBrow => "AU2",
            Self::LipCorner => "AU12",
            Self::LipsPart => "AU25",
            Self::JawDrop => "AU26",
            Self::EyeClosure => "AU45",
        }
    }
}

/// The scores of one action unit over a window. For display: what rewards are made from is computed from the scores themselves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnitStatistics {
    /// Which unit.
    pub unit: ActionUnit,
    /// Frames with a score, at least 1.
    pub frames: u32,
    /// Mean score, 0 to 1.
    pub mean: f32,
    /// Sample standard deviation.
    pub deviation: f32,
    /// 10th percentile.
    pub p10: f32,
    /// Median.
    pub median: f32,
    /// 90th percentile.
    pub p90: f32,
    /// Largest score.
    pub largest: f32,
}

/// The neutral baseline as it is carried across an engine restart (math 4.4).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CalibrationState {
    /// Accepted calibration frames so far.
    pub accepted: u32,
    /// Sum of their ratios; the baseline is `ratio_sum / accepted`.
    pub ratio_sum: f64,
}

impl CalibrationState {
    /// Mean ratio of the accepted frames, if there is one.
    #[must_use]
    pub fn baseline(&self) -> Option<f64> {
        (self.accepted > 0).then(|| self.ratio_sum / f64::from(self.accepted))
    }

    /// True once [`CALIBRATION_FRAMES_REQUIRED`] frames were accepted.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.accepted >= CALIBRATION_FRAMES_REQUIRED
    }
}

/// State of the voice at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VoiceObservation {
    /// Media time in nanoseconds of the end of the analysed chunk.
    pub pts_ns: i64,
    /// Speech probability, 0 to 1; `None` when the model is not installed.
    pub speech_probability: Option<f32>,
    /// Speech state after hysteresis.
    pub speaking: bool,
    /// Root mean square level in dB relative to full scale, at least -120.
    pub rms_dbfs: f32,
    /// Peak level in dB relative to full scale, at least -120.
    pub peak_dbfs: f32,
    /// Fundamental frequency in Hz, 75 to 600; `None` when unvoiced. For display: the final track may differ.
    #[serde(default)]
    pub pitch_hz: Option<f32>,
    /// The harmonic of `pitch_hz` that the spectrum has for a fundamental: 1; or 2 to 5, where the pitch is likely so many times as high
    /// (math 17, B10).
    #[serde(default = "first_harmonic")]
    pub pitch_harmonic: u8,
}

const fn first_harmonic() -> u8 {
    1
}

/// Light copy of the newest observation that crosses the link at display rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VisualTick {
    /// Session it belongs to.
    pub session_id: Uuid,
    /// Observation time in epoch seconds on the session clock.
    pub timestamp_s: f64,
    /// Display state.
    pub status: VisualStatus,
    /// Whether a face was measured in the newest frame.
    pub face_present: bool,
    /// Why not, when not.
    pub absent: Option<NullReason>,
    /// Calibration progress.
    pub calibration: CalibrationState,
    /// Bounded AU12 score of the newest scored frame.
    pub au12: Option<f64>,
    /// Head rotation of the newest measured face.
    pub pose: Option<HeadPose>,
    /// Newest voice state.
    pub voice: Option<VoiceObservation>,
}
