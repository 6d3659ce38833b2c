//! Pitch, pulses, jitter, shimmer, HNR and intensity against numbers recorded from Praat 6.1.38 (praat-parselmouth 0.4.7), and the
//! log-mel spectrogram against the filters that openai-whisper 20250625 ships. The sound is whole numbers, the same everywhere.
//! The bench `acoustic_peer` compares live, on longer sounds.

use lsie_kernels::audio::{
    Form, MeasureSettings, MelSpectrogram, Pitch, PulseWindow, find_pulses, intensity_frames,
    jitter_local, mean_harmonics_to_noise_db, measure_span, shimmer_local, unit_from_s16,
};

/// One second of a falling ramp about 200 times a second, louder noise every quarter, silence from 0.25 to 0.375 s.
fn sound() -> Vec<i16> {
    let mut state = 1_u64;
    let (mut place, mut length, mut period) = (0_i64, 80, 0_i64);
    (0..16_000_i64)
        .map(|n| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            if place == length {
                place = 0;
                period += 1;
                length = 79 + (period * 7) % 3;
            }
            let ramp = if place < 40 {
                12_000 - 300 * place
            } else {
                -3000
            };
            let noise = ((state >> 55).cast_signed() - 256) * (1 + n / 4000);
            place += 1;
            if (4000..6000).contains(&n) {
                0
            } else {
                (ramp + noise) as i16
            }
        })
        .collect()
}

fn assert_near(got: f64, wanted: f64, relative: f64) {
    assert!(
        (got - wanted).abs() <= relative * wanted.abs(),
        "{got} {wanted}"
    );
}

#[test]
fn the_sound_is_the_recorded_one() {
    let sound = sound();
    assert_eq!(sound[..6], [11_960, 11_704, 11_475, 11_040, 10_951, 10_500]);
    assert_eq!(sound.iter().map(|s| i64::from(*s)).sum::<i64>(), 22_028_786);
}

#[test]
fn the_voice_set_is_praats() {
    let samples = sound();
    for form in [Form::Reference, Form::Fast] {
        let pitch = Pitch::analyse(&samples, form);
        let voiced: Vec<f64> = pitch
            .frames()
            .iter()
            .filter(|f| f.is_voiced())
            .map(|f| f.f0_hz)
            .collect();
        assert_eq!((pitch.frames().len(), voiced.len()), (97, 86));
        let mean = voiced.iter().sum::<f64>() / 86.0;
        assert_near(mean, 200.067_943_613_723_74, 1e-8);
        let hnr = mean_harmonics_to_noise_db(&pitch, 0.0, 1.0).unwrap();
        assert_near(hnr, 13.079_534_214_501_571, 1e-8);
        let pulses = find_pulses(&samples, &pitch);
        assert_eq!(pulses.times_s().len(), 172);
        let window = PulseWindow::new(pulses.times_s(), 0.0, 1.0);
        assert_near(
            jitter_local(&window).unwrap(),
            0.016_560_341_886_782_848,
            1e-8,
        );
        assert_near(
            shimmer_local(&window, &unit_from_s16(&samples)).unwrap(),
            0.016_612_218_864_290_054,
            1e-8,
        );
    }
}

/// Half a second that a person speaks.
fn speech() -> Vec<i16> {
    let bytes = include_bytes!("../../tests/fixtures/voice/excerpt_16khz.s16");
    let pairs = bytes.as_chunks::<2>().0.iter();
    pairs.map(|pair| i16::from_le_bytes(*pair)).collect()
}

#[test]
fn pulses_of_real_speech_are_praats() {
    let samples = speech();
    let pitch = Pitch::analyse(&samples, Form::Fast);
    let voiced = pitch.frames().iter().filter(|f| f.is_voiced()).count();
    assert_eq!((pitch.frames().len(), voiced), (56, 51));
    let pulses = find_pulses(&samples, &pitch);
    let times = pulses.times_s();
    assert_eq!(times.len(), 111);
    assert_near(times[0], 0.018_126_912_410_606_835, 1e-9);
    assert_near(times[110], 0.525_624_867_977_282_7, 1e-9);
    assert_near(times.iter().sum(), 29.685_271_812_398_03, 1e-9);
    let window = PulseWindow::new(times, 0.0, 1.0);
    assert_near(
        jitter_local(&window).unwrap(),
        0.009_132_618_584_831_382,
        1e-7,
    );
    assert_near(
        shimmer_local(&window, &unit_from_s16(&samples)).unwrap(),
        0.248_479_656_471_752_66,
        1e-7,
    );
    let hnr = mean_harmonics_to_noise_db(&pitch, 0.0, 1.0).unwrap();
    assert_near(hnr, 10.315_660_713_611_326, 1e-7);
}

#[test]
fn a_whole_stretch_tells_its_hnr_only_when_it_tells_its_pitch() {
    let twice = [sound(), sound()].concat();
    let measure = measure_span(&twice, MeasureSettings::default());
    assert!(measure.f0_valid && measure.hnr_db.is_some_and(|db| (12.0..14.0).contains(&db)));
    let short = measure_span(&sound(), MeasureSettings::default());
    assert_eq!((short.f0_valid, short.hnr_db), (false, None));
}

