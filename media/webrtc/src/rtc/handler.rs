//! Callbacks of the library, which run on its driver and therefore only hand on.

use std::sync::{Arc, PoisonError, Weak};

use lsie_schemas::live::LIVE_CHANNEL;
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_VP8,
};
use tokio::sync::{Notify, mpsc, watch};
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnectionEventHandler, RTCIceGatheringState, RTCPeerConnectionState,
};

use super::Parts;
use crate::machine::Connection;
use crate::offer::VideoCodec;
use crate::transport::{RtpPart, Track};

pub(super) struct Handler {
    pub(super) gathered: Arc<Notify>,
    pub(super) connection: watch::Sender<Option<Connection>>,
    pub(super) media: mpsc::Sender<RtpPart>,
    /// Weak: the connection owns the handler, and the parts own what belongs to the connection.
    pub(super) parts: Weak<Parts>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.notify_one();
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let connection = match state {
            RTCPeerConnectionState::Connected => Connection::Connected,
            RTCPeerConnectionState::Disconnected => Connection::Disconnected,
            RTCPeerConnectionState::Failed => Connection::Failed,
            RTCPeerConnectionState::Closed => Connection::Closed,
            _ => return,
        };
        self.connection.send_replace(Some(connection));
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        let Some(parts) = self.parts.upgrade() else {
            return;
        };
        let is_ours = channel.label().await.is_ok_and(|name| name == LIVE_CHANNEL);
        if is_ours && parts.channel.borrow().is_none() {
            parts.channel.send_replace(Some(Arc::clone(&channel)));
        }
        // What a viewer says is not read, only taken, so that it cannot pile up.
        parts.spawn(async move {
            while let Some(event) = channel.poll().await {
                match event {
                    DataChannelEvent::OnMessage(_) => {}
                    DataChannelEvent::OnClose => break,
                    _ => {}
                }
            }
        });
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let Some(parts) = self.parts.upgrade() else {
            return;
        };
        let Some(ssrc) = track.ssrcs().await.first().copied() else {
            return;
        };
        let Some(codec) = track.codec(ssrc).await else {
            return;
        };
        let is = |name: &str| codec.mime_type.eq_ignore_ascii_case(name);
        let kind = if is(MIME_TYPE_H264) {
            Track::Video(VideoCodec::H264)
        } else if is(MIME_TYPE_VP8) {
            Track::Video(VideoCodec::Vp8)
        } else if is(MIME_TYPE_OPUS) {
            Track::Opus
        } else {
            return;
        };
        if matches!(kind, Track::Video(_)) {
            let mut published = parts
                .published
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *published = Some((Arc::clone(&track), ssrc));
        }
        let media = self.media.clone();
        parts.spawn(async move {
            while let Some(event) = track.poll().await {
                let TrackRemoteEvent::OnRtpPacket(packet) = event else {
                    continue;
                };
                // A simulcast's further layers come on the same track.
                if packet.header.ssrc != ssrc {
                    continue;
                }
                let part = RtpPart {
                    track: kind,
                    sequence: packet.header.sequence_number,
                    rtp_time: packet.header.timestamp,
                    is_last: packet.header.marker,
                    payload: packet.payload,
                };
                // A part too many is missing behind, and counted there.
                let _ = media.try_send(part);
            }
        });
    }
}
