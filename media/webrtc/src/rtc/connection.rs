//! Making a connection out of an offer: one H.264 entry with its RTX, NACK, key-frame requests, loopback candidates, quick
//! checks, no mDNS.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rtc::ice::mdns::MulticastDnsMode;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_RTX, MIME_TYPE_VP8,
};
use rtc::peer_connection::configuration::setting_engine::{
    SctpMaxMessageSize, SettingEngine, SettingEngineBuilder,
};
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters,
    RTCRtpEncodingParameters, RTCRtpHeaderExtensionCapability, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::sync::{Notify, mpsc, watch};
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_local::{TrackLocal, TrackLocalEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, RTCConfigurationBuilder,
    RTCSessionDescription, Registry, register_default_interceptors,
};
use webrtc::rtp_transceiver::RtpSender;

use super::handler::Handler;
use super::key_requests::{KeyRequestFilter, SLOT};
use super::{Outgoing, Parts, RtcPeer, failed};
use crate::counters::PeerCounters;
use crate::error::PeerError;
use crate::offer::{Offer, VideoCodec};
use crate::transport::{EVENT_QUEUE, PeerRequest, RTP_QUEUE, TransportEvents};

/// The one H.264 entry.
const H264_FORMAT: &str = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
const OPUS_FORMAT: &str = "minptime=10;useinbandfec=1";
const PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";
const H264_TYPE: u8 = 102;
const VP8_TYPE: u8 = 96;
const OPUS_TYPE: u8 = 111;
/// Pause between two connectivity checks, and how many of them: 10 s in all.
const CHECK_PAUSE: Duration = Duration::from_millis(20);
const CHECKS: u16 = 500;
/// Silence after which a peer counts as away, and after which it is lost.
const DISCONNECTED_AFTER: Duration = Duration::from_secs(4);
const FAILED_AFTER: Duration = Duration::from_secs(8);
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// How long gathering of our own few candidates may take.
const GATHER_LIMIT: Duration = Duration::from_secs(3);
/// Bytes that may be under way on a data channel: a newest message waits outside.
const CHANNEL_BYTES: usize = 8 * 1024;
/// Largest message a peer may send us, which we do not read.
const LARGEST_MESSAGE: u32 = 16 * 1024;
const RECEIVE_BYTES: u32 = 256 * 1024;

/// An offer that was answered.
pub(crate) struct Answered {
    pub(crate) peer: RtcPeer,
    pub(crate) events: TransportEvents,
    pub(crate) answer: String,
}

struct Making {
    pc: Arc<dyn PeerConnection>,
    parts: Arc<Parts>,
    gathered: Arc<Notify>,
    requests: mpsc::Sender<PeerRequest>,
    events: TransportEvents,
}

/// Answers somebody who wants to watch.
pub(crate) async fn answer_viewer(
    offer: &Offer,
    address: SocketAddr,
    counters: &Arc<PeerCounters>,
) -> Result<Answered, PeerError> {
    let making = begin(VideoCodec::H264, address, counters).await?;
    let outcome = view(&making, offer).await;
    finish(making, outcome).await
}

/// Answers somebody who wants to publish.
pub(crate) async fn answer_publisher(
    offer: &Offer,
    address: SocketAddr,
    counters: &Arc<PeerCounters>,
) -> Result<Answered, PeerError> {
    // H.264 can be forwarded to viewers as it comes.
    let codec = if offer.codecs.contains(&VideoCodec::H264) {
        VideoCodec::H264
    } else {
        VideoCodec::Vp8
    };
    let making = begin(codec, address, counters).await?;
    let outcome = publish(&making, offer).await;
    finish(making, outcome).await
}

type Sending = (Option<Mutex<Outgoing>>, Option<Mutex<Outgoing>>, String);

