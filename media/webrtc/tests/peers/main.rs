//! Peers over real sockets: what viewers see, and what is left when they are gone.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up fails there"
)]

mod client;

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use client::{Client, Seen};
use lsie_schemas::link::{EngineCounters, PeerRefusal, PeerReport, Sdp, SdpFragment};
use lsie_schemas::live::{LiveMessage, LiveVoice, rtp_time_of};
use lsie_webrtc::{
    Broadcast, HostSettings, LiveKind, MAX_PEERS, PeerCounters, PeerHost, PictureUnit,
    Publications, Published, PublisherName, SoundUnit, VideoCodec,
};
use uuid::Uuid;
use webrtc::peer_connection::RTCPeerConnectionState;

/// Ends a wait that hangs.
pub(crate) const CEILING: Duration = Duration::from_secs(15);
const FRAME_NS: i64 = 33_333_333;

/// A host, what it reports, and a broadcast that a test feeds.
struct Stage {
    host: PeerHost,
    reports: Mutex<Receiver<PeerReport>>,
    counters: Arc<PeerCounters>,
    broadcast: Arc<Broadcast>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        // A runtime is let go where waiting is allowed.
        tokio::task::block_in_place(|| self.host.stop());
    }
}

impl Stage {
    fn new() -> Self {
        let counters = Arc::new(PeerCounters::default());
        let (tx, rx) = sync_channel(1024);
        let report = Arc::new(move |report| drop(tx.try_send(report)));
        let host = PeerHost::start(HostSettings::default(), Arc::clone(&counters), report);
        Self {
            host: host.unwrap(),
            reports: Mutex::new(rx),
            broadcast: Broadcast::new(Arc::clone(&counters)),
            counters,
        }
    }

    fn report(&self) -> PeerReport {
        self.reports.lock().unwrap().recv_timeout(CEILING).unwrap()
    }

    fn offer(&self, offer: &str) -> (Uuid, PeerReport) {
        let id = Uuid::new_v4();
        let offer = Sdp::parse(offer).unwrap();
        self.host.view(id, offer, Arc::clone(&self.broadcast));
        (id, self.report())
    }

    fn answer(&self, offer: &str) -> (Uuid, String) {
        match self.offer(offer) {
            (id, PeerReport::Answered { answer, .. }) => (id, answer.as_str().to_owned()),
            (_, other) => panic!("not answered: {other:?}"),
        }
    }

    fn counts(&self) -> EngineCounters {
        let mut counters = EngineCounters::default();
        self.counters.tell(&mut counters);
        counters
    }

    /// A viewer that is connected.
    async fn watch(&self) -> (Client, Uuid) {
        let (mut client, offer) = Client::viewer().await;
        let (id, answer) = self.answer(&offer);
        client.accept(&answer).await;
        client.reaches(RTCPeerConnectionState::Connected).await;
        (client, id)
    }

