//! The threads that read one stream each. They never wait for a consumer.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::handset::HandsetEvent;
use super::shared::{Attempt, lock};
use crate::adb::{DeviceStream, ShellPacket, ShellReader};
use crate::clock::{AudioTimeline, ClockState, MappedTime, TimeBase, TimeBaseDetector};
use crate::media::{AccessUnit, AudioBlock, AudioContent, MAX_LIVE_AGE_NS, UnitFlags};
use crate::recording::RecorderTap;
use crate::scrcpy::{
    Codec, DeviceMessageReader, MediaKind, MediaPacket, ParserSettings, StreamEvent, StreamKind,
    StreamParser, VideoSize,
};
use crate::session::{EndCause, Input};

/// How often a silent read looks whether the session is over.
const LOOK: Duration = Duration::from_millis(250);

/// Reads until the end; `None` is a silence in which the caller may look around.
fn read_some(stream: &mut DeviceStream, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    match stream.read(buffer) {
        Ok(count) => Ok(Some(count)),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => {
                Ok(None)
            }
            _ => Err(error),
        },
    }
}

/// Reads one media stream to its end.
pub(super) fn read_media(
    attempt: &Arc<Attempt>,
    mut stream: DeviceStream,
    settings: ParserSettings,
    tap: Option<&RecorderTap>,
) {
    let mut parser = StreamParser::new(settings);
    let mut sorter = Sorter::new(attempt, settings);
    let mut buffer = vec![0; 64 << 10];
    if stream.set_read_timeout(Some(LOOK)).is_err() {
        return attempt.end(EndCause::StreamEnded);
    }
    while !attempt.is_over() {
        let count = match read_some(&mut stream, &mut buffer) {
            Ok(None) => continue,
            Ok(Some(0)) | Err(_) => break,
            Ok(Some(count)) => count,
        };
        let now_ns = attempt.now_ns();
        let came = buffer.get(..count).unwrap_or_default();
        if let Some(tap) = tap {
            tap.heard(settings.kind, now_ns, came);
        }
        parser.push(came);
        loop {
            match parser.poll(now_ns as u64 / 1000) {
                Ok(Some(event)) => sorter.take(event, now_ns),
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(stream = ?settings.kind, %error, "a stream of the phone broke its framing");
                    sorter.count(|counters| counters.framing_errors += 1);
                    return attempt.end(EndCause::Framing);
                }
            }
        }
        if sorter.is_done {
            return;
        }
    }
    if let Err(part) = parser.finish() {
        tracing::debug!(stream = ?settings.kind, %part, "a partial packet is discarded");
    }
    attempt.end(EndCause::StreamEnded);
}

/// Sorts what the parser found into queues, pulse, counters and events.
struct Sorter<'a> {
    attempt: &'a Attempt,
    kind: StreamKind,
    codec: Option<Codec>,
    size: Option<VideoSize>,
    config: Vec<u8>,
    waits_for_key: bool,
    is_next_discontinuous: bool,
    bases: TimeBaseDetector,
    timeline: AudioTimeline,
    is_done: bool,
}

impl<'a> Sorter<'a> {
    fn new(attempt: &'a Attempt, settings: ParserSettings) -> Self {
        Self {
            attempt,
            kind: settings.kind,
            codec: None,
            size: None,
            config: Vec::new(),
            waits_for_key: false,
            is_next_discontinuous: true,
            bases: TimeBaseDetector::default(),
            timeline: AudioTimeline::default(),
            is_done: false,
        }
    }

    fn count(&self, change: impl FnOnce(&mut crate::media::StreamCounters)) {
        let mut facts = self.attempt.outlets.facts();
        change(match self.kind {
            StreamKind::Video => &mut facts.video,
            StreamKind::Audio => &mut facts.audio,
        });
    }

    fn say(&self, event: HandsetEvent) {
        self.attempt.outlets.events.push(event);
    }