async fn view(making: &Making, offer: &Offer) -> Result<Sending, PeerError> {
    let (video, video_ssrc) = track(RtpCodecKind::Video, h264())?;
    let video_sender = add(making, &video).await?;
    let sound = if offer.has_sound {
        let (sound, ssrc) = track(RtpCodecKind::Audio, opus())?;
        let sender = add(making, &sound).await?;
        Some((sound, ssrc, sender))
    } else {
        None
    };
    let answer = negotiate(making, offer).await?;
    let video_type = payload_type(video_sender.as_ref(), MIME_TYPE_H264).await?;
    let requests = making.requests.clone();
    let asking = Arc::clone(&video);
    making.parts.spawn(async move {
        while let Some(event) = asking.poll().await {
            if matches!(event, TrackLocalEvent::OnRtcpPacket(_)) {
                // A queue that is full says the same already.
                let _ = requests.try_send(PeerRequest::KeyFrame);
            }
        }
    });
    let sound = match sound {
        Some((track, ssrc, sender)) => {
            let payload = payload_type(sender.as_ref(), MIME_TYPE_OPUS).await?;
            Some(Mutex::new(outgoing(track, ssrc, payload)?))
        }
        None => None,
    };
    let mut video = outgoing(video, video_ssrc, video_type)?;
    let parameters = video_sender.get_parameters().await.map_err(failed)?;
    video.playout_delay = parameters
        .rtp_parameters
        .header_extensions
        .iter()
        .find(|extension| extension.uri == PLAYOUT_DELAY)
        .and_then(|extension| u8::try_from(extension.id).ok());
    let video = Mutex::new(video);
    Ok((Some(video), sound, answer))
}

async fn publish(making: &Making, offer: &Offer) -> Result<Sending, PeerError> {
    let kinds = [
        (RtpCodecKind::Video, true),
        (RtpCodecKind::Audio, offer.has_sound),
    ];
    for (kind, _) in kinds.into_iter().filter(|(_, wanted)| *wanted) {
        let init = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Recvonly,
            ..RTCRtpTransceiverInit::default()
        };
        making
            .pc
            .add_transceiver_from_kind(kind, Some(init))
            .await
            .map_err(failed)?;
    }
    Ok((None, None, negotiate(making, offer).await?))
}

/// A connection that cannot be answered is closed before its error is told.
async fn finish(
    making: Making,
    outcome: Result<Sending, PeerError>,
) -> Result<Answered, PeerError> {
    let made = |video, sound| RtcPeer {
        pc: making.pc,
        video,
        sound,
        parts: making.parts,
    };
    match outcome {
        Ok((video, sound, answer)) => Ok(Answered {
            peer: made(video, sound),
            events: making.events,
            answer,
        }),
        Err(error) => {
            crate::transport::PeerTransport::close(&made(None, None)).await;
            Err(error)
        }
    }
}

async fn begin(
    codec: VideoCodec,
    address: SocketAddr,
    counters: &Arc<PeerCounters>,
) -> Result<Making, PeerError> {
    let mut media = media_engine(codec).map_err(failed)?;
    let registry = register_default_interceptors(Registry::new(), &mut media)
        .map_err(failed)?
        .with(
            rtc::interceptor::Slot::from(SLOT),
            KeyRequestFilter::default(),
        );
    let (connection_tx, connection) = watch::channel(None);
    let (requests_tx, requests) = mpsc::channel(EVENT_QUEUE);
    let (media_tx, published) = mpsc::channel(RTP_QUEUE);
    let (parts, gathered) = (Arc::new(Parts::default()), Arc::new(Notify::new()));
    let handler = Handler {
        gathered: Arc::clone(&gathered),
        connection: connection_tx,
        media: media_tx,
        parts: Arc::downgrade(&parts),
        counters: Arc::clone(counters),
    };
    // The crate's future is 20 KiB: it waits on the heap.
    let pc = PeerConnectionBuilder::new()
        .with_configuration(RTCConfigurationBuilder::new().build())
        .with_media_engine(media)
        .with_setting_engine(setting_engine())
        .with_interceptor_registry(registry)
        .with_handler(Arc::new(handler))
        .with_data_channel_send_buffer_limit(CHANNEL_BYTES)
        .with_udp_addrs(vec![address])
        .build();
    let pc = Box::pin(pc).await.map_err(failed)?;
    Ok(Making {
        pc: Arc::new(pc),
        parts,
        gathered,
        requests: requests_tx,
        events: TransportEvents {
            connection,
            requests,
            media: Some(published),
        },
    })
}

fn setting_engine() -> SettingEngine {
    SettingEngineBuilder::new()
        .with_include_loopback_candidate(true)
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .with_ice_connection_attempts(Some(CHECK_PAUSE), Some(CHECKS))
        .with_ice_timeouts(
            Some(DISCONNECTED_AFTER),
            Some(FAILED_AFTER),
            Some(KEEP_ALIVE),
        )
        .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(LARGEST_MESSAGE))
        .with_sctp_max_receive_buffer_size(RECEIVE_BYTES)
        .build()
}

