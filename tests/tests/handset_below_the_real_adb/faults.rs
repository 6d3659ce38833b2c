//! What happens to a phone, and what the handset makes of it (device 7).

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use lsie_handset::adb::DeviceState;
use lsie_handset::clock::ClockState;
use lsie_handset::session::{EndCause, SessionState, VideoState};
use lsie_handset::{Handset, MAX_LIVE_AGE_NS, UnitFlags};
use lsie_tests::phone::{Film, LinkModel, Phone, PhoneSettings, VideoFault, adb_server};

use crate::stage::{Bench, CEILING, SOON, config, eventually, is_key};

#[test]
fn an_offline_phone_is_waited_for_and_starts_once_it_answers() -> Result<()> {
    let Some(mut bench) = Bench::new("offline", "4.1", |_| {})? else {
        return Ok(());
    };
    bench.wait_state(SessionState::Streaming)?;
    bench.phone.ignore_greeting(true);
    bench.phone.unplug();
    bench.phone.replug()?;
    bench.wait_state(SessionState::Waiting(DeviceState::Offline))?;
    bench.phone.ignore_greeting(false);
    bench.phone.unplug();
    bench.phone.replug()?;
    bench.wait_state(SessionState::Streaming)?;
    bench.unit("after it answered", is_key).map(drop)
}

#[test]
fn flag_bits_that_mean_nothing_end_the_session_and_the_next_one_streams() -> Result<()> {
    for (name, version) in [("flags-b", "4.1"), ("flags-a", "3.3.4")] {
        let Some(mut bench) = Bench::new(name, version, |_| {})? else {
            return Ok(());
        };
        bench.wait_state(SessionState::Streaming)?;
        bench.phone.inject(VideoFault::BadFlags);
        let cause = bench.wait_end()?;
        ensure!(cause == EndCause::Framing, "{cause:?}");
        bench.wait_state(SessionState::Streaming)?;
        ensure!(bench.handset()?.status().video.framing_errors == 1);
    }
    Ok(())
}

#[test]
fn a_packet_cut_short_is_discarded_and_the_next_session_streams() -> Result<()> {
    let Some(mut bench) = Bench::new("truncated", "4.1", |_| {})? else {
        return Ok(());
    };
    bench.wait_state(SessionState::Streaming)?;
    bench.unit("at first", is_key)?;
    bench.phone.inject(VideoFault::Truncate);
    let cause = bench.wait_end()?;
    ensure!(
        matches!(cause, EndCause::StreamEnded | EndCause::ServerExited),
        "{cause:?}"
    );
    bench.wait_state(SessionState::Streaming)?;
    bench.unit("of the next session", |unit| {
        is_key(unit) && unit.flags.has(UnitFlags::DISCONTINUOUS)
    })?;
    ensure!(bench.handset()?.status().video.framing_errors == 0);
    Ok(())
}

#[test]
fn a_server_that_crashes_while_it_streams_is_started_again() -> Result<()> {
    let Some(mut bench) = Bench::new("crash", "4.1", |_| {})? else {
        return Ok(());
    };
    bench.wait_state(SessionState::Streaming)?;
    bench.phone.inject(VideoFault::Exit);
    let cause = bench.wait_end()?;
    ensure!(
        matches!(cause, EndCause::StreamEnded | EndCause::ServerExited),
        "{cause:?}"
    );
    bench.wait_state(SessionState::Streaming)?;
    let phone = Arc::clone(&bench.phone);
    eventually("one server is left", || phone.servers() == 1)
}

#[test]
fn parameter_sets_in_the_middle_go_with_the_next_picture() -> Result<()> {
    let Some(mut bench) = Bench::new("config", "4.1", |_| {})? else {
        return Ok(());
    };
    bench.wait_state(SessionState::Streaming)?;
    bench.unit("at first", is_key)?;
    bench.phone.inject(VideoFault::Config);
    // A picture that is no key begins with parameter sets (7) all the same.
    bench.unit("with sets in front", |unit| {
        !is_key(unit) && unit.data.get(4).is_some_and(|head| head & 0x1f == 7)
    })?;
    let status = bench.handset()?.status();
    ensure!(status.sessions == 1 && status.video.framing_errors == 0);
    Ok(())
}

