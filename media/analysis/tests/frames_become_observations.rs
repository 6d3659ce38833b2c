//! The whole tracker on scripted networks: what each frame's observation says, and what it costs.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]

use std::sync::{Arc, Mutex};

use lsie_analysis::AnalysisError;
use lsie_analysis::face::{
    FaceControl, FaceLayer, FaceNetworks, FaceTracker, SessionPhase, SubjectRules,
};
use lsie_device::{
    Buffer, CpuDevice, Device, Frame, FrameLayout, FrameMeta, FramePool, PixelFormat, Stream,
};
use lsie_graph::{Layer, MediaTime, Packet, run_layer};
use lsie_infer::{InferError, Network, TensorInfo};
use lsie_schemas::contract::VisualStatus;
use lsie_schemas::observation::{FaceObservation, LANDMARK_COUNT, NullReason};

const PERIOD_NS: i64 = 66_666_667;

/// What the scripted networks answer. Faces stand upright in a frame of 256×256.
#[derive(Debug, Clone, Default)]
struct Script {
    /// Anchor index of each face that the detector sees.
    anchors: Vec<usize>,
    flag: f32,
    /// Half the width of the mouth in the mesh's pixels; the eyes are 60 apart.
    half_mouth: f32,
    broken_point: Option<usize>,
    fails: bool,
}

type Shared = Arc<Mutex<Script>>;

struct Detector(Shared, [TensorInfo; 1], [TensorInfo; 2]);
struct Mesh(Shared, [TensorInfo; 1], Vec<TensorInfo>);

fn info(name: &str, shape: &[usize]) -> TensorInfo {
    TensorInfo {
        name: name.to_owned(),
        shape: shape.to_vec(),
    }
}

fn failure() -> InferError {
    InferError::Runtime {
        operation: "run",
        model: "scripted".into(),
        reason: "asked to".into(),
    }
}

impl Detector {
    fn new(script: &Shared) -> Self {
        // The other order than the manifest's, which must not matter.
        let outputs = [
            info("classificators", &[1, 896, 1]),
            info("regressors", &[1, 896, 16]),
        ];
        Detector(
            Arc::clone(script),
            [info("input", &[1, 3, 128, 128])],
            outputs,
        )
    }
}

impl Network for Detector {
    fn inputs(&self) -> &[TensorInfo] {
        &self.1
    }

    fn outputs(&self) -> &[TensorInfo] {
        &self.2
    }

    fn metadata(&self, _key: &str) -> Option<String> {
        None
    }

    fn run(
        &mut self,
        _: &Stream,
        inputs: &[&Buffer],
        outputs: &mut [&mut Buffer],
    ) -> Result<(), InferError> {
        let script = self.0.lock().unwrap();
        let picture = inputs[0].host::<f32>().unwrap();
        assert!(picture.iter().all(|value| (-1.0..=1.0).contains(value)));
        outputs[0].host_mut::<f32>().unwrap().fill(-20.0);
        outputs[1].host_mut::<f32>().unwrap().fill(0.0);
        for (rank, anchor) in script.anchors.iter().enumerate() {
            outputs[0].host_mut::<f32>().unwrap()[*anchor] = 3.0 - rank as f32 * 0.5;
            let numbers = &mut outputs[1].host_mut::<f32>().unwrap()[anchor * 16..anchor * 16 + 16];
            // A box of 40 with level eyes, 20 apart.
            numbers[..8].copy_from_slice(&[0.0, 0.0, 40.0, 40.0, -10.0, -5.0, 10.0, -5.0]);
        }
        if script.fails { Err(failure()) } else { Ok(()) }
    }
}

impl Mesh {
    fn new(script: &Shared) -> Self {
        let outputs = [
            ("output_mesh_identity", 1404),
            ("output_lips", 160),
            ("output_left_eye", 142),
            ("output_right_eye", 142),
            ("output_left_iris", 10),
            ("output_right_iris", 10),
            ("conv_faceflag", 1),
        ];
        let outputs = outputs
            .map(|(name, elements)| info(name, &[1, 1, 1, elements]))
            .to_vec();
        Mesh(
            Arc::clone(script),
            [info("input_1", &[1, 192, 192, 3])],
            outputs,
        )
    }
}

