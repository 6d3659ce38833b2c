//! `lsie check`: one demo session from decoded frames to the committed row and back, and the same with the face masked.

use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use lsie_schemas::api::{
    AttestAccepted, AttestRequest, EncounterV2, ExperimentDetail, LifecycleAccepted, LiveReadback,
    SessionCreate, SessionEnd, Status, StimulusAccepted, StimulusRequest,
};
use lsie_schemas::config::{Config, Layered, Origin};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::CheckArgs;
use crate::client::Client;
use crate::commands::Output;
use crate::render::{facts, number};
use crate::serve;

const EXPERIMENT: &str = "greeting_line_v1";
/// Largest distance of the measured P90 from the presenter's truth.
const TOLERANCE: f64 = 0.10;
/// Longest wait for anything that takes seconds; the first use of the demo renders it.
const PATIENCE: Duration = Duration::from_mins(3);
const POLL: Duration = Duration::from_millis(200);

/// What was seen.
#[derive(Debug, Serialize)]
struct Report {
    /// Whether everything held.
    passed: bool,
    frames_decoded: u64,
    mesh_inferences: u64,
    voice_inferences: u64,
    committed_rows: u64,
    stimulus_media_time_s: f64,
    measured_p90: f64,
    true_p90: f64,
    gated_reward: f64,
    arm: String,
    posterior_after: Option<(f64, f64)>,
    observation_latency_ms: Option<(f32, f32)>,
    masked_skip_reason: String,
    masked_posterior_unchanged: bool,
}

