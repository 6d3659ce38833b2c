//! Read-outs for the API: rows of the store joined with the published snapshot. They write nothing.

mod encounter;
mod experiment;
mod health;
mod physiology;
mod readout;
mod session;
mod state;

use std::sync::Arc;

use lsie_schemas::api::{
    Alert, CoModulationLogRow, EncounterV2, EventEnvelope, EventType, ExperimentDetail,
    ExperimentReadout, ExperimentSummary, Health, LiveReadback, Overview, Physiology,
    PhysiologyLogRow, PhysiologyV2, Session, StateBootstrap, Status,
};
use lsie_schemas::contract::SubjectRole;
use lsie_schemas::text::sha256_hex;
use lsie_schemas::time::UtcMicros;
use lsie_store::{EncounterFilter, ReadView, StoreError};
use serde_json::Value;
use uuid::Uuid;

use crate::actor::utc_now;
use crate::error::SupervisorError;
use crate::handle::Supervisor;
use crate::held::Held;
use crate::snapshot::Snapshot;

/// Sessions in a bootstrap.
const BOOTSTRAP_SESSIONS: u32 = 50;
/// Encounters in a bootstrap.
const BOOTSTRAP_ENCOUNTERS: u32 = 100;
/// Alerts in a bootstrap.
const BOOTSTRAP_ALERTS: u32 = 50;
/// Encounters in the readback of the event stream.
const READBACK_ENCOUNTERS: u32 = 50;
/// Alerts on the overview.
const OVERVIEW_ALERTS: u32 = 20;

type Result<T> = std::result::Result<T, SupervisorError>;

