//! Why the engine cannot go on.

/// Ends the process; the server restarts it.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The link could not be set up.
    #[error("link: {0}")]
    Link(std::io::Error),
    /// A thread could not be started.
    #[error("thread: {0}")]
    Thread(std::io::Error),
    /// The server did not say hello in time, or is another build.
    #[error("handshake: {0}")]
    Handshake(String),
    /// The server ordered a device that there cannot be.
    #[error("device: {0}")]
    UnknownDevice(#[from] lsie_schemas::device::UnknownDevice),
    /// The device is not there, or is lost: what was on it is gone, and a new process opens it again.
    #[error("device: {0}")]
    Device(#[from] lsie_device::DeviceError),
    /// The model manifest is not usable.
    #[error("models: {0}")]
    Models(#[from] lsie_infer::InferError),
    /// WebRTC could not be started.
    #[error("viewers: {0}")]
    Viewers(#[from] lsie_webrtc::PeerError),
}

/// Why a session could not be opened; goes to the server with a stable code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("{0}; {hint}", hint = .0.hint())]
    Source(#[from] lsie_ingest::IngestError),
    #[error("device: {0}")]
    Device(#[from] lsie_device::DeviceError),
    #[error("the source has neither picture nor sound")]
    Empty,
    #[error("sound: {0}")]
    Sound(#[from] lsie_kernels::audio::ResampleError),
    #[error("graph: {0}")]
    Graph(String),
    #[error("thread: {0}")]
    Thread(std::io::Error),
    #[error("opening the source ended without a result; see the engine's log")]
    Panicked,
}

impl OpenError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Source(error) => error.code(),
            Self::Device(_) => "device_unavailable",
            Self::Empty => "source_empty",
            Self::Sound(_) => "sound_unusable",
            Self::Graph(_) => "graph_unusable",
            Self::Thread(_) => "thread",
            Self::Panicked => "engine_fault",
        }
    }
}