/// The scripted face: every point, upright, its box 128 wide in a crop of 192, so that the next region is the same.
fn scripted_point(index: usize, half_mouth: f32) -> [f32; 3] {
    match index {
        33 => [56.0, 80.0, 0.0],
        133 => [76.0, 80.0, 0.0],
        362 => [116.0, 80.0, 0.0],
        263 => [136.0, 80.0, 0.0],
        61 => [96.0 - half_mouth, 130.0, 0.0],
        291 => [96.0 + half_mouth, 130.0, 0.0],
        1 => [96.0, 105.0, -20.0],
        10 => [96.0, 32.0, 0.0],
        152 => [96.0, 160.0, 0.0],
        234 => [32.0, 90.0, 40.0],
        454 => [160.0, 90.0, 40.0],
        _ => [96.0, 96.0, 0.0],
    }
}

/// Which mesh points the refined outputs are: the mouth's corners and the eyes' among them.
fn subset(name: &str) -> Vec<usize> {
    let (first, count, from) = match name {
        "output_lips" => ([61, 291], 80, 300),
        "output_left_eye" => ([33, 133], 71, 160),
        _ => ([362, 263], 71, 390),
    };
    first.into_iter().chain(from..from + count - 2).collect()
}

impl Network for Mesh {
    fn inputs(&self) -> &[TensorInfo] {
        &self.1
    }

    fn outputs(&self) -> &[TensorInfo] {
        &self.2
    }

    fn metadata(&self, key: &str) -> Option<String> {
        assert_eq!(key, "lsie.landmark_indices");
        let lists = ["output_lips", "output_left_eye", "output_right_eye"]
            .map(|name| (name.to_owned(), subset(name)));
        serde_json::to_string(&std::collections::BTreeMap::from(lists)).ok()
    }

    fn run(
        &mut self,
        _: &Stream,
        inputs: &[&Buffer],
        outputs: &mut [&mut Buffer],
    ) -> Result<(), InferError> {
        let script = self.0.lock().unwrap();
        assert!(
            inputs[0]
                .host::<f32>()
                .unwrap()
                .iter()
                .all(|value| (0.0..=1.0).contains(value))
        );
        for (index, slot) in outputs[0]
            .host_mut::<[f32; 3]>()
            .unwrap()
            .iter_mut()
            .enumerate()
        {
            // The mesh itself is wrong by 5 pixels where refined points exist.
            *slot = scripted_point(index, script.half_mouth + 5.0);
            if script.broken_point == Some(index) {
                slot[0] = f32::NAN;
            }
        }
        for (position, info) in self.2.iter().enumerate().skip(1).take(3) {
            for (slot, index) in outputs[position]
                .host_mut::<[f32; 2]>()
                .unwrap()
                .iter_mut()
                .zip(subset(&info.name))
            {
                let [x, y, _] = scripted_point(index, script.half_mouth);
                *slot = [x, y];
            }
        }
        outputs[4]
            .host_mut::<[f32; 2]>()
            .unwrap()
            .fill([66.0, 80.0]);
        outputs[5]
            .host_mut::<[f32; 2]>()
            .unwrap()
            .fill([126.0, 80.0]);
        outputs[6].host_mut::<f32>().unwrap()[0] = script.flag;
        if script.fails { Err(failure()) } else { Ok(()) }
    }
}

/// A tracker, its script, and frames for it.
struct Rig {
    script: Shared,
    device: CpuDevice,
    pool: FramePool,
    layout: FrameLayout,
    tracker: FaceTracker,
}

impl Rig {
    fn new() -> Self {
        // An inner anchor of the coarse grid.
        let script = Script {
            anchors: vec![692],
            flag: 4.0,
            half_mouth: 25.0,
            ..Script::default()
        };
        let script = Arc::new(Mutex::new(script));
        let device = CpuDevice::new();
        let networks = FaceNetworks::new(
            &device,
            Box::new(Detector::new(&script)),
            Box::new(Mesh::new(&script)),
        )
        .unwrap();
        let layout = FrameLayout::tight(PixelFormat::Nv12, 256, 256).unwrap();
        let pool = FramePool::new(&device, 1, layout.bytes()).unwrap();
        let mut tracker = FaceTracker::new(networks, SubjectRules::default());
        tracker.set_phase(SessionPhase::Open);
        Rig {
            script,
            device,
            pool,
            layout,
            tracker,
        }
    }