    /// Waits until nobody is left and nothing runs.
    async fn is_empty(&self) {
        let since = Instant::now();
        loop {
            let gauges = self.host.gauges();
            let left = gauges.viewers + gauges.publishers + gauges.connecting;
            if left == 0 && self.host.tasks() == 0 && !self.broadcast.is_watched() {
                return;
            }
            assert!(
                since.elapsed() < CEILING,
                "{gauges:?}, {} tasks, {} watchers",
                self.host.tasks(),
                self.broadcast.watchers()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Picture `n`; every tenth begins anew.
fn picture(n: i64) -> PictureUnit {
    let is_key = n % 10 == 0;
    let mut data = Vec::new();
    if is_key {
        data.extend_from_slice(&[
            0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0, 0, 0, 1, 0x68, 0xce, 6,
        ]);
    }
    data.extend_from_slice(&[0, 0, 0, 1, if is_key { 0x65 } else { 0x41 }]);
    data.extend_from_slice(&(n as u32 | 0x0101_0101).to_be_bytes());
    data.resize(data.len() + 3000, 0xab);
    PictureUnit {
        data: Bytes::from(data),
        pts_ns: n * FRAME_NS,
        is_key,
    }
}

fn voice(pts_ns: i64) -> Vec<u8> {
    let voice = LiveVoice {
        rtp_time: rtp_time_of(pts_ns),
        pts_ns,
        speaking: true,
        speech_probability: None,
        rms_dbfs: -20.0,
        peak_dbfs: -10.0,
        pitch_hz: None,
        pitch_harmonic: 1,
    };
    LiveMessage::Voice(voice).encode().unwrap()
}

/// Feeds pictures, sound and observations at a fast walk until it is dropped.
struct Feeding(
    Arc<std::sync::atomic::AtomicBool>,
    Option<std::thread::JoinHandle<i64>>,
);

impl Feeding {
    fn of(broadcast: &Arc<Broadcast>, from: i64) -> Self {
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (broadcast, stopped) = (Arc::clone(broadcast), Arc::clone(&stop));
        let thread = std::thread::Builder::new().name("feeding".into());
        let feeding = thread.spawn(move || {
            let mut n = from;
            while !stopped.load(std::sync::atomic::Ordering::Acquire) {
                broadcast.picture(&picture(n));
                let pts_ns = n * FRAME_NS;
                let data = Bytes::from_static(&[0xf8, 0xff, 0xfe]);
                broadcast.sound(&SoundUnit { data, pts_ns });
                broadcast.live(LiveKind::Voice, voice(pts_ns));
                n += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            n
        });
        Self(stop, Some(feeding.unwrap()))
    }

    fn stop(mut self) -> i64 {
        self.0.store(true, std::sync::atomic::Ordering::Release);
        self.1.take().unwrap().join().unwrap()
    }
}

impl Drop for Feeding {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Release);
    }
}

fn picture_time(seen: &Seen) -> Option<u32> {
    match seen {
        Seen::Picture(time, true) => Some(*time),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_begins_at_the_last_key_frame_and_sees_sound_and_observations_of_its_frames() {
    let stage = Stage::new();
    for n in 0..14 {
        stage.broadcast.picture(&picture(n));
    }
    let (mut client, id) = stage.watch().await;
    let first = client.sees("the first picture", picture_time).await;
    assert_eq!(first, rtp_time_of(10 * FRAME_NS), "the cached key frame");
    for n in 11..14 {
        let next = client.sees("a cached picture", picture_time).await;
        assert_eq!(next, rtp_time_of(n * FRAME_NS));
    }
    let feeding = Feeding::of(&stage.broadcast, 14);
    let next = client.sees("a live picture", picture_time).await;
    assert_eq!(next, rtp_time_of(14 * FRAME_NS), "no gap behind the cache");
    let sound = |seen: &Seen| matches!(seen, Seen::Sound).then_some(());
    client.sees("sound", sound).await;
    let mut times = Vec::new();
    let live = client
        .sees("an observation", |seen| match seen {
            Seen::Live(message) => match message.as_ref() {
                LiveMessage::Voice(voice) => Some(voice.rtp_time),
                _ => None,
            },
            Seen::Picture(time, true) => {
                times.push(*time);
                None
            }
            _ => None,
        })
        .await;
    let last = feeding.stop();
    let known: Vec<u32> = (0..last).map(|n| rtp_time_of(n * FRAME_NS)).collect();
    assert!(known.contains(&live), "the time of one of the pictures");
    assert_eq!(stage.host.gauges().viewers, 1);
    stage.host.close(id);
    stage.is_empty().await;
    let counts = stage.counts();
    assert_eq!((counts.peers_opened, counts.peers_closed), (1, 1));
    assert!(
        counts.viewer_packets > 10 && counts.viewer_bytes > 1000,
        "{counts:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_viewers_see_the_same_pictures_and_one_that_leaves_takes_nothing_along() {
    let stage = Stage::new();
    let feeding = Feeding::of(&stage.broadcast, 0);
    let (mut one, _) = stage.watch().await;
    let (mut two, _) = stage.watch().await;
    let (mut by_one, mut by_two) = (Vec::new(), Vec::new());
    for _ in 0..60 {
        by_one.push(one.sees("a picture", picture_time).await);
        by_two.push(two.sees("a picture", picture_time).await);
    }
    assert!(by_one.iter().any(|time| by_two.contains(time)));
    one.pc.close().await.unwrap();
    for _ in 0..30 {
        two.sees("a further picture", picture_time).await;
    }
    let since = Instant::now();
    while stage.host.gauges().viewers > 1 {
        assert!(
            since.elapsed() < CEILING,
            "the one that left is still there"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(feeding);
    two.pc.close().await.unwrap();
    stage.is_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_is_told_when_the_stream_stalls_and_closed_when_it_ends() {
    let stage = Stage::new();
    stage.broadcast.picture(&picture(0));
    let (mut client, _) = stage.watch().await;
    let stalled = |flowing: bool| {
        move |seen: &Seen| match seen {
            Seen::Live(message) => match message.as_ref() {
                LiveMessage::Stream(stream) if stream.flowing == flowing => Some(stream.age_ms),
                _ => None,
            },
            _ => None,
        }
    };
    let age_ms = client.sees("the stall", stalled(false)).await;
    assert!(age_ms >= 400, "{age_ms}");
    stage.broadcast.picture(&picture(1));
    client.sees("that it goes on", stalled(true)).await;
    stage.broadcast.end("session_ended");
    stage.is_empty().await;
    let closed = stage.report();
    assert!(
        matches!(&closed, PeerReport::Closed { reason, .. } if reason.as_str() == "session_ended"),
        "{closed:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offers_that_cannot_be_answered_are_refused_and_leave_nothing() {
    let stage = Stage::new();
    let (client, good) = Client::viewer().await;
    let no_picture = good.replace("H264/90000", "H265/90000");
    let no_ice = good.replace("a=ice-ufrag", "a=x-ice-ufrag");
    let no_bundle = good.replace("a=group:BUNDLE", "a=x-group");
    for (offer, expected) in [
        (no_picture, PeerRefusal::NothingInCommon),
        (no_ice, PeerRefusal::BadOffer),
        (no_bundle, PeerRefusal::NothingInCommon),
    ] {
        let (_, report) = stage.offer(&offer);
        assert!(
            matches!(&report, PeerReport::Refused { why, .. } if *why == expected),
            "{report:?}"
        );
    }
    // Whatever is broken in it, an offer is answered or refused, never lost.
    let lines: Vec<&str> = good.lines().collect();
    for skip in 1..lines.len() {
        let broken: Vec<&str> = lines
            .iter()
            .enumerate()
            .filter(|(n, _)| n % lines.len() != skip)
            .map(|(_, line)| *line)
            .collect();
        if let Ok(offer) = Sdp::parse(&format!("{}\r\n", broken.join("\r\n"))) {
            let id = Uuid::new_v4();
            stage.host.view(id, offer, Arc::clone(&stage.broadcast));
            if let PeerReport::Answered { .. } = stage.report() {
                stage.host.close(id);
                assert!(matches!(stage.report(), PeerReport::Closed { .. }));
            }
        }
    }
    client.pc.close().await.unwrap();
    stage.is_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_candidates_are_cut_and_the_peer_connects_all_the_same() {
    let stage = Stage::new();
    let feeding = Feeding::of(&stage.broadcast, 0);
    let (mut client, offer) = Client::viewer().await;
    let bogus: Vec<String> = (0..900)
        .map(|n| {
            format!(
                "a=candidate:{n} 1 udp 1 127.0.0.1 {} typ host\r\n",
                2000 + n
            )
        })
        .collect();
    let bogus = bogus.concat();
    let (id, answer) = stage.answer(&format!("{offer}{bogus}"));
    assert!(stage.counts().candidates_ignored > 800);
    client.accept(&answer).await;
    client.reaches(RTCPeerConnectionState::Connected).await;
    client.sees("a picture", picture_time).await;
    let before = stage.counts().candidates_ignored;
    for _ in 0..50 {
        let fragment = format!("a=ice-ufrag:x\r\nm=video 9 X 0\r\na=mid:0\r\n{bogus}");
        let fragment = SdpFragment::parse(&fragment).unwrap();
        stage.host.trickle(id, fragment);
    }
    client.sees("a further picture", picture_time).await;
    stage.host.close(id);
    stage.is_empty().await;
    assert!(stage.counts().candidates_ignored > before + 800);
    drop(feeding);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_on_the_data_channel_disturbs_nothing() {
    let stage = Stage::new();
    let feeding = Feeding::of(&stage.broadcast, 0);
    let (mut client, id) = stage.watch().await;
    let live = |seen: &Seen| matches!(seen, Seen::Live(_)).then_some(());
    client.sees("an observation", live).await;
    for _ in 0..2000 {
        client.chatter(1000).await;
    }
    for _ in 0..20 {
        client.sees("a picture", picture_time).await;
    }
    stage.host.close(id);
    stage.is_empty().await;
    assert!(stage.counts().live_messages_ignored > 0);
    drop(feeding);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_at_most_so_many_peers_and_those_that_never_connect_go() {
    let stage = Stage::new();
    let (client, offer) = Client::viewer().await;
    let peers: Vec<Uuid> = (0..MAX_PEERS).map(|_| stage.answer(&offer).0).collect();
    let (_, report) = stage.offer(&offer);
    assert!(
        matches!(
            &report,
            PeerReport::Refused {
                why: PeerRefusal::Full,
                ..
            }
        ),
        "{report:?}"
    );
    // One is left alone: its time to connect runs out.
    for peer in &peers[1..] {
        stage.host.close(*peer);
    }
    let mut reasons: Vec<String> = Vec::new();
    while reasons.len() < MAX_PEERS {
        let report = stage.reports.lock().unwrap().recv_timeout(CEILING * 2);
        if let PeerReport::Closed { reason, .. } = report.unwrap() {
            reasons.push(reason.to_string());
        }
    }
    assert_eq!(
        reasons.iter().filter(|r| *r == "never_connected").count(),
        1
    );
    client.pc.close().await.unwrap();
    stage.is_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_is_given_whole_from_its_first_key_frame_and_its_name_is_free_when_it_is_gone()
{
    let stage = Stage::new();
    let publications = Publications::default();
    let publication = publications.of(&PublisherName::parse("cam").unwrap());
    publication.take();
    for is_vp8 in [false, true] {
        let (mut client, mut track, offer) = Client::publisher(is_vp8).await;
        let id = Uuid::new_v4();
        let sdp = Sdp::parse(&offer).unwrap();
        stage.host.publish(id, sdp.clone(), &publication);
        let answer = match stage.report() {
            PeerReport::Answered { answer, .. } => answer,
            other => panic!("not answered: {other:?}"),
        };
        stage.host.publish(Uuid::new_v4(), sdp, &publication);
        let second = stage.report();
        assert!(
            matches!(
                &second,
                PeerReport::Refused {
                    why: PeerRefusal::NameTaken,
                    ..
                }
            ),
            "{second:?}"
        );
        client.accept(answer.as_str()).await;
        track.negotiated(answer.as_str());
        client.reaches(RTCPeerConnectionState::Connected).await;
        let (codec, key, delta): (_, &[u8], &[u8]) = if is_vp8 {
            (
                VideoCodec::Vp8,
                &[0x10, 0, 0, 0x9d, 1, 0x2a, 9],
                &[0x11, 0, 0, 7],
            )
        } else {
            (
                VideoCodec::H264,
                &[0, 0, 0, 1, 0x65, 1, 2, 3],
                &[0, 0, 0, 1, 0x41, 1, 2, 3],
            )
        };
        track.send(delta, 1000).await;
        let mut taken = Vec::new();
        let since = Instant::now();
        // What is sent before the other side knows the track may be missed: then a key frame is asked for.
        for n in 1..u32::MAX {
            let data = if n % 10 == 1 { key } else { delta };
            track.send(data, n * 3000).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            while let Some(published) = publication.next(Duration::ZERO) {
                if let Published::Picture(picture) = published {
                    taken.push(picture);
                }
            }
            if taken.len() >= 12 {
                break;
            }
            assert!(since.elapsed() < CEILING, "{} pictures came", taken.len());
        }
        assert!(taken[0].is_key, "nothing before a key frame");
        assert_eq!(taken[0].data, key);
        let steps = taken.windows(2);
        let whole = steps.filter(|pair| pair[1].rtp_time - pair[0].rtp_time == 3000);
        assert!(whole.count() >= 8, "in order and without holes");
        assert!(taken.iter().all(|picture| picture.codec == codec));
        client.pc.close().await.unwrap();
        while !matches!(stage.report(), PeerReport::Closed { .. }) {}
        assert!(!publication.is_published());
    }
    stage.is_empty().await;
    let counts = stage.counts();
    assert!(counts.publisher_packets >= 24, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_connects_and_disconnects_leave_nothing() {
    let stage = Stage::new();
    let feeding = Feeding::of(&stage.broadcast, 0);
    let (client, id) = stage.watch().await;
    stage.host.close(id);
    client.pc.close().await.unwrap();
    stage.is_empty().await;
    assert!(matches!(stage.report(), PeerReport::Closed { .. }));
    let before = sockets();
    for n in 0..200 {
        let (mut client, offer) = Client::viewer().await;
        let (id, answer) = stage.answer(&offer);
        // Some leave before they are connected, some behind it, some without a word.
        if n % 4 == 0 {
            client.accept(&answer).await;
            client.reaches(RTCPeerConnectionState::Connected).await;
        }
        stage.host.close(id);
        client.pc.close().await.unwrap();
        while !matches!(stage.report(), PeerReport::Closed { .. }) {}
    }
    stage.is_empty().await;
    drop(feeding);
    let since = Instant::now();
    while sockets() > before {
        assert!(
            since.elapsed() < CEILING,
            "{} sockets, {before} before",
            sockets()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(stage.counts().peers_closed, 201);
}

/// Open files of this process that are sockets.
fn sockets() -> usize {
    std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter(|link| link.to_string_lossy().starts_with("socket:"))
        .count()
}
