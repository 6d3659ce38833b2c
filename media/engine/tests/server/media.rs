//! Files made for a test: the presenter as raw pictures, pipelines run to their end, bytes damaged at known places.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use lsie_device::{CpuDevice, Frame};
use lsie_ingest::{OpenSettings, Pull, open};

use super::cache_dir;

/// H.264 with a key frame every 10 pictures.
pub(crate) const H264: &str =
    "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 threads=1";
/// Size of [`presenter`] pictures.
pub(crate) const SIZE: (usize, usize) = (640, 360);

/// Runs a GStreamer pipeline to its end.
pub(crate) fn gst(description: &str) {
    gst_with(description, &[]);
}

/// As [`gst`], with these bytes for `fdsrc`.
pub(crate) fn gst_with(description: &str, input: &[&[u8]]) {
    let mut child = Command::new("gst-launch-1.0")
        .arg("--quiet")
        .args(description.split_whitespace())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("gst-launch-1.0 (Debian package gstreamer1.0-tools): {error}")
        });
    let mut stdin = child.stdin.take().unwrap();
    for bytes in input {
        stdin.write_all(bytes).unwrap();
    }
    drop(stdin);
    assert!(child.wait().unwrap().success(), "{description}");
}

/// Snow in H.264, 10 pictures a second. Snow moves no bits from one picture to the next: every byte of it matters.
pub(crate) fn snow(path: &Path, muxer: &str, pictures: u32) {
    gst(&format!(
        "videotestsrc pattern=snow num-buffers={pictures} ! video/x-raw,format=I420,width=160,height=120,framerate=10/1 \
         ! {H264} ! h264parse ! {muxer} ! filesink location={}",
        path.display()
    ));
}

/// The presenter's pictures of `secs` seconds, `fps` of the 30 a second, as I420 of [`SIZE`].
pub(crate) fn presenter(secs: usize, fps: usize) -> Vec<Vec<u8>> {
    let settings = OpenSettings::new(Arc::new(CpuDevice::new()), cache_dir().join("demo"));
    let mut input = open("demo:presenter?pace=fast", &settings).unwrap();
    drop(input.audio.take());
    let mut video = input.video.take().unwrap();
    let mut pictures = Vec::new();
    for number in 0..secs * 30 {
        let Pull::Item(frame) = video.next(Duration::from_secs(15)).unwrap() else {
            panic!("the presenter never ends");
        };
        if number % (30 / fps) == 0 {
            pictures.push(half(&frame));
        }
    }
    pictures
}

/// Presenter pictures (or any of [`SIZE`]) as H.264 in a transport stream where the name ends so, else in Matroska.
pub(crate) fn film(path: &Path, pictures: &[&[u8]], fps: usize) {
    let (width, height) = SIZE;
    let muxer = match path.extension().and_then(|end| end.to_str()) {
        Some("ts") => "mpegtsmux",
        _ => "matroskamux",
    };
    gst_with(
        &format!(
            "fdsrc fd=0 ! rawvideoparse format=i420 width={width} height={height} framerate={fps}/1 ! {H264} \
             ! h264parse ! {muxer} ! filesink location={}",
            path.display()
        ),
        pictures,
    );
}

/// A grey picture of [`SIZE`].
pub(crate) fn grey() -> Vec<u8> {
    vec![128; SIZE.0 * SIZE.1 * 3 / 2]
}

/// Every second sample of every second row, plane by plane.
fn half(frame: &Frame) -> Vec<u8> {
    let layout = frame.layout();
    let bytes = frame.buffer().host::<u8>().unwrap();
    let mut out = Vec::with_capacity(SIZE.0 * SIZE.1 * 3 / 2);
    assert_eq!(
        (layout.width as usize, layout.height as usize),
        (2 * SIZE.0, 2 * SIZE.1)
    );
    assert_eq!(layout.planes().len(), 3, "I420");
    for (index, plane) in layout.planes().iter().enumerate() {
        let scale = if index == 0 { 1 } else { 2 };
        for row in 0..SIZE.1 / scale {
            let first = plane.offset_bytes + 2 * row * plane.pitch_bytes;
            let line = &bytes[first..first + 2 * SIZE.0 / scale];
            out.extend(line.iter().step_by(2));
        }
    }
    out
}

/// A deterministic injury.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Damage {
    /// Single bytes flipped inside the coded pictures, over a thirtieth of the file.
    Flipped,
    /// A thirtieth of the file is zero.
    Zeroed,
    /// The last third is gone.
    CutShort,
}

/// Injures a file from its first third on.
pub(crate) fn damage(path: &Path, how: Damage) {
    let mut bytes = std::fs::read(path).unwrap();
    let (third, length) = (bytes.len() / 3, bytes.len() / 30);
    match how {
        Damage::Flipped => {
            for at in (third..third + length).step_by(97) {
                bytes[at] ^= 0x5a;
            }
        }
        Damage::Zeroed => bytes[third..third + length].fill(0),
        Damage::CutShort => bytes.truncate(2 * third),
    }
    std::fs::write(path, bytes).unwrap();
}
