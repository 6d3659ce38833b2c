//! Errors as bodies: `{detail, code, hint}` with a status that says what the caller can do.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use lsie_schemas::api::Problem;
use lsie_schemas::contract::FieldError;
use lsie_schemas::link::PeerRefusal;
use lsie_store::StoreError;
use lsie_supervisor::SupervisorError;
use serde_json::{Value, json};

/// An answer that says no.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    body: Box<Problem>,
}

/// Builds a refusal with a plain text detail.
pub(crate) fn problem(status: StatusCode, code: &str, detail: &str, hint: Option<&str>) -> Refusal {
    Refusal {
        status,
        body: Box::new(Problem {
            detail: Value::String(detail.to_owned()),
            code: code.to_owned(),
            hint: hint.map(str::to_owned),
        }),
    }
}

/// A 422 in the older list form: where in the request, what kind, in words.
pub(crate) fn unprocessable(
    place: &[&str],
    kind: &str,
    message: &str,
    hint: Option<&str>,
) -> Refusal {
    Refusal {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        body: Box::new(Problem {
            detail: json!([{ "type": kind, "loc": place, "msg": message }]),
            code: "validation_failed".into(),
            hint: hint.map(str::to_owned),
        }),
    }
}

/// A 422 that names every defect of a closed contract; the content is not repeated.
pub(crate) fn defects(faults: &[FieldError]) -> Refusal {
    let list: Vec<Value> = faults
        .iter()
        .map(|fault| {
            let place = fault.path.split('.').filter(|part| !part.is_empty());
            let place: Vec<&str> = std::iter::once("body").chain(place).collect();
            json!({ "type": fault.code, "loc": place, "msg": fault.message })
        })
        .collect();
    Refusal {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        body: Box::new(Problem {
            detail: Value::Array(list),
            code: "validation_failed".into(),
            hint: None,
        }),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

impl From<SupervisorError> for Refusal {
    fn from(error: SupervisorError) -> Self {
        let words = error.to_string();
        match &error {
            SupervisorError::UnknownScheme { .. } => {
                let mut refusal = unprocessable(
                    &["body", "stream_url"],
                    "unknown_scheme",
                    &words,
                    error.hint(),
                );
                "unknown_scheme".clone_into(&mut refusal.body.code);
                refusal
            }
            SupervisorError::Invalid { field, reason } => {
                unprocessable(&["body", field], "value_error", reason, error.hint())
            }
            SupervisorError::NoArms(_) => {
                let place = ["body", "experiment_id"];
                let mut refusal = unprocessable(&place, "no_arms", &words, error.hint());
                "no_arms".clone_into(&mut refusal.body.code);
                refusal
            }
            SupervisorError::Store(StoreError::Invalid { field, rule }) => {
                unprocessable(&["body", field], "value_error", rule, error.hint())
            }
            other => problem(
                status_of(other),
                other.code(),
                neutral(other, &words),
                other.hint(),
            ),
        }
    }
}

fn status_of(error: &SupervisorError) -> StatusCode {
    match error {
        SupervisorError::SessionNotFound(_) | SupervisorError::UnknownExperiment(_) => {
            StatusCode::NOT_FOUND
        }
        SupervisorError::PeerNotFound(_) => StatusCode::NOT_FOUND,
        SupervisorError::PeerChanged => StatusCode::PRECONDITION_FAILED,
        SupervisorError::IceRestart => StatusCode::UNPROCESSABLE_ENTITY,
        SupervisorError::PeerRefused { why, .. } => refusal_status(*why),
        SupervisorError::NothingToWatch
        | SupervisorError::SessionActive(_)
        | SupervisorError::SessionEnded(_)
        | SupervisorError::NotActive(_)
        | SupervisorError::ActionReused(_)
        | SupervisorError::EncounterOpen(_)
        | SupervisorError::NothingToAttest => StatusCode::CONFLICT,
        SupervisorError::Store(error) => store_status(error),
        SupervisorError::EngineUnavailable(_)
        | SupervisorError::NotStamped(_)
        | SupervisorError::TooManyPeers(_)
        | SupervisorError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

const fn refusal_status(why: PeerRefusal) -> StatusCode {
    match why {
        PeerRefusal::NothingThere => StatusCode::NOT_FOUND,
        PeerRefusal::BadOffer => StatusCode::BAD_REQUEST,
        PeerRefusal::NothingInCommon => StatusCode::NOT_ACCEPTABLE,
        PeerRefusal::NameTaken => StatusCode::CONFLICT,
        PeerRefusal::Full => StatusCode::SERVICE_UNAVAILABLE,
        PeerRefusal::Failed => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn store_status(error: &StoreError) -> StatusCode {
    match error {
        StoreError::UnknownSession(_)
        | StoreError::UnknownExperiment(_)
        | StoreError::UnknownArm { .. }
        | StoreError::UnknownStimulus(_)
        | StoreError::UnknownAlert(_) => StatusCode::NOT_FOUND,
        StoreError::Conflict(_) => StatusCode::CONFLICT,
        StoreError::StoreFull | StoreError::Busy | StoreError::Closed => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Failures of our own making are logged by their owner and answered without internals.
fn neutral<'a>(error: &SupervisorError, words: &'a str) -> &'a str {
    if status_of(error) == StatusCode::INTERNAL_SERVER_ERROR {
        "internal failure; the log has the details"
    } else {
        words
    }
}
