//! `lsie sessions …`

use anyhow::{Context as _, Result};
use lsie_schemas::api::{
    EncounterV2, LifecycleAccepted, PlannedStimulusRequest, Session, SessionCreate, SessionEnd,
};
use lsie_schemas::time::UtcMicros;
use uuid::Uuid;

use super::Output;
use super::live::encounters;
use crate::cli::Sessions;
use crate::client::Client;
use crate::render::{duration, facts, instant, number, table, text, word};

pub(crate) fn sessions(client: &Client, out: &mut Output<'_>, command: Sessions) -> Result<()> {
    match command {
        Sessions::List(limit) => {
            let rows: Vec<Session> =
                client.get(&format!("/api/v1/operator/sessions?limit={}", limit.limit))?;
            out.show(&rows, |rows| list(rows))
        }
        Sessions::Show { id } => {
            let session: Session = client.get(&format!("/api/v1/operator/sessions/{id}"))?;
            if out.json {
                return out.show(&session, one);
            }
            let newest: Vec<EncounterV2> =
                client.get(&format!("/api/v2/sessions/{id}/encounters?limit=10"))?;
            out.show(&session, |s| format!("{}\n{}", one(s), encounters(&newest)))
        }
        Sessions::Start {
            url,
            experiment,
            stimulus_at,
            epoch,
            action,
        } => {
            let body = SessionCreate {
                stream_url: url,
                experiment_id: experiment,
                client_action_id: action.unwrap_or_else(Uuid::new_v4),
                epoch_utc: epoch
                    .as_deref()
                    .map(UtcMicros::parse)
                    .transpose()
                    .context("--epoch")?,
                planned_stimuli: stimulus_at
                    .iter()
                    .map(|text| planned(text))
                    .collect::<Result<_>>()?,
            };
            let answer: LifecycleAccepted = client.post("/api/v2/sessions", &body)?;
            out.show(&answer, accepted)
        }
        Sessions::End { id } => {
            let body = SessionEnd {
                client_action_id: Uuid::new_v4(),
            };
            let answer: LifecycleAccepted =
                client.post(&format!("/api/v1/sessions/{id}/end"), &body)?;
            out.show(&answer, accepted)
        }
    }
}

/// `12.5` or, attested, `12.5!`.
fn planned(text: &str) -> Result<PlannedStimulusRequest> {
    let (seconds, attested) = text
        .strip_suffix('!')
        .map_or((text, false), |rest| (rest, true));
    let offset_s = seconds
        .parse()
        .with_context(|| format!("--stimulus-at wants seconds, got `{text}`"))?;
    Ok(PlannedStimulusRequest { offset_s, attested })
}

fn accepted(answer: &LifecycleAccepted) -> String {
    let verb = if answer.action == "start" {
        "started"
    } else {
        "ended"
    };
    let remark = answer
        .message
        .as_ref()
        .map(|message| format!(": {message}"))
        .unwrap_or_default();
    format!("session {} {verb}{remark}\n", answer.session_id)
}

fn list(rows: &[Session]) -> String {
    let cells: Vec<_> = rows
        .iter()
        .map(|s| {
            vec![
                s.session_id.to_string(),
                word(&s.status),
                instant(Some(s.started_at_utc)),
                duration(s.duration_s),
                text(s.active_arm.clone()),
            ]
        })
        .collect();
    table(&["session", "status", "started", "duration", "arm"], &cells)
}

fn one(s: &Session) -> String {
    let calibration = match (
        s.calibration_frames_accumulated,
        s.calibration_frames_required,
    ) {
        (Some(have), Some(need)) => format!("{have} of {need} frames"),
        _ => text(None::<u32>),
    };
    facts(&[
        ("session", s.session_id.to_string()),
        ("status", word(&s.status)),
        ("started", instant(Some(s.started_at_utc))),
        ("ended", instant(s.ended_at_utc)),
        ("duration", duration(s.duration_s)),
        ("experiment", text(s.experiment_id.clone())),
        ("arm", text(s.active_arm.clone())),
        ("expected response", text(s.expected_response_text.clone())),
        ("calibration", calibration),
        ("latest reward", number(s.latest_reward, 4)),
        ("latest gate", text(s.latest_semantic_gate)),
    ])
}
