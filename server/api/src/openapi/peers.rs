//! WHEP and WHIP in the document: verbs, statuses and headers of [`crate::signalling`], which are no JSON operations.

use serde_json::{Map, Value, json};

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// One verb on one path of WHEP or WHIP.
#[derive(Debug, Clone, Copy)]
pub struct PeerOperation {
    /// HTTP method in lower case.
    pub method: &'static str,
    /// Path with `{name}` parameters.
    pub path: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Media type of the body.
    request: Option<&'static str>,
    /// Header that must be sent.
    requires: Option<Header>,
    answers: &'static [Answer],
}

/// A header and what it says.
type Header = (&'static str, &'static str);

/// A status, when it comes, what it carries, and its headers.
#[derive(Debug, Clone, Copy)]
struct Answer {
    status: u16,
    when: &'static str,
    body: Carries,
    headers: &'static [Header],
}

#[derive(Debug, Clone, Copy)]
enum Carries {
    Nothing,
    Sdp,
    Problem,
}

const RETRY: &[Header] = &[("Retry-After", "Seconds after which to ask again.")];
const OPENED: &[Header] = &[
    (
        "Location",
        "The peer's own resource: candidates and the end go there.",
    ),
    (
        "ETag",
        "The ICE session; `If-Match` of candidates names it.",
    ),
    ("Accept-Patch", "application/trickle-ice-sdpfrag"),
    ("Cache-Control", "no-store"),
];
const POSTABLE: &[Header] = &[
    ("Accept-Post", "application/sdp"),
    ("Allow", "The verbs there are."),
];
const PATCHABLE: &[Header] = &[
    ("Accept-Patch", "application/trickle-ice-sdpfrag"),
    ("Allow", "The verbs there are."),
];

const fn bare(status: u16, when: &'static str, headers: &'static [Header]) -> Answer {
    Answer {
        status,
        when,
        body: Carries::Nothing,
        headers,
    }
}

const fn refusal(status: u16, when: &'static str, headers: &'static [Header]) -> Answer {
    Answer {
        status,
        when,
        body: Carries::Problem,
        headers,
    }
}

const ANSWERED: Answer = Answer {
    status: 201,
    when: "The answer to the offer.",
    body: Carries::Sdp,
    headers: OPENED,
};
const MALFORMED: Answer = refusal(
    400,
    "The body is no SDP, or an offer that cannot be followed.",
    &[],
);
const NOT_TAKEN: Answer = refusal(
    406,
    "Offer and server have nothing in common (H.264, or VP8 of publishers; one bundle), or the answer's type is not accepted.",
    &[],
);
const TOO_LARGE: Answer = refusal(413, "The body is too large.", &[]);
const OTHER_TYPE: Answer = refusal(415, "The body is of another type.", &[]);
const FAILED: Answer = refusal(500, "The connection could not be made.", &[]);
const AWAY: Answer = refusal(
    503,
    "The media process is away, or there are too many peers.",
    RETRY,
);
const NO_PEER: Answer = refusal(404, "There is no such peer here, or not any more.", &[]);

const VIEW: &[Answer] = &[
    ANSWERED,
    MALFORMED,
    refusal(404, "No such session is open.", &[]),
    NOT_TAKEN,
    refusal(409, "No session is open (`live`).", RETRY),
    TOO_LARGE,
    OTHER_TYPE,
    FAILED,
    AWAY,
];
const PUBLISH: &[Answer] = &[
    ANSWERED,
    MALFORMED,
    refusal(404, "This is no name.", &[]),
    NOT_TAKEN,
    refusal(409, "Somebody publishes under this name.", RETRY),
    TOO_LARGE,
    OTHER_TYPE,
    FAILED,
    AWAY,
];
const TRICKLE: &[Answer] = &[
    bare(204, "Taken.", &[]),
    refusal(400, "The body is no fragment of SDP.", &[]),
    NO_PEER,
    refusal(412, "`If-Match` names another ICE session.", &[]),
    TOO_LARGE,
    OTHER_TYPE,
    refusal(422, "An ICE restart is not supported: offer anew.", &[]),
    refusal(428, "`If-Match` is missing.", &[]),
    AWAY,
];
const CLOSE: &[Answer] = &[bare(200, "The peer is let go.", &[]), NO_PEER, AWAY];
const IF_MATCH: Header = ("If-Match", "The ETag of the ICE session, or `*`.");

