//! The phone's clocks mapped to ours (device 6): pure values, time as an argument.

mod audio;
mod base;
mod compatibility;
mod ladder;
mod map;
mod responder;
mod schedule;

pub use audio::{AudioStep, AudioTimeline, MAX_GAP_NS};
pub use base::{TimeBase, TimeBaseDetector};
pub use compatibility::CompatibilityOffset;
pub use ladder::{ClockLadder, ClockState, MappedTime, ONE_WAY_UNCERTAINTY_NS};
pub use map::{BurstOutcome, ClockMap, ClockSample, DeviceClock};
pub use responder::{ANSWER_BYTES, ClockAnswer, parse_answer, responder_elf};
pub use schedule::{BURST_PINGS, PingSchedule};
