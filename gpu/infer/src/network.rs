//! A loaded model, whatever runs it.

use std::collections::BTreeMap;

use lsie_device::{Buffer, Stream};

use crate::convert::LANDMARK_INDICES_KEY;
use crate::error::InferError;

/// One input or output of a network: 32-bit floats, densely packed, last axis fastest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name in the model.
    pub name: String,
    /// Sizes of the axes, as they are now: a free axis of an input has the size of the last [`Network::set_axis`], at first 1.
    pub shape: Vec<usize>,
}

impl TensorInfo {
    /// How many numbers it holds.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// How many bytes a buffer for it needs.
    pub fn len_bytes(&self) -> usize {
        self.elements() * size_of::<f32>()
    }
}

/// A loaded model.
///
/// `run` binds the buffers in the order of [`Network::inputs`] and [`Network::outputs`] and enqueues the work on
/// `stream`; the outputs are valid once the stream has come that far (on the `cpu` device: at once). Buffers belong to the
/// stream's device and have at least [`TensorInfo::len_bytes`] bytes; anything else is [`InferError::Binding`], never a
/// copy to another device. An implementation on a GPU hands device pointers to its engine; keeping the same buffers from
/// call to call lets it keep the bindings (and a captured graph).
///
/// The same inputs give the same outputs, bit for bit, on the same build and machine. Nothing is allocated per run beyond
/// the small handles that the library makes for its arguments.
pub trait Network: Send {
    /// What goes in, in the order in which `run` takes it.
    fn inputs(&self) -> &[TensorInfo];

    /// What comes out, in the order in which `run` writes it.
    fn outputs(&self) -> &[TensorInfo];

    /// Gives a free axis of the inputs (such as the number of tokens) its size for the runs that follow. Outputs never
    /// have free axes. [`InferError::Axis`] where there is no such axis, which is the case for most networks.
    fn set_axis(&mut self, axis: &str, size: usize) -> Result<(), InferError> {
        Err(InferError::Axis {
            axis: axis.to_owned(),
            size,
        })
    }

    /// A text that the model carries under `key`.
    fn metadata(&self, key: &str) -> Option<String>;

    /// Whether `run` may be called while the stream records ([`lsie_device::Stream`] of the `cuda` device): then it neither allocates
    /// nor waits once it has run with the same buffers before.
    fn can_be_recorded(&self) -> bool {
        false
    }

    /// Runs once. After an error the contents of `outputs` are unspecified.
    fn run(
        &mut self,
        stream: &Stream,
        inputs: &[&Buffer],
        outputs: &mut [&mut Buffer],
    ) -> Result<(), InferError>;
}

/// Which mesh points the outputs of the face mesh refine, by name of the output; empty for a network that says nothing.
pub fn landmark_indices(network: &dyn Network) -> BTreeMap<String, Vec<usize>> {
    network
        .metadata(LANDMARK_INDICES_KEY)
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}
