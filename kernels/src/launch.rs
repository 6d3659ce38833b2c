//! Access to the arguments of a launch on the `cpu` device.

use bytemuck::Pod;
use lsie_device::{Buffer, DeviceError, DeviceKind, Stream};

use crate::error::KernelError;

/// Borrows the first `count` values of an input.
pub(crate) fn input<'a, T: Pod>(
    stream: &Stream,
    buffer: &'a Buffer,
    count: usize,
    what: &'static str,
) -> Result<&'a [T], KernelError> {
    check::<T>(stream, buffer, count, what)?;
    let values = buffer.host::<T>().and_then(|values| values.get(..count));
    values.ok_or_else(|| not_host(stream, buffer))
}

/// Borrows the first `count` values of an output.
pub(crate) fn output<'a, T: Pod>(
    stream: &Stream,
    buffer: &'a mut Buffer,
    count: usize,
    what: &'static str,
) -> Result<&'a mut [T], KernelError> {
    check::<T>(stream, buffer, count, what)?;
    let refused = not_host(stream, buffer);
    let values = buffer
        .host_mut::<T>()
        .and_then(|values| values.get_mut(..count));
    values.ok_or(refused)
}

fn check<T>(
    stream: &Stream,
    buffer: &Buffer,
    count: usize,
    what: &'static str,
) -> Result<(), KernelError> {
    buffer.check_stream(stream)?;
    let (found_bytes, unit_bytes) = (buffer.len_bytes(), size_of::<T>());
    let wanted_bytes = count.saturating_mul(unit_bytes);
    if found_bytes < wanted_bytes || !found_bytes.is_multiple_of(unit_bytes) {
        return Err(KernelError::Size {
            what,
            wanted_bytes,
            found_bytes,
        });
    }
    Ok(())
}

fn not_host(stream: &Stream, buffer: &Buffer) -> KernelError {
    debug_assert_eq!(
        stream.kind(),
        DeviceKind::Cpu,
        "no other device has launch code yet"
    );
    DeviceError::WrongDevice {
        wanted: stream.kind(),
        found: buffer.kind(),
    }
    .into()
}
