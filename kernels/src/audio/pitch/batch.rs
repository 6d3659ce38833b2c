//! Frames of a stream of sound on a device: one upload, their spectra, from those their correlations, one wait.

use lsie_device::{Buffer, Device, DeviceError, Read, Stream};

use crate::correlate::{self, LAGS};
use crate::error::KernelError;
use crate::stft::{self, MAX_FRAMES, ROW, WINDOW};

/// Most samples between the first and the last window of a batch.
const MAX_SPAN: usize = MAX_FRAMES * 161;

/// Transforms and correlates frames on one device. Takes device memory when made, not per batch.
#[derive(Debug)]
pub struct FrameBatch {
    stream: Stream,
    samples: Buffer,
    stft_tables: Buffer,
    correlate_tables: Buffer,
    spectra: Buffer,
    correlations: Buffer,
    staged: Vec<f32>,
    starts: Vec<u32>,
    spectra_here: Vec<f32>,
    lags_here: Vec<f32>,
}

/// A frame as a device gives it.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeviceFrame<'a> {
    /// The largest magnitude of its middle, then the power of each bin: [`ROW`] numbers.
    pub(super) spectrum: &'a [f32],
    /// Its normalised autocorrelation from lag 1: [`LAGS`] numbers.
    pub(super) lags: &'a [f32],
}

impl FrameBatch {
    /// Allocates for the largest batch.
    pub fn new(device: &dyn Device) -> Result<Self, DeviceError> {
        let stream = device.stream("pitch")?;
        let floats = |count: usize, label| device.alloc(count * size_of::<f32>(), label);
        Ok(FrameBatch {
            samples: floats(MAX_SPAN + WINDOW, "pitch samples")?,
            stft_tables: stft::upload_tables(device, &stream)?,
            correlate_tables: correlate::upload_tables(device, &stream)?,
            spectra: floats(MAX_FRAMES * ROW, "pitch spectra")?,
            correlations: floats(MAX_FRAMES * LAGS, "pitch lags")?,
            staged: Vec::with_capacity(MAX_SPAN + WINDOW),
            starts: Vec::with_capacity(MAX_FRAMES),
            spectra_here: vec![0.0; MAX_FRAMES * ROW],
            lags_here: vec![0.0; MAX_FRAMES * LAGS],
            stream,
        })
    }

    /// How many of the windows at `starts`, ascending, one batch takes.
    pub(super) fn batch_of(starts: &[usize]) -> usize {
        let first = starts.first().copied().unwrap_or(0);
        let within = starts.iter().take(MAX_FRAMES);
        within
            .take_while(|start| (first..=first + MAX_SPAN).contains(start))
            .count()
    }

    /// The frames whose windows begin at `starts`, which must be one batch and lie within `samples`.
    pub(super) fn run(
        &mut self,
        samples: &[f64],
        starts: &[usize],
    ) -> Result<impl Iterator<Item = DeviceFrame<'_>>, KernelError> {
        let outside = KernelError::OutOfRange {
            what: "pitch frames",
        };
        let count = starts.len();
        if Self::batch_of(starts) < count {
            return Err(outside);
        }
        let spectra = self.spectra_here.get_mut(..count * ROW).unwrap_or_default();
        let lags = self.lags_here.get_mut(..count * LAGS).unwrap_or_default();
        if let (Some(first), Some(last)) = (starts.first(), starts.last()) {
            let span = samples.get(*first..*last + WINDOW).ok_or(outside)?;
            self.staged.clear();
            self.staged.extend(span.iter().map(|sample| *sample as f32));
            self.starts.clear();
            self.starts
                .extend(starts.iter().map(|start| (start - first) as u32));
            let (stream, samples, starts) = (&self.stream, &mut self.samples, &self.starts);
            samples.upload(stream, 0, bytemuck::cast_slice(&self.staged))?;
            stft::launch(
                stream,
                samples,
                &self.stft_tables,
                starts,
                &mut self.spectra,
            )?;
            let out = &mut self.correlations;
            correlate::launch(stream, &self.spectra, &self.correlate_tables, count, out)?;
            stream.read(&mut [
                Read::of(&self.spectra, spectra),
                Read::of(&self.correlations, lags),
            ])?;
        }
        let pairs = spectra.chunks_exact(ROW).zip(lags.chunks_exact(LAGS));
        Ok(pairs.map(|(spectrum, lags)| DeviceFrame { spectrum, lags }))
    }
}
