//! `lsie status`, `overview`, `health`, `alerts`, `engine-control`.

use anyhow::Result;
use lsie_schemas::api::{Alert, Health, Overview, Status};
use serde_json::{Value, json};

use super::Output;
use crate::cli::{EngineControl, LimitArgs};
use crate::client::Client;
use crate::render::{duration, facts, instant, number, table, text, word};

pub(crate) fn status(client: &Client, out: &mut Output<'_>) -> Result<()> {
    let status: Status = client.get("/api/v2/status")?;
    let address = client.base().to_owned();
    out.show(&status, |s| {
        let latency = s.observation_latency();
        let mut lines = vec![
            (
                "server",
                format!(
                    "{address}, version {}, process {}, up {}",
                    s.version,
                    s.server_pid,
                    duration(Some(s.uptime_s))
                ),
            ),
            ("health", word(&s.overall_state)),
            (
                "engine",
                format!(
                    "{}, process {}, {} deaths",
                    s.engine.state,
                    text(s.engine.pid),
                    s.engine.deaths
                ),
            ),
            ("device", text(s.engine.device.clone())),
            ("session", text(s.session_id)),
            (
                "frames",
                format!(
                    "{} decoded, {} analysed, {} dropped",
                    s.engine.counters.frames_decoded,
                    s.engine.counters.frames_analysed,
                    s.engine.counters.frames_dropped
                ),
            ),
            ("latency", latency),
            (
                "rows",
                s.rows
                    .iter()
                    .map(|(table, rows)| format!("{table} {rows}"))
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
        ];
        let models = s.engine.models.iter();
        lines.extend(models.map(|(model, state)| ("model", format!("{model}: {state}"))));
        lines.extend(s.recovery.iter().map(|line| ("recovered", line.clone())));
        facts(&lines)
    })
}

trait LatencyWords {
    fn observation_latency(&self) -> String;
}

impl LatencyWords for Status {
    fn observation_latency(&self) -> String {
        self.engine.observation_latency_ms.map_or_else(
            || text(None::<f32>),
            |(median, p95)| {
                format!("access unit to observation {median:.1} ms median, {p95:.1} ms p95")
            },
        )
    }
}

pub(crate) fn overview(client: &Client, out: &mut Output<'_>) -> Result<()> {
    let overview: Overview = client.get("/api/v1/operator/overview")?;
    out.show(&overview, |o| {
        let session = o.active_session.as_ref();
        let latest = o.latest_encounter.as_ref();
        let mut words = facts(&[
            ("session", text(session.map(|s| s.session_id))),
            (
                "experiment",
                text(session.and_then(|s| s.experiment_id.clone())),
            ),
            ("arm", text(session.and_then(|s| s.active_arm.clone()))),
            (
                "latest encounter",
                latest.map_or_else(|| text(None::<u8>), |e| word(&e.state)),
            ),
            ("reward", number(latest.and_then(|e| e.gated_reward), 4)),
            (
                "health",
                o.health
                    .as_ref()
                    .map_or_else(|| text(None::<u8>), |h| word(&h.overall_state)),
            ),
        ]);
        words.push('\n');
        words.push_str(&alert_table(&o.alerts));
        words
    })
}

pub(crate) fn health(client: &Client, out: &mut Output<'_>) -> Result<()> {
    let health: Health = client.get("/api/v1/operator/health")?;
    out.show(&health, |h| {
        let rows: Vec<_> = h
            .subsystems
            .iter()
            .map(|part| {
                vec![
                    part.label.clone(),
                    word(&part.state),
                    text(part.detail.clone()),
                    text(part.operator_action_hint.clone()),
                ]
            })
            .collect();
        format!(
            "overall: {}\n\n{}",
            word(&h.overall_state),
            table(&["part", "state", "detail", "what to do"], &rows)
        )
    })
}

pub(crate) fn alerts(client: &Client, out: &mut Output<'_>, limit: &LimitArgs) -> Result<()> {
    let alerts: Vec<Alert> =
        client.get(&format!("/api/v1/operator/alerts?limit={}", limit.limit))?;
    out.show(&alerts, |alerts| alert_table(alerts))
}

fn alert_table(alerts: &[Alert]) -> String {
    let rows: Vec<_> = alerts
        .iter()
        .map(|a| {
            vec![
                instant(Some(a.emitted_at_utc)),
                word(&a.severity),
                word(&a.kind),
                a.message.clone(),
            ]
        })
        .collect();
    table(&["when", "severity", "kind", "message"], &rows)
}

pub(crate) fn engine_control(
    client: &Client,
    out: &mut Output<'_>,
    command: &EngineControl,
) -> Result<()> {
    match command {
        EngineControl::Reset => {
            let answer: Value = client.post("/api/v2/engine/reset", &json!({}))?;
            out.show(&answer, |_| "engine is being started again\n".to_owned())
        }
    }
}
