//! The route table and its thin handlers: parse, ask the supervisor, answer.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Extension, Json, Router, middleware};
use lsie_schemas::api::{
    Alert, AttestAccepted, AttestRequest, ChunkAccepted, CoModulationLogRow, Encounter,
    EncounterV2, ExperimentDetail, ExperimentReadout, ExperimentSummary, Health, LifecycleAccepted,
    LiveReadback, Overview, Physiology, PhysiologyLogRow, PhysiologyV2, PlatformEvent,
    PlatformEventAccepted, Session, SessionCreate, SessionEnd, StateBootstrap, Status,
    StimulusAccepted, StimulusRequest,
};
use lsie_schemas::contract::{Contract as _, PhysiologicalChunkEvent};
use lsie_supervisor::Supervisor;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::console::Console;
use crate::extract::{Body, Parameters, SessionPath, TextPath, instant, limit};
use crate::guard::{Guard, enforce};
use crate::problem::{Refusal, defects, problem};
use crate::{console, events, metrics, openapi, signalling};

type Answer<T> = Result<Json<T>, Refusal>;

#[derive(Debug, Deserialize)]
struct Paging {
    limit: Option<u32>,
    before_utc: Option<String>,
    since_utc: Option<String>,
    series: Option<bool>,
}

/// Every route behind the guard.
pub(crate) fn router(
    supervisor: Supervisor,
    guard: Arc<Guard>,
    console: Arc<Console>,
    max_body_bytes: usize,
) -> Router {
    Router::new()
        .merge(operator_routes())
        .merge(v2_routes())
        .merge(signalling::routes())
        .route("/", get(console::index))
        .route("/assets/{name}", get(console::asset))
        .route("/health", get(|| async { Json(json!({ "status": "ok" })) }))
        .route("/metrics", get(metrics::prometheus))
        .route("/openapi.json", get(openapi::document))
        .fallback(|| async {
            problem(
                StatusCode::NOT_FOUND,
                "not_found",
                "Not Found",
                Some("see /openapi.json for what exists"),
            )
        })
        .method_not_allowed_fallback(|| async {
            problem(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "Method Not Allowed",
                None,
            )
        })
        .layer(Extension(console))
        .layer(DefaultBodyLimit::max(max_body_bytes))
        .layer(middleware::from_fn_with_state(guard, enforce))
        .with_state(supervisor)
}

fn operator_routes() -> Router<Supervisor> {
    Router::new()
        .route("/api/v1/sessions", post(start_session))
        .route("/api/v1/sessions/{id}/end", post(end_session))
        .route("/api/v1/operator/state/bootstrap", get(bootstrap))
        .route("/api/v1/operator/state/events", get(events::stream))
        .route("/api/v1/operator/overview", get(overview))
        .route("/api/v1/operator/sessions", get(sessions))
        .route("/api/v1/operator/sessions/{id}", get(session))
        .route("/api/v1/operator/sessions/{id}/encounters", get(encounters))
        .route("/api/v1/operator/sessions/{id}/physiology", get(physiology))
        .route("/api/v1/operator/sessions/{id}/stimulus", post(stimulus))
        .route("/api/v1/operator/experiments", get(experiments))
        .route("/api/v1/operator/experiments/{id}", get(experiment))
        .route("/api/v1/operator/health", get(health))
        .route("/api/v1/operator/alerts", get(alerts))
        .route("/api/v1/physiology/{id}", get(physiology_log))
        .route("/api/v1/comodulation/{id}", get(comodulation_log))
}

fn v2_routes() -> Router<Supervisor> {
    Router::new()
        .route("/api/v2/status", get(status))
        .route("/api/v2/state/events", get(events::stream_v2))
        .route("/api/v2/sessions", post(start_session))
        .route("/api/v2/sessions/{id}/attest", post(attest))
        .route("/api/v2/sessions/{id}/readback", get(readback))
        .route("/api/v2/sessions/{id}/encounters", get(encounters_v2))
        .route("/api/v2/sessions/{id}/physiology", get(physiology_v2))
        .route("/api/v2/sessions/{id}/events", post(platform_event))
        .route("/api/v2/physiology/chunks", post(physiological_chunk))
        .route("/api/v2/experiments/{id}/readout", get(readout))
        .route("/api/v2/alerts/{id}/acknowledge", post(acknowledge))
        .route("/api/v2/engine/reset", post(reset_engine))
}

async fn start_session(
    State(supervisor): State<Supervisor>,
    Body(body): Body<SessionCreate>,
) -> Answer<LifecycleAccepted> {
    Ok(Json(supervisor.start_session(body).await?))
}

async fn end_session(
    State(supervisor): State<Supervisor>,
    SessionPath(id): SessionPath,
    Body(body): Body<SessionEnd>,
) -> Answer<LifecycleAccepted> {
    Ok(Json(supervisor.end_session(id, body).await?))
}

async fn stimulus(
    State(supervisor): State<Supervisor>,
    SessionPath(id): SessionPath,
    Body(body): Body<StimulusRequest>,
) -> Answer<StimulusAccepted> {
    Ok(Json(supervisor.stimulus(id, body).await?))
}

async fn attest(
    State(supervisor): State<Supervisor>,
    SessionPath(id): SessionPath,
    Body(body): Body<AttestRequest>,
) -> Answer<AttestAccepted> {
    Ok(Json(supervisor.attest(id, body).await?))
}

