//! What silence means while a session streams (device 4, timers).

/// Longest wait for the first picture, nanoseconds.
const FIRST_VIDEO_NS: i64 = 5_000_000_000;
const CAMERA_SILENT_NS: i64 = 1_000_000_000;
const DISPLAY_SILENT_NS: i64 = 2_500_000_000;
/// A second stall within this time restarts the session.
const STALL_MEMORY_NS: i64 = 10_000_000_000;
const MIC_GAP_NS: i64 = 1_000_000_000;
const MIC_DEAD_NS: i64 = 5_000_000_000;
const CONFIG_ALONE_NS: i64 = 2_000_000_000;
const RESET_SPACING_NS: i64 = 2_000_000_000;
const DEAD_PINGS: u32 = 3;

/// What the video stream does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VideoState {
    /// Pictures arrive, or are about to.
    #[default]
    Live,
    /// The screen stands still; the last picture holds.
    Static,
    /// A camera went silent.
    Stalled,
    /// Capture is being started again.
    Resetting,
}

/// What the audio stream does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AudioState {
    /// Sound arrives, or is about to.
    #[default]
    Live,
    /// The phone plays nothing.
    Silent,
    /// The phone refused sound.
    Disabled,
    /// A microphone went silent.
    Gap,
}

/// What arrived last, on our monotonic clock in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulse {
    /// Last picture.
    pub video_at: Option<i64>,
    /// Last configuration that no picture has followed yet.
    pub config_at: Option<i64>,
    /// Last block of sound.
    pub audio_at: Option<i64>,
    /// Pings in a row without an answer; 0 where no responder runs.
    pub pings_missed: u32,
    /// The consumer lost its key and none arrived within 1 s.
    pub wants_key: bool,
}

/// What kind of streams are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WatchdogSettings {
    /// There are pictures.
    pub has_video: bool,
    /// They come from the screen, which may stand still.
    pub is_display: bool,
    /// There is sound of a microphone, which never rests.
    pub has_microphone: bool,
}

/// What a look at the pulse asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchdogVerdict {
    /// Nothing.
    Fine,
    /// Ask the server to start capture again.
    Reset,
    /// Pictures or the microphone stay silent: start the session again.
    Restart,
    /// Nothing answers: the transport is dead.
    Dead,
}

/// Watches one streaming session.
#[derive(Debug, Clone)]
pub struct Watchdog {
    settings: WatchdogSettings,
    started_ns: i64,
    video: VideoState,
    audio: AudioState,
    last_reset_ns: Option<i64>,
    stalled_ns: Option<i64>,
    /// When a still screen was probed; cleared by pictures that came of themselves.
    probed_ns: Option<i64>,
    asked_first: bool,
}

impl Watchdog {
    /// Begins when the streams are open.
    #[must_use]
    pub fn new(settings: WatchdogSettings, now_ns: i64) -> Self {
        Self {
            settings,
            started_ns: now_ns,
            video: VideoState::Live,
            audio: AudioState::Live,
            last_reset_ns: None,
            stalled_ns: None,
            probed_ns: None,
            asked_first: false,
        }
    }

    /// What the video stream does.
    #[must_use]
    pub fn video(&self) -> VideoState {
        self.video
    }

    /// What the audio stream does.
    #[must_use]
    pub fn audio(&self) -> AudioState {
        self.audio
    }

    /// The phone refused sound.
    pub fn disable_audio(&mut self) {
        self.audio = AudioState::Disabled;
    }

    /// Judges the pulse.
    pub fn look(&mut self, pulse: &Pulse, now_ns: i64) -> WatchdogVerdict {
        if pulse.pings_missed >= DEAD_PINGS {
            return WatchdogVerdict::Dead;
        }
        if self.audio_is_dead(pulse, now_ns) {
            return WatchdogVerdict::Restart;
        }
        let verdict = match (self.settings.has_video, self.settings.is_display) {
            (false, _) => WatchdogVerdict::Fine,
            (true, true) => self.look_at_display(pulse, now_ns),
            (true, false) => self.look_at_camera(pulse, now_ns),
        };
        let config_alone = pulse
            .config_at
            .is_some_and(|at| now_ns - at > CONFIG_ALONE_NS);
        if verdict == WatchdogVerdict::Fine && (config_alone || pulse.wants_key) {
            return self.reset(now_ns);
        }
        verdict
    }

