//! Reading requests: bodies and parameters whose faults come back in the 422 form of the API.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::problem::{Refusal, problem, unprocessable};

/// How long a request body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(5);

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = arrived(Bytes::from_request(request, state)).await?;
        serde_json::from_slice(&bytes).map(Body).map_err(|error| {
            let kind = if error.is_data() {
                "value_error"
            } else {
                "json_invalid"
            };
            unprocessable(&["body"], kind, &error.to_string(), None)
        })
    }
}

/// A body that came in time and is not too large.
pub(crate) async fn arrived<E>(
    reading: impl Future<Output = Result<Bytes, E>>,
) -> Result<Bytes, Refusal> {
    let Ok(read) = tokio::time::timeout(BODY_TIME, reading).await else {
        let words = "the request body did not arrive in time";
        return Err(problem(
            StatusCode::REQUEST_TIMEOUT,
            "body_timeout",
            words,
            None,
        ));
    };
    read.map_err(|_| {
        problem(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "the request body is too large or broke off",
            None,
        )
    })
}

/// A session id in the path.
pub(crate) struct SessionPath(pub(crate) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for SessionPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let text = Path::<String>::from_request_parts(parts, state)
            .await
            .map(|Path(text)| text)
            .unwrap_or_default();
        text.parse()
            .map(SessionPath)
            .map_err(|_| unprocessable(&["path", "session_id"], "uuid_parsing", "not a UUID", None))
    }
}

/// A free text id in the path, percent-decoded.
pub(crate) struct TextPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for TextPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        Path::<String>::from_request_parts(parts, state)
            .await
            .map(|Path(text)| Self(text))
            .map_err(|_| unprocessable(&["path", "id"], "string_unicode", "not UTF-8", None))
    }
}

/// Query parameters.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        Query::<T>::from_request_parts(parts, state)
            .await
            .map(|Query(value)| Self(value))
            .map_err(|error| unprocessable(&["query"], "value_error", &error.body_text(), None))
    }
}

/// Holds `limit` to its range, default when absent.
pub(crate) fn limit(given: Option<u32>, default: u32, max: u32) -> Result<u32, Refusal> {
    let limit = given.unwrap_or(default);
    if (1..=max).contains(&limit) {
        return Ok(limit);
    }
    Err(unprocessable(
        &["query", "limit"],
        "out_of_range",
        &format!("must be between 1 and {max}"),
        None,
    ))
}

/// An instant in a query parameter, when given.
pub(crate) fn instant(
    name: &str,
    given: Option<&str>,
) -> Result<Option<lsie_schemas::time::UtcMicros>, Refusal> {
    given
        .map(|text| {
            lsie_schemas::time::UtcMicros::parse(text).map_err(|error| {
                unprocessable(
                    &["query", name],
                    "datetime_parsing",
                    &error.to_string(),
                    None,
                )
            })
        })
        .transpose()
}
