//! The one trait behind which the WebRTC library stands.

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::error::PeerError;
use crate::machine::Connection;
use crate::offer::{Candidate, VideoCodec};
use crate::unit::{PicturePackets, SoundUnit};

/// Requests of a peer that may wait to be looked at; a further one is dropped, since it says the same again.
pub(crate) const EVENT_QUEUE: usize = 32;
/// RTP packets of a publisher that may wait: over a second of either kind; a further one is lost, and counted so.
pub(crate) const RTP_QUEUE: usize = 1024;

/// A connection with one peer that has been answered.
#[async_trait::async_trait]
pub(crate) trait PeerTransport: Send + Sync {
    /// Takes a candidate that came later.
    async fn add_candidate(&self, candidate: Candidate) -> Result<(), PeerError>;

    /// Sends a picture; gives the number of packets. Waits while the connection takes none.
    async fn send_picture(&self, packets: &PicturePackets) -> Result<usize, PeerError>;

    /// Sends a piece of sound; `false` when the peer takes none.
    async fn send_sound(&self, unit: &SoundUnit) -> Result<bool, PeerError>;

    /// Waits until the data channel is open and takes a message. [`PeerError::Gone`] when it never will.
    async fn live_ready(&self) -> Result<(), PeerError>;

    /// Sends a message on the data channel.
    async fn send_live(&self, message: Bytes) -> Result<(), PeerError>;

    /// Asks the peer for a key frame.
    async fn ask_key_frame(&self) -> Result<(), PeerError>;

    /// Closes it and lets everything go that belongs to it.
    async fn close(&self);
}

/// What a transport says.
#[derive(Debug)]
pub(crate) struct TransportEvents {
    /// How the connection is; `None` until something is known.
    pub(crate) connection: watch::Receiver<Option<Connection>>,
    /// What the peer asks for.
    pub(crate) requests: mpsc::Receiver<PeerRequest>,
    /// What a publisher sends.
    pub(crate) media: mpsc::Receiver<RtpPart>,
}

/// What a peer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerRequest {
    /// A key frame.
    KeyFrame,
}

/// One RTP packet of a publisher.
#[derive(Debug, Clone)]
pub(crate) struct RtpPart {
    pub(crate) track: Track,
    pub(crate) sequence: u16,
    pub(crate) rtp_time: u32,
    pub(crate) is_last: bool,
    pub(crate) payload: Bytes,
}

/// Which track a packet belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Track {
    Video(VideoCodec),
    Opus,
}
