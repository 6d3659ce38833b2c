//! A device that fails in the middle of sound: the processor goes on, and nothing that was said is lost or said twice.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lsie_device::{DeviceError, DeviceKind, Executor, ExecutorDevice, Job};
use lsie_kernels::audio::{
    MeasureSettings, Resampler, SegmentMeasurer, WindowMeasure, measure_span,
};
use lsie_tests::cuda_host::{CudaHost, Flavour};

/// Runs so many launches and no more.
#[derive(Debug)]
struct Failing {
    host: Arc<CudaHost>,
    left: AtomicUsize,
}

impl Executor for Failing {
    fn run(&self, job: &mut Job) -> Result<(), DeviceError> {
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        match taken {
            Ok(_) => self.host.run(job),
            Err(_) => Err(DeviceError::Lost {
                kind: DeviceKind::Cuda,
                detail: "pulled out".to_owned(),
            }),
        }
    }
}

fn device(launches: usize) -> ExecutorDevice {
    let failing = Failing {
        host: CudaHost::new(Flavour::Plain).unwrap(),
        left: AtomicUsize::new(launches),
    };
    ExecutorDevice::new(DeviceKind::Cuda, "failing", Arc::new(failing))
}

/// A buzz whose pitch wanders, with pauses.
fn voice(secs: f64) -> Vec<i16> {
    let count = (secs * 16_000.0) as usize;
    let mut phase: f64 = 0.0;
    (0..count)
        .map(|n| {
            let secs = n as f64 / 16_000.0;
            phase += (140.0 + 20.0 * (secs * 2.0).sin()) / 16_000.0;
            let is_voiced = secs % 1.3 < 1.1;
            let ring = (phase.fract() * 9.0).sin() * (-phase.fract() * 4.0).exp();
            (if is_voiced { 12_000.0 * ring } else { 0.0 }) as i16
        })
        .collect()
}

#[test]
fn resampled_sound_has_no_hole_where_the_device_failed() {
    let sound: Vec<f32> = (0..12_000)
        .map(|n| 0.7 * (n as f32 * 0.05).sin() + 0.2 * (n as f32 * 0.31).sin())
        .collect();
    for launches in [0, 1, 7] {
        let mut there = Resampler::on(&device(launches), 48_000, 1).unwrap();
        let mut here = Resampler::new(48_000, 1).unwrap();
        let (mut got, mut wanted, mut faults) = (Vec::new(), Vec::new(), 0);
        let mut alone_from = None;
        for block in sound.chunks(480) {
            let before = wanted.len();
            there.push(block, &mut got);
            here.push(block, &mut wanted);
            if there.take_fault().is_some() {
                faults += 1;
                alone_from = Some(before);
            }
        }
        there.finish(&mut got);
        here.finish(&mut wanted);
        assert_eq!(faults, 1, "a fault is told once");
        assert_eq!(got.len(), wanted.len());
        let alone_from = alone_from.unwrap();
        assert_eq!(got[alone_from..], wanted[alone_from..], "{launches}");
        let worst = got.iter().zip(&wanted).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(1), "{worst:?}");
    }
}

#[test]
fn a_segment_is_measured_whenever_its_device_fails() {
    let samples = voice(2.5);
    let settings = MeasureSettings::default();
    let wanted = measure_span(&samples, settings);
    assert!(wanted.perturbation_valid, "{wanted:?}");
    let measured = |launches: usize| -> (WindowMeasure, bool) {
        let mut measurer = SegmentMeasurer::on(&device(launches));
        let first = measurer.span(&samples, settings);
        let has_failed = measurer.take_fault().is_some();
        assert!(measurer.take_fault().is_none(), "a fault is told once");
        if has_failed {
            let again = measurer.span(&samples, settings);
            assert_eq!(again, wanted, "the processor measures alone");
            assert!(measurer.take_fault().is_none());
        }
        (first, has_failed)
    };
    let (whole, has_failed) = measured(usize::MAX);
    assert!(!has_failed);
    assert_eq!(measured(0), (wanted, true));
    // Frames that the device has correlated stay.
    let (early, has_failed) = measured(2);
    assert!(has_failed && early.perturbation_valid);
    assert_eq!(early.coverage_s, wanted.coverage_s);
    // The pitch is the device's, the pulses are the same bits wherever their products were summed.
    assert_eq!(measured(12), (whole, true));
}
