//! From a network's file to an engine. Needs no GPU.

use std::sync::{Mutex, PoisonError};

use trtx::{Builder, OnnxParser};

use super::{TensorRt, target};
use crate::error::InferError;
use crate::provider::Capability;

/// Held while an engine is built. Several builds at once have been seen to fail without a reason.
static BUILDING: Mutex<()> = Mutex::new(());

impl TensorRt {
    /// Builds an engine for these GPUs from the bytes of an ONNX file. Deterministic in its shapes, not in its bytes. Takes about a
    /// second per network and some hundred megabytes of host memory; one build at a time, others wait.
    pub fn build(
        &self,
        name: &str,
        model: &[u8],
        capabilities: &[Capability],
    ) -> Result<Vec<u8>, InferError> {
        let failed = |error: &dyn std::fmt::Display| InferError::Runtime {
            operation: "build an engine of",
            model: name.to_owned(),
            reason: error.to_string(),
        };
        let _alone = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut builder = Builder::new(self.logger).map_err(|error| failed(&error))?;
        // Without flags: batch sizes are explicit and types are the file's in every version of this library.
        let network = builder.create_network(0).map_err(|error| failed(&error))?;
        let mut parser = OnnxParser::new(network, self.logger).map_err(|error| failed(&error))?;
        parser.parse(model).map_err(|error| failed(&error))?;
        let mut config = builder.create_config().map_err(|error| failed(&error))?;
        let count = i32::try_from(capabilities.len()).unwrap_or(i32::MAX);
        config
            .set_nb_compute_capabilities(count)
            .map_err(|error| failed(&error))?;
        for (place, capability) in (0_i32..).zip(capabilities) {
            config
                .set_compute_capability(target(*capability)?, place)
                .map_err(|error| failed(&error))?;
        }
        let engine = builder
            .build_serialized_network(parser.network_mut(), &mut config)
            .map_err(|error| failed(&error))?;
        Ok(engine.as_ref().to_vec())
    }
}
