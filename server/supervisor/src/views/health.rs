//! Health: every required part with its state, and what a person can do about it. Unknown among them is at least degraded.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use lsie_schemas::api::{Health, HealthState, Subsystem};
use lsie_schemas::link::{PhoneReport, SourceReport};
use lsie_schemas::time::UtcMicros;

use crate::snapshot::{EngineState, Snapshot};

pub(super) fn view(snapshot: &Snapshot, now: UtcMicros) -> Health {
    let subsystems = vec![
        engine(snapshot),
        store(snapshot),
        models(snapshot),
        source(snapshot),
        face(snapshot),
    ];
    let count = |state| subsystems.iter().filter(|part| part.state == state).count() as u32;
    Health {
        generated_at_utc: now,
        overall_state: overall(&subsystems, snapshot.live.is_some()),
        degraded_count: count(HealthState::Degraded),
        recovering_count: count(HealthState::Recovering),
        error_count: count(HealthState::Error),
        subsystems,
        subsystem_probes: BTreeMap::new(),
    }
}

/// Worst first: error, degraded, recovering. Source and face are only required while a session is open.
pub(super) fn overall(subsystems: &[Subsystem], in_session: bool) -> HealthState {
    let required =
        |part: &&Subsystem| in_session || !matches!(part.subsystem_key.as_str(), "source" | "face");
    let states: Vec<HealthState> = subsystems
        .iter()
        .filter(required)
        .map(|part| part.state)
        .collect();
    let has = |state| states.contains(&state);
    if has(HealthState::Error) {
        HealthState::Error
    } else if has(HealthState::Degraded) {
        HealthState::Degraded
    } else if has(HealthState::Recovering) {
        HealthState::Recovering
    } else if has(HealthState::Unknown) {
        HealthState::Degraded
    } else {
        HealthState::Ok
    }
}

fn part(key: &str, label: &str, state: HealthState, detail: Option<String>) -> Subsystem {
    Subsystem {
        subsystem_key: key.into(),
        label: label.into(),
        state,
        last_success_utc: None,
        detail,
        recovery_mode: None,
        operator_action_hint: None,
    }
}

fn engine(snapshot: &Snapshot) -> Subsystem {
    let engine = &snapshot.engine;
    let state = match engine.state {
        EngineState::Ok => HealthState::Ok,
        EngineState::Starting | EngineState::Recovering => HealthState::Recovering,
        EngineState::CircuitOpen => HealthState::Error,
        EngineState::Stopped => HealthState::Unknown,
    };
    let detail = match engine.state {
        EngineState::Ok if engine.peers.viewers > 0 => {
            let device = engine.device.as_deref().unwrap_or("unknown");
            Some(format!("{device}; viewers: {}", engine.peers.viewers))
        }
        EngineState::Ok => engine.device.clone(),
        _ => engine
            .last_exit
            .clone()
            .or_else(|| Some(engine.state.code().to_owned())),
    };
    let mut part = part("engine", "Media engine", state, detail);
    part.last_success_utc = engine.last_heartbeat;
    match engine.state {
        EngineState::Recovering => part.recovery_mode = Some("restart with back-off".into()),
        EngineState::CircuitOpen => {
            part.detail = Some(format!(
                "circuit open after {} deaths; last: {}",
                engine.deaths,
                engine.last_exit.as_deref().unwrap_or("unknown")
            ));
            part.operator_action_hint =
                Some("look at the log, then run `lsie engine-control reset`".into());
        }
        _ => {}
    }
    part
}

fn store(snapshot: &Snapshot) -> Subsystem {
    let state = if snapshot.store_fault.is_some() {
        HealthState::Error
    } else {
        HealthState::Ok
    };
    let mut part = part("store", "Store", state, snapshot.store_fault.clone());
    part.last_success_utc = snapshot.last_commit;
    if part.detail.is_some() {
        part.operator_action_hint = Some("free disk space; nothing committed is lost".into());
    }
    part
}

fn models(snapshot: &Snapshot) -> Subsystem {
    let missing: Vec<_> = snapshot
        .engine
        .models
        .iter()
        .filter(|(_, state)| state.as_str() != "ready")
        .collect();
    if snapshot.engine.models.is_empty() {
        return part(
            "models",
            "Models",
            HealthState::Unknown,
            Some("the engine has not said which models it has".into()),
        );
    }
    if missing.is_empty() {
        return part(
            "models",
            "Models",
            HealthState::Ok,
            Some(format!("{} ready", snapshot.engine.models.len())),
        );
    }
    let words = missing
        .iter()
        .map(|(name, state)| format!("{name}: {state}"))
        .collect::<Vec<_>>()
        .join("; ");
    let mut part = part("models", "Models", HealthState::Degraded, Some(words));
    part.operator_action_hint = Some("run `lsie models fetch`".into());
    part
}

fn source(snapshot: &Snapshot) -> Subsystem {
    let Some(live) = &snapshot.live else {
        let mut part = part(
            "source",
            "Source",
            HealthState::Unknown,
            Some("no session is open".into()),
        );
        part.operator_action_hint = Some(
            "start one: `lsie sessions start demo:presenter --experiment greeting_line_v1`".into(),
        );
        return part;
    };
    if let Some(report) = &live.source {
        return reported(&live.source_url, report);
    }
    let state = match live.source_state.as_str() {
        "playing" => HealthState::Ok,
        "failed" => HealthState::Error,
        "degraded" => HealthState::Degraded,
        _ => HealthState::Recovering,
    };
    part(
        "source",
        "Source",
        state,
        Some(format!("{}: {}", live.source_url, live.source_state)),
    )
}

