//! Gives viewers a stream's own H.264 as it came, beside its decoder.
//!
//! ```text
//! demuxer ─▶ parser ─┬─▶ decoder ─▶ consumer's sink
//!                    └─▶ queue ─ ─ ─ ─ ─ ┴ each unit leaves when its picture reaches the sink ─▶ MediaTap
//! ```
//!
//! What a browser cannot show is encoded anew ([`super::viewer_picture`]) from then on: B-frames, interlaced pictures, other
//! formats than 8-bit 4:2:0; and a stream whose key frames lie too far apart, since none can be asked for and a viewer who
//! comes is to paint at once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::core::PipelineCore;
use super::viewer_picture::media_time;
use crate::access_unit::{MAX_ACCESS_UNIT_BYTES, UnitKind, has_b_slice, inspect};
use crate::pull::AccessUnit;
use crate::tap::{MediaTap, Tap};

/// Most units from one key frame to the next: two seconds at 30 frames per second.
const MAX_GROUP: usize = 60;
/// Most units that wait for their pictures; a decoder that holds back more is not followed.
const MAX_WAITING: usize = 64;

/// Follows one stream. Shared by the probes at its decoder and at its sink.
pub(crate) struct Forwarder {
    tap: Arc<dyn MediaTap>,
    /// Whether the stream's own units are given; then nothing has to be encoded.
    forwards: Arc<AtomicBool>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Units whose pictures did not reach the sink yet, by the decoder's time, nanoseconds.
    waiting: VecDeque<Waiting>,
    since_key: usize,
    last_pts_ns: Option<u64>,
    /// What this stream has shown cannot be forwarded.
    is_refused: bool,
}

struct Waiting {
    data: Arc<[u8]>,
    pts_ns: u64,
    is_key: bool,
}

impl Forwarder {
    /// Follows the first H.264 decoder that is added to the pipeline from now on; `None` without anybody to show it to.
    pub(crate) fn of(core: &PipelineCore, tap: &Tap) -> Option<Arc<Self>> {
        let forwarder = Arc::new(Forwarder {
            tap: Arc::clone(tap.as_ref()?),
            forwards: Arc::default(),
            state: Mutex::default(),
        });
        let (given, is_followed) = (Arc::clone(&forwarder), AtomicBool::new(false));
        core.pipeline()
            .connect_deep_element_added(move |_, _, element| {
                let kind = gst::ElementFactoryType::DECODER | gst::ElementFactoryType::MEDIA_VIDEO;
                let is_decoder = element.factory().is_some_and(|made| made.has_type(kind));
                let Some(pad) = element.static_pad("sink").filter(|_| is_decoder) else {
                    return;
                };
                // A second stream's decoder is not ours to show.
                if !is_followed.swap(true, Ordering::AcqRel) {
                    given.follow(&pad);
                }
            });
        Some(forwarder)
    }

    /// Whether the stream's own units are given.
    pub(crate) fn flag(&self) -> &Arc<AtomicBool> {
        &self.forwards
    }

