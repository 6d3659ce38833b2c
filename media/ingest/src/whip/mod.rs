//! `whip:`: what a publisher sends under a name, measured like any other source.
//!
//! ```text
//!                         ┌─ pictures ─▶ decoder (H.264 or VP8) ─▶ VideoSource
//! Publication ─▶ feed ────┤
//!                         └─ Opus ─▶ opusdec ─▶ AudioSource
//! ```
//!
//! The source is there at once, whether or not anybody publishes. A publisher that vanishes is a loss that ends by itself
//! when the name is published again.

mod clock;
mod feed;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use lsie_webrtc::{Publication, PublisherName};

use self::feed::WhipFeed;
use crate::error::IngestError;
use crate::gst::core::{Keeping, PipelineCore, make, pull_sink};
use crate::gst::decoder::{AccessUnitDecoder, DecoderSettings};
use crate::gst::reblock::Reblocker;
use crate::gst::sound::{AudioSource, SinkSound, sound_caps};
use crate::gst::stamps::Stamps;
use crate::gst::video::watch_arrivals;
use crate::handset::Timeline;
use crate::health::{RemoteSource, SourceHealth, SourceState};
use crate::input::{Input, InputInfo, SoundInfo};
use crate::pull::PCM_RATE_HZ;
use crate::scheme::{Pace, SourceAddress};
use crate::settings::OpenSettings;
use crate::watch::Watch;

/// Opus packets that may wait for the decoder; then the oldest goes.
const SOUNDS_WAITING: u32 = 50;

/// A source's hold on a publication; dropping it lets it go.
pub(crate) struct Taking {
    pub(super) publication: Arc<Publication>,
    name: PublisherName,
}

impl Drop for Taking {
    fn drop(&mut self) {
        self.publication.leave();
    }
}

impl RemoteSource for Taking {
    fn health(&self) -> SourceHealth {
        let is_connected = self.publication.is_published();
        let (state, detail, hint) = if !is_connected {
            let hint = format!("publish to /whip/{}", self.name.as_str());
            (SourceState::Recovering, "nobody publishes", hint)
        } else if self.publication.awaits_key_frame() {
            let hint = "the publisher is asked for a key frame; if none comes, publish again";
            (
                SourceState::Recovering,
                "published, without a key frame",
                hint.to_owned(),
            )
        } else {
            (SourceState::Ok, "published", String::new())
        };
        SourceHealth {
            state,
            detail: detail.to_owned(),
            hint,
            is_connected,
            clock: None,
            phone: None,
        }
    }
}

/// Opens the name.
pub(crate) fn open_whip(
    name: PublisherName,
    start_secs: f64,
    address: SourceAddress,
    settings: &OpenSettings,
) -> Result<Input, IngestError> {
    let Some(publications) = &settings.publications else {
        return Err(IngestError::Unusable(
            "nobody can publish to this process; whip: is a source of `lsie serve`".to_owned(),
        ));
    };
    let watch = Watch::default();
    let flag = Arc::new(AtomicBool::new(false));
    let start_pts_ns = (start_secs * 1e9) as i64;
    let decoder = DecoderSettings {
        device: Arc::clone(&settings.device),
        pool_slots: settings.pool_slots,
        pace: Pace::Live,
        surfaces: settings.surfaces.clone(),
    };
    let (decoder, frames) = AccessUnitDecoder::start_watched(&decoder, watch.clone())?;
    let decoder = decoder.shown_to(settings.tap.clone());
    let core = Arc::downgrade(decoder.core());
    let (sound_core, sound_source, sound) = sound(start_pts_ns, &watch)?;
    let publication = publications.of(&name);
    publication.take();
    let taking = Arc::new(Taking { publication, name });
    let remote = Arc::downgrade(&taking) as std::sync::Weak<dyn RemoteSource>;
    let timeline = Timeline::new(settings.anchor_of(Pace::Live), start_pts_ns);
    let feed = WhipFeed::start(
        taking,
        decoder,
        timeline,
        (sound_core, sound_source),
        Arc::clone(&flag),
    )?;
    let video = settings
        .wants_video
        .then(|| frames.starting_at(start_pts_ns, None).fed_by(feed));
    let audio = settings
        .wants_audio
        .then(|| AudioSource::from_sink(sound, Pace::Live, watch.clone()));
    let info = InputInfo {
        address,
        video: None,
        audio: audio.as_ref().map(|_| SoundInfo {
            channels: 2,
            source_rate_hz: PCM_RATE_HZ,
        }),
        duration_ns: None,
    };
    Ok(Input::with_flag(video, audio, info, core, flag, watch).of_remote(remote))
}

fn sound(
    start_pts_ns: i64,
    watch: &Watch,
) -> Result<(Arc<PipelineCore>, gst_app::AppSrc, SinkSound), IngestError> {
    let core = PipelineCore::new("whip-sound")?;
    let caps = gst::Caps::builder("audio/x-opus")
        .field("channel-mapping-family", 0_i32)
        .field("rate", PCM_RATE_HZ.cast_signed())
        .field("channels", 2_i32)
        .build();
    let source = gst_app::AppSrc::builder()
        .caps(&caps)
        .format(gst::Format::Time)
        .is_live(true)
        .build();
    source.set_property("max-buffers", u64::from(SOUNDS_WAITING));
    source.set_property("max-bytes", 0_u64);
    source.set_property_from_str("leaky-type", "downstream");
    let sink = pull_sink(&sound_caps(), Keeping::DropOldest(SOUNDS_WAITING), false);
    let stamps = Arc::new(Stamps::new(Watch::default()));
    watch_arrivals(&sink, &stamps);
    let (decode, convert, resample) = (
        make("opusdec")?,
        make("audioconvert")?,
        make("audioresample")?,
    );
    core.add_chain(&[
        source.upcast_ref(),
        &decode,
        &convert,
        &resample,
        sink.upcast_ref(),
    ])?;
    core.play()?;
    let reblocker = Reblocker::new(start_pts_ns, watch.clone());
    let sound = SinkSound::new(sink, Arc::clone(&core), stamps, reblocker, 0);
    Ok((core, source, sound))
}
