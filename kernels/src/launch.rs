//! Access to the arguments of a launch: borrowed on the `cpu` device, checked for the devices that run text.

use bytemuck::Pod;
use lsie_device::{Buffer, DeviceKind, Stream};

use crate::error::KernelError;

/// Most faces of one launch on a device that runs text: groups of 32 then stay within what every device takes.
pub(crate) const MAX_TEXT_FACES: usize = 1 << 20;

/// Borrows the first `count` values of an input.
pub(crate) fn input<'a, T: Pod>(
    stream: &Stream,
    buffer: &'a Buffer,
    count: usize,
    what: &'static str,
) -> Result<&'a [T], KernelError> {
    check::<T>(stream, buffer, count, what)?;
    let values = buffer.host::<T>().and_then(|values| values.get(..count));
    values.ok_or_else(|| not_host(stream))
}

/// Borrows the first `count` values of an output.
pub(crate) fn output<'a, T: Pod>(
    stream: &Stream,
    buffer: &'a mut Buffer,
    count: usize,
    what: &'static str,
) -> Result<&'a mut [T], KernelError> {
    check::<T>(stream, buffer, count, what)?;
    let values = buffer
        .host_mut::<T>()
        .and_then(|values| values.get_mut(..count));
    values.ok_or_else(|| not_host(stream))
}

/// Whether the work is the text's and not the calling thread's.
pub(crate) fn runs_text(stream: &Stream) -> bool {
    stream.kind() != DeviceKind::Cpu
}

/// Fails unless the buffer is of the stream's device and holds `count` values.
pub(crate) fn check<T>(
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

/// The error of a kernel that a device has no version of.
fn not_host(stream: &Stream) -> KernelError {
    KernelError::NoVersion {
        kind: stream.kind(),
    }
}
