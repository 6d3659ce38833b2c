//! A phone's status in the operator's words. Pure.

use lsie_handset::HandsetStatus;
use lsie_handset::clock::ClockState;
use lsie_handset::session::{AudioState, EndCause, SessionState, VideoState};

use crate::health::{SourceClock, SourceHealth, SourcePhone, SourceState};

/// Error bound above which alignment is called degraded, nanoseconds (device 6.3).
const DEGRADED_NS: f64 = 20e6;

/// What an operator is told.
pub(super) fn health_of(status: &HandsetStatus) -> SourceHealth {
    let (state, detail, hint) = match status.state {
        SessionState::Streaming => streaming(status),
        SessionState::Waiting(why) => (
            SourceState::Recovering,
            why.word().to_owned(),
            why.remedy().next_step.to_owned(),
        ),
        SessionState::Failed(cause) => (
            SourceState::Error,
            format!("failed: {}", cause.word()),
            next_step(cause).to_owned(),
        ),
        SessionState::Stopped | SessionState::Stopping => (
            SourceState::Unknown,
            status.state.word().to_owned(),
            String::new(),
        ),
        other => (
            SourceState::Recovering,
            other.word().to_owned(),
            String::new(),
        ),
    };
    SourceHealth {
        state,
        detail,
        hint,
        is_connected: status.state == SessionState::Streaming
            && status.video_state != VideoState::Stalled,
        clock: Some(clock_of(status)),
        phone: status.serial.as_ref().map(|serial| SourcePhone {
            serial: serial.clone(),
            model: status.model.clone().unwrap_or_default(),
            server_version: status.server_version.to_string(),
            resolution: status.size.map(|size| (size.width, size.height)),
            fps: status.fps,
            bit_rate_bps: status.bit_rate_bps,
            pictures_late: status.video.late,
            pictures_dropped: status.video.dropped,
            pictures_corrupt: status.video.corrupt,
            sound_dropped: status.audio.dropped,
            sound_silent_frames: status.audio.silent_frames,
            sessions: status.sessions,
        }),
    }
}

fn streaming(status: &HandsetStatus) -> (SourceState, String, String) {
    if let Some(proposed_bps) = status.proposed_bit_rate_bps {
        return overfull(status, proposed_bps);
    }
    let is_loose = status
        .uncertainty_ns
        .is_none_or(|bound_ns| bound_ns > DEGRADED_NS);
    let (state, detail, hint) = match (status.video_state, status.audio_state) {
        (VideoState::Stalled | VideoState::Resetting, _) => (
            SourceState::Degraded,
            "the camera went silent",
            "close other camera applications on the phone",
        ),
        (_, AudioState::Gap) => (
            SourceState::Degraded,
            "the microphone went silent",
            "end calls and recordings on the phone",
        ),
        (_, AudioState::Disabled) => (
            SourceState::Degraded,
            "the phone refused sound",
            "unlock the phone, or leave sound out: audio=none",
        ),
        _ if is_loose => (
            SourceState::Degraded,
            "times are less exact than 20 ms",
            "use another cable or port",
        ),
        (VideoState::Static, _) => (SourceState::Ok, "streaming, the screen stands still", ""),
        (VideoState::Live, _) => (SourceState::Ok, "streaming", ""),
    };
    (state, detail.to_owned(), hint.to_owned())
}

/// Pictures come later than the cable can bring them: what it carries, and what to ask for.
fn overfull(status: &HandsetStatus, proposed_bps: u32) -> (SourceState, String, String) {
    let megabits = |bps: u32| f64::from(bps) / 1e6;
    let carried = status.bit_rate_bps.map_or_else(String::new, |bps| {
        format!("; {:.1} Mbit/s of pictures arrive", megabits(bps))
    });
    let proposed = megabits(proposed_bps);
    (
        SourceState::Degraded,
        format!("pictures come late over the cable{carried}"),
        format!(
            "use another cable or port, or start with a lower bit rate: ?bitrate={proposed:.1}M"
        ),
    )
}

/// What can be done about a final failure.
pub(super) const fn next_step(cause: EndCause) -> &'static str {
    match cause {
        EndCause::StreamEnded | EndCause::Silence | EndCause::TransportDead => {
            "unplug the phone and plug it in again with another cable or port"
        }
        EndCause::Framing => {
            "the scrcpy server speaks another version than it was started as: lsie device doctor"
        }
        EndCause::ServerExited | EndCause::SocketTimeout => {
            "unlock the phone, close other camera applications and see the engine's log"
        }
        EndCause::PushTimeout | EndCause::PushRefused => "free storage on the phone",
        EndCause::AudioMisconfigured => "choose another sound: audio=mic, playback, output or none",
        EndCause::Settings => {
            "correct the address; see the engine's log for what the phone cannot do"
        }
        EndCause::AdbFailed => "run: adb kill-server; adb start-server",
    }
}

fn clock_of(status: &HandsetStatus) -> SourceClock {
    let is_mapped = status.clock_state != ClockState::None;
    SourceClock {
        state: status.clock_state.word(),
        offset_secs: status.drift_offset_secs.filter(|secs| secs.is_finite()),
        drift_ppm: status.rate_ppm.filter(|ppm| ppm.is_finite()),
        uncertainty_ms: status
            .uncertainty_ns
            .filter(|bound_ns| is_mapped && bound_ns.is_finite())
            .map(|bound_ns| bound_ns / 1e6),
        round_trip_ms: status.rtt_ns.map(|rtt_ns| rtt_ns as f64 / 1e6),
    }
}
