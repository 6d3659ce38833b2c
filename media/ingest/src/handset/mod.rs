//! A tethered phone as a source.
//!
//! ```text
//!                    ┌─ video queue ─▶ handset-feed ─▶ decoder ─▶ VideoSource
//! Handset ─▶ link ───┤
//!   states, clock    └─ audio queue ─▶ HandsetSound (slip, blocks of 20 ms) ─▶ AudioSource
//! ```
//!
//! Media time is capture time on our monotonic clock. A phone that is away is no error: its session comes back by itself,
//! and the time between is a jump that [`crate::SourceHealth`] explains.

mod feed;
mod link;
mod slip;
mod sound;
mod timeline;
mod words;

use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Arc, Weak};

use lsie_handset::HandsetConfig;
use lsie_handset::scrcpy::JarSearch;

pub(crate) use feed::HandsetFeed;
pub(crate) use link::HandsetLink;
pub(crate) use sound::HandsetSound;
pub(crate) use timeline::{Growing, Timeline};

use crate::error::IngestError;
use crate::gst::core::PipelineCore;
use crate::gst::decoder::{AccessUnitDecoder, DecoderSettings};
use crate::gst::sound::AudioSource;
use crate::health::RemoteSource;
use crate::input::{Input, InputInfo, SoundInfo};
use crate::pull::PCM_RATE_HZ;
use crate::scheme::{Pace, PhoneAddress, SourceAddress};
use crate::settings::OpenSettings;
use crate::watch::Watch;

/// Opens the phone: it is there at once, whether or not it is plugged in; media come when they can.
pub(crate) fn open_phone(
    phone: PhoneAddress,
    settings: &OpenSettings,
) -> Result<Input, IngestError> {
    let watch = Watch::default();
    let flag = Arc::new(AtomicBool::new(false));
    let start_pts_ns = (phone.start_secs * 1e9) as i64;
    let mut capture = phone.capture.clone();
    capture.video = capture.video.filter(|_| settings.wants_video);
    capture.audio = capture.audio.filter(|_| settings.wants_audio);
    let (has_video, has_audio) = (capture.video.is_some(), capture.audio.is_some());
    let place = &settings.phones;
    let config = HandsetConfig {
        serial: phone.serial.clone(),
        adb_port: phone.adb_port.unwrap_or(place.adb_port),
        adb_program: place.adb_program.clone(),
        jar: JarSearch {
            flag: phone.server.clone(),
            stated_version: phone.server_version.or(place.jar.stated_version),
            ..place.jar.clone()
        },
        capture,
        ..HandsetConfig::default()
    };
    let timeline = Timeline::new(settings.anchor_of(Pace::Live), start_pts_ns);
    // The decoder first: without its elements no phone has to be asked.
    let decoder = DecoderSettings {
        device: Arc::clone(&settings.device),
        pool_slots: settings.pool_slots,
        pace: Pace::Live,
        surfaces: settings.surfaces.clone(),
    };
    let decoder = has_video
        .then(|| AccessUnitDecoder::start_watched(&decoder, watch.clone()))
        .transpose()?;
    let link = HandsetLink::open(config, timeline, Arc::clone(&flag), watch.clone())?;
    let shown = Arc::downgrade(&link) as Weak<dyn RemoteSource>;
    let mut core = Weak::<PipelineCore>::new();
    let video = match decoder {
        Some((decoder, frames)) => {
            let decoder = decoder.shown_to(settings.tap.clone());
            core = Arc::downgrade(decoder.core());
            let stale_ns = Arc::new(AtomicI64::new(i64::MIN));
            let feed = HandsetFeed::start(Arc::clone(&link), decoder, Arc::clone(&stale_ns))?;
            Some(
                frames
                    .starting_at(start_pts_ns, None)
                    .leaving_out(stale_ns)
                    .fed_by(feed),
            )
        }
        None => None,
    };
    let audio = has_audio.then(|| {
        let sound = HandsetSound::new(link, start_pts_ns, !has_video);
        AudioSource::from_phone(sound, Pace::Live, watch.clone())
    });
    let info = InputInfo {
        address: SourceAddress::Phone(Box::new(phone)),
        video: None,
        audio: has_audio.then_some(SoundInfo {
            channels: 2,
            source_rate_hz: PCM_RATE_HZ,
        }),
        duration_ns: None,
    };
    Ok(Input::with_flag(video, audio, info, core, flag, watch).of_remote(shown))
}
