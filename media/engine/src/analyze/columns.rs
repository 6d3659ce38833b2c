//! The columns of the tables: one list that every writer and the data dictionary read.

use lsie_analysis::face::{UnitAbsent, UnitReading};
use lsie_schemas::observation::{ActionUnit, UnitStatistics};

use super::row::FrameRow;
use super::window::WindowRow;

/// One cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A whole number.
    Int(Option<i64>),
    /// A number; never NaN or infinite.
    Real(Option<f64>),
    /// Yes or no.
    Flag(bool),
    /// One of a few words.
    Word(Option<&'static str>),
}

/// A column: what it is called, what it means, and how it is read from a row.
pub struct ColumnHelp<R: 'static> {
    /// Name in the table.
    pub name: &'static str,
    /// Unit, empty for none.
    pub unit: &'static str,
    /// One sentence for the data dictionary.
    pub words: &'static str,
    /// Reads the cell.
    pub read: fn(&R) -> Value,
}

fn real(value: Option<f64>) -> Value {
    Value::Real(value.filter(|value| value.is_finite()))
}

fn unit(reading: UnitReading) -> Value {
    real(reading.ok())
}

fn pose(row: &FrameRow, axis: usize) -> Value {
    let angle = row.pose_deg.and_then(|pose| pose.get(axis).copied());
    real(angle.map(f64::from))
}

fn of_unit(row: &WindowRow, unit: ActionUnit, number: fn(&UnitStatistics) -> f32) -> Value {
    let statistics = row.units.iter().find(|of| of.unit == unit);
    real(statistics.map(|of| f64::from(number(of))))
}

macro_rules! columns {
    ($($name:literal, $unit:literal, $words:literal, $read:expr;)*) => {
        &[$(ColumnHelp { name: $name, unit: $unit, words: $words, read: $read }),*]
    };
}

/// Columns of the table of frames.
pub const FRAME_COLUMNS: &[ColumnHelp<FrameRow>] = columns! {
    "frame", "", "Number of the frame in the file, from 0", |r| Value::Int(i64::try_from(r.frame).ok());
    "pts_s", "s", "Media time from the start of the file", |r| real(Some(r.pts_ns as f64 / 1e9));
    "face_id", "", "Number of the followed person; another face that takes over has another number", |r| Value::Int(r.face_id.map(i64::from));
    "confidence", "0..1", "Presence probability of the landmark network", |r| real(r.confidence.map(f64::from));
    "success", "", "Whether a face was measured; rows without one stay in the table", |r| Value::Flag(r.face_id.is_some());
    "pose_pitch_deg", "deg", "Head pitch, positive looking up", |r| pose(r, 0);
    "pose_yaw_deg", "deg", "Head yaw, positive to the picture's right", |r| pose(r, 1);
    "pose_roll_deg", "deg", "Head roll, positive clockwise in the picture", |r| pose(r, 2);
    "au12_ratio", "IOD", "Mouth width over the distance of the eye middles, three dimensions", |r| real(r.au12_ratio);
    "au12_score", "0..1", "tanh(6 max(0, ratio - neutral baseline)); empty while calibrating", |r| real(r.au12_score);
    "absent", "", "Why there is no AU12 score", |r| Value::Word(r.absent);
    "au01", "0..1", "Inner brow raise; |yaw| <= 25, |pitch| <= 15", |r| unit(r.units.inner_brow);
    "au02", "0..1", "Outer brow raise; |yaw| <= 25, |pitch| <= 15", |r| unit(r.units.outer_brow);
    "au12c_ratio", "IOD", "Mouth width along the head's own axis; |yaw| <= 20, |pitch| <= 15", |r| unit(r.units.smile_ratio);
    "au12c_score", "0..1", "Smile from au12c_ratio against its own median baseline", |r| unit(r.units.smile);
    "au12_asymmetry", "-1..1", "Pull of the corner on the picture's right against the left; empty without a smile; |yaw| <= 15, |pitch| <= 10", |r| unit(r.units.smile_asymmetry);
    "au25", "0..1", "Lips part; |yaw| <= 30, |pitch| <= 20", |r| unit(r.units.lips_part);
    "au26", "0..1", "Jaw drop; |yaw| <= 25, |pitch| <= 15", |r| unit(r.units.jaw_drop);
    "au45", "0..1", "How far both eyes are shut; |yaw| <= 30, |pitch| <= 15", |r| unit(r.units.eye_closure);
    "blinks_per_min", "1/min", "Blinks over the observed part of the last minute; empty below 10 s", |r| unit(r.units.blinks_per_min);
    "au_absent", "", "Why the first of the other units without a value has none", |r| Value::Word(r.units_absent().map(UnitAbsent::code));
};