impl Supervisor {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.borrow().clone()
    }

    async fn read<T: Send + 'static>(
        &self,
        queries: impl FnOnce(&ReadView) -> std::result::Result<T, StoreError> + Send + 'static,
    ) -> Result<T> {
        Ok(self.reader.read_later(queries).await?)
    }

    /// Newest sessions first.
    pub async fn sessions(&self, limit: u32) -> Result<Vec<Session>> {
        let (snapshot, now) = (self.snapshot(), utc_now());
        let rows = self.read(move |view| view.sessions(limit)).await?;
        Ok(rows
            .into_iter()
            .map(|row| session::view(row, &snapshot, now))
            .collect())
    }

    /// One session.
    pub async fn session(&self, id: Uuid) -> Result<Session> {
        let row = self
            .read(move |view| view.session(id))
            .await?
            .ok_or(SupervisorError::SessionNotFound(id))?;
        Ok(session::view(row, &self.snapshot(), utc_now()))
    }

    /// Committed encounters of a session and the one that is open, newest first.
    pub async fn encounters(
        &self,
        id: Uuid,
        limit: u32,
        before: Option<UtcMicros>,
    ) -> Result<Vec<EncounterV2>> {
        let filter = EncounterFilter {
            session_id: Some(id),
            before,
            ..EncounterFilter::default()
        };
        // The snapshot comes first: an encounter that is committed in between stands in both, never in neither.
        let snapshot = self.snapshot();
        let rows = self
            .read(move |view| view.encounters(&filter, limit))
            .await?;
        let open = before
            .is_none()
            .then(|| encounter::open_view(&snapshot, id, &rows, utc_now()))
            .flatten();
        let committed = rows.into_iter().map(encounter::view);
        Ok(open
            .into_iter()
            .chain(committed)
            .take(limit as usize)
            .collect())
    }

    /// Experiments by id.
    pub async fn experiments(&self) -> Result<Vec<ExperimentSummary>> {
        let rows = self.read(lsie_store::ReadView::experiments).await?;
        let snapshot = self.snapshot();
        Ok(rows
            .into_iter()
            .map(|row| experiment::summary(row, &snapshot))
            .collect())
    }

    /// One experiment with its arms.
    pub async fn experiment(&self, id: &str) -> Result<ExperimentDetail> {
        let code = id.to_owned();
        let row = self.read(move |view| view.experiment(&code)).await?;
        let row = row.ok_or_else(|| SupervisorError::UnknownExperiment(id.to_owned()))?;
        Ok(experiment::detail(row, &self.snapshot()))
    }

    /// Health of every part.
    #[expect(clippy::unused_async, reason = "same shape as the other read-outs")]
    pub async fn health(&self) -> Result<Health> {
        Ok(health::view(&self.snapshot(), utc_now()))
    }

    /// Newest alerts first.
    pub async fn alerts(&self, limit: u32, since: Option<UtcMicros>) -> Result<Vec<Alert>> {
        let rows = self.read(move |view| view.alerts(since, limit)).await?;
        Ok(rows.into_iter().map(state::alert).collect())
    }

    /// Marks an alert as seen.
    pub async fn acknowledge_alert(&self, id: Uuid) -> Result<()> {
        self.writer.ack_alert(id, utc_now()).await?;
        let _ = self.changes.send(EventType::Alerts);
        Ok(())
    }

    /// Physiology of a session: the newest usable values and the newest co-modulation window.
    pub async fn physiology(&self, id: Uuid) -> Result<Physiology> {
        Ok(physiology::view(
            id,
            &self.stored_physiology(id).await?,
            utc_now(),
        ))
    }

    /// The same with the state of each person's data and how far the index can be trusted.
    pub async fn physiology_v2(&self, id: Uuid) -> Result<PhysiologyV2> {
        Ok(physiology::view_v2(
            id,
            &self.stored_physiology(id).await?,
            utc_now(),
        ))
    }

    async fn stored_physiology(&self, id: Uuid) -> Result<physiology::Stored> {
        let stored = self
            .read(move |view| match view.session(id)? {
                Some(_) => physiology::read(view, id).map(Some),
                None => Ok(None),
            })
            .await?;
        stored.ok_or(SupervisorError::SessionNotFound(id))
    }

    /// Stored physiology: the newest row of each person, or the newest `limit` rows, oldest first.
    pub async fn physiology_log(
        &self,
        id: Uuid,
        series: bool,
        limit: u32,
    ) -> Result<Vec<PhysiologyLogRow>> {
        let rows = self
            .read(move |view| {
                if series {
                    return view.physiology_series(id, limit);
                }
                let newest = SubjectRole::ALL
                    .iter()
                    .map(|role| view.newest_physiology(id, *role));
                let rows: std::result::Result<Vec<_>, _> = newest.collect();
                Ok(rows?.into_iter().flatten().collect())
            })
            .await?;
        Ok(rows.into_iter().map(physiology::log_row).collect())
    }

    /// Stored windows of co-modulation, newest first, null indices included.
    pub async fn comodulation_log(&self, id: Uuid, limit: u32) -> Result<Vec<CoModulationLogRow>> {
        let rows = self.read(move |view| view.comodulation(id, limit)).await?;
        Ok(rows.into_iter().map(physiology::index_row).collect())
    }

    /// What an operator may expect of the arms of an experiment.
    pub async fn experiment_readout(&self, id: &str) -> Result<ExperimentReadout> {
        let code = id.to_owned();
        let (row, log) = self
            .read(move |view| {
                let row = view.experiment(&code)?;
                Ok((row, view.logged_choices(&code, readout::LOG_LIMIT + 1)?))
            })
            .await?;
        let row = row.ok_or_else(|| SupervisorError::UnknownExperiment(id.to_owned()))?;
        Ok(readout::view(row, log, &self.snapshot(), utc_now())?)
    }

    /// The overview.
    pub async fn overview(&self) -> Result<Overview> {
        let active = self.live_session().await?;
        let id = active.as_ref().map(|session| session.session_id);
        let latest = self
            .read(move |view| view.latest_encounter(id))
            .await?
            .map(|row| encounter::view(row).base.into());
        let code = active
            .as_ref()
            .and_then(|session| session.experiment_id.clone());
        let summary = self
            .experiments()
            .await?
            .into_iter()
            .find(|summary| Some(&summary.experiment_id) == code.as_ref());
        let physiology = match id {
            Some(id) => Some(self.physiology(id).await?),
            None => None,
        };
        Ok(Overview {
            generated_at_utc: utc_now(),
            physiology,
            active_session: active,
            latest_encounter: latest,
            experiment_summary: summary,
            health: Some(self.health().await?),
            alerts: self.alerts(OVERVIEW_ALERTS, None).await?,
        })
    }

    async fn live_session(&self) -> Result<Option<Session>> {
        match self.snapshot().live.as_ref().map(|live| live.id) {
            Some(id) => self.session(id).await.map(Some),
            None => Ok(None),
        }
    }

    /// Everything a client needs at once.
    pub async fn bootstrap(&self) -> Result<StateBootstrap> {
        let live = self.live_session().await?;
        let encounters = match &live {
            Some(session) => {
                self.encounters(session.session_id, BOOTSTRAP_ENCOUNTERS, None)
                    .await?
            }
            None => Vec::new(),
        };
        let experiment = match live
            .as_ref()
            .and_then(|session| session.experiment_id.as_deref())
        {
            Some(id) => Some(self.experiment(id).await?),
            None => None,
        };
        let overview = self.overview().await?;
        Ok(StateBootstrap {
            generated_at_utc: utc_now(),
            sessions: self.sessions(BOOTSTRAP_SESSIONS).await?,
            physiology: overview.physiology.clone(),
            overview,
            live_session: live,
            encounters: encounters.into_iter().map(|row| row.base).collect(),
            experiment_summaries: self.experiments().await?,
            experiment,
            health: self.health().await?,
            alerts: self.alerts(BOOTSTRAP_ALERTS, None).await?,
        })
    }

    /// What is measured right now and was learnt last.
    pub async fn readback(&self, id: Uuid, limit: u32) -> Result<LiveReadback> {
        let row = self
            .read(move |view| view.session(id))
            .await?
            .ok_or(SupervisorError::SessionNotFound(id))?;
        let (gaps, segments) = self
            .read(move |view| Ok((view.data_gaps(id)?, view.segments(id, limit)?)))
            .await?;
        let encounters = self.encounters(id, limit, None).await?;
        Ok(state::readback(
            row,
            gaps,
            encounters,
            segments,
            &self.snapshot(),
            utc_now(),
        ))
    }

    /// What the server is doing.
    pub async fn status(&self) -> Result<Status> {
        let counts = self.read(lsie_store::ReadView::counts).await?;
        Ok(state::status(counts, &self.snapshot(), utc_now()))
    }

    /// Writes that the store could not take since the server started.
    #[must_use]
    pub fn store_faults(&self) -> u64 {
        self.snapshot().store_faults
    }

    /// What the supervisor holds in memory, by kind.
    #[must_use]
    pub fn held(&self) -> Vec<Held> {
        self.snapshot().held.to_vec()
    }

    /// One part of the state as an event; its identity changes only when its content does.
    pub async fn event(&self, kind: EventType) -> Result<EventEnvelope> {
        let payload = self.payload(kind).await?;
        let mut stable = payload.clone();
        drop_ages(&mut stable);
        let digest = sha256_hex(format!("{}:{stable}", kind.name()).as_bytes());
        let id = format!("{}:{}", kind.name(), digest.get(..24).unwrap_or_default());
        Ok(EventEnvelope {
            event_id: id.clone(),
            event_type: kind,
            cursor: id,
            generated_at_utc: utc_now(),
            payload,
        })
    }

    async fn payload(&self, kind: EventType) -> Result<Value> {
        let live = self
            .snapshot()
            .live
            .as_ref()
            .map(|live| (live.id, live.experiment_id.clone()));
        let nothing = || Value::Array(Vec::new());
        let json = |value: std::result::Result<Value, serde_json::Error>| value.unwrap_or_default();
        Ok(match (kind, live) {
            (EventType::Overview, _) => json(serde_json::to_value(self.overview().await?)),
            (EventType::Sessions, _) => json(serde_json::to_value(
                self.sessions(BOOTSTRAP_SESSIONS).await?,
            )),
            (EventType::ExperimentSummaries, _) => {
                json(serde_json::to_value(self.experiments().await?))
            }
            (EventType::Health, _) => json(serde_json::to_value(self.health().await?)),
            (EventType::Alerts, _) => json(serde_json::to_value(
                self.alerts(BOOTSTRAP_ALERTS, None).await?,
            )),
            (EventType::LiveSession, Some((id, _))) => {
                json(serde_json::to_value(self.session(id).await?))
            }
            (EventType::Encounters, Some((id, _))) => {
                let rows = self.encounters(id, BOOTSTRAP_ENCOUNTERS, None).await?;
                json(serde_json::to_value(
                    rows.into_iter().map(|row| row.base).collect::<Vec<_>>(),
                ))
            }
            (EventType::Experiment, Some((_, code))) => {
                json(serde_json::to_value(self.experiment(&code).await?))
            }
            (EventType::Physiology, Some((id, _))) => {
                json(serde_json::to_value(self.physiology(id).await?))
            }
            (EventType::Readback, Some((id, _))) => json(serde_json::to_value(
                self.readback(id, READBACK_ENCOUNTERS).await?,
            )),
            (_, None) => nothing(),
        })
    }
}

/// Takes out what changes by the mere passing of time: ages, and when something that goes on as before was last seen.
fn drop_ages(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| {
                !matches!(
                    name.as_str(),
                    "generated_at_utc" | "duration_s" | "freshness_s" | "last_success_utc"
                )
            });
            members.values_mut().for_each(drop_ages);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_ages),
        _ => {}
    }
}
