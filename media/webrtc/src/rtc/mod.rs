//! [`PeerTransport`] by the `webrtc` crate. Everything that has to be set for it to work stands in [`connection`].

mod connection;
mod handler;
mod key_requests;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp::Packet;
use tokio::task::JoinSet;
use webrtc::data_channel::DataChannel;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{PeerConnection, RTCIceCandidateInit};

use crate::error::PeerError;
use crate::offer::Candidate;
use crate::transport::PeerTransport;
use crate::unit::{PicturePackets, SoundUnit, opus_time_of};

pub(crate) use connection::{Answered, answer_publisher, answer_viewer};

/// Pictures at the beginning that tell the viewer to show them without delay; later ones tell it at key frames.
const EAGER_PICTURES: u64 = 90;
/// The smallest and the largest delay, both 0.
const AT_ONCE: Bytes = Bytes::from_static(&[0; 3]);

/// A connection.
pub(crate) struct RtcPeer {
    pc: Arc<dyn PeerConnection>,
    video: Option<Mutex<Outgoing>>,
    sound: Option<Mutex<Outgoing>>,
    parts: Arc<Parts>,
}

/// What the handler's callbacks bring.
#[derive(Default)]
pub(crate) struct Parts {
    channel: tokio::sync::watch::Sender<Option<Arc<dyn DataChannel>>>,
    published: Mutex<Option<(Arc<dyn TrackRemote>, u32)>>,
    /// Everything that runs for this peer; it ends with it.
    tasks: Mutex<JoinSet<()>>,
}

impl Parts {
    /// Runs a task as long as the peer lives.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

/// A track of ours and where its numbering is.
struct Outgoing {
    track: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    payload_type: u8,
    sequence: u16,
    units: u64,
    /// Number of the extension that says when a picture is shown, where the viewer knows it.
    playout_delay: Option<u8>,
}

impl Outgoing {
    fn packet(&mut self, rtp_time: u32, is_last: bool, payload: Bytes) -> Packet {
        let mut packet = Packet::default();
        packet.header.version = 2;
        packet.header.ssrc = self.ssrc;
        packet.header.payload_type = self.payload_type;
        packet.header.sequence_number = self.sequence;
        packet.header.timestamp = rtp_time;
        packet.header.marker = is_last;
        packet.payload = payload;
        self.sequence = self.sequence.wrapping_add(1);
        packet
    }
}

fn failed(error: impl std::fmt::Display) -> PeerError {
    PeerError::Transport(error.to_string())
}

#[async_trait::async_trait]
impl PeerTransport for RtcPeer {
    async fn add_candidate(&self, candidate: Candidate) -> Result<(), PeerError> {
        let candidate = RTCIceCandidateInit {
            candidate: candidate.text,
            sdp_mid: candidate.mid,
            ..RTCIceCandidateInit::default()
        };
        self.pc.add_ice_candidate(candidate).await.map_err(failed)
    }

    async fn send_picture(&self, picture: &PicturePackets) -> Result<usize, PeerError> {
        let Some(video) = &self.video else {
            return Ok(0);
        };
        let count = picture.payloads.len();
        let (track, at_once, packets) = {
            let mut video = video.lock().unwrap_or_else(PoisonError::into_inner);
            video.units += 1;
            let is_eager = picture.is_key || video.units <= EAGER_PICTURES;
            let packets: Vec<Packet> = picture
                .payloads
                .iter()
                .enumerate()
                .map(|(n, payload)| video.packet(picture.rtp_time, n + 1 == count, payload.clone()))
                .collect();
            let at_once = video.playout_delay.filter(|_| is_eager);
            (Arc::clone(&video.track), at_once, packets)
        };
        for (n, mut packet) in packets.into_iter().enumerate() {
            if let (0, Some(id)) = (n, at_once) {
                let header = &mut packet.header;
                header.set_extension(id, AT_ONCE).map_err(failed)?;
            }
            track.write_rtp(packet).await.map_err(failed)?;
        }
        Ok(count)
    }

    async fn send_sound(&self, unit: &SoundUnit) -> Result<bool, PeerError> {
        let Some(sound) = &self.sound else {
            return Ok(false);
        };
        let (track, packet) = {
            let mut sound = sound.lock().unwrap_or_else(PoisonError::into_inner);
            let packet = sound.packet(opus_time_of(unit.pts_ns), false, unit.data.clone());
            (Arc::clone(&sound.track), packet)
        };
        track.write_rtp(packet).await.map_err(failed)?;
        Ok(true)
    }

    async fn live_ready(&self) -> Result<(), PeerError> {
        let mut channel = self.parts.channel.subscribe();
        let channel = channel
            .wait_for(Option::is_some)
            .await
            .map_err(|_| PeerError::Gone)?
            .clone();
        match channel {
            Some(channel) => channel.writable().await.map_err(|_| PeerError::Gone),
            None => Err(PeerError::Gone),
        }
    }

    async fn send_live(&self, message: Bytes) -> Result<(), PeerError> {
        let channel = self.parts.channel.borrow().clone();
        let Some(channel) = channel else {
            return Err(PeerError::Gone);
        };
        channel
            .send(BytesMut::from(message.as_ref()))
            .await
            .map_err(failed)
    }

    async fn ask_key_frame(&self) -> Result<(), PeerError> {
        let published = {
            let published = self.parts.published.lock();
            published.unwrap_or_else(PoisonError::into_inner).clone()
        };
        let Some((track, media_ssrc)) = published else {
            return Err(PeerError::Gone);
        };
        let request = PictureLossIndication {
            sender_ssrc: 0,
            media_ssrc,
        };
        track
            .write_rtcp(vec![Box::new(request)])
            .await
            .map_err(failed)
    }

    async fn close(&self) {
        if let Err(error) = self.pc.close().await {
            tracing::debug!(%error, "a peer did not close in order");
        }
        let mut tasks = {
            let tasks = self.parts.tasks.lock();
            std::mem::take(&mut *tasks.unwrap_or_else(PoisonError::into_inner))
        };
        tasks.shutdown().await;
        self.parts.channel.send_replace(None);
        *self
            .parts
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }
}
