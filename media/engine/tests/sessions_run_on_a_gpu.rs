//! The whole engine on a GPU device: its kernels run there, its results are the processor's, and its loss ends the engine.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]

mod server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use lsie_analysis::face::{FaceNetworks, FaceTracker, SubjectRules};
use lsie_device::{
    Buffer, CpuDevice, Device, DeviceError, DeviceInfo, DeviceKind, Frame, FrameLayout, FrameMeta,
    FramePool, Stream, Transfers, WgpuDevice,
};
use lsie_engine::{EngineDevice, EngineError, choose_device};
use lsie_infer::{ModelStore, ThroughHost};
use lsie_ingest::{OpenSettings, Pull, open};
use lsie_schemas::contract::AcousticMetrics;
use lsie_schemas::device::DeviceChoice;
use lsie_schemas::link::{DeviceWork, EngineMessage, ServerMessage};

use server::{Server, cache_dir, is_over, order, planned};

/// Media time that is compared, seconds; calibration ends at 3.
const SPAN_SECS: f64 = 6.0;
/// Frames that are compared one by one.
const FRAMES: usize = 40;
/// Largest difference of a ratio of one frame: one code in some pixels of the network's input.
const RATIO_BOUND: f64 = 0.004;
/// Largest difference of a score. Six times that of a ratio, baseline included; and whoever follows a face looks next where the
/// last landmarks were, so that a small difference lives on.
const SCORE_BOUND: f64 = 0.05;
/// Largest difference of F0.
const PITCH_BOUND_HZ: f32 = 0.05;
/// When the stimulus is, seconds: its window closes 5 s later.
const STIMULUS_SECS: f64 = 0.8;
/// Largest differences of what its window says: pulses are found alike, in sound that differs by a step of 16 bits here and there.
const JITTER_BOUND: f64 = 5e-4;
const SHIMMER_BOUND: f64 = 5e-3;

/// What is compared of one session.
struct Measured {
    /// Scores by media time, nanoseconds.
    scores: BTreeMap<i64, f64>,
    /// F0 in Hz by media time.
    pitch_hz: BTreeMap<i64, Option<f32>>,
    /// What the stimulus' window says.
    acoustic: AcousticMetrics,
    work: DeviceWork,
}

/// A session over the beginning of the demo.
fn measure(device: DeviceChoice) -> Measured {
    let (mut server, hello) = Server::start_on(&cache_dir(), EngineDevice::Choice(device));
    let told = hello.device.as_str();
    assert!(
        told.contains("as ordered; networks: onnxruntime-cpu"),
        "{told}"
    );
    let mut order = order("demo:presenter?pace=paced");
    order.planned = vec![planned(1, STIMULUS_SECS)];
    let session_id = order.session_id;
    server.open(order);
    let (mut reached, mut acoustic) = (0.0, None);
    let mut seen = server.until(|message| {
        assert!(!is_over(message), "{message:?}");
        if let EngineMessage::Visual(tick) = message {
            reached = tick.timestamp_s - server::EPOCH.as_epoch_secs();
        }
        if let EngineMessage::Segment(segment) = message {
            acoustic = acoustic.or(segment.acoustic);
        }
        reached > SPAN_SECS && acoustic.is_some()
    });
    server.send(&ServerMessage::End { session_id });
    seen.extend(server.until(is_over));
    let EngineMessage::Heartbeat(beat) = server.next() else {
        panic!("only heartbeats after the end");
    };
    server.shut_down();
    let ticks = || {
        seen.iter().filter_map(|message| match message {
            EngineMessage::Visual(tick) => Some(tick),
            _ => None,
        })
    };
    let scores = ticks().filter_map(|tick| {
        let secs = tick.timestamp_s - server::EPOCH.as_epoch_secs();
        Some(((secs * 1e9).round() as i64, tick.au12?))
    });
    let voices = ticks().filter_map(|tick| tick.voice.as_ref());
    Measured {
        scores: scores.collect(),
        pitch_hz: voices.map(|voice| (voice.pts_ns, voice.pitch_hz)).collect(),
        acoustic: acoustic.unwrap(),
        work: *beat.counters.device,
    }
}

/// F0, jitter and shimmer of two windows over the same sound.
fn assert_alike(got: &AcousticMetrics, wanted: &AcousticMetrics) {
    assert!(wanted.perturbation_valid_measure, "{wanted:?}");
    for (value, truth, bound) in [
        (
            got.f0_mean_measure_hz,
            wanted.f0_mean_measure_hz,
            f64::from(PITCH_BOUND_HZ),
        ),
        (
            got.jitter_mean_measure,
            wanted.jitter_mean_measure,
            JITTER_BOUND,
        ),
        (
            got.shimmer_mean_measure,
            wanted.shimmer_mean_measure,
            SHIMMER_BOUND,
        ),
    ] {
        let error = (value.unwrap() - truth.unwrap()).abs();
        assert!(error < bound, "{got:?} {wanted:?}");
    }
}

