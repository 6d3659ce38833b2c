//! One frame as a row.

use lsie_analysis::face::{ActionUnits, UnitAbsent};
use lsie_schemas::observation::{FaceObservation, NullReason};

/// What one frame says. A frame that failed has a row too, with the reason.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameRow {
    /// Number of the frame in the file, from 0.
    pub frame: u64,
    /// Media time, nanoseconds.
    pub pts_ns: i64,
    /// Number of the followed person; changes when another face takes over.
    pub face_id: Option<u32>,
    /// Presence probability of the mesh network, 0 to 1.
    pub confidence: Option<f32>,
    /// Pitch, yaw, roll in degrees.
    pub pose_deg: Option<[f32; 3]>,
    /// AU12 ratio (math 4.3).
    pub au12_ratio: Option<f64>,
    /// Bounded AU12 score (math 4.5).
    pub au12_score: Option<f64>,
    /// Why there is no AU12 score.
    pub absent: Option<&'static str>,
    /// The units beside it.
    pub units: ActionUnits,
}

impl FrameRow {
    /// A row of a frame without a face: what kinds of cells the columns have.
    pub fn empty() -> Self {
        let absent = NullReason::NoFace;
        FrameRow {
            frame: 0,
            pts_ns: 0,
            face_id: None,
            confidence: None,
            pose_deg: None,
            au12_ratio: None,
            au12_score: None,
            absent: Some(absent.code()),
            units: ActionUnits::absent(UnitAbsent::Face(absent)),
        }
    }

    /// The row of an observation.
    pub(super) fn new(frame: u64, observation: &FaceObservation, units: &ActionUnits) -> Self {
        let face = observation.face.as_ref();
        let measured = face.ok();
        let score = observation.score.filter(|score| score.is_finite());
        let reason = match face {
            Err(reason) => Some(reason.code()),
            Ok(face) if score.is_none() => Some(
                face.ratio_absent
                    .unwrap_or(NullReason::NotCalibrated)
                    .code(),
            ),
            Ok(_) => None,
        };
        FrameRow {
            frame,
            pts_ns: observation.pts_ns,
            face_id: measured.map(|face| face.subject),
            confidence: measured.map(|face| face.confidence),
            pose_deg: measured.map(|face| {
                let pose = face.pose;
                [pose.pitch_deg, pose.yaw_deg, pose.roll_deg]
            }),
            au12_ratio: measured.and_then(|face| face.ratio),
            au12_score: score,
            absent: reason,
            units: *units,
        }
    }

    /// Why the first of the other units without a value has none.
    pub(super) fn units_absent(&self) -> Option<UnitAbsent> {
        let units = &self.units;
        [
            units.smile,
            units.inner_brow,
            units.outer_brow,
            units.lips_part,
            units.jaw_drop,
            units.eye_closure,
        ]
        .into_iter()
        .find_map(Result::err)
    }
}
