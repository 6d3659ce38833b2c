//! The tracker as a node of a graph, and the handle that steers it from outside.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lsie_device::Frame;
use lsie_graph::{Emitter, Layer, NodeError, Packet};
use lsie_schemas::observation::{CalibrationState, FaceObservation};

use super::picture::PictureHint;
use super::tracker::{FaceCounters, FaceTracker, SessionPhase};

/// Steers a [`FaceLayer`] that runs in a graph, and shows what it does. A clone steers the same layer.
///
/// Wishes take effect with the next frame; of two wishes of one kind the later one counts.
#[derive(Debug, Clone, Default)]
pub struct FaceControl {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    phase: SessionPhase,
    calibration: Option<CalibrationState>,
    counters: FaceCounters,
    picture: Option<PictureHint>,
}

impl FaceControl {
    /// Says where the session is.
    pub fn set_phase(&self, phase: SessionPhase) {
        self.shared().phase = phase;
    }

    /// Goes on from a baseline that an earlier run of the engine reached.
    pub fn restore_calibration(&self, state: CalibrationState) {
        self.shared().calibration = Some(state);
    }

    /// Calibrates anew.
    pub fn recalibrate(&self) {
        self.restore_calibration(CalibrationState::default());
    }

    /// What the layer has done up to its newest frame.
    pub fn counters(&self) -> FaceCounters {
        self.shared().counters
    }

    /// What is wrong with the picture, up to the newest frame.
    pub fn picture_hint(&self) -> Option<PictureHint> {
        self.shared().picture
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // Plain values: whole after a panic elsewhere.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Frames in, one observation for each out, at the packet's time.
///
/// After a restart the person is looked for anew; the baseline stays.
pub struct FaceLayer {
    tracker: FaceTracker,
    control: FaceControl,
}

impl FaceLayer {
    /// Puts a tracker into a graph.
    pub fn new(tracker: FaceTracker, control: FaceControl) -> Self {
        FaceLayer { tracker, control }
    }
}

impl Layer for FaceLayer {
    type In = Frame;
    type Out = FaceObservation;

    fn start(&mut self) -> Result<(), NodeError> {
        self.tracker.reset_tracking();
        Ok(())
    }

    fn process(
        &mut self,
        packet: Packet<Frame>,
        out: &mut Emitter<'_, FaceObservation>,
    ) -> Result<(), NodeError> {
        // The lock is released before the networks run.
        let (phase, calibration) = {
            let mut shared = self.control.shared();
            (shared.phase, shared.calibration.take())
        };
        self.tracker.set_phase(phase);
        if let Some(state) = calibration {
            self.tracker.restore_calibration(state);
        }
        let observation = self.tracker.process(&packet.payload);
        {
            let mut shared = self.control.shared();
            shared.counters = self.tracker.counters();
            shared.picture = self.tracker.picture_hint();
        }
        out.emit(packet.pts, observation);
        Ok(())
    }
}
