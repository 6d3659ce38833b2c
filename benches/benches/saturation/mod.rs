//! How many streams a device analyses, against how many it only decodes, in the same run: as fast as they go, each with a source, a
//! decoder, a tracker and networks of its own, as sessions have them.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lsie_analysis::face::{FaceNetworks, FaceTracker, SessionPhase, SubjectRules};
use lsie_benches::{Call, Series, cache_dir};
use lsie_device::{Device, open_nth};
use lsie_infer::{ModelStore, NetworkOpener};
use lsie_ingest::cuda::{CudaLibrary, CudaShare};
use lsie_ingest::{OpenSettings, open};
use lsie_schemas::observation::FaceObservation;

use crate::{pull, streams};

const STREAMS: [usize; 3] = [1, 5, 16];
/// Decoded only and analysed take turns, so that both see the same machine.
const TURNS: usize = 2;

/// A row for each number of streams on each device: the one that `--device` names, or all.
pub(crate) fn measure(call: &Call) -> Result<()> {
    let secs = call.number("saturation-seconds", call.count(4.0, 0.2))?;
    let span = Duration::try_from_secs_f64(secs).context("--saturation-seconds")?;
    call.say(format_args!(
        "\nstreams as fast as they go, {TURNS} turns of {secs} s each; every stream decodes 720p H.264 and, analysed, looks for the face \
         in every frame. On a GPU of hardware the share is to be 0.9\n\n\
         | device | networks | streams | decoded only, frames/s | analysed, frames/s | share | frame to AU median ms | p95 ms |\n\
         |---|---|---|---|---|---|---|---|"
    ));
    for (kind, index) in streams::devices(call)? {
        let rig = Rig::new(call, open_nth(kind, index)?)?;
        for streams in call.count(&STREAMS[..], &STREAMS[..1]).iter().copied() {
            let mut frames = [0, 0];
            let mut measured = Series::new("frame to AU");
            for _ in 0..call.count(TURNS, 1) {
                frames[0] += rig.run(streams, span, Work::Decode)?.frames;
                let analysed = rig.run(streams, span, Work::Analyse)?;
                frames[1] += analysed.frames;
                analysed
                    .measured_ms
                    .iter()
                    .for_each(|ms| measured.push(*ms));
            }
            let whole_s = secs * call.count(TURNS, 1) as f64;
            let [decoded, analysed] = frames.map(|count| count as f64 / whole_s);
            call.say(format_args!(
                "| {kind}:{index} | {} | {streams} | {decoded:.0} | {analysed:.0} | {:.2} | {:.2} | {:.2} |",
                rig.opener.choice().provider,
                analysed / decoded,
                measured.median(),
                measured.p95()
            ));
        }
    }
    Ok(())
}

/// What a stream does with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Decode,
    Analyse,
}

/// What streams did together.
#[derive(Default)]
struct Done {
    frames: u64,
    /// From the decoded frame to its action units at the host.
    measured_ms: Vec<f64>,
}

/// One device with what its streams share.
struct Rig {
    device: Arc<dyn Device>,
    models: ModelStore,
    opener: NetworkOpener,
    surfaces: Option<CudaLibrary>,
    demo: std::path::PathBuf,
}

impl Rig {
    fn new(call: &Call, device: Arc<dyn Device>) -> Result<Self> {
        let cache = cache_dir(call)?;
        let models = ModelStore::open(&cache)?;
        let opener = NetworkOpener::find(&device, &models, None)?;
        let surfaces = device
            .native_context()
            .and_then(|_| CudaLibrary::open().ok());
        Ok(Rig {
            device,
            models,
            opener,
            surfaces,
            demo: cache.join("demo"),
        })
    }

    /// So many streams at once for so long; their opening is not counted.
    fn run(&self, streams: usize, span: Duration, work: Work) -> Result<Done> {
        let ready = Barrier::new(streams);
        let all = std::thread::scope(|scope| {
            let one = || scope.spawn(|| self.stream(&ready, span, work));
            let threads: Vec<_> = (0..streams).map(|_| one()).collect();
            let joined = threads.into_iter().map(|thread| match thread.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            joined.collect::<Result<Vec<Done>>>()
        })?;
        let together = all.into_iter().fold(Done::default(), |mut sum, done| {
            sum.frames += done.frames;
            sum.measured_ms.extend(done.measured_ms);
            sum
        });
        ensure!(together.frames > 0, "no frame came");
        Ok(together)
    }

    fn stream(&self, ready: &Barrier, span: Duration, work: Work) -> Result<Done> {
        let stream = self.device.stream("saturation")?;
        let mut settings = OpenSettings::new(Arc::clone(&self.device), &self.demo);
        settings.wants_audio = false;
        settings.surfaces = self.surfaces.as_ref().and_then(|library| {
            CudaShare::of_device(library, &self.device, Arc::new(stream.clone())).ok()
        });
        let opened = open("demo:presenter?pace=fast", &settings);
        let tracker = (work == Work::Analyse).then(|| self.tracker(stream));
        // Whatever failed: the others wait for everybody.
        ready.wait();
        let mut input = opened?;
        let mut tracker = tracker.transpose()?;
        let mut video = input.video.take().context("the demo has no picture")?;
        let mut done = Done::default();
        let begin = Instant::now();
        while begin.elapsed() < span {
            let frame = pull(&mut video)?;
            if let Some(tracker) = &mut tracker {
                let taken = Instant::now();
                let observation: FaceObservation = tracker.process(&frame);
                if observation.face.is_ok() {
                    done.measured_ms.push(taken.elapsed().as_secs_f64() * 1e3);
                }
            }
            done.frames += 1;
        }
        Ok(done)
    }

    fn tracker(&self, stream: lsie_device::Stream) -> Result<FaceTracker> {
        let detector = self.opener.open(&self.models, "face_detector", &stream)?;
        let mesh = self.opener.open(&self.models, "face_mesh", &stream)?;
        let networks = FaceNetworks::on(self.device.as_ref(), stream, detector, mesh)?;
        let mut tracker = FaceTracker::new(networks, SubjectRules::default());
        tracker.set_phase(SessionPhase::Open);
        Ok(tracker)
    }
}
