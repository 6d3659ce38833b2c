//! One frame in, one observation out.

use lsie_device::Frame;
use lsie_kernels::au12::Absent;
use lsie_kernels::detect::MAX_FACES;
use lsie_kernels::exposure::range_of;
use lsie_kernels::project::LANDMARK_COUNT;
use lsie_kernels::region::Region;
use lsie_schemas::contract::VisualStatus;
use lsie_schemas::observation::{
    CalibrationState, FaceMeasurement, FaceObservation, HeadPose, Landmarks, NullReason,
};

use super::action_units::{ActionUnits, UnitAbsent};
use super::baselines::Baselines;
use super::calibration::CalibrationRule;
use super::networks::{FaceNetworks, MeshReading};
use super::picture::{PictureHint, PictureMeter, area_of};
use super::region::{box_of, region_from_detection, region_from_landmarks};
use super::subject::{Candidate, FaceBox, Loss, Plan, Subject, SubjectRules};
use crate::error::AnalysisError;

/// A face needs at least this presence probability of the mesh network.
const MIN_CONFIDENCE: f32 = 0.5;

/// Places that the mesh looks at in one frame after the detector ran.
const MAX_ATTEMPTS: usize = 2;

/// Where the session is, as far as the display status needs to know (math 4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionPhase {
    /// There is no session: faces are followed, nothing is calibrated.
    #[default]
    NoSession,
    /// A session runs, no stimulus was given yet.
    Open,
    /// A stimulus was given.
    PostStimulus,
}

/// What the tracker has done, for people who watch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaceCounters {
    /// Frames taken.
    pub frames: u64,
    /// Frames with a measured face.
    pub measured: u64,
    /// Runs of the detector.
    pub detector_runs: u64,
    /// Runs of the mesh network.
    pub mesh_runs: u64,
    /// Times the person was lost.
    pub losses: u64,
    /// Times another person was measured than before: each is scored against their own baseline.
    pub takeovers: u64,
    /// Frames without a value because a network, a kernel or the device failed.
    pub failures: u64,
}

/// A face and what the networks say about it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sighting {
    reading: MeshReading,
    face: FaceBox,
}

/// What a look at a frame gives.
type Look = Result<Sighting, NullReason>;

/// The faces of one run of the detector.
#[derive(Debug, Clone, Copy)]
struct Candidates {
    faces: [Candidate; MAX_FACES],
    count: usize,
}

/// Follows one person through the frames of one source and measures AU12.
pub struct FaceTracker {
    networks: FaceNetworks,
    subject: Subject,
    baselines: Baselines,
    newest_units: ActionUnits,
    picture: PictureMeter,
    phase: SessionPhase,
    counters: FaceCounters,
    /// Faces at the last run of the detector.
    faces: u32,
    landmarks: Box<[[f32; 3]; LANDMARK_COUNT]>,
    normalised: Box<[[f32; 3]; LANDMARK_COUNT]>,
    is_measured: bool,
    is_failing: bool,
}

impl FaceTracker {
    /// Nobody followed, nothing calibrated, no session.
    pub fn new(networks: FaceNetworks, rules: SubjectRules) -> Self {
        FaceTracker {
            networks,
            subject: Subject::new(rules),
            baselines: Baselines::default(),
            newest_units: ActionUnits::absent(UnitAbsent::Face(NullReason::NoFace)),
            picture: PictureMeter::default(),
            phase: SessionPhase::NoSession,
            counters: FaceCounters::default(),
            faces: 0,
            landmarks: Box::new([[0.0; 3]; LANDMARK_COUNT]),
            normalised: Box::new([[0.0; 3]; LANDMARK_COUNT]),
            is_measured: false,
            is_failing: false,
        }
    }

    /// Chooses how the baseline is made of the calibration frames; the default is their mean (math 4.4). Calibrates anew.
    pub fn set_calibration_rule(&mut self, rule: CalibrationRule) {
        self.baselines.set_rule(rule);
    }

    /// Says where the session is.
    pub fn set_phase(&mut self, phase: SessionPhase) {
        self.phase = phase;
    }

    /// Replaces the neutral baseline of whoever is measured: by one that an earlier run reached, or by the default to
    /// calibrate anew. Those of other people are forgotten.
    pub fn restore_calibration(&mut self, state: CalibrationState) {
        self.baselines.restore(state);
    }

    /// Forgets where the person was, for a new or restarted source. The baseline stays, for whom the source shows next.
    pub fn reset_tracking(&mut self) {
        self.subject.reset();
        self.baselines.disown();
        self.faces = 0;
        self.is_measured = false;
    }

    /// What it has done so far.
    pub fn counters(&self) -> FaceCounters {
        self.counters
    }

    /// The landmarks of the newest frame in frame pixels, z in the same unit; `None` when it had no measured face.
    pub fn landmarks(&self) -> Option<&[[f32; 3]; LANDMARK_COUNT]> {
        self.is_measured.then_some(&self.landmarks)
    }