/// Runs both sessions on a server of its own and judges them.
pub(crate) fn check(layered: &Layered, args: &CheckArgs, out: &mut Output<'_>) -> Result<ExitCode> {
    let mut layered = layered.clone();
    let flag = Origin::Flag("check".into());
    layered.apply_text("server.port", "0", &flag)?;
    if layered
        .explain()
        .iter()
        .any(|(key, _, origin)| key == "log.filter" && *origin == Origin::Default)
    {
        layered.apply_text("log.filter", "warn", &flag)?;
    }
    let config = layered.config();
    serve::start_log(&config.log);
    let fresh = tempfile::tempdir().context("making a state folder")?;
    let state_dir = args.state_dir.as_deref().unwrap_or_else(|| fresh.path());
    let report = run_server(&config, state_dir)?;
    out.show(&report, table)?;
    Ok(if report.passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

fn run_server(config: &Config, state_dir: &Path) -> Result<Report> {
    serve::runtime()?.block_on(async {
        let ready = serve::prepare(config, state_dir, true).await?;
        let (stop_tx, stop_rx) = tokio::sync::oneshot::channel::<()>();
        let supervisor = ready.supervisor.clone();
        let stop = async move { drop(stop_rx.await) };
        let client = Client::new(&ready.address, Some(ready.token.clone()), 15.0)?;
        let server = config.server.clone();
        let serving = tokio::spawn(async move {
            lsie_api::serve(ready.listener, ready.supervisor, &server, ready.token, stop).await
        });
        let judged = tokio::task::spawn_blocking(move || judge(&client)).await?;
        drop(stop_tx);
        let _ = supervisor.shutdown().await;
        serving.await??;
        judged
    })
}

fn judge(client: &Client) -> Result<Report> {
    progress("waiting for the media engine");
    let status: Status = wait(client, "the engine did not come up", |client| {
        let status: Status = client.get("/api/v2/status")?;
        Ok((status.engine.state == "ok").then_some(status))
    })?;
    let missing: Vec<_> = status
        .engine
        .models
        .iter()
        .filter(|(_, state)| state.as_str() != "ready")
        .collect();
    ensure!(
        missing.is_empty(),
        "models are missing: {missing:?}\n  fetch them with `lsie models fetch`"
    );

    let shown = session(client, "demo:presenter", true)?;
    let status: Status = client.get("/api/v2/status")?;
    let before = posteriors(client)?;
    let masked = session(client, "demo:presenter?mask=1", false)?;
    let after = posteriors(client)?;

    let media_time_s = shown.media_time_s;
    let true_p90 = lsie_engine::truth::truth_p90(media_time_s);
    let measured_p90 = shown.encounter.base.p90_intensity.unwrap_or(f64::NAN);
    let masked_reason = masked.encounter.skip_reason.clone().unwrap_or_default();
    let counters = &status.engine.counters;
    let committed_rows = status.rows.get("encounters").copied().unwrap_or_default();
    let passed = counters.frames_decoded > 0
        && counters.mesh_inferences > 0
        && committed_rows > 0
        && shown.encounter.applied
        && (measured_p90 - true_p90).abs() <= TOLERANCE
        && !masked.encounter.applied
        && masked_reason == "no_frames"
        && before == after;
    Ok(Report {
        passed,
        frames_decoded: counters.frames_decoded,
        mesh_inferences: counters.mesh_inferences,
        voice_inferences: counters.voice_inferences,
        committed_rows,
        stimulus_media_time_s: media_time_s,
        measured_p90,
        true_p90,
        gated_reward: shown.encounter.base.gated_reward.unwrap_or(f64::NAN),
        arm: shown.encounter.base.active_arm.unwrap_or_default(),
        posterior_after: shown.encounter.posterior_after,
        observation_latency_ms: shown.latency_ms,
        masked_skip_reason: masked_reason,
        masked_posterior_unchanged: before == after,
    })
}

struct Seen {
    encounter: EncounterV2,
    media_time_s: f64,
    latency_ms: Option<(f32, f32)>,
}

/// One whole session; with `calibrates` it waits for the neutral baseline first.
fn session(client: &Client, url: &str, calibrates: bool) -> Result<Seen> {
    progress(&format!("starting {url}"));
    let body = SessionCreate {
        stream_url: url.into(),
        experiment_id: EXPERIMENT.into(),
        client_action_id: Uuid::new_v4(),
        epoch_utc: None,
        planned_stimuli: Vec::new(),
    };
    let started: LifecycleAccepted = client.post("/api/v1/sessions", &body)?;
    let id = started.session_id;
    let readback = move |client: &Client| {
        client.get::<LiveReadback>(&format!("/api/v2/sessions/{id}/readback"))
    };
    progress(if calibrates {
        "calibrating the neutral face"
    } else {
        "waiting for frames without a face"
    });
    let playing = wait(client, "no frame was measured", |client| {
        let seen = readback(client)?;
        ensure!(
            seen.session.ended_at_utc.is_none(),
            "the session ended early"
        );
        let ready = if calibrates {
            seen.session.is_calibrating == Some(false)
        } else {
            seen.visual.is_some()
        };
        Ok(ready.then_some(seen))
    })?;
    let epoch = playing.epoch_utc.context("media runs without an epoch")?;

    progress("giving the stimulus");
    let body = StimulusRequest {
        operator_note: Some("self-check".into()),
        client_action_id: Uuid::new_v4(),
    };
    let given: StimulusAccepted =
        client.post(&format!("/api/v1/operator/sessions/{id}/stimulus"), &body)?;
    let stimulus_time = given
        .stimulus_time_utc
        .context("the stimulus was not stamped")?;
    let body = AttestRequest {
        stimulus_id: None,
        delivered: true,
        client_action_id: Uuid::new_v4(),
    };
    let _: AttestAccepted = client.post(&format!("/api/v2/sessions/{id}/attest"), &body)?;

    progress("measuring for 5 seconds, then committing");
    let committed = wait(client, "no encounter was committed", |client| {
        let seen = readback(client)?;
        let verdicts = ["completed", "rejected"];
        Ok(seen
            .encounters
            .into_iter()
            .find(|row| verdicts.iter().any(|v| row.state_v2.starts_with(v))))
    })?;
    let status: Status = client.get("/api/v2/status")?;
    let body = SessionEnd {
        client_action_id: Uuid::new_v4(),
    };
    let _: LifecycleAccepted = client.post(&format!("/api/v1/sessions/{id}/end"), &body)?;
    Ok(Seen {
        encounter: committed,
        media_time_s: stimulus_time.as_epoch_secs() - epoch.as_epoch_secs(),
        latency_ms: status.engine.observation_latency_ms,
    })
}

fn posteriors(client: &Client) -> Result<Value> {
    let detail: ExperimentDetail =
        client.get(&format!("/api/v1/operator/experiments/{EXPERIMENT}"))?;
    Ok(detail
        .arms
        .into_iter()
        .map(|arm| json!([arm.arm_id, arm.posterior_alpha, arm.posterior_beta]))
        .collect())
}

fn wait<T>(
    client: &Client,
    failure: &str,
    mut look: impl FnMut(&Client) -> Result<Option<T>>,
) -> Result<T> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(found) = look(client)? {
            return Ok(found);
        }
        sleep(POLL);
    }
    bail!("{failure} within {} s", PATIENCE.as_secs())
}

fn progress(words: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "  … {words}");
}

fn table(r: &Report) -> String {
    let posterior = r.posterior_after.map_or_else(
        || "unchanged".to_owned(),
        |(a, b)| format!("Beta({a:.4}, {b:.4})"),
    );
    let latency = r.observation_latency_ms.map_or_else(
        || "—".to_owned(),
        |(p50, p95)| format!("{p50:.1} ms median, {p95:.1} ms p95"),
    );
    facts(&[
        ("frames decoded", r.frames_decoded.to_string()),
        ("mesh inferences", r.mesh_inferences.to_string()),
        ("voice inferences", r.voice_inferences.to_string()),
        ("committed encounters", r.committed_rows.to_string()),
        ("arm", r.arm.clone()),
        (
            "P90 measured / true",
            format!(
                "{} / {}",
                number(Some(r.measured_p90), 4),
                number(Some(r.true_p90), 4)
            ),
        ),
        ("reward", number(Some(r.gated_reward), 4)),
        ("posterior", posterior),
        ("observation latency", latency),
        (
            "masked face",
            format!(
                "no update ({}), posterior unchanged: {}",
                r.masked_skip_reason, r.masked_posterior_unchanged
            ),
        ),
        (
            "verdict",
            if r.passed {
                "passed".to_owned()
            } else {
                "FAILED".to_owned()
            },
        ),
    ])
}