    fn frame(&self, index: i64) -> Frame {
        let meta = FrameMeta {
            pts_ns: index * PERIOD_NS,
            seq: index as u64,
            ..FrameMeta::still(self.layout)
        };
        Frame::new(self.pool.acquire().unwrap(), meta).unwrap()
    }

    fn at(&mut self, index: i64) -> FaceObservation {
        let frame = self.frame(index);
        self.tracker.process(&frame)
    }

    fn calibrated() -> Self {
        let mut rig = Rig::new();
        for index in 0..45 {
            rig.at(index);
        }
        rig
    }

    fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }
}

#[test]
fn a_face_is_measured_calibrated_and_scored() {
    let mut rig = Rig::new();
    for index in 0..44 {
        let seen = rig.at(index);
        assert_eq!((seen.status, seen.score), (VisualStatus::Calibrating, None));
        assert_eq!(i64::from(seen.calibration.accepted), index + 1);
        let face = seen.face.unwrap();
        assert_eq!((face.subject, face.ratio_absent), (1, None));
        assert!(
            (face.ratio.unwrap() - 50.0 / 60.0).abs() < 1e-4,
            "{:?}",
            face.ratio
        );
    }
    let last = rig.at(44);
    assert_eq!(
        (last.status, last.score),
        (VisualStatus::Ready, None),
        "the 45th frame calibrates and makes ready"
    );

    rig.change(|script| script.half_mouth = 29.5);
    let smile = rig.at(45);
    assert!(
        (smile.score.unwrap() - 0.9_f64.tanh()).abs() < 2e-4,
        "{:?}",
        smile.score
    );
    rig.tracker.set_phase(SessionPhase::PostStimulus);
    assert_eq!(rig.at(46).status, VisualStatus::PostStimulus);
}

#[test]
fn the_detector_runs_once_while_a_person_is_followed() {
    let rig = Rig::calibrated();
    let counters = rig.tracker.counters();
    assert_eq!(
        (
            counters.frames,
            counters.measured,
            counters.detector_runs,
            counters.mesh_runs
        ),
        (45, 45, 1, 45)
    );
}

#[test]
fn landmarks_lie_in_the_frame() {
    let mut rig = Rig::new();
    let seen = rig.at(0);
    let landmarks = *rig.tracker.landmarks().unwrap();
    assert_eq!(landmarks.len(), LANDMARK_COUNT);
    // The detector's box is 80 pixels of the frame, its region 120: one mesh pixel is 0.625.
    let eyes = landmarks[263][0] - landmarks[33][0];
    assert!((eyes - 80.0 * 0.625).abs() < 1e-3, "{eyes}");
    let face = seen.face.unwrap();
    let [left, top, width, height] = face.box_in_frame;
    assert!((width - 128.0 * 0.625).abs() < 1e-3 && (height - 128.0 * 0.625).abs() < 1e-3);
    let [x, y, _] = face.landmarks.normalised(234).unwrap();
    assert!((x * 256.0 - left).abs() < 0.02 && y * 256.0 > top);
    assert!(
        face.pose.yaw_deg.abs() < 0.1 && face.pose.roll_deg.abs() < 0.1,
        "{:?}",
        face.pose
    );
    assert!(face.confidence > 0.98);
}