#[test]
fn a_session_on_a_gpu_measures_what_the_processor_measures() {
    let (wanted, got) = (measure(DeviceChoice::Cpu), measure(DeviceChoice::Wgpu(0)));
    let (on_cpu, on_gpu) = (&wanted.work, &got.work);
    assert_eq!(
        (on_cpu.device.as_str(), on_gpu.device.as_str()),
        ("cpu", "wgpu:0")
    );

    let launches = |work: &DeviceWork, kernel: &str| -> u64 {
        let found = work
            .launches
            .iter()
            .find(|(name, _)| name.as_str() == kernel);
        found.map_or(0, |(_, count)| *count)
    };
    for kernel in [
        "crop_frame",
        "letterbox_frame",
        "detect_faces",
        "measure_exposure",
        "project_landmarks",
        "measure_au12",
        "fit_pose",
        "measure_shape",
        "summarise_rows",
    ] {
        assert!(launches(on_gpu, kernel) > 0, "{kernel}: {on_gpu:?}");
        assert!(launches(on_cpu, kernel) > 0, "{kernel}: {on_cpu:?}");
    }
    // Sessions on the processor have their own ways for sound, which are no kernels.
    for kernel in [
        "resample_blocks",
        "correlate_frames",
        "transform_frames",
        "match_periods",
    ] {
        assert!(launches(on_gpu, kernel) > 0, "{kernel}: {on_gpu:?}");
        assert_eq!(launches(on_cpu, kernel), 0, "{kernel}: {on_cpu:?}");
    }
    let frames = launches(on_gpu, "measure_au12");
    assert!(frames as f64 > 25.0 * SPAN_SECS, "{frames}");
    // All but the first frame play what was recorded; on the processor a launch is a call.
    assert_eq!((on_gpu.replays, on_cpu.replays), (frames - 1, 0));
    // Three planes with the words at their ends and seven outputs of the mesh network to the device, its input and five results to the
    // host; two more each way for the detector, and one for the light, each piece of sound in either rate and each step around pulses.
    let others = 2 * launches(on_gpu, "detect_faces")
        + launches(on_gpu, "measure_exposure")
        + launches(on_gpu, "resample_blocks")
        + launches(on_gpu, "correlate_frames")
        + launches(on_gpu, "transform_frames")
        + launches(on_gpu, "match_periods");
    let most = |each: u64| each * (frames + 8) + others;
    assert!(on_gpu.uploads <= most(10), "{on_gpu:?}");
    assert!(on_gpu.downloads <= most(6), "{on_gpu:?}");

    let errors: Vec<f64> = got
        .scores
        .iter()
        .filter_map(|(pts_ns, score)| Some((score - wanted.scores.get(pts_ns)?).abs()))
        .collect();
    let worst = errors.iter().copied().fold(0.0, f64::max);
    assert!(errors.len() > 15, "{errors:?}");
    assert!(worst < SCORE_BOUND, "{worst} of {errors:?}");

    assert_alike(&got.acoustic, &wanted.acoustic);

    // Which pieces of sound a tick shows depends on the machine; those that both show are the same.
    assert!(got.pitch_hz.values().any(Option::is_some), "nobody speaks");
    for (pts_ns, got_hz) in &got.pitch_hz {
        match (got_hz, wanted.pitch_hz.get(pts_ns)) {
            (_, None) => {}
            (Some(got), Some(Some(wanted))) => {
                assert!((got - wanted).abs() < PITCH_BOUND_HZ, "{got} {wanted}");
            }
            (got, Some(wanted)) => assert_eq!(got, wanted, "at {pts_ns} ns"),
        }
    }
}

/// A tracker whose networks run on the processor, by way of the host where that is another device.
fn tracker_on(device: &Arc<dyn Device>) -> FaceTracker {
    let models = ModelStore::open(&cache_dir()).unwrap();
    let network = |name: &str| {
        let network = models
            .runtime()
            .unwrap()
            .open(&models.path(name).unwrap())
            .unwrap();
        ThroughHost::unless_host(Box::new(network), device.as_ref()).unwrap()
    };
    let networks = FaceNetworks::new(
        device.as_ref(),
        network("face_detector"),
        network("face_mesh"),
    )
    .unwrap();
    FaceTracker::new(networks, SubjectRules::default())
}