    fn audio_is_dead(&mut self, pulse: &Pulse, now_ns: i64) -> bool {
        if self.audio == AudioState::Disabled {
            return false;
        }
        let Some(at) = pulse.audio_at else {
            return false;
        };
        let silent = now_ns - at;
        self.audio = match (silent > MIC_GAP_NS, self.settings.has_microphone) {
            (false, _) => AudioState::Live,
            (true, true) => AudioState::Gap,
            (true, false) => AudioState::Silent,
        };
        self.settings.has_microphone && silent > MIC_DEAD_NS
    }

    /// The first picture is asked for once more after 5 s and given up after 10 s.
    fn wait_for_first(&mut self, now_ns: i64) -> WatchdogVerdict {
        let waited = now_ns - self.started_ns;
        if waited > 2 * FIRST_VIDEO_NS {
            return WatchdogVerdict::Restart;
        }
        if waited > FIRST_VIDEO_NS && !self.asked_first {
            self.asked_first = true;
            return self.reset(now_ns);
        }
        WatchdogVerdict::Fine
    }

    fn look_at_camera(&mut self, pulse: &Pulse, now_ns: i64) -> WatchdogVerdict {
        let Some(video_at) = pulse.video_at else {
            return self.wait_for_first(now_ns);
        };
        let since = self.stalled_ns.map_or(video_at, |at| at.max(video_at));
        if now_ns - video_at <= CAMERA_SILENT_NS {
            self.video = VideoState::Live;
            return WatchdogVerdict::Fine;
        }
        // While pings are missing the phone itself hangs, and a reset would not reach it.
        if pulse.pings_missed > 0 {
            self.video = VideoState::Stalled;
            return WatchdogVerdict::Fine;
        }
        if now_ns - since <= CAMERA_SILENT_NS {
            return WatchdogVerdict::Fine;
        }
        let before = self.stalled_ns.replace(now_ns);
        if before.is_some_and(|before| now_ns - before < STALL_MEMORY_NS) {
            return WatchdogVerdict::Restart;
        }
        self.video = VideoState::Stalled;
        self.reset(now_ns)
    }

    fn look_at_display(&mut self, pulse: &Pulse, now_ns: i64) -> WatchdogVerdict {
        let Some(video_at) = pulse.video_at else {
            return self.wait_for_first(now_ns);
        };
        let is_silent = now_ns - video_at > DISPLAY_SILENT_NS;
        let Some(probed_ns) = self.probed_ns else {
            if is_silent && pulse.pings_missed == 0 {
                self.probed_ns = Some(now_ns);
                self.video = VideoState::Resetting;
                return self.reset(now_ns);
            }
            self.video = if is_silent {
                self.video
            } else {
                VideoState::Live
            };
            return WatchdogVerdict::Fine;
        };
        if video_at - probed_ns > DISPLAY_SILENT_NS {
            // Not an answer to the probe: the screen moves again.
            self.probed_ns = None;
            self.video = VideoState::Live;
        } else if now_ns - probed_ns > DISPLAY_SILENT_NS {
            self.video = VideoState::Static;
        }
        WatchdogVerdict::Fine
    }

