//! Counters in the Prometheus text form.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use lsie_supervisor::Supervisor;

use crate::problem::Refusal;

/// `GET /metrics`.
pub(crate) async fn prometheus(State(supervisor): State<Supervisor>) -> Result<Response, Refusal> {
    let status = supervisor.status().await?;
    let mut text = String::new();
    let _ = writeln!(
        text,
        "# TYPE lsie_uptime_seconds gauge\nlsie_uptime_seconds {}",
        status.uptime_s
    );
    let _ = writeln!(
        text,
        "# TYPE lsie_engine_deaths_total counter\nlsie_engine_deaths_total {}",
        status.engine.deaths
    );
    let counters = serde_json::to_value(&status.engine.counters).unwrap_or_default();
    for (name, value) in counters.as_object().into_iter().flatten() {
        let _ = writeln!(
            text,
            "# TYPE lsie_engine_{name}_total counter\nlsie_engine_{name}_total {value}"
        );
    }
    let peers = status.engine.peers;
    let _ = writeln!(text, "# TYPE lsie_peers gauge");
    for (kind, count) in [
        ("viewer", peers.viewers),
        ("publisher", peers.publishers),
        ("connecting", peers.connecting),
    ] {
        let _ = writeln!(text, "lsie_peers{{kind=\"{kind}\"}} {count}");
    }
    let _ = writeln!(text, "# TYPE lsie_rows gauge");
    for (table, rows) in &status.rows {
        let _ = writeln!(text, "lsie_rows{{table=\"{table}\"}} {rows}");
    }
    let _ = writeln!(
        text,
        "# TYPE lsie_store_faults_total counter\nlsie_store_faults_total {}",
        supervisor.store_faults()
    );
    let _ = writeln!(text, "# TYPE lsie_held gauge");
    for held in supervisor.held() {
        let _ = writeln!(text, "lsie_held{{kind=\"{}\"}} {}", held.kind, held.count);
    }
    if let Some((median, p95)) = status.engine.observation_latency_ms {
        let _ = writeln!(text, "# TYPE lsie_observation_latency_ms gauge");
        let _ = writeln!(
            text,
            "lsie_observation_latency_ms{{quantile=\"0.5\"}} {median}"
        );
        let _ = writeln!(
            text,
            "lsie_observation_latency_ms{{quantile=\"0.95\"}} {p95}"
        );
    }
    if let Some(clock) = status.engine.source.and_then(|source| source.clock) {
        let gauges = [
            ("offset_seconds", clock.offset_s),
            ("drift_ppm", clock.drift_ppm),
            ("uncertainty_ms", clock.uncertainty_ms),
            ("round_trip_ms", clock.round_trip_ms),
        ];
        for (name, value) in gauges {
            let Some(value) = value else { continue };
            let _ = writeln!(
                text,
                "# TYPE lsie_source_clock_{name} gauge\nlsie_source_clock_{name} {value}"
            );
        }
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
