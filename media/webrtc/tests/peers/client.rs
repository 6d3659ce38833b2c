//! A viewer or publisher of our own: the `webrtc` crate with its default codecs, as a foreign implementation would be.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lsie_schemas::live::{LIVE_CHANNEL, LiveMessage};
use rtc::data_channel::RTCDataChannelInit;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_H264, MIME_TYPE_VP8};
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::rtp::codec::h264::H264Payloader;
use rtc::rtp::codec::vp8::Vp8Payloader;
use rtc::rtp::packetizer::Payloader;
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::sync::{mpsc, watch};
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
    RTCConfigurationBuilder, RTCIceGatheringState, RTCPeerConnectionState, RTCSessionDescription,
    Registry, register_default_interceptors,
};

/// What a client saw.
#[derive(Debug, Clone)]
pub(crate) enum Seen {
    /// One packet of the picture: RTP time, whether it ends a picture.
    Picture(u32, bool),
    /// One packet of sound.
    Sound,
    /// A message of the data channel.
    Live(Box<LiveMessage>),
}

/// A connection of the client's side. Close it, or it is closed by being dropped.
pub(crate) struct Client {
    pub(crate) pc: Arc<dyn PeerConnection>,
    pub(crate) seen: mpsc::Receiver<Seen>,
    pub(crate) state: watch::Receiver<RTCPeerConnectionState>,
    pub(crate) channel: Option<Arc<dyn DataChannel>>,
    gathered: watch::Receiver<bool>,
}

struct Handler {
    seen: mpsc::Sender<Seen>,
    state: watch::Sender<RTCPeerConnectionState>,
    gathered: watch::Sender<bool>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.send_replace(true);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.state.send_replace(state);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let seen = self.seen.clone();
        let is_picture = track.kind().await == RtpCodecKind::Video;
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                let TrackRemoteEvent::OnRtpPacket(packet) = event else {
                    continue;
                };
                let time = packet.header.timestamp;
                let item = if is_picture {
                    Seen::Picture(time, packet.header.marker)
                } else {
                    Seen::Sound
                };
                let _ = seen.try_send(item);
            }
        });
    }
}

async fn connection() -> (Client, mpsc::Sender<Seen>) {
    let mut media = MediaEngine::default();
    media.register_default_codecs().unwrap();
    let registry = register_default_interceptors(Registry::new(), &mut media).unwrap();
    let (seen_tx, seen) = mpsc::channel(4096);
    let (state_tx, state) = watch::channel(RTCPeerConnectionState::New);
    let (gathered_tx, gathered) = watch::channel(false);
    let handler = Handler {
        seen: seen_tx.clone(),
        state: state_tx,
        gathered: gathered_tx,
    };
    let settings = SettingEngineBuilder::new()
        .with_include_loopback_candidate(true)
        .with_ice_connection_attempts(Some(Duration::from_millis(20)), Some(500))
        .build();
    // The crate's future is 20 KiB: it waits on the heap.
    let pc = PeerConnectionBuilder::new()
        .with_configuration(RTCConfigurationBuilder::new().build())
        .with_media_engine(media)
        .with_interceptor_registry(registry)
        .with_setting_engine(settings)
        .with_handler(Arc::new(handler))
        .with_udp_addrs(vec!["127.0.0.1:0"])
        .build();
    let pc = Box::pin(pc).await.unwrap();
    let client = Client {
        pc: Arc::new(pc),
        seen,
        state,
        channel: None,
        gathered,
    };
    (client, seen_tx)
}

impl Client {
    /// Somebody who watches, and the offer.
    pub(crate) async fn viewer() -> (Self, String) {
        let (mut client, seen) = connection().await;
        for kind in [RtpCodecKind::Video, RtpCodecKind::Audio] {
            let init = RTCRtpTransceiverInit {
                direction: RTCRtpTransceiverDirection::Recvonly,
                ..RTCRtpTransceiverInit::default()
            };
            client
                .pc
                .add_transceiver_from_kind(kind, Some(init))
                .await
                .unwrap();
        }
        let init = RTCDataChannelInit {
            ordered: false,
            max_retransmits: Some(0),
            ..RTCDataChannelInit::default()
        };
        let channel = client
            .pc
            .create_data_channel(LIVE_CHANNEL, Some(init))
            .await
            .unwrap();
        let listening = Arc::clone(&channel);
        tokio::spawn(async move {
            while let Some(event) = listening.poll().await {
                if let DataChannelEvent::OnMessage(message) = event
                    && let Some(live) = LiveMessage::decode(&message.data)
                {
                    let _ = seen.try_send(Seen::Live(Box::new(live)));
                }
            }
        });
        client.channel = Some(channel);
        let offer = client.offer().await;
        (client, offer)
    }

