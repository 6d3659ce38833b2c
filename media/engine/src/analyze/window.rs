//! Windows of 30 s of media time: what their frames and their sound say together.

use std::collections::BTreeMap;

use lsie_analysis::face::UnitSummary;
use lsie_analysis::voice::VoiceHistory;
use lsie_device::Device;
use lsie_kernels::audio::{MeasureSettings, SegmentMeasurer, WindowMeasure};
use lsie_schemas::link::VoiceSummary;
use lsie_schemas::observation::{ActionUnit, UnitStatistics};

use super::row::FrameRow;
use crate::sound::SoundChunk;

/// Length of a window, seconds.
pub const WINDOW_SECS: i64 = 30;
const WINDOW_NS: i64 = WINDOW_SECS * 1_000_000_000;
const RATE_HZ: i64 = 16_000;
const WINDOW_SAMPLES: usize = (WINDOW_SECS * RATE_HZ) as usize;

/// One window. Acoustics follow math 10.6 over the whole window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WindowRow {
    /// Number, from 0.
    pub window: i64,
    /// Start, seconds of media time.
    pub start_s: f64,
    /// End, seconds of media time.
    pub end_s: f64,
    /// Rows of frames.
    pub frames: i64,
    /// Of them with a face.
    pub frames_measured: i64,
    /// Of them with a score.
    pub frames_scored: i64,
    /// Mean score.
    pub au12_mean: Option<f64>,
    /// 90th percentile of the score (math 1.6).
    pub au12_p90: Option<f64>,
    /// Statistics of the other action units that were scored.
    pub units: Vec<UnitStatistics>,
    /// Blink rate at the last frame that had one.
    pub blinks_per_min: Option<f64>,
    /// Most frequent reason for a missing score.
    pub main_absence: Option<&'static str>,
    /// Seconds of sound.
    pub sound_s: f64,
    /// Pitch, jitter and shimmer; `None` without sound.
    pub acoustic: Option<WindowMeasure>,
    /// Speech and level; `None` without sound.
    pub voice: Option<VoiceSummary>,
}

/// Gathers the windows of one file. Of pictures only scores are kept, of sound one window at a time.
#[derive(Default)]
pub(super) struct Windows {
    pictures: BTreeMap<i64, Pictures>,
    sounds: BTreeMap<i64, Sound>,
    samples: Vec<i16>,
    voice: VoiceHistory,
    measurer: SegmentMeasurer,
    unit_summary: UnitSummary,
    /// Window that `samples` belong to.
    open: Option<i64>,
}

#[derive(Default)]
struct Pictures {
    frames: i64,
    measured: i64,
    scores: Vec<f64>,
    units: BTreeMap<ActionUnit, Vec<f32>>,
    absent: BTreeMap<&'static str, i64>,
    blinks_per_min: Option<f64>,
    last_ns: i64,
}

struct Sound {
    samples: usize,
    acoustic: WindowMeasure,
    voice: Option<VoiceSummary>,
}

impl Windows {
    /// Sound is measured and action units are summarised on `device`, or on the processor once that fails.
    pub(super) fn on(device: &dyn Device) -> Self {
        Self {
            measurer: SegmentMeasurer::on(device),
            unit_summary: UnitSummary::on(device),
            ..Self::default()
        }
    }

    pub(super) fn frame(&mut self, row: &FrameRow) {
        let window = self
            .pictures
            .entry(row.pts_ns.div_euclid(WINDOW_NS))
            .or_default();
        window.frames += 1;
        window.measured += i64::from(row.face_id.is_some());
        window.scores.extend(row.au12_score);
        for (unit, score) in row.units.scores().scores() {
            let scores = window.units.entry(unit).or_default();
            scores.extend(score.map(|score| score as f32));
        }
        if let Some(reason) = row.absent {
            *window.absent.entry(reason).or_default() += 1;
        }
        window.blinks_per_min = row.units.blinks_per_min.ok().or(window.blinks_per_min);
        window.last_ns = window.last_ns.max(row.pts_ns);
    }

    /// Puts samples at their time; what is missing between two chunks is silence. Samples from `limit_ns` on are left out.
    pub(super) fn sound(&mut self, chunk: &SoundChunk, limit_ns: i64) {
        for observation in &chunk.voice {
            self.voice.push(*observation);
        }
        let first = sample_of(chunk.pts_ns.max(0));
        let limit = sample_of(limit_ns);
        for (sample, at) in chunk.samples.iter().zip(first..limit) {
            let window = at / WINDOW_SAMPLES as u64;
            let window = i64::try_from(window).unwrap_or(i64::MAX);
            if self.open != Some(window) {
                self.close();
                self.open = Some(window);
            }
            let place = (at % WINDOW_SAMPLES as u64) as usize;
            if place >= self.samples.len() {
                self.samples.resize(place, 0);
                self.samples.push(*sample);
            }
        }
    }

