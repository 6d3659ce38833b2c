//! What the ingest crate does with CUDA memory. Every test ends with the stand-in having nothing to complain about.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gstreamer::prelude::*;
use lsie_device::{
    Argument, CpuDevice, Device, DeviceKind, ExecutorDevice, Frame, Launch, PixelFormat, Stream,
    Transfers,
};
use lsie_ingest::cuda::{CudaAbsent, CudaFrame, CudaLibrary, CudaShare, CudaVideo, MAX_SURFACES};
use lsie_ingest::{AccessUnit, AccessUnitDecoder, DecoderSettings, Pace, Pull, Pushed};

use super::{Flavour, READ_PICTURE, Standin, TestQueue};

/// No test depends on how quick the machine is; this only ends a hanging one.
const CEILING: Duration = Duration::from_secs(15);
/// Long enough for a pipeline to do what it must not do.
const SHORT: Duration = Duration::from_millis(300);

fn settings(pace: Pace) -> DecoderSettings {
    DecoderSettings {
        device: Arc::new(CpuDevice::new()),
        pool_slots: 2,
        pace,
        surfaces: None,
    }
}

/// Real access units, so that the real parser passes them on.
fn access_units(count: u32, size: (u32, u32)) -> Vec<AccessUnit> {
    let pipeline = gstreamer::parse::launch(&format!(
        "videotestsrc num-buffers={count} ! video/x-raw,format=I420,width={},height={},framerate=30/1 \
         ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=1 threads=1 \
         ! video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=sink sync=false",
        size.0, size.1
    ))
    .unwrap();
    let pipeline = pipeline.downcast::<gstreamer::Pipeline>().unwrap();
    let sink = pipeline.by_name("sink").unwrap();
    let sink = sink.downcast::<gstreamer_app::AppSink>().unwrap();
    pipeline.set_state(gstreamer::State::Playing).unwrap();
    let mut units = Vec::new();
    while let Ok(sample) = sink.pull_sample() {
        let bytes = sample.buffer().unwrap().map_readable().unwrap();
        units.push(AccessUnit {
            data: bytes.as_slice().into(),
            pts_ns: i64::from(units.len() as u32) * 33_333_333,
            key: true,
        });
    }
    pipeline.set_state(gstreamer::State::Null).unwrap();
    assert_eq!(units.len(), count as usize);
    units
}

fn one(video: &mut CudaVideo) -> CudaFrame {
    match video.next(CEILING).unwrap() {
        Pull::Item(frame) => frame,
        other => panic!("no picture: {other:?}"),
    }
}

fn assert_nothing_left(standin: &Standin) {
    assert_eq!(standin.faults(), [""; 0]);
    assert_eq!((standin.surfaces_out(), standin.contexts()), (0, 0));
}

#[test]
fn pictures_are_read_where_the_decoder_wrote_them() {
    let standin = Standin::new(true);
    let queue = Arc::new(TestQueue {
        is_quick: true,
        ..TestQueue::default()
    });
    let (share, owner) = standin.share(&queue);
    let mut units = access_units(6, (318, 182));
    units.extend(access_units(6, (640, 360)).into_iter().map(|mut unit| {
        unit.pts_ns += 1_000_000_000;
        unit
    }));
    let (mut decoder, mut video) =
        AccessUnitDecoder::start_on_cuda(&settings(Pace::Fast), &share).unwrap();
    for (n, unit) in units.iter().enumerate() {
        assert_eq!(decoder.push(unit).unwrap(), Pushed::Accepted);
        let frame = one(&mut video);
        let size = if n < 6 { (318, 182) } else { (640, 360) };
        assert_eq!((frame.width(), frame.height()), size);
        assert_eq!((frame.pts_ns(), frame.seq()), (unit.pts_ns, n as u64));
        let pitches = frame.planes().map(|plane| plane.pitch_bytes);
        assert_eq!(pitches, if n < 6 { [512; 2] } else { [1024; 2] });
        let launch = standin.launch(&frame);
        assert!(launch >= 0, "{:?}", standin.faults());
        standin.finish(launch);
    }
    let counters = decoder.watch().counters();
    assert_eq!((counters.frames, counters.picture_changes), (12, 1));
    assert_eq!((counters.host_copies, counters.device_copies), (0, 0));
    drop(decoder);
    assert!(matches!(video.next(CEILING).unwrap(), Pull::End));
    assert!(!owner.is_gone());
    drop((video, share));
    assert_nothing_left(&standin);
    assert!(owner.is_gone(), "the context is let go with its last user");
}

