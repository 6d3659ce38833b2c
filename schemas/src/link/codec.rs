//! Framing of the link: `u32` big-endian length, then MessagePack with named fields. Sans-IO.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::MAX_FRAME_BYTES;

/// Why bytes of the other side could not be taken, or ours not sent.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// A frame announces more than the limit; the link cannot be resynchronised.
    #[error("link frame of {0} bytes exceeds the limit of {MAX_FRAME_BYTES}")]
    TooLarge(usize),
    /// A frame does not hold a known message; it is skipped and counted by the caller.
    #[error("link frame is not a known message: {0}")]
    Malformed(String),
    /// A message could not be written down.
    #[error("link message cannot be encoded: {0}")]
    Encode(String),
}

/// Writes one message with its length prefix.
pub fn encode_frame<T: Serialize>(message: &T) -> Result<Vec<u8>, LinkError> {
    let body =
        rmp_serde::to_vec_named(message).map_err(|error| LinkError::Encode(error.to_string()))?;
    if body.len() > MAX_FRAME_BYTES {
        return Err(LinkError::TooLarge(body.len()));
    }
    let mut frame = Vec::with_capacity(body.len() + 4);
    frame.extend_from_slice(&(body.len() as u32).to_be_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// Collects bytes as they arrive and gives back whole messages.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    buffer: Vec<u8>,
}

impl FrameDecoder {
    /// Adds bytes read from the other side.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, `None` when more bytes are needed. [`LinkError::Malformed`] leaves the decoder usable,
    /// [`LinkError::TooLarge`] ends the link.
    pub fn next_message<T: DeserializeOwned>(&mut self) -> Result<Option<T>, LinkError> {
        let Some(prefix) = self.buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*prefix) as usize;
        if length > MAX_FRAME_BYTES {
            return Err(LinkError::TooLarge(length));
        }
        let Some(body) = self.buffer.get(4..4 + length) else {
            return Ok(None);
        };
        let parsed =
            rmp_serde::from_slice(body).map_err(|error| LinkError::Malformed(error.to_string()));
        self.buffer.drain(..4 + length);
        parsed.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{EngineHeartbeat, EngineMessage, PeerGauges, ServerMessage};

    #[test]
    fn messages_survive_byte_by_byte_delivery() {
        let messages = [ServerMessage::Heartbeat { seq: 7 }, ServerMessage::Shutdown];
        let bytes: Vec<u8> = messages
            .iter()
            .flat_map(|m| encode_frame(m).unwrap())
            .collect();
        let mut decoder = FrameDecoder::default();
        let mut read = Vec::new();
        for byte in bytes {
            decoder.push(&[byte]);
            while let Some(message) = decoder.next_message::<ServerMessage>().unwrap() {
                read.push(message);
            }
        }
        assert_eq!(read, messages);
    }

    #[test]
    fn a_frame_above_the_limit_ends_the_link_and_a_malformed_one_does_not() {
        let mut decoder = FrameDecoder::default();
        decoder.push(&[0, 0, 0, 2, 0xc1, 0xc1]);
        assert!(matches!(
            decoder.next_message::<ServerMessage>(),
            Err(LinkError::Malformed(_))
        ));
        decoder.push(&encode_frame(&ServerMessage::Shutdown).unwrap());
        assert_eq!(
            decoder.next_message().unwrap(),
            Some(ServerMessage::Shutdown)
        );
        decoder.push(&[0xff; 8]);
        assert!(matches!(
            decoder.next_message::<ServerMessage>(),
            Err(LinkError::TooLarge(_))
        ));
    }

    #[test]
    fn not_a_number_travels_but_a_list_above_its_bound_is_refused() {
        let mut beat = EngineHeartbeat {
            seq: 1,
            session_id: None,
            media_ns: 0,
            calibration: crate::observation::CalibrationState::default(),
            counters: crate::link::EngineCounters::default(),
            observation_latency_ms: None,
            source_state: super::super::Text::cut("playing"),
            source: None,
            peers: PeerGauges::default(),
        };
        beat.calibration.ratio_sum = f64::NAN;
        let mut decoder = FrameDecoder::default();
        decoder.push(&encode_frame(&EngineMessage::Heartbeat(Box::new(beat))).unwrap());
        assert!(matches!(
            decoder.next_message(),
            Ok(Some(EngineMessage::Heartbeat(_)))
        ));
        let long = vec![1u8; 9];
        decoder.push(&encode_frame(&long).unwrap());
        assert!(
            decoder
                .next_message::<super::super::Bounded<u8, 8>>()
                .is_err()
        );
    }
}
