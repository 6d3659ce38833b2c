//! The handle the API holds: commands go to the one supervisor task, read-outs come from its published snapshot and the store.

use std::sync::Arc;

use lsie_schemas::api::{
    AttestAccepted, AttestRequest, ChunkAccepted, EventType, LifecycleAccepted, PlatformEvent,
    PlatformEventAccepted, SessionCreate, SessionEnd, StimulusAccepted, StimulusRequest,
};
use lsie_schemas::contract::PhysiologicalChunkEvent;
use lsie_schemas::link::{Sdp, SdpFragment};
use lsie_schemas::semantic::{SemanticQuestion, SemanticScores};
use lsie_store::{Reader, Writer};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use uuid::Uuid;

use crate::error::SupervisorError;
use crate::peers::{PeerOpened, PeerTarget};
use crate::snapshot::Snapshot;

/// Commands waiting for the task: bounded, callers wait their turn.
pub(crate) const COMMAND_QUEUE: usize = 64;

/// Where the answer to a command goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, SupervisorError>>;

/// What callers may ask the task for.
#[derive(Debug)]
pub(crate) enum Command {
    /// Open a session.
    Start(Box<SessionCreate>, Reply<LifecycleAccepted>),
    /// Close a session.
    End(Uuid, SessionEnd, Reply<LifecycleAccepted>),
    /// Give a stimulus.
    Stimulus(Uuid, StimulusRequest, Reply<StimulusAccepted>),
    /// Judge its delivery.
    Attest(Uuid, AttestRequest, Reply<AttestAccepted>),
    /// Take a platform event of a session.
    Platform(Uuid, Box<PlatformEvent>, Reply<PlatformEventAccepted>),
    /// Take a wearable chunk.
    Chunk(Box<PhysiologicalChunkEvent>, Reply<ChunkAccepted>),
    /// Compare a rule with an utterance.
    ScoreSemantics(Box<SemanticQuestion>, Reply<SemanticScores>),
    /// Answer a WebRTC offer.
    OpenPeer(PeerTarget, Box<Sdp>, Reply<PeerOpened>),
    /// Take candidates of a WebRTC peer.
    TricklePeer(PeerTarget, Uuid, String, Box<SdpFragment>, Reply<()>),
    /// Let a WebRTC peer go.
    ClosePeer(PeerTarget, Uuid, Reply<()>),
    /// Close the circuit.
    ResetEngine(Reply<()>),
    /// Stop the engine and end.
    Shutdown(Reply<()>),
}

/// Handle on the supervisor. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Supervisor {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) snapshot: watch::Receiver<Arc<Snapshot>>,
    pub(crate) changes: broadcast::Sender<EventType>,
    pub(crate) writer: Writer,
    pub(crate) reader: Reader,
}

impl Supervisor {
    /// Opens a session. A repeat of the same action gets the same answer.
    pub async fn start_session(
        &self,
        body: SessionCreate,
    ) -> Result<LifecycleAccepted, SupervisorError> {
        self.ask(|reply| Command::Start(Box::new(body), reply))
            .await
    }

    /// Closes a session. A repeat of the same action gets the same answer.
    pub async fn end_session(
        &self,
        id: Uuid,
        body: SessionEnd,
    ) -> Result<LifecycleAccepted, SupervisorError> {
        self.ask(|reply| Command::End(id, body, reply)).await
    }

    /// Gives a stimulus; the answer carries the time the media plane stamped, or null when it did not answer in time.
    pub async fn stimulus(
        &self,
        id: Uuid,
        body: StimulusRequest,
    ) -> Result<StimulusAccepted, SupervisorError> {
        self.ask(|reply| Command::Stimulus(id, body, reply)).await
    }

    /// Records what the operator says about the delivery of a stimulus.
    pub async fn attest(
        &self,
        id: Uuid,
        body: AttestRequest,
    ) -> Result<AttestAccepted, SupervisorError> {
        self.ask(|reply| Command::Attest(id, body, reply)).await
    }

    /// Takes a platform event. A follow becomes an outcome that is linked to the stimuli it may be owed to; a repeat
    /// gets the same outcome.
    pub async fn platform_event(
        &self,
        id: Uuid,
        event: PlatformEvent,
    ) -> Result<PlatformEventAccepted, SupervisorError> {
        self.ask(|reply| Command::Platform(id, Box::new(event), reply))
            .await
    }

    /// Takes a wearable chunk into memory; what it says is attached to the segments that close later.
    pub async fn physiological_chunk(
        &self,
        chunk: PhysiologicalChunkEvent,
    ) -> Result<ChunkAccepted, SupervisorError> {
        self.ask(|reply| Command::Chunk(Box::new(chunk), reply))
            .await
    }

    /// Closes the restart circuit and starts the engine again.
    pub async fn reset_engine(&self) -> Result<(), SupervisorError> {
        self.ask(Command::ResetEngine).await
    }

    /// Stops the engine and ends the task. The open session is closed with the reason `server_stopped`.
    pub async fn shutdown(&self) -> Result<(), SupervisorError> {
        self.ask(Command::Shutdown).await
    }

    /// Marks of what changed. A lagging reader is told so and reads everything anew.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<EventType> {
        self.changes.subscribe()
    }

    pub(crate) async fn ask<T>(
        &self,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, SupervisorError> {
        let (tx, rx) = oneshot::channel();
        self.commands
            .send(command(tx))
            .await
            .map_err(|_| SupervisorError::Stopping)?;
        rx.await.map_err(|_| SupervisorError::Stopping)?
    }
}
