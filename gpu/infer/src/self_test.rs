//! Runs a network on a known input and compares some numbers with the manifest.

use lsie_device::{Buffer, DeviceKind, open};

use crate::error::InferError;
use crate::manifest::SelfTest;
use crate::network::{Network, TensorInfo};

/// Runs the test on the processor.
pub(crate) fn run(
    name: &str,
    network: &mut dyn Network,
    test: &SelfTest,
) -> Result<(), InferError> {
    if let Some(axis) = &test.axis {
        network.set_axis(axis, test.input.len())?;
    }
    let device = open(DeviceKind::Cpu)?;
    let stream = device.stream("self-test")?;
    let allocate = |infos: &[TensorInfo]| {
        let buffers = infos
            .iter()
            .map(|info| device.alloc(info.len_bytes(), &info.name));
        buffers.collect::<Result<Vec<_>, _>>()
    };
    let mut inputs = allocate(network.inputs())?;
    let mut outputs = allocate(network.outputs())?;
    let first = inputs.first_mut().and_then(Buffer::host_mut::<f32>);
    for (place, value) in first.into_iter().flatten().enumerate() {
        *value = match test.axis {
            Some(_) => test.input.get(place).copied().unwrap_or(0.0),
            None => ramp(place),
        };
    }
    let input_refs: Vec<&Buffer> = inputs.iter().collect();
    let mut output_refs: Vec<&mut Buffer> = outputs.iter_mut().collect();
    network.run(&stream, &input_refs, &mut output_refs)?;
    stream.synchronize()?;
    for expect in &test.expect {
        let found = network
            .outputs()
            .iter()
            .position(|info| info.name == expect.output)
            .and_then(|position| outputs.get(position)?.host::<f32>()?.get(expect.index))
            .copied()
            .unwrap_or(f32::NAN);
        // A NaN is no match either.
        let is_close = (found - expect.value).abs() <= test.tolerance;
        if !is_close {
            return Err(InferError::SelfTest {
                name: name.to_owned(),
                output: expect.output.clone(),
                index: expect.index,
                found,
                wanted: expect.value,
            });
        }
    }
    Ok(())
}

/// The known input, in [0, 1].
fn ramp(place: usize) -> f32 {
    ((37 * place) % 101) as f32 / 100.0
}
