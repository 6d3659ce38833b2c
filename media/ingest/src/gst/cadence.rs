//! Pictures that a regular stream promises and that never came. Pure.

/// Intervals in a row that make a stream regular.
const REGULAR: u32 = 8;

/// Watches the media times of a stream from which nothing is dropped on purpose.
///
/// A stream whose pictures come when they like (screen recordings, slide shows) is never regular, so nothing is missing in it.
#[derive(Debug, Default)]
pub(crate) struct Cadence {
    last_ns: Option<i64>,
    regular: u32,
}

impl Cadence {
    /// Takes the next media time; gives how many pictures of `frame_ns` are missing before it.
    pub(crate) fn note(&mut self, pts_ns: i64, frame_ns: i64) -> u64 {
        let Some(last_ns) = self.last_ns.replace(pts_ns) else {
            return 0;
        };
        let step_ns = pts_ns.saturating_sub(last_ns);
        let is_regular = step_ns > frame_ns / 2 && step_ns < frame_ns.saturating_add(frame_ns / 2);
        if is_regular {
            self.regular = self.regular.saturating_add(1);
            return 0;
        }
        let was_regular = std::mem::take(&mut self.regular) >= REGULAR;
        if !was_regular || step_ns < frame_ns || frame_ns <= 0 {
            return 0;
        }
        let steps = step_ns.saturating_add(frame_ns / 2) / frame_ns;
        u64::try_from(steps.saturating_sub(1)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME_NS: i64 = 40_000_000;

    fn missing(times_ms: impl IntoIterator<Item = i64>) -> u64 {
        let mut cadence = Cadence::default();
        let counts = times_ms
            .into_iter()
            .map(|ms| cadence.note(ms * 1_000_000, FRAME_NS));
        counts.sum()
    }

    #[test]
    fn a_hole_in_a_regular_stream_is_counted_in_pictures() {
        assert_eq!(missing((0..20).map(|n| n * 40)), 0);
        // Matroska rounds to whole milliseconds.
        assert_eq!(missing((0..20).map(|n| n * 40 + n % 2)), 0);
        assert_eq!(missing((0..20).chain(30..50).map(|n| n * 40)), 10);
        assert_eq!(missing((0..20).chain(21..22).map(|n| n * 40)), 1);
    }

    #[test]
    fn an_irregular_stream_or_a_step_back_misses_nothing() {
        assert_eq!(missing((0..40).map(|n| n * n * 7)), 0);
        assert_eq!(missing((0..20).chain(0..20).map(|n| n * 40)), 0);
        let mut cadence = Cadence::default();
        for pts_ns in [i64::MIN, 0, i64::MAX, i64::MIN] {
            cadence.note(pts_ns, 0);
        }
    }
}