#[test]
fn a_surface_goes_back_when_the_device_has_read_it_and_not_before() {
    let standin = Standin::new(true);
    let queue = Arc::new(TestQueue::default());
    let (share, owner) = standin.share(&queue);
    let units = access_units(2, (320, 180));
    let (mut decoder, mut video) =
        AccessUnitDecoder::start_on_cuda(&settings(Pace::Fast), &share).unwrap();
    decoder.push(&units[0]).unwrap();
    let frame = one(&mut video);
    let launch = standin.launch(&frame);
    drop(frame);
    assert_eq!(standin.surfaces_out(), 1, "the kernel still reads it");
    standin.finish(launch);
    queue.advance();
    decoder.push(&units[1]).unwrap();
    let second = one(&mut video);
    assert_eq!(
        standin.surfaces_out(),
        1,
        "the first went back at the next pull"
    );
    // The reader outlives source and share, and its work is waited for when nobody pulls any more.
    let launch = standin.launch(&second);
    drop((decoder, video, share));
    assert!(!owner.is_gone());
    standin.finish(launch);
    assert_eq!(queue.waits.load(Ordering::Acquire), 0);
    drop(second);
    assert_eq!(queue.waits.load(Ordering::Acquire), 1);
    assert_nothing_left(&standin);
    assert!(owner.is_gone());
}

/// Queues a kernel that reads the whole frame.
fn read(stream: &Stream, frame: &Frame) {
    let numbers: Vec<u32> = frame
        .planes()
        .iter()
        .flat_map(|plane| [plane.offset_bytes as u32, plane.pitch_bytes as u32])
        .collect();
    let params: Vec<u8> = numbers.iter().flat_map(|n| n.to_ne_bytes()).collect();
    stream
        .launch(&Launch {
            source: &READ_PICTURE,
            groups: [1, 1, 1],
            params: &params,
            arguments: &[Argument::Input(frame.buffer())],
        })
        .unwrap();
}

#[test]
fn frames_are_the_decoders_own_surfaces_and_go_back_behind_the_mark() {
    let standin = Standin::new(true);
    let (queue, reader) = (Arc::new(TestQueue::default()), standin.reader());
    let device = ExecutorDevice::new(DeviceKind::Cuda, "stand-in", Arc::clone(&reader) as _);
    let device: Arc<dyn Device> = Arc::new(device);
    let library = CudaLibrary::open_at(&standin.path).unwrap();
    let share = CudaShare::of_device(&library, &device, Arc::clone(&queue) as _).unwrap();
    let settings = DecoderSettings {
        device: Arc::clone(&device),
        surfaces: Some(share),
        ..settings(Pace::Fast)
    };
    let stream = device.stream("face").unwrap();
    let units = access_units(3, (318, 182));
    let (mut decoder, mut video) = AccessUnitDecoder::start(&settings).unwrap();
    for (n, unit) in units.iter().enumerate() {
        assert_eq!(decoder.push(unit).unwrap(), Pushed::Accepted);
        let Pull::Item(frame) = video.next(CEILING).unwrap() else {
            panic!("no picture");
        };
        assert_eq!((frame.width(), frame.height()), (318, 182));
        assert_eq!(frame.format(), PixelFormat::Nv12);
        assert_eq!((frame.pts_ns(), frame.seq()), (unit.pts_ns, n as u64));
        read(&stream, &frame);
        assert_eq!(standin.faults(), [""; 0]);
        // A clone holds the surface; after the last one it waits for what was queued.
        let clone = frame.clone();
        drop(frame);
        assert_eq!(standin.surfaces_out(), 1);
        drop(clone);
        assert_eq!(standin.surfaces_out(), 1, "the kernel still reads it");
        for launch in reader.launches.lock().unwrap().drain(..) {
            standin.finish(launch);
        }
        queue.advance();
    }
    let counters = decoder.watch().counters();
    assert_eq!((counters.frames, counters.picture_changes), (3, 0));
    assert_eq!((counters.host_copies, counters.device_copies), (0, 0));
    assert_eq!(device.transfers(), Transfers::default(), "nothing crossed");
    drop((decoder, video, settings));
    assert_nothing_left(&standin);
}

#[test]
fn a_device_without_a_context_lends_none() {
    let standin = Standin::new(true);
    let device: Arc<dyn Device> = Arc::new(CpuDevice::new());
    let library = CudaLibrary::open_at(&standin.path).unwrap();
    let queue = Arc::new(TestQueue::default());
    let refused = CudaShare::of_device(&library, &device, queue).map(drop);
    assert_eq!(refused, Err(CudaAbsent::NoContext));
    assert_eq!(standin.faults(), [""; 0]);
}

