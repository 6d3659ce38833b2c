//! A phone's status in the operator's words. Pure.

use lsie_handset::HandsetStatus;
use lsie_handset::clock::ClockState;
use lsie_handset::session::{AudioState, EndCause, SessionState, VideoState};

use crate::health::{SourceClock, SourceHealth, SourceState};

/// Error bound above which alignment is called degraded, nanoseconds (device 6.3).
const DEGRADED_NS: f64 = 20e6;

/// What an operator is told.
pub(super) fn health_of(status: &HandsetStatus) -> SourceHealth {
    let (state, detail, hint) = match status.state {
        SessionState::Streaming => streaming(status),
        SessionState::Waiting(why) => (
            SourceState::Recovering,
            why.word().to_owned(),
            why.remedy().next_step,
        ),
        SessionState::Failed(cause) => (
            SourceState::Error,
            format!("failed: {}", cause.word()),
            next_step(cause),
        ),
        SessionState::Stopped | SessionState::Stopping => {
            (SourceState::Unknown, status.state.word().to_owned(), "")
        }
        other => (SourceState::Recovering, other.word().to_owned(), ""),
    };
    SourceHealth {
        state,
        detail,
        hint: hint.to_owned(),
        is_connected: status.state == SessionState::Streaming
            && status.video_state != VideoState::Stalled,
        clock: Some(clock_of(status)),
    }
}

fn streaming(status: &HandsetStatus) -> (SourceState, String, &'static str) {
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
    (state, detail.to_owned(), hint)
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
