//! When to try again and when to give up (math 15).

use std::cmp::Ordering;

use lsie_schemas::time::UtcMicros;

use crate::statistics::clamp01;

/// Tries of a platform connection before it is reported as lost.
pub const PLATFORM_TRIES: u32 = 10;

/// How an attempt to deliver ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The server answered with this HTTP status.
    Status {
        /// HTTP status code.
        code: u16,
        /// Whether a 401 came although the token had just been refreshed.
        token_was_refreshed: bool,
    },
    /// No answer in time, or no connection.
    Unreachable,
    /// The row itself cannot be sent: it does not parse or fails its schema.
    InvalidPayload,
}

/// What to do with an outbox row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Delivered: delete the row.
    Delete,
    /// Refresh the token and send again at once.
    RefreshToken,
    /// Send again after [`outbox_delay_secs`].
    Retry,
    /// Never send again; redact and keep the envelope.
    DeadLetter,
}

/// Kind of an outbox row; earlier kinds of one segment go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UploadKind {
    /// The segment hand-off.
    Handoff,
    /// Its attribution event.
    Attribution,
    /// Its posterior delta.
    Delta,
}

/// Judges an attempt: 2xx delete; 429, 5xx, 401 after a refresh, timeout and network retry; the rest dead letter.
pub fn judge(attempt: Attempt) -> Verdict {
    match attempt {
        Attempt::Unreachable => Verdict::Retry,
        Attempt::InvalidPayload => Verdict::DeadLetter,
        Attempt::Status {
            code,
            token_was_refreshed,
        } => match code {
            200..=299 => Verdict::Delete,
            401 if token_was_refreshed => Verdict::Retry,
            401 => Verdict::RefreshToken,
            429 | 500..=599 => Verdict::Retry,
            _ => Verdict::DeadLetter,
        },
    }
}

/// Seconds to wait after attempt `attempt` (1 is the first): `min(300, 2^(n-1))` and a jitter.
///
/// `uniform` in [0, 1] spreads the jitter over `min(1 s, 10 %)`; anything else counts as the nearer end, NaN as 0.
pub fn outbox_delay_secs(attempt: u32, uniform: f64) -> f64 {
    let doubling = f64::from(attempt.saturating_sub(1).min(16)).exp2();
    let base = doubling.min(300.0);
    base + clamp01(uniform) * (0.1 * base).min(1.0)
}

/// Seconds before reconnect `attempt` (1 is the first): 1 s doubling to 30 s; `None` after [`PLATFORM_TRIES`].
pub fn reconnect_delay_secs(attempt: u32) -> Option<f64> {
    (attempt <= PLATFORM_TRIES).then(|| {
        f64::from(attempt.saturating_sub(1).min(16))
            .exp2()
            .min(30.0)
    })
}

/// Order in which ready rows `(created, kind, id)` are sent.
pub fn ready_order(a: (UtcMicros, UploadKind, &str), b: (UtcMicros, UploadKind, &str)) -> Ordering {
    a.cmp(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_five_minutes() {
        let delays: Vec<f64> = (1..=11).map(|n| outbox_delay_secs(n, 0.0)).collect();
        assert_eq!(
            delays,
            [
                1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0
            ]
        );
        assert_eq!(outbox_delay_secs(u32::MAX, f64::NAN), 300.0);
        assert_eq!(outbox_delay_secs(0, 0.0), 1.0);
    }

    #[test]
    fn jitter_is_a_tenth_and_at_most_a_second() {
        assert!((outbox_delay_secs(1, 1.0) - 1.1).abs() < 1e-12);
        assert_eq!(outbox_delay_secs(9, 7.0), 257.0);
    }

    #[test]
    fn statuses_part_ways() {
        let of = |code, token_was_refreshed| {
            judge(Attempt::Status {
                code,
                token_was_refreshed,
            })
        };
        assert_eq!(of(204, false), Verdict::Delete);
        assert_eq!(
            [of(429, false), of(503, false), of(401, true)],
            [Verdict::Retry; 3]
        );
        assert_eq!(of(401, false), Verdict::RefreshToken);
        assert_eq!(
            [of(400, false), of(403, true), of(302, false)],
            [Verdict::DeadLetter; 3]
        );
        assert_eq!(judge(Attempt::Unreachable), Verdict::Retry);
        assert_eq!(judge(Attempt::InvalidPayload), Verdict::DeadLetter);
    }

    #[test]
    fn a_platform_gets_ten_tries() {
        assert_eq!(
            (1..=6).filter_map(reconnect_delay_secs).collect::<Vec<_>>(),
            [1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
        );
        assert_eq!(
            (reconnect_delay_secs(10), reconnect_delay_secs(11)),
            (Some(30.0), None)
        );
    }

    #[test]
    fn a_hand_off_precedes_what_refers_to_it() {
        let t = UtcMicros(5);
        assert_eq!(
            ready_order((t, UploadKind::Delta, "a"), (t, UploadKind::Handoff, "z")),
            Ordering::Greater
        );
        assert_eq!(
            ready_order(
                (UtcMicros(4), UploadKind::Delta, "a"),
                (t, UploadKind::Handoff, "a")
            ),
            Ordering::Less
        );
    }
}