    /// Measures the sound of the open window.
    fn close(&mut self) {
        let Some(window) = self.open else { return };
        let (start_ns, samples) = (window.saturating_mul(WINDOW_NS), self.samples.len());
        let sound = Sound {
            samples,
            acoustic: self
                .measurer
                .span(&self.samples, MeasureSettings::default()),
            voice: self
                .voice
                .summary(start_ns, start_ns.saturating_add(WINDOW_NS)),
        };
        if let Some(error) = self.measurer.take_fault() {
            tracing::warn!(%error, "windows are measured on the processor from now on");
        }
        self.sounds.insert(window, sound);
        self.samples.clear();
    }

    /// All windows in order of time.
    pub(super) fn finish(mut self) -> Vec<WindowRow> {
        self.close();
        let mut units = self.summarise_units();
        let mut numbers: Vec<i64> = self
            .pictures
            .keys()
            .chain(self.sounds.keys())
            .copied()
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        let rows = numbers.into_iter().map(|number| {
            let units = units.remove(&number).unwrap_or_default();
            WindowRow {
                units,
                ..self.row(number)
            }
        });
        rows.collect()
    }

    /// The action units of every window.
    fn summarise_units(&mut self) -> BTreeMap<i64, Vec<UnitStatistics>> {
        let windows = self.pictures.iter();
        let rows = windows.flat_map(|(number, pictures)| {
            let units = pictures.units.iter();
            units.map(move |(unit, scores)| (*number, (*unit, scores.as_slice())))
        });
        let all = self
            .unit_summary
            .summarise(rows.clone().map(|(_, row)| row));
        let mut told = BTreeMap::<i64, Vec<UnitStatistics>>::new();
        for ((number, _), statistics) in rows.zip(all) {
            told.entry(number).or_default().extend(statistics);
        }
        told
    }

    fn row(&mut self, window: i64) -> WindowRow {
        let start_s = (window * WINDOW_SECS) as f64;
        let mut row = WindowRow {
            window,
            start_s,
            end_s: start_s,
            ..WindowRow::default()
        };
        if let Some(pictures) = self.pictures.remove(&window) {
            row.end_s = row.end_s.max(pictures.last_ns as f64 / 1e9);
            row.frames = pictures.frames;
            row.frames_measured = pictures.measured;
            row.frames_scored = i64::try_from(pictures.scores.len()).unwrap_or(i64::MAX);
            row.blinks_per_min = pictures.blinks_per_min;
            let most = pictures.absent.iter().max_by_key(|(_, count)| **count);
            row.main_absence = most.map(|(reason, _)| *reason);
            let mut scores = pictures.scores;
            if !scores.is_empty() {
                row.au12_mean = Some(scores.iter().sum::<f64>() / scores.len() as f64);
            }
            scores.sort_by(f64::total_cmp);
            row.au12_p90 = percentile_90(&scores);
        }
        if let Some(sound) = self.sounds.remove(&window) {
            row.sound_s = sound.samples as f64 / RATE_HZ as f64;
            row.end_s = row.end_s.max(start_s + row.sound_s);
            row.acoustic = Some(sound.acoustic);
            row.voice = sound.voice;
        }
        row
    }
}

/// Number of the 16 kHz sample at a time that is not negative.
fn sample_of(pts_ns: i64) -> u64 {
    let sample = (i128::from(pts_ns) * i128::from(RATE_HZ) + 500_000_000) / 1_000_000_000;
    u64::try_from(sample).unwrap_or(0)
}

/// Math 1.6 for p = 90; `sorted` ascending.
fn percentile_90(sorted: &[f64]) -> Option<f64> {
    let h = sorted.len().checked_sub(1)? as f64 * 90.0 / 100.0;
    let (i, g) = (h.floor() as usize, h - h.floor());
    let low = *sorted.get(i)?;
    let Some(high) = sorted.get(i + 1) else {
        return Some(low);
    };
    Some(if g < 0.5 {
        low + g * (high - low)
    } else {
        high - (high - low) * (1.0 - g)
    })
}
