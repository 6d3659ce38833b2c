//! Bind groups that were made before. The same launches come again with every frame, and making a group is most of what one costs.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::Mutex;

use ::wgpu::{BindGroup, Buffer, BufferBinding};

use super::context::{Context, Kernel, held};
use crate::error::DeviceError;
use crate::source::KernelSource;

/// Most groups that are kept; more than a frame's chain needs for all the buffers that its pictures may lie in.
const MOST_KEPT: usize = 512;

/// Groups by what they bind.
#[derive(Debug, Default)]
pub(super) struct Groups {
    kept: Mutex<HashMap<Key, BindGroup>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    /// The source's address.
    kernel: usize,
    /// Where the parameters lie in their buffer, which is one for all.
    params: (u64, usize),
    buffers: Vec<Buffer>,
}

impl Groups {
    /// The group of a launch whose parameters are `bytes` from `offset` of `params` on. All is thrown away when too much is kept.
    pub(super) fn get(
        &self,
        context: &Context,
        (source, kernel): (&'static KernelSource, &Kernel),
        params: &Buffer,
        (offset, bytes): (u64, usize),
        buffers: &[&Buffer],
    ) -> Result<BindGroup, DeviceError> {
        let key = Key {
            kernel: source.address(),
            params: (offset, bytes),
            buffers: buffers.iter().map(|buffer| (*buffer).clone()).collect(),
        };
        let mut kept = held(&self.kept);
        if let Some(group) = kept.get(&key) {
            return Ok(group.clone());
        }
        let binding = BufferBinding {
            buffer: params,
            offset,
            size: NonZero::new(bytes as u64),
        };
        let group = context.bind(kernel, source.name, binding, buffers.iter().copied())?;
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(key, group.clone());
        Ok(group)
    }

    /// Throws away what binds a buffer, so that its memory goes with it.
    pub(super) fn forget(&self, buffer: &Buffer) {
        held(&self.kept).retain(|key, _| !key.buffers.contains(buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::super::WgpuDevice;
    use super::*;
    use crate::device::Device as _;
    use crate::launch::{Argument, Launch};
    use crate::stream::Stream;

    static COUNT: KernelSource = KernelSource {
        name: "count_up",
        group: [1, 1, 1],
        arguments: 1,
        wgsl: "struct Params { step: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> sum: array<u32>;
@compute @workgroup_size(1, 1, 1)
fn count_up() { sum[0] += params.step; }",
        cuda: "",
    };

    fn count(stream: &Stream, sum: &mut crate::Buffer, step: u32) {
        let launched = stream.launch(&Launch {
            source: &COUNT,
            groups: [1, 1, 1],
            params: &step.to_le_bytes(),
            arguments: &[Argument::Output(sum)],
        });
        launched.unwrap();
    }

    #[test]
    fn a_launch_that_comes_again_is_bound_once_and_buffers_that_go_are_forgotten() {
        let Ok(device) = WgpuDevice::open(0) else {
            println!("not run: there is no wgpu device");
            return;
        };
        let kept = || held(&device.queue.groups.kept).len();
        let stream = device.stream("test").unwrap();
        let mut sum = device.alloc(4, "sum").unwrap();
        for step in 1..=4 {
            count(&stream, &mut sum, step);
            stream.synchronize().unwrap();
            assert_eq!(kept(), 1);
        }
        // A second launch in the same chain has its parameters elsewhere.
        for step in [10, 20] {
            count(&stream, &mut sum, step);
        }
        let mut total = [0; 4];
        sum.copy_to_host(&stream, 0, &mut total).unwrap();
        assert_eq!((u32::from_le_bytes(total), kept()), (40, 2));
        drop(sum);
        assert_eq!(kept(), 0);

        let mut many: Vec<_> = (0..MOST_KEPT + 5)
            .map(|_| device.alloc(4, "one of many").unwrap())
            .collect();
        for sum in &mut many {
            count(&stream, sum, 1);
            stream.synchronize().unwrap();
        }
        assert_eq!(kept(), 5);
    }
}