#[test]
fn intensity_is_praats() {
    for (lowest_pitch_hz, count, first_s, wanted) in [
        (
            75.0,
            86,
            0.046_666_666_666_666_61,
            &[
                (0, 77.984_711_251_110_98),
                (20, 68.984_726_022_146_67),
                (30, 71.793_756_167_074_4),
                (50, 77.988_530_492_028_22),
                (85, 77.955_655_180_934_3),
            ][..],
        ),
        (
            100.0,
            117,
            0.036,
            &[
                (0, 77.990_907_326_741_38),
                (7, 77.987_431_586_065_07),
                (60, 77.964_037_113_859_05),
            ],
        ),
    ] {
        let frames = intensity_frames(&sound(), lowest_pitch_hz).unwrap();
        assert_eq!(frames.len(), count);
        assert!((frames[0].time_s - first_s).abs() < 1e-12);
        for (frame, db) in wanted {
            assert!(
                (frames[*frame].db.unwrap() - db).abs() < 1e-5,
                "{lowest_pitch_hz} Hz, {frame}: {:?} {db}",
                frames[*frame]
            );
        }
    }
}

#[test]
fn the_mel_rows_are_those_of_whispers_filters() {
    let rows = MelSpectrogram::new().rows(&sound()).unwrap();
    assert_eq!(rows.len(), 100);
    for (row, band, wanted) in [
        (0, 0, 1.133_455_2),
        (0, 79, 0.288_909_33),
        (10, 5, 1.174_955_8),
        (30, 40, -0.783_317_9),
        (50, 20, 0.768_418_2),
        (99, 79, 0.445_609_18),
        (99, 3, 1.073_744_4_f32),
    ] {
        let got = rows[row][band];
        assert!((got - wanted).abs() < 1e-5, "{row} {band}: {got} {wanted}");
    }
    let sum: f64 = rows.iter().flatten().map(|v| f64::from(*v)).sum();
    assert!((sum - 3_421.455_306_577_617_6).abs() < 1e-2, "{sum}");
}

#[test]
fn silence_a_single_sample_and_clipping_are_told_apart() {
    let settings = MeasureSettings::default();
    let (zeros, flat) = (vec![0; 48_000], vec![-7; 48_000]);
    for nothing in [&[][..], &[12_345], &zeros, &flat] {
        let measure = measure_span(nothing, settings);
        let numbers = [
            measure.f0_mean_hz,
            measure.jitter,
            measure.shimmer,
            measure.hnr_db,
        ];
        assert_eq!(numbers, [None; 4]);
        assert!(!measure.f0_valid && !measure.perturbation_valid && measure.coverage_s == 0.0);
    }
    // Clipped to a square wave it is still 200 Hz, and shimmer all but vanishes.
    let clipped: Vec<i16> = sound()
        .repeat(2)
        .into_iter()
        .map(|s| match s {
            0 => 0,
            s if s > 0 => i16::MAX,
            _ => i16::MIN,
        })
        .collect();
    let measure = measure_span(&clipped, settings);
    assert!(measure.f0_valid && measure.perturbation_valid);
    assert!(
        measure
            .f0_mean_hz
            .is_some_and(|f0| (f0 - 200.0).abs() < 1.0)
    );
}

#[test]
fn ten_minutes_are_measured_like_ten_seconds() {
    let long = sound().repeat(600);
    let measure = measure_span(&long, MeasureSettings::default());
    let short = measure_span(&long[..160_000], MeasureSettings::default());
    assert!(measure.f0_valid && measure.perturbation_valid);
    assert!((measure.f0_mean_hz.unwrap() - short.f0_mean_hz.unwrap()).abs() < 0.5);
    assert!((measure.coverage_s / 60.0 - short.coverage_s).abs() < 0.2);
}

#[test]
fn the_spectrum_of_real_speech_does_not_doubt_its_pitch() {
    let pitch = Pitch::analyse(&speech(), Form::Fast);
    let voiced = || pitch.frames().iter().filter(|f| f.is_voiced());
    assert_eq!(
        (
            voiced().count(),
            voiced().filter(|f| f.harmonic > 1).count()
        ),
        (51, 0)
    );
}

#[test]
fn a_window_tells_how_long_its_pitch_is_too_low() {
    let tone = |hz: f64| -> Vec<i16> {
        let sample = |n: i32| (f64::from(n) / 16_000.0 * hz * std::f64::consts::TAU).sin();
        (0..32_000).map(|n| (9000.0 * sample(n)) as i16).collect()
    };
    let high = measure_span(&tone(700.0), MeasureSettings::default());
    assert!((high.f0_mean_hz.unwrap() - 350.0).abs() < 0.1, "{high:?}");
    assert!(high.subharmonic_s > 1.9, "{high:?}");
    let right = measure_span(&tone(500.0), MeasureSettings::default());
    assert!((right.f0_mean_hz.unwrap() - 500.0).abs() < 0.1, "{right:?}");
    assert_eq!(
        right.subharmonic_s.to_bits(),
        0.0_f64.to_bits(),
        "{right:?}"
    );
}
