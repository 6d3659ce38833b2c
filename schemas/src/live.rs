//! What travels on a viewer's data channel: per-frame observations, each with the RTP time of its very frame.
//!
//! A message is one MessagePack map with named fields, under 4 KiB. It goes to a peer the operator opened and nowhere else:
//! landmarks are tier T0 and never cross the link.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::contract::VisualStatus;
use crate::observation::{
    CalibrationState, FaceObservation, HeadPose, LANDMARK_COUNT, Landmarks, NullReason,
    VoiceObservation,
};

/// Label of the data channel that a viewer opens for these messages.
pub const LIVE_CHANNEL: &str = "observations";
/// Largest message, bytes.
pub const MAX_LIVE_BYTES: usize = 4096;
/// Most action units of one message.
pub const MAX_ACTION_UNITS: usize = 32;

/// One message of the channel. The newest of each kind wins when the channel is slow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveMessage {
    /// What one frame showed.
    Face(Box<LiveFace>),
    /// What the voice did.
    Voice(LiveVoice),
    /// How the stream behind both is; sent when it stalls, while it does, and when it flows again.
    Stream(LiveStream),
}

/// One analysed frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveFace {
    /// Frame number within the stream.
    pub seq: u64,
    /// RTP time of this very frame as it was sent, 90 kHz, wrapping.
    pub rtp_time: u32,
    /// Media time, nanoseconds.
    pub pts_ns: i64,
    /// Frame width, pixels.
    pub width: u32,
    /// Frame height, pixels.
    pub height: u32,
    /// Faces seen, the subject included.
    pub faces: u32,
    /// State for display (math 4.6).
    pub status: VisualStatus,
    /// Why no face was measured, when none was.
    pub absent: Option<NullReason>,
    /// Left, top, width, height in pixels of the frame.
    #[serde(rename = "box")]
    pub box_in_frame: Option<[f32; 4]>,
    /// 478 points.
    pub landmarks: Option<LandmarkBytes>,
    /// Face presence probability, 0 to 1.
    pub confidence: Option<f32>,
    /// Head rotation, degrees.
    pub pose: Option<HeadPose>,
    /// Raw AU12 ratio (math 4.3).
    pub ratio: Option<f64>,
    /// Bounded AU12 score in [0, 1) (math 4.5).
    pub score: Option<f64>,
    /// Progress of the neutral baseline.
    pub calibration: CalibrationState,
    /// Further action units by name, at most [`MAX_ACTION_UNITS`]; `None` where none are measured.
    pub action_units: Option<BTreeMap<String, f32>>,
}

/// State of the voice at one instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveVoice {
    /// Its instant on the picture's RTP clock, 90 kHz, wrapping.
    pub rtp_time: u32,
    /// Media time, nanoseconds.
    pub pts_ns: i64,
    /// Speech state after hysteresis.
    pub speaking: bool,
    /// Speech probability, 0 to 1; `None` without the model.
    pub speech_probability: Option<f32>,
    /// Root mean square level, dB of full scale.
    pub rms_dbfs: f32,
    /// Peak level, dB of full scale.
    pub peak_dbfs: f32,
    /// Fundamental frequency, Hz; `None` when unvoiced.
    pub pitch_hz: Option<f32>,
    /// Which harmonic of it is likely the true one: 1, or 2 to 5.
    pub pitch_harmonic: u8,
}

/// How the stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveStream {
    /// Whether pictures arrive.
    pub flowing: bool,
    /// Age of the newest picture, milliseconds.
    pub age_ms: u64,
}

/// Landmarks as bytes: three little-endian `i16` a point, in the units of [`Landmarks`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LandmarkBytes(Vec<u8>);

impl LandmarkBytes {
    /// Bytes of a whole face.
    pub const LEN: usize = LANDMARK_COUNT * 6;

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&Landmarks> for LandmarkBytes {
    fn from(landmarks: &Landmarks) -> Self {
        let points = landmarks.0.iter().take(LANDMARK_COUNT);
        Self(points.flatten().flat_map(|v| v.to_le_bytes()).collect())
    }
}

impl Serialize for LandmarkBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for LandmarkBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "at most {} bytes", LandmarkBytes::LEN)
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                if bytes.len() > LandmarkBytes::LEN {
                    return Err(E::invalid_length(bytes.len(), &self));
                }
                Ok(bytes.to_vec())
            }
        }
        deserializer.deserialize_bytes(Bytes).map(Self)
    }
}

/// RTP time of a media time on the picture's clock of 90 kHz, wrapping.
#[must_use]
pub const fn rtp_time_of(pts_ns: i64) -> u32 {
    ((pts_ns as i128 * 9).div_euclid(100_000)) as u32
}

impl LiveMessage {
    /// What a viewer is told about a frame; values that are no numbers are left out.
    #[must_use]
    pub fn face(observation: &FaceObservation) -> Self {
        let face = observation.face.as_ref().ok();
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        let is_finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        let pose = face.map(|face| face.pose);
        Self::Face(Box::new(LiveFace {
            seq: observation.seq,
            rtp_time: rtp_time_of(observation.pts_ns),
            pts_ns: observation.pts_ns,
            width: observation.frame_width,
            height: observation.frame_height,
            faces: observation.faces,
            status: observation.status,
            absent: observation.face.as_ref().err().copied(),
            box_in_frame: face
                .map(|face| face.box_in_frame)
                .filter(|corners| is_finite(corners)),
            landmarks: face.map(|face| LandmarkBytes::from(&face.landmarks)),
            confidence: face.map(|face| face.confidence).filter(|c| c.is_finite()),
            pose: pose.filter(|pose| is_finite(&[pose.yaw_deg, pose.pitch_deg, pose.roll_deg])),
            ratio: finite(face.and_then(|face| face.ratio)),
            score: finite(observation.score),
            calibration: observation.calibration,
            action_units: units_of(observation),
        }))
    }