    fn take(&mut self, event: StreamEvent, now_ns: i64) {
        match event {
            StreamEvent::DeviceName(model) => {
                self.attempt.outlets.facts().model = Some(model.clone());
                self.say(HandsetEvent::Model(model));
                if self.kind == StreamKind::Audio {
                    self.attempt.tell(Input::Handshaken);
                }
            }
            StreamEvent::Codec(codec) => {
                self.codec = Some(codec);
                let mut facts = self.attempt.outlets.facts();
                match self.kind {
                    StreamKind::Video => facts.video_codec = Some(codec),
                    StreamKind::Audio => facts.audio_codec = Some(codec),
                }
                drop(facts);
                self.say(HandsetEvent::Codec(codec));
                if self.kind == StreamKind::Video {
                    self.attempt.tell(Input::Handshaken);
                }
            }
            StreamEvent::AudioDisabled => {
                self.is_done = true;
                self.say(HandsetEvent::AudioDisabled);
                self.attempt.tell(Input::AudioDisabled);
            }
            StreamEvent::AudioMisconfigured => {
                self.is_done = true;
                self.attempt.end(EndCause::AudioMisconfigured);
            }
            StreamEvent::Size { size, .. } => {
                if self.size.replace(size) != Some(size) {
                    self.attempt.outlets.facts().size = Some(size);
                    self.say(HandsetEvent::Size(size));
                }
            }
            StreamEvent::Packet(packet) => match self.kind {
                StreamKind::Video => self.video(packet, now_ns),
                StreamKind::Audio => self.audio(packet, now_ns),
            },
        }
    }

    fn video(&mut self, packet: MediaPacket, now_ns: i64) {
        let MediaKind::Media { pts_us, is_key } = packet.kind else {
            self.count(|counters| counters.configs += 1);
            lock(&self.attempt.pulse).config_at = Some(now_ns);
            self.config = packet.payload;
            return;
        };
        self.count(|counters| {
            counters.packets += 1;
            counters.bytes += packet.payload.len() as u64;
            counters.keys += u64::from(is_key);
        });
        let mut pulse = lock(&self.attempt.pulse);
        (pulse.video_at, pulse.config_at) = (Some(now_ns), None);
        drop(pulse);
        self.waits_for_key = packet.is_corrupt || (self.waits_for_key && !is_key);
        if self.waits_for_key {
            self.is_next_discontinuous = true;
            self.count(|counters| counters.corrupt += 1);
            return;
        }
        let device_pts_ns = pts_us.cast_signed() * 1000;
        let host_time = self.host_time(device_pts_ns, now_ns);
        let age_ns = host_time.map_or(0, |time| now_ns - time.host_ns);
        let is_late = age_ns > MAX_LIVE_AGE_NS;
        let is_unknown = self.bases.base() == TimeBase::Unknown;
        let is_torn = std::mem::take(&mut self.is_next_discontinuous);
        let flags = UnitFlags::default()
            .with(UnitFlags::KEY, is_key)
            .with(UnitFlags::DISCONTINUOUS, is_torn)
            .with(UnitFlags::LATE, is_late)
            .with(UnitFlags::UNSYNCHRONISED, is_unknown);
        let mut facts = self.attempt.outlets.facts();
        facts.cable.push(packet.payload.len(), is_late, now_ns);
        drop(facts);
        let mut data = std::mem::take(&mut self.config);
        data.extend_from_slice(&packet.payload);
        let lost = self.attempt.outlets.video.push(AccessUnit {
            data,
            device_pts_ns,
            host_time,
            arrived_ns: now_ns,
            size: self.size,
            flags,
        });
        self.count(|counters| {
            counters.dropped += lost;
            counters.late += u64::from(is_late);
        });
    }

    fn audio(&mut self, packet: MediaPacket, now_ns: i64) {
        let MediaKind::Media { pts_us, .. } = packet.kind else {
            self.count(|counters| counters.configs += 1);
            return;
        };
        lock(&self.attempt.pulse).audio_at = Some(now_ns);
        let pts_ns = pts_us.cast_signed() * 1000;
        self.count(|counters| {
            counters.packets += 1;
            counters.bytes += packet.payload.len() as u64;
        });
        if self.codec != Some(Codec::Raw) {
            let content = AudioContent::Encoded(packet.payload);
            return self.sound(content, 0, pts_ns, now_ns);
        }
        let samples: Vec<i16> = packet
            .payload
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        let frames = samples.len() as u64 / 2;
        let step = self.timeline.push(pts_ns, frames);
        self.attempt.outlets.facts().audio_gaps += u64::from(step.missing_frames > 0);
        if step.missing_frames > 0 {
            let missing = step.missing_frames;
            let missing_ns = (missing as f64 * 1e9 / 48_000.0).round() as i64;
            self.count(|counters| counters.silent_frames += missing);
            self.say(HandsetEvent::AudioGap { frames: missing });
            let began_ns = step.device_ns.saturating_sub(missing_ns);
            self.sound(AudioContent::Silence, missing, began_ns, now_ns);
        }
        self.sound(
            AudioContent::Samples(samples),
            frames,
            step.device_ns,
            now_ns,
        );
    }

