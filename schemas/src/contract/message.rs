//! Messages between the parts of one installation (contracts 5.1 to 5.4, 5.10, 5.11).

use serde_json::{Map, Value};
use uuid::Uuid;

use super::check::Check;
use super::declare::{contract, text_enum};
use super::vocabulary::{
    COUNT1, COUNT32, COUNT32_1, FINITE, NON_NEGATIVE, TEXT, TEXT1, UNIT, VisualStatus,
};
use super::{Report, StimulusDefinition};
use crate::time::UtcMicros;

/// Version of [`PcmAck`].
pub const PCM_ACK_VERSION: &str = "ws5.p4.pcm_block_ack.v1";
/// Version of [`LiveSessionControl`].
pub const LIVE_SESSION_CONTROL_VERSION: &str = "ws5.p4.live_session_control.v1";
/// Version of [`VisualAnalyticsState`].
pub const VISUAL_ANALYTICS_STATE_VERSION: &str = "ws5.p4.visual_analytics_state.v1";
/// Name prefix of shared audio blocks; orphans are found by it.
pub const AUDIO_BLOCK_PREFIX: &str = "lsie_ipc_pcm_";

text_enum! {
    /// What a live session is told to do.
    pub enum LiveSessionAction {
        Start = "start",
        Stimulus = "stimulus",
        End = "end",
    }
}

text_enum! {
    /// Condition of a capture source.
    pub enum CaptureState {
        Ok = "ok",
        Degraded = "degraded",
        Recovering = "recovering",
        Error = "error",
        Unknown = "unknown",
    }
}

contract! {
    /// Name and digest of a shared audio block; the bytes themselves are never in a message.
    #[derive(Eq, Hash)]
    pub struct AudioBlockRef {
        /// Block name; ours start with [`AUDIO_BLOCK_PREFIX`].
        name: String => required(Check::Text(1, 200)),
        /// Length, bytes.
        byte_length: u64 => required(COUNT1),
        /// SHA-256 of the bytes; a mismatch discards the segment.
        sha256: String => required(Check::Hash),
    }
}

contract! {
    /// Work order for one segment.
    pub struct InferenceControl {
        /// Handoff, validated by its consumer as [`super::InferenceHandoff`].
        handoff: Map<String, Value> => required(Check::Free),
        /// Audio of the segment.
        audio: AudioBlockRef => required(Check::Object(AudioBlockRef::OBJECT)),
        /// Fields passed on unread.
        forward_fields: Map<String, Value> => default(Check::Free, {}),
        /// Contract of the visual source.
        visual_source_contract: Option<String> => optional(Check::Enum(&["adb_screenrecord_live_v1"])),
    }
}

contract! {
    /// Acknowledgement of a shared audio block.
    #[derive(Eq, Hash)]
    pub struct PcmAck {
        /// Message version.
        schema_version: String => default(Check::Enum(&[PCM_ACK_VERSION]), PCM_ACK_VERSION),
        /// Block name.
        name: String => required(Check::Text(1, 200)),
    }
}

contract! {
    /// Order to start, mark or end a live session.
    pub struct LiveSessionControl: rules = control_rules {
        /// Message version.
        schema_version: String =>
            default(Check::Enum(&[LIVE_SESSION_CONTROL_VERSION]), LIVE_SESSION_CONTROL_VERSION),
        /// What to do.
        action: LiveSessionAction => required(Check::Enum(LiveSessionAction::NAMES)),
        /// Session.
        session_id: Uuid => required(Check::Uuid),
        /// Source to open; needed to start.
        stream_url: Option<String> => optional(TEXT1),
        /// Experiment code.
        experiment_id: Option<String> => optional(TEXT1),
        /// Arm in force.
        active_arm: Option<String> => optional(TEXT1),
        /// Stimulus of that arm.
        stimulus_definition: Option<StimulusDefinition> => optional(Check::Object(StimulusDefinition::OBJECT)),
        /// Epoch seconds of the stimulus; needed for, and only for, a stimulus.
        stimulus_time_s: Option<f64> => optional(NON_NEGATIVE),
        /// Instant of the order.
        timestamp_utc: UtcMicros => required(Check::Instant),
    }
}

