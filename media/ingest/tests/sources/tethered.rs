//! Cameras, microphones and network senders: stand-ins for devices, GStreamer's own senders for the network.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lsie_ingest::{IngestError, Input, MediaAnchor, OpenSettings, Pull, host_time_ns, open};

use crate::making::{CEILING, encoder, one_block, one_frame, settings};

const RAW: &str =
    "videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=30/1";
const YUYV: &str =
    "videotestsrc is-live=true ! video/x-raw,format=YUY2,width=320,height=240,framerate=30/1";
const MJPEG: &str = "videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! jpegenc";
const TONE: &str = "audiotestsrc is-live=true ! audio/x-raw,format=S16LE,rate=44100,channels=1";

fn with_camera(description: &str) -> OpenSettings {
    let mut settings = settings();
    settings.stand_ins.camera = Some(description.to_owned());
    settings.stand_ins.microphone = Some(TONE.to_owned());
    settings
}

/// Pulls until the source fails, and says how.
fn fault(input: &mut Input) -> IngestError {
    let begun = Instant::now();
    let video = input.video.as_mut().unwrap();
    loop {
        assert!(begun.elapsed() < CEILING, "it never failed");
        match video.next(Duration::from_millis(50)) {
            Ok(Pull::End) => panic!("it ended as if all were well"),
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

#[test]
fn a_camera_gives_pictures_whatever_its_format() {
    for (description, is_converted) in [(RAW, false), (YUYV, true), (MJPEG, false)] {
        let mut input = open("webcam:", &with_camera(description)).unwrap();
        assert!(input.audio.is_none());
        let mut last_ns = i64::MIN;
        for _ in 0..10 {
            let frame = one_frame(input.video.as_mut().unwrap());
            assert_eq!((frame.width(), frame.height()), (320, 240));
            assert!(frame.pts_ns() > last_ns, "{description}: time steps back");
            last_ns = frame.pts_ns();
        }
        let converted = input.counters().frames_converted > 0;
        assert_eq!(converted, is_converted, "{description}");
    }
}

#[test]
fn a_camera_takes_its_microphone_along_and_goes_on_with_the_hosts_clock() {
    let mut settings = with_camera(MJPEG);
    settings.anchor = Some(MediaAnchor {
        host_time_ns: host_time_ns() - 3_000_000_000,
        pts_ns: 40_000_000_000,
    });
    let mut input = open("webcam:?size=320x240&fps=30&mic=default", &settings).unwrap();
    let frame = one_frame(input.video.as_mut().unwrap());
    let block = one_block(input.audio.as_mut().unwrap());
    for pts_ns in [frame.pts_ns(), block.pts_ns] {
        assert!(
            (43_000_000_000..63_000_000_000).contains(&pts_ns),
            "{pts_ns}"
        );
    }
    assert_eq!((block.rate_hz, block.channels), (48_000, 1));
}

#[test]
fn a_size_that_a_camera_lacks_is_an_error_that_says_so() {
    let refused = open("webcam:?size=640x480", &with_camera(RAW));
    let error = refused.err().expect("opened");
    assert_eq!(error.code(), "source_unreachable", "{error}");
}

#[test]
fn a_camera_that_is_pulled_out_is_a_fault_and_no_end() {
    let ends = RAW.replace("is-live=true", "is-live=true num-buffers=20");
    let mut input = open("webcam:", &with_camera(&ends)).unwrap();
    let error = fault(&mut input);
    assert_eq!(error.code(), "source_lost", "{error}");
    let breaks = format!("{RAW} ! identity error-after=20");
    let mut input = open("webcam:", &with_camera(&breaks)).unwrap();
    let error = fault(&mut input);
    assert_eq!(error.code(), "source_failed", "{error}");
}

#[test]
fn a_camera_that_is_not_there_is_named() {
    let refused = open("webcam:No%20Such%20Camera", &settings());
    match refused.err().expect("opened") {
        error @ IngestError::NoDevice { .. } => {
            assert_eq!(error.code(), "source_not_found");
            assert!(error.to_string().contains("No Such Camera"), "{error}");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_microphone_is_heard_at_48_khz() {
    let mut input = open("mic:", &with_camera(RAW)).unwrap();
    assert!(input.video.is_none());
    let audio = input.audio.as_mut().unwrap();
    let (first, second) = (one_block(audio), one_block(audio));
    assert_eq!((first.rate_hz, first.channels), (48_000, 1));
    assert!(second.pts_ns > first.pts_ns);
}

/// A process of this test, ended with it.
struct Sender(Child);

impl Drop for Sender {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const RTSP_SERVER: &str = r#"
import sys, gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer, GLib
Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[2])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(sys.argv[1])
factory.set_shared(True)
server.get_mount_points().add_factory("/live", factory)
server.attach(None)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
"#;

/// GStreamer's RTSP server and its port; `None`, with a loud word, where it is not installed.
fn rtsp_server(port: u16) -> Option<(Sender, u16)> {
    let launch = format!(
        "( {RAW} ! {} ! rtph264pay name=pay0 pt=96 {TONE} ! audioconvert ! audioresample ! opusenc ! rtpopuspay name=pay1 pt=97 )",
        encoder()
    );
    // The packages of the distribution belong to its own Python, which another one may hide.
    let mut child = Command::new("/usr/bin/python3")
        .args(["-c", RTSP_SERVER, &launch, &port.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut line = String::new();
    let said = BufReader::new(child.stdout.take()?).read_line(&mut line);
    let sender = Sender(child);
    if said.is_ok()
        && let Ok(port) = line.trim().parse::<u16>()
    {
        return Some((sender, port));
    }
    let words = "SKIPPED: GStreamer's RTSP server is not installed (Debian: python3-gi gir1.2-gst-rtsp-server-1.0), rtsp: was not tried";
    let _ = writeln!(std::io::stderr(), "{words}");
    None
}

#[test]
fn an_rtsp_camera_is_seen_and_heard_and_found_again_after_it_went_away() {
    let Some((server, port)) = rtsp_server(0) else {
        return;
    };
    let url = format!("rtsp://127.0.0.1:{port}/live#latency=50");
    let mut input = open(&url, &settings()).unwrap();
    let frame = one_frame(input.video.as_mut().unwrap());
    assert_eq!((frame.width(), frame.height()), (320, 240));
    let block = one_block(input.audio.as_mut().unwrap());
    assert_eq!(block.rate_hz, 48_000);
    drop(server);
    let error = fault(&mut input);
    assert!(
        ["source_lost", "source_failed"].contains(&error.code()),
        "{error}"
    );
    drop(input);
    let refused = open(&url, &settings()).err().expect("opened");
    assert_eq!(refused.code(), "source_unreachable", "{refused}");
    let (_server, _) = rtsp_server(port).unwrap();
    let mut input = open(&url, &settings()).unwrap();
    one_frame(input.video.as_mut().unwrap());
}

fn free_udp_port() -> u16 {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    socket.local_addr().unwrap().port()
}

/// GStreamer's SRT sender.
fn srt_sender(port: u16, mode: &str) -> Sender {
    let line = format!(
        "--quiet mpegtsmux name=mux alignment=7 ! srtsink uri=srt://127.0.0.1:{port}?mode={mode} wait-for-connection=false \
         {RAW} ! {} ! queue ! mux. {TONE} ! audioconvert ! audioresample ! avenc_aac ! aacparse ! queue ! mux.",
        encoder()
    );
    let child = Command::new("gst-launch-1.0")
        .args(line.split_whitespace())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Sender(child.unwrap())
}

#[test]
fn an_srt_sender_is_called_and_its_silence_is_a_fault() {
    let port = free_udp_port();
    let sender = srt_sender(port, "listener");
    let begun = Instant::now();
    // The sender needs a moment before it listens.
    let mut input = loop {
        match open(&format!("srt://127.0.0.1:{port}?latency=60"), &settings()) {
            Ok(input) => break input,
            Err(error) => assert!(begun.elapsed() < CEILING, "{error}"),
        }
    };
    let frame = one_frame(input.video.as_mut().unwrap());
    assert_eq!((frame.width(), frame.height()), (320, 240));
    let block = one_block(input.audio.as_mut().unwrap());
    assert!((frame.pts_ns() - block.pts_ns).abs() < 5_000_000_000);
    drop(sender);
    let error = fault(&mut input);
    assert!(
        ["source_lost", "source_failed"].contains(&error.code()),
        "{error}"
    );
}

#[test]
fn an_srt_sender_may_call() {
    let port = free_udp_port();
    let opening = std::thread::Builder::new()
        .name("opening".into())
        .spawn(move || open(&format!("srt://:{port}?latency=60"), &settings()))
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let _sender = srt_sender(port, "caller");
    let mut input = opening.join().unwrap().unwrap();
    one_frame(input.video.as_mut().unwrap());
}

#[test]
fn a_secret_that_cannot_be_read_is_an_error_before_anything_is_opened() {
    let url = "rtsp://127.0.0.1:9/live#credentials=/nonexistent/secret";
    let error = open(url, &settings()).err().expect("opened");
    assert_eq!(error.code(), "source_file_unreadable", "{error}");
}
