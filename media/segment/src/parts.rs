//! The pieces of a segment message: sound, series and gaps of one closed window.

use crate::error::SegmentError;
use crate::gap::{Gap, ordered};
use crate::observe::{Observation, ObservationRing};
use crate::pcm::{PcmCut, PcmRing};
use crate::window::ClosedWindow;

/// Everything a segment message is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentParts<T> {
    /// Which window.
    pub window: ClosedWindow,
    /// Its 30 s of sound; `None` when the source has none.
    pub pcm: Option<PcmCut>,
    /// Its observations in order of arrival, bounds included.
    pub series: Vec<Observation<T>>,
    /// Every stretch without data: those of the streams and those of the sound, ordered, at most 64.
    pub gaps: Vec<Gap>,
}

/// Collects the parts of `window`. Takes nothing away from the rings, so overlapping windows each get all of theirs.
///
/// [`SegmentError::Evicted`] when the sound of the window was already overwritten: the window has to be abandoned.
pub fn cut_segment<T: Clone>(
    window: ClosedWindow,
    pcm: Option<&PcmRing>,
    observations: &ObservationRing<T>,
) -> Result<SegmentParts<T>, SegmentError> {
    let pcm = pcm
        .map(|ring| ring.cut_available(window.bounds))
        .transpose()?;
    let series = observations
        .window(window.start_s, window.end_s)
        .cloned()
        .collect();
    let sound_gaps = pcm.iter().flat_map(|cut| cut.gaps.iter().copied());
    let gaps = ordered(window.gaps.iter().copied().chain(sound_gaps).collect());
    Ok(SegmentParts {
        window,
        pcm,
        series,
        gaps,
    })
}
