//! Encoded media on its way to viewers, packetised once for all of them. Pure.

use bytes::Bytes;
use lsie_schemas::live::rtp_time_of;
use rtc::rtp::codec::h264::H264Payloader;
use rtc::rtp::packetizer::Payloader;

/// Largest RTP payload, bytes: with all headers it stays below 1,280.
const MAX_PAYLOAD_BYTES: usize = 1188;

/// One encoded picture: an H.264 access unit as a byte stream.
#[derive(Debug, Clone)]
pub struct PictureUnit {
    /// The bytes, beginning with a start code.
    pub data: Bytes,
    /// Media time, nanoseconds.
    pub pts_ns: i64,
    /// Whether decoding can begin here.
    pub is_key: bool,
}

/// One Opus packet.
#[derive(Debug, Clone)]
pub struct SoundUnit {
    /// The bytes.
    pub data: Bytes,
    /// Media time, nanoseconds.
    pub pts_ns: i64,
}

/// A picture in RTP payloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PicturePackets {
    pub(crate) payloads: Vec<Bytes>,
    pub(crate) rtp_time: u32,
    pub(crate) is_key: bool,
    pub(crate) bytes: usize,
}

/// Cuts pictures into payloads and puts the parameter sets before every key frame that lacks them.
#[derive(Debug, Default)]
pub(crate) struct Packetiser {
    payloader: H264Payloader,
    parameters: Option<Bytes>,
}

impl Packetiser {
    /// `None` for bytes that hold nothing to send.
    pub(crate) fn packetise(&mut self, unit: &PictureUnit) -> Option<PicturePackets> {
        let data = self.with_parameters(unit);
        let payloads = self.payloader.payload(MAX_PAYLOAD_BYTES, &data).ok()?;
        if payloads.is_empty() {
            return None;
        }
        Some(PicturePackets {
            bytes: payloads.iter().map(Bytes::len).sum(),
            payloads,
            rtp_time: rtp_time_of(unit.pts_ns),
            is_key: unit.is_key,
        })
    }

    fn with_parameters(&mut self, unit: &PictureUnit) -> Bytes {
        let mut own = Vec::new();
        for nal in nal_units(&unit.data) {
            if matches!(nal.first().map(|header| header & 0x1f), Some(7 | 8)) {
                own.extend_from_slice(&[0, 0, 0, 1]);
                own.extend_from_slice(nal);
            }
        }
        if !own.is_empty() {
            self.parameters = Some(own.into());
            return unit.data.clone();
        }
        match &self.parameters {
            Some(parameters) if unit.is_key => {
                let mut data = Vec::with_capacity(parameters.len() + unit.data.len());
                data.extend_from_slice(parameters);
                data.extend_from_slice(&unit.data);
                data.into()
            }
            _ => unit.data.clone(),
        }
    }
}

/// The units of a byte stream without their start codes. Looks at the whole picture once, at its parameter sets only: the
/// walk ends at the first slice.
fn nal_units(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = data;
    let mut is_over = false;
    std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let begin = rest.windows(3).position(|window| window == [0, 0, 1])? + 3;
        rest = rest.get(begin..)?;
        if matches!(rest.first().map(|header| header & 0x1f), Some(1..=5)) {
            is_over = true;
            return Some(rest);
        }
        let end = rest.windows(3).position(|window| window == [0, 0, 1]);
        let unit = rest.get(..end.unwrap_or(rest.len()))?;
        let trailing = unit.iter().rev().take_while(|byte| **byte == 0).count();
        unit.get(..unit.len() - trailing)
    })
}

/// RTP time of Opus, 48 kHz, wrapping.
pub(crate) const fn opus_time_of(pts_ns: i64) -> u32 {
    ((pts_ns as i128 * 6).div_euclid(125_000)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(data: &[u8], is_key: bool) -> PictureUnit {
        PictureUnit {
            data: Bytes::copy_from_slice(data),
            pts_ns: 33_333_333,
            is_key,
        }
    }

    fn kinds(packets: &PicturePackets) -> Vec<u8> {
        packets.payloads.iter().map(|p| p[0] & 0x1f).collect()
    }

    #[test]
    fn a_key_frame_without_parameter_sets_gets_the_last_ones() {
        let mut packetiser = Packetiser::default();
        let whole = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 9, 9];
        let packets = packetiser.packetise(&picture(&whole, true)).unwrap();
        assert_eq!(kinds(&packets), [24, 5], "parameter sets together, then the slice");
        assert_eq!(packets.rtp_time, 2_999);
        let bare = packetiser
            .packetise(&picture(&[0, 0, 0, 1, 0x65, 9, 9], true))
            .unwrap();
        assert_eq!(kinds(&bare), [24, 5]);
        let delta = packetiser
            .packetise(&picture(&[0, 0, 0, 1, 0x41, 9, 9], false))
            .unwrap();
        assert_eq!(kinds(&delta), [1]);
    }

    #[test]
    fn long_pictures_are_cut_and_empty_ones_are_none() {
        let mut long = vec![0, 0, 0, 1, 0x41];
        long.resize(5000, 7);
        let packets = Packetiser::default().packetise(&picture(&long, false)).unwrap();
        assert!(packets.payloads.iter().all(|p| p.len() <= MAX_PAYLOAD_BYTES));
        assert_eq!(kinds(&packets), [28; 5]);
        assert_eq!(Packetiser::default().packetise(&picture(&[], false)), None);
    }

    #[test]
    fn opus_runs_at_48_khz() {
        assert_eq!(opus_time_of(20_000_000), 960);
        assert_eq!(opus_time_of(-20_000_000), u32::MAX - 959);
    }
}
