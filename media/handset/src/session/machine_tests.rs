//! The session's way through its states, on virtual time.

use super::*;
use crate::adb::parse_devices;

const S: i64 = 1_000_000_000;

fn list(text: &str) -> Input {
    Input::Devices(parse_devices(text))
}

fn machine() -> Machine {
    let mut machine = Machine::new(MachineSettings {
        watchdog: WatchdogSettings {
            has_video: true,
            ..WatchdogSettings::default()
        },
        ..MachineSettings::default()
    });
    machine.advance(0, Input::Start);
    machine
}

fn stream(machine: &mut Machine, at: i64) {
    for input in [Input::Pushed, Input::Connected, Input::Handshaken] {
        machine.advance(at, input);
    }
    assert_eq!(machine.state(), SessionState::Streaming);
}

fn opens(actions: &[Action]) -> bool {
    actions
        .iter()
        .any(|action| matches!(action, Action::Open(_)))
}

#[test]
fn a_phone_is_waited_for_and_opened_when_it_is_ready() {
    let mut machine = machine();
    assert_eq!(
        machine.state(),
        SessionState::Waiting(DeviceState::NoServer)
    );
    machine.advance(S, list(""));
    assert_eq!(
        machine.state(),
        SessionState::Waiting(DeviceState::NoDevice)
    );
    machine.advance(2 * S, list("a\tunauthorized\n"));
    assert_eq!(
        machine.state(),
        SessionState::Waiting(DeviceState::Unauthorized)
    );
    let actions = machine.advance(3 * S, list("a\tdevice\n"));
    assert!(actions.contains(&Action::Open("a".into())));
    stream(&mut machine, 3 * S);
}

#[test]
fn waits_grow_and_five_failures_of_one_cause_are_final() {
    let mut machine = machine();
    machine.advance(0, list("a\tdevice\n"));
    let mut now = 0;
    for tries in 1..=5 {
        stream(&mut machine, now);
        let actions = machine.advance(now, Input::Ended(EndCause::Framing));
        assert!(actions.contains(&Action::Close));
        if tries == 5 {
            break;
        }
        assert_eq!(machine.state(), SessionState::Backoff);
        assert!(!opens(&machine.advance(now + S / 10, Input::Tick)));
        now += 4 * S;
        assert!(opens(&machine.advance(now, Input::Tick)), "try {tries}");
    }
    assert_eq!(machine.state(), SessionState::Failed(EndCause::Framing));
    assert!(!opens(&machine.advance(now + 100 * S, Input::Tick)));
    assert!(opens(&machine.advance(now + 101 * S, Input::Retry)));
}

#[test]
fn thirty_good_seconds_forgive() {
    let mut machine = machine();
    machine.advance(0, list("a\tdevice\n"));
    let mut now = 0;
    for _ in 0..20 {
        stream(&mut machine, now);
        now += 31 * S;
        machine.advance(now, Input::Ended(EndCause::StreamEnded));
        assert_eq!(machine.state(), SessionState::Backoff);
        now += S;
        machine.advance(now, Input::Tick);
    }
}

#[test]
fn a_server_that_leaves_at_start_is_tried_three_times() {
    let mut machine = machine();
    machine.advance(0, list("a\tdevice\n"));
    let mut now = 0;
    for _ in 0..3 {
        machine.advance(now, Input::Pushed);
        machine.advance(now, Input::Ended(EndCause::ServerExited));
        now += 10 * S;
        machine.advance(now, Input::Tick);
    }
    assert_eq!(
        machine.state(),
        SessionState::Failed(EndCause::ServerExited)
    );
}

#[test]
fn a_refused_file_and_impossible_sound_are_final_at_once() {
    for cause in [EndCause::PushRefused, EndCause::AudioMisconfigured] {
        let mut machine = machine();
        machine.advance(0, list("a\tdevice\n"));
        machine.advance(0, Input::Ended(cause));
        assert_eq!(machine.state(), SessionState::Failed(cause));
    }
}

#[test]
fn unplugging_closes_and_replugging_opens_without_counting_as_failure() {
    let mut machine = machine();
    for round in 0..12 {
        let now = round * 2 * S;
        assert!(opens(&machine.advance(now, list("a\tdevice\n"))));
        stream(&mut machine, now);
        let actions = machine.advance(now + S, list(""));
        assert!(actions.contains(&Action::Close));
        assert_eq!(
            machine.state(),
            SessionState::Waiting(DeviceState::NoDevice)
        );
    }
}

#[test]
fn an_end_before_the_list_says_gone_waits_for_the_phone() {
    let mut machine = machine();
    machine.advance(0, list("a\tdevice\n"));
    stream(&mut machine, 0);
    machine.advance(S, Input::Ended(EndCause::StreamEnded));
    machine.advance(S + 1, list(""));
    assert_eq!(
        machine.state(),
        SessionState::Waiting(DeviceState::NoDevice)
    );
    assert!(opens(&machine.advance(2 * S, list("a\tdevice\n"))));
}

#[test]
fn steps_that_take_too_long_end_the_try() {
    let mut machine = machine();
    machine.advance(0, list("a\tdevice\n"));
    machine.advance(10 * S + 1, Input::Tick);
    assert_eq!(machine.state(), SessionState::Backoff);
    let mut machine = self::machine();
    machine.advance(0, list("a\tdevice\n"));
    machine.advance(S, Input::Pushed);
    machine.advance(11 * S + 1, Input::Tick);
    assert_eq!(machine.state(), SessionState::Backoff);
}

#[test]
fn a_dead_transport_is_closed_and_attached_again_once() {
    let mut machine = machine();
    machine.advance(0, list("a\tdevice\n"));
    stream(&mut machine, 0);
    let pulse = Pulse {
        pings_missed: 3,
        ..Pulse::default()
    };
    let actions = machine.advance(S, Input::Pulse(pulse));
    assert_eq!(
        actions.first_chunk(),
        Some(&[Action::Close, Action::Reconnect("a".into())])
    );
    assert_eq!(machine.state(), SessionState::Backoff);
}

#[test]
fn an_offline_phone_is_attached_again_once_after_five_seconds() {
    let mut machine = machine();
    machine.advance(0, list("a\toffline\n"));
    let mut asked = 0;
    for second in 1..60 {
        let actions = machine.advance(second * S, list("a\toffline\n"));
        asked += actions
            .iter()
            .filter(|action| matches!(action, Action::Reconnect(_)))
            .count();
        assert_eq!(asked, usize::from(second > 5), "after {second} s");
    }
}

#[test]
fn stopping_ends_the_server_in_order() {
    let mut machine = machine();
    machine.advance(0, list("a\tdevice\n"));
    stream(&mut machine, 0);
    let actions = machine.advance(S, Input::Stop);
    assert!(actions.contains(&Action::Shutdown));
    machine.advance(S, Input::Ended(EndCause::StreamEnded));
    assert_eq!(machine.state(), SessionState::Stopping);
    machine.advance(2 * S, Input::Closed);
    assert_eq!(machine.state(), SessionState::Stopped);
}
