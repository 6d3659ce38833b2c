//! The open session as the control plane knows it, and the life of its encounters. Pure: time is an argument.
//!
//! ```text
//! issued ──stamped──▶ measuring ──segment──▶ awaiting attestation ──attested | wait over | session ends──▶ resolved
//!    │                    │                                                                                  ▲
//!    └──── engine dies ───┴──────────────────────── data gap ────────────────────────────────────────────────┘
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use lsie_analytics::bandit::Decision;
use lsie_schemas::contract::StimulusDefinition;
use lsie_schemas::link::{GapNote, SegmentMessage, SessionStarted};
use lsie_schemas::observation::{CalibrationState, VisualTick};
use lsie_schemas::time::UtcMicros;
use uuid::Uuid;

/// The arm in force and the decision that chose it.
#[derive(Debug, Clone)]
pub struct CurrentArm {
    /// The decision with its evidence.
    pub decision: Decision,
    /// What the arm says and expects.
    pub definition: StimulusDefinition,
}

/// One stimulus on its way to a committed encounter.
#[derive(Debug, Clone)]
pub struct OpenEncounter {
    /// The operator's action.
    pub stimulus_id: Uuid,
    /// Known before the session ran: nobody is there to wait for.
    pub planned: bool,
    /// When it was asked for.
    pub requested_at: UtcMicros,
    /// Its time on the session clock, epoch seconds, once stamped.
    pub stimulus_time_s: Option<f64>,
    /// What the operator said about its delivery.
    pub attestation: Option<bool>,
    /// Its closed window.
    pub segment: Option<Box<SegmentMessage>>,
    /// Monotonic instant at which waiting for the attestation ends.
    deadline: Option<Duration>,
    /// Why its media is incomplete.
    gap: Option<&'static str>,
}

impl OpenEncounter {
    fn new(stimulus_id: Uuid, planned: bool, attestation: Option<bool>, requested_at: UtcMicros) -> Self {
        Self { stimulus_id, planned, requested_at, stimulus_time_s: None, attestation, segment: None, deadline: None, gap: None }
    }

    /// Why its media is incomplete, when it is.
    #[must_use]
    pub const fn gap(&self) -> Option<&'static str> {
        self.gap
    }

    /// State for the v2 readback.
    #[must_use]
    pub const fn phase(&self) -> &'static str {
        match (&self.segment, self.stimulus_time_s) {
            (Some(_), _) => "awaiting_attestation",
            (None, Some(_)) => "measuring",
            (None, None) => "stimulus_issued",
        }
    }

    fn is_resolved(&self, now: Duration, session_ends: bool) -> bool {
        let judged = self.attestation.is_some() || self.planned || session_ends;
        self.gap.is_some() || (self.segment.is_some() && (judged || self.deadline.is_some_and(|deadline| now >= deadline)))
    }
}

/// The open session.
#[derive(Debug, Clone)]
pub struct LiveSession {
    /// Identity.
    pub id: Uuid,
    /// Source address.
    pub source_url: String,
    /// Experiment code.
    pub experiment_id: String,
    /// Start as the store has it.
    pub started_at: UtcMicros,
    /// UTC of media time zero, once known.
    pub epoch: Option<UtcMicros>,
    /// Arm in force.
    pub arm: CurrentArm,
    /// Baseline measured so far.
    pub calibration: CalibrationState,
    /// Media time reached, nanoseconds.
    pub media_ns: i64,
    /// What the engine said when the source opened.
    pub opened: Option<SessionStarted>,
    /// Newest display state.
    pub visual: Option<VisualTick>,
    /// State of the source: stable code.
    pub source_state: String,
    /// Why the session is about to end, once it is.
    pub ending: Option<String>,
    /// Stimuli known in advance with their attestation.
    pub planned: Vec<(Uuid, f64, bool)>,
    encounters: VecDeque<OpenEncounter>,
    attest_wait: Duration,
}

/// Why the session does not take a stimulus or an attestation now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// This stimulus is not resolved yet.
    EncounterOpen(Uuid),
    /// Nothing waits.
    NothingToAttest,
}

impl LiveSession {
    /// A session that was just started.
    #[must_use]
    pub fn new(id: Uuid, source_url: &str, experiment_id: &str, started_at: UtcMicros, arm: CurrentArm, attest_wait: Duration) -> Self {
        Self {
            id,
            source_url: source_url.to_owned(),
            experiment_id: experiment_id.to_owned(),
            started_at,
            epoch: None,
            arm,
            calibration: CalibrationState::default(),
            media_ns: 0,
            opened: None,
            visual: None,
            source_state: "opening".to_owned(),
            ending: None,
            planned: Vec::new(),
            encounters: VecDeque::new(),
            attest_wait,
        }
    }