/// Ratios of the demo's first frames, the face looked for anew in each.
fn ratios(choice: DeviceChoice) -> Vec<f64> {
    let device = choose_device(choice, &cache_dir()).unwrap().device;
    let mut tracker = tracker_on(&device);
    let settings = OpenSettings::new(Arc::clone(&device), cache_dir().join("demo"));
    let mut input = open("demo:presenter?pace=fast", &settings).unwrap();
    let video = input.video.as_mut().unwrap();
    let mut measured = Vec::new();
    while measured.len() < FRAMES {
        let Pull::Item(frame) = video.next(Duration::from_secs(15)).unwrap() else {
            panic!("the demo has no end");
        };
        tracker.reset_tracking();
        let observation = tracker.process(&frame);
        measured.push(observation.face.unwrap().ratio.unwrap());
    }
    measured
}

#[test]
fn each_frame_gives_the_ratio_that_the_processor_gives() {
    let (wanted, got) = (ratios(DeviceChoice::Cpu), ratios(DeviceChoice::Wgpu(0)));
    let errors: Vec<f64> = got
        .iter()
        .zip(&wanted)
        .map(|(a, b)| (a - b).abs())
        .collect();
    let worst = errors.iter().copied().fold(0.0, f64::max);
    assert!(worst < RATIO_BOUND, "{worst} of {errors:?}");
}

/// The processor, until somebody pulls the plug, with room for every allocation of a frame slot but each fourth one.
#[derive(Default)]
struct Faulty {
    inner: CpuDevice,
    is_lost: AtomicBool,
    is_cramped: bool,
    slots: AtomicUsize,
}

impl Device for Faulty {
    fn info(&self) -> &DeviceInfo {
        self.inner.info()
    }

    fn alloc(&self, bytes: usize, label: &str) -> Result<Buffer, DeviceError> {
        self.check()?;
        let is_fourth = || self.slots.fetch_add(1, Ordering::Relaxed) % 4 == 3;
        if self.is_cramped && label == "frame slot" && is_fourth() {
            let label = label.to_owned();
            return Err(DeviceError::OutOfMemory { bytes, label });
        }
        self.inner.alloc(bytes, label)
    }

    fn stream(&self, name: &str) -> Result<Stream, DeviceError> {
        self.check()?;
        self.inner.stream(name)
    }

    fn transfers(&self) -> Transfers {
        self.inner.transfers()
    }

    fn launches(&self) -> BTreeMap<&'static str, u64> {
        self.inner.launches()
    }

    fn check(&self) -> Result<(), DeviceError> {
        if !self.is_lost.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(DeviceError::Lost {
            kind: DeviceKind::Cpu,
            detail: "pulled out".into(),
        })
    }
}

#[test]
fn a_lost_device_ends_the_engine_and_the_next_one_goes_on() {
    let device = Arc::new(Faulty::default());
    let given: Arc<dyn Device> = Arc::clone(&device) as Arc<dyn Device>;
    let (mut server, _) = Server::start_on(&cache_dir(), EngineDevice::Given(given));
    server.open(order("demo:presenter?pace=paced"));
    server.until(|message| matches!(message, EngineMessage::Visual(tick) if tick.face_present));
    device.is_lost.store(true, Ordering::Relaxed);
    let mut media_ns = 0;
    while let Some(message) = server.try_next() {
        assert!(!is_over(&message), "the session is not over: {message:?}");
        if let EngineMessage::Heartbeat(beat) = message {
            media_ns = beat.media_ns;
        }
    }
    let ended = server.engine.join().unwrap();
    assert!(
        matches!(ended, Err(EngineError::Device(DeviceError::Lost { .. }))),
        "{ended:?}"
    );

    goes_on(EngineDevice::Choice(DeviceChoice::Cpu), media_ns);
}

#[test]
fn a_gpu_that_its_driver_takes_away_ends_the_engine_and_the_next_one_goes_on() {
    let device = Arc::new(WgpuDevice::open(0).unwrap());
    let given: Arc<dyn Device> = Arc::clone(&device) as Arc<dyn Device>;
    let (mut server, _) = Server::start_on(&cache_dir(), EngineDevice::Given(given));
    server.open(order("demo:presenter?pace=paced"));
    server.until(|message| matches!(message, EngineMessage::Visual(tick) if tick.face_present));
    device.destroy();
    let mut media_ns = 0;
    while let Some(message) = server.try_next() {
        assert!(!is_over(&message), "the session is not over: {message:?}");
        if let EngineMessage::Heartbeat(beat) = message {
            media_ns = beat.media_ns;
        }
    }
    let ended = server.engine.join().unwrap();
    let Err(EngineError::Device(DeviceError::Lost { kind, detail })) = ended else {
        panic!("{ended:?}");
    };
    assert_eq!(kind, DeviceKind::Wgpu);
    assert!(!detail.is_empty());
    goes_on(EngineDevice::Choice(DeviceChoice::Wgpu(0)), media_ns);
}

