//! Framing of a push over `sync:` (device 1.4): `4-byte id | u32 n, little-endian | n bytes`.

use super::AdbError;
use crate::inbox::Inbox;

/// Largest chunk of a file, in bytes.
pub const MAX_CHUNK_BYTES: usize = 65_536;
/// Mode of a plain file, 0o100644.
pub const MODE_FILE: u32 = 33_188;
/// Mode of an executable, 0o100755.
pub const MODE_EXECUTABLE: u32 = 33_261;

/// Longest refusal text that is read, in bytes.
const MAX_TEXT_BYTES: u32 = 64 << 10;

fn headed(id: [u8; 4], number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(8 + bytes.len());
    packet.extend_from_slice(&id);
    packet.extend_from_slice(&number.to_le_bytes());
    packet.extend_from_slice(bytes);
    packet
}

/// Opens a push: path and decimal mode.
#[must_use]
pub fn sync_send(path: &str, mode: u32) -> Vec<u8> {
    let target = format!("{path},{mode}");
    headed(*b"SEND", target.len() as u32, target.as_bytes())
}

/// One chunk; bytes beyond [`MAX_CHUNK_BYTES`] are left out, so callers cut the file first.
#[must_use]
pub fn sync_data(chunk: &[u8]) -> Vec<u8> {
    let chunk = chunk.get(..MAX_CHUNK_BYTES).unwrap_or(chunk);
    headed(*b"DATA", chunk.len() as u32, chunk)
}

/// Closes a push; the number is the modification time in seconds since 1970.
#[must_use]
pub fn sync_done(modified_secs: u32) -> Vec<u8> {
    headed(*b"DONE", modified_secs, &[])
}

/// Ends the service.
#[must_use]
pub fn sync_quit() -> Vec<u8> {
    headed(*b"QUIT", 0, &[])
}

/// How a push ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncReply {
    /// The file is there.
    Okay,
    /// It is not, with the device's words (for example that no space is left).
    Fail(String),
}

/// Reads the answer to a push, however it is cut into pieces.
#[derive(Debug, Clone, Default)]
pub struct SyncReplyReader {
    inbox: Inbox,
}

impl SyncReplyReader {
    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.inbox.push(bytes);
    }

    /// The answer once it is complete.
    pub fn poll(&mut self) -> Result<Option<SyncReply>, AdbError> {
        let Some([i, j, k, l, a, b, c, d]) = self.inbox.peek_array::<8>() else {
            return Ok(None);
        };
        let (id, length) = ([i, j, k, l], u32::from_le_bytes([a, b, c, d]));
        if length > MAX_TEXT_BYTES {
            return Err(AdbError::SyncTooLong(length));
        }
        if &id != b"OKAY" && &id != b"FAIL" {
            return Err(AdbError::NotASyncReply(id));
        }
        if self.inbox.len() < 8 + length as usize {
            return Ok(None);
        }
        self.inbox.skip(8);
        let text = self.inbox.take(length as usize).unwrap_or_default();
        Ok(Some(if &id == b"OKAY" {
            SyncReply::Okay
        } else {
            SyncReply::Fail(String::from_utf8_lossy(&text).into())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_written_field_by_field() {
        assert_eq!(
            sync_send("/data/x", MODE_FILE),
            b"SEND\x0d\0\0\0/data/x,33188"
        );
        assert_eq!(sync_data(b"abc"), b"DATA\x03\0\0\0abc");
        assert_eq!(sync_data(&vec![0; 70_000]).len(), 8 + 65_536);
        assert_eq!(sync_done(0x0102_0304), b"DONE\x04\x03\x02\x01");
        assert_eq!(sync_quit(), b"QUIT\0\0\0\0");
        assert_eq!((MODE_FILE, MODE_EXECUTABLE), (0o100_644, 0o100_755));
    }

    #[test]
    fn a_refusal_keeps_the_words_of_the_device() {
        let mut reader = SyncReplyReader::default();
        reader.push(b"FAIL\x08\0\0\0no sp");
        assert_eq!(reader.poll(), Ok(None));
        reader.push(b"ace");
        assert_eq!(reader.poll(), Ok(Some(SyncReply::Fail("no space".into()))));
        reader.push(b"DENT\0\0\0\0");
        assert_eq!(reader.poll(), Err(AdbError::NotASyncReply(*b"DENT")));
    }
}
