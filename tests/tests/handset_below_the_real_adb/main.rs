//! The handset against a simulated phone below the genuine adb server (device 7, 8). Each test has a server of its own.

mod faults;
mod recordings;
mod stage;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lsie_handset::adb::{AdbClient, DeviceState, MODE_FILE};
use lsie_handset::clock::{ClockState, TimeBase};
use lsie_handset::scrcpy::{JarSearch, StreamKind, VideoSize};
use lsie_handset::session::{EndCause, SessionState};
use lsie_handset::{AccessUnit, AudioContent, Handset, HandsetConfig, HandsetEvent, UnitFlags};
use lsie_tests::phone::{Exit, Film, Phone, PhoneSettings, VideoFault, adb_server};

use crate::stage::{Bench, CEILING, SOON, config, eventually, is_key};

/// Every unit is one of the film's, a key with its sets in front; times are true within what they claim.
fn streams_truly(name: &str, version: &str, change: impl FnOnce(&mut PhoneSettings)) -> Result<()> {
    let Some(mut bench) = Bench::new(name, version, change)? else {
        return Ok(());
    };
    bench.wait_state(SessionState::Streaming)?;
    let film = Film::built_in(320, 180)?;
    let sets = &film.units.first().context("empty")?.bytes;
    let mut mapped = 0;
    let begun = Instant::now();
    while mapped < 60 {
        ensure!(begun.elapsed() < CEILING, "only {mapped} mapped pictures");
        let unit = bench.unit("at all", |_| true)?;
        let plain = unit
            .data
            .strip_prefix(sets.as_slice())
            .unwrap_or(&unit.data);
        ensure!(
            film.units
                .iter()
                .any(|known| known.bytes == plain && known.is_key == is_key(&unit))
        );
        ensure!(
            !is_key(&unit) || plain.len() < unit.data.len(),
            "a key without its sets"
        );
        let pts_us = u64::try_from(unit.device_pts_ns / 1000)?;
        let truth_ns = bench
            .phone
            .captured_ns(pts_us)
            .context("a stamp nobody gave")?;
        let Some(time) = unit.host_time.filter(|time| time.state == ClockState::Good) else {
            continue;
        };
        let error_ns = (time.host_ns - truth_ns).abs() as f64;
        // The stamp itself was cut to whole microseconds.
        ensure!(
            error_ns <= time.uncertainty_ns + 2000.0,
            "{error_ns} ns, claimed {time:?}"
        );
        mapped += 1;
    }
    let block = bench.streams.audio.pop(CEILING).context("no sound")?;
    ensure!(matches!(&block.content, AudioContent::Samples(samples) if samples.len() == 2048));
    let status = bench.handset()?.status();
    ensure!(status.model.as_deref() == Some("LSIE Sim"), "{status:?}");
    ensure!(status.size.map(|size| (size.width, size.height)) == Some((320, 180)));
    ensure!(status.rate_ppm.is_some_and(f64::is_finite) && status.rtt_ns.is_some());
    bench.stop();
    ensure!(bench.streams.video.is_finished() || bench.streams.video.pop(SOON).is_some());
    ensure!(bench.phone.servers() == 0, "a server was left running");
    ensure!(bench.phone.files().is_empty(), "{:?}", bench.phone.files());
    Ok(())
}

#[test]
fn pictures_and_sound_arrive_from_a_server_of_dialect_b() -> Result<()> {
    streams_truly("b", "4.1", |_| {})
}

#[test]
fn pictures_and_sound_arrive_from_a_server_of_dialect_a() -> Result<()> {
    streams_truly("a", "3.3.4", |_| {})
}

#[test]
fn times_are_within_their_bound_on_a_clock_that_runs_200_ppm_fast_or_slow() -> Result<()> {
    for (name, ppm) in [("fast", 200.0), ("slow-clock", -200.0)] {
        streams_truly(name, "4.1", |settings| settings.clock.ppm = ppm)?;
    }
    Ok(())
}

#[test]
fn a_file_arrives_whole_and_a_command_answers() -> Result<()> {
    let Some(server) = adb_server("push")? else {
        return Ok(());
    };
    let phone = Phone::start(PhoneSettings::new("4.1", Instant::now()))?;
    server.attach(&phone)?;
    let client = AdbClient::new(server.port());
    ensure!(client.version()? == 41);
    eventually("the phone is listed", || {
        let list = client.devices().unwrap_or_default();
        list.iter()
            .any(|entry| entry.serial == phone.serial() && entry.state == DeviceState::Ready)
    })?;
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    client.push(&phone.serial(), &bytes, "/data/local/tmp/x", MODE_FILE)?;
    ensure!(phone.file("/data/local/tmp/x") == Some(bytes));
    let told = client.shell(&phone.serial(), "getprop ro.product.model")?;
    ensure!((told.output.as_str(), told.status) == ("LSIE Sim\n", Some(0)));
    ensure!(
        client
            .open(&phone.serial(), "localabstract:nobody")
            .is_err()
    );
    Ok(())
}