    /// What a viewer is told about the voice.
    #[must_use]
    pub fn voice(observation: &VoiceObservation) -> Self {
        Self::Voice(LiveVoice {
            rtp_time: rtp_time_of(observation.pts_ns),
            pts_ns: observation.pts_ns,
            speaking: observation.speaking,
            speech_probability: observation.speech_probability.filter(|p| p.is_finite()),
            rms_dbfs: observation.rms_dbfs,
            peak_dbfs: observation.peak_dbfs,
            pitch_hz: observation.pitch_hz.filter(|hz| hz.is_finite()),
            pitch_harmonic: observation.pitch_harmonic,
        })
    }

    /// The message as bytes; `None` when it would exceed [`MAX_LIVE_BYTES`].
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let bytes = rmp_serde::to_vec_named(self).ok()?;
        (bytes.len() <= MAX_LIVE_BYTES).then_some(bytes)
    }

    /// Reads a message; `None` for bytes that are none.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_LIVE_BYTES {
            return None;
        }
        rmp_serde::from_slice(bytes).ok()
    }
}

fn units_of(observation: &FaceObservation) -> Option<BTreeMap<String, f32>> {
    let units: BTreeMap<String, f32> = observation
        .units
        .measured()
        .map(|(name, score)| (name.to_owned(), score as f32))
        .take(MAX_ACTION_UNITS)
        .collect();
    (!units.is_empty()).then_some(units)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::{FaceMeasurement, UnitScores};

    fn observation(ratio: f64) -> FaceObservation {
        let points = vec![[0.25, 0.5, -0.01]; LANDMARK_COUNT];
        FaceObservation {
            seq: u64::MAX,
            pts_ns: 66_000_000_000,
            host_time_ns: 1,
            frame_width: 1280,
            frame_height: 720,
            faces: 1,
            face: Ok(FaceMeasurement {
                subject: 1,
                box_in_frame: [1.0, 2.0, 3.0, 4.0],
                confidence: 0.9,
                pose: HeadPose {
                    yaw_deg: 1.0,
                    pitch_deg: f32::NAN,
                    roll_deg: 0.0,
                },
                ratio: Some(ratio),
                ratio_absent: None,
                landmarks: Landmarks::from_normalised(&points),
            }),
            calibration: CalibrationState::default(),
            score: Some(0.5),
            units: UnitScores {
                inner_brow: Some(0.25),
                jaw_drop: Some(f64::NAN),
                eye_closure: Some(1.0),
                ..UnitScores::default()
            },
            status: VisualStatus::Ready,
        }
    }

    #[test]
    fn a_whole_face_fits_and_comes_back() {
        let message = LiveMessage::face(&observation(1.5));
        let bytes = message.encode().unwrap();
        assert!(bytes.len() < MAX_LIVE_BYTES, "{}", bytes.len());
        assert_eq!(LiveMessage::decode(&bytes).unwrap(), message);
        let LiveMessage::Face(face) = message else {
            panic!("no face")
        };
        assert_eq!(face.rtp_time, 5_940_000);
        let landmarks = face.landmarks.unwrap();
        assert_eq!(landmarks.as_bytes().len(), LandmarkBytes::LEN);
        assert_eq!(&landmarks.as_bytes()[..2], 4096_i16.to_le_bytes());
        assert_eq!(face.pose, None, "a pose with a broken angle is none");
        let units: Vec<(String, f32)> = face.action_units.unwrap().into_iter().collect();
        let expected = [("AU1", 0.25), ("AU45", 1.0)].map(|(name, score)| (name.to_owned(), score));
        assert_eq!(units, expected, "what has no value is left out");
    }

    #[test]
    fn broken_numbers_are_left_out() {
        let LiveMessage::Face(face) = LiveMessage::face(&observation(f64::NAN)) else {
            panic!("no face")
        };
        assert_eq!((face.ratio, face.score), (None, Some(0.5)));
    }

    #[test]
    fn fields_are_named_as_the_page_reads_them() {
        let json = serde_json::to_value(LiveMessage::face(&observation(1.0))).unwrap();
        let face = json["face"].as_object().unwrap();
        let names: Vec<&str> = face.keys().map(String::as_str).collect();
        assert_eq!(
            names.join(" "),
            "seq rtp_time pts_ns width height faces status absent box landmarks confidence pose ratio score calibration \
             action_units"
        );
    }

    #[test]
    fn rtp_time_runs_at_90_khz_and_wraps() {
        assert_eq!(rtp_time_of(0), 0);
        assert_eq!(rtp_time_of(33_333_333), 2_999);
        assert_eq!(rtp_time_of(47_721_858_844_444), u32::MAX);
        assert_eq!(rtp_time_of(47_721_858_844_445), 0);
        assert_eq!(rtp_time_of(-100_000), u32::MAX - 8);
    }

    #[test]
    fn bytes_that_are_no_message_are_none() {
        for bytes in [&[][..], &[0xc0], &[0x81, 0xa4, b'f'], &[0; 5000]] {
            assert_eq!(LiveMessage::decode(bytes), None);
        }
    }
}
