//! Errors: what a node reports, what a build finds, how a run fails.

use std::any::Any;
use std::error::Error;

use crate::packet::MediaTime;

/// What a node reports when it cannot do its work; what happens next is the node's error policy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The work failed; the cause says why.
    #[error("{0}")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
    /// The node panicked; its state is as the panic left it until it is started again.
    #[error("panicked: {0}")]
    Panicked(String),
    /// The node saw the stop token and gave up waiting. Not an error: it ends the stream.
    #[error("interrupted by stop")]
    Interrupted,
}

/// A failure that is only a sentence, or a sentence before another cause.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Said {
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl NodeError {
    /// A failure described by one sentence.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Failed(Box::new(Said {
            message: message.into(),
            source: None,
        }))
    }

    /// A failure with its cause.
    pub fn from_error(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(cause.into())
    }

    /// A failure with what was attempted and its cause.
    pub fn with_cause(
        message: impl Into<String>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Failed(Box::new(Said {
            message: message.into(),
            source: Some(cause.into()),
        }))
    }

    /// The error and its causes as text, outermost first.
    pub fn chain(&self) -> Vec<String> {
        let mut lines = vec![self.to_string()];
        let mut cause = match self {
            // The variant prints its inner error itself, so the chain goes on below that one.
            Self::Failed(inner) => inner.source(),
            Self::Panicked(_) | Self::Interrupted => None,
        };
        while let Some(error) = cause {
            lines.push(error.to_string());
            cause = error.source();
        }
        lines
    }

    pub(crate) fn from_panic(payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        Self::Panicked(text)
    }
}

/// One problem found while a graph is built; all problems are reported together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The name is empty, too long (over 64 bytes), or has characters other than letters, digits and `_ . : / -`.
    #[error("node name {name:?} is not usable")]
    BadName {
        /// The name as given.
        name: String,
    },
    /// Two nodes have the same name.
    #[error("two nodes are named {name:?}")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// The graph has no source.
    #[error("the graph has no source")]
    NoSource,
    /// The graph has no sink, so nothing would come of it.
    #[error("the graph has no sink")]
    NoSink,
    /// Nothing consumes this source.
    #[error("source {path:?} has no consumer")]
    UnusedSource {
        /// Name of the source.
        path: String,
    },
    /// Nothing consumes the output of this layer or merge.
    #[error("output of {path} has no consumer")]
    UnusedOutput {
        /// Path from a source to the node.
        path: String,
    },
    /// A blocking edge that a live source feeds with no dropping edge before it would stall the device.
    #[error(
        "edge into the last node of {path} blocks, but the source is live and no edge before it drops"
    )]
    BlockingLiveEdge {
        /// Path from the live source to the consumer of the edge.
        path: String,
    },
    /// An edge with no place for a packet.
    #[error("edge into {path} has capacity 0")]
    ZeroCapacity {
        /// Path from a source to the consumer.
        path: String,
    },
    /// An edge was described for a node that has none: a source, or a layer fused with `then`.
    #[error("{path} has no input edge to configure")]
    NoEdge {
        /// Path from a source to the node.
        path: String,
    },
    /// A merge got an input port number that it does not have.
    #[error("{path} has no input port {port}")]
    NoPort {
        /// Path from a source to the merge.
        path: String,
        /// The port number asked for.
        port: usize,
    },
    /// A merge needs at least one input.
    #[error("merge {path:?} has no inputs")]
    EmptyMerge {
        /// Name of the merge.
        path: String,
    },
    /// A stream of another graph was connected.
    #[error("{path} takes a stream of another graph")]
    ForeignStream {
        /// Name of the node.
        path: String,
    },
}

/// The run could not begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system refused a thread; the run was cancelled and nothing is left running.
    #[error("no thread for node {node}")]
    Thread {
        /// Node at the head of the thread.
        node: String,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// The run failed: a node with policy `fail` reported an error, or one with `restart` used up its attempts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("node {node} failed: {}", chain.join(": "))]
pub struct RunError {
    /// Name of the node.
    pub node: String,
    /// Media time of the packet at hand, if there was one.
    pub pts: Option<MediaTime>,
    /// Error and causes, outermost first.
    pub chain: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::NodeError;

    #[test]
    fn chain_lists_every_cause_once() {
        let io = std::io::Error::other("cable pulled");
        let error = NodeError::with_cause("reading the camera", io);
        assert_eq!(error.chain(), ["reading the camera", "cable pulled"]);
        assert_eq!(NodeError::new("odd size").chain(), ["odd size"]);
        assert_eq!(NodeError::from_panic(&"boom").chain(), ["panicked: boom"]);
    }
}
