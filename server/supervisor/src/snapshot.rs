//! What the supervisor task publishes after each step, for readers that must not wait for it.

use std::collections::BTreeMap;

use lsie_schemas::link::{EngineCounters, PeerGauges};
use lsie_schemas::time::UtcMicros;

use crate::held::Held;
use crate::live::LiveSession;

/// Life of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EngineState {
    /// Started, has not said hello.
    Starting,
    /// Heard from within the watchdog.
    Ok,
    /// Dead, a restart is due.
    Recovering,
    /// Dead too often; stays down until reset.
    CircuitOpen,
    /// Stopped on request.
    Stopped,
}

impl EngineState {
    /// Stable code.
    #[must_use]
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ok => "ok",
            Self::Recovering => "recovering",
            Self::CircuitOpen => "circuit_open",
            Self::Stopped => "stopped",
        }
    }
}

/// The engine as last heard of.
#[derive(Debug, Clone)]
pub(crate) struct EngineView {
    /// Life.
    pub state: EngineState,
    /// Process id.
    pub pid: Option<u32>,
    /// Compute device and why.
    pub device: Option<String>,
    /// Models by name.
    pub models: BTreeMap<String, String>,
    /// Source schemes with help.
    pub sources: BTreeMap<String, String>,
    /// Deaths since the server started.
    pub deaths: u64,
    /// Why it died last.
    pub last_exit: Option<String>,
    /// Counters of the running engine.
    pub counters: EngineCounters,
    /// Access unit to observation, milliseconds: median and 95th percentile.
    pub observation_latency_ms: Option<(f32, f32)>,
    /// WebRTC peers.
    pub peers: PeerGauges,
    /// Last heartbeat.
    pub last_heartbeat: Option<UtcMicros>,
    /// Link frames that were not known messages.
    pub malformed: u64,
}

impl Default for EngineView {
    fn default() -> Self {
        Self {
            state: EngineState::Starting,
            pid: None,
            device: None,
            models: BTreeMap::new(),
            sources: BTreeMap::new(),
            deaths: 0,
            last_exit: None,
            counters: EngineCounters::default(),
            observation_latency_ms: None,
            peers: PeerGauges::default(),
            last_heartbeat: None,
            malformed: 0,
        }
    }
}

/// Everything readers need beside the store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// The engine.
    pub engine: EngineView,
    /// The open session.
    pub live: Option<LiveSession>,
    /// What start-up recovery found and did.
    pub recovery: Vec<String>,
    /// Last successful commit.
    pub last_commit: Option<UtcMicros>,
    /// Why the last write failed, until one succeeds.
    pub store_fault: Option<String>,
    /// Writes that the store could not take.
    pub store_faults: u64,
    /// Build identity.
    pub build_id: String,
    /// Start of the server.
    pub started_at: Option<UtcMicros>,
    /// What the supervisor holds.
    pub held: [Held; 7],
}