async fn negotiate(making: &Making, offer: &Offer) -> Result<String, PeerError> {
    let pc = &making.pc;
    let description = RTCSessionDescription::offer(offer.text.clone()).map_err(failed)?;
    pc.set_remote_description(description)
        .await
        .map_err(failed)?;
    let answer = pc.create_answer(None).await.map_err(failed)?;
    pc.set_local_description(answer).await.map_err(failed)?;
    tokio::time::timeout(GATHER_LIMIT, making.gathered.notified())
        .await
        .map_err(|_| PeerError::NoCandidates)?;
    let local = pc
        .local_description()
        .await
        .ok_or(PeerError::NoCandidates)?;
    Ok(local.sdp)
}

async fn add(
    making: &Making,
    track: &Arc<TrackLocalStaticRTP>,
) -> Result<Arc<dyn RtpSender>, PeerError> {
    let track = Arc::clone(track) as Arc<dyn TrackLocal>;
    making.pc.add_track(track).await.map_err(failed)
}

/// The payload type that was negotiated for the entry the track stands for: with another one, RTX repairs nothing.
async fn payload_type(sender: &dyn RtpSender, mime_type: &str) -> Result<u8, PeerError> {
    let parameters = sender.get_parameters().await.map_err(failed)?;
    parameters
        .rtp_parameters
        .codecs
        .iter()
        .find(|codec| codec.rtp_codec.mime_type.eq_ignore_ascii_case(mime_type))
        .map(|codec| codec.payload_type)
        .ok_or_else(|| failed("no payload type was negotiated"))
}

fn track(
    kind: RtpCodecKind,
    codec: RTCRtpCodec,
) -> Result<(Arc<TrackLocalStaticRTP>, u32), PeerError> {
    let ssrc = random()?;
    let name = match kind {
        RtpCodecKind::Audio => "sound",
        _ => "picture",
    };
    let coding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(ssrc),
            ..RTCRtpCodingParameters::default()
        },
        codec,
        ..RTCRtpEncodingParameters::default()
    };
    // Of two streams: a browser holds the picture of one stream back until its sound is there.
    let (stream, name) = (format!("lsie-{name}"), name.to_owned());
    let track = MediaStreamTrack::new(stream, name.clone(), name, kind, vec![coding]);
    Ok((Arc::new(TrackLocalStaticRTP::new(track)), ssrc))
}

fn outgoing(
    track: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    payload_type: u8,
) -> Result<Outgoing, PeerError> {
    Ok(Outgoing {
        track,
        ssrc,
        payload_type,
        // Numbers of a secured stream begin low, so that none wraps before the first report.
        sequence: (random()? & 0x3fff) as u16,
        units: 0,
        playout_delay: None,
    })
}

fn random() -> Result<u32, PeerError> {
    getrandom::u32().map_err(failed)
}

fn h264() -> RTCRtpCodec {
    video_codec(MIME_TYPE_H264, H264_FORMAT)
}

fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.to_owned(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: OPUS_FORMAT.to_owned(),
        rtcp_feedback: Vec::new(),
    }
}

/// A codec that lists no feedback is sent without repair.
fn video_codec(mime_type: &str, format: &str) -> RTCRtpCodec {
    let feedback = [("nack", ""), ("nack", "pli"), ("ccm", "fir")];
    RTCRtpCodec {
        mime_type: mime_type.to_owned(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: format.to_owned(),
        rtcp_feedback: feedback
            .map(|(typ, parameter)| RTCPFeedback {
                typ: typ.to_owned(),
                parameter: parameter.to_owned(),
            })
            .into(),
    }
}

/// One entry of the picture with its RTX; sound as Opus; and the extension by which pictures are shown without delay.
fn media_engine(codec: VideoCodec) -> Result<MediaEngine, webrtc::error::Error> {
    let mut media = MediaEngine::default();
    let mut register = |rtp_codec, payload_type, kind| {
        media.register_codec(
            RTCRtpCodecParameters {
                rtp_codec,
                payload_type,
            },
            kind,
        )
    };
    let (rtp_codec, payload_type) = match codec {
        VideoCodec::H264 => (h264(), H264_TYPE),
        VideoCodec::Vp8 => (video_codec(MIME_TYPE_VP8, ""), VP8_TYPE),
    };
    let rtx = RTCRtpCodec {
        mime_type: MIME_TYPE_RTX.to_owned(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: format!("apt={payload_type}"),
        rtcp_feedback: Vec::new(),
    };
    register(rtp_codec, payload_type, RtpCodecKind::Video)?;
    register(rtx, payload_type + 1, RtpCodecKind::Video)?;
    register(opus(), OPUS_TYPE, RtpCodecKind::Audio)?;
    let uri = PLAYOUT_DELAY.to_owned();
    let extension = RTCRtpHeaderExtensionCapability { uri };
    media.register_header_extension(extension, RtpCodecKind::Video, None)?;
    Ok(media)
}
