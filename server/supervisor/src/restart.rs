//! When a dead engine is started again. Pure: time is an argument.
//!
//! ```text
//! death ──▶ fewer than `circuit_deaths` in `circuit_window_s`? ── yes ─▶ wait min·2^k (≤ max) ─▶ start
//!                     │ no
//!                     ▼
//!               circuit open: stays down until the operator resets it
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use lsie_schemas::config::EngineConfig;

/// What to do after a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartDecision {
    /// Start again after this pause.
    After(Duration),
    /// Too many deaths: stay down until [`RestartPolicy::reset`].
    CircuitOpen,
}

/// Back-off and circuit breaker.
#[derive(Debug, Clone)]
pub struct RestartPolicy {
    min: Duration,
    max: Duration,
    deaths_to_open: usize,
    window: Duration,
    deaths: VecDeque<Duration>,
    open: bool,
}

impl RestartPolicy {
    /// Takes the limits of the configuration; nonsense (negative, not finite) falls back to its defaults.
    #[must_use]
    pub fn new(config: &EngineConfig) -> Self {
        let defaults = EngineConfig::default();
        let secs = |value: f64, fallback: f64| {
            let chosen = if value.is_finite() && value >= 0.0 {
                value
            } else {
                fallback
            };
            Duration::from_secs_f64(chosen.min(86_400.0))
        };
        Self {
            min: secs(config.restart_min_s, defaults.restart_min_s),
            max: secs(config.restart_max_s, defaults.restart_max_s),
            deaths_to_open: config.circuit_deaths.max(1) as usize,
            window: secs(config.circuit_window_s, defaults.circuit_window_s),
            deaths: VecDeque::new(),
            open: false,
        }
    }

    /// Records a death at `now` (any monotonic origin) and decides. The circuit opens with the first death beyond
    /// `circuit_deaths` inside the window.
    pub fn on_death(&mut self, now: Duration) -> RestartDecision {
        while self
            .deaths
            .front()
            .is_some_and(|&at| now.saturating_sub(at) > self.window)
        {
            self.deaths.pop_front();
        }
        self.deaths.push_back(now);
        if self.deaths.len() > self.deaths_to_open {
            self.open = true;
        }
        if self.open {
            return RestartDecision::CircuitOpen;
        }
        let doublings = (self.deaths.len() - 1).min(16) as u32;
        RestartDecision::After(self.min.saturating_mul(1 << doublings).min(self.max))
    }

    /// Deaths that are remembered, and how many can be: one more than open the circuit.
    #[must_use]
    pub fn remembered(&self) -> (usize, usize) {
        (self.deaths.len(), self.deaths_to_open.saturating_add(1))
    }

    /// Whether the circuit is open.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// Closes the circuit and forgets the deaths.
    pub fn reset(&mut self) {
        self.open = false;
        self.deaths.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RestartPolicy {
        RestartPolicy::new(&EngineConfig::default())
    }

    #[test]
    fn pauses_double_from_half_a_second() {
        let mut policy = policy();
        let pauses: Vec<_> = (0..4)
            .map(|k| policy.on_death(Duration::from_secs(k)))
            .collect();
        let expected =
            [0.5, 1.0, 2.0, 4.0].map(|s| RestartDecision::After(Duration::from_secs_f64(s)));
        assert_eq!(pauses, expected);
    }

    #[test]
    fn pauses_never_exceed_the_ceiling() {
        let config = EngineConfig {
            circuit_deaths: 50,
            ..EngineConfig::default()
        };
        let mut policy = RestartPolicy::new(&config);
        let pauses: Vec<_> = (0..20)
            .map(|k| policy.on_death(Duration::from_secs(k)))
            .collect();
        let last = pauses.last().copied();
        assert_eq!(last, Some(RestartDecision::After(Duration::from_secs(30))));
    }

    #[test]
    fn six_deaths_in_a_minute_open_the_circuit_until_reset() {
        let mut policy = policy();
        for k in 0..5 {
            assert!(matches!(
                policy.on_death(Duration::from_secs(k * 10)),
                RestartDecision::After(_)
            ));
        }
        assert_eq!(
            policy.on_death(Duration::from_secs(55)),
            RestartDecision::CircuitOpen
        );
        assert_eq!(
            policy.on_death(Duration::from_secs(500)),
            RestartDecision::CircuitOpen
        );
        policy.reset();
        assert!(matches!(
            policy.on_death(Duration::from_secs(501)),
            RestartDecision::After(_)
        ));
    }

    #[test]
    fn old_deaths_are_forgotten() {
        let mut policy = policy();
        for k in 0..40 {
            let decision = policy.on_death(Duration::from_secs(k * 61));
            assert_eq!(decision, RestartDecision::After(Duration::from_millis(500)));
        }
    }

    #[test]
    fn nonsense_limits_fall_back() {
        let config = EngineConfig {
            restart_min_s: f64::NAN,
            restart_max_s: -1.0,
            ..EngineConfig::default()
        };
        let mut policy = RestartPolicy::new(&config);
        assert_eq!(
            policy.on_death(Duration::ZERO),
            RestartDecision::After(Duration::from_millis(500))
        );
    }
}
