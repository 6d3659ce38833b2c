//! Keeps counted sound on the clock: a sample more or less in a block, spread over all of it. Pure.
//!
//! A phone's recorder counts by its own quartz. Left alone, 200 ppm are 20 ms after 100 s, and then the count would have to
//! jump. One sample in a block of 1024 corrects up to 976 ppm and cannot be heard.

/// Below this distance nothing is corrected, nanoseconds.
const DEAD_ZONE_NS: i64 = 500_000;
/// Shortest block in which a sample more or less is spread, sample frames.
const MIN_FRAMES: usize = 64;

/// Stretches or shrinks interleaved samples by one sample frame towards `error_ns`: where the clock says the block begins
/// less where the count says so. Tells whether it did.
pub(crate) fn slip(samples: &mut Vec<f32>, channels: usize, error_ns: i64) -> bool {
    let channels = channels.max(1);
    let frames = samples.len() / channels;
    if frames < MIN_FRAMES || error_ns.saturating_abs() <= DEAD_ZONE_NS {
        return false;
    }
    let wanted = if error_ns > 0 { frames + 1 } else { frames - 1 };
    *samples = stretched(samples, channels, frames, wanted);
    true
}

/// The same sound in `wanted` sample frames; first and last stay what they are.
fn stretched(samples: &[f32], channels: usize, frames: usize, wanted: usize) -> Vec<f32> {
    let step = (frames - 1) as f64 / (wanted - 1) as f64;
    let value = |frame: usize, channel: usize| {
        let at = frame.min(frames - 1) * channels + channel;
        f64::from(samples.get(at).copied().unwrap_or(0.0))
    };
    let mut out = Vec::with_capacity(wanted * channels);
    for frame in 0..wanted {
        let place = frame as f64 * step;
        let (before, share) = (place.floor() as usize, place.fract());
        for channel in 0..channels {
            let (from, to) = (value(before, channel), value(before + 1, channel));
            out.push((from + (to - from) * share) as f32);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(frames: usize) -> Vec<f32> {
        (0..frames).flat_map(|n| [n as f32, -(n as f32)]).collect()
    }

    #[test]
    fn one_frame_more_or_less_keeps_both_ends() {
        for (error_ns, frames) in [(600_000, 1025), (-600_000, 1023)] {
            let mut samples = ramp(1024);
            assert!(slip(&mut samples, 2, error_ns));
            assert_eq!(samples.len(), 2 * frames);
            assert_eq!(samples[..2], [0.0, -0.0]);
            assert_eq!(samples[2 * frames - 2..], [1023.0, -1023.0]);
            let steps = samples.chunks(2).map(|pair| pair[0]).collect::<Vec<_>>();
            assert!(
                steps
                    .windows(2)
                    .all(|pair| (pair[1] - pair[0] - 1.0).abs() < 0.01)
            );
        }
    }

    #[test]
    fn small_errors_and_short_blocks_are_left_alone() {
        for (frames, error_ns) in [(1024, 400_000), (63, 900_000), (0, i64::MIN)] {
            let mut samples = ramp(frames);
            assert!(!slip(&mut samples, 2, error_ns));
            assert_eq!(samples, ramp(frames));
        }
    }

    #[test]
    fn two_hundred_millionths_are_followed() {
        let (mut counted_ns, mut slips) = (0_i64, 0);
        for block in 0..10_000_i64 {
            let clock_ns = (block as f64 * 1024.0 / 48_000.0 * 1e9 * 1.0002) as i64;
            let mut samples = vec![0.0; 2048];
            slips += u32::from(slip(&mut samples, 2, clock_ns - counted_ns));
            assert!((clock_ns - counted_ns).abs() < 600_000, "{block}");
            counted_ns += crate::pull::frames_to_ns((samples.len() / 2) as u64);
        }
        assert!(slips > 1000);
    }
}
