//! Messages between adb server and device (device 2), little-endian.

use std::io::{self, Read, Write};

/// Longest payload we offer.
pub(super) const MAX_PAYLOAD: u32 = 256 << 10;
/// From this version on the checksum is not used.
pub(super) const VERSION: u32 = 0x0100_0001;

/// One message.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) command: [u8; 4],
    pub(super) arg0: u32,
    pub(super) arg1: u32,
    pub(super) data: Vec<u8>,
}

impl Message {
    pub(super) fn new(command: [u8; 4], arg0: u32, arg1: u32, data: &[u8]) -> Self {
        Self {
            command,
            arg0,
            arg1,
            data: data.to_vec(),
        }
    }

    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let command = u32::from_le_bytes(self.command);
        let words = [
            command,
            self.arg0,
            self.arg1,
            self.data.len() as u32,
            0,
            !command,
        ];
        let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        bytes.extend(&self.data);
        to.write_all(&bytes)
    }

    pub(super) fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut words = [0_u32; 6];
        for word in &mut words {
            let mut bytes = [0; 4];
            from.read_exact(&mut bytes)?;
            *word = u32::from_le_bytes(bytes);
        }
        let [command, arg0, arg1, length, _, magic] = words;
        if magic != !command || length > 1 << 20 {
            return Err(io::Error::other("not an adb message"));
        }
        let mut data = vec![0; length as usize];
        from.read_exact(&mut data)?;
        Ok(Self {
            command: command.to_le_bytes(),
            arg0,
            arg1,
            data,
        })
    }
}