#[test]
fn a_stall_of_two_seconds_is_told_and_ends_by_itself() -> Result<()> {
    let Some(mut bench) = Bench::new("stall", "4.1", |_| {})? else {
        return Ok(());
    };
    bench.wait_state(SessionState::Streaming)?;
    let before = bench.unit("at first", is_key)?;
    bench.phone.rest_video(true);
    let begun = Instant::now();
    let mut was_told = false;
    while begun.elapsed() < Duration::from_secs(2) {
        let state = bench.handset()?.status().video_state;
        was_told |= matches!(state, VideoState::Stalled | VideoState::Resetting);
        std::thread::sleep(Duration::from_millis(20));
    }
    bench.phone.rest_video(false);
    ensure!(was_told, "the stall was not told");
    bench.unit("after the stall", |unit| {
        unit.device_pts_ns > before.device_pts_ns + 2_000_000_000
    })?;
    let handset = bench.handset()?;
    eventually("it is well again", || {
        let status = handset.status();
        status.state == SessionState::Streaming && status.video_state == VideoState::Live
    })
}

#[test]
fn damaged_bytes_inside_a_picture_break_no_framing() -> Result<()> {
    let Some(mut bench) = Bench::new("flips", "4.1", |_| {})? else {
        return Ok(());
    };
    bench.wait_state(SessionState::Streaming)?;
    for _ in 0..20 {
        bench.phone.inject(VideoFault::FlipBits);
    }
    for _ in 0..60 {
        bench.unit("at all", |_| true)?;
    }
    let status = bench.handset()?.status();
    ensure!(
        status.sessions == 1 && status.video.framing_errors == 0,
        "{status:?}"
    );
    Ok(())
}

#[test]
fn a_server_of_another_version_is_given_up_with_its_own_words() -> Result<()> {
    let other = |settings: &mut PhoneSettings| settings.server_version = "4.0".into();
    let Some(mut bench) = Bench::new("version", "4.1", other)? else {
        return Ok(());
    };
    let log = bench.wait_state(SessionState::Failed(EndCause::ServerExited))?;
    ensure!(
        log.iter().any(|line| line.contains("does not match")),
        "{log:?}"
    );
    ensure!(bench.handset()?.status().sessions == 3);
    Ok(())
}

#[test]
fn a_socket_that_comes_late_is_waited_for() -> Result<()> {
    let late = |settings: &mut PhoneSettings| settings.late_socket = Duration::from_secs(4);
    let Some(mut bench) = Bench::new("late", "4.1", late)? else {
        return Ok(());
    };
    bench.wait_state(SessionState::Streaming)?;
    ensure!(bench.handset()?.status().sessions == 1);
    Ok(())
}

#[test]
fn a_server_that_never_greets_is_given_up_in_time() -> Result<()> {
    let Some(mut bench) = Bench::new("mute", "4.1", |settings| settings.greets = false)? else {
        return Ok(());
    };
    let cause = bench.wait_end()?;
    ensure!(
        matches!(cause, EndCause::SocketTimeout | EndCause::Framing),
        "{cause:?}"
    );
    Ok(())
}

#[test]
fn over_a_slow_cable_what_is_old_is_flagged_and_the_session_stays() -> Result<()> {
    let Some(mut bench) = Bench::new("cable", "4.1", |_| {})? else {
        return Ok(());
    };
    bench.wait_state(SessionState::Streaming)?;
    bench.phone.slow(LinkModel {
        rate_bps: 20_000_000,
        jitter_ms: 40,
    });
    for _ in 0..60 {
        let unit = bench.unit("at all", |unit| {
            unit.host_time
                .is_some_and(|time| time.state == ClockState::Good)
        })?;
        let age_ns = unit
            .host_time
            .map_or(0, |time| unit.arrived_ns - time.host_ns);
        ensure!(
            unit.flags.has(UnitFlags::LATE) == (age_ns > MAX_LIVE_AGE_NS),
            "{age_ns} ns"
        );
    }
    let status = bench.handset()?.status();
    ensure!(status.sessions == 1 && status.state == SessionState::Streaming);
    Ok(())
}

