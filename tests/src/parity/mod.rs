//! One suite for every device: each kernel that exists as text against its reference, within its budget.
//!
//! A case takes a [`Place`] and nothing else, so it cannot know which device it runs on.

mod action_units;
mod au12;
mod budget;
mod correlate;
mod crop;
mod crops;
mod detect;
mod exposure;
mod order;
mod place;
mod pose;
mod project;
mod pulse;
mod recording;
mod resample;
mod statistics;
mod stft;
mod tensor;
mod transfer;

pub use budget::{Budget, CudaBudget};
pub use place::{Candidate, Place, Way, candidates};

/// One case of the suite.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Folder of the kernel, or the part of the device, and what holds.
    pub name: &'static str,
    /// Runs it.
    pub run: fn(&Place) -> anyhow::Result<()>,
}

/// The whole suite.
#[must_use]
pub fn cases() -> Vec<Case> {
    [
        transfer::CASES,
        order::CASES,
        crop::CASES,
        crops::CASES,
        detect::CASES,
        project::CASES,
        au12::CASES,
        recording::CASES,
        pose::CASES,
        action_units::CASES,
        statistics::CASES,
        exposure::CASES,
        tensor::CASES,
        correlate::CASES,
        stft::CASES,
        resample::CASES,
        pulse::CASES,
    ]
    .concat()
}