#[test]
fn a_live_source_drops_its_newest_picture_when_three_surfaces_are_held() {
    let standin = Standin::new(true);
    let queue = Arc::new(TestQueue::default());
    let (share, _) = standin.share(&queue);
    let units = access_units(8, (320, 180));
    let (mut decoder, mut video) =
        AccessUnitDecoder::start_on_cuda(&settings(Pace::Live), &share).unwrap();
    let mut held = Vec::new();
    for unit in &units[..MAX_SURFACES] {
        decoder.push(unit).unwrap();
        held.push(one(&mut video));
    }
    for unit in &units[MAX_SURFACES..7] {
        decoder.push(unit).unwrap();
        assert!(matches!(video.next(SHORT).unwrap(), Pull::Pending));
    }
    let counters = decoder.watch().counters();
    assert_eq!((counters.frames, counters.frames_without_slot), (3, 4));
    // Dropped, but their readers are not done: the places are still taken. Then they are.
    held.clear();
    assert!(matches!(video.next(SHORT).unwrap(), Pull::Pending));
    queue.advance();
    decoder.push(&units[7]).unwrap();
    assert_eq!(one(&mut video).pts_ns(), units[7].pts_ns);
    assert!(standin.peak() <= 5, "the decoder always had a surface");
    drop((decoder, video, share));
    assert_nothing_left(&standin);
}

#[test]
fn a_source_that_may_wait_waits_for_a_surface_and_loses_nothing() {
    let standin = Standin::new(true);
    let queue = Arc::new(TestQueue::default());
    let (share, _) = standin.share(&queue);
    let units = access_units(4, (320, 180));
    let (mut decoder, mut video) =
        AccessUnitDecoder::start_on_cuda(&settings(Pace::Fast), &share).unwrap();
    let mut times = Vec::new();
    let mut held = Vec::new();
    for unit in &units {
        decoder.push(unit).unwrap();
        if held.len() < MAX_SURFACES {
            held.push(one(&mut video));
        }
    }
    assert!(matches!(video.next(SHORT).unwrap(), Pull::Pending));
    times.extend(held.drain(..).map(|frame| frame.pts_ns()));
    queue.advance();
    times.push(one(&mut video).pts_ns());
    let pushed: Vec<i64> = units.iter().map(|unit| unit.pts_ns).collect();
    assert_eq!(times, pushed);
    assert_eq!(decoder.watch().counters().frames_without_slot, 0);
    drop((decoder, video, share));
    assert_nothing_left(&standin);
}

#[test]
fn a_device_that_marks_no_work_keeps_its_surface_for_good() {
    let standin = Standin::new(true);
    let queue = Arc::new(TestQueue::default());
    let (share, owner) = standin.share(&queue);
    let units = access_units(1, (320, 180));
    let (mut decoder, mut video) =
        AccessUnitDecoder::start_on_cuda(&settings(Pace::Fast), &share).unwrap();
    decoder.push(&units[0]).unwrap();
    let frame = one(&mut video);
    let launch = standin.launch(&frame);
    queue.is_lost.store(true, Ordering::Release);
    drop(frame);
    drop((decoder, video, share));
    assert_eq!(standin.surfaces_out(), 1);
    assert!(!owner.is_gone(), "the surface needs its context");
    assert_eq!(standin.faults(), [""; 0]);
    standin.finish(launch);
}

#[test]
fn a_machine_without_driver_is_told_by_a_value_and_nothing_else_is_called() {
    let standin = Standin::new(false);
    let absent = CudaLibrary::open_at(&standin.path).unwrap_err();
    assert_eq!(absent, CudaAbsent::Driver);
    assert_eq!(standin.faults(), [""; 0], "anything else ends the process");
}

#[test]
fn a_library_that_is_not_there_or_another_one_is_a_typed_value() {
    let nowhere = CudaLibrary::open_at(Path::new("/nonexistent/libgstcuda-1.0.so.0"));
    assert!(matches!(nowhere, Err(CudaAbsent::Library { .. })));
    let other = CudaLibrary::open_at(Path::new("libgstreamer-1.0.so.0"));
    assert!(matches!(
        other,
        Err(CudaAbsent::Symbol {
            symbol: "gst_cuda_load_library",
            ..
        })
    ));
}

#[test]
fn the_version_is_seen_by_what_the_library_offers() {
    let standin = Standin::new(true);
    let library = CudaLibrary::open_at(&standin.path).unwrap();
    assert_eq!(library.has_streams(), crate::FLAVOUR == Flavour::V1_24);
}

/// The library of this machine, whatever it is: asking never ends the process.
#[test]
fn the_installed_library_can_be_asked() {
    match CudaLibrary::open() {
        Ok(library) => println!("opened {library:?}"),
        Err(absent) => println!("not run beyond the question: {absent}"),
    }
}
