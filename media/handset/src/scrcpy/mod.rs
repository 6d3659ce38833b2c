//! The scrcpy server: which jar, how it is started, and what it sends (device 3).

mod codec;
mod control;
mod jar;
mod options;
mod parser;
mod picture;
mod version;

pub use codec::{Codec, StreamKind};
pub use control::{ControlMessage, DeviceMessage, DeviceMessageReader};
pub use jar::{
    JarError, JarOrigin, JarPin, JarSearch, MAX_JAR_BYTES, PINS, SCRCPY_LICENCE, ServerJar,
};
pub use options::{
    AudioOrigin, AudioSettings, CameraSettings, CaptureSettings, DisplaySettings, Facing,
    OptionError, Scid, VideoOrigin, VideoSettings, server_command, server_options,
};
pub use parser::{
    FramingError, MAX_AUDIO_BYTES, MAX_PTS_STEP_US, MAX_SIDE, MAX_VIDEO_BYTES, MediaKind,
    MediaPacket, ParserSettings, StreamEvent, StreamParser, VideoSize,
};
pub use picture::{begins_with_start_code, size_of_parameter_sets};
pub use version::{AudioStamps, Dialect, ServerVersion, VersionError};
