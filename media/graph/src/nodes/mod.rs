//! Nodes that need nothing but time and packets.

mod channel;
mod clock_sync;
mod collect;
mod constant;
mod delay;
mod fps;
mod sync_av;

pub use channel::{ChannelInput, ChannelSource, PushError, channel_source};
pub use clock_sync::{ClockSync, MAX_SPEED, REPEATED_NANOS, SoundStep, Stretch, SyncAvByClock};
pub use collect::{Collected, Collector, NullSink, collector};
pub use constant::{Constant, Replay};
pub use delay::Delay;
pub use fps::{ExactRate, Fps, SeedRate, TimeBase};
pub use sync_av::{SeedSync, SeedSyncSettings, Side, SyncAv};
