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
    /// The model manifest is not usable.
    #[error("models: {0}")]
    Models(#[from] lsie_infer::InferError),
}

/// Why a session could not be opened; goes to the server with a stable code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Source(#[from] lsie_ingest::IngestError),
    #[error("{0}")]
    Model(#[from] lsie_infer::InferError),
    #[error("{0}")]
    Face(#[from] lsie_analysis::AnalysisError),
    #[error("the source has neither picture nor sound")]
    Empty,
    #[error("sound: {0}")]
    Sound(#[from] lsie_kernels::audio::ResampleError),
    #[error("graph: {0}")]
    Graph(String),
}

impl OpenError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Source(_) => "source_unavailable",
            Self::Model(_) | Self::Face(_) => "model_unavailable",
            Self::Empty => "source_empty",
            Self::Sound(_) => "sound_unusable",
            Self::Graph(_) => "graph_unusable",
        }
    }
}