/// The clip of the simulator, each picture filled up to `bytes` with an empty unit.
fn heavy_film(bytes: usize) -> Result<Film> {
    let mut film = Film::built_in(320, 180)?;
    for unit in film.units.iter_mut().filter(|unit| !unit.is_config) {
        let filler = bytes.saturating_sub(unit.bytes.len() + 6);
        unit.bytes.extend([0, 0, 0, 1, 12]);
        unit.bytes.extend(std::iter::repeat_n(0xff, filler));
        unit.bytes.push(0x80);
    }
    Ok(film)
}

#[test]
fn a_cable_that_is_too_slow_for_the_pictures_gets_a_lower_bit_rate_proposed() -> Result<()> {
    // 12 Mbit/s of pictures over 6 Mbit/s of cable, which the sound shares.
    let film = Arc::new(heavy_film(50_000)?);
    let with_film = |settings: &mut PhoneSettings| settings.film = Some(film);
    let Some(mut bench) = Bench::new("overfull", "4.1", with_film)? else {
        return Ok(());
    };
    bench.wait_state(SessionState::Streaming)?;
    bench.unit("with a clock", |unit| {
        let time = unit.host_time;
        time.is_some_and(|time| time.state == ClockState::Good)
    })?;
    ensure!(bench.handset()?.status().proposed_bit_rate_bps.is_none());
    bench.phone.slow(LinkModel {
        rate_bps: 6_000_000,
        jitter_ms: 0,
    });
    let proposed = || {
        while bench.streams.video.pop(Duration::ZERO).is_some() {}
        while bench.streams.audio.pop(Duration::ZERO).is_some() {}
        let handset = bench.handset().ok()?;
        handset.status().proposed_bit_rate_bps
    };
    eventually("a proposal", || proposed().is_some())?;
    let proposed_bps = proposed().unwrap_or_default();
    ensure!(
        (500_000..=5_000_000).contains(&proposed_bps),
        "{proposed_bps}"
    );
    let status = bench.handset()?.status();
    ensure!(status.sessions == 1 && status.video.late > 0, "{status:?}");
    Ok(())
}

#[test]
fn without_a_responder_the_bound_of_arrivals_is_stated() -> Result<()> {
    let Some(mut bench) = Bench::new("no-exec", "4.1", |settings| {
        settings.runs_responder = false;
    })?
    else {
        return Ok(());
    };
    bench.wait_state(SessionState::Streaming)?;
    let unit = bench.unit("with a clock", |unit| unit.host_time.is_some())?;
    let time = unit.host_time.filter(|time| {
        time.state == ClockState::OneWay && (time.uncertainty_ns - 30e6).abs() < 1.0
    });
    ensure!(time.is_some(), "{:?}", unit.host_time);
    let status = bench.handset()?.status();
    ensure!(status.clock_state == ClockState::OneWay && status.rate_ppm.is_none());
    ensure!(status.drift_offset_secs.is_none(), "{status:?}");
    // Pings that nobody can answer are no sign of a dead transport.
    std::thread::sleep(Duration::from_secs(3));
    ensure!(bench.handset()?.status().sessions == 1);
    Ok(())
}

#[test]
fn two_adb_servers_may_have_the_same_phone_and_neither_ends_the_other() -> Result<()> {
    let Some(mut bench) = Bench::new("first-server", "4.1", |_| {})? else {
        return Ok(());
    };
    bench.wait_state(SessionState::Streaming)?;
    let Some(second) = adb_server("second-server")? else {
        return Ok(());
    };
    second.attach(&bench.phone)?;
    let (handset, streams) = Handset::open(config(&second, "4.1", Instant::now())?)?;
    eventually("both stream", || {
        while streams.video.pop(Duration::ZERO).is_some() {}
        handset.status().state == SessionState::Streaming
    })?;
    ensure!(bench.phone.servers() == 2);
    handset.stop();
    drop(second);
    let phone = Arc::clone(&bench.phone);
    eventually("one server is left", || phone.servers() == 1)?;
    bench.unit("of the first", |_| true)?;
    ensure!(bench.handset()?.status().sessions == 1);
    Ok(())
}

