//! What a launch of a text kernel is made of, and the launch itself.

use crate::backend::{Operand, Work};
use crate::buffer::Buffer;
use crate::error::DeviceError;
use crate::source::{KernelSource, MAX_GROUP_THREADS, MAX_PARAMS_BYTES};
use crate::stream::Stream;

/// Most groups of a launch in one direction: what every implementation offers.
const MAX_GROUPS: u32 = 65_535;

/// A buffer of a launch and what the kernel does with it.
#[derive(Debug)]
pub enum Argument<'a> {
    /// Only read.
    Input(&'a Buffer),
    /// Written, and perhaps read.
    Output(&'a mut Buffer),
}

impl Argument<'_> {
    /// The buffer, whatever is done with it.
    pub fn buffer(&self) -> &Buffer {
        match self {
            Argument::Input(buffer) => buffer,
            Argument::Output(buffer) => buffer,
        }
    }
}

/// One launch: what runs, how many groups, with what.
#[derive(Debug)]
pub struct Launch<'a> {
    /// What runs.
    pub source: &'static KernelSource,
    /// Groups in x, y, z; nothing runs when one is 0.
    pub groups: [u32; 3],
    /// The parameters as the device reads them, at most [`MAX_PARAMS_BYTES`]; copied before the launch returns.
    pub params: &'a [u8],
    /// The buffers, in the order of the text.
    pub arguments: &'a [Argument<'a>],
}

impl Launch<'_> {
    fn is_possible(&self) -> bool {
        let threads: u32 = self.source.group.iter().product();
        (1..=MAX_GROUP_THREADS).contains(&threads)
            && (4..=MAX_PARAMS_BYTES).contains(&self.params.len())
            && self.params.len().is_multiple_of(4)
            && self.arguments.len() == self.source.arguments
            && self.groups.iter().all(|groups| *groups <= MAX_GROUPS)
    }
}

impl Stream {
    /// Queues a kernel that is text, compiled at its first use. Waits for nothing, allocates no device memory.
    ///
    /// Every buffer must be of this stream's device. Fails on the `cpu` device, which runs no text.
    pub fn launch(&self, launch: &Launch<'_>) -> Result<(), DeviceError> {
        for argument in launch.arguments {
            argument.buffer().check_stream(self)?;
        }
        let rejected = |detail: &str| DeviceError::Rejected {
            what: launch.source.name.to_owned(),
            detail: detail.to_owned(),
        };
        if !launch.is_possible() {
            return Err(rejected(
                "group size, groups, parameters or arguments are out of range",
            ));
        }
        if launch.groups.contains(&0) {
            return Ok(());
        }
        let operands = launch.arguments.iter().map(|argument| {
            let memory = argument.buffer().memory()?;
            Some(Operand {
                memory,
                is_output: matches!(argument, Argument::Output(_)),
            })
        });
        let operands: Option<Vec<Operand<'_>>> = operands.collect();
        let memories = operands.ok_or_else(|| rejected("the cpu device runs no text"))?;
        self.lane().launch(&Work {
            source: launch.source,
            groups: launch.groups,
            params: launch.params,
            memories: &memories,
        })?;
        self.launched(launch.source);
        Ok(())
    }
}
