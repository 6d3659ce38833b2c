//! From RTP payloads to encoded pictures (RFC 6184, RFC 7741). Pure; no bytes can upset it.

use crate::offer::VideoCodec;

/// Largest picture, bytes.
const MAX_PICTURE_BYTES: usize = 8 << 20;

/// A whole encoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) codec: VideoCodec,
    pub(crate) data: Vec<u8>,
    pub(crate) rtp_time: u32,
    pub(crate) is_key: bool,
}

/// Collects the payloads of one picture after another.
#[derive(Debug)]
pub(crate) struct Depacketiser {
    codec: VideoCodec,
    data: Vec<u8>,
    rtp_time: Option<u32>,
    is_broken: bool,
    /// After a loss nothing can be decoded before a key frame.
    awaits_key: bool,
}

impl Depacketiser {
    pub(crate) fn new(codec: VideoCodec) -> Self {
        Self {
            codec,
            data: Vec::new(),
            rtp_time: None,
            is_broken: false,
            awaits_key: true,
        }
    }

    pub(crate) fn codec(&self) -> VideoCodec {
        self.codec
    }

    pub(crate) fn awaits_key(&self) -> bool {
        self.awaits_key
    }

    /// Something is missing: what is being collected is of no use, nor is what refers to it.
    pub(crate) fn lost(&mut self) {
        self.is_broken = true;
        self.awaits_key = true;
    }

    /// Takes the next payload in order; gives the picture that it completes.
    pub(crate) fn push(&mut self, payload: &[u8], rtp_time: u32, is_last: bool) -> Option<Picture> {
        if self.rtp_time.is_some_and(|at| at != rtp_time) {
            // The end of the picture before never came.
            self.lost();
            self.begin();
        }
        self.rtp_time = Some(rtp_time);
        let taken = match self.codec {
            VideoCodec::H264 => push_h264(&mut self.data, payload),
            VideoCodec::Vp8 => push_vp8(&mut self.data, payload),
        };
        if taken.is_none() || self.data.len() > MAX_PICTURE_BYTES {
            self.lost();
            self.data.clear();
        }
        if is_last { self.finish(rtp_time) } else { None }
    }

    fn begin(&mut self) {
        self.data.clear();
        self.rtp_time = None;
        self.is_broken = false;
    }

    fn finish(&mut self, rtp_time: u32) -> Option<Picture> {
        let data = std::mem::take(&mut self.data);
        let is_whole = !self.is_broken && !data.is_empty();
        self.begin();
        if !is_whole {
            return None;
        }
        let is_key = match self.codec {
            VideoCodec::H264 => has_idr(&data),
            VideoCodec::Vp8 => data.first().is_some_and(|first| first & 1 == 0),
        };
        if self.awaits_key && !is_key {
            return None;
        }
        self.awaits_key = false;
        Some(Picture {
            codec: self.codec,
            data,
            rtp_time,
            is_key,
        })
    }
}

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Appends what one payload holds to a byte stream; `None` when it breaks the format.
fn push_h264(data: &mut Vec<u8>, payload: &[u8]) -> Option<()> {
    let (header, rest) = payload.split_first()?;
    match header & 0x1f {
        1..=23 => {
            data.extend_from_slice(&START_CODE);
            data.extend_from_slice(payload);
        }
        // Several units in one.
        24 => {
            let mut units = rest;
            while !units.is_empty() {
                let (length, tail) = units.split_first_chunk::<2>()?;
                let length = usize::from(u16::from_be_bytes(*length));
                let (unit, tail) = tail.split_at_checked(length)?;
                if unit.is_empty() {
                    return None;
                }
                data.extend_from_slice(&START_CODE);
                data.extend_from_slice(unit);
                units = tail;
            }
        }
        // A part of a unit; its first one brings the unit's header.
        28 => {
            let (about, part) = rest.split_first()?;
            if about & 0x80 != 0 {
                data.extend_from_slice(&START_CODE);
                data.push(header & 0xe0 | about & 0x1f);
            } else if data.is_empty() {
                return None;
            }
            data.extend_from_slice(part);
        }
        _ => return None,
    }
    Some(())
}