    /// The oldest encounter that is not resolved.
    #[must_use]
    pub fn current(&self) -> Option<&OpenEncounter> {
        self.encounters.front()
    }

    /// Takes a stimulus of the operator; one at a time.
    pub fn issue(&mut self, stimulus_id: Uuid, now_utc: UtcMicros) -> Result<(), Refusal> {
        if let Some(open) = self.encounters.front() {
            return Err(Refusal::EncounterOpen(open.stimulus_id));
        }
        self.encounters.push_back(OpenEncounter::new(stimulus_id, false, None, now_utc));
        Ok(())
    }

    /// Forgets a stimulus the engine refused.
    pub fn withdraw(&mut self, stimulus_id: Uuid) {
        self.encounters.retain(|open| open.stimulus_id != stimulus_id || open.stimulus_time_s.is_some());
    }

    /// The engine stamped a stimulus; a planned one enters here.
    pub fn stamp(&mut self, stimulus_id: Uuid, stimulus_time_s: f64, now_utc: UtcMicros) {
        if let Some(open) = self.encounters.iter_mut().find(|open| open.stimulus_id == stimulus_id) {
            open.stimulus_time_s = Some(stimulus_time_s);
        } else if let Some((_, _, attested)) = self.planned.iter().find(|(id, ..)| *id == stimulus_id) {
            let mut open = OpenEncounter::new(stimulus_id, true, attested.then_some(true), now_utc);
            open.stimulus_time_s = Some(stimulus_time_s);
            self.encounters.push_back(open);
        }
    }

    /// A stimulus window closed. Returns `false` when no open encounter belongs to it.
    pub fn close_window(&mut self, stimulus_id: Uuid, segment: Box<SegmentMessage>, now: Duration) -> bool {
        let wait = self.attest_wait;
        let Some(open) = self.encounters.iter_mut().find(|open| open.stimulus_id == stimulus_id && open.segment.is_none()) else {
            return false;
        };
        if touches_gap(&segment, open.stimulus_time_s) {
            open.gap = Some("data_gap");
        }
        open.segment = Some(segment);
        open.deadline = Some(now.saturating_add(wait));
        true
    }

    /// Records what the operator said about a stimulus, by default the oldest open one. A later word replaces an earlier
    /// one until the encounter is resolved.
    pub fn attest(&mut self, stimulus_id: Option<Uuid>, delivered: bool) -> Result<Uuid, Refusal> {
        let open = self.encounters.iter_mut().find(|open| stimulus_id.is_none_or(|id| id == open.stimulus_id));
        let open = open.ok_or(Refusal::NothingToAttest)?;
        open.attestation = Some(delivered);
        Ok(open.stimulus_id)
    }

    /// The engine died: encounters whose window is not closed can never be measured.
    pub fn engine_died(&mut self) {
        self.abandon("data_gap");
        "recovering".clone_into(&mut self.source_state);
    }

    /// The source ended or the operator ended the session: what is still open is abandoned, what is closed is judged.
    pub fn begin_end(&mut self, reason: &str) {
        self.ending.get_or_insert_with(|| reason.to_owned());
    }

    /// Gives up windows that did not close.
    pub fn abandon(&mut self, why: &'static str) {
        for open in self.encounters.iter_mut().filter(|open| open.segment.is_none()) {
            open.gap = Some(why);
        }
    }

    /// Takes out the oldest encounter once it can be committed. Order is the order of the stimuli.
    pub fn next_resolved(&mut self, now: Duration) -> Option<OpenEncounter> {
        let ends = self.ending.is_some();
        if self.encounters.front().is_some_and(|open| open.is_resolved(now, ends)) {
            return self.encounters.pop_front();
        }
        None
    }

    /// Monotonic instant at which waiting for an attestation ends.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.encounters.front().and_then(|open| open.deadline)
    }
}

/// Whether media is missing where the reward is read: from the baseline window to the end of the measurement window.
fn touches_gap(segment: &SegmentMessage, stimulus_time_s: Option<f64>) -> bool {
    let Some(t) = stimulus_time_s else { return false };
    let lost = |gap: &&GapNote| gap.reason.as_str() == "engine_restart" && gap.from_s <= t + 5.0 && gap.to_s >= t - 5.0;
    segment.gaps.as_slice().iter().any(|gap| lost(&gap))
}
