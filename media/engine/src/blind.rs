//! What a session without face models does with its frames: one observation each, with the reason instead of a value.

use lsie_device::Frame;
use lsie_graph::{Emitter, Layer, NodeError, Packet};
use lsie_schemas::contract::VisualStatus;
use lsie_schemas::observation::{CalibrationState, FaceObservation, NullReason, UnitScores};

/// Frames in, observations without a face out. Time, windows and sound go on as ever; the baseline stays what it was.
pub(crate) struct BlindLayer {
    calibration: CalibrationState,
}

impl BlindLayer {
    pub(crate) const fn new(calibration: CalibrationState) -> Self {
        Self { calibration }
    }
}

impl Layer for BlindLayer {
    type In = Frame;
    type Out = FaceObservation;

    fn process(
        &mut self,
        packet: Packet<Frame>,
        out: &mut Emitter<'_, FaceObservation>,
    ) -> Result<(), NodeError> {
        let frame = packet.payload;
        let observation = FaceObservation {
            seq: frame.seq(),
            pts_ns: frame.pts_ns(),
            host_time_ns: frame.host_time_ns(),
            frame_width: frame.width(),
            frame_height: frame.height(),
            faces: 0,
            face: Err(NullReason::ModelUnavailable),
            calibration: self.calibration,
            score: None,
            units: UnitScores::default(),
            status: VisualStatus::WaitingForFace,
        };
        out.emit(packet.pts, observation);
        Ok(())
    }
}
