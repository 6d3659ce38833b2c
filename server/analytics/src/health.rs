//! Health by age of the last sign of life (math 14).

use lsie_schemas::api::HealthState;
use lsie_schemas::time::UtcMicros;

const OK_SECS: f64 = 30.0;
const RECOVERING_SECS: f64 = 120.0;
const DEGRADED_SECS: f64 = 600.0;

/// State of a subsystem whose last success was then; a future instant counts as now, none as unknown.
pub fn state_by_age(last_success_utc: Option<UtcMicros>, now_utc: UtcMicros) -> HealthState {
    let Some(last) = last_success_utc else {
        return HealthState::Unknown;
    };
    let age_secs = (now_utc.0.saturating_sub(last.0)) as f64 / 1e6;
    if age_secs <= OK_SECS {
        HealthState::Ok
    } else if age_secs <= RECOVERING_SECS {
        HealthState::Recovering
    } else if age_secs <= DEGRADED_SECS {
        HealthState::Degraded
    } else {
        HealthState::Error
    }
}

/// State of the whole from `(state, is_required)` of its parts.
///
/// Any error wins, then degraded, then recovering. All unknown is unknown; a required part that is unknown
/// beside known ones makes the whole degraded, so one good row never hides silence.
pub fn overall(parts: &[(HealthState, bool)]) -> HealthState {
    let has = |state: HealthState| parts.iter().any(|(s, _)| *s == state);
    let is_silent = parts.iter().all(|(s, _)| *s == HealthState::Unknown);
    let misses_required = parts.contains(&(HealthState::Unknown, true));
    if has(HealthState::Error) {
        HealthState::Error
    } else if is_silent {
        HealthState::Unknown
    } else if has(HealthState::Degraded) || misses_required {
        HealthState::Degraded
    } else if has(HealthState::Recovering) {
        HealthState::Recovering
    } else {
        HealthState::Ok
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use HealthState::{Degraded, Error, Ok, Recovering, Unknown};

    #[test]
    fn limits_are_inclusive() {
        let now = UtcMicros(1_000_000_000_000);
        let at = |micros: i64| state_by_age(Some(UtcMicros(now.0 - micros)), now);
        assert_eq!([at(-5_000_000), at(0), at(30_000_000)], [Ok; 3]);
        assert_eq!([at(30_000_001), at(120_000_000)], [Recovering; 2]);
        assert_eq!([at(120_000_001), at(600_000_000)], [Degraded; 2]);
        assert_eq!(at(600_000_001), Error);
        assert_eq!(state_by_age(None, now), Unknown);
        assert_eq!(
            state_by_age(Some(UtcMicros(i64::MIN)), UtcMicros(i64::MAX)),
            Error
        );
    }

    #[test]
    fn one_good_row_does_not_hide_silence() {
        assert_eq!(overall(&[(Ok, true), (Unknown, true)]), Degraded);
        assert_eq!(overall(&[(Ok, true), (Unknown, false)]), Ok);
        assert_eq!(overall(&[(Unknown, true), (Unknown, false)]), Unknown);
        assert_eq!(overall(&[]), Unknown);
    }

    #[test]
    fn the_worst_wins() {
        assert_eq!(
            overall(&[(Recovering, true), (Degraded, false), (Error, false)]),
            Error
        );
        assert_eq!(overall(&[(Recovering, true), (Degraded, false)]), Degraded);
        assert_eq!(overall(&[(Recovering, true), (Ok, false)]), Recovering);
    }
}