async fn bootstrap(State(supervisor): State<Supervisor>) -> Answer<StateBootstrap> {
    Ok(Json(supervisor.bootstrap().await?))
}

async fn overview(State(supervisor): State<Supervisor>) -> Answer<Overview> {
    Ok(Json(supervisor.overview().await?))
}

async fn sessions(
    State(supervisor): State<Supervisor>,
    Parameters(query): Parameters<Paging>,
) -> Answer<Vec<Session>> {
    Ok(Json(
        supervisor.sessions(limit(query.limit, 50, 500)?).await?,
    ))
}

async fn session(
    State(supervisor): State<Supervisor>,
    SessionPath(id): SessionPath,
) -> Answer<Session> {
    Ok(Json(supervisor.session(id).await?))
}

async fn encounters(
    State(supervisor): State<Supervisor>,
    SessionPath(id): SessionPath,
    Parameters(query): Parameters<Paging>,
) -> Answer<Vec<Encounter>> {
    let before = instant("before_utc", query.before_utc.as_deref())?;
    let rows = supervisor
        .encounters(id, limit(query.limit, 100, 1000)?, before)
        .await?;
    Ok(Json(rows.into_iter().map(|row| row.base).collect()))
}

async fn encounters_v2(
    State(supervisor): State<Supervisor>,
    SessionPath(id): SessionPath,
    Parameters(query): Parameters<Paging>,
) -> Answer<Vec<EncounterV2>> {
    let before = instant("before_utc", query.before_utc.as_deref())?;
    Ok(Json(
        supervisor
            .encounters(id, limit(query.limit, 100, 1000)?, before)
            .await?,
    ))
}

async fn physiology(
    State(supervisor): State<Supervisor>,
    SessionPath(id): SessionPath,
) -> Answer<Physiology> {
    Ok(Json(supervisor.physiology(id).await?))
}

async fn physiology_v2(
    State(supervisor): State<Supervisor>,
    SessionPath(id): SessionPath,
) -> Answer<PhysiologyV2> {
    Ok(Json(supervisor.physiology_v2(id).await?))
}

async fn physiology_log(
    State(supervisor): State<Supervisor>,
    SessionPath(id): SessionPath,
    Parameters(query): Parameters<Paging>,
) -> Answer<Vec<PhysiologyLogRow>> {
    let series = query.series.unwrap_or(false);
    let limit = limit(query.limit, 500, 5000)?;
    Ok(Json(supervisor.physiology_log(id, series, limit).await?))
}

async fn comodulation_log(
    State(supervisor): State<Supervisor>,
    SessionPath(id): SessionPath,
    Parameters(query): Parameters<Paging>,
) -> Answer<Vec<CoModulationLogRow>> {
    let limit = limit(query.limit, 100, 2000)?;
    Ok(Json(supervisor.comodulation_log(id, limit).await?))
}

async fn platform_event(
    State(supervisor): State<Supervisor>,
    SessionPath(id): SessionPath,
    Body(body): Body<PlatformEvent>,
) -> Answer<PlatformEventAccepted> {
    Ok(Json(supervisor.platform_event(id, body).await?))
}

async fn physiological_chunk(
    State(supervisor): State<Supervisor>,
    Body(body): Body<Value>,
) -> Answer<ChunkAccepted> {
    let chunk = PhysiologicalChunkEvent::from_json(&body).map_err(|faults| defects(&faults))?;
    Ok(Json(supervisor.physiological_chunk(chunk).await?))
}

async fn readout(
    State(supervisor): State<Supervisor>,
    TextPath(id): TextPath,
) -> Answer<ExperimentReadout> {
    Ok(Json(supervisor.experiment_readout(&id).await?))
}

async fn experiments(State(supervisor): State<Supervisor>) -> Answer<Vec<ExperimentSummary>> {
    Ok(Json(supervisor.experiments().await?))
}

async fn experiment(
    State(supervisor): State<Supervisor>,
    TextPath(id): TextPath,
) -> Answer<ExperimentDetail> {
    Ok(Json(supervisor.experiment(&id).await?))
}

async fn health(State(supervisor): State<Supervisor>) -> Answer<Health> {
    Ok(Json(supervisor.health().await?))
}

async fn alerts(
    State(supervisor): State<Supervisor>,
    Parameters(query): Parameters<Paging>,
) -> Answer<Vec<Alert>> {
    let since = instant("since_utc", query.since_utc.as_deref())?;
    Ok(Json(
        supervisor
            .alerts(limit(query.limit, 50, 500)?, since)
            .await?,
    ))
}

async fn status(State(supervisor): State<Supervisor>) -> Answer<Status> {
    Ok(Json(supervisor.status().await?))
}

async fn readback(
    State(supervisor): State<Supervisor>,
    SessionPath(id): SessionPath,
    Parameters(query): Parameters<Paging>,
) -> Answer<LiveReadback> {
    Ok(Json(
        supervisor.readback(id, limit(query.limit, 5, 50)?).await?,
    ))
}

async fn acknowledge(
    State(supervisor): State<Supervisor>,
    SessionPath(id): SessionPath,
) -> Answer<Value> {
    supervisor.acknowledge_alert(id).await?;
    Ok(Json(json!({ "acknowledged": true })))
}

async fn reset_engine(State(supervisor): State<Supervisor>) -> Answer<Value> {
    supervisor.reset_engine().await?;
    Ok(Json(json!({ "accepted": true })))
}