#[test]
fn every_absence_has_its_reason() {
    let mut rig = Rig::calibrated();
    let reason = |rig: &mut Rig, index: i64, change: &dyn Fn(&mut Script)| {
        let before = rig.script.lock().unwrap().clone();
        rig.change(|script| change(script));
        let seen = rig.at(index);
        *rig.script.lock().unwrap() = before;
        assert_eq!(
            (seen.status, seen.score),
            (VisualStatus::WaitingForFace, None)
        );
        assert_eq!(
            seen.calibration.accepted, 45,
            "an absent frame changes no baseline"
        );
        assert!(rig.tracker.landmarks().is_none());
        let reason = seen.face.unwrap_err();
        assert!(
            rig.at(index + 1).face.is_ok(),
            "and the next good frame is measured again"
        );
        reason
    };
    assert_eq!(
        reason(&mut rig, 50, &|script| script.flag = -3.0),
        NullReason::LowConfidence
    );
    assert_eq!(
        reason(&mut rig, 52, &|script| script.flag = f32::NAN),
        NullReason::NonFinite
    );
    assert_eq!(
        reason(&mut rig, 54, &|script| script.broken_point = Some(5)),
        NullReason::NonFinite
    );
    assert_eq!(
        reason(&mut rig, 56, &|script| script.fails = true),
        NullReason::NetworkFailure
    );
    let gone: &dyn Fn(&mut Script) = &|script| (script.flag, script.anchors) = (-3.0, vec![]);
    assert_eq!(reason(&mut rig, 58, gone), NullReason::FaceLost);
    assert_eq!(rig.tracker.counters().failures, 1);
    assert_eq!(rig.at(70).face.unwrap().subject, 1);
}

#[test]
fn an_empty_picture_has_no_face() {
    let mut rig = Rig::new();
    rig.change(|script| script.anchors.clear());
    let seen = rig.at(0);
    assert_eq!((seen.face, seen.faces), (Err(NullReason::NoFace), 0));
}

#[test]
fn what_only_looks_like_a_face_does_not_hold_the_place_of_one() {
    let mut rig = Rig::new();
    rig.change(|script| script.flag = -3.0);
    for index in 0..3 {
        assert_eq!(rig.at(index).face, Err(NullReason::LowConfidence));
    }
    rig.change(|script| (script.flag, script.anchors) = (4.0, vec![740]));
    let face = rig.at(3).face.unwrap();
    assert_eq!(
        face.subject, 1,
        "somewhere else, at once, as the first person"
    );
}

#[test]
fn all_faces_are_counted_and_one_is_followed() {
    let mut rig = Rig::new();
    rig.change(|script| script.anchors = vec![530, 692, 850]);
    let seen = rig.at(0);
    assert_eq!(seen.faces, 3);
    assert!(seen.face.is_ok());
    assert_eq!(rig.tracker.counters().mesh_runs, 1);
}

/// Frames without anybody, longer than a lost person is waited for.
fn leave(rig: &mut Rig, from: i64) -> i64 {
    rig.change(|script| (script.flag, script.anchors) = (-3.0, Vec::new()));
    for index in from..from + 20 {
        assert!(rig.at(index).face.is_err());
    }
    from + 20
}

#[test]
fn who_takes_over_is_scored_against_the_own_baseline_and_who_returns_too() {
    let mut rig = Rig::calibrated();
    rig.change(|script| script.half_mouth = 29.5);
    let smile = rig.at(45).score.unwrap();
    let mut next = leave(&mut rig, 46);

    // Somebody else, elsewhere, whose neutral mouth is as wide as the first one's smile.
    rig.change(|script| (script.flag, script.anchors) = (4.0, vec![530]));
    for accepted in 1..=45 {
        let seen = rig.at(next);
        next += 1;
        assert_eq!(seen.face.unwrap().subject, 2);
        assert_eq!((seen.score, seen.calibration.accepted), (None, accepted));
        let is_ready = accepted == 45;
        assert_eq!(seen.status == VisualStatus::Ready, is_ready);
        assert_eq!(seen.status == VisualStatus::Calibrating, !is_ready);
    }
    assert!(rig.at(next).score.unwrap() < 1e-6, "neutral for this one");
    assert!((rig.at(next + 1).calibration.baseline().unwrap() - 59.0 / 60.0).abs() < 1e-4);
    next = leave(&mut rig, next + 2);

    rig.change(|script| (script.flag, script.anchors) = (4.0, vec![692]));
    let returned = rig.at(next);
    assert_eq!(returned.face.unwrap().subject, 1);
    assert_eq!(
        (returned.score, returned.status),
        (Some(smile), VisualStatus::Ready)
    );
    assert_eq!(rig.tracker.counters().takeovers, 2);
}