const fn open(
    path: &'static str,
    summary: &'static str,
    answers: &'static [Answer],
) -> PeerOperation {
    PeerOperation {
        method: "post",
        path,
        summary,
        request: Some(SDP),
        requires: None,
        answers,
    }
}

const fn trickle(path: &'static str) -> PeerOperation {
    PeerOperation {
        method: "patch",
        path,
        summary: "Candidates that came later (trickle ICE).",
        request: Some(FRAGMENT),
        requires: Some(IF_MATCH),
        answers: TRICKLE,
    }
}

const fn close(path: &'static str) -> PeerOperation {
    PeerOperation {
        method: "delete",
        path,
        summary: "End a peer.",
        request: None,
        requires: None,
        answers: CLOSE,
    }
}

const fn options(path: &'static str, answers: &'static [Answer]) -> PeerOperation {
    PeerOperation {
        method: "options",
        path,
        summary: "What may be asked here.",
        request: None,
        requires: None,
        answers,
    }
}

const ASKED_ENDPOINT: &[Answer] = &[bare(204, "The verbs and types.", POSTABLE)];
const ASKED_PEER: &[Answer] = &[bare(204, "The verbs and types.", PATCHABLE)];
const WHEP: &str = "/whep/{session}";
const VIEWER: &str = "/whep/{session}/{peer}";
const WHIP: &str = "/whip/{name}";
const PUBLISHER: &str = "/whip/{name}/{peer}";

/// Every verb of WHEP and WHIP.
pub const PEER_OPERATIONS: &[PeerOperation] = &[
    open(
        WHEP,
        "Watch a session (WHEP): an offer, answered. `live` is the one that is open.",
        VIEW,
    ),
    options(WHEP, ASKED_ENDPOINT),
    trickle(VIEWER),
    close(VIEWER),
    options(VIEWER, ASKED_PEER),
    open(
        WHIP,
        "Publish under a name (WHIP, RFC 9725), which is then the source `whip:NAME`.",
        PUBLISH,
    ),
    options(WHIP, ASKED_ENDPOINT),
    trickle(PUBLISHER),
    close(PUBLISHER),
    options(PUBLISHER, ASKED_PEER),
];

/// The operation as the document has it.
pub(super) fn describe(operation: &PeerOperation, problem: &Value) -> Value {
    let mut parameters = super::path_parameters(operation.path);
    parameters.extend(operation.requires.map(|(name, description)| {
        json!({ "name": name, "in": "header", "required": true, "description": description, "schema": { "type": "string" } })
    }));
    let refused = json!({ "description": "refused", "content": { "application/json": { "schema": problem } } });
    let mut responses: Map<String, Value> = operation
        .answers
        .iter()
        .map(|answer| (answer.status.to_string(), respond(answer, problem)))
        .collect();
    responses.insert("default".into(), refused);
    let mut body =
        json!({ "summary": operation.summary, "parameters": parameters, "responses": responses });
    if let (Some(kind), Some(members)) = (operation.request, body.as_object_mut()) {
        let content = json!({ kind: { "schema": { "type": "string" } } });
        members.insert(
            "requestBody".into(),
            json!({ "required": true, "content": content }),
        );
    }
    body
}

fn respond(answer: &Answer, problem: &Value) -> Value {
    let mut response = json!({ "description": answer.when });
    let Some(members) = response.as_object_mut() else {
        return response;
    };
    let content = match answer.body {
        Carries::Nothing => None,
        Carries::Sdp => Some(json!({ SDP: { "schema": { "type": "string" } } })),
        Carries::Problem => Some(json!({ "application/json": { "schema": problem } })),
    };
    members.extend(content.map(|content| ("content".to_owned(), content)));
    if !answer.headers.is_empty() {
        let headers: Map<String, Value> = answer
            .headers
            .iter()
            .map(|(name, words)| {
                (
                    (*name).to_owned(),
                    json!({ "description": words, "schema": { "type": "string" } }),
                )
            })
            .collect();
        members.insert("headers".into(), headers.into());
    }
    response
}
