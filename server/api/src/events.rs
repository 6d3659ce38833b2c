//! Server-sent events: the whole state on connect, then each part when it changes, a keep-alive each second.
//!
//! A reader that comes back with `Last-Event-ID` is sent every part but the one it still holds, and no reader is sent the
//! same part twice in a row: a mark without a change is no event (api 5).
//!
//! The stream of v2 has one part more: the readback of the open session, sent whenever one of the parts it is made of changes.
//!
//! Slow readers lose nothing that matters: changes are marks, not payloads, and a lagging reader is sent the newest state
//! of every part.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use lsie_schemas::api::EventType;
use lsie_supervisor::Supervisor;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::timeout;

const LAST_EVENT_ID: &str = "last-event-id";
const KEEP_ALIVE: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_secs(1);

/// Parts whose change may change the readback.
const MOVES_READBACK: [EventType; 3] = [
    EventType::LiveSession,
    EventType::Encounters,
    EventType::Health,
];

struct Reader {
    supervisor: Supervisor,
    /// Whether the readback of v2 is sent too.
    with_readback: bool,
    changes: Receiver<EventType>,
    due: VecDeque<EventType>,
    /// Parts that could not be read when they were due; tried again.
    unread: BTreeSet<EventType>,
    /// Identity of each part as the reader holds it.
    held: BTreeMap<EventType, String>,
}

/// `GET /api/v1/operator/state/events`.
pub(crate) async fn stream(State(supervisor): State<Supervisor>, headers: HeaderMap) -> Response {
    answer(supervisor, &headers, false)
}

/// `GET /api/v2/state/events`.
pub(crate) async fn stream_v2(
    State(supervisor): State<Supervisor>,
    headers: HeaderMap,
) -> Response {
    answer(supervisor, &headers, true)
}

fn answer(supervisor: Supervisor, headers: &HeaderMap, with_readback: bool) -> Response {
    let changes = supervisor.changes();
    let mut reader = Reader {
        supervisor,
        with_readback,
        changes,
        due: VecDeque::new(),
        unread: BTreeSet::new(),
        held: held(headers),
    };
    reader.owe(EventType::ALL);
    let events = stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE).text("keep-alive");
    let headers = [
        (header::CACHE_CONTROL, "no-cache"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Sse::new(events).keep_alive(keep_alive)).into_response()
}

/// What a returning reader says it was sent last; anything that is no identity of ours holds nothing.
fn held(headers: &HeaderMap) -> BTreeMap<EventType, String> {
    let last = headers
        .get(LAST_EVENT_ID)
        .and_then(|value| value.to_str().ok());
    let kind = last
        .and_then(|id| id.split_once(':'))
        .and_then(|(name, _)| {
            let mut all = EventType::ALL.into_iter().chain([EventType::Readback]);
            all.find(|kind| kind.name() == name)
        });
    kind.zip(last.map(str::to_owned)).into_iter().collect()
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(kind) = self.due.pop_front() {
                let Ok(envelope) = self.supervisor.event(kind).await else {
                    self.unread.insert(kind);
                    continue;
                };
                if self.held.get(&kind) == Some(&envelope.event_id) {
                    continue;
                }
                self.held.insert(kind, envelope.event_id.clone());
                let data = serde_json::to_string(&envelope).ok()?;
                return Some(
                    Event::default()
                        .event(kind.name())
                        .id(envelope.event_id)
                        .retry(RETRY)
                        .data(data),
                );
            }
            self.wait().await?;
        }
    }

    /// Waits for a change, then takes every further mark that is already there, each type once. What could not be read
    /// is due again with them, or after a second.
    async fn wait(&mut self) -> Option<()> {
        let mut marks = std::mem::take(&mut self.unread);
        let patience = if marks.is_empty() {
            Duration::MAX
        } else {
            RETRY
        };
        match timeout(patience, self.changes.recv()).await {
            Ok(Ok(kind)) => drop(marks.insert(kind)),
            Ok(Err(RecvError::Lagged(_))) => marks.extend(EventType::ALL),
            Ok(Err(RecvError::Closed)) => return None,
            Err(_) => {}
        }
        loop {
            match self.changes.try_recv() {
                Ok(kind) => drop(marks.insert(kind)),
                Err(TryRecvError::Lagged(_)) => marks.extend(EventType::ALL),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        self.owe(marks);
        Some(())
    }

    fn owe(&mut self, marks: impl IntoIterator<Item = EventType>) {
        let before = self.due.len();
        self.due.extend(marks);
        let moved = |kind: &EventType| MOVES_READBACK.contains(kind);
        if self.with_readback && self.due.iter().skip(before).any(moved) {
            self.due.push_back(EventType::Readback);
        }
    }
}
