//! The open session as the control plane knows it, and the life of its encounters. Pure: time is an argument.
//!
//! ```text
//! issued ──stamped──▶ measuring ──segment──▶ awaiting attestation ──attested | wait over | session ends──▶ resolved
//!    │                    │                                                                                  ▲
//!    └──── engine dies ───┴──────────────────────── data gap ────────────────────────────────────────────────┘
//! ```
//!
//! An issued stimulus that nobody stamps in time is resolved as `not_stamped` and leaves no encounter.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use lsie_analytics::bandit::Decision;
use lsie_schemas::contract::{Au12Observation, StimulusDefinition};
use lsie_schemas::link::{GapNote, SegmentMessage, SessionStarted, SourceReport};
use lsie_schemas::observation::{CalibrationState, VisualTick};
use lsie_schemas::time::UtcMicros;
use lsie_store::PhysiologyRecord;
use uuid::Uuid;

/// Why a stimulus without a time leaves no encounter.
const NOT_STAMPED: &str = "not_stamped";

/// The arm in force and the decision that chose it.
#[derive(Debug, Clone)]
pub(crate) struct CurrentArm {
    /// The decision with its evidence.
    pub decision: Decision,
    /// What the arm says and expects.
    pub definition: StimulusDefinition,
}

/// One stimulus on its way to a committed encounter.
#[derive(Debug, Clone)]
pub(crate) struct OpenEncounter {
    /// The operator's action.
    pub stimulus_id: Uuid,
    /// Known before the session ran: nobody is there to wait for.
    pub planned: bool,
    /// Its time on the session clock, epoch seconds, once stamped.
    pub stimulus_time_s: Option<f64>,
    /// The arm in force at that time, with the decision that chose it.
    pub arm: Option<Arc<CurrentArm>>,
    /// What the operator said about its delivery.
    pub attestation: Option<bool>,
    /// Its closed window.
    pub segment: Option<Arc<SegmentMessage>>,
    /// Wearable data as it was when the window closed.
    pub physiology: Option<PhysiologyRecord>,
    /// Monotonic instant at which waiting ends: for the stamp first, for the attestation once the window is closed.
    deadline: Option<Duration>,
    /// Why its media is incomplete.
    gap: Option<&'static str>,
    /// Given before the neutral baseline was complete: its scores cannot count.
    precedes_baseline: bool,
}

impl OpenEncounter {
    fn new(stimulus_id: Uuid, planned: bool, attestation: Option<bool>) -> Self {
        Self {
            stimulus_id,
            planned,
            stimulus_time_s: None,
            arm: None,
            attestation,
            segment: None,
            physiology: None,
            deadline: None,
            gap: None,
            precedes_baseline: false,
        }
    }

    /// The same encounter with its window given up, for evidence the store refuses.
    pub(crate) fn without_evidence(&self, why: &'static str) -> Self {
        Self {
            segment: None,
            physiology: None,
            gap: Some(why),
            ..self.clone()
        }
    }

    /// Scores of its window; none when it was given before the baseline was complete (math 4.5).
    #[must_use]
    pub(crate) fn series(&self) -> &[Au12Observation] {
        let segment = self.segment.as_ref().filter(|_| !self.precedes_baseline);
        segment
            .map(|message| message.au12_series.as_slice())
            .unwrap_or_default()
    }

    /// Why its media is incomplete, when it is.
    #[must_use]
    pub(crate) const fn gap(&self) -> Option<&'static str> {
        self.gap
    }

    /// State for the v2 readback.
    #[must_use]
    pub(crate) const fn phase(&self) -> &'static str {
        match (&self.segment, self.stimulus_time_s) {
            (Some(_), _) => "awaiting_attestation",
            (None, Some(_)) => "measuring",
            (None, None) => "stimulus_issued",
        }
    }

    /// Whether the engine had its time to stamp it and did not.
    fn is_overdue(&self, now: Duration) -> bool {
        let is_late = self.deadline.is_some_and(|deadline| now >= deadline);
        self.stimulus_time_s.is_none() && self.gap.is_none() && is_late
    }

    fn is_resolved(&self, now: Duration, session_ends: bool) -> bool {
        let judged = self.attestation.is_some() || self.planned || session_ends;
        self.gap.is_some()
            || (self.segment.is_some()
                && (judged || self.deadline.is_some_and(|deadline| now >= deadline)))
    }
}

