//! Voice activity on a synthetic voice, and what happens around gaps and without the network.
//!
//! `fixtures/voice_espeak_16k.s16` is 4 s of espeak-ng speech between 1.5 s and 2 s of silence, 16 kHz mono, little-endian;
//! written by `fixtures/record_voice.sh`.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]

use std::path::PathBuf;

use lsie_analysis::voice::{
    FLOOR_DBFS, VOICE_CHUNK_SAMPLES, VoiceOutput, VoiceSettings, VoiceStream, VoiceUnavailable,
};
use lsie_device::{Buffer, DeviceKind, Stream, open};
use lsie_infer::{InferError, ModelStore, Network, TensorInfo};
use lsie_schemas::observation::VoiceObservation;

const SAMPLE_NS: i64 = 62_500;
const CHUNK_NS: i64 = 32_000_000;

fn samples_ns(samples: usize) -> i64 {
    i64::try_from(samples).unwrap() * SAMPLE_NS
}

fn cache_dir() -> PathBuf {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(cache) = folder("LSIE_CACHE_DIR").or_else(|| folder("LSIE_ENGINE_CACHE_DIR")) {
        return cache.into();
    }
    let user = folder("XDG_CACHE_HOME").map(PathBuf::from);
    user.unwrap_or_else(|| PathBuf::from(folder("HOME").unwrap()).join(".cache"))
        .join("lsie")
}

fn real_stream() -> VoiceStream {
    let store = ModelStore::open(&cache_dir()).unwrap();
    let device = open(DeviceKind::Cpu).unwrap();
    let stream = VoiceStream::open(&store, device.as_ref(), VoiceSettings::default());
    if let Some(reason) = stream.unavailable() {
        panic!("{reason}. This test needs the models: run `./test`, which fetches them first");
    }
    stream
}

fn espeak() -> Vec<i16> {
    let bytes = include_bytes!("fixtures/voice_espeak_16k.s16");
    let (samples, _) = bytes.as_chunks::<2>();
    samples.iter().copied().map(i16::from_le_bytes).collect()
}

fn observations(outputs: &[VoiceOutput]) -> Vec<VoiceObservation> {
    let observation = |output: &VoiceOutput| match output {
        VoiceOutput::Observation(observation) => Some(*observation),
        _ => None,
    };
    outputs.iter().filter_map(observation).collect()
}

/// A network that hears speech wherever the chunk is loud, and that fails or talks nonsense on demand.
struct Loudness {
    infos: [Vec<TensorInfo>; 2],
    runs: usize,
    fails_at: usize,
    nonsense_at: usize,
}

impl Loudness {
    fn boxed(fails_at: usize, nonsense_at: usize) -> Box<dyn Network> {
        let info = |name: &str, shape: &[usize]| TensorInfo {
            name: name.to_owned(),
            shape: shape.to_vec(),
        };
        let state = [2, 1, 128];
        Box::new(Loudness {
            infos: [
                vec![info("input", &[1, 576]), info("state", &state)],
                vec![info("output", &[1, 1]), info("stateN", &state)],
            ],
            runs: 0,
            fails_at,
            nonsense_at,
        })
    }
}

impl Network for Loudness {
    fn inputs(&self) -> &[TensorInfo] {
        &self.infos[0]
    }

    fn outputs(&self) -> &[TensorInfo] {
        &self.infos[1]
    }

    fn metadata(&self, _key: &str) -> Option<String> {
        None
    }

    fn run(
        &mut self,
        _stream: &Stream,
        inputs: &[&Buffer],
        outputs: &mut [&mut Buffer],
    ) -> Result<(), InferError> {
        self.runs += 1;
        if self.runs == self.fails_at {
            return Err(InferError::UnknownModel {
                name: "broken".to_owned(),
            });
        }
        let window: &[f32] = inputs[0].host().unwrap();
        let is_loud = window[575].abs() > 0.1;
        let value = if self.runs == self.nonsense_at {
            f32::NAN
        } else {
            f32::from(u8::from(is_loud))
        };
        outputs[0].host_mut::<f32>().unwrap()[0] = value;
        // The state counts the runs since the last reset; the context is the end of the chunk before.
        let count = inputs[1].host::<f32>().unwrap()[0];
        outputs[1].host_mut::<f32>().unwrap()[0] = count + 1.0;
        assert!(count > 0.0 || window[..64].iter().all(|sample| *sample == 0.0));
        Ok(())
    }
}

fn fake_stream(fails_at: usize, nonsense_at: usize) -> VoiceStream {
    let device = open(DeviceKind::Cpu).unwrap();
    let network = Loudness::boxed(fails_at, nonsense_at);
    VoiceStream::with_network(network, device.as_ref(), VoiceSettings::default())
}

