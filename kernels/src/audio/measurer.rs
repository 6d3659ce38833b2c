//! Segments measured with a device's help: the correlations there, every decision here in `f64`.

use std::sync::{Arc, Mutex};

use lsie_device::{Device, DeviceError, DeviceKind};
use lsie_schemas::contract::AcousticMetrics;

use super::measure::{MeasureSettings, WindowMeasure, measure_pulses, measure_span_pulses};
use super::pitch::{Form, FrameBatch, Pitch, PitchStream, SharedFrameBatch};
use super::pulse::{Pulses, find_pulses, find_pulses_on};
use crate::error::KernelError;
use crate::pulse::{MAX_SAMPLES, PeriodMatcher};

/// Measures segments of one session. Frames of pitch are correlated and transformed on its device in `f32`, stretches around pulses in whole numbers;
/// without a device everything is computed on the processor.
///
/// On a device F0 is within 0.05 Hz of the processor's, jitter within 0.0005 and shimmer within 0.005; pulses of the same pitch are the
/// same bits. Should the device fail, the processor goes on ([`SegmentMeasurer::take_fault`]).
#[derive(Debug, Default)]
pub struct SegmentMeasurer {
    device: Option<DeviceSide>,
    fault: Option<KernelError>,
}

#[derive(Debug)]
struct DeviceSide {
    batch: SharedFrameBatch,
    matcher: PeriodMatcher,
}

impl DeviceSide {
    fn new(device: &dyn Device) -> Result<Self, DeviceError> {
        Ok(DeviceSide {
            batch: Arc::new(Mutex::new(FrameBatch::new(device)?)),
            matcher: PeriodMatcher::new(device)?,
        })
    }
}

impl SegmentMeasurer {
    /// With the help of `device`, unless that is the processor.
    pub fn on(device: &dyn Device) -> Self {
        let mut measurer = SegmentMeasurer::default();
        if device.info().kind != DeviceKind::Cpu {
            match DeviceSide::new(device) {
                Ok(side) => measurer.device = Some(side),
                Err(error) => measurer.fault = Some(error.into()),
            }
        }
        measurer
    }

    /// Why the processor measures alone from now on; told once.
    pub fn take_fault(&mut self) -> Option<KernelError> {
        self.fault.take()
    }

    /// As [`measure_segment`].
    pub fn segment(
        &mut self,
        samples: &[i16],
        segment_start_s: f64,
        stimulus_time_s: Option<f64>,
        settings: MeasureSettings,
    ) -> AcousticMetrics {
        let is_usable = segment_start_s.is_finite() && stimulus_time_s.is_some_and(f64::is_finite);
        if !is_usable {
            return AcousticMetrics::default();
        }
        let pitch = self.pitch(samples, settings.form);
        let pulses = self.pulses(samples, &pitch);
        let parts = (samples, &pitch, &pulses);
        measure_pulses(parts, segment_start_s, stimulus_time_s, settings)
    }

    /// As [`measure_span`].
    pub fn span(&mut self, samples: &[i16], settings: MeasureSettings) -> WindowMeasure {
        let pitch = self.pitch(samples, settings.form);
        let pulses = self.pulses(samples, &pitch);
        measure_span_pulses((samples, &pitch, &pulses), settings)
    }

    fn pitch(&mut self, samples: &[i16], form: Form) -> Pitch {
        let batch = self.device.as_ref().map(|side| Arc::clone(&side.batch));
        let mut stream = PitchStream::on(samples.len(), form, batch);
        stream.push(samples);
        if let Some(error) = stream.fault() {
            self.fault = Some(error.clone());
            self.device = None;
        }
        // Nothing is missing: the stream has the length of the samples.
        stream
            .finish()
            .unwrap_or_else(|_| Pitch::analyse(samples, form))
    }

    fn pulses(&mut self, samples: &[i16], pitch: &Pitch) -> Pulses {
        let side = self
            .device
            .as_mut()
            .filter(|_| samples.len() <= MAX_SAMPLES);
        let found = side.map(|side| find_pulses_on(&mut side.matcher, samples, pitch));
        match found {
            Some(Ok(pulses)) => return pulses,
            Some(Err(error)) => (self.device, self.fault) = (None, Some(error)),
            None => {}
        }
        find_pulses(samples, pitch)
    }
}

/// Measures a whole segment that starts at epoch seconds `segment_start_s`. Without a stimulus nothing is computed and
/// the result is the default.
#[must_use]
pub fn measure_segment(
    samples: &[i16],
    segment_start_s: f64,
    stimulus_time_s: Option<f64>,
    settings: MeasureSettings,
) -> AcousticMetrics {
    SegmentMeasurer::default().segment(samples, segment_start_s, stimulus_time_s, settings)
}

/// Measures a whole stretch of sound as one window, without a stimulus: for tables of recordings. Rules of math 10.6.
#[must_use]
pub fn measure_span(samples: &[i16], settings: MeasureSettings) -> WindowMeasure {
    SegmentMeasurer::default().span(samples, settings)
}
