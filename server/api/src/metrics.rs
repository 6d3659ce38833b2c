//! Counters in the Prometheus text form.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use lsie_schemas::link::{DeviceWork, SourceReport};
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
    let plain = counters.as_object().into_iter().flatten();
    for (name, value) in plain.filter(|(_, value)| value.is_number()) {
        let _ = writeln!(
            text,
            "# TYPE lsie_engine_{name}_total counter\nlsie_engine_{name}_total {value}"
        );
    }
    write_device(&mut text, &status.engine.counters.device);
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
    if let Some(source) = &status.engine.source {
        write_source(&mut text, source);
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

/// The source's clock, and what a phone's streams carried and lost.
fn write_source(text: &mut String, source: &SourceReport) {
    let mut gauge = |name: &str, value: Option<f64>| {
        if let Some(value) = value {
            let _ = writeln!(
                text,
                "# TYPE lsie_source_{name} gauge\nlsie_source_{name} {value}"
            );
        }
    };
    if let Some(clock) = &source.clock {
        gauge("clock_offset_seconds", clock.offset_s);
        gauge("clock_drift_ppm", clock.drift_ppm);
        gauge("clock_uncertainty_ms", clock.uncertainty_ms);
        gauge("clock_round_trip_ms", clock.round_trip_ms);
    }
    let Some(phone) = &source.phone else { return };
    gauge("pictures_per_second", phone.fps);
    gauge("bit_rate_bps", phone.bit_rate_bps.map(f64::from));
    let counters = [
        ("pictures_late", phone.pictures_late),
        ("pictures_dropped", phone.pictures_dropped),
        ("pictures_corrupt", phone.pictures_corrupt),
        ("sound_dropped", phone.sound_dropped),
        ("sound_silent_frames", phone.sound_silent_frames),
        ("sessions", phone.sessions),
    ];
    for (name, count) in counters {
        let _ = writeln!(
            text,
            "# TYPE lsie_phone_{name}_total counter\nlsie_phone_{name}_total {count}"
        );
    }
}

/// What the compute device did: launches by kernel, and what crossed between host and device.
fn write_device(text: &mut String, work: &DeviceWork) {
    let device = work.device.as_str();
    if device.is_empty() {
        return;
    }
    let _ = writeln!(text, "# TYPE lsie_kernel_launches_total counter");
    for (kernel, launches) in &work.launches {
        let _ = writeln!(
            text,
            "lsie_kernel_launches_total{{kernel=\"{kernel}\",device=\"{device}\"}} {launches}"
        );
    }
    let _ = writeln!(
        text,
        "# TYPE lsie_device_replays_total counter\nlsie_device_replays_total{{device=\"{device}\"}} {}",
        work.replays
    );
    let directions = [
        ("to_device", work.uploads, work.upload_bytes),
        ("to_host", work.downloads, work.download_bytes),
    ];
    let _ = writeln!(text, "# TYPE lsie_device_copies_total counter");
    for (direction, copies, _) in directions {
        let _ = writeln!(
            text,
            "lsie_device_copies_total{{direction=\"{direction}\",device=\"{device}\"}} {copies}"
        );
    }
    let _ = writeln!(text, "# TYPE lsie_device_copied_bytes_total counter");
    for (direction, _, bytes) in directions {
        let _ = writeln!(
            text,
            "lsie_device_copied_bytes_total{{direction=\"{direction}\",device=\"{device}\"}} {bytes}"
        );
    }
}
