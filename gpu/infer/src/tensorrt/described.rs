//! An engine with the words of the file that it was built from.

use lsie_device::{Buffer, Stream};

use super::TensorRtNetwork;
use crate::error::InferError;
use crate::network::{Network, TensorInfo};
use crate::runtime::OrtNetwork;

/// Runs the engine; metadata is the file's, which an engine does not carry.
#[derive(Debug)]
pub struct Described {
    network: TensorRtNetwork,
    description: OrtNetwork,
}

impl Described {
    /// `description` is the file that the engine was built from.
    pub fn new(network: TensorRtNetwork, description: OrtNetwork) -> Self {
        Described {
            network,
            description,
        }
    }
}

impl Network for Described {
    fn inputs(&self) -> &[TensorInfo] {
        self.network.inputs()
    }

    fn outputs(&self) -> &[TensorInfo] {
        self.network.outputs()
    }

    fn metadata(&self, key: &str) -> Option<String> {
        self.description.metadata(key)
    }

    fn can_be_recorded(&self) -> bool {
        self.network.can_be_recorded()
    }

    fn run(
        &mut self,
        stream: &Stream,
        inputs: &[&Buffer],
        outputs: &mut [&mut Buffer],
    ) -> Result<(), InferError> {
        self.network.run(stream, inputs, outputs)
    }
}
