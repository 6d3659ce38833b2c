//! A kernel as text. The device compiles it at its first use and keeps it.

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

impl KernelSource {
    /// What tells it from every other kernel, whatever their names: where it stands.
    #[cfg_attr(
        not(any(feature = "wgpu", feature = "cuda")),
        expect(dead_code, reason = "the cpu keeps no compiled kernels")
    )]
    pub(crate) fn address(&'static self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

/// Most threads of one group: what every implementation offers.
pub const MAX_GROUP_THREADS: u32 = 256;
/// Most bytes of parameters that one launch carries: with the buffers' addresses they fit what CUDA passes by value.
pub const MAX_PARAMS_BYTES: usize = 31 * 1024;