/// What a source says of itself, with its clock.
fn reported(source_url: &str, report: &SourceReport) -> Subsystem {
    let state = match report.state.as_str() {
        "ok" => HealthState::Ok,
        "degraded" => HealthState::Degraded,
        "error" => HealthState::Error,
        "recovering" => HealthState::Recovering,
        _ => HealthState::Unknown,
    };
    let mut words = format!("{source_url}: {}", report.detail.as_str());
    if let Some(clock) = &report.clock {
        let _ = write!(words, "; clock {}", clock.state.as_str());
        if let Some(ppm) = clock.drift_ppm {
            let _ = write!(words, ", drift {ppm:+.1} ppm");
        }
        if let Some(bound_ms) = clock.uncertainty_ms {
            let _ = write!(words, ", uncertainty {bound_ms:.2} ms");
        }
    }
    if let Some(phone) = &report.phone {
        say_phone(&mut words, phone);
    }
    let mut part = part("source", "Source", state, Some(words));
    let hint = report.hint.as_str();
    part.operator_action_hint = (!hint.is_empty()).then(|| hint.to_owned());
    part
}

/// Which phone it is and what arrives from it.
fn say_phone(words: &mut String, phone: &PhoneReport) {
    let name = match phone.model.as_str() {
        "" => phone.serial.as_str(),
        model => model,
    };
    let _ = write!(words, "; {name}");
    if let Some((width, height)) = phone.resolution {
        let _ = write!(words, ", {width}x{height}");
    }
    if let (Some(fps), Some(bps)) = (phone.fps, phone.bit_rate_bps) {
        let megabits = f64::from(bps) / 1e6;
        let _ = write!(words, ", {fps:.1} pictures/s, {megabits:.1} Mbit/s");
    }
}

fn face(snapshot: &Snapshot) -> Subsystem {
    let tick = snapshot.live.as_ref().and_then(|live| live.visual.as_ref());
    match tick {
        None => part("face", "Face", HealthState::Unknown, None),
        Some(tick) if tick.face_present => part("face", "Face", HealthState::Ok, None),
        Some(tick) => {
            let reason = tick.absent.map(|reason| reason.code().to_owned());
            let mut part = part("face", "Face", HealthState::Recovering, reason);
            part.operator_action_hint = Some("show one face to the camera".into());
            part
        }
    }
}

#[cfg(test)]
mod tests {
    use lsie_schemas::link::{SourceClockReport, Text};

    use super::*;

    #[test]
    fn a_source_that_reports_is_shown_with_its_clock_and_what_to_do() {
        let report = SourceReport {
            state: Text::cut("recovering"),
            detail: Text::cut("unauthorized"),
            hint: Text::cut("unlock the phone"),
            clock: Some(SourceClockReport {
                state: Text::cut("good"),
                offset_s: Some(1.5),
                drift_ppm: Some(80.04),
                uncertainty_ms: Some(0.4),
                round_trip_ms: None,
            }),
            phone: Some(PhoneReport {
                serial: Text::cut("R58M12"),
                model: Text::cut("Pixel 7"),
                server_version: Text::cut("4.1"),
                resolution: Some((1280, 720)),
                fps: Some(29.96),
                bit_rate_bps: Some(7_640_000),
                pictures_late: 0,
                pictures_dropped: 0,
                pictures_corrupt: 0,
                sound_dropped: 0,
                sound_silent_frames: 0,
                sessions: 1,
            }),
        };
        let part = reported("android://device", &report);
        assert_eq!(part.state, HealthState::Recovering);
        assert_eq!(
            part.detail.as_deref(),
            Some(
                "android://device: unauthorized; clock good, drift +80.0 ppm, uncertainty 0.40 ms; Pixel 7, 1280x720, 30.0 pictures/s, 7.6 Mbit/s"
            )
        );
        assert_eq!(
            part.operator_action_hint.as_deref(),
            Some("unlock the phone")
        );
    }

    fn parts(states: &[(&str, HealthState)]) -> Vec<Subsystem> {
        states
            .iter()
            .map(|(key, state)| part(key, key, *state, None))
            .collect()
    }

    #[test]
    fn error_outranks_degraded_outranks_recovering() {
        use HealthState::{Degraded, Error, Ok, Recovering};
        assert_eq!(
            overall(
                &parts(&[("engine", Ok), ("store", Error), ("models", Degraded)]),
                true
            ),
            Error
        );
        assert_eq!(
            overall(
                &parts(&[("engine", Recovering), ("models", Degraded)]),
                true
            ),
            Degraded
        );
        assert_eq!(
            overall(&parts(&[("engine", Recovering), ("models", Ok)]), true),
            Recovering
        );
        assert_eq!(overall(&parts(&[("engine", Ok), ("models", Ok)]), true), Ok);
    }

    #[test]
    fn unknown_among_the_required_is_at_least_degraded() {
        use HealthState::{Degraded, Ok, Unknown};
        let states = [("engine", Ok), ("source", Unknown), ("face", Unknown)];
        assert_eq!(overall(&parts(&states), true), Degraded);
        assert_eq!(overall(&parts(&states), false), Ok);
    }
}
