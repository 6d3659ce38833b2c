//! Sources of pictures and sound: files, a test pattern, the demo presenter, phones, cameras, microphones, network senders,
//! WHIP publishers, and H.264 access units from elsewhere.
//!
//! **The one contract.** [`open`] gives an [`Input`] with at most one [`VideoSource`] and one [`AudioSource`], each pulled
//! with a timeout. A picture arrives as an 8-bit NV12 or I420 [`lsie_device::Frame`] with one copy per plane, sound as
//! 48 kHz [`PcmBlock`]s whose media time is counted. Media time is nanoseconds from the start of the stream. A live source
//! gives its newest frame and counts what it replaced; a paced or fast one gives everything and waits for its consumer.
//! What viewers are to see leaves beside the decoder ([`MediaTap`]): encoded pictures as they came where a browser takes
//! them, else encoded once while somebody watches. Faults are typed; damage that can be played through is counted and told as an [`IngestEvent`].
//!
//! **What it never does.** It never analyses, never converts pixels in silence (a conversion is an event and a counter),
//! never lets one failing source stop another, and opens no network connection but that to the local adb server and to the
//! sender that an address names.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use lsie_device::CpuDevice;
//! use lsie_ingest::{OpenSettings, Pull, open};
//!
//! let settings = OpenSettings::new(Arc::new(CpuDevice::new()), std::env::temp_dir());
//! let mut input = open("test:bars?size=64x48&seconds=1&pace=fast", &settings)?;
//! let mut video = input.video.take().ok_or("no picture")?;
//! drop(input.audio.take());
//! let mut frames = 0;
//! while let Pull::Item(frame) = video.next(Duration::from_secs(15))? {
//!     assert_eq!((frame.width(), frame.height()), (64, 48));
//!     frames += 1;
//! }
//! assert_eq!(frames, 30);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access_unit;
mod demo;
mod error;
mod gst;
mod handset;
mod health;
mod input;
mod node;
mod pull;
mod scheme;
mod settings;
mod tap;
mod watch;
mod whip;

/// What the demo presenter does, as a pure function of media time.
pub mod truth {
    pub use crate::demo::truth::{
        FPS, LOOP_SECS, NEUTRAL_SECS, Truth, expected_au12_ratio, truth, truth_p90,
    };
}

/// Pictures that stay in the memory of an NVIDIA GPU.
pub mod cuda {
    pub use crate::gst::cuda::{
        CudaAbsent, CudaFrame, CudaLibrary, CudaPlane, CudaShare, MAX_SURFACES, PrimaryContext,
        WorkMark, WorkQueue,
    };
    pub use crate::gst::decoder::CudaVideo;
}

pub use error::IngestError;
pub use gst::clip::{CLIP_FPS, EncodedClip, MAX_CLIP_SECS, encode_clip};
pub use gst::decoder::{AccessUnitDecoder, DecoderSettings, Pushed};
pub use gst::sound::AudioSource;
pub use gst::video::VideoSource;
pub use health::{SourceClock, SourceHealth, SourcePhone, SourceState};
pub use input::{Input, InputHandle, InputInfo, PictureInfo, SoundInfo, open, open_address};
pub use pull::{AccessUnit, PCM_RATE_HZ, PcmBlock, Pull, host_time_ns};
pub use scheme::{
    DeviceName, Pace, PhoneAddress, SchemeHelp, SourceAddress, TetheredAddress, TetheredPlace,
    known_schemes,
};
pub use settings::{MediaAnchor, OpenSettings, PhoneSettings, Progress, ProgressFn, StandIns};
pub use tap::MediaTap;
pub use watch::{IngestCounters, IngestEvent, Watch};
