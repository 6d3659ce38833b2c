//! The demo presenter's picture is good; made dark or blurred, the operator is told so.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]

mod server;

use std::sync::Arc;
use std::time::Duration;

use lsie_analysis::face::{FaceNetworks, FaceTracker, PictureHint, SubjectRules};
use lsie_device::{CpuDevice, Device, Frame, FrameMeta, FramePool, Stream};
use lsie_infer::{ModelStore, Network};
use lsie_ingest::{OpenSettings, Pull, open};

use server::cache_dir;

/// Radius of the blur, pixels, of a picture of 720 rows.
const BLUR: usize = 6;

/// The first frame of the demo, changed in its luma.
fn demo(device: &Arc<dyn Device>) -> Frame {
    let settings = OpenSettings::new(Arc::clone(device), cache_dir().join("demo"));
    let mut input = open("demo:presenter?pace=fast", &settings).unwrap();
    let next = input.video.as_mut().unwrap().next(Duration::from_secs(15));
    let Pull::Item(frame) = next.unwrap() else {
        panic!("the demo has a picture");
    };
    frame
}

/// What is said after three seconds of a picture whose luma plane was changed.
fn hint(change: impl Fn(&[u8], usize, usize, usize) -> Vec<u8>) -> Option<PictureHint> {
    let device: Arc<dyn Device> = Arc::new(CpuDevice::new());
    let stream: Stream = device.stream("test").unwrap();
    let frame = demo(&device);
    let layout = *frame.layout();
    let mut bytes = frame.buffer().host::<u8>().unwrap().to_vec();
    let (width, height) = (layout.width as usize, layout.height as usize);
    let plane = layout.planes()[0];
    let luma = change(
        &bytes[plane.offset_bytes..],
        plane.pitch_bytes,
        width,
        height,
    );
    for (row, line) in luma.chunks_exact(width).enumerate() {
        let first = plane.offset_bytes + row * plane.pitch_bytes;
        bytes[first..first + width].copy_from_slice(line);
    }
    let models = ModelStore::open(&cache_dir()).unwrap();
    let network = |name: &str| -> Box<dyn Network> {
        Box::new(
            models
                .runtime()
                .unwrap()
                .open(&models.path(name).unwrap())
                .unwrap(),
        )
    };
    let networks = FaceNetworks::new(
        device.as_ref(),
        network("face_detector"),
        network("face_mesh"),
    )
    .unwrap();
    let mut tracker = FaceTracker::new(networks, SubjectRules::default());
    let pool = FramePool::new(device.as_ref(), 1, bytes.len()).unwrap();
    for number in 0..6 {
        let mut slot = pool.acquire().unwrap();
        slot.buffer_mut().upload(&stream, 0, &bytes).unwrap();
        let meta = FrameMeta {
            pts_ns: number * 500_000_000,
            ..*frame.meta()
        };
        tracker.process(&Frame::new(slot, meta).unwrap());
    }
    tracker.picture_hint()
}

fn same(luma: &[u8], pitch: usize, width: usize, height: usize) -> Vec<u8> {
    let rows = (0..height).map(|row| &luma[row * pitch..row * pitch + width]);
    rows.flatten().copied().collect()
}

/// A box blur, twice, over rows and columns.
fn blurred(luma: &[u8], pitch: usize, width: usize, height: usize) -> Vec<u8> {
    let mut picture = same(luma, pitch, width, height);
    for (step, count, lines, line_step) in [(1, width, height, width), (width, height, width, 1)]
        .into_iter()
        .cycle()
        .take(4)
    {
        for line in 0..lines {
            let at = |index: usize| line * line_step + index * step;
            let before: Vec<u32> = (0..count)
                .map(|index| u32::from(picture[at(index)]))
                .collect();
            for index in 0..count {
                let span = &before[index.saturating_sub(BLUR)..(index + BLUR + 1).min(count)];
                picture[at(index)] = (span.iter().sum::<u32>() / span.len() as u32) as u8;
            }
        }
    }
    picture
}

#[test]
fn a_good_picture_needs_no_hint() {
    assert_eq!(hint(same), None);
}

#[test]
fn too_little_light_is_told() {
    let dark = |luma: &[u8], pitch, width, height| {
        let picture = same(luma, pitch, width, height).into_iter();
        picture
            .map(|code| 16 + code.saturating_sub(16) / 12)
            .collect()
    };
    assert_eq!(hint(dark), Some(PictureHint::TooDark));
}

#[test]
fn a_blurred_picture_is_out_of_focus() {
    assert_eq!(hint(blurred), Some(PictureHint::OutOfFocus));
}