/// An adb server that lists a phone and does not find it when it is asked for.
fn forgetful_server() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    std::thread::Builder::new()
        .name("forgetful-adb".into())
        .spawn(move || {
            for socket in listener.incoming().flatten() {
                let answered = std::thread::Builder::new()
                    .name("forgetful-adb-socket".into())
                    .spawn(move || drop(answer(socket)));
                drop(answered);
            }
        })?;
    Ok(port)
}

fn answer(mut socket: TcpStream) -> std::io::Result<()> {
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let length = usize::from_str_radix(&String::from_utf8_lossy(&length), 16).unwrap_or(0);
    let mut service = vec![0; length];
    socket.read_exact(&mut service)?;
    let service = String::from_utf8_lossy(&service).into_owned();
    let text = |text: &str| format!("OKAY{:04x}{text}", text.len());
    if service.starts_with("host:transport") || service.starts_with("host-serial") {
        let words = "device 'gone' not found";
        return write!(socket, "FAIL{:04x}{words}", words.len());
    }
    let list = match service.as_str() {
        "host:version" => "0029",
        "host:track-devices" => "gone\tdevice\n",
        _ => "gone device product:x model:y device:z transport_id:1\n",
    };
    write!(socket, "{}", text(list))?;
    if service == "host:track-devices" {
        // Stays open, as a tracker does.
        std::thread::sleep(CEILING);
    }
    Ok(())
}

#[test]
fn a_serial_that_is_gone_between_list_and_open_is_tried_again_and_never_final() -> Result<()> {
    let home = std::env::temp_dir().join(format!("lsie-gone-{}", std::process::id()));
    std::fs::create_dir_all(&home)?;
    let jar = home.join("jar");
    std::fs::write(&jar, b"PK")?;
    let (handset, streams) = Handset::open(lsie_handset::HandsetConfig {
        serial: Some("gone".into()),
        adb_port: forgetful_server()?,
        adb_program: None,
        jar: lsie_handset::scrcpy::JarSearch {
            flag: Some(jar),
            stated_version: Some("4.1".parse()?),
            ..Default::default()
        },
        ..Default::default()
    })?;
    let mut words = Vec::new();
    eventually("it was tried several times", || {
        while let Some(event) = streams.events.pop(SOON) {
            if let lsie_handset::HandsetEvent::State { log, .. } = event {
                words.extend(log);
            }
        }
        handset.status().sessions >= 3
    })?;
    ensure!(
        words.iter().any(|line| line.contains("not found")),
        "{words:?}"
    );
    ensure!(!matches!(
        handset.status().state,
        SessionState::Failed(_) | SessionState::Streaming
    ));
    handset.stop();
    std::fs::remove_dir_all(home)?;
    Ok(())
}

#[test]
fn phones_of_one_model_are_told_apart_by_their_serials() -> Result<()> {
    let Some(server) = adb_server("three")? else {
        return Ok(());
    };
    let epoch = Instant::now();
    let mut opened = Vec::new();
    for _ in 0..3 {
        let phone = Phone::start(PhoneSettings::new("4.1", epoch))?;
        server.attach(&phone)?;
        let mut chosen = config(&server, "4.1", epoch)?;
        chosen.serial = Some(phone.serial());
        opened.push((Handset::open(chosen)?, phone));
    }
    for ((handset, _streams), phone) in &opened {
        eventually("it streams", || {
            handset.status().state == SessionState::Streaming
        })?;
        ensure!(handset.status().serial == Some(phone.serial()));
        ensure!(phone.servers() == 1);
    }
    Ok(())
}
