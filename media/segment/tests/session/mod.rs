//! A hand-cranked session: blocks and scores on a virtual clock.
#![allow(dead_code, reason = "each behaviour test uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a refusal here fails the test")]

use lsie_schemas::time::UtcMicros;
use lsie_segment::{
    ClosedWindow, ObservationRing, Patience, PcmRing, Reached, SegmentParts, SessionClock,
    WindowSettings, Windower, cut_segment,
};
use uuid::Uuid;

pub(crate) const EPOCH: UtcMicros = UtcMicros(1_767_225_600_000_000);
pub(crate) const BLOCK_NS: i64 = 20_000_000;

/// What the file holds.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) secs: f64,
    pub(crate) fps: f64,
    pub(crate) stimuli: Vec<f64>,
    pub(crate) lost_blocks: Vec<(u32, u32)>,
    pub(crate) has_audio: bool,
    pub(crate) has_video: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            secs: 61.0,
            fps: 30.0,
            stimuli: vec![],
            lost_blocks: vec![],
            has_audio: true,
            has_video: true,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) enum Event {
    Sound(i64),
    Picture(i64),
}

impl Script {
    /// Events ordered by the moment they are delivered when sound runs `audio_lead_ms` ahead of the picture.
    pub(crate) fn events(&self, audio_lead_ms: i64) -> Vec<(i64, Event)> {
        let end_ns = (self.secs * 1e9) as i64;
        let mut events = Vec::new();
        if self.has_audio {
            let is_lost = |k: i64| {
                self.lost_blocks
                    .iter()
                    .any(|(a, b)| (i64::from(*a) * 50..i64::from(*b) * 50).contains(&k))
            };
            let blocks = (0..end_ns / BLOCK_NS)
                .filter(|k| !is_lost(*k))
                .map(|k| k * BLOCK_NS);
            events.extend(blocks.map(|pts| {
                (
                    pts + BLOCK_NS - audio_lead_ms * 1_000_000,
                    Event::Sound(pts),
                )
            }));
        }
        if self.has_video {
            let frames = (0..=(self.secs * self.fps) as i64)
                .map(|k| (k as f64 / self.fps * 1e9).round() as i64);
            events.extend(frames.map(|pts| (pts, Event::Picture(pts))));
        }
        events.sort_by_key(|(at, _)| *at);
        events
    }
}

pub(crate) fn sample(position: i64) -> i16 {
    ((position * 7919) % 20_011 + 1) as i16
}

pub(crate) struct Session {
    pub(crate) clock: SessionClock,
    pub(crate) sound: PcmRing,
    pub(crate) scores: ObservationRing<f64>,
    pub(crate) windower: Windower,
    pub(crate) video_ns: Option<i64>,
}

impl Session {
    pub(crate) fn new(script: &Script, patience: Patience) -> Self {
        let clock = SessionClock::new(EPOCH);
        let mut windower = Windower::new(WindowSettings {
            session_id: Uuid::from_u128(0x75d3_f2e2_a637_4f15_b53f_21c1_ab17_3aed),
            clock,
            has_audio: script.has_audio,
            has_video: script.has_video,
            patience,
            grid_anchor: Some(EPOCH),
            resume_at_ns: 0,
        });
        for (k, offset) in script.stimuli.iter().enumerate() {
            windower
                .push_stimulus(
                    Uuid::from_u128(k as u128 + 1),
                    EPOCH.as_epoch_secs() + offset,
                )
                .unwrap();
        }
        Self {
            clock,
            sound: PcmRing::new(clock),
            scores: ObservationRing::new(75.0, 20_000),
            windower,
            video_ns: None,
        }
    }

    pub(crate) fn feed(&mut self, event: Event) {
        match event {
            Event::Sound(pts) => {
                let at = pts / 62_500;
                let block: Vec<i16> = (at..at + BLOCK_NS / 62_500).map(sample).collect();
                self.sound.push(pts, &block).unwrap();
            }
            Event::Picture(pts) => {
                self.scores
                    .push(self.clock.epoch_secs_at(pts), (pts as f64).sin().abs())
                    .unwrap();
                self.video_ns = Some(pts);
            }
        }
    }

    pub(crate) fn reached(&self) -> Reached {
        Reached {
            audio_ns: self.sound.end_ns(),
            video_ns: self.video_ns,
            clock_ns: None,
        }
    }

    pub(crate) fn poll(&mut self) -> Vec<ClosedWindow> {
        self.windower.poll(self.reached())
    }

    pub(crate) fn cut(&self, window: ClosedWindow) -> SegmentParts<f64> {
        cut_segment(window, Some(&self.sound), &self.scores).unwrap()
    }

    /// Plays the whole script, polling after every `poll_every` events and at the end.
    pub(crate) fn play(
        &mut self,
        script: &Script,
        audio_lead_ms: i64,
        poll_every: usize,
    ) -> Vec<SegmentParts<f64>> {
        let mut parts = Vec::new();
        for (k, (_, event)) in script.events(audio_lead_ms).into_iter().enumerate() {
            self.feed(event);
            if k % poll_every == 0 {
                let closed = self.poll();
                parts.extend(closed.into_iter().map(|w| self.cut(w)));
            }
        }
        let closed = self.poll();
        parts.extend(closed.into_iter().map(|w| self.cut(w)));
        parts
    }
}
