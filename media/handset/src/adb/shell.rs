//! Packets of `shell,v2` (device 1.3): `u8 id | u32 length, little-endian | bytes`.

use super::AdbError;
use crate::inbox::Inbox;

/// Longest packet that is read, in bytes. adb sends at most its maximal payload.
pub const MAX_SHELL_BYTES: u32 = 1 << 20;

/// What a command said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShellPacket {
    /// Bytes of standard output.
    Stdout(Vec<u8>),
    /// Bytes of standard error.
    Stderr(Vec<u8>),
    /// The command ended with this status.
    Exit(u8),
    /// A packet of a kind that a command does not send; its bytes are dropped.
    Other(u8),
}

/// Reads packets, however they are cut into pieces.
#[derive(Debug, Clone, Default)]
pub struct ShellReader {
    inbox: Inbox,
}

impl ShellReader {
    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.inbox.push(bytes);
    }

    /// The next complete packet.
    pub fn poll(&mut self) -> Result<Option<ShellPacket>, AdbError> {
        let Some([id, a, b, c, d]) = self.inbox.peek_array::<5>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes([a, b, c, d]);
        if length > MAX_SHELL_BYTES {
            return Err(AdbError::ShellTooLong(length));
        }
        if self.inbox.len() < 5 + length as usize {
            return Ok(None);
        }
        self.inbox.skip(5);
        let bytes = self.inbox.take(length as usize).unwrap_or_default();
        Ok(Some(match (id, bytes.as_slice()) {
            (1, _) => ShellPacket::Stdout(bytes),
            (2, _) => ShellPacket::Stderr(bytes),
            (3, [status]) => ShellPacket::Exit(*status),
            (3, _) => return Err(AdbError::ExitLength(bytes.len())),
            _ => ShellPacket::Other(id),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_in_order() {
        let mut reader = ShellReader::default();
        reader.push(b"\x01\x02\0\0\0hi\x02\x01\0\0\0!\x07\0\0\0\0\x03\x01\0\0\0\x05");
        assert_eq!(reader.poll(), Ok(Some(ShellPacket::Stdout(b"hi".into()))));
        assert_eq!(reader.poll(), Ok(Some(ShellPacket::Stderr(b"!".into()))));
        assert_eq!(reader.poll(), Ok(Some(ShellPacket::Other(7))));
        assert_eq!(reader.poll(), Ok(Some(ShellPacket::Exit(5))));
        assert_eq!(reader.poll(), Ok(None));
    }

    #[test]
    fn a_packet_above_the_cap_is_refused_by_its_header() {
        let mut reader = ShellReader::default();
        reader.push(b"\x01\xff\xff\xff\xff");
        assert_eq!(reader.poll(), Err(AdbError::ShellTooLong(u32::MAX)));
        let mut reader = ShellReader::default();
        reader.push(b"\x03\0\0\0\0");
        assert_eq!(reader.poll(), Err(AdbError::ExitLength(0)));
    }
}
