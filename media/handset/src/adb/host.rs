//! Framing of requests and answers (device 1.1).
//!
//! ```text
//! request  hhhh service        accept  OKAY        payload of a query  hhhh text
//! (hhhh = 4 hex digits)        refuse  FAIL hhhh text
//! ```

use thiserror::Error;

use crate::inbox::Inbox;

/// Longest block that four hex digits can announce, in bytes.
pub const MAX_BLOCK_BYTES: usize = 0xffff;

/// Why bytes of an adb server or of one of its services were refused. The connection is of no further use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AdbError {
    /// A service name is too long for four hex digits.
    #[error("a request of {0} bytes is too long")]
    RequestTooLong(usize),
    /// An answer began neither with `OKAY` nor with `FAIL`.
    #[error("expected OKAY or FAIL, got {0:02x?}")]
    NotAStatus([u8; 4]),
    /// A length was not written in hex digits.
    #[error("expected four hex digits, got {0:02x?}")]
    NotALength([u8; 4]),
    /// A shell packet announced more than the cap.
    #[error("a shell packet of {0} bytes is too long")]
    ShellTooLong(u32),
    /// A shell exit packet did not hold exactly one byte.
    #[error("an exit packet of {0} bytes")]
    ExitLength(usize),
    /// A sync answer was none that a push can get.
    #[error("unexpected sync answer {0:02x?}")]
    NotASyncReply([u8; 4]),
    /// A sync answer announced more text than the cap.
    #[error("a sync answer of {0} bytes is too long")]
    SyncTooLong(u32),
}

/// A request: the length in four lower-case hex digits, then the service.
pub fn encode_request(service: &str) -> Result<Vec<u8>, AdbError> {
    let length = service.len();
    if length > MAX_BLOCK_BYTES {
        return Err(AdbError::RequestTooLong(length));
    }
    Ok(format!("{length:04x}{service}").into_bytes())
}

/// Four hex digits of either case; signs and blanks are not digits.
fn hex_length(digits: [u8; 4]) -> Result<usize, AdbError> {
    digits.iter().try_fold(0, |length, digit| {
        let digit = char::from(*digit).to_digit(16);
        let digit = digit.ok_or(AdbError::NotALength(digits))?;
        Ok(length * 16 + digit as usize)
    })
}

/// How a request was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Accepted; what follows belongs to the service.
    Okay,
    /// Refused, with the server's words.
    Fail(String),
}

/// Reads one answer, however it is cut into pieces.
#[derive(Debug, Clone, Default)]
pub struct StatusReader {
    inbox: Inbox,
}

impl StatusReader {
    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.inbox.push(bytes);
    }

    /// The answer once it is complete. Bytes behind it stay for [`Self::into_rest`].
    pub fn poll(&mut self) -> Result<Option<Status>, AdbError> {
        let Some(word) = self.inbox.peek_array::<4>() else {
            return Ok(None);
        };
        match &word {
            b"OKAY" => {
                self.inbox.skip(4);
                Ok(Some(Status::Okay))
            }
            b"FAIL" => {
                let Some(head) = self.inbox.peek_array::<8>() else {
                    return Ok(None);
                };
                let [_, _, _, _, a, b, c, d] = head;
                let length = hex_length([a, b, c, d])?;
                if self.inbox.len() < 8 + length {
                    return Ok(None);
                }
                self.inbox.skip(8);
                let text = self.inbox.take(length).unwrap_or_default();
                Ok(Some(Status::Fail(String::from_utf8_lossy(&text).into())))
            }
            _ => Err(AdbError::NotAStatus(word)),
        }
    }

    /// How many more bytes are needed at least; a reader that asks for no more than this never takes a service's bytes.
    #[must_use]
    pub fn wanted(&self) -> usize {
        let have = self.inbox.len();
        if have < 4 {
            return 4 - have;
        }
        let Some([b'F', b'A', b'I', b'L', a, b, c, d]) = self.inbox.peek_array::<8>() else {
            return 8_usize.saturating_sub(have);
        };
        let length = hex_length([a, b, c, d]).unwrap_or(0);
        (8 + length).saturating_sub(have)
    }

    /// Bytes that followed the answer.
    #[must_use]
    pub fn into_rest(mut self) -> Vec<u8> {
        let rest = self.inbox.len();
        self.inbox.take(rest).unwrap_or_default()
    }
}

/// Reads the blocks of a query or of `host:track-devices`: each four hex digits and that many bytes of text.
#[derive(Debug, Clone, Default)]
pub struct HexBlocks {
    inbox: Inbox,
}

impl HexBlocks {
    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.inbox.push(bytes);
    }

    /// The next complete block; bytes that are no UTF-8 become replacement characters.
    pub fn poll(&mut self) -> Result<Option<String>, AdbError> {
        let Some(digits) = self.inbox.peek_array::<4>() else {
            return Ok(None);
        };
        let length = hex_length(digits)?;
        if self.inbox.len() < 4 + length {
            return Ok(None);
        }
        self.inbox.skip(4);
        let text = self.inbox.take(length).unwrap_or_default();
        Ok(Some(String::from_utf8_lossy(&text).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_its_hex_length_and_its_words() {
        assert_eq!(encode_request("host:version").unwrap(), b"000chost:version");
        let long = "x".repeat(0x10000);
        assert_eq!(
            encode_request(&long),
            Err(AdbError::RequestTooLong(0x10000))
        );
    }

    #[test]
    fn an_answer_arrives_byte_by_byte_and_leaves_the_rest() {
        let mut reader = StatusReader::default();
        for byte in b"FAIL0006clos" {
            reader.push(&[*byte]);
            assert_eq!(reader.poll(), Ok(None));
        }
        assert_eq!(reader.wanted(), 2);
        reader.push(b"edmore");
        assert_eq!(reader.poll(), Ok(Some(Status::Fail("closed".into()))));
        assert_eq!(reader.into_rest(), b"more");
    }

    #[test]
    fn an_answer_that_is_none_is_an_error() {
        let mut reader = StatusReader::default();
        reader.push(b"HTTP/1.1");
        assert_eq!(reader.poll(), Err(AdbError::NotAStatus(*b"HTTP")));
        let mut reader = StatusReader::default();
        reader.push(b"FAIL+001x");
        assert_eq!(reader.poll(), Err(AdbError::NotALength(*b"+001")));
    }

    #[test]
    fn blocks_follow_each_other() {
        let mut blocks = HexBlocks::default();
        blocks.push(b"0000000Cab\tdevice\n");
        assert_eq!(blocks.poll(), Ok(Some(String::new())));
        assert_eq!(blocks.poll(), Ok(None));
        blocks.push(b"xy");
        assert_eq!(blocks.poll(), Ok(Some("ab\tdevice\nxy".into())));
        blocks.push(b"00g0");
        assert_eq!(blocks.poll(), Err(AdbError::NotALength(*b"00g0")));
    }
}
