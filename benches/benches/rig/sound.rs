//! The kernels of sound with their arguments.

use std::hint::black_box;

use anyhow::Result;
use lsie_device::{Buffer, Device, Stream};
use lsie_kernels::resample::{self, Filter, Row};
use lsie_kernels::{KernelError, correlate, pulse, stft};

use super::kernel::{FRAME_STEP, PERIOD, SHIFTS, VOICE_SAMPLES, VOICES};

/// Arguments of the kernels of sound.
pub(super) struct Sound {
    filter: Filter,
    samples: (Vec<f64>, Buffer),
    filter_table: Buffer,
    rows: Vec<Row>,
    resampled: Buffer,
    pitch_tables: Buffer,
    spectrum_tables: Buffer,
    frames: Vec<u32>,
    correlations: Buffer,
    spectra: Buffer,
    whole: (Vec<i16>, Buffer),
    stretches: Vec<pulse::Row>,
    products: Buffer,
}

impl Sound {
    pub(super) fn new(
        device: &dyn Device,
        stream: &Stream,
        numbers: &mut impl FnMut(usize, f32) -> Vec<f32>,
    ) -> Result<Self> {
        let filter = Filter::new(48_000)?;
        let span = resample::Shape::of(&filter).span(0, VOICE_SAMPLES as u32);
        let samples = numbers(VOICES * span, 1.0);
        let mut buffer = device.alloc(size_of_val(samples.as_slice()), "samples")?;
        buffer.upload(stream, 0, bytemuck::cast_slice(&samples))?;
        let rows = (0..VOICES).map(|voice| Row {
            first: (voice * span) as u32,
            phase: 0,
            count: VOICE_SAMPLES as u32,
            out: (voice * VOICE_SAMPLES) as u32,
        });
        let frames = (0..stft::MAX_FRAMES).map(|frame| (frame * FRAME_STEP) as u32);
        let whole: Vec<i16> = samples.iter().map(|x| (x * 20_000.0) as i16).collect();
        let mut whole_there = device.alloc(2 * whole.len(), "whole samples")?;
        whole_there.upload(stream, 0, bytemuck::cast_slice(&whole))?;
        let stretches = (0..pulse::MAX_ROWS as u32).map(|number| pulse::Row {
            first: 150 * number,
            length: PERIOD,
            from: 150 * number + PERIOD * 4 / 5,
            shifts: SHIFTS,
        });
        let rows_bytes = 4 * stft::MAX_FRAMES * correlate::LAGS;
        Ok(Sound {
            samples: (samples.iter().map(|x| f64::from(*x)).collect(), buffer),
            filter_table: resample::upload_table(device, stream, &filter)?,
            filter,
            rows: rows.collect(),
            resampled: device.alloc(4 * VOICES * VOICE_SAMPLES, "resampled")?,
            pitch_tables: correlate::upload_tables(device, stream)?,
            spectrum_tables: stft::upload_tables(device, stream)?,
            frames: frames.collect(),
            whole: (whole, whole_there),
            stretches: stretches.collect(),
            products: device.alloc(8 * pulse::MAX_ROWS * pulse::MAX_SHIFTS, "products")?,
            correlations: device.alloc(rows_bytes, "correlations")?,
            spectra: device.alloc(4 * stft::MAX_FRAMES * stft::ROW, "spectra")?,
        })
    }

    pub(super) fn resample(&mut self, stream: &Stream) -> Result<(), KernelError> {
        let shape = resample::Shape::of(&self.filter);
        let (samples, table) = (&self.samples.1, &self.filter_table);
        resample::launch(
            stream,
            samples,
            table,
            shape,
            &self.rows,
            &mut self.resampled,
        )
    }

    pub(super) fn resample_by_reference(&self) {
        for row in &self.rows {
            for number in 0..VOICE_SAMPLES {
                let window = [row.first as usize, row.phase as usize];
                let samples = &self.samples.0;
                black_box(resample::reference::output(
                    samples,
                    &self.filter,
                    window,
                    number,
                ));
            }
        }
    }

    pub(super) fn pulse(&mut self, stream: &Stream) -> Result<(), KernelError> {
        pulse::launch(stream, &self.whole.1, &self.stretches, &mut self.products)
    }

    pub(super) fn pulse_by_reference(&self) {
        for row in &self.stretches {
            for from in row.from..row.from + row.shifts {
                let (first, length) = (row.first as usize, row.length as usize);
                black_box(pulse::reference::product(
                    &self.whole.0,
                    first,
                    from as usize,
                    length,
                ));
            }
        }
    }

    pub(super) fn correlate(&mut self, stream: &Stream) -> Result<(), KernelError> {
        let (spectra, tables) = (&self.spectra, &self.pitch_tables);
        let out = &mut self.correlations;
        correlate::launch(stream, spectra, tables, stft::MAX_FRAMES, out)
    }

    pub(super) fn spectrum(&mut self, stream: &Stream) -> Result<(), KernelError> {
        let (samples, tables) = (&self.samples.1, &self.spectrum_tables);
        stft::launch(stream, samples, tables, &self.frames, &mut self.spectra)
    }

    pub(super) fn spectrum_by_reference(&self) {
        for start in &self.frames {
            black_box(stft::reference::spectrum(&self.samples.0, *start as usize));
        }
    }
}