/// Columns of the table of windows.
pub const WINDOW_COLUMNS: &[ColumnHelp<WindowRow>] = columns! {
    "window", "", "Number of the 30 s window, from 0", |r| Value::Int(Some(r.window));
    "start_s", "s", "Start in media time", |r| real(Some(r.start_s));
    "end_s", "s", "End in media time; less than 30 s after the start in the last window", |r| real(Some(r.end_s));
    "frames", "", "Rows of the table of frames in the window", |r| Value::Int(Some(r.frames));
    "frames_measured", "", "Of them with a face", |r| Value::Int(Some(r.frames_measured));
    "frames_scored", "", "Of them with an AU12 score", |r| Value::Int(Some(r.frames_scored));
    "au12_mean", "0..1", "Mean AU12 score", |r| real(r.au12_mean);
    "au12_p90", "0..1", "90th percentile of the AU12 score", |r| real(r.au12_p90);
    "au01_mean", "0..1", "Mean inner brow raise", |r| of_unit(r, ActionUnit::InnerBrow, |of| of.mean);
    "au01_p90", "0..1", "90th percentile of inner brow raise", |r| of_unit(r, ActionUnit::InnerBrow, |of| of.p90);
    "au02_mean", "0..1", "Mean outer brow raise", |r| of_unit(r, ActionUnit::OuterBrow, |of| of.mean);
    "au02_p90", "0..1", "90th percentile of outer brow raise", |r| of_unit(r, ActionUnit::OuterBrow, |of| of.p90);
    "au25_mean", "0..1", "Mean lips part", |r| of_unit(r, ActionUnit::LipsPart, |of| of.mean);
    "au25_p90", "0..1", "90th percentile of lips part", |r| of_unit(r, ActionUnit::LipsPart, |of| of.p90);
    "au26_mean", "0..1", "Mean jaw drop", |r| of_unit(r, ActionUnit::JawDrop, |of| of.mean);
    "au26_p90", "0..1", "90th percentile of jaw drop", |r| of_unit(r, ActionUnit::JawDrop, |of| of.p90);
    "au45_mean", "0..1", "Mean eye closure", |r| of_unit(r, ActionUnit::EyeClosure, |of| of.mean);
    "au45_p90", "0..1", "90th percentile of eye closure", |r| of_unit(r, ActionUnit::EyeClosure, |of| of.p90);
    "blinks_per_min", "1/min", "Blink rate at the window's last measured frame", |r| real(r.blinks_per_min);
    "main_absence", "", "Most frequent reason for a missing score", |r| Value::Word(r.main_absence);
    "sound_s", "s", "Sound in the window", |r| real(Some(r.sound_s));
    "voiced_s", "s", "Voiced time", |r| real(r.acoustic.map(|a| a.coverage_s));
    "f0_valid", "", "At least 1 s voiced and 0.2 s in one piece", |r| Value::Flag(r.acoustic.is_some_and(|a| a.f0_valid));
    "f0_mean_hz", "Hz", "Mean fundamental frequency of voiced frames", |r| real(r.acoustic.and_then(|a| a.f0_mean_hz));
    "f0_subharmonic_s", "s", "Voiced time in which the spectrum says that the pitch is too low, by 2 to 5 times", |r| real(r.acoustic.map(|a| a.subharmonic_s));
    "perturbation_valid", "", "A voiced stretch gave jitter and shimmer", |r| Value::Flag(r.acoustic.is_some_and(|a| a.perturbation_valid));
    "jitter_local", "", "Jitter (local) of the longest usable voiced stretch", |r| real(r.acoustic.and_then(|a| a.jitter));
    "shimmer_local", "", "Shimmer (local) of that stretch", |r| real(r.acoustic.and_then(|a| a.shimmer));
    "hnr_db", "dB", "Mean harmonics-to-noise ratio of voiced frames", |r| real(r.acoustic.and_then(|a| a.hnr_db));
    "speech_s", "s", "Seconds judged as speech; empty without the voice model", |r| real(r.voice.and_then(|v| v.speech_s));
    "rms_dbfs", "dBFS", "Level", |r| real(r.voice.map(|v| v.rms_dbfs));
    "peak_dbfs", "dBFS", "Largest sample", |r| real(r.voice.map(|v| v.peak_dbfs));
};
