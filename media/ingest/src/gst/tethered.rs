//! Opens a camera, a microphone or a network sender.

use crate::error::IngestError;
use crate::gst::capture::{add_camera, add_microphone};
use crate::gst::live::open_live;
use crate::gst::network::{Rtsp, Srt, add_rtsp, add_srt};
use crate::input::Input;
use crate::scheme::{SourceAddress, TetheredAddress, TetheredPlace};
use crate::settings::OpenSettings;

/// Opens it and waits for its first picture and sound.
pub(crate) fn open_tethered(
    address: TetheredAddress,
    settings: &OpenSettings,
) -> Result<Input, IngestError> {
    let place = address.place.clone();
    let whole = SourceAddress::Tethered(Box::new(address));
    let mut settings = settings.clone();
    match &place {
        TetheredPlace::Webcam { mic: None, .. } => settings.wants_audio = false,
        TetheredPlace::Mic { .. } => settings.wants_video = false,
        _ => {}
    }
    let stand_ins = settings.stand_ins.clone();
    let opened = open_live(place.scheme(), whole, &settings, |live| match &place {
        TetheredPlace::Webcam {
            device,
            size,
            fps,
            mic,
        } => {
            if live.wants_video() {
                add_camera(live, device, *size, *fps, stand_ins.camera.as_deref())?;
            }
            match mic {
                Some(mic) if live.wants_audio() => {
                    add_microphone(live, mic, stand_ins.microphone.as_deref())
                }
                _ => Ok(()),
            }
        }
        TetheredPlace::Mic { device } => {
            add_microphone(live, device, stand_ins.microphone.as_deref())
        }
        TetheredPlace::Rtsp {
            url,
            latency_ms,
            is_udp,
            credentials,
        } => add_rtsp(
            live,
            &Rtsp {
                url,
                latency_ms: *latency_ms,
                is_udp: *is_udp,
                credentials: credentials.as_deref(),
            },
        ),
        TetheredPlace::Srt {
            host,
            is_listener,
            latency_ms,
            stream_id,
            passphrase,
        } => add_srt(
            live,
            &Srt {
                host,
                is_listener: *is_listener,
                latency_ms: *latency_ms,
                stream_id: stream_id.as_deref(),
                passphrase: passphrase.as_deref(),
            },
        ),
    });
    opened.map_err(|error| unreachable(&place, error))
}

/// A fault while a source is being opened is about reaching it.
fn unreachable(place: &TetheredPlace, error: IngestError) -> IngestError {
    match error {
        IngestError::Pipeline { message, .. } | IngestError::Lost { reason: message } => {
            IngestError::Unreachable {
                scheme: place.scheme(),
                reason: message,
            }
        }
        other => other,
    }
}
