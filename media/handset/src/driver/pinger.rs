//! Pings the clock responder and feeds the ladder.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::handset::HandsetEvent;
use super::shared::{Attempt, lock};
use crate::adb::DeviceStream;
use crate::clock::{
    ANSWER_BYTES, BurstOutcome, ClockAnswer, ClockSample, PingSchedule, parse_answer,
};
use crate::session::{EndCause, Input};

/// How long a ping may be under way; three in a row are 1.5 s (device 4).
const PATIENCE_NS: i64 = 500_000_000;

/// What became of one ping.
enum Ping {
    Answered(ClockSample, ClockAnswer),
    Missed,
    /// There is no responder (any more).
    Over,
}

/// Runs until the session is over or the responder is.
pub(super) fn ping(attempt: &Arc<Attempt>, mut stream: DeviceStream) {
    let mut schedule = PingSchedule::new(attempt.now_ns());
    let (mut burst, mut newest) = (Vec::new(), None);
    for number in 0_u64.. {
        match one_ping(attempt, &mut stream, number) {
            Ping::Answered(sample, answer) => {
                attempt.pings_missed.store(0, Ordering::Relaxed);
                burst.push(sample);
                newest = Some(answer);
            }
            Ping::Missed => {
                attempt.pings_missed.fetch_add(1, Ordering::Relaxed);
            }
            Ping::Over => {
                attempt.pings_missed.store(0, Ordering::Relaxed);
                tracing::debug!("the clock responder does not answer any more");
                return;
            }
        }
        let random = (number as u32).wrapping_mul(2_654_435_761) ^ (attempt.now_ns() as u32);
        let (due_ns, is_burst_done) = schedule.next(attempt.now_ns(), random);
        if is_burst_done {
            finish_burst(attempt, &std::mem::take(&mut burst), newest.take());
        }
        while !attempt.is_over() && attempt.now_ns() < due_ns {
            let left = (due_ns - attempt.now_ns()).clamp(0, 50_000_000);
            std::thread::sleep(Duration::from_nanos(left as u64));
        }
        if attempt.is_over() {
            return;
        }
    }
}

fn one_ping(attempt: &Attempt, stream: &mut DeviceStream, number: u64) -> Ping {
    let echo = number.to_le_bytes();
    let sent_ns = attempt.now_ns();
    if stream.write_all(&echo).is_err() {
        return Ping::Over;
    }
    let (mut bytes, mut have) = ([0; ANSWER_BYTES], 0);
    loop {
        let left = PATIENCE_NS - (attempt.now_ns() - sent_ns);
        if left <= 0 {
            return Ping::Missed;
        }
        let timeout = Duration::from_nanos(left as u64).max(Duration::from_millis(1));
        if attempt.is_over() || stream.set_read_timeout(Some(timeout)).is_err() {
            return Ping::Over;
        }
        match stream.read(bytes.get_mut(have..).unwrap_or_default()) {
            Ok(0) => return Ping::Over,
            Ok(count) => have += count,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock
                        | io::ErrorKind::TimedOut
                        | io::ErrorKind::Interrupted
                ) => {}
            Err(_) => return Ping::Over,
        }
        if have < ANSWER_BYTES {
            continue;
        }
        let received_ns = attempt.now_ns();
        have = 0;
        let Some(answer) = parse_answer(&bytes) else {
            return Ping::Over;
        };
        let told = u64::from_le_bytes(answer.echo);
        if told > number {
            // Words of a shell that could not run the responder, not an answer.
            return Ping::Over;
        }
        // An older number is an answer that came too late.
        if told == number {
            let sample = ClockSample {
                sent_ns,
                device_ns: answer.monotonic_ns,
                received_ns,
            };
            return Ping::Answered(sample, answer);
        }
    }
}

fn finish_burst(attempt: &Attempt, burst: &[ClockSample], newest: Option<ClockAnswer>) {
    let now_ns = attempt.now_ns();
    let utc = SystemTime::now().duration_since(UNIX_EPOCH);
    let utc_ns = utc.ok().and_then(|utc| i64::try_from(utc.as_nanos()).ok());
    let wall = newest
        .zip(utc_ns)
        .zip(burst.last())
        .map(|((answer, utc_ns), last)| {
            // Both wall clocks at the middle of the last ping.
            let since = now_ns - i64::midpoint(last.sent_ns, last.received_ns);
            (utc_ns - since, answer.realtime_ns, now_ns)
        });
    lock(&attempt.compatibility).push(wall);
    if let Some(answer) = newest {
        let slept_ns = answer.boottime_ns.saturating_sub(answer.monotonic_ns);
        attempt.slept_ns.store(slept_ns, Ordering::Relaxed);
    }
    let outcome = lock(&attempt.ladder).push_burst(burst);
    if outcome == BurstOutcome::Stepped {
        tracing::warn!("the phone's clock stepped, a new epoch begins");
        attempt.outlets.events.push(HandsetEvent::ClockStepped);
    }
    if outcome == BurstOutcome::Restarted {
        attempt.tell(Input::Ended(EndCause::TransportDead));
    }
}
