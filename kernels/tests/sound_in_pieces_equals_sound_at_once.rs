//! Streaming pitch and both candidate forms against each other, and hostile sounds.

use lsie_kernels::audio::{
    Form, MeasureSettings, Pitch, PitchError, PitchStream, Resampler, find_pulses, measure_segment,
    measure_track,
};
use lsie_schemas::contract::AcousticMetrics;
use proptest::prelude::*;

/// A voice of decaying pulses from 110 to 260 Hz with a pause, some noise and a click.
fn voice(secs: f64, seed: u64) -> Vec<i16> {
    let count = (secs * 16_000.0) as usize;
    let mut state = seed;
    let mut noise = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    };
    let mut wave: Vec<f64> = (0..count).map(|_| 0.01 * noise()).collect();
    let mut t = 0.05;
    while t < secs {
        let phase = t / secs;
        if !(0.4..0.5).contains(&phase) {
            let first = (t * 16_000.0) as usize;
            for (n, x) in wave.iter_mut().enumerate().skip(first).take(320) {
                let tau = n as f64 / 16_000.0 - t;
                *x += 0.3 * (-400.0 * tau).exp() * (4_400.0 * tau).sin();
            }
        }
        t += 1.0 / (110.0 + 150.0 * phase) * (1.0 + 0.01 * noise());
    }
    if let Some(x) = wave.get_mut(count / 3) {
        *x = 0.9;
    }
    wave.iter()
        .map(|x| (x * 32767.0).clamp(-32768.0, 32767.0) as i16)
        .collect()
}

#[test]
fn a_streamed_segment_equals_the_batch_bit_for_bit() {
    let samples = voice(6.0, 3);
    let batch = Pitch::analyse(&samples, Form::Fast);
    for block in [1, 160, 533, 16_000, samples.len()] {
        let mut stream = PitchStream::new(samples.len(), Form::Fast);
        let frames: usize = samples.chunks(block).map(|chunk| stream.push(chunk)).sum();
        assert_eq!(frames, batch.frames().len());
        assert_eq!(stream.finish(), Ok(batch.clone()), "blocks of {block}");
    }
}

#[test]
fn pitch_is_known_while_the_segment_is_open() {
    let samples = voice(6.0, 3);
    let mut stream = PitchStream::new(samples.len(), Form::Fast);
    assert_eq!(stream.now(), None);
    let mut agreeing = 0;
    let mut seen = Vec::new();
    for chunk in samples.chunks(533) {
        stream.push(chunk);
        seen.extend(stream.now());
    }
    assert_eq!(stream.missing_samples(), 0);
    let track = stream.finish().unwrap();
    for now in &seen {
        let last = track.f0_at(now.time_s);
        agreeing += usize::from(match (now.f0_hz, last) {
            (Some(a), Some(b)) => (a - b).abs() < 1.0,
            (None, None) => true,
            _ => false,
        });
    }
    assert!(
        agreeing * 10 > seen.len() * 9,
        "{agreeing} of {}",
        seen.len()
    );
    let half = PitchStream::new(32_000, Form::Fast);
    assert_eq!(
        half.finish().err(),
        Some(PitchError::Incomplete {
            missing_samples: 32_000
        })
    );
}

#[test]
fn both_forms_agree_in_every_frame() {
    for seed in [1, 2, 3] {
        let samples = voice(3.0, seed);
        let (plain, fast) = (
            Pitch::analyse(&samples, Form::Reference),
            Pitch::analyse(&samples, Form::Fast),
        );
        assert!(plain.frames().iter().filter(|f| f.is_voiced()).count() > 150);
        for (a, b) in plain.frames().iter().zip(fast.frames()) {
            assert_eq!(a.is_voiced(), b.is_voiced(), "at {}", a.time_s);
            assert!(
                (a.f0_hz - b.f0_hz).abs() < 1e-6 && (a.strength - b.strength).abs() < 1e-9,
                "{a:?} {b:?}"
            );
        }
        let (p, f) = (find_pulses(&samples, &plain), find_pulses(&samples, &fast));
        assert_eq!(p.times_s().len(), f.times_s().len());
        assert!(
            p.times_s()
                .iter()
                .zip(f.times_s())
                .all(|(a, b)| (a - b).abs() < 1e-9)
        );
    }
}