contract! {
    /// What the visual analysis sees right now.
    pub struct VisualAnalyticsState: rules = visual_rules {
        /// Identity of the message (math 1.10).
        message_id: Uuid => required(Check::Uuid),
        /// Message version.
        schema_version: String =>
            default(Check::Enum(&[VISUAL_ANALYTICS_STATE_VERSION]), VISUAL_ANALYTICS_STATE_VERSION),
        /// Session.
        session_id: Uuid => required(Check::Uuid),
        /// Instant of the state.
        timestamp_utc: UtcMicros => required(Check::Instant),
        /// A face is measured now.
        face_present: bool => required(Check::Bool),
        /// Calibration is running.
        is_calibrating: bool => required(Check::Bool),
        /// Accepted calibration frames so far, at most the required number.
        calibration_frames_accumulated: u32 => required(COUNT32),
        /// Accepted calibration frames needed.
        calibration_frames_required: u32 => required(COUNT32_1),
        /// Arm in force.
        active_arm: Option<String> => optional(TEXT1),
        /// Stimulus of that arm.
        stimulus_definition: Option<StimulusDefinition> => optional(Check::Object(StimulusDefinition::OBJECT)),
        /// Newest intensity, within 0 and 1.
        latest_au12_intensity: Option<f64> => optional(UNIT),
        /// Epoch seconds of that intensity.
        latest_au12_timestamp_s: Option<f64> => optional(NON_NEGATIVE),
        /// Summary of the above.
        status: VisualStatus => required(Check::Enum(VisualStatus::NAMES)),
    }
}

contract! {
    /// One good clock poll of a handset (math 2).
    #[derive(Copy)]
    pub struct DriftUpdate {
        /// Host minus device clock, seconds.
        drift_offset: f64 => required(FINITE),
        /// Host monotonic clock of the poll, seconds.
        ts_monotonic: f64 => required(FINITE),
        /// False once the offset has been frozen for 300 s.
        valid: Option<bool> => optional(Check::Bool),
        /// Round trip of the poll, seconds.
        rtt_s: Option<f64> => optional(NON_NEGATIVE),
    }
}

contract! {
    /// Condition of one capture source.
    #[derive(Eq)]
    pub struct CaptureStatus {
        /// Source.
        status_key: String => required(TEXT1),
        /// Condition.
        state: CaptureState => required(Check::Enum(CaptureState::NAMES)),
        /// Name for people.
        label: String => required(TEXT1),
        /// What is going on.
        detail: Option<String> => optional(TEXT),
        /// What a person can do.
        operator_action_hint: Option<String> => optional(TEXT),
        /// Instant of the condition.
        updated_at_utc: UtcMicros => required(Check::Instant),
    }
}

contract! {
    /// Sign of life of a process, once a second.
    #[derive(Eq)]
    pub struct Heartbeat {
        /// Process name.
        process_name: String => required(TEXT1),
        /// Process id.
        pid: u32 => required(COUNT32_1),
        /// Start of the process.
        started_at_utc: UtcMicros => required(Check::Instant),
        /// Instant of this sign.
        last_heartbeat_utc: UtcMicros => required(Check::Instant),
    }
}

fn control_rules(control: &LiveSessionControl, report: &mut Report) {
    let is_stimulus = control.action == LiveSessionAction::Stimulus;
    if control.action == LiveSessionAction::Start {
        report.demand(
            control.stream_url.is_some(),
            "stream_url",
            "start needs a source",
        );
    }
    let matches_action = control.stimulus_time_s.is_some() == is_stimulus;
    report.demand(
        matches_action,
        "stimulus_time_s",
        "needed for a stimulus and for nothing else",
    );
}

fn visual_rules(state: &VisualAnalyticsState, report: &mut Report) {
    let (accumulated, required) = (
        state.calibration_frames_accumulated,
        state.calibration_frames_required,
    );
    report.demand(
        accumulated <= required,
        "calibration_frames_accumulated",
        "must not exceed the required number",
    );
    if state.status == VisualStatus::Ready {
        let is_ready = accumulated == required && state.face_present && !state.is_calibrating;
        report.demand(
            is_ready,
            "status",
            "ready needs a face and a finished calibration",
        );
    }
    let has_intensity =
        state.latest_au12_timestamp_s.is_none() || state.latest_au12_intensity.is_some();
    report.demand(
        has_intensity,
        "latest_au12_timestamp_s",
        "needs an intensity",
    );
}
