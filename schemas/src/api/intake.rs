//! v2: what other programs on this machine bring in: platform events and wearable chunks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::time::UtcMicros;

/// v2: an event of the streaming platform, as its reader passes it on. Untrusted: 16 KiB, texts of 2000 characters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlatformEvent {
    /// Who did it, as the platform names them. Never stored.
    #[serde(rename = "uniqueId")]
    pub unique_id: String,
    /// What it was; a follow is an outcome, everything else is accepted and not kept.
    pub event_type: String,
    /// When.
    pub timestamp_utc: UtcMicros,
    /// Name of the event on the platform, when it is not in the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// What else the platform says.
    #[serde(default)]
    pub payload: Map<String, Value>,
}

/// v2: answer to a platform event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlatformEventAccepted {
    /// Session.
    pub session_id: Uuid,
    /// Whether it was taken.
    pub accepted: bool,
    /// When.
    pub received_at_utc: UtcMicros,
    /// The outcome it is, the same for a repeat; null for events that are none.
    pub outcome_id: Option<Uuid>,
    /// Stimuli it is linked to.
    pub linked_events: u32,
}

/// v2: what became of a wearable chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChunkFate {
    /// Kept for 15 minutes.
    Kept,
    /// Already there.
    Duplicate,
    /// Too old to be used.
    Expired,
}

/// v2: answer to a wearable chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChunkAccepted {
    /// The chunk.
    pub unique_id: Uuid,
    /// What became of it.
    pub fate: ChunkFate,
    /// When.
    pub received_at_utc: UtcMicros,
}