/// A new engine takes the session up where the old one was.
fn goes_on(device: EngineDevice, media_ns: i64) {
    let (mut server, _) = Server::start_on(&cache_dir(), device);
    let mut again = order("demo:presenter?pace=paced");
    again.resume_at_ns = media_ns.max(Duration::from_secs(1).as_nanos() as i64);
    let resumed_secs = again.resume_at_ns as f64 / 1e9;
    server.open(again);
    let seen =
        server.until(|message| matches!(message, EngineMessage::Visual(tick) if tick.face_present));
    let Some(EngineMessage::Visual(tick)) = seen.last() else {
        panic!("a tick is last");
    };
    assert!(tick.timestamp_s - server::EPOCH.as_epoch_secs() >= resumed_secs - 0.05);
    server.shut_down();
}

/// The middle of the demo's picture twice, side by side, as one frame of the device.
fn two_faces(device: &Arc<dyn Device>) -> Frame {
    let host: Arc<dyn Device> = Arc::new(CpuDevice::new());
    let settings = OpenSettings::new(host, cache_dir().join("demo"));
    let mut input = open("demo:presenter?pace=fast", &settings).unwrap();
    let video = input.video.as_mut().unwrap();
    let Pull::Item(one) = video.next(Duration::from_secs(15)).unwrap() else {
        panic!("the demo has no end");
    };
    let bytes = one.buffer().host::<u8>().unwrap();
    let layout = FrameLayout::tight(one.format(), one.width(), one.height()).unwrap();
    let mut both = vec![0; layout.bytes()];
    for (index, (from, to)) in one.planes().iter().zip(layout.planes()).enumerate() {
        let (row_bytes, rows) = one.format().plane_size(index, one.width(), one.height());
        for row in 0..rows {
            let half = row_bytes / 2;
            let middle = from.offset_bytes + row * from.pitch_bytes + half / 2;
            let middle = &bytes[middle..middle + half];
            let at = to.offset_bytes + row * to.pitch_bytes;
            both[at..at + half].copy_from_slice(middle);
            both[at + half..at + 2 * half].copy_from_slice(middle);
        }
    }
    let stream = device.stream("test").unwrap();
    let pool = FramePool::new(device.as_ref(), 1, both.len()).unwrap();
    let mut slot = pool.acquire().unwrap();
    slot.buffer_mut().upload(&stream, 0, &both).unwrap();
    let meta = FrameMeta {
        color: one.color(),
        ..FrameMeta::still(layout)
    };
    Frame::new(slot, meta).unwrap()
}

#[test]
fn all_faces_of_a_frame_are_cropped_in_one_launch() {
    let measured = [DeviceChoice::Cpu, DeviceChoice::Wgpu(0)].map(|choice| {
        let device = choose_device(choice, &cache_dir()).unwrap().device;
        let mut tracker = tracker_on(&device);
        let observation = tracker.process(&two_faces(&device));
        assert_eq!(observation.faces, 2);
        let launches = device.launches();
        let count = |kernel: &str| launches.get(kernel).copied().unwrap_or(0);
        // The processor gains nothing by cropping ahead.
        let wanted = if choice == DeviceChoice::Cpu {
            (1, 0)
        } else {
            (0, 1)
        };
        assert_eq!((count("crop_frame"), count("crop_frames")), wanted);
        observation.face.unwrap().ratio.unwrap()
    });
    let [wanted, got] = measured;
    assert!((wanted - got).abs() < RATIO_BOUND, "{measured:?}");
}

#[test]
fn without_room_for_every_slot_the_session_goes_on_with_fewer() {
    let device = Arc::new(Faulty {
        is_cramped: true,
        ..Faulty::default()
    });
    let given: Arc<dyn Device> = Arc::clone(&device) as Arc<dyn Device>;
    let (mut server, _) = Server::start_on(&cache_dir(), EngineDevice::Given(given));
    server.open(order("demo:presenter?pace=paced"));
    server.until(|message| {
        assert!(!is_over(message), "{message:?}");
        matches!(message, EngineMessage::Visual(tick) if tick.face_present)
    });
    assert!(
        device.slots.load(Ordering::Relaxed) > 4,
        "nothing was refused"
    );
    server.shut_down();
}
