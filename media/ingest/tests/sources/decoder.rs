//! Access units in, frames out.

use std::thread;

use lsie_ingest::{
    AccessUnit, AccessUnitDecoder, DecoderSettings, IngestEvent, Pace, Pull, Pushed, host_time_ns,
};

use crate::making::{CEILING, access_units, all_frames, all_times, device, one_frame};

fn settings(pace: Pace) -> DecoderSettings {
    DecoderSettings {
        device: device(),
        pool_slots: 40,
        pace,
        surfaces: None,
    }
}

/// Media time and size of a frame.
type Seen = (i64, (u32, u32));

/// Pushes from a thread of its own, as a socket's reader does.
fn decode(units: Vec<AccessUnit>) -> (Vec<Seen>, lsie_ingest::Watch) {
    let (mut decoder, mut video) = AccessUnitDecoder::start(&settings(Pace::Fast)).unwrap();
    let watch = decoder.watch();
    let pusher = thread::Builder::new()
        .spawn(move || {
            for unit in &units {
                decoder.push(unit).unwrap();
            }
        })
        .unwrap();
    let frames = all_frames(&mut video).unwrap();
    pusher.join().unwrap();
    let seen = frames
        .iter()
        .map(|frame| (frame.pts_ns(), (frame.width(), frame.height())))
        .collect();
    (seen, watch)
}

#[test]
fn every_access_unit_becomes_a_frame_with_the_time_of_its_push() {
    let units = access_units(12, (320, 180), 5_000_000_000);
    let (mut decoder, mut video) = AccessUnitDecoder::start(&settings(Pace::Fast)).unwrap();
    for (n, unit) in units.iter().enumerate() {
        let before = host_time_ns();
        assert_eq!(decoder.push(unit).unwrap(), Pushed::Accepted);
        let after = host_time_ns();
        // One in, one out: nothing is held back.
        let frame = one_frame(&mut video);
        assert_eq!((frame.pts_ns(), frame.seq()), (unit.pts_ns, n as u64));
        assert!((before..=after).contains(&frame.host_time_ns()));
    }
    drop(decoder);
    assert!(matches!(video.next(CEILING).unwrap(), Pull::End));
}

#[test]
fn the_picture_may_change_its_size() {
    let mut units = access_units(10, (320, 180), 0);
    units.extend(access_units(10, (180, 320), 1_000_000_000));
    let (seen, watch) = decode(units);
    assert_eq!(seen.len(), 20);
    assert!(seen[..10].iter().all(|(_, size)| *size == (320, 180)));
    assert!(seen[10..].iter().all(|(_, size)| *size == (180, 320)));
    assert_eq!(
        watch.take_events(),
        [IngestEvent::PictureChanged {
            pts_ns: 1_000_000_000,
            from: (320, 180),
            to: (180, 320)
        }]
    );
}

#[test]
fn damage_is_counted_and_decoding_goes_on() {
    let mut units = access_units(40, (320, 180), 0);
    let noise = |n: usize| {
        (0..n)
            .map(|i| ((i * 7919) >> 2) as u8 | 1)
            .collect::<Vec<u8>>()
    };
    // No start code; an empty one; a slice whose body is noise; one that lost its second half.
    units[3].data = noise(400).into();
    units[7].data = [].into();
    let mut body = units[13].data.to_vec();
    let half = body.len() / 2;
    body[40..half].copy_from_slice(&noise(half - 40));
    units[13].data = body.into();
    units[17].data = units[17].data[..units[17].data.len() / 2].into();
    let (seen, watch) = decode(units);
    let counters = watch.counters();
    assert_eq!(counters.access_units_rejected, 2);
    assert_eq!(counters.access_units, 38);
    assert!(seen.len() >= 34, "{} frames, {counters:?}", seen.len());
    assert_eq!(
        seen.len() as u64 + counters.access_units_undecoded,
        38,
        "{counters:?}"
    );
    assert_eq!(seen.last().unwrap().0, 39 * 33_333_333);
}

#[test]
fn decoding_begins_at_a_key_frame() {
    let units = access_units(15, (160, 120), 0);
    let (mut decoder, video) = AccessUnitDecoder::start(&settings(Pace::Live)).unwrap();
    assert!(decoder.awaits_key_frame());
    for unit in &units[1..10] {
        assert_eq!(decoder.push(unit).unwrap(), Pushed::AwaitingKeyFrame);
    }
    assert_eq!(decoder.push(&units[10]).unwrap(), Pushed::Accepted);
    assert!(!decoder.awaits_key_frame());
    let watch = decoder.watch();
    assert_eq!(watch.counters().access_units_dropped, 9);
    // Asked for once, not nine times.
    assert_eq!(
        watch.take_events(),
        [IngestEvent::KeyFrameWanted { pts_ns: 33_333_333 }]
    );
    drop((decoder, video));
}

#[test]
fn broken_input_of_every_kind_is_rejected_without_harm() {
    let (mut decoder, mut video) = AccessUnitDecoder::start(&settings(Pace::Fast)).unwrap();
    let mut good = access_units(1, (160, 120), 0).remove(0);
    for bad in [
        AccessUnit {
            pts_ns: -1,
            ..good.clone()
        },
        AccessUnit {
            data: [0, 0, 0, 1].into(),
            ..good.clone()
        },
        AccessUnit {
            data: [0, 0, 0, 1, 0x67, 0x42].into(),
            ..good.clone()
        },
        AccessUnit {
            data: vec![0; (8 << 20) + 1].into(),
            ..good.clone()
        },
    ] {
        assert_eq!(decoder.push(&bad).unwrap(), Pushed::Rejected);
    }
    good.pts_ns = i64::MAX;
    decoder.push(&good).unwrap();
    drop(decoder);
    assert!(all_times(&mut video).unwrap().len() <= 1);
}

#[test]
fn a_stopped_decoder_says_so_on_both_sides() {
    let units = access_units(5, (160, 120), 0);
    let (mut decoder, mut video) = AccessUnitDecoder::start(&settings(Pace::Fast)).unwrap();
    decoder.push(&units[0]).unwrap();
    decoder.stop();
    assert_eq!(decoder.push(&units[1]).unwrap(), Pushed::Stopped);
    assert!(matches!(video.next(CEILING).unwrap(), Pull::End));
}

#[test]
fn a_live_decoder_never_makes_its_pusher_wait() {
    // Nobody pulls: the newest frame replaces the one before.
    let units = access_units(200, (160, 120), 0);
    let (mut decoder, mut video) = AccessUnitDecoder::start(&settings(Pace::Live)).unwrap();
    for unit in &units {
        decoder.push(unit).unwrap();
    }
    let watch = decoder.watch();
    drop(decoder);
    let times = all_times(&mut video).unwrap();
    // Some may still come out of the decoder while the first is pulled.
    assert!(times.len() < 150, "{} of 200 waited", times.len());
    let counters = watch.counters();
    assert_eq!(counters.access_units + counters.access_units_dropped, 200);
}
