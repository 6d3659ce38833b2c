//! The adb server's host protocol: codecs without sockets, and the blocking client on top of them.

mod client;
mod device;
mod host;
mod shell;
mod sync;

pub use client::{AdbClient, DEFAULT_PORT, DeviceStream, ShellExit};
pub(crate) use device::is_network_serial;
pub use device::{DeviceEntry, DeviceState, Remedy, parse_devices};
pub use host::{AdbError, HexBlocks, MAX_BLOCK_BYTES, Status, StatusReader, encode_request};
pub use shell::{MAX_SHELL_BYTES, ShellPacket, ShellReader};
pub use sync::{
    MAX_CHUNK_BYTES, MODE_EXECUTABLE, MODE_FILE, SyncReply, SyncReplyReader, sync_data, sync_done,
    sync_quit, sync_send,
};
