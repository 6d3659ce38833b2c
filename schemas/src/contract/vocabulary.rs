//! Closed lists of words (contracts 1) and the checks that several contracts share.

use super::check::Check;
use super::declare::text_enum;

text_enum! {
    /// Kind of prompt given to the person in front of the camera.
    pub enum StimulusModality {
        SpokenGreeting = "spoken_greeting",
        WrittenComment = "written_comment",
        Gift = "gift",
        Follow = "follow",
        Question = "question",
        Cta = "cta",
        ProductPitch = "product_pitch",
        DiscountOffer = "discount_offer",
        ProfileInteraction = "profile_interaction",
        DmFollowUp = "dm_follow_up",
        Other = "other",
    }
}

text_enum! {
    /// Bounded reason of a semantic decision; free text never leaves the scorer (math 11).
    pub enum SemanticReason {
        CrossEncoderHighMatch = "cross_encoder_high_match",
        CrossEncoderHighNonmatch = "cross_encoder_high_nonmatch",
        GrayBandLlmMatch = "gray_band_llm_match",
        GrayBandLlmNonmatch = "gray_band_llm_nonmatch",
        SemanticLocalFailureFallback = "semantic_local_failure_fallback",
        SemanticTimeout = "semantic_timeout",
        SemanticError = "semantic_error",
    }
}

text_enum! {
    /// Scorer behind a semantic decision.
    pub enum SemanticMethod {
        CrossEncoder = "cross_encoder",
        LlmGrayBand = "llm_gray_band",
        AzureLlmLegacy = "azure_llm_legacy",
    }
}

text_enum! {
    /// Whether a response to a stimulus was seen (math 12).
    pub enum RegistrationStatus {
        ObservableResponse = "observable_response",
        NoObservableResponse = "no_observable_response",
        AmbiguousResponse = "ambiguous_response",
        InvalidTrigger = "invalid_trigger",
        Pending = "pending",
    }
}

text_enum! {
    /// Why a response counts as seen or not.
    pub enum ResponseReason {
        ResponseReadAloud = "response_read_aloud",
        ResponseDirectAnswer = "response_direct_answer",
        ResponseUsernameAck = "response_username_ack",
        ResponseSemanticAck = "response_semantic_ack",
        ResponseChatReply = "response_chat_reply",
        ResponsePositiveAffectOnly = "response_positive_affect_only",
        ResponseTimeout = "response_timeout",
        NoObservableResponse = "no_observable_response",
        AmbiguousResponse = "ambiguous_response",
        InvalidTrigger = "invalid_trigger",
    }
}

text_enum! {
    /// Whether later outcomes can still change a record; advances, never regresses (contracts 12).
    pub enum Finality {
        OnlineProvisional = "online_provisional",
        OfflineFinal = "offline_final",
    }
}

text_enum! {
    /// Person a physiological value belongs to.
    pub enum SubjectRole {
        Streamer = "streamer",
        Operator = "operator",
    }
}

text_enum! {
    /// Raw material of a physiological value.
    pub enum SourceKind {
        Ibi = "ibi",
        Session = "session",
    }
}

text_enum! {
    /// Who computed a physiological value.
    pub enum DerivationMethod {
        Provider = "provider",
        Server = "server",
    }
}

text_enum! {
    /// State of the visual analysis (math 4.6).
    pub enum VisualStatus {
        WaitingForFace = "waiting_for_face",
        Calibrating = "calibrating",
        Ready = "ready",
        PostStimulus = "post_stimulus",
        NoSession = "no_session",
    }
}

text_enum! {
    /// Codec of the media behind a handoff.
    pub enum MediaCodec {
        H264 = "h264",
        H265 = "h265",
        Raw = "raw",
    }
}

text_enum! {
    /// Why a co-modulation index is null (math 9.3).
    pub enum CoModulationNullReason {
        NoEligibleRows = "no_eligible_rows",
        InsufficientPairs = "insufficient_pairs",
        ZeroVariance = "zero_variance",
        NotComputed = "not_computed",
    }
}

/// Any text.
pub(super) const TEXT: Check = Check::Text(0, usize::MAX);
/// Non-empty text.
pub(super) const TEXT1: Check = Check::Text(1, usize::MAX);
/// Stimulus text (contracts 2.4).
pub(super) const STIMULUS_TEXT: Check = Check::Prose(2000);
/// Expected rule (contracts 2.4).
pub(super) const RULE_TEXT: Check = Check::Prose(1000);
/// Any signed 64-bit integer.
pub(super) const INT: Check = Check::Int(i64::MIN as i128, i64::MAX as i128);
/// Count that fits 64 bits.
pub(super) const COUNT: Check = Check::Int(0, u64::MAX as i128);
/// Count above zero that fits 64 bits.
pub(super) const COUNT1: Check = Check::Int(1, u64::MAX as i128);
/// Count that fits 32 bits.
pub(super) const COUNT32: Check = Check::Int(0, u32::MAX as i128);
/// Count above zero that fits 32 bits.
pub(super) const COUNT32_1: Check = Check::Int(1, u32::MAX as i128);
/// Any finite number.
pub(super) const FINITE: Check = Check::Float(f64::NEG_INFINITY, f64::INFINITY);
/// Finite number of at least zero.
pub(super) const NON_NEGATIVE: Check = Check::Float(0.0, f64::INFINITY);
/// Finite number within 0 and 1.
pub(super) const UNIT: Check = Check::Float(0.0, 1.0);
/// Finite number above zero.
pub(super) const POSITIVE: Check = Check::Above(0.0);
/// Plausible heart rate, beats per minute.
pub(super) const HEART_RATE_BPM: Check = Check::Int(20, 300);
/// Unique labels.
pub(super) const FLAGS: Check = Check::Set(&TEXT, 0);
/// Closed list of modalities.
pub(super) const MODALITY: Check = Check::Enum(StimulusModality::NAMES);
