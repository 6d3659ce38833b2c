//! What can go wrong with a source, sorted by what the caller can do.

use std::path::PathBuf;
use std::sync::Arc;

use lsie_device::{DeviceError, FrameError};
use lsie_handset::HandsetError;

use crate::gst::cuda::CudaAbsent;
use crate::scheme::SchemeHelp;

/// A source cannot be opened or cannot go on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IngestError {
    /// No source answers to this scheme. Show `known` and let the user choose again.
    #[error("no source for the scheme {scheme:?}; known: {}", scheme_names(known))]
    UnknownScheme {
        /// The scheme that was asked for, lower case; empty when the text has none.
        scheme: String,
        /// What exists, with one line of help each.
        known: Vec<SchemeHelp>,
    },
    /// The scheme is known, the rest of the address is not right. Correct it.
    #[error("source address {url:?}: {reason}")]
    BadAddress {
        /// The address as given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is not there or cannot be read. Correct the path or its permissions.
    #[error("cannot read {path}: {reason}")]
    File {
        /// The path.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// The file was read and holds no picture or sound that can be decoded. Use another file.
    #[error("{path} holds nothing that can be played: {reason}")]
    NotMedia {
        /// The path.
        path: PathBuf,
        /// What the demultiplexer or decoder said.
        reason: String,
    },
    /// A GStreamer element is not installed. Install `package`.
    #[error("GStreamer element {element} is missing (Debian package {package})")]
    MissingElement {
        /// Name of the element's factory.
        element: String,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// GStreamer itself does not start. The installation is broken.
    #[error("GStreamer does not start: {0}")]
    Unusable(String),
    /// A running pipeline stopped with an error. Open the source again; if it repeats, follow [`IngestError::hint`].
    #[error("{element}: {message}")]
    Pipeline {
        /// The element that reported it.
        element: String,
        /// Its message.
        message: String,
        /// Its detail for developers; may be empty.
        detail: String,
    },
    /// The source gave no first picture or sound in time. Try again or use another source.
    #[error("nothing arrived within {waited_secs} s")]
    Silent {
        /// How long was waited, seconds.
        waited_secs: u64,
    },
    /// A camera, a microphone or a network sender went away while it ran. A session opens it again by itself.
    #[error("the source was lost: {reason}")]
    Lost {
        /// What was seen.
        reason: String,
    },
    /// A camera, a microphone or a network sender cannot be opened.
    #[error("the {scheme} source cannot be opened: {reason}")]
    Unreachable {
        /// Its scheme.
        scheme: &'static str,
        /// The element's words.
        reason: String,
    },
    /// No device of this kind is attached, or none of this name.
    #[error("no {kind} {}is attached{}", named(wanted.as_deref()), others(seen))]
    NoDevice {
        /// `camera` or `microphone`.
        kind: &'static str,
        /// The name that was asked for.
        wanted: Option<String>,
        /// Names of the devices that are attached, at most 16.
        seen: Vec<String>,
    },
    /// The demo's files cannot be made or read. Check the cache folder.
    #[error("demo cache {path}: {reason}")]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// What failed.
        reason: String,
    },
    /// The device refused memory or a copy.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Pictures cannot stay in CUDA memory here. Open the source without.
    #[error(transparent)]
    Cuda(#[from] CudaAbsent),
    /// The decoder delivered a picture whose shape is not possible.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A phone cannot be opened: its settings or the scrcpy server are not right, or adb is missing.
    #[error("phone: {0}")]
    Handset(Arc<HandsetError>),
    /// A phone was given up after several tries.
    #[error("the phone was given up: {reason}")]
    Phone {
        /// The stable word of the last cause.
        reason: String,
        /// What the operator can do.
        hint: &'static str,
    },
    /// A thread of the source could not be started. The machine is out of resources.
    #[error("thread {name}: {reason}")]
    Thread {
        /// The thread's name.
        name: &'static str,
        /// The system's words.
        reason: String,
    },
}

impl IngestError {
    /// A stable code for API and logs.
    pub fn code(&self) -> &'static str {
        match self {
            IngestError::UnknownScheme { .. } => "source_scheme_unknown",
            IngestError::BadAddress { .. } => "source_address_invalid",
            IngestError::File { .. } => "source_file_unreadable",
            IngestError::NotMedia { .. } => "source_not_media",
            IngestError::MissingElement { .. } | IngestError::Unusable(_) => "gstreamer_incomplete",
            IngestError::Pipeline { .. } => "source_failed",
            IngestError::Silent { .. } => "source_silent",
            IngestError::Lost { .. } => "source_lost",
            IngestError::Unreachable { .. } => "source_unreachable",
            IngestError::NoDevice { .. } => "source_not_found",
            IngestError::Cache { .. } => "demo_cache_failed",
            IngestError::Device(_) => "device_refused",
            IngestError::Cuda(_) => "cuda_memory_unavailable",
            IngestError::Frame(_) => "frame_invalid",
            IngestError::Handset(_) => "phone_not_usable",
            IngestError::Phone { .. } => "phone_lost",
            IngestError::Thread { .. } => "out_of_resources",
        }
    }

    /// One sentence for the operator: what to do next.
    pub fn hint(&self) -> String {
        match self {
            IngestError::UnknownScheme { known, .. } => {
                format!("use one of: {}", scheme_names(known))
            }
            IngestError::BadAddress { .. } => "correct the address and open it again".to_owned(),
            IngestError::File { .. } => "check the path and that this user may read it".to_owned(),
            IngestError::NotMedia { .. } => {
                "use a file with H.264, MJPEG, MP3, WAV or another installed codec".to_owned()
            }
            IngestError::MissingElement { package, .. } => format!("apt-get install {package}"),
            IngestError::Unusable(_) => {
                "reinstall the GStreamer packages (lsie doctor lists them)".to_owned()
            }
            IngestError::Pipeline { .. } => {
                "open the source again; a damaged file plays up to the damage".to_owned()
            }
            IngestError::Lost { .. } => {
                "check its cable, its network and that it still sends".to_owned()
            }
            IngestError::Unreachable { .. } => {
                "check the address, that the source sends, and that no other program has it open"
                    .to_owned()
            }
            IngestError::NoDevice { .. } => "plug it in, or name one that is attached".to_owned(),
            IngestError::Silent { .. } => "check that the source is sending".to_owned(),
            IngestError::Cache { path, .. } => {
                format!("make {} writable and leave 50 MB free", path.display())
            }
            IngestError::Device(_) => "free memory on the device or use fewer sources".to_owned(),
            IngestError::Cuda(_) => {
                "use NVIDIA's driver and GStreamer 1.22 or newer, or another device".to_owned()
            }
            IngestError::Frame(_) => {
                "use a source with a picture of 1 to 16384 pixels a side".to_owned()
            }
            IngestError::Handset(_) => "lsie device doctor says what is missing".to_owned(),
            IngestError::Phone { hint, .. } => (*hint).to_owned(),
            IngestError::Thread { .. } => {
                "close other programs or raise the thread limit".to_owned()
            }
        }
    }
}

impl From<HandsetError> for IngestError {
    fn from(error: HandsetError) -> Self {
        IngestError::Handset(Arc::new(error))
    }
}

fn named(wanted: Option<&str>) -> String {
    wanted.map_or_else(String::new, |name| format!("{name:?} "))
}

fn others(seen: &[String]) -> String {
    if seen.is_empty() {
        String::new()
    } else {
        format!("; attached: {}", seen.join(", "))
    }
}

fn scheme_names(known: &[SchemeHelp]) -> String {
    let names: Vec<&str> = known.iter().map(|help| help.scheme).collect();
    names.join(", ")
}