    /// The offer with its candidates.
    async fn offer(&mut self) -> String {
        let offer = self.pc.create_offer(None).await.unwrap();
        self.pc.set_local_description(offer).await.unwrap();
        let gathered = self.gathered.wait_for(|done| *done);
        let gathered = tokio::time::timeout(crate::CEILING, gathered).await;
        assert!(gathered.is_ok_and(|gathered| gathered.is_ok()));
        self.pc.local_description().await.unwrap().sdp
    }

    /// Takes the answer.
    pub(crate) async fn accept(&self, answer: &str) {
        let answer = RTCSessionDescription::answer(answer.to_owned()).unwrap();
        self.pc.set_remote_description(answer).await.unwrap();
    }

    /// Waits for a state of the connection.
    pub(crate) async fn reaches(&mut self, wanted: RTCPeerConnectionState) {
        let reached = self.state.wait_for(|state| *state == wanted);
        let reached = tokio::time::timeout(crate::CEILING, reached).await;
        assert!(reached.is_ok(), "the connection never became {wanted}");
    }

    /// The next thing seen that `pick` takes.
    pub(crate) async fn sees<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(&Seen) -> Option<T>,
    ) -> T {
        let looking = async {
            loop {
                let seen = self.seen.recv().await.unwrap();
                if let Some(found) = pick(&seen) {
                    return found;
                }
            }
        };
        let found = tokio::time::timeout(crate::CEILING, looking).await;
        found.unwrap_or_else(|_| panic!("never saw {what}"))
    }

    /// Sends bytes on the data channel, which nobody reads.
    pub(crate) async fn chatter(&self, bytes: usize) -> bool {
        let data = BytesMut::from(vec![7_u8; bytes].as_slice());
        match &self.channel {
            Some(channel) => channel.send(data).await.is_ok(),
            None => false,
        }
    }
}

/// A track that a publisher sends.
pub(crate) struct SentTrack {
    track: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    payload_type: u8,
    sequence: u16,
    is_vp8: bool,
}

impl Client {
    /// Somebody who publishes H.264 or VP8, and the offer.
    pub(crate) async fn publisher(is_vp8: bool) -> (Self, SentTrack, String) {
        let (mut client, _) = connection().await;
        let (mime, format) = if is_vp8 {
            (MIME_TYPE_VP8, "")
        } else {
            (
                MIME_TYPE_H264,
                "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
            )
        };
        let codec = RTCRtpCodec {
            mime_type: mime.to_owned(),
            clock_rate: 90_000,
            channels: 0,
            sdp_fmtp_line: format.to_owned(),
            rtcp_feedback: vec![RTCPFeedback {
                typ: "nack".to_owned(),
                parameter: String::new(),
            }],
        };
        let ssrc = 4711;
        let coding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(ssrc),
                ..RTCRtpCodingParameters::default()
            },
            codec,
            ..RTCRtpEncodingParameters::default()
        };
        let name = || "camera".to_owned();
        let track =
            MediaStreamTrack::new(name(), name(), name(), RtpCodecKind::Video, vec![coding]);
        let track = Arc::new(TrackLocalStaticRTP::new(track));
        client
            .pc
            .add_track(Arc::clone(&track) as Arc<dyn TrackLocal>)
            .await
            .unwrap();
        let offer = client.offer().await;
        let sent = SentTrack {
            track,
            ssrc,
            payload_type: 0,
            sequence: 65_500,
            is_vp8,
        };
        (client, sent, offer)
    }
}

impl SentTrack {
    /// Takes the payload type of the answer's first codec.
    pub(crate) fn negotiated(&mut self, answer: &str) {
        let wanted = if self.is_vp8 {
            " VP8/90000"
        } else {
            " H264/90000"
        };
        let line = answer
            .lines()
            .find(|line| line.trim_end().ends_with(wanted));
        let number = line.and_then(|line| line.strip_prefix("a=rtpmap:")?.split(' ').next());
        self.payload_type = number.and_then(|number| number.parse().ok()).unwrap();
    }

    /// Sends one picture.
    pub(crate) async fn send(&mut self, picture: &[u8], rtp_time: u32) {
        let data = Bytes::copy_from_slice(picture);
        let payloads = if self.is_vp8 {
            Vp8Payloader::default().payload(1100, &data).unwrap()
        } else {
            H264Payloader::default().payload(1100, &data).unwrap()
        };
        let count = payloads.len();
        for (n, payload) in payloads.into_iter().enumerate() {
            let mut packet = rtc::rtp::Packet::default();
            packet.header.version = 2;
            packet.header.ssrc = self.ssrc;
            packet.header.payload_type = self.payload_type;
            packet.header.sequence_number = self.sequence;
            packet.header.timestamp = rtp_time;
            packet.header.marker = n + 1 == count;
            packet.payload = payload;
            self.sequence = self.sequence.wrapping_add(1);
            let _ = self.track.write_rtp(packet).await;
        }
    }
}
