//! How soon does measuring go on after the media engine is killed?
//!
//! A session measures the live demo; its engine gets SIGKILL, 20 times. Two spans are taken for each kill: until the server calls
//! the engine `ok` again, and until the first frame after it is measured. The circuit breaker's window is
//! shortened below the distance of two kills, so that each counts as the first one and waits the shortest pause (0.5 s).
//! `--kills N` changes the number, `--gap SECONDS` the distance.

use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lsie_benches::{Call, Series, Server, run};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use uuid::Uuid;

/// Window of the circuit breaker, seconds.
const WINDOW_SECS: f64 = 4.0;

fn main() -> ExitCode {
    run("engine_kills", &["kills", "gap"], measure)
}

fn measure(call: &Call) -> Result<()> {
    let kills = call.number("kills", call.count(20_u32, 1))?;
    let gap = call.number("gap", call.count(6.0_f64, 0.1))?;
    let server = Server::start(
        call,
        &[
            "engine.circuit_deaths=100",
            &format!("engine.circuit_window_s={WINDOW_SECS}"),
        ],
    )?;
    let session_id = server.start_session("demo:presenter")?;
    call.say(format_args!(
        "input    demo:presenter, 1280x720, live at 30 frames per second; SIGKILL {kills} times, {gap} s after measuring went on; \
         shortest restart pause 0.5 s"
    ));

    let mut until_ok = Series::new("kill to engine `ok`");
    let mut until_measured = Series::new("kill to the first frame measured again");
    for _ in 0..kills {
        sleep(Duration::from_secs_f64(gap));
        let (ok, measured) = kill_once(&server, session_id)?;
        call.say(format_args!(
            "  ok after {ok:.0} ms, measuring after {measured:.0} ms"
        ));
        until_ok.push(ok);
        until_measured.push(measured);
    }
    call.say(format_args!("\n{}", Series::SPAN_HEAD));
    for series in [until_ok, until_measured] {
        call.say(format_args!("{}", series.span_row()));
    }
    Ok(())
}

/// Milliseconds from the kill until the engine is `ok`, and until a frame is measured again.
fn kill_once(server: &Server, session_id: Uuid) -> Result<(f64, f64)> {
    let before = server.status()?.engine;
    let pid = before.pid.context("no engine to kill")?;
    let start = Instant::now();
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL)?;
    server.wait("the engine did not come back", |server| {
        let engine = server.status()?.engine;
        let is_new = engine.deaths > before.deaths && engine.pid != before.pid;
        Ok((is_new && engine.state == "ok").then_some(()))
    })?;
    let ok = ms_since(start);
    let last = server
        .readback(session_id)?
        .visual
        .map(|tick| tick.timestamp_s);
    let newest = || -> Result<Option<f64>> {
        let readback = server.readback(session_id)?;
        let is_playing = readback.source_state == "playing";
        Ok(readback
            .visual
            .filter(|_| is_playing)
            .map(|tick| tick.timestamp_s))
    };
    server.wait("the session did not go on", |_| {
        Ok(newest()?
            .is_some_and(|at| last.is_none_or(|last| at > last))
            .then_some(()))
    })?;
    Ok((ok, ms_since(start)))
}

fn ms_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}
