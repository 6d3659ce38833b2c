//! The OpenAPI document, made from the same types the handlers use.

mod peers;

pub use peers::{PEER_OPERATIONS, PeerOperation};

use axum::Json;
use lsie_schemas::api::{
    Alert, AttestAccepted, AttestRequest, ChunkAccepted, CoModulationLogRow, Encounter,
    EncounterV2, EventEnvelope, ExperimentDetail, ExperimentReadout, ExperimentSummary, Health,
    LifecycleAccepted, LiveReadback, Overview, Physiology, PhysiologyLogRow, PhysiologyV2,
    PlatformEvent, PlatformEventAccepted, Problem, Session, SessionCreate, SessionEnd,
    StateBootstrap, Status, StimulusAccepted, StimulusRequest,
};
use lsie_schemas::contract::PhysiologicalChunkEvent;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// One route as the document and the tests know it.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// HTTP method in lower case.
    pub method: &'static str,
    /// Path with `{name}` parameters.
    pub path: &'static str,
    /// One sentence.
    pub summary: &'static str,
    request: Option<Reference>,
    answer: Option<Reference>,
    parameters: &'static [&'static str],
}

type Reference = fn(&mut SchemaGenerator) -> Value;

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

const fn get(
    path: &'static str,
    summary: &'static str,
    answer: Option<Reference>,
    parameters: &'static [&'static str],
) -> Operation {
    Operation {
        method: "get",
        path,
        summary,
        request: None,
        answer,
        parameters,
    }
}

const fn post(
    path: &'static str,
    summary: &'static str,
    request: Option<Reference>,
    answer: Option<Reference>,
) -> Operation {
    Operation {
        method: "post",
        path,
        summary,
        request,
        answer,
        parameters: &[],
    }
}

/// Every route of the server but those of WHEP and WHIP, which are [`PEER_OPERATIONS`].
pub const OPERATIONS: &[Operation] = &[
    get(
        "/",
        "Status page, or the console when it is built in.",
        None,
        &[],
    ),
    get(
        "/assets/{name}",
        "A file of the console; its name changes with its content.",
        None,
        &[],
    ),
    get("/health", "Liveness only: {\"status\":\"ok\"}.", None, &[]),
    get(
        "/metrics",
        "Counters in the Prometheus text form.",
        None,
        &[],
    ),
    get("/openapi.json", "This document.", None, &[]),
    get(
        "/api/v1/operator/state/bootstrap",
        "Everything a client needs at once.",
        Some(of::<StateBootstrap>),
        &[],
    ),
    get(
        "/api/v1/operator/state/events",
        "Server-sent events: full state on connect, then changes.",
        Some(of::<EventEnvelope>),
        &[],
    ),
    get(
        "/api/v1/operator/overview",
        "The overview.",
        Some(of::<Overview>),
        &[],
    ),
    get(
        "/api/v1/operator/sessions",
        "Sessions, newest start first.",
        Some(of::<Vec<Session>>),
        &["limit"],
    ),
    get(
        "/api/v1/operator/sessions/{id}",
        "One session.",
        Some(of::<Session>),
        &[],
    ),
    get(
        "/api/v1/operator/sessions/{id}/encounters",
        "Encounters, newest segment first.",
        Some(of::<Vec<Encounter>>),
        &["limit", "before_utc"],
    ),
    get(
        "/api/v1/operator/sessions/{id}/physiology",
        "Newest physiology.",
        Some(of::<Physiology>),
        &[],
    ),
    get(
        "/api/v1/operator/experiments",
        "Experiments by id.",
        Some(of::<Vec<ExperimentSummary>>),
        &[],
    ),
    get(
        "/api/v1/operator/experiments/{id}",
        "One experiment with its arms.",
        Some(of::<ExperimentDetail>),
        &[],
    ),
    get(
        "/api/v1/operator/health",
        "Health of every part.",
        Some(of::<Health>),
        &[],
    ),
    get(
        "/api/v1/physiology/{id}",
        "Stored physiology of a session: newest per person, or with series=true oldest first.",
        Some(of::<Vec<PhysiologyLogRow>>),
        &["series", "limit"],
    ),
    get(
        "/api/v1/comodulation/{id}",
        "Stored co-modulation windows of a session, newest first.",
        Some(of::<Vec<CoModulationLogRow>>),
        &["limit"],
    ),
    get(
        "/api/v1/operator/alerts",
        "Alerts, newest first.",
        Some(of::<Vec<Alert>>),
        &["limit", "since_utc"],
    ),
    post(
        "/api/v1/sessions",
        "Start a session.",
        Some(of::<SessionCreate>),
        Some(of::<LifecycleAccepted>),
    ),
    post(
        "/api/v1/sessions/{id}/end",
        "End a session.",
        Some(of::<SessionEnd>),
        Some(of::<LifecycleAccepted>),
    ),
    post(
        "/api/v1/operator/sessions/{id}/stimulus",
        "Give a stimulus now.",
        Some(of::<StimulusRequest>),
        Some(of::<StimulusAccepted>),
    ),
    get(
        "/api/v2/status",
        "What the server is doing.",
        Some(of::<Status>),
        &[],
    ),
    get(
        "/api/v2/state/events",
        "Server-sent events: those of v1, and the readback of the open session.",
        Some(of::<EventEnvelope>),
        &[],
    ),
    post(
        "/api/v2/sessions",
        "Start a session with planned stimuli and epoch.",
        Some(of::<SessionCreate>),
        Some(of::<LifecycleAccepted>),
    ),
    post(
        "/api/v2/sessions/{id}/attest",
        "Say whether a stimulus was delivered.",
        Some(of::<AttestRequest>),
        Some(of::<AttestAccepted>),
    ),
    get(
        "/api/v2/sessions/{id}/readback",
        "What is measured right now and was learnt last.",
        Some(of::<LiveReadback>),
        &["limit"],
    ),
    get(
        "/api/v2/sessions/{id}/encounters",
        "Encounters with method, propensity and skip reason.",
        Some(of::<Vec<EncounterV2>>),
        &["limit", "before_utc"],
    ),
    get(
        "/api/v2/sessions/{id}/physiology",
        "Newest physiology with the state of each person's data and the interval of the index.",
        Some(of::<PhysiologyV2>),
        &[],
    ),
    post(
        "/api/v2/sessions/{id}/events",
        "Take a platform event; a follow is linked to the stimuli it may be owed to.",
        Some(of::<PlatformEvent>),
        Some(of::<PlatformEventAccepted>),
    ),
    post(
        "/api/v2/physiology/chunks",
        "Take a wearable chunk; it stays in memory, scalars go with the segments.",
        Some(of::<PhysiologicalChunkEvent>),
        Some(of::<ChunkAccepted>),
    ),
    get(
        "/api/v2/experiments/{id}/readout",
        "What to expect of each arm: probability of being best, loss, interval, and off-policy estimates.",
        Some(of::<ExperimentReadout>),
        &[],
    ),
    post(
        "/api/v2/alerts/{id}/acknowledge",
        "Mark an alert as seen.",
        None,
        None,
    ),
    post(
        "/api/v2/engine/reset",
        "Close the restart circuit and start the media process again.",
        None,
        None,
    ),
];