/// The open session.
#[derive(Debug, Clone)]
pub(crate) struct LiveSession {
    /// Identity.
    pub id: Uuid,
    /// Source address.
    pub source_url: String,
    /// Experiment code.
    pub experiment_id: String,
    /// UTC of media time zero, once known.
    pub epoch: Option<UtcMicros>,
    /// Arm in force.
    pub arm: Arc<CurrentArm>,
    /// Baseline measured so far.
    pub calibration: CalibrationState,
    /// Baseline as the store has it.
    pub saved_calibration: CalibrationState,
    /// Media time reached when it was last heard of, nanoseconds.
    pub media_ns: i64,
    /// Monotonic instant of that word; `None` until the source opened once.
    media_heard_at: Option<Duration>,
    /// Whether the source runs ahead of the wall clock and waits for nobody.
    is_fast: bool,
    /// What the engine said when the source opened.
    pub opened: Option<SessionStarted>,
    /// Newest display state.
    pub visual: Option<VisualTick>,
    /// State of the source: stable code.
    pub source_state: String,
    /// How the source is, where it says so itself.
    pub source: Option<SourceReport>,
    /// Why the session is about to end, once it is.
    pub ending: Option<String>,
    /// The action that ended it, when it was the operator's.
    pub ending_action: Option<Uuid>,
    /// Stimuli known in advance and not stamped yet: identity, seconds of media time, attestation.
    pub planned: Vec<(Uuid, f64, bool)>,
    encounters: VecDeque<OpenEncounter>,
    waits: Waits,
}

/// How long an encounter waits for others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    /// For the operator's word once the window is closed.
    pub attest: Duration,
    /// For the engine's stamp once the order has left.
    pub stamp: Duration,
}

/// Why the session does not take a stimulus or an attestation now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// This stimulus is not resolved yet.
    EncounterOpen(Uuid),
    /// Nothing waits.
    NothingToAttest,
}

impl LiveSession {
    /// A session that was just started.
    #[must_use]
    pub(crate) fn new(
        id: Uuid,
        source_url: &str,
        experiment_id: &str,
        arm: CurrentArm,
        waits: Waits,
    ) -> Self {
        Self {
            id,
            source_url: source_url.to_owned(),
            experiment_id: experiment_id.to_owned(),
            epoch: None,
            arm: Arc::new(arm),
            calibration: CalibrationState::default(),
            saved_calibration: CalibrationState::default(),
            media_ns: 0,
            media_heard_at: None,
            is_fast: source_url.contains("pace=fast"),
            opened: None,
            visual: None,
            source_state: "opening".to_owned(),
            source: None,
            ending: None,
            ending_action: None,
            planned: Vec::new(),
            encounters: VecDeque::new(),
            waits,
        }
    }

    /// The oldest encounter that is not resolved.
    #[must_use]
    pub(crate) fn current(&self) -> Option<&OpenEncounter> {
        self.encounters.front()
    }

    /// Encounters that are not resolved.
    #[must_use]
    pub(crate) fn open_encounters(&self) -> usize {
        self.encounters.len()
    }

    /// The source is open: media time runs from where it was ordered to.
    pub(crate) fn open(&mut self, started: SessionStarted, now: Duration) {
        self.epoch.get_or_insert(started.epoch);
        self.is_fast = started.pace.as_str() == "fast";
        self.media_ns = self.media_position(now);
        self.media_heard_at = Some(now);
        self.opened = Some(started);
        "playing".clone_into(&mut self.source_state);
    }

    /// The engine said how far it is.
    pub(crate) fn hear_media(&mut self, media_ns: i64, now: Duration) {
        self.media_ns = media_ns;
        self.media_heard_at = Some(now);
    }

    /// Media time at `now`: live and paced sources keep running while nobody listens, a fast one waits.
    #[must_use]
    pub(crate) fn media_position(&self, now: Duration) -> i64 {
        match self.media_heard_at {
            Some(heard_at) if !self.is_fast => {
                let since = now.saturating_sub(heard_at).as_nanos();
                self.media_ns
                    .saturating_add(i64::try_from(since).unwrap_or(i64::MAX))
            }
            _ => self.media_ns,
        }
    }

    /// Session clock at a media time, once the session has one.
    #[must_use]
    pub(crate) fn utc_at(&self, media_ns: i64) -> Option<UtcMicros> {
        let epoch = self.epoch?;
        Some(UtcMicros(epoch.0.saturating_add(media_ns / 1000)))
    }

    /// Takes a stimulus of the operator; one at a time. The engine has to stamp it in time.
    pub(crate) fn issue(&mut self, stimulus_id: Uuid, now: Duration) -> Result<(), Refusal> {
        if let Some(open) = self.encounters.front() {
            return Err(Refusal::EncounterOpen(open.stimulus_id));
        }
        let mut open = OpenEncounter::new(stimulus_id, false, None);
        open.deadline = Some(now.saturating_add(self.waits.stamp));
        self.encounters.push_back(open);
        Ok(())
    }

    /// Forgets a stimulus the engine refused.
    pub(crate) fn withdraw(&mut self, stimulus_id: Uuid) {
        self.encounters
            .retain(|open| open.stimulus_id != stimulus_id || open.stimulus_time_s.is_some());
        self.planned.retain(|(id, ..)| *id != stimulus_id);
    }