#[test]
fn an_unauthorized_phone_starts_by_itself_once_it_is_accepted() -> Result<()> {
    let Some(mut bench) = Bench::new("auth", "4.1", |settings| settings.is_authorized = false)?
    else {
        return Ok(());
    };
    bench.wait_state(SessionState::Waiting(DeviceState::Unauthorized))?;
    bench.phone.authorize();
    bench.wait_state(SessionState::Streaming)?;
    bench.unit("after the prompt", is_key).map(drop)
}

#[test]
fn unplugged_inside_a_packet_and_plugged_in_again_a_new_session_begins_a_new_epoch() -> Result<()> {
    let Some(mut bench) = Bench::new("unplug", "4.1", |_| {})? else {
        return Ok(());
    };
    bench.wait_state(SessionState::Streaming)?;
    let first = bench.unit("with a clock", |unit| unit.host_time.is_some())?;
    bench.phone.inject(VideoFault::UnplugInside);
    bench.wait_state(SessionState::Waiting(DeviceState::NoDevice))?;
    bench.phone.replug()?;
    bench.wait_state(SessionState::Streaming)?;
    let again = bench.unit("of the new session", |unit| {
        unit.device_pts_ns > first.device_pts_ns && unit.flags.has(UnitFlags::DISCONTINUOUS)
    })?;
    ensure!(is_key(&again));
    let later = bench.unit("with a clock", |unit| {
        unit.device_pts_ns > again.device_pts_ns
            && unit
                .host_time
                .is_some_and(|time| time.state == ClockState::Good)
    })?;
    let epoch = |unit: &AccessUnit| unit.host_time.map(|time| time.epoch);
    ensure!(
        epoch(&later) > epoch(&first),
        "{:?} {:?}",
        epoch(&first),
        epoch(&later)
    );
    Ok(())
}

#[test]
fn a_phone_that_hangs_for_ever_is_given_up_by_its_pings() -> Result<()> {
    let Some(mut bench) = Bench::new("freeze", "4.1", |_| {})? else {
        return Ok(());
    };
    bench.wait_state(SessionState::Streaming)?;
    bench.unit("with a clock", |unit| {
        unit.host_time.is_some_and(|t| t.state == ClockState::Good)
    })?;
    bench.phone.freeze(true);
    let cause = bench.wait("the end", |event| match event {
        HandsetEvent::State { transition, .. } => transition.cause,
        _ => None,
    })?;
    ensure!(cause == EndCause::TransportDead, "{cause:?}");
    bench.phone.freeze(false);
    bench.wait_state(SessionState::Streaming).map(drop)
}

#[test]
fn a_turned_phone_keeps_its_session_and_tells_the_new_size() -> Result<()> {
    for (name, version) in [("turn-b", "4.1"), ("turn-a", "3.3.4")] {
        let Some(mut bench) = Bench::new(name, version, |_| {})? else {
            return Ok(());
        };
        bench.wait_state(SessionState::Streaming)?;
        for (width, height) in [(180, 320), (320, 180), (180, 320)] {
            bench.phone.inject(VideoFault::Rotate);
            let size = VideoSize { width, height };
            bench.wait("the size", |event| {
                (*event == HandsetEvent::Size(size)).then_some(())
            })?;
            let unit = bench.unit("of that size", |unit| unit.size == Some(size))?;
            ensure!(is_key(&unit));
        }
        ensure!(bench.handset()?.status().sessions == 1);
    }
    Ok(())
}

#[test]
fn a_length_that_lies_ends_the_session_and_the_next_one_streams() -> Result<()> {
    let Some(mut bench) = Bench::new("length", "4.1", |_| {})? else {
        return Ok(());
    };
    for length in [0, u32::MAX] {
        bench.wait_state(SessionState::Streaming)?;
        bench.phone.inject(VideoFault::Length(length));
        let cause = bench.wait("the end", |event| match event {
            HandsetEvent::State { transition, .. } => transition.cause,
            _ => None,
        })?;
        ensure!(cause == EndCause::Framing, "{cause:?}");
    }
    bench.wait_state(SessionState::Streaming)?;
    ensure!(bench.handset()?.status().video.framing_errors == 2);
    Ok(())
}

