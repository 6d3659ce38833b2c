//! What a launch of a text kernel is made of. The text is compiled by the device at its first use and kept.

use crate::buffer::Buffer;

/// A kernel as text. Its parameters are the first argument, the buffers follow in the order in which a launch names them.
#[derive(Debug)]
pub struct KernelSource {
    /// Name of the entry point in each language.
    pub name: &'static str,
    /// Threads of a group in x, y, z, the same in each language; at most [`MAX_GROUP_THREADS`] in all.
    pub group: [u32; 3],
    /// Buffers a launch takes, parameters not counted.
    pub arguments: usize,
    /// WGSL: parameters are `@group(0) @binding(0)` (uniform or read-only storage), buffers follow from binding 1.
    pub wgsl: &'static str,
    /// CUDA C++: parameters are one structure by value, buffers follow as pointers. It includes nothing, so that it compiles at run
    /// time without a toolkit.
    pub cuda: &'static str,
}

/// Most threads of one group: what every implementation offers.
pub const MAX_GROUP_THREADS: u32 = 256;
/// Most bytes of parameters that one launch carries: with the buffers' addresses they fit what CUDA passes by value.
pub const MAX_PARAMS_BYTES: usize = 31 * 1024;

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
