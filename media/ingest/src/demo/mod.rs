//! The demo presenter: a real face whose smile is known, played through the same decoder as a phone.

pub(crate) mod clip;
pub(crate) mod encode;
pub(crate) mod feed;
pub(crate) mod number;
pub(crate) mod picture;
pub(crate) mod portrait;
pub(crate) mod truth;
pub(crate) mod voice;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};

use crate::demo::clip::{Clip, frame_at, frame_pts_ns};
use crate::demo::feed::Feeder;
use crate::demo::picture::{HEIGHT_PX, WIDTH_PX};
use crate::demo::truth::FPS;
use crate::demo::voice::{VoicePlayer, decode_voice};
use crate::error::IngestError;
use crate::gst::core::PipelineCore;
use crate::gst::decoder::{AccessUnitDecoder, DecoderSettings};
use crate::gst::sound::AudioSource;
use crate::gst::video::PaceClock;
use crate::input::{Input, InputInfo, PictureInfo, SoundInfo};
use crate::pull::{PCM_RATE_HZ, host_time_ns};
use crate::scheme::{Pace, SourceAddress};
use crate::settings::OpenSettings;
use crate::watch::Watch;

/// Starts the presenter. The first run draws and encodes its pictures into the cache, which takes some seconds.
pub(crate) fn open_demo(
    mask: bool,
    pace: Pace,
    start_secs: f64,
    address: SourceAddress,
    settings: &OpenSettings,
) -> Result<Input, IngestError> {
    let watch = Watch::default();
    let clip = if settings.wants_video {
        Some(Clip::load(
            &settings.cache_dir,
            mask,
            settings.progress.as_ref(),
        )?)
    } else {
        None
    };
    let voice = settings.wants_audio.then(decode_voice).transpose()?;
    let flag = Arc::new(AtomicBool::new(false));
    // Loading took its time: an anchored source begins where the clock is by now.
    let wanted_pts_ns = settings
        .anchor_of(pace)
        .map_or((start_secs * 1e9) as i64, |anchor| {
            anchor.pts_at(host_time_ns()).max(0)
        });
    let start_frame = frame_at(wanted_pts_ns);
    let start_pts_ns = frame_pts_ns(start_frame);
    let clock = settings.anchor_of(pace).map_or_else(
        || PaceClock::starting_now(start_pts_ns),
        |anchor| PaceClock {
            start_host_ns: anchor.host_time_ns,
            start_pts_ns: anchor.pts_ns,
        },
    );
    let info = InputInfo {
        address,
        video: clip.as_ref().map(|_| PictureInfo {
            width: WIDTH_PX,
            height: HEIGHT_PX,
            fps: Some(f64::from(FPS)),
        }),
        audio: voice.as_ref().map(|_| SoundInfo {
            channels: 1,
            source_rate_hz: PCM_RATE_HZ,
        }),
        duration_ns: None,
    };
    let mut core = Weak::<PipelineCore>::new();
    let video = match clip {
        Some(clip) => {
            let decoder = DecoderSettings {
                device: Arc::clone(&settings.device),
                pool_slots: settings.pool_slots,
                pace,
                surfaces: settings.surfaces.clone(),
            };
            let (decoder, frames) = AccessUnitDecoder::start_for_feeder(&decoder, watch.clone())?;
            let decoder = decoder.shown_to(settings.tap.clone());
            core = Arc::downgrade(decoder.core());
            let feeder = Feeder::start(clip, decoder, start_frame, pace, clock, Arc::clone(&flag))?;
            let clock = (pace != Pace::Fast).then_some(clock);
            Some(frames.starting_at(start_pts_ns, clock).fed_by(feeder))
        }
        None => None,
    };
    let audio = voice.map(|samples| {
        let player = VoicePlayer::new(samples, start_pts_ns, pace, clock, Arc::clone(&flag));
        AudioSource::from_voice(player, pace, watch.clone())
    });
    Ok(Input::with_flag(video, audio, info, core, flag, watch))
}
