//! A live source whose pipeline fails is opened again, as often as it takes; a file is not.

mod server;

use lsie_schemas::link::{EngineMessage, GapNote, ServerMessage};
use uuid::Uuid;

use server::{EPOCH, Server, end_reason, is_over, order, play, tick_secs};

const FAILS: &str = "test:bars?size=160x120&fps=10&pace=live&fail_after=1";

fn gap_of(message: &EngineMessage) -> Option<GapNote> {
    match message {
        EngineMessage::Gap { gap, .. } => Some(gap.clone()),
        _ => None,
    }
}

fn states(seen: &[EngineMessage]) -> Vec<&str> {
    let mut states: Vec<&str> = seen
        .iter()
        .filter_map(|message| match message {
            EngineMessage::Heartbeat(beat) => Some(beat.source_state.as_str()),
            _ => None,
        })
        .collect();
    states.dedup();
    states
}

#[test]
fn the_session_goes_on_with_recorded_gaps_until_the_operator_ends_it() {
    let empty = tempfile::tempdir().unwrap();
    let (mut server, _) = Server::start(empty.path());
    server.open(order(FAILS));
    let mut seen = server.until(|message| matches!(message, EngineMessage::Visual(_)));
    let (session_id, stimulus_id) = (Uuid::from_u128(7), Uuid::from_u128(9));
    server.send(&ServerMessage::Stimulus {
        session_id,
        stimulus_id,
    });
    // The window of the stimulus, and twice lost and found.
    let (mut windows, mut losses) = (0, 0);
    seen.extend(server.until(|message| {
        assert!(!is_over(message), "{message:?}");
        windows += usize::from(matches!(message, EngineMessage::Segment(_)));
        losses += usize::from(gap_of(message).is_some());
        windows >= 1 && losses >= 2
    }));
    let found_at = seen.len();
    seen.extend(server.until(|message| matches!(message, EngineMessage::Visual(_))));
    server.send(&ServerMessage::End { session_id });
    seen.extend(server.until(is_over));
    assert_eq!(end_reason(&seen), "requested");

    let starts = seen
        .iter()
        .filter(|message| matches!(message, EngineMessage::SessionStarted(_)));
    assert_eq!(starts.count(), 1, "the session is one and the same");
    let gaps: Vec<GapNote> = seen.iter().filter_map(gap_of).collect();
    // No shorter than the pauses, which double.
    for (gap, pause_secs) in gaps.iter().zip([0.5, 1.0]) {
        assert_eq!(gap.reason.as_str(), "source_recovering");
        assert!(gap.to_s - gap.from_s >= pause_secs, "{gap:?}");
    }
    let ticks = tick_secs(&seen);
    assert!(ticks.is_sorted(), "media time never steps back: {ticks:?}");
    let last_gap_s = gaps[1].to_s - EPOCH.as_epoch_secs();
    let after = tick_secs(&seen[found_at..]);
    assert!(
        after.iter().any(|at| *at >= last_gap_s - 0.5),
        "{after:?} {gaps:?}"
    );
    let states = states(&seen);
    assert!(
        states
            .windows(2)
            .any(|pair| pair == ["playing", "recovering"])
            && states
                .windows(2)
                .any(|pair| pair == ["recovering", "playing"]),
        "{states:?}"
    );
    let segment = server::segments(&seen).remove(0);
    let reasons = segment
        .gaps
        .as_slice()
        .iter()
        .map(|gap| gap.reason.as_str());
    assert!(
        reasons.clone().any(|reason| reason == "source_recovering"),
        "{:?}",
        segment.gaps
    );
    let losses = seen.iter().rev().find_map(|message| match message {
        EngineMessage::Heartbeat(beat) => Some(beat.counters.source_losses),
        _ => None,
    });
    assert!(losses.unwrap() >= 2, "{losses:?}");
    server.shut_down();
}

#[test]
fn a_session_that_ends_while_its_source_is_lost_tells_the_gap() {
    let empty = tempfile::tempdir().unwrap();
    let (mut server, _) = Server::start(empty.path());
    server.open(order(FAILS));
    let lost = |message: &EngineMessage| matches!(message, EngineMessage::Heartbeat(beat) if beat.source_state.as_str() == "recovering");
    server.until(lost);
    server.send(&ServerMessage::End {
        session_id: Uuid::from_u128(7),
    });
    let seen = server.until(is_over);
    assert_eq!(end_reason(&seen), "requested");
    assert!(
        seen.iter().any(|message| gap_of(message).is_some()),
        "{seen:?}"
    );
    server.shut_down();
}

#[test]
fn a_source_with_an_end_of_its_own_fails_for_good() {
    let empty = tempfile::tempdir().unwrap();
    for url in [
        "test:bars?size=160x120&fps=10&pace=fast&fail_after=1",
        // Nothing has run yet: whoever started it is told.
        "test:bars?size=160x120&fps=10&pace=live&fail_after=0",
    ] {
        let (seen, counters) = play(empty.path(), url);
        let Some(EngineMessage::SessionFailed { code, .. }) = seen.last() else {
            panic!("{url}: {:?}", seen.last());
        };
        assert_eq!(code.as_str(), "source_failed", "{url}");
        assert_eq!(counters.source_losses, 0);
    }
}

#[test]
fn a_live_session_that_resumes_waits_for_a_source_that_is_not_back_yet() {
    let empty = tempfile::tempdir().unwrap();
    // The demo cannot be made where its folder is a file.
    std::fs::write(empty.path().join("demo"), "in the way").unwrap();
    let (mut server, _) = Server::start(empty.path());
    let mut resumed = order("demo:presenter?pace=live");
    resumed.resume_at_ns = 50_000_000_000;
    server.open(resumed);
    let mut recovering = 0;
    let seen = server.until(|message| {
        assert!(!is_over(message), "{message:?}");
        recovering += usize::from(
            matches!(message, EngineMessage::Heartbeat(beat) if beat.source_state.as_str() == "recovering"),
        );
        recovering == 2
    });
    assert!(
        matches!(seen.last(), Some(EngineMessage::Heartbeat(beat)) if beat.counters.source_losses > 0)
    );
    server.send(&ServerMessage::End {
        session_id: Uuid::from_u128(7),
    });
    let seen = server.until(is_over);
    assert_eq!(end_reason(&seen), "requested");
    server.shut_down();
}