/// `GET /openapi.json`.
pub(crate) async fn document() -> Json<Value> {
    Json(build())
}

/// The document.
#[must_use]
pub fn build() -> Value {
    let mut generator = SchemaSettings::openapi3().into_generator();
    let problem = of::<Problem>(&mut generator);
    let mut paths = Map::new();
    let mut add = |path: &str, method: &str, body: Value| {
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        if let Some(methods) = methods.as_object_mut() {
            methods.insert(method.to_owned(), body);
        }
    };
    for operation in OPERATIONS {
        let body = describe(operation, &problem, &mut generator);
        add(operation.path, operation.method, body);
    }
    for operation in PEER_OPERATIONS {
        add(
            operation.path,
            operation.method,
            peers::describe(operation, &problem),
        );
    }
    json!({
        "openapi": "3.0.3",
        "info": { "title": "LSIE", "version": env!("CARGO_PKG_VERSION"), "description": "Loopback API of the live stream inference engine." },
        "paths": paths,
        "components": { "schemas": generator.take_definitions(true) },
    })
}

fn path_parameters(path: &str) -> Vec<Value> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect()
}

fn describe(operation: &Operation, problem: &Value, generator: &mut SchemaGenerator) -> Value {
    let mut parameters = path_parameters(operation.path);
    parameters.extend(operation.parameters.iter().map(|name| {
        let kind = match *name {
            "limit" => "integer",
            "series" => "boolean",
            _ => "string",
        };
        json!({ "name": name, "in": "query", "required": false, "schema": { "type": kind } })
    }));
    let answer = operation
        .answer
        .map_or_else(|| json!({}), |reference| reference(generator));
    let mut body = json!({
        "summary": operation.summary,
        "parameters": parameters,
        "responses": {
            "200": { "description": "done", "content": { "application/json": { "schema": answer } } },
            "default": { "description": "refused", "content": { "application/json": { "schema": problem } } },
        },
    });
    if let (Some(reference), Some(members)) = (operation.request, body.as_object_mut()) {
        let schema = reference(generator);
        members.insert(
            "requestBody".into(),
            json!({ "required": true, "content": { "application/json": { "schema": schema } } }),
        );
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_in_the_document_resolves() {
        fn walk(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(map) => {
                    found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                    map.values().for_each(|child| walk(child, found));
                }
                Value::Array(list) => list.iter().for_each(|child| walk(child, found)),
                _ => {}
            }
        }
        let document = build();
        let mut references = Vec::new();
        walk(&document, &mut references);
        assert!(references.len() > 20);
        for reference in references {
            assert!(
                document
                    .pointer(reference.trim_start_matches('#'))
                    .is_some(),
                "{reference}"
            );
        }
    }
}