#[test]
fn a_prepared_track_gives_the_same_metrics() {
    let samples = voice(12.0, 9);
    let settings = MeasureSettings::default();
    let pitch = Pitch::analyse(&samples, settings.form);
    let whole = measure_segment(&samples, 1_767_225_600.0, Some(1_767_225_606.0), settings);
    assert!(whole.f0_valid_measure && whole.perturbation_valid_baseline);
    assert_eq!(
        measure_track(
            &samples,
            &pitch,
            1_767_225_600.0,
            Some(1_767_225_606.0),
            settings
        ),
        whole
    );
    let strict = MeasureSettings {
        strict_perturbation: true,
        ..settings
    };
    assert_eq!(
        measure_segment(&samples, 1_767_225_600.0, Some(1_767_225_606.0), strict),
        whole,
        "plenty of pulses either way"
    );
}

#[test]
fn nothing_to_measure_is_the_default() {
    let samples = voice(2.0, 1);
    let settings = MeasureSettings::default();
    for (start, stimulus) in [
        (f64::NAN, Some(1.0)),
        (0.0, None),
        (0.0, Some(f64::NAN)),
        (0.0, Some(1e300)),
        (f64::INFINITY, Some(1.0)),
    ] {
        assert_eq!(
            measure_segment(&samples, start, stimulus, settings),
            AcousticMetrics::default()
        );
    }
    for samples in [&[][..], &[1], &[0; 639], &[0; 640], &[i16::MIN; 800]] {
        assert!(!measure_segment(samples, 0.0, Some(0.0), settings).f0_valid_measure);
    }
}

#[test]
fn resampled_sound_keeps_its_pitch() {
    let tone: Vec<f32> = (0..96_000)
        .map(|n| {
            (0.5 * (2.0 * std::f64::consts::PI * 200.0 * f64::from(n) / 48_000.0).sin()) as f32
        })
        .collect();
    let mut resampler = Resampler::new(48_000, 1).unwrap();
    let mut out = Vec::new();
    for block in tone.chunks(480) {
        resampler.push(block, &mut out);
    }
    resampler.finish(&mut out);
    assert_eq!(out.len(), 32_000);
    let pitch = Pitch::analyse(&out, Form::Fast);
    let inner = &pitch.frames()[5..pitch.frames().len() - 5];
    assert!(inner.iter().all(|f| (f.f0_hz - 200.0).abs() < 0.01));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_samples_give_finite_numbers(
        samples in prop::collection::vec(prop_oneof![Just(0_i16), Just(i16::MAX), Just(i16::MIN), any::<i16>()], 0..6000),
        stimulus in -1.0_f64..2.0,
    ) {
        let pitch = Pitch::analyse(&samples, Form::Fast);
        for frame in pitch.frames() {
            prop_assert!(frame.f0_hz.is_finite() && (0.0..600.0).contains(&frame.f0_hz));
            prop_assert!((0.0..=1.0).contains(&frame.strength));
        }
        let pulses = find_pulses(&samples, &pitch);
        prop_assert!(pulses.times_s().windows(2).all(|w| w[0] <= w[1]));
        let metrics = measure_segment(&samples, 0.0, Some(stimulus), MeasureSettings::default());
        let numbers = [metrics.f0_mean_measure_hz, metrics.jitter_mean_measure, metrics.shimmer_mean_measure, metrics.jitter_delta];
        prop_assert!(numbers.into_iter().flatten().all(f64::is_finite));
    }

    #[test]
    fn a_stream_in_any_blocks_equals_the_batch(cuts in prop::collection::vec(1_usize..4000, 1..20)) {
        let samples = voice(1.5, 5);
        let mut stream = PitchStream::new(samples.len(), Form::Fast);
        let mut rest = &samples[..];
        for cut in cuts {
            let (block, tail) = rest.split_at(cut.min(rest.len()));
            stream.push(block);
            rest = tail;
        }
        stream.push(rest);
        prop_assert_eq!(stream.finish(), Ok(Pitch::analyse(&samples, Form::Fast)));
    }
}
