//! A session across every opening of its source: the assembler, made by the first item, and what it is made from.

use std::sync::Arc;
use std::time::SystemTime;

use lsie_analysis::face::UnitSummary;
use lsie_device::Device;
use lsie_graph::Either;
use lsie_ingest::{Input, Pace, SourceAddress, host_time_ns};
use lsie_kernels::audio::SegmentMeasurer;
use lsie_schemas::link::{EngineMessage, SessionStarted, StartSession, Text};
use lsie_schemas::observation::{CalibrationState, FaceObservation};
use lsie_schemas::time::UtcMicros;
use lsie_segment::{Patience, SessionClock};

use crate::assembler::{Assembler, AssemblerSettings};
use crate::link::Outbox;
use crate::sound::SoundChunk;
use crate::viewers::SessionViewers;

/// The assembler, made by the first item: only then is the session's clock known.
pub(crate) struct SessionState {
    pub(crate) opening: Opening,
    pub(crate) assembler: Option<Assembler>,
    /// Times the source was closed. A thread that a closed graph left behind may still hand something in: it is not taken.
    pub(crate) openings: u64,
}

/// What the assembler will be made from.
pub(crate) struct Opening {
    pub(crate) order: StartSession,
    pub(crate) outbox: Outbox,
    pub(crate) pace: Pace,
    device: Arc<dyn Device>,
    source: Option<SourceForm>,
    viewers: SessionViewers,
}

/// What the source said when it opened.
#[derive(Debug, Clone, Copy)]
struct SourceForm {
    resolution: Option<(u32, u32)>,
    has_audio: bool,
    has_video: bool,
    codec: &'static str,
}

impl SessionState {
    pub(crate) fn new(
        order: StartSession,
        outbox: Outbox,
        pace: Pace,
        device: Arc<dyn Device>,
        viewers: SessionViewers,
    ) -> Self {
        Self {
            opening: Opening {
                order,
                outbox,
                pace,
                device,
                source: None,
                viewers,
            },
            assembler: None,
            openings: 0,
        }
    }

    /// Notes what an opened source has. Once media has run, the session keeps what it began with.
    pub(crate) fn opened(&mut self, input: &Input) {
        self.opening.source = Some(SourceForm {
            resolution: input.info.video.map(|video| (video.width, video.height)),
            has_audio: input.audio.is_some(),
            has_video: input.video.is_some(),
            codec: codec_of(&input.info.address),
        });
    }

    /// Takes an item of the graph that was made at this opening.
    pub(crate) fn take(&mut self, opened: u64, item: Either<FaceObservation, SoundChunk>) {
        if opened != self.openings {
            return;
        }
        self.opening.viewers.observe(&item);
        let now_ns = host_time_ns();
        let assembler = match &mut self.assembler {
            Some(assembler) => assembler,
            none => match self.opening.start(&item, now_ns) {
                Some(assembler) => none.insert(assembler),
                None => return,
            },
        };
        assembler.take(item, now_ns);
    }

    /// Baseline measured so far.
    pub(crate) fn calibration(&self) -> CalibrationState {
        self.assembler
            .as_ref()
            .map_or(self.opening.order.calibration, Assembler::calibration)
    }
}

impl Opening {
    /// Fixes the session's clock by its first item and says that media runs.
    fn start(&self, item: &Either<FaceObservation, SoundChunk>, now_ns: u64) -> Option<Assembler> {
        let source = self.source?;
        let (pts_ns, host_offset_ns) = match item {
            Either::Left(observation) => (
                observation.pts_ns,
                observation.host_time_ns.cast_signed() - observation.pts_ns,
            ),
            Either::Right(chunk) => (chunk.pts_ns, chunk.host_offset_ns),
        };
        let age_micros = now_ns.cast_signed().saturating_sub(host_offset_ns) / 1000;
        let epoch = self
            .order
            .epoch
            .unwrap_or_else(|| utc_now().plus_micros(-age_micros));
        // The clock of a live source ran on while it was opened.
        let resume_at_ns = match (self.pace, self.order.resume_at_ns) {
            (Pace::Live, resume_ns) if resume_ns > 0 => resume_ns.max(pts_ns),
            (_, resume_ns) => resume_ns,
        };
        let settings = AssemblerSettings {
            session_id: self.order.session_id,
            clock: SessionClock::new(epoch),
            has_audio: source.has_audio,
            has_video: source.has_video,
            patience: if self.pace == Pace::Live {
                Patience::Live
            } else {
                Patience::File
            },
            resume_at_ns,
            planned: self.order.planned.clone(),
        };
        self.outbox
            .send(EngineMessage::SessionStarted(SessionStarted {
                session_id: self.order.session_id,
                epoch,
                resolution: source.resolution,
                codec: Text::cut(source.codec),
                has_audio: source.has_audio,
                pace: Text::cut(pace_code(self.pace)),
            }));
        let calibration = self.order.calibration;
        let device = self.device.as_ref();
        let measures = (SegmentMeasurer::on(device), UnitSummary::on(device));
        Some(Assembler::new(
            settings,
            calibration,
            self.outbox.clone(),
            measures,
        ))
    }
}

/// What the picture came as; of a file only the decoder knows, so it counts as its decoded form.
const fn codec_of(address: &SourceAddress) -> &'static str {
    match address {
        SourceAddress::Demo { .. } | SourceAddress::Phone(_) | SourceAddress::Whip { .. } => "h264",
        SourceAddress::File { .. } | SourceAddress::Test { .. } | SourceAddress::Tethered(_) => {
            "raw"
        }
    }
}

const fn pace_code(pace: Pace) -> &'static str {
    match pace {
        Pace::Live => "live",
        Pace::Paced => "paced",
        Pace::Fast => "fast",
    }
}

fn utc_now() -> UtcMicros {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    UtcMicros(since.as_micros() as i64)
}
