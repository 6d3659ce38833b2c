//! What the demo presenter's mouth does: a pure function of media time.
//!
//! Only the console and tests may read this; a measurement never does.

/// Length of the loop, seconds.
pub const LOOP_SECS: f64 = 60.0;
/// Neutral time at the very beginning, played once, seconds. The loop follows it.
pub const NEUTRAL_SECS: f64 = 6.0;
/// Frames per second of the demo.
pub const FPS: u32 = 30;

/// Left mouth corner (mesh point 61) in the portrait, pixels from its upper left.
pub(crate) const LEFT_CORNER_IN_PORTRAIT: [f64; 2] = [201.91, 139.47];
/// Right mouth corner (mesh point 291) in the portrait, pixels.
pub(crate) const RIGHT_CORNER_IN_PORTRAIT: [f64; 2] = [245.16, 140.84];
/// Middle of the left eye (mesh points 33 and 133) in the portrait, pixels.
pub(crate) const LEFT_EYE_IN_PORTRAIT: [f64; 2] = [204.20, 102.19];
/// Middle of the right eye (mesh points 362 and 263) in the portrait, pixels.
pub(crate) const RIGHT_EYE_IN_PORTRAIT: [f64; 2] = [246.59, 104.47];

/// How much wider the mouth becomes at `smile` = 1, in inter-ocular distances.
const FULL_WIDENING: f64 = 0.22;
/// How far the corners rise for each unit that they move outward.
const LIFT: f64 = 0.55;
/// AU12 gain (math 4.5).
const ALPHA: f64 = 6.0;

const SLOT_SECS: f64 = 3.0;
const ONSET_SECS: f64 = 0.25;
const RISE_SECS: f64 = 0.4;
const HOLD_SECS: f64 = 0.9;
/// Peak of the smile that begins in each slot of 3 s; 0 where the smile before goes on.
const PEAKS: [f64; 20] = [
    0.8, 1.0, 0.9, 0.65, 0.5, 0.5, 0.6, 0.9, 1.0, 0.75, 0.0, 0.7, 0.5, 0.45, 0.6, 0.85, 1.0, 0.6,
    0.5, 0.7,
];

/// Where the mouth corners are, relative to the portrait's own expression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truth {
    /// Offset of the left mouth corner, x to the right and y down, in inter-ocular distances.
    pub left_corner: [f64; 2],
    /// Offset of the right mouth corner, likewise.
    pub right_corner: [f64; 2],
    /// Strength of the smile, 0 neutral to 1 widest.
    pub smile: f64,
}

/// The presenter's expression at media time `t_secs`. Neutral before 6 s and for times that are not finite.
pub fn truth(t_secs: f64) -> Truth {
    let smile = smile(t_secs);
    let (axis, _) = eye_axis();
    // Up is the eye axis turned a quarter against y, which points down.
    let up = [axis[1], -axis[0]];
    let outward = smile * FULL_WIDENING / 2.0;
    let corner =
        |side: f64| [0, 1].map(|i: usize| outward * (side * pick(axis, i) + LIFT * pick(up, i)));
    Truth {
        left_corner: corner(-1.0),
        right_corner: corner(1.0),
        smile,
    }
}

/// How much wider the mouth is than in neutral, in inter-ocular distances: r − b of math 4.5, in the picture plane.
pub fn expected_au12_ratio(t_secs: f64) -> f64 {
    let truth = truth(t_secs);
    let (_, iod_px) = eye_axis();
    let place = |corner: [f64; 2], offset: [f64; 2]| {
        [0, 1].map(|i: usize| pick(corner, i) / iod_px + pick(offset, i))
    };
    let neutral = distance(
        place(LEFT_CORNER_IN_PORTRAIT, [0.0; 2]),
        place(RIGHT_CORNER_IN_PORTRAIT, [0.0; 2]),
    );
    let now = distance(
        place(LEFT_CORNER_IN_PORTRAIT, truth.left_corner),
        place(RIGHT_CORNER_IN_PORTRAIT, truth.right_corner),
    );
    now - neutral
}

/// P90 of the true AU12 score over the measurement window [t+0.5, t+5] (math 5 and 6.2) at every frame of the demo.
pub fn truth_p90(stimulus_secs: f64) -> f64 {
    if !stimulus_secs.is_finite() {
        return 0.0;
    }
    let fps = f64::from(FPS);
    let first = ((stimulus_secs + 0.5) * fps - 1e-6).ceil();
    let last = ((stimulus_secs + 5.0) * fps + 1e-6).floor();
    let count = (last - first) as usize + 1;
    let mut scores: Vec<f64> = (0..count)
        .map(|index| {
            let ratio = expected_au12_ratio((first + index as f64) / fps);
            (ALPHA * ratio.max(0.0)).tanh()
        })
        .collect();
    scores.sort_by(f64::total_cmp);
    percentile_90(&scores)
}

/// Distance of the eye middles in the portrait and the direction from left to right.
pub(crate) fn eye_axis() -> ([f64; 2], f64) {
    let [dx, dy] =
        [0, 1].map(|i: usize| pick(RIGHT_EYE_IN_PORTRAIT, i) - pick(LEFT_EYE_IN_PORTRAIT, i));
    let iod_px = dx.hypot(dy);
    ([dx / iod_px, dy / iod_px], iod_px)
}