    fn sound(&mut self, content: AudioContent, frames: u64, device_pts_ns: i64, now_ns: i64) {
        let host_time = self.host_time(device_pts_ns, now_ns);
        let lost = self.attempt.outlets.audio.push(AudioBlock {
            content,
            frames,
            device_pts_ns,
            host_time,
            arrived_ns: now_ns,
        });
        self.count(|counters| counters.dropped += lost);
    }

    /// Our time of a stamp, after the first frames have told which clock it is of.
    fn host_time(&mut self, pts_ns: i64, now_ns: i64) -> Option<MappedTime> {
        let slept_ns = self.attempt.slept_ns.load(Ordering::Relaxed);
        let awake_ns = pts_ns.saturating_sub(slept_ns);
        let mut ladder = lock(&self.attempt.ladder);
        if ladder.state(now_ns) == ClockState::Good {
            let age = |device_ns| {
                ladder
                    .host_time(device_ns, now_ns)
                    .map(|t| now_ns - t.host_ns)
            };
            if let (Some(plain), Some(awake)) = (age(pts_ns), age(awake_ns))
                && let Some(base) = self.bases.push(plain, awake)
            {
                tracing::info!(stream = ?self.kind, ?base, "the clock of a stream is decided");
                self.say(HandsetEvent::TimeBase(self.kind, base));
            }
        }
        let device_ns = match self.bases.base() {
            TimeBase::Undecided | TimeBase::Monotonic => pts_ns,
            TimeBase::Boottime => awake_ns,
            TimeBase::Unknown => return None,
        };
        if self.kind == StreamKind::Video {
            ladder.push_arrival(device_ns, now_ns);
        }
        let time = ladder.host_time(device_ns, now_ns);
        // A time of the wrong clock is worse than none.
        let is_decided = self.bases.base() != TimeBase::Undecided;
        time.filter(|time| is_decided || TimeBaseDetector::is_plausible(now_ns - time.host_ns))
    }
}

/// Reads and drops what the control socket says. A fault there ends nothing but this socket.
pub(super) fn drain_control(attempt: &Arc<Attempt>, mut stream: DeviceStream) {
    let (mut reader, mut buffer) = (DeviceMessageReader::default(), [0; 4096]);
    if stream.set_read_timeout(Some(LOOK)).is_err() {
        return;
    }
    while !attempt.is_over() {
        match read_some(&mut stream, &mut buffer) {
            Ok(None) => continue,
            Ok(Some(0)) | Err(_) => break,
            Ok(Some(count)) => reader.push(buffer.get(..count).unwrap_or_default()),
        }
        loop {
            match reader.poll() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "the control socket is closed");
                    *lock(&attempt.control) = None;
                    return stream.close();
                }
            }
        }
    }
}

/// Keeps the newest lines of the server and tells its end.
pub(super) fn read_log(attempt: &Arc<Attempt>, mut stream: DeviceStream) {
    let (mut reader, mut buffer) = (ShellReader::default(), [0; 4096]);
    let mut line = Vec::new();
    // At an orderly end this thread outlives the media, to see the exit; only a closed connection ends it.
    if stream.set_read_timeout(None).is_err() {
        return;
    }
    loop {
        match read_some(&mut stream, &mut buffer) {
            Ok(None) => continue,
            Ok(Some(0)) | Err(_) => break,
            Ok(Some(count)) => reader.push(buffer.get(..count).unwrap_or_default()),
        }
        while let Ok(Some(packet)) = reader.poll() {
            match packet {
                ShellPacket::Stdout(bytes) | ShellPacket::Stderr(bytes) => {
                    for byte in bytes {
                        if byte == b'\n' {
                            lock(&attempt.log).push(&String::from_utf8_lossy(&line));
                            line.clear();
                        } else if line.len() < 4096 {
                            line.push(byte);
                        }
                    }
                }
                ShellPacket::Exit(status) => {
                    if !line.is_empty() {
                        lock(&attempt.log).push(&String::from_utf8_lossy(&line));
                    }
                    lock(&attempt.log).status = Some(status);
                    return attempt.end(EndCause::ServerExited);
                }
                ShellPacket::Other(_) => {}
            }
        }
    }
}
