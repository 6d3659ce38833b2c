//! What can go wrong with a recording.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// One failure, by what the caller can do about it.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// The folder holds no stream of a recording.
    #[error("{0} holds no recording of a phone (video.wire or audio.wire)")]
    Empty(PathBuf),
    /// The folder holds a recording already; it is not written over.
    #[error("{0} holds a recording already; name another folder")]
    Taken(PathBuf),
    /// A file is no recording, or of a newer program.
    #[error("{path} is no recording that this program reads: {reason}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The streams are of different servers.
    #[error("the streams were recorded from servers of different versions")]
    Mixed,
    /// A file could not be read or written.
    #[error("{path} cannot be read or written")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The thread that writes could not be started.
    #[error("the recorder gets no thread")]
    Thread(#[source] io::Error),
}