/// Appends what follows the payload descriptor; `None` when there is nothing.
fn push_vp8(data: &mut Vec<u8>, payload: &[u8]) -> Option<()> {
    let (descriptor, mut rest) = payload.split_first()?;
    if descriptor & 0x80 != 0 {
        let (extension, tail) = rest.split_first()?;
        rest = tail;
        if extension & 0x80 != 0 {
            let long = rest.first()? & 0x80 != 0;
            rest = rest.get(if long { 2 } else { 1 }..)?;
        }
        if extension & 0x40 != 0 {
            rest = rest.get(1..)?;
        }
        if extension & 0x30 != 0 {
            rest = rest.get(1..)?;
        }
    }
    let partition = descriptor & 0x07;
    let begins = descriptor & 0x10 != 0 && partition == 0;
    if rest.is_empty() || begins != data.is_empty() {
        // Further partitions begin too, behind something.
        let is_further = !data.is_empty() && !rest.is_empty() && partition != 0;
        if !is_further {
            return None;
        }
    }
    data.extend_from_slice(rest);
    Some(())
}

/// Whether the first slice of a byte stream is an IDR picture's.
fn has_idr(data: &[u8]) -> bool {
    let mut rest = data;
    while let Some(at) = rest.windows(3).position(|window| window == [0, 0, 1]) {
        rest = rest.get(at + 3..).unwrap_or_default();
        match rest.first().map(|header| header & 0x1f) {
            Some(5) => return true,
            Some(1..=4) | None => return false,
            Some(_) => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;
    use rtc::rtp::codec::h264::H264Payloader;
    use rtc::rtp::codec::vp8::Vp8Payloader;
    use rtc::rtp::packetizer::Payloader;

    fn all(depacketiser: &mut Depacketiser, payloads: &[Bytes], time: u32) -> Option<Picture> {
        let count = payloads.len();
        let mut pictures = payloads
            .iter()
            .enumerate()
            .map(|(n, payload)| depacketiser.push(payload, time, n + 1 == count));
        pictures.find_map(|picture| picture)
    }

    #[test]
    fn what_a_payloader_cuts_comes_back() {
        let mut key = vec![
            0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 0, 1, 0x68, 4, 5, 0, 0, 0, 1, 0x65,
        ];
        key.extend((0..4000_u32).map(|n| (n % 251) as u8 | 1));
        let payloads = H264Payloader::default()
            .payload(1000, &Bytes::from(key.clone()))
            .unwrap();
        let mut depacketiser = Depacketiser::new(VideoCodec::H264);
        let picture = all(&mut depacketiser, &payloads, 9).unwrap();
        assert_eq!((picture.data, picture.is_key), (key, true));
        let vp8: Vec<u8> = (0..3000_u32).map(|n| (n % 250) as u8 & 0xfe).collect();
        let payloads = Vp8Payloader::default()
            .payload(1000, &Bytes::from(vp8.clone()))
            .unwrap();
        let mut depacketiser = Depacketiser::new(VideoCodec::Vp8);
        let picture = all(&mut depacketiser, &payloads, 9).unwrap();
        assert_eq!((picture.data, picture.is_key), (vp8, true));
    }

    #[test]
    fn after_a_loss_a_key_frame_is_awaited() {
        let mut depacketiser = Depacketiser::new(VideoCodec::H264);
        assert!(
            depacketiser.push(&[0x41, 1], 1, true).is_none(),
            "no key frame yet"
        );
        assert!(depacketiser.push(&[0x65, 1], 2, true).is_some());
        assert!(depacketiser.push(&[0x41, 1], 3, true).is_some());
        depacketiser.lost();
        assert!(
            depacketiser.push(&[0x65, 1], 4, true).is_none(),
            "its beginning is missing"
        );
        assert!(depacketiser.awaits_key());
        assert!(depacketiser.push(&[0x41, 1], 5, true).is_none());
        assert!(depacketiser.push(&[0x65, 1], 6, true).is_some());
    }

    #[test]
    fn a_picture_whose_end_is_missing_is_none() {
        let mut depacketiser = Depacketiser::new(VideoCodec::H264);
        assert!(depacketiser.push(&[0x65, 1], 1, false).is_none());
        let next = depacketiser.push(&[0x65, 2], 2, true);
        assert_eq!(next.unwrap().data, [0, 0, 0, 1, 0x65, 2]);
    }

    proptest! {
        #[test]
        fn no_bytes_can_upset_it(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..12), 0..40),
            vp8 in any::<bool>(),
        ) {
            let codec = if vp8 { VideoCodec::Vp8 } else { VideoCodec::H264 };
            let mut depacketiser = Depacketiser::new(codec);
            for (n, payload) in payloads.iter().enumerate() {
                depacketiser.push(payload, (n / 3) as u32, n % 3 == 2);
            }
        }
    }
}
