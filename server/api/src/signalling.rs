//! Signalling of WebRTC peers over HTTP: WHEP for viewers and WHIP for publishers (RFC 9725 and the WHEP draft).
//!
//! ```text
//! POST   /whep/{session}          offer ─▶ 201 answer, Location, ETag          {session}: an id, or `live`
//! PATCH  /whep/{session}/{peer}   candidates, If-Match ─▶ 204
//! DELETE /whep/{session}/{peer}   ─▶ 200                                        /whip/{name} likewise
//! ```
//!
//! An ICE restart is not supported (422): a peer that lost its way offers anew.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, patch, post};
use lsie_schemas::link::{PublisherName, Sdp, SdpFault, SdpFragment};
use lsie_supervisor::{PeerTarget, Supervisor, SupervisorError};
use uuid::Uuid;

use crate::extract::arrived;
use crate::problem::{Refusal, problem};

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const ACCEPT_POST: header::HeaderName = header::HeaderName::from_static("accept-post");
const ACCEPT_PATCH: header::HeaderName = header::HeaderName::from_static("accept-patch");
/// After so many seconds it is worth to ask again.
const RETRY_SECS: &str = "1";

/// Routes of both.
pub(crate) fn routes() -> Router<Supervisor> {
    Router::new()
        .route("/whep/{session}", endpoint(whep))
        .route("/whep/{session}/{peer}", resource(whep))
        .route("/whip/{name}", endpoint(whip))
        .route("/whip/{name}/{peer}", resource(whip))
}

/// What a path segment names.
type Named = fn(&str) -> Result<PeerTarget, Refusal>;

fn endpoint(named: Named) -> MethodRouter<Supervisor> {
    post(move |state, path, request| open(named, state, path, request)).options(async || {
        (
            StatusCode::NO_CONTENT,
            [(ACCEPT_POST, SDP), (header::ALLOW, "OPTIONS, POST")],
        )
    })
}

fn resource(named: Named) -> MethodRouter<Supervisor> {
    patch(move |state, path, request| trickle(named, state, path, request))
        .delete(move |state, path| close(named, state, path))
        .options(async || {
            (
                StatusCode::NO_CONTENT,
                [
                    (ACCEPT_PATCH, FRAGMENT),
                    (header::ALLOW, "DELETE, OPTIONS, PATCH"),
                ],
            )
        })
}

fn whep(segment: &str) -> Result<PeerTarget, Refusal> {
    if segment == "live" {
        return Ok(PeerTarget::LiveSession);
    }
    segment
        .parse()
        .map(PeerTarget::Session)
        .map_err(|_| not_found("no such session"))
}

fn whip(segment: &str) -> Result<PeerTarget, Refusal> {
    PublisherName::parse(segment)
        .map(PeerTarget::Publisher)
        .ok_or_else(|| not_found("a publisher's name is 1 to 64 letters, digits, `-`, `_` or `.`"))
}

async fn open(
    named: Named,
    State(supervisor): State<Supervisor>,
    Path(segment): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let target = named(&segment)?;
    let kind = if matches!(target, PeerTarget::Publisher(_)) {
        "whip"
    } else {
        "whep"
    };
    expect_type(request.headers(), SDP)?;
    expect_accepts_sdp(request.headers())?;
    let text = text_of(request, &supervisor).await?;
    let offer = Sdp::parse(&text).map_err(malformed)?;
    let opened = match supervisor.open_peer(target, offer).await {
        Ok(opened) => opened,
        Err(error) => return Ok(refused(error)),
    };
    let location = format!("/{kind}/{segment}/{}", opened.peer_id);
    let headers = [
        (header::CONTENT_TYPE, SDP.to_owned()),
        (header::LOCATION, location),
        (header::ETAG, format!("\"{}\"", opened.etag)),
        (ACCEPT_PATCH, FRAGMENT.to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    let answer = opened.answer.as_str().to_owned();
    Ok((StatusCode::CREATED, headers, answer).into_response())
}

async fn trickle(
    named: Named,
    State(supervisor): State<Supervisor>,
    Path((segment, peer)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let (target, peer_id) = (named(&segment)?, peer_of(&peer)?);
    expect_type(request.headers(), FRAGMENT)?;
    let etag = if_match(request.headers())?;
    let text = text_of(request, &supervisor).await?;
    let fragment = SdpFragment::parse(&text).map_err(malformed)?;
    let taken = supervisor
        .trickle_peer(target, peer_id, etag, fragment)
        .await;
    Ok(match taken {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => refused(error),
    })
}

async fn close(
    named: Named,
    State(supervisor): State<Supervisor>,
    Path((segment, peer)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let (target, peer_id) = (named(&segment)?, peer_of(&peer)?);
    Ok(match supervisor.close_peer(target, peer_id).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => refused(error),
    })
}

fn peer_of(segment: &str) -> Result<Uuid, Refusal> {
    segment.parse().map_err(|_| not_found("no such peer"))
}

fn not_found(words: &str) -> Refusal {
    problem(StatusCode::NOT_FOUND, "not_found", words, None)
}

/// Refusals that pass say when to come again.
fn refused(error: SupervisorError) -> Response {
    let mut response = Refusal::from(error).into_response();
    let passes = matches!(
        response.status(),
        StatusCode::CONFLICT | StatusCode::SERVICE_UNAVAILABLE
    );
    if passes {
        let value = header::HeaderValue::from_static(RETRY_SECS);
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

/// Parameters of the type, as `charset`, change nothing.
fn expect_type(headers: &HeaderMap, wanted: &str) -> Result<(), Refusal> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    if given.trim().eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    Err(problem(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        &format!("the body must be {wanted}"),
        None,
    ))
}

fn expect_accepts_sdp(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut listed = headers.get_all(header::ACCEPT).iter().peekable();
    let takes = |value: &header::HeaderValue| {
        value.to_str().is_ok_and(|list| {
            list.split(',').any(|item| {
                let kind = item.split(';').next().unwrap_or_default().trim();
                ["*/*", "application/*", SDP]
                    .iter()
                    .any(|ours| kind.eq_ignore_ascii_case(ours))
            })
        })
    };
    if listed.peek().is_none() || listed.any(takes) {
        return Ok(());
    }
    Err(problem(
        StatusCode::NOT_ACCEPTABLE,
        "not_acceptable",
        "the answer is application/sdp",
        None,
    ))
}

/// The tag of the ICE session a fragment belongs to; without it nobody can tell.
fn if_match(headers: &HeaderMap) -> Result<String, Refusal> {
    let given = headers
        .get(header::IF_MATCH)
        .and_then(|value| value.to_str().ok())
        .map(str::trim);
    match given {
        Some(tag) => Ok(tag.trim_matches('"').to_owned()),
        None => Err(problem(
            StatusCode::PRECONDITION_REQUIRED,
            "precondition_required",
            "If-Match must name the ETag of the ICE session",
            None,
        )),
    }
}

async fn text_of(request: Request, supervisor: &Supervisor) -> Result<String, Refusal> {
    let bytes = arrived(Bytes::from_request(request, supervisor)).await?;
    String::from_utf8(bytes.into()).map_err(|_| {
        problem(
            StatusCode::BAD_REQUEST,
            "sdp_malformed",
            "the body is not UTF-8",
            None,
        )
    })
}

fn malformed(fault: SdpFault) -> Refusal {
    let (status, code) = match fault {
        SdpFault::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
        _ => (StatusCode::BAD_REQUEST, "sdp_malformed"),
    };
    problem(status, code, &fault.to_string(), None)
}
