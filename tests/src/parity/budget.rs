//! The numbers a kernel promises, from the file beside its text.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Deserialize;

use crate::house::tree;

/// `budget.toml` of one kernel.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Largest difference from the reference, in the unit that the file names.
    pub error: BTreeMap<String, f64>,
    /// What its CUDA text may use of a multiprocessor, on every architecture.
    pub cuda: CudaBudget,
}

/// What a kernel may use of a multiprocessor.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CudaBudget {
    /// Registers of a thread.
    pub registers: u32,
    /// Static shared memory of a group, bytes.
    pub shared_bytes: u32,
    /// Bytes of spilled registers, stores and loads counted.
    pub spill_bytes: u32,
}

impl Budget {
    /// Reads the file in the folder of a kernel.
    pub fn of(folder: &str) -> anyhow::Result<Self> {
        let path = format!("kernels/src/{folder}/budget.toml");
        toml::from_str(&tree::text(&path)?).with_context(|| path)
    }

    /// Largest difference from the reference.
    pub fn absolute(folder: &str) -> anyhow::Result<f64> {
        let budget = Self::of(folder)?;
        let bound = budget.error.get("absolute").copied();
        bound
            .filter(|bound| bound.is_finite() && *bound > 0.0)
            .with_context(|| format!("{folder}: no usable error.absolute"))
    }
}