    /// The engine stamped a stimulus; a planned one enters here. The first time stays: returns `false` when the stimulus
    /// has one already or is not known.
    pub(crate) fn stamp(&mut self, stimulus_id: Uuid, stimulus_time_s: f64) -> bool {
        let known = self
            .encounters
            .iter()
            .position(|open| open.stimulus_id == stimulus_id);
        let place = known.or_else(|| {
            let planned = self
                .planned
                .iter()
                .position(|(id, ..)| *id == stimulus_id)?;
            let (_, _, attested) = self.planned.remove(planned);
            let open = OpenEncounter::new(stimulus_id, true, attested.then_some(true));
            self.encounters.push_back(open);
            Some(self.encounters.len() - 1)
        });
        let Some(open) = place.and_then(|place| self.encounters.get_mut(place)) else {
            return false;
        };
        if open.stimulus_time_s.is_some() {
            return false;
        }
        open.stimulus_time_s = Some(stimulus_time_s);
        open.arm = Some(Arc::clone(&self.arm));
        open.deadline = None;
        true
    }

    /// The stimulus was given before the baseline was complete: the encounter will hold no frames.
    pub(crate) fn note_no_baseline(&mut self, stimulus_id: Uuid) {
        let open = self
            .encounters
            .iter_mut()
            .find(|open| open.stimulus_id == stimulus_id);
        if let Some(open) = open {
            open.precedes_baseline = true;
        }
    }

    /// A stimulus window closed. Returns `false` when no open encounter belongs to it.
    pub(crate) fn close_window(
        &mut self,
        stimulus_id: Uuid,
        segment: Box<SegmentMessage>,
        physiology: Option<PhysiologyRecord>,
        now: Duration,
    ) -> bool {
        let wait = self.waits.attest;
        let Some(open) = self
            .encounters
            .iter_mut()
            .find(|open| open.stimulus_id == stimulus_id && open.segment.is_none())
        else {
            return false;
        };
        if touches_gap(&segment, open.stimulus_time_s) {
            open.gap = Some("data_gap");
        }
        open.segment = Some(Arc::from(segment));
        open.physiology = physiology;
        open.deadline = Some(now.saturating_add(wait));
        true
    }

    /// Records what the operator said about a stimulus, by default the oldest open one. A later word replaces an earlier
    /// one until the encounter is resolved.
    pub(crate) fn attest(
        &mut self,
        stimulus_id: Option<Uuid>,
        delivered: bool,
    ) -> Result<Uuid, Refusal> {
        let open = self
            .encounters
            .iter_mut()
            .find(|open| stimulus_id.is_none_or(|id| id == open.stimulus_id));
        let open = open.ok_or(Refusal::NothingToAttest)?;
        open.attestation = Some(delivered);
        Ok(open.stimulus_id)
    }

    /// The engine died: encounters whose window is not closed can never be measured.
    pub(crate) fn engine_died(&mut self) {
        self.abandon("data_gap");
        self.opened = None;
        "recovering".clone_into(&mut self.source_state);
    }

    /// The source ended or the operator ended the session: what is still open is abandoned, what is closed is judged.
    /// The first reason stays.
    pub(crate) fn begin_end(&mut self, reason: &str, action: Option<Uuid>) {
        if self.ending.is_none() {
            self.ending = Some(reason.to_owned());
            self.ending_action = action;
        }
        self.abandon("session_ended");
    }

    /// Gives up windows that did not close.
    fn abandon(&mut self, why: &'static str) {
        let unclosed = |open: &&mut OpenEncounter| open.segment.is_none() && open.gap.is_none();
        for open in self.encounters.iter_mut().filter(unclosed) {
            open.gap = Some(why);
        }
    }

    /// Takes out the oldest encounter once it can be committed. Order is the order of the stimuli.
    pub(crate) fn next_resolved(&mut self, now: Duration) -> Option<OpenEncounter> {
        let ends = self.ending.is_some();
        if let Some(open) = self.encounters.front_mut()
            && open.is_overdue(now)
        {
            open.gap = Some(NOT_STAMPED);
        }
        if self
            .encounters
            .front()
            .is_some_and(|open| open.is_resolved(now, ends))
        {
            return self.encounters.pop_front();
        }
        None
    }

    /// Gives back an encounter that could not be committed now.
    pub(crate) fn put_back(&mut self, open: OpenEncounter) {
        self.encounters.push_front(open);
    }

    /// Monotonic instant at which waiting for a stamp or an attestation ends.
    #[must_use]
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.encounters.front().and_then(|open| open.deadline)
    }
}

/// Whether media is missing where the reward is read: from the baseline window to the end of the measurement window.
fn touches_gap(segment: &SegmentMessage, stimulus_time_s: Option<f64>) -> bool {
    let Some(t) = stimulus_time_s else {
        return false;
    };
    let lost = |gap: &&GapNote| {
        matches!(gap.reason.as_str(), "engine_restart" | "source_recovering")
            && gap.from_s <= t + 5.0
            && gap.to_s >= t - 5.0
    };
    segment.gaps.as_slice().iter().any(|gap| lost(&gap))
}

#[cfg(test)]
mod tests;