#[test]
fn a_unit_without_a_start_code_is_left_out_up_to_the_next_key() -> Result<()> {
    let Some(mut bench) = Bench::new("corrupt", "4.1", |_| {})? else {
        return Ok(());
    };
    bench.wait_state(SessionState::Streaming)?;
    bench.unit("at first", is_key)?;
    bench.phone.inject(VideoFault::Corrupt);
    let torn = bench.unit("after the fault", |unit| {
        assert!(unit.data.starts_with(&[0, 0]));
        unit.flags.has(UnitFlags::DISCONTINUOUS)
    })?;
    ensure!(is_key(&torn));
    let status = bench.handset()?.status();
    ensure!(
        status.video.corrupt >= 1 && status.sessions == 1,
        "{status:?}"
    );
    Ok(())
}

#[test]
fn a_server_that_leaves_at_its_start_is_tried_three_times_and_its_words_are_shown() -> Result<()> {
    let exit = Exit {
        words: "[server] ERROR: Camera 1 is in use".into(),
        status: 1,
    };
    let Some(mut bench) = Bench::new("exit", "4.1", |settings| {
        settings.exit_at_start = Some(exit);
    })?
    else {
        return Ok(());
    };
    let log = bench.wait_state(SessionState::Failed(EndCause::ServerExited))?;
    ensure!(
        log.iter().any(|line| line.contains("Camera 1 is in use")),
        "{log:?}"
    );
    ensure!(bench.handset()?.status().sessions == 3);
    Ok(())
}

#[test]
fn a_full_phone_is_a_failure_with_its_own_words() -> Result<()> {
    let refuse = |settings: &mut PhoneSettings| {
        settings.refuses_files = Some("No space left on device".into());
    };
    let Some(mut bench) = Bench::new("full", "4.1", refuse)? else {
        return Ok(());
    };
    let log = bench.wait_state(SessionState::Failed(EndCause::PushRefused))?;
    ensure!(
        log.iter().any(|line| line.contains("No space left")),
        "{log:?}"
    );
    Ok(())
}

#[test]
fn refused_sound_leaves_the_pictures_and_impossible_sound_fails() -> Result<()> {
    if let Some(mut bench) = Bench::new("no-audio", "4.1", |settings| settings.audio_id = 0)? {
        bench.wait("the refusal", |event| {
            (*event == HandsetEvent::AudioDisabled).then_some(())
        })?;
        bench.unit("without sound", is_key)?;
    }
    if let Some(mut bench) = Bench::new("bad-audio", "4.1", |settings| settings.audio_id = 1)? {
        bench.wait_state(SessionState::Failed(EndCause::AudioMisconfigured))?;
    }
    Ok(())
}

#[test]
fn a_dropout_of_sound_becomes_silence_of_its_length() -> Result<()> {
    let Some(mut bench) = Bench::new("dropout", "4.1", |_| {})? else {
        return Ok(());
    };
    bench.wait_state(SessionState::Streaming)?;
    bench.unit("at first", is_key)?;
    std::thread::sleep(Duration::from_millis(300));
    bench.phone.rest_audio(true);
    std::thread::sleep(Duration::from_millis(500));
    bench.phone.rest_audio(false);
    let frames = bench.wait("the gap", |event| match event {
        HandsetEvent::AudioGap { frames } => Some(*frames),
        _ => None,
    })?;
    // Whole blocks are missing; how many, the scheduler of this machine decides.
    let blocks = frames as f64 / 1024.0;
    ensure!(
        (blocks - blocks.round()).abs() < 0.05,
        "{frames} sample frames"
    );
    ensure!(bench.handset()?.status().audio.silent_frames == frames);
    Ok(())
}

#[test]
fn pictures_stamped_with_the_clock_that_runs_in_sleep_are_found_out() -> Result<()> {
    let Some(mut bench) = Bench::new("boottime", "4.1", |settings| settings.is_boottime = true)?
    else {
        return Ok(());
    };
    let wanted = HandsetEvent::TimeBase(StreamKind::Video, TimeBase::Boottime);
    bench.wait("the finding", |event| (*event == wanted).then_some(()))?;
    let unit = bench.unit("with a clock", |unit| {
        unit.host_time.is_some_and(|t| t.state == ClockState::Good)
    })?;
    let truth_ns = bench
        .phone
        .captured_ns(u64::try_from(unit.device_pts_ns / 1000)?);
    let time = unit.host_time.context("unmapped")?;
    let error_ns = (time.host_ns - truth_ns.context("unknown")?).abs() as f64;
    ensure!(
        error_ns < time.uncertainty_ns + 2000.0,
        "{error_ns} {time:?}"
    );
    Ok(())
}

