//! Viewers over WebRTC: WHEP's media half, behind one small trait.
//!
//! **The one contract.** A source gives its encoded pictures, sound and observations to a [`Broadcast`], which never waits. A
//! [`PeerHost`] answers offers on a runtime of its own and gives every viewer what the broadcast has: at once from the last
//! key frame, then as it comes. A viewer that cannot keep up loses pictures up to the next key frame; a peer that is not
//! heard of is let go, whatever it does. RTP time is media time at 90 kHz, the same for every viewer.
//!
//! **What it never does.** It never decodes, encodes, or speaks HTTP, and it listens on no address but that it is given.
//!
//! ```
//! use lsie_webrtc::{Broadcast, PictureUnit};
//!
//! let broadcast = Broadcast::new(Default::default());
//! broadcast.picture(&PictureUnit {
//!     data: bytes::Bytes::from_static(&[0, 0, 0, 1, 0x65, 1]),
//!     pts_ns: 0,
//!     is_key: true,
//! });
//! assert!(!broadcast.is_watched());
//! ```

mod broadcast;
mod cache;
mod counters;
mod debounce;
mod error;
mod host;
mod machine;
mod mailbox;
mod offer;
mod peer;
mod queue;
mod rtc;
mod transport;
mod unit;
mod viewer;

pub use broadcast::Broadcast;
pub use counters::PeerCounters;
pub use error::PeerError;
pub use host::{HostSettings, MAX_PEERS, PeerHost, Reporter};
pub use mailbox::LiveKind;
pub use offer::{MAX_CANDIDATES, OfferFault};
pub use unit::{PictureUnit, SoundUnit};