#[test]
fn a_synthetic_voice_is_heard_and_silence_is_not() {
    let samples = espeak();
    let mut outputs = Vec::new();
    let mut stream = real_stream();
    for (block, samples) in samples.chunks(480).enumerate() {
        stream.push(samples, samples_ns(block * 480), |output| {
            outputs.push(output);
        });
    }
    let starts: Vec<i64> = outputs
        .iter()
        .filter_map(|output| match output {
            VoiceOutput::Started { pts_ns } => Some(*pts_ns),
            _ => None,
        })
        .collect();
    let ends: Vec<i64> = outputs
        .iter()
        .filter_map(|output| match output {
            VoiceOutput::Ended { pts_ns } => Some(*pts_ns),
            _ => None,
        })
        .collect();
    assert_eq!((starts.len(), ends.len()), (1, 1), "{starts:?} {ends:?}");
    assert!(
        (1_300_000_000..1_900_000_000).contains(&starts[0]),
        "{starts:?}"
    );
    let duration_ns = samples_ns(samples.len());
    let silence_ns = duration_ns - 2_000_000_000;
    assert!(
        (silence_ns - 400_000_000..silence_ns + 300_000_000).contains(&ends[0]),
        "{ends:?}"
    );
    let observations = observations(&outputs);
    assert_eq!(observations.len(), samples.len() / VOICE_CHUNK_SAMPLES);
    let (quiet, loud) = (&observations[10], &observations[100]);
    assert_eq!(quiet.rms_dbfs, FLOOR_DBFS);
    assert!(!quiet.speaking && quiet.speech_probability.unwrap() < 0.2);
    assert!(loud.speaking && loud.rms_dbfs > -40.0);
}

#[test]
fn block_sizes_do_not_matter() {
    let samples = espeak();
    let run = |block_samples: usize| {
        let mut outputs = Vec::new();
        let mut stream = real_stream();
        for (block, samples) in samples.chunks(block_samples).enumerate() {
            let pts_ns = samples_ns(block * block_samples);
            stream.push(samples, pts_ns, |output| outputs.push(output));
        }
        outputs
    };
    let whole = run(samples.len());
    assert_eq!(run(160), whole);
    assert_eq!(run(1), whole);
}

#[test]
fn a_gap_ends_speech_where_the_samples_end_and_forgets_the_state() {
    let mut stream = fake_stream(0, 0);
    let mut outputs = Vec::new();
    stream.push(&[9000; 600], 0, |output| outputs.push(output));
    assert_eq!(
        outputs[0],
        VoiceOutput::Started {
            pts_ns: -50_000_000
        }
    );
    outputs.clear();
    // The fake network asserts that its context is empty whenever its state is.
    stream.push(&[9000; 512], 5_000_000_000, |output| outputs.push(output));
    assert_eq!(
        outputs[0],
        VoiceOutput::Ended {
            pts_ns: 600 * SAMPLE_NS
        }
    );
    assert_eq!(
        outputs[1],
        VoiceOutput::Started {
            pts_ns: 4_950_000_000
        }
    );
    assert_eq!(observations(&outputs)[0].pts_ns, 5_000_000_000 + CHUNK_NS);
    let counters = stream.counters();
    assert_eq!((counters.gaps, counters.dropped_samples), (1, 88));
    assert_eq!((counters.chunks, counters.inferences), (2, 2));
}

#[test]
fn small_differences_of_time_are_followed_without_a_gap() {
    let mut stream = fake_stream(0, 0);
    let mut last_ns = 0;
    for block in 0..200_i64 {
        // The source's clock runs 1 % fast: 2 s in 200 blocks, never 20 ms from one to the next.
        let pts_ns = block * 10_100_000;
        stream.push(&[0; 160], pts_ns, |output| {
            if let VoiceOutput::Observation(observation) = output {
                last_ns = observation.pts_ns;
            }
        });
    }
    assert_eq!(stream.counters().gaps, 0);
    assert!((last_ns - 200 * 10_100_000).abs() < 40_000_000, "{last_ns}");
}

#[test]
fn without_the_network_the_level_goes_on_and_the_reason_is_kept() {
    let store = ModelStore::open(&PathBuf::from("/nonexistent/cache")).unwrap();
    let device = open(DeviceKind::Cpu).unwrap();
    let mut stream = VoiceStream::open(&store, device.as_ref(), VoiceSettings::default());
    assert!(matches!(
        stream.unavailable(),
        Some(VoiceUnavailable::ModelMissing { how_to_get }) if how_to_get.contains("lsie models fetch")
    ));
    let mut outputs = Vec::new();
    stream.push(&[i16::MIN; 512], 0, |output| outputs.push(output));
    let [VoiceOutput::Observation(observation)] = outputs.as_slice() else {
        panic!("{outputs:?}");
    };
    assert_eq!(
        (observation.speech_probability, observation.speaking),
        (None, false)
    );
    assert_eq!((observation.rms_dbfs, observation.peak_dbfs), (0.0, 0.0));
}

#[test]
fn a_failing_network_ends_speech_and_is_given_up() {
    for (fails_at, nonsense_at) in [(3, 0), (0, 3)] {
        let mut stream = fake_stream(fails_at, nonsense_at);
        let mut outputs = Vec::new();
        stream.push(&[9000; 512 * 5], 0, |output| outputs.push(output));
        assert!(matches!(
            stream.unavailable(),
            Some(VoiceUnavailable::Failed { .. })
        ));
        assert!(outputs.contains(&VoiceOutput::Ended {
            pts_ns: 3 * CHUNK_NS
        }));
        let observations = observations(&outputs);
        assert_eq!(observations.len(), 5);
        assert!(observations[4].speech_probability.is_none() && !observations[4].speaking);
        assert_eq!(stream.counters().inferences, 2);
    }
}

#[test]
fn extreme_times_do_not_overflow() {
    let mut stream = fake_stream(0, 0);
    for pts_ns in [i64::MAX, i64::MIN, 0, i64::MAX - 1] {
        stream.push(&[9000; 1024], pts_ns, |_| {});
    }
    stream.push(&[], i64::MIN, |_| {});
    assert_eq!(stream.counters().gaps, 3);
}