    /// What is wrong with the picture, if anything.
    pub fn picture_hint(&self) -> Option<PictureHint> {
        self.picture.hint()
    }

    /// The action units of the newest frame.
    pub fn action_units(&self) -> &ActionUnits {
        &self.newest_units
    }

    /// Measures one frame. Never fails: what cannot be measured is a reason in the observation.
    ///
    /// `faces` of the observation is what the detector saw when it last ran, at least 1 with a measured face: while a person is
    /// followed the detector rests.
    pub fn process(&mut self, frame: &Frame) -> FaceObservation {
        self.counters.frames += 1;
        let sighting = self.look(frame);
        self.is_measured = sighting.is_ok();
        if self.is_measured && self.baselines.follow(self.subject.number()) {
            self.counters.takeovers += 1;
        }
        self.look_at_picture(frame, sighting.as_ref().ok());
        let ratio = match &sighting {
            Ok(sighting) => sighting.reading.ratio.map(f64::from).map_err(null_reason),
            Err(reason) => Err(*reason),
        };
        let score = self.calibrate_or_score(frame.pts_ns(), ratio);
        let seen = sighting.and_then(|sighting| {
            let MeshReading { shape, pose, .. } = sighting.reading;
            shape.map(|shape| (shape, pose)).map_err(null_reason)
        });
        let in_session = self.phase != SessionPhase::NoSession;
        self.newest_units = self
            .baselines
            .units_mut()
            .take(frame.pts_ns(), seen, in_session);
        let face = sighting.map(|sighting| self.measurement(frame, &sighting, ratio));
        FaceObservation {
            seq: frame.seq(),
            pts_ns: frame.pts_ns(),
            host_time_ns: frame.host_time_ns(),
            frame_width: frame.width(),
            frame_height: frame.height(),
            faces: self.faces.max(u32::from(face.is_ok())),
            status: self.status(face.is_ok()),
            face,
            calibration: self.baselines.calibrator().state(),
            score,
            units: self.newest_units.scores(),
        }
    }

    /// Measures light and sharpness twice a second of media time.
    fn look_at_picture(&mut self, frame: &Frame, sighting: Option<&Sighting>) {
        if !self.picture.is_due(frame.pts_ns()) {
            return;
        }
        let area = area_of(frame, sighting.map(|sighting| &sighting.face));
        match self.networks.exposure(frame, &area) {
            Ok(exposure) => {
                self.picture
                    .take(frame.pts_ns(), &area, &exposure, range_of(frame));
            }
            Err(error) => {
                self.counters.failures += 1;
                tracing::debug!(seq = frame.seq(), %error, "the picture's light was not measured");
            }
        }
    }