fn smile(t_secs: f64) -> f64 {
    if !(t_secs.is_finite() && t_secs >= NEUTRAL_SECS) {
        return 0.0;
    }
    let in_loop = (t_secs - NEUTRAL_SECS) % LOOP_SECS;
    let mut strongest: f64 = 0.0;
    for (slot, peak) in PEAKS.iter().enumerate() {
        let goes_on = PEAKS.get(slot + 1).is_some_and(|next| *next == 0.0);
        let hold_secs = HOLD_SECS + if goes_on { SLOT_SECS } else { 0.0 };
        let since = in_loop - slot as f64 * SLOT_SECS - ONSET_SECS;
        let until = RISE_SECS * 2.0 + hold_secs - since;
        let rise = raised_cosine(since / RISE_SECS).min(raised_cosine(until / RISE_SECS));
        strongest = strongest.max(peak * rise);
    }
    strongest
}

/// 0 for x ≤ 0, 1 for x ≥ 1, smooth between.
fn raised_cosine(x: f64) -> f64 {
    0.5 - 0.5 * (std::f64::consts::PI * x.clamp(0.0, 1.0)).cos()
}

/// Math 1.6 for p = 90; `sorted` ascending.
fn percentile_90(sorted: &[f64]) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let h = last as f64 * 90.0 / 100.0;
    let i = h.floor() as usize;
    let g = h - h.floor();
    let low = sorted.get(i).copied().unwrap_or(0.0);
    let Some(high) = sorted.get(i + 1).copied() else {
        return low;
    };
    if g < 0.5 {
        low + g * (high - low)
    } else {
        high - (high - low) * (1.0 - g)
    }
}

fn pick(point: [f64; 2], axis: usize) -> f64 {
    let [x, y] = point;
    if axis == 0 { x } else { y }
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (pick(a, 0) - pick(b, 0)).hypot(pick(a, 1) - pick(b, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_neutral_first_and_repeats_after_that() {
        for step in 0..180 {
            assert_eq!(truth(f64::from(step) / 30.0).smile, 0.0);
        }
        for step in 0..1800 {
            let t = 6.0 + f64::from(step) / 30.0;
            assert!((truth(t).smile - truth(t + 60.0).smile).abs() < 1e-9);
            assert!((0.0..=1.0).contains(&truth(t).smile));
        }
        assert!(truth(65.999).smile < 1e-3 && truth(66.0).smile == 0.0);
        for bad in [f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(truth(bad).smile, 0.0);
        }
    }

    #[test]
    fn a_smile_is_smooth() {
        for step in 0..66_000 {
            let t = f64::from(step) / 1000.0;
            assert!(
                (truth(t + 0.001).smile - truth(t).smile).abs() < 0.005,
                "{t}"
            );
        }
    }

    #[test]
    fn the_mouth_widens_by_what_the_smile_says() {
        let widest = (180..1980)
            .map(|n| expected_au12_ratio(f64::from(n) / 30.0))
            .fold(0.0, f64::max);
        assert!((widest - FULL_WIDENING).abs() < 0.002, "{widest}");
        assert_eq!(expected_au12_ratio(1.0), 0.0);
        let wide = truth(10.0);
        assert!(wide.left_corner[0] < 0.0 && wide.right_corner[0] > 0.0);
        assert!(
            wide.left_corner[1] < 0.0 && wide.right_corner[1] < 0.0,
            "corners rise"
        );
    }

    /// The console draws the truth beside the measurement; it reads it from a table made here, one score per frame of the loop.
    #[test]
    fn the_committed_table_of_the_console_is_this_truth() {
        const FILE: &str = "../../console/src/generated/demoTruth.json";
        let scores: Vec<f64> = (0..LOOP_SECS as u32 * FPS)
            .map(|frame| {
                let ratio = expected_au12_ratio(NEUTRAL_SECS + f64::from(frame) / f64::from(FPS));
                ((ALPHA * ratio.max(0.0)).tanh() * 1e4).round() / 1e4
            })
            .collect();
        let made =
            format!("{{\"neutral_secs\":{NEUTRAL_SECS},\"fps\":{FPS},\"au12\":{scores:?}}}\n");
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
        if std::env::var_os("LSIE_WRITE").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        assert!(
            std::fs::read_to_string(&path).unwrap_or_default() == made,
            "{FILE} is stale: write it with LSIE_WRITE=1 cargo test -p lsie-ingest --lib demo::truth"
        );
    }

    #[test]
    fn every_window_after_calibration_sees_a_smile_and_they_differ() {
        let all: Vec<f64> = (0..1260)
            .map(|n| truth_p90(4.0 + f64::from(n) / 20.0))
            .collect();
        let least = all.iter().copied().fold(1.0, f64::min);
        let most = all.iter().copied().fold(0.0, f64::max);
        assert!(least > 0.5 && most > 0.85 && most < 0.92, "{least} {most}");
        assert_eq!(truth_p90(0.0), 0.0, "calibration is neutral");
        assert_eq!(truth_p90(f64::NAN), 0.0);
    }
}
