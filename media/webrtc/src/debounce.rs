//! Requests for key frames: many viewers ask, the source is asked once in a while. Pure: time is an argument.

use std::time::Duration;

/// Shortest time between two requests to one source.
pub(crate) const KEY_PAUSE: Duration = Duration::from_millis(400);

/// Lets one request through, and the last of a burst when the pause is over.
#[derive(Debug, Default)]
pub(crate) struct KeyRequests {
    last: Option<Duration>,
    is_wanted: bool,
}

impl KeyRequests {
    /// Somebody needs a key frame.
    pub(crate) fn ask(&mut self) {
        self.is_wanted = true;
    }

    /// A key frame came: nobody waits any more.
    pub(crate) fn came(&mut self) {
        self.is_wanted = false;
    }

    /// Whether the source is to be asked now.
    pub(crate) fn due(&mut self, now: Duration) -> bool {
        let is_free = self
            .last
            .is_none_or(|last| now.saturating_sub(last) >= KEY_PAUSE);
        if !self.is_wanted || !is_free {
            return false;
        }
        self.is_wanted = false;
        self.last = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_requests_becomes_two() {
        let mut requests = KeyRequests::default();
        let mut asked = 0;
        for ms in 0..500 {
            requests.ask();
            asked += u32::from(requests.due(Duration::from_millis(ms)));
        }
        assert_eq!(asked, 2);
    }

    #[test]
    fn a_key_frame_that_came_is_not_asked_for() {
        let mut requests = KeyRequests::default();
        requests.ask();
        requests.came();
        assert!(!requests.due(Duration::ZERO));
    }
}
