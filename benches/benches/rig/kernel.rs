//! What is measured, what it moves and what it computes.

use lsie_kernels::detect::{self, ANCHOR_COUNT, REGRESSORS_PER_ANCHOR};
use lsie_kernels::project::{self, EYE_COUNT, LANDMARK_COUNT, LIP_COUNT, MESH_COUNT};
use lsie_kernels::{correlate, pulse, resample, stft};

/// Faces of a batch.
pub(super) const FACES: usize = 64;
/// Regions of a batch of crops.
pub(super) const REGIONS: usize = 5;
/// Streams of a batch of sound, and the 16 kHz samples of each: 20 ms.
pub(super) const VOICES: usize = resample::MAX_ROWS;
pub(super) const VOICE_SAMPLES: usize = 320;
/// Samples of a stretch around a pulse, and its shifts: a voice of 130 Hz.
pub(super) const PERIOD: u32 = 124;
pub(super) const SHIFTS: u32 = 57;
/// Windows of scores: six action units of ten streams, and the frames of each.
pub(super) const WINDOWS: usize = 60;
pub(super) const WINDOW_FRAMES: usize = 1800;
/// Samples between two frames of pitch.
pub(super) const FRAME_STEP: usize = 160;

/// 5 N log2 N of 512 complex numbers.
const TRANSFORM: f64 = 5.0 * 512.0 * 9.0;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kernel {
    Crop,
    CropFive,
    Cameras,
    Tensor,
    Detect,
    Project,
    Au12,
    Pose,
    Shape,
    Statistics,
    Exposure,
    Resample,
    Correlate,
    Spectrum,
    Pulse,
}

impl Kernel {
    pub(crate) const ALL: [Kernel; 15] = [
        Kernel::Crop,
        Kernel::CropFive,
        Kernel::Cameras,
        Kernel::Tensor,
        Kernel::Detect,
        Kernel::Project,
        Kernel::Au12,
        Kernel::Pose,
        Kernel::Shape,
        Kernel::Statistics,
        Kernel::Exposure,
        Kernel::Resample,
        Kernel::Correlate,
        Kernel::Spectrum,
        Kernel::Pulse,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kernel::Crop => "crop 192x192 of 1080p",
            Kernel::CropFive => "crop 5 x 192x192 of 1080p",
            Kernel::Cameras => "five cameras, one launch: crop 192x192 of 1080p",
            Kernel::Tensor => "letterbox 128x128 of 1080p",
            Kernel::Detect => "detector decode and NMS",
            Kernel::Project => "landmark projection",
            Kernel::Au12 => "AU12 ratio, 64 faces",
            Kernel::Pose => "head pose, 64 faces",
            Kernel::Shape => "AU geometry, 64 faces",
            Kernel::Statistics => "AU statistics, 60 windows of 30 s",
            Kernel::Exposure => "exposure of 1080p",
            Kernel::Resample => "48 to 16 kHz, 32 streams of 20 ms",
            Kernel::Correlate => "pitch correlation, 64 frames",
            Kernel::Spectrum => "STFT, 64 frames",
            Kernel::Pulse => "pulse correlation, 64 stretches",
        }
    }

    /// Whether there is a reference besides the version of the `cpu` device.
    pub(crate) const fn has_own_reference(self) -> bool {
        !matches!(self, Kernel::Pose | Kernel::Correlate)
    }

    /// Bytes that must be moved once.
    pub(crate) const fn bytes(self) -> f64 {
        let side = project::INPUT_SIDE_PX as f64;
        let input = detect::INPUT_SIDE_PX as f64;
        let points = FACES as f64 * 12.0;
        match self {
            Kernel::Crop => 24.0 * side * side,
            Kernel::CropFive | Kernel::Cameras => REGIONS as f64 * 24.0 * side * side,
            Kernel::Tensor => 24.0 * input * input,
            Kernel::Detect => 4.0 * (ANCHOR_COUNT * (REGRESSORS_PER_ANCHOR + 1)) as f64 + 1088.0,
            Kernel::Project => {
                4.0 * (3 * MESH_COUNT + 2 * LIP_COUNT + 5 * EYE_COUNT) as f64 + 5736.0
            }
            Kernel::Au12 => points * 6.0 + FACES as f64 * 8.0,
            Kernel::Pose => points * 11.0 + FACES as f64 * 16.0,
            Kernel::Shape => points * 34.0 + FACES as f64 * 72.0,
            Kernel::Statistics => (WINDOWS * (4 * WINDOW_FRAMES + 32)) as f64,
            Kernel::Exposure => 5.0 * 256.0 * 144.0 + 32.0,
            Kernel::Pulse => {
                let touched = PERIOD as usize + PERIOD as usize + SHIFTS as usize - 1;
                (pulse::MAX_ROWS * (2 * touched + 8 * SHIFTS as usize)) as f64
            }
            // 303 samples before a block belong to its first window.
            Kernel::Resample => 4.0 * (VOICES * (4 * VOICE_SAMPLES + 303) + 304) as f64,
            Kernel::Correlate => {
                let frames = stft::MAX_FRAMES * (stft::ROW + correlate::LAGS);
                4.0 * (frames + 2 * stft::LENGTH + correlate::LAGS) as f64
            }
            Kernel::Spectrum => {
                let (frames, tables) = (stft::MAX_FRAMES, stft::WINDOW + 2 * stft::LENGTH);
                let samples = stft::WINDOW + (frames - 1) * FRAME_STEP;
                4.0 * (samples + tables + frames * stft::ROW) as f64
            }
        }
    }

    /// Arithmetic operations, by the formula.
    pub(crate) const fn operations(self) -> f64 {
        let side = project::INPUT_SIDE_PX as f64;
        let input = detect::INPUT_SIDE_PX as f64;
        let faces = FACES as f64;
        match self {
            Kernel::Crop => 80.0 * side * side,
            Kernel::CropFive | Kernel::Cameras => REGIONS as f64 * 80.0 * side * side,
            Kernel::Tensor => 76.0 * input * input,
            Kernel::Detect => 40.0 * ANCHOR_COUNT as f64,
            Kernel::Project => 14.0 * LANDMARK_COUNT as f64,
            Kernel::Au12 => 40.0 * faces,
            Kernel::Pose => 2600.0 * faces,
            Kernel::Shape => 500.0 * faces,
            // Sums, and the 66 steps over pairs of a sort of 2048.
            Kernel::Statistics => (WINDOWS * (5 * WINDOW_FRAMES + 66 * 1024)) as f64,
            Kernel::Exposure => 18.0 * 256.0 * 144.0,
            Kernel::Resample => 2.0 * 304.0 * (VOICES * VOICE_SAMPLES) as f64,
            Kernel::Pulse => 2.0 * (PERIOD * SHIFTS) as f64 * pulse::MAX_ROWS as f64,
            Kernel::Correlate => (TRANSFORM + 319.0 * 10.0) * stft::MAX_FRAMES as f64,
            // Windowing before the transform, bins behind.
            Kernel::Spectrum => (TRANSFORM + 1700.0 + 513.0 * 11.0) * stft::MAX_FRAMES as f64,
        }
    }
}