#[test]
fn a_clock_step_is_told_and_begins_a_new_epoch() -> Result<()> {
    let Some(mut bench) = Bench::new("step", "4.1", |_| {})? else {
        return Ok(());
    };
    bench.wait_state(SessionState::Streaming)?;
    bench.unit("with a clock", |unit| {
        unit.host_time.is_some_and(|t| t.state == ClockState::Good)
    })?;
    bench
        .phone
        .change_clock(|clock| clock.offset_ns += 5_000_000_000);
    bench.wait("the step", |event| {
        (*event == HandsetEvent::ClockStepped).then_some(())
    })?;
    ensure!(bench.handset()?.status().sessions == 1);
    Ok(())
}

#[test]
fn a_silent_camera_is_reset_through_the_control_socket() -> Result<()> {
    let Some(mut bench) = Bench::new("silent", "4.1", |_| {})? else {
        return Ok(());
    };
    bench.wait_state(SessionState::Streaming)?;
    bench.unit("at first", is_key)?;
    bench.phone.rest_video(true);
    bench.wait("the reset", |event| {
        (*event == HandsetEvent::VideoReset).then_some(())
    })?;
    bench.phone.rest_video(false);
    let phone = Arc::clone(&bench.phone);
    eventually("the message arrives", || phone.controls().contains(&0x11))
}

#[test]
fn a_consumer_that_sleeps_loses_up_to_a_key_and_nothing_grows() -> Result<()> {
    let Some(mut bench) = Bench::new("slow", "4.1", |_| {})? else {
        return Ok(());
    };
    bench.wait_state(SessionState::Streaming)?;
    eventually("units are dropped", || bench.streams.video.dropped() > 30)?;
    let torn = bench.unit("behind the loss", |unit| {
        unit.flags.has(UnitFlags::DISCONTINUOUS)
    })?;
    ensure!(is_key(&torn));
    ensure!(bench.handset()?.status().state == SessionState::Streaming);
    Ok(())
}

#[test]
fn an_adb_server_killed_underneath_is_started_again() -> Result<()> {
    let Some(mut bench) = Bench::new("killed", "4.1", |_| {})? else {
        return Ok(());
    };
    bench.wait_state(SessionState::Streaming)?;
    bench.server.kill()?;
    bench.wait("the end", |event| match event {
        HandsetEvent::State { transition, .. } => transition.cause,
        _ => None,
    })?;
    let (server, phone) = (&bench.server, Arc::clone(&bench.phone));
    let client = AdbClient::new(server.port());
    // The old server may take the order with it as it goes: it is given again until the new one lists the phone.
    eventually("the phone is listed by a new server", || {
        let is_listed = client.devices().is_ok_and(|list| !list.is_empty());
        if !is_listed {
            // Refused while no server listens.
            let _ = server.attach(&phone);
        }
        is_listed
    })?;
    bench.wait_state(SessionState::Streaming).map(drop)
}

#[test]
fn of_two_phones_one_must_be_chosen() -> Result<()> {
    let Some(mut bench) = Bench::new("two", "4.1", |_| {})? else {
        return Ok(());
    };
    bench.wait_state(SessionState::Streaming)?;
    let second = Phone::start(PhoneSettings::new("4.1", Instant::now()))?;
    bench.server.attach(&second)?;
    let client = AdbClient::new(bench.server.port());
    eventually("both are usable", || {
        let list = client.devices().unwrap_or_default();
        list.len() == 2 && list.iter().all(|entry| entry.state == DeviceState::Ready)
    })?;
    let epoch = Instant::now();
    let (undecided, streams) = Handset::open(config(&bench.server, "4.1", epoch)?)?;
    let wanted = SessionState::Waiting(DeviceState::Ambiguous);
    eventually("it waits for a choice", || {
        undecided.status().state == wanted
    })?;
    drop((undecided, streams));
    let mut chosen = config(&bench.server, "4.1", epoch)?;
    chosen.serial = Some(second.serial());
    let (handset, _streams) = Handset::open(chosen)?;
    eventually("the chosen one streams", || {
        handset.status().state == SessionState::Streaming
    })?;
    ensure!(handset.status().serial == Some(second.serial()));
    Ok(())
}

#[test]
fn without_adb_the_state_says_so_and_stopping_works() -> Result<()> {
    let home = std::env::temp_dir().join(format!("lsie-no-adb-{}", std::process::id()));
    std::fs::create_dir_all(&home)?;
    let jar = home.join("jar");
    std::fs::write(&jar, b"PK")?;
    let (handset, _streams) = Handset::open(HandsetConfig {
        adb_port: 9,
        adb_program: Some(Path::new("/nonexistent/adb").into()),
        jar: JarSearch {
            flag: Some(jar),
            stated_version: Some("4.1".parse()?),
            ..JarSearch::default()
        },
        ..HandsetConfig::default()
    })?;
    let wanted = SessionState::Waiting(DeviceState::NoServer);
    eventually("no server", || handset.status().state == wanted)?;
    handset.stop();
    std::fs::remove_dir_all(home)?;
    Ok(())
}