    /// At most one reset per 2 s.
    fn reset(&mut self, now_ns: i64) -> WatchdogVerdict {
        let is_early = self
            .last_reset_ns
            .is_some_and(|at| now_ns - at < RESET_SPACING_NS);
        if is_early {
            return WatchdogVerdict::Fine;
        }
        self.last_reset_ns = Some(now_ns);
        WatchdogVerdict::Reset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    /// Looks every 50 ms and tells what was asked for and when, in milliseconds.
    fn watch(
        settings: WatchdogSettings,
        for_ms: i64,
        pulse: impl Fn(i64) -> Pulse,
    ) -> (Vec<(i64, WatchdogVerdict)>, Watchdog) {
        let mut dog = Watchdog::new(settings, 0);
        let mut said = Vec::new();
        for ms in (0..for_ms).step_by(50) {
            let verdict = dog.look(&pulse(ms * MS), ms * MS);
            if verdict != WatchdogVerdict::Fine {
                said.push((ms, verdict));
            }
            if matches!(verdict, WatchdogVerdict::Restart | WatchdogVerdict::Dead) {
                break;
            }
        }
        (said, dog)
    }

    const CAMERA: WatchdogSettings = WatchdogSettings {
        has_video: true,
        is_display: false,
        has_microphone: true,
    };

    fn video(at: Option<i64>) -> Pulse {
        Pulse {
            video_at: at,
            ..Pulse::default()
        }
    }

    #[test]
    fn a_silent_camera_is_reset_and_then_restarted() {
        let (said, _) = watch(CAMERA, 20_000, |now| video(Some(now.min(3000 * MS))));
        assert_eq!(
            said,
            [
                (4050, WatchdogVerdict::Reset),
                (5100, WatchdogVerdict::Restart)
            ]
        );
    }

    #[test]
    fn a_camera_whose_phone_hangs_is_not_reset() {
        let (said, dog) = watch(CAMERA, 6000, |now| Pulse {
            pings_missed: u32::from(now > 3000 * MS),
            ..video(Some(now.min(3000 * MS)))
        });
        assert_eq!((said, dog.video()), (vec![], VideoState::Stalled));
    }

    #[test]
    fn a_still_screen_is_probed_once_and_stays() {
        let display = WatchdogSettings {
            is_display: true,
            has_microphone: false,
            ..CAMERA
        };
        let probe_answered = |now: i64| {
            let answered = (now > 5_600 * MS).then_some(5_600 * MS);
            video(Some(answered.unwrap_or(now.min(3000 * MS))))
        };
        let (said, dog) = watch(display, 60_000, probe_answered);
        assert_eq!(said, [(5550, WatchdogVerdict::Reset)]);
        assert_eq!(dog.video(), VideoState::Static);
    }

    #[test]
    fn a_first_picture_that_never_comes_is_asked_for_once() {
        let (said, _) = watch(CAMERA, 20_000, |_| video(None));
        assert_eq!(
            said,
            [
                (5050, WatchdogVerdict::Reset),
                (10_050, WatchdogVerdict::Restart)
            ]
        );
    }

    #[test]
    fn a_silent_microphone_is_a_gap_and_then_a_restart() {
        let sound = |now: i64| Pulse {
            audio_at: Some(now.min(2000 * MS)),
            ..video(Some(now))
        };
        let (said, dog) = watch(CAMERA, 6000, sound);
        assert_eq!((said, dog.audio()), (vec![], AudioState::Gap));
        let (said, _) = watch(CAMERA, 20_000, sound);
        assert_eq!(said, [(7050, WatchdogVerdict::Restart)]);
    }

    #[test]
    fn three_missed_pings_are_the_end() {
        let (said, _) = watch(CAMERA, 20_000, |now| Pulse {
            pings_missed: ((now - 1000 * MS).max(0) / (500 * MS)) as u32,
            ..video(Some(now))
        });
        assert_eq!(said, [(2500, WatchdogVerdict::Dead)]);
    }

    #[test]
    fn a_configuration_without_pictures_asks_for_a_reset_every_two_seconds_at_most() {
        let (said, _) = watch(CAMERA, 6000, |now| Pulse {
            config_at: Some(0),
            ..video(Some(now))
        });
        assert_eq!(
            said,
            [
                (2050, WatchdogVerdict::Reset),
                (4050, WatchdogVerdict::Reset)
            ]
        );
    }
}