#[test]
fn a_person_who_was_away_for_a_minute_goes_on_at_once() {
    let mut rig = Rig::calibrated();
    leave(&mut rig, 45);
    rig.change(|script| (script.flag, script.anchors) = (4.0, vec![692]));
    let back = rig.at(45 + 60 * 15);
    assert_eq!(back.face.unwrap().subject, 1);
    assert!(back.score.is_some());
    assert_eq!(rig.tracker.counters().takeovers, 0);
}

#[test]
fn eyes_that_coincide_give_a_face_without_a_ratio() {
    let mut rig = Rig::calibrated();
    // A huge mouth overflows the ratio's squares, the same absence by another way.
    rig.change(|script| script.half_mouth = 1e20);
    let seen = rig.at(46);
    assert_eq!(seen.score, None);
    match seen.face {
        Ok(face) => assert_eq!((face.ratio, face.ratio_absent.is_some()), (None, true)),
        Err(reason) => assert_eq!(reason, NullReason::FaceLost),
    }
    assert_eq!(seen.calibration.accepted, 45);
}

#[test]
fn without_a_session_faces_are_seen_and_nothing_is_calibrated() {
    let mut rig = Rig::new();
    rig.tracker.set_phase(SessionPhase::NoSession);
    let seen = rig.at(0);
    assert_eq!(
        (seen.status, seen.calibration.accepted, seen.face.is_ok()),
        (VisualStatus::NoSession, 0, true)
    );
}

#[test]
fn the_same_frames_give_the_same_observations() {
    let run = || {
        let mut rig = Rig::new();
        (0..60).map(|index| rig.at(index)).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_frame_costs_no_upload_and_a_few_kilobytes_down() {
    let mut rig = Rig::calibrated();
    let before = rig.device.transfers();
    rig.at(45);
    let after = rig.device.transfers();
    assert_eq!(after.uploads, before.uploads);
    assert!(after.download_bytes - before.download_bytes < 6 * 1024);
}

#[test]
fn the_layer_keeps_the_packets_time_and_obeys_its_control() {
    let rig = Rig::calibrated();
    let state = {
        let mut rig = Rig::calibrated();
        rig.at(45).calibration
    };
    let frames: Vec<_> = (0..3).map(|index| index + 100).collect();
    let control = FaceControl::default();
    control.set_phase(SessionPhase::Open);
    control.restore_calibration(state);
    let mut layer = FaceLayer::new(rig.tracker, control.clone());
    layer.start().unwrap();
    for index in frames {
        let meta = FrameMeta {
            pts_ns: index * PERIOD_NS,
            ..FrameMeta::still(rig.layout)
        };
        let frame = Frame::new(rig.pool.acquire().unwrap(), meta).unwrap();
        let out = run_layer(&mut layer, vec![Packet::new(MediaTime(7), frame)]).unwrap();
        assert_eq!(out[0].pts, MediaTime(7));
        assert!(
            out[0].payload.score.is_some(),
            "the restored baseline is used"
        );
    }
    control.recalibrate();
    let frame = Frame::new(rig.pool.acquire().unwrap(), FrameMeta::still(rig.layout)).unwrap();
    let out = run_layer(&mut layer, vec![Packet::new(MediaTime(8), frame)]).unwrap();
    assert_eq!(out[0].payload.status, VisualStatus::Calibrating);
    assert_eq!(control.counters().frames, 49);
}

#[test]
fn another_model_is_refused() {
    let script = Shared::default();
    let device = CpuDevice::new();
    let swapped = FaceNetworks::new(
        &device,
        Box::new(Mesh::new(&script)),
        Box::new(Mesh::new(&script)),
    );
    assert!(matches!(
        swapped,
        Err(AnalysisError::WrongModel {
            model: "face_detector",
            ..
        })
    ));
    let mut small = Mesh::new(&script);
    small.2[1] = info("output_lips", &[1, 40]);
    let refused = FaceNetworks::new(&device, Box::new(Detector::new(&script)), Box::new(small));
    assert!(matches!(
        refused,
        Err(AnalysisError::WrongModel {
            tensor: "output_lips",
            elements: 160,
            ..
        })
    ));
}
