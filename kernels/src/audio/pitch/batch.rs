//! Frames of a stream of sound on a device: one upload, their correlations and their spectra, one wait.

use lsie_device::{Buffer, Device, DeviceError, Read, Stream};

use crate::correlate::{self, MAX_FRAMES, ROW, WINDOW};
use crate::error::KernelError;
use crate::stft::{self, BINS};

/// Most samples between the first and the last window of a batch.
const MAX_SPAN: usize = MAX_FRAMES * 161;

/// Correlates and transforms frames on one device. Allocates when made, not per batch.
#[derive(Debug)]
pub struct FrameBatch {
    stream: Stream,
    samples: Buffer,
    correlate_tables: Buffer,
    stft_tables: Buffer,
    correlations: Buffer,
    spectra: Buffer,
    staged: Vec<f32>,
    starts: Vec<u32>,
    rows: Vec<f32>,
    powers: Vec<f32>,
}

impl FrameBatch {
    /// Allocates for the largest batch.
    pub fn new(device: &dyn Device) -> Result<Self, DeviceError> {
        let stream = device.stream("pitch")?;
        let floats = |count: usize, label| device.alloc(count * size_of::<f32>(), label);
        Ok(FrameBatch {
            samples: floats(MAX_SPAN + WINDOW, "pitch samples")?,
            correlate_tables: correlate::upload_tables(device, &stream)?,
            stft_tables: stft::upload_tables(device, &stream)?,
            correlations: floats(MAX_FRAMES * ROW, "pitch rows")?,
            spectra: floats(MAX_FRAMES * BINS, "pitch spectra")?,
            staged: Vec::with_capacity(MAX_SPAN + WINDOW),
            starts: Vec::with_capacity(MAX_FRAMES),
            rows: vec![0.0; MAX_FRAMES * ROW],
            powers: vec![0.0; MAX_FRAMES * BINS],
            stream,
        })
    }

    /// How many of the windows at `starts`, ascending, one batch takes.
    pub fn batch_of(starts: &[usize]) -> usize {
        let first = starts.first().copied().unwrap_or(0);
        let within = starts.iter().take(MAX_FRAMES);
        within
            .take_while(|start| (first..=first + MAX_SPAN).contains(start))
            .count()
    }

    /// Correlations ([`ROW`] numbers) and powers ([`BINS`] numbers) of each frame whose window begins at one of `starts`, which must be
    /// one batch and lie within `samples`.
    pub fn run(
        &mut self,
        samples: &[f64],
        starts: &[usize],
    ) -> Result<impl Iterator<Item = (&[f32], &[f32])>, KernelError> {
        let outside = KernelError::OutOfRange {
            what: "pitch frames",
        };
        if Self::batch_of(starts) < starts.len() {
            return Err(outside);
        }
        let (rows, powers) = (
            self.rows.get_mut(..starts.len() * ROW).unwrap_or_default(),
            self.powers
                .get_mut(..starts.len() * BINS)
                .unwrap_or_default(),
        );
        if let (Some(first), Some(last)) = (starts.first(), starts.last()) {
            let span = samples.get(*first..*last + WINDOW).ok_or(outside)?;
            self.staged.clear();
            self.staged.extend(span.iter().map(|sample| *sample as f32));
            self.starts.clear();
            self.starts
                .extend(starts.iter().map(|start| (start - first) as u32));
            let (stream, samples, starts) = (&self.stream, &mut self.samples, &self.starts);
            samples.upload(stream, 0, bytemuck::cast_slice(&self.staged))?;
            let out = &mut self.correlations;
            correlate::launch(stream, samples, &self.correlate_tables, starts, out)?;
            stft::launch(
                stream,
                samples,
                &self.stft_tables,
                starts,
                &mut self.spectra,
            )?;
            stream.read(&mut [
                Read::of(&self.correlations, rows),
                Read::of(&self.spectra, powers),
            ])?;
        }
        Ok(rows.chunks_exact(ROW).zip(powers.chunks_exact(BINS)))
    }
}