    /// Finds the person in a frame. The landmarks are in `self.landmarks` afterwards.
    fn look(&mut self, frame: &Frame) -> Look {
        let result = self.try_look(frame);
        match &result {
            Ok(found) => {
                self.counters.measured += u64::from(found.is_ok());
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!(seq = frame.seq(), "face measurement works again");
                }
            }
            Err(error) => {
                self.counters.failures += 1;
                self.subject.lose(frame.pts_ns());
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(seq = frame.seq(), %error, "face measurement failed, counting until it works again");
                }
            }
        }
        result.unwrap_or(Err(NullReason::NetworkFailure))
    }

    fn try_look(&mut self, frame: &Frame) -> Result<Look, AnalysisError> {
        if let Plan::Follow(region) = self.subject.plan() {
            let found = self.measure(frame, &region)?;
            if found.is_ok() {
                return Ok(found);
            }
            self.subject.lose(frame.pts_ns());
            self.counters.losses += 1;
        }
        let mut candidates = self.detect(frame)?;
        let mut first_failure = None;
        let mut is_cropped = false;
        // What the detector takes for a face need not be one: then the next best place gets a chance, and the state stays
        // as it was.
        for _ in 0..MAX_ATTEMPTS {
            let before = self.subject;
            let region = match self.subject.choose(frame.pts_ns(), candidates.as_slice()) {
                Ok(region) => region,
                Err(loss) => return Ok(Err(first_failure.unwrap_or(absence(loss)))),
            };
            if !std::mem::replace(&mut is_cropped, true) {
                let regions = candidates
                    .as_slice()
                    .iter()
                    .map(|candidate| candidate.region);
                self.networks.crop_ahead(frame, regions)?;
            }
            match self.measure(frame, &region)? {
                Ok(sighting) => return Ok(Ok(sighting)),
                Err(reason) => first_failure = first_failure.or(Some(reason)),
            }
            self.subject = before;
            candidates.remove(&region);
        }
        Ok(Err(first_failure.unwrap_or(NullReason::NoFace)))
    }

    /// Runs the detector on the whole frame.
    fn detect(&mut self, frame: &Frame) -> Result<Candidates, AnalysisError> {
        self.counters.detector_runs += 1;
        let detections = self.networks.detect(frame)?;
        let letterbox = Region::letterbox(frame.width(), frame.height());
        let mut candidates = Candidates::default();
        for detection in detections.iter().filter(|detection| detection.score > 0.0) {
            let Some(region) = region_from_detection(detection, &letterbox) else {
                continue;
            };
            let size = [
                detection.size[0] * letterbox.size[0],
                detection.size[1] * letterbox.size[1],
            ];
            let center = letterbox.frame_from_crop(detection.center);
            let corner = [center[0] - size[0] / 2.0, center[1] - size[1] / 2.0];
            candidates.push(Candidate {
                face: FaceBox { corner, size },
                region,
            });
        }
        self.faces = candidates.count as u32;
        Ok(candidates)
    }

    /// Runs the mesh on a region and judges what it says.
    fn measure(&mut self, frame: &Frame, region: &Region) -> Result<Look, AnalysisError> {
        self.counters.mesh_runs += 1;
        let reading = self.networks.measure(frame, region, &mut self.landmarks)?;
        Ok(self.judge(frame.pts_ns(), reading))
    }

    fn judge(&mut self, pts_ns: i64, reading: MeshReading) -> Look {
        if reading.confidence.is_nan() {
            return Err(NullReason::NonFinite);
        }
        if reading.confidence < MIN_CONFIDENCE {
            return Err(NullReason::LowConfidence);
        }
        let landmarks = self.landmarks.as_slice();
        let face = box_of(landmarks).ok_or(NullReason::NonFinite)?;
        let next = region_from_landmarks(landmarks).ok_or(NullReason::DegenerateGeometry)?;
        let is_same = self.subject.follow(pts_ns, face, next);
        if is_same {
            Ok(Sighting { reading, face })
        } else {
            Err(NullReason::FaceLost)
        }
    }

    /// A frame either calibrates or is scored; without a session it does neither.
    fn calibrate_or_score(&mut self, pts_ns: i64, ratio: Result<f64, NullReason>) -> Option<f64> {
        let ratio = ratio.ok()?;
        let calibrator = self.baselines.calibrator_mut();
        if self.phase == SessionPhase::NoSession || calibrator.offer(pts_ns, ratio) {
            return None;
        }
        calibrator.score(ratio).ok()
    }

    fn status(&self, has_face: bool) -> VisualStatus {
        match self.phase {
            SessionPhase::NoSession => VisualStatus::NoSession,
            _ if !has_face => VisualStatus::WaitingForFace,
            _ if !self.baselines.calibrator().state().is_complete() => VisualStatus::Calibrating,
            SessionPhase::Open => VisualStatus::Ready,
            SessionPhase::PostStimulus => VisualStatus::PostStimulus,
        }
    }

    fn measurement(
        &mut self,
        frame: &Frame,
        sighting: &Sighting,
        ratio: Result<f64, NullReason>,
    ) -> FaceMeasurement {
        let (width, height) = (frame.width() as f32, frame.height() as f32);
        for (slot, point) in self.normalised.iter_mut().zip(self.landmarks.iter()) {
            *slot = [point[0] / width, point[1] / height, point[2] / width];
        }
        let FaceBox {
            corner: [left, top],
            size: [box_width, box_height],
        } = sighting.face;
        let pose = sighting.reading.pose;
        FaceMeasurement {
            subject: self.subject.number(),
            box_in_frame: [left, top, box_width, box_height],
            confidence: sighting.reading.confidence,
            pose: HeadPose {
                yaw_deg: pose.yaw_deg,
                pitch_deg: pose.pitch_deg,
                roll_deg: pose.roll_deg,
            },
            ratio: ratio.ok(),
            ratio_absent: ratio.err(),
            landmarks: Landmarks::from_normalised(self.normalised.as_slice()),
        }
    }
}

impl Default for Candidates {
    fn default() -> Self {
        let nothing = Region {
            center: [0.0; 2],
            size: [0.0; 2],
            rotation_rad: 0.0,
        };
        let candidate = Candidate {
            face: FaceBox::default(),
            region: nothing,
        };
        Candidates {
            faces: [candidate; MAX_FACES],
            count: 0,
        }
    }
}

impl Candidates {
    fn as_slice(&self) -> &[Candidate] {
        self.faces.get(..self.count).unwrap_or_default()
    }

    fn push(&mut self, candidate: Candidate) {
        if let Some(slot) = self.faces.get_mut(self.count) {
            *slot = candidate;
            self.count += 1;
        }
    }

    fn remove(&mut self, region: &Region) {
        let kept = *self;
        self.count = 0;
        for candidate in kept
            .as_slice()
            .iter()
            .filter(|candidate| candidate.region != *region)
        {
            self.push(*candidate);
        }
    }
}

fn absence(loss: Loss) -> NullReason {
    match loss {
        Loss::Nobody => NullReason::NoFace,
        Loss::Waiting => NullReason::FaceLost,
    }
}

fn null_reason(absent: Absent) -> NullReason {
    match absent {
        Absent::Degenerate => NullReason::DegenerateGeometry,
        Absent::NotFinite => NullReason::NonFinite,
    }
}