    fn follow(self: &Arc<Self>, pad: &gst::Pad) {
        let forwarder = Arc::clone(self);
        let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_FLUSH;
        pad.add_probe(kinds, move |pad, probe| {
            match &probe.data {
                Some(gst::PadProbeData::Buffer(buffer)) => forwarder.pass(pad, buffer),
                Some(gst::PadProbeData::Event(event))
                    if event.type_() == gst::EventType::FlushStop =>
                {
                    forwarder.begin_anew();
                }
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Lets units out when their pictures reach the sink: what viewers see is never ahead of what is measured.
    pub(crate) fn leave_at(self: &Arc<Self>, sink: &gst_app::AppSink, pts_offset_ns: i64) {
        let Some(pad) = sink.static_pad("sink") else {
            return;
        };
        let forwarder = Arc::clone(self);
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, probe| {
            if let Some(gst::PadProbeData::Buffer(buffer)) = &probe.data
                && let (Some(pts), Some(media_ns)) =
                    (buffer.pts(), media_time(pad, buffer, pts_offset_ns))
            {
                forwarder.release(pts.nseconds(), media_ns);
            }
            gst::PadProbeReturn::Ok
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Plain values: whole after a panic elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self, pad: &gst::Pad, buffer: &gst::BufferRef) {
        let mut state = self.state();
        if state.is_refused {
            return;
        }
        let unit = pad
            .current_caps()
            .and_then(|caps| unit_of(caps.structure(0)?, buffer))
            .ok_or("it is not what a browser shows");
        let taken = unit.and_then(|unit| state.take(unit));
        match taken {
            Ok(()) => self.forwards.store(true, Ordering::Release),
            Err(why) => {
                tracing::info!(why, "the pictures are encoded anew for viewers");
                *state = State {
                    is_refused: true,
                    ..State::default()
                };
                if self.forwards.swap(false, Ordering::AcqRel) {
                    self.tap.restart();
                }
            }
        }
    }

    fn release(&self, pts_ns: u64, media_ns: u64) {
        let mut state = self.state();
        while state
            .waiting
            .front()
            .is_some_and(|unit| unit.pts_ns <= pts_ns)
        {
            let Some(unit) = state.waiting.pop_front() else {
                return;
            };
            let behind_ns = pts_ns - unit.pts_ns;
            let Some(media_ns) = media_ns.checked_sub(behind_ns) else {
                continue;
            };
            self.tap.picture(&AccessUnit {
                data: unit.data,
                pts_ns: i64::try_from(media_ns).unwrap_or(i64::MAX),
                key: unit.is_key,
            });
        }
    }

    fn begin_anew(&self) {
        let mut state = self.state();
        *state = State {
            is_refused: state.is_refused,
            ..State::default()
        };
        self.tap.restart();
    }
}

impl State {
    fn take(&mut self, unit: Waiting) -> Result<(), &'static str> {
        if has_b_slice(&unit.data) || self.last_pts_ns.is_some_and(|last| unit.pts_ns <= last) {
            return Err("there are B-frames");
        }
        self.since_key = if unit.is_key { 0 } else { self.since_key + 1 };
        if self.since_key >= MAX_GROUP {
            return Err("its key frames lie too far apart");
        }
        if self.waiting.len() >= MAX_WAITING {
            return Err("its decoder holds too many pictures back");
        }
        self.last_pts_ns = Some(unit.pts_ns);
        self.waiting.push_back(unit);
        Ok(())
    }
}

/// The unit as a byte stream; `None` for what a browser does not show, and for what is no unit at all.
fn unit_of(caps: &gst::StructureRef, buffer: &gst::BufferRef) -> Option<Waiting> {
    let is =
        |name: &str, wanted: &str| caps.get::<&str>(name).map_or(true, |value| value == wanted);
    let is_plain = caps.name() == "video/x-h264"
        && is("alignment", "au")
        && is("interlace-mode", "progressive")
        && is("chroma-format", "4:2:0")
        && caps
            .get::<u32>("bit-depth-luma")
            .map_or(true, |bits| bits == 8);
    let pts_ns = buffer.pts().filter(|_| is_plain)?.nseconds();
    let map = buffer.map_readable().ok()?;
    let data = match caps.get::<&str>("stream-format").ok()? {
        "byte-stream" => map.as_slice().to_vec(),
        "avc" => {
            let record = caps.get::<gst::Buffer>("codec_data").ok()?;
            byte_stream_of(record.map_readable().ok()?.as_slice(), map.as_slice())?
        }
        _ => return None,
    };
    let is_key = inspect(&data)? == UnitKind::Key;
    Some(Waiting {
        data: data.into(),
        pts_ns,
        is_key,
    })
}

/// A unit of a file, whose parts stand behind their lengths, as a byte stream with the parameter sets of `record`
/// (ISO/IEC 14496-15, 5.3.3.1) before a key picture.
fn byte_stream_of(record: &[u8], unit: &[u8]) -> Option<Vec<u8>> {
    const START: [u8; 4] = [0, 0, 0, 1];
    if unit.len() > MAX_ACCESS_UNIT_BYTES {
        return None;
    }
    let length_bytes = usize::from(record.get(4)? & 3) + 1;
    let mut parts = Vec::with_capacity(unit.len() + 64);
    let mut is_key = false;
    let mut rest = unit;
    while !rest.is_empty() {
        let (length, behind) = rest.split_at_checked(length_bytes)?;
        let length = length
            .iter()
            .fold(0, |all, byte| (all << 8) | usize::from(*byte));
        let (part, next) = behind.split_at_checked(length)?;
        is_key |= part.first().is_some_and(|header| header & 0x1f == 5);
        parts.extend_from_slice(&START);
        parts.extend_from_slice(part);
        rest = next;
    }
    if !is_key {
        return Some(parts);
    }
    let mut whole = Vec::with_capacity(parts.len() + record.len());
    let mut rest = record.get(5..)?;
    // Sequence parameter sets, their count in five bits; then picture parameter sets, theirs in eight.
    for mask in [0x1f, 0xff] {
        let (count, behind) = rest.split_first()?;
        rest = behind;
        for _ in 0..count & mask {
            let (length, behind) = rest.split_first_chunk::<2>()?;
            let (set, next) = behind.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            whole.extend_from_slice(&START);
            whole.extend_from_slice(set);
            rest = next;
        }
    }
    whole.append(&mut parts);
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RECORD: &[u8] = &[1, 66, 0, 30, 0xff, 0xe1, 0, 3, 0x67, 1, 2, 1, 0, 2, 0x68, 3];

    fn unit(pts_ns: u64, is_key: bool) -> Waiting {
        Waiting {
            // A P slice, or an I slice of an IDR picture.
            data: [0, 0, 1, if is_key { 0x65 } else { 0x41 }, 0b1001_1000].into(),
            pts_ns,
            is_key,
        }
    }

    #[test]
    fn parts_behind_lengths_become_a_byte_stream_with_the_parameters_before_a_key() {
        let delta = byte_stream_of(RECORD, &[0, 0, 0, 2, 0x41, 9, 0, 0, 0, 1, 0x06]).unwrap();
        assert_eq!(delta, [0, 0, 0, 1, 0x41, 9, 0, 0, 0, 1, 0x06]);
        let key = byte_stream_of(RECORD, &[0, 0, 0, 2, 0x65, 9]).unwrap();
        let expected = [
            0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 9,
        ];
        assert_eq!(key, expected);
        for (record, unit) in [
            (RECORD, &[0, 0, 0, 9, 0x65][..]),
            (RECORD, &[0, 0]),
            (&RECORD[..4], &[0, 0, 0, 1, 0x65]),
            (&RECORD[..12], &[0, 0, 0, 1, 0x65]),
        ] {
            assert_eq!(byte_stream_of(record, unit), None, "{record:?} {unit:?}");
        }
    }

    #[test]
    fn what_cannot_be_forwarded_is_noticed() {
        let mut state = State::default();
        state.take(unit(1, true)).unwrap();
        assert!(state.take(unit(1, false)).is_err(), "shown before its turn");
        let mut state = State::default();
        let far: Vec<_> = (1..=MAX_GROUP as u64 + 1)
            .map(|n| {
                state.waiting.clear();
                state.take(unit(n, n == 1))
            })
            .collect();
        assert_eq!(far.iter().filter(|taken| taken.is_ok()).count(), MAX_GROUP);
        let mut state = State::default();
        let held = (1..=80).filter(|n| state.take(unit(*n, true)).is_ok());
        assert_eq!(held.count(), MAX_WAITING);
    }

    proptest! {
        #[test]
        fn no_bytes_of_a_file_are_too_strange(record in proptest::collection::vec(any::<u8>(), 0..64), unit in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = byte_stream_of(&record, &unit);
        }
    }
}
