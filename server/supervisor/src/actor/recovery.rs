//! What an earlier server left open, and what is done with it at start.

use lsie_schemas::api::{AlertKind, Severity};
use lsie_store::RecoveryReport;

use super::{Actor, utc_now};
use crate::error::SupervisorError;

/// Reason recorded with a session an earlier server left open.
const REASON: &str = "server_restart";

impl Actor {
    /// Closes every session and stimulus an earlier server left open, with its reason, and remembers what was done.
    pub(super) async fn recover(&mut self) -> Result<(), SupervisorError> {
        let report: RecoveryReport = self.store.recovery().clone();
        for stimulus in &report.uncommitted_stimuli {
            self.writer
                .fail_stimulus(stimulus.stimulus_id, REASON)
                .await?;
            self.state.recovery.push(format!(
                "stimulus {} had no encounter yet: marked failed ({REASON})",
                stimulus.stimulus_id
            ));
        }
        for session in &report.open_sessions {
            let now = utc_now();
            self.writer
                .end_session(session.session_id, None, REASON, now)
                .await?;
            let words = format!("session {} was open: closed ({REASON})", session.session_id);
            tracing::warn!(session = %session.session_id, "an earlier server left this session open; it was closed");
            self.alert(
                Severity::Warning,
                AlertKind::SessionEnded,
                None,
                words.clone(),
            )
            .await;
            self.state.recovery.push(words);
        }
        Ok(())
    }
}
