//! The control socket (device 3.6): the few messages sent, and the device's messages, which are read and dropped.

use thiserror::Error;

use crate::inbox::Inbox;

/// What is asked of the server. There is no input injection here: LSIE observes, it does not operate the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlMessage {
    /// Start capture and encoder again; the only way to a key frame.
    ResetVideo,
    /// Camera light, from 4.0 on.
    Torch(bool),
    /// Camera zoom in, from 4.0 on.
    ZoomIn,
    /// Camera zoom out, from 4.0 on.
    ZoomOut,
    /// Power of the phone's display.
    DisplayPower(bool),
}

impl ControlMessage {
    /// Bytes on the wire.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        match self {
            Self::ResetVideo => vec![0x11],
            Self::Torch(on) => vec![0x12, u8::from(on)],
            Self::ZoomIn => vec![0x13],
            Self::ZoomOut => vec![0x14],
            Self::DisplayPower(on) => vec![0x0a, u8::from(on)],
        }
    }
}

/// A message of the device. None is used; clipboard text is never kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceMessage {
    /// The clipboard changed; so many bytes were dropped.
    Clipboard(u32),
    /// A clipboard request was done.
    Acknowledged,
    /// Output for a virtual input device.
    InputOutput,
}

/// The device sent a message of an unknown kind. The control socket is of no further use; media go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a device message of unknown kind {0}")]
pub struct UnknownDeviceMessage(pub u8);

/// Reads device messages and drops their content, without holding it.
#[derive(Debug, Clone, Default)]
pub struct DeviceMessageReader {
    inbox: Inbox,
    to_drop: usize,
}

impl DeviceMessageReader {
    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        let dropped = self.to_drop.min(bytes.len());
        self.to_drop -= dropped;
        self.inbox.push(bytes.get(dropped..).unwrap_or_default());
    }

    /// The next message whose head is complete.
    pub fn poll(&mut self) -> Result<Option<DeviceMessage>, UnknownDeviceMessage> {
        let Some([kind]) = self.inbox.peek_array::<1>() else {
            return Ok(None);
        };
        let (message, head, body) = match kind {
            0 => {
                let Some([_, a, b, c, d]) = self.inbox.peek_array::<5>() else {
                    return Ok(None);
                };
                let length = u32::from_be_bytes([a, b, c, d]);
                (DeviceMessage::Clipboard(length), 5, length as usize)
            }
            1 if self.inbox.len() < 9 => return Ok(None),
            1 => (DeviceMessage::Acknowledged, 9, 0),
            2 => {
                let Some([_, _, _, a, b]) = self.inbox.peek_array::<5>() else {
                    return Ok(None);
                };
                let length = u16::from_be_bytes([a, b]);
                (DeviceMessage::InputOutput, 5, usize::from(length))
            }
            kind => return Err(UnknownDeviceMessage(kind)),
        };
        let here = (self.inbox.len() - head).min(body);
        self.inbox.skip(head + here);
        self.to_drop = body - here;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_one_byte_and_a_flag_at_most() {
        assert_eq!(ControlMessage::ResetVideo.encode(), [0x11]);
        assert_eq!(ControlMessage::Torch(true).encode(), [0x12, 1]);
        assert_eq!(ControlMessage::ZoomIn.encode(), [0x13]);
        assert_eq!(ControlMessage::ZoomOut.encode(), [0x14]);
        assert_eq!(ControlMessage::DisplayPower(false).encode(), [0x0a, 0]);
    }

    #[test]
    fn clipboard_text_is_dropped_across_pieces() {
        let mut reader = DeviceMessageReader::default();
        reader.push(b"\0\0\0\0\x06sec");
        assert_eq!(reader.poll(), Ok(Some(DeviceMessage::Clipboard(6))));
        reader.push(b"ret\x01\0\0\0\0\0\0\0\x01\x02\0\x01\0\x01x\x09");
        assert_eq!(reader.poll(), Ok(Some(DeviceMessage::Acknowledged)));
        assert_eq!(reader.poll(), Ok(Some(DeviceMessage::InputOutput)));
        assert_eq!(reader.poll(), Err(UnknownDeviceMessage(9)));
    }
}
