//! The server's option line (device 3.2, 3.3).

use std::fmt;

use thiserror::Error;

use super::codec::{Codec, StreamKind};
use super::parser::VideoSize;
use super::version::{AudioStamps, Dialect, ServerVersion, VersionError};

/// Random 31-bit number that names the device's socket and our files there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scid(u32);

impl Scid {
    /// Takes 31 of the 32 bits.
    #[must_use]
    pub fn new(random: u32) -> Self {
        Self(random & 0x7fff_ffff)
    }

    /// Name of the device's abstract socket.
    #[must_use]
    pub fn socket_name(self) -> String {
        format!("scrcpy_{self}")
    }

    /// Where the jar is put on the device.
    #[must_use]
    pub fn jar_path(self) -> String {
        format!("/data/local/tmp/lsie-scrcpy-{self}.jar")
    }

    /// Where the clock responder is put on the device.
    #[must_use]
    pub fn responder_path(self) -> String {
        format!("/data/local/tmp/lsie-clock-{self}")
    }
}

impl fmt::Display for Scid {
    /// Eight lower-case hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// Which camera when none is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Facing {
    /// Towards the person.
    #[default]
    Front,
    /// Away from the person.
    Back,
    /// Attached to the phone.
    External,
}

impl Facing {
    fn word(self) -> &'static str {
        match self {
            Self::Front => "front",
            Self::Back => "back",
            Self::External => "external",
        }
    }
}

/// A camera of the phone (Android 12 or newer).
#[derive(Debug, Clone, PartialEq)]
pub struct CameraSettings {
    /// Camera by its id; else by `facing`.
    pub id: Option<String>,
    /// Used when no id is given.
    pub facing: Facing,
    /// Size asked for; `None` leaves it to the server.
    pub size: Option<VideoSize>,
    /// Aspect ratio such as `16:9` or `sensor`, used without a size.
    pub aspect: Option<String>,
    /// Frames per second.
    pub fps: u32,
    /// Constrained high-speed capture.
    pub is_high_speed: bool,
    /// Light on, 4.x only.
    pub has_torch: bool,
    /// Zoom factor, 1 to 100, 4.x only when not 1.
    pub zoom: f64,
}

impl Default for CameraSettings {
    fn default() -> Self {
        Self {
            id: None,
            facing: Facing::Front,
            size: Some(VideoSize {
                width: 1280,
                height: 720,
            }),
            aspect: None,
            fps: 30,
            is_high_speed: false,
            has_torch: false,
            zoom: 1.0,
        }
    }
}

/// The phone's screen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DisplaySettings {
    /// Display by its number; `None` is the main one.
    pub id: Option<u32>,
    /// Frames per second at most; `None` is 30.
    pub max_fps: Option<f64>,
    /// Longer side at most, pixels.
    pub max_size: Option<u32>,
    /// `width:height:x:y`.
    pub crop: Option<String>,
    /// Degrees, or a locked orientation beginning with `@`.
    pub orientation: Option<String>,
}

/// Where pictures come from.
#[derive(Debug, Clone, PartialEq)]
pub enum VideoOrigin {
    /// A camera.
    Camera(CameraSettings),
    /// The screen.
    Display(DisplaySettings),
}

/// The video stream.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoSettings {
    /// Where pictures come from.
    pub origin: VideoOrigin,
    /// A video codec; `vp8` and `vp9` need 4.1.
    pub codec: Codec,
    /// Bits per second.
    pub bit_rate_bps: u32,
    /// Further encoder options, `key[:type]=value,…`, behind ours.
    pub codec_options: Option<String>,
}

impl Default for VideoSettings {
    fn default() -> Self {
        Self {
            origin: VideoOrigin::Camera(CameraSettings::default()),
            codec: Codec::H264,
            bit_rate_bps: 8_000_000,
            codec_options: None,
        }
    }
}

/// Where sound comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudioOrigin {
    /// Everything the phone plays; the phone falls silent.
    Output,
    /// What applications play and allow to be captured (Android 13); the phone stays audible.
    Playback,
    /// The microphone.
    Mic,
    /// The microphone without the phone's processing, from 3.2 on.
    MicUnprocessed,
    /// The microphone as for video recording, from 3.2 on.
    MicCamcorder,
    /// The microphone as for recognition, from 3.2 on.
    MicVoiceRecognition,
    /// The microphone as for calls, from 3.2 on.
    MicVoiceCommunication,
}

impl AudioOrigin {
    fn word(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Playback => "playback",
            Self::Mic => "mic",
            Self::MicUnprocessed => "mic-unprocessed",
            Self::MicCamcorder => "mic-camcorder",
            Self::MicVoiceRecognition => "mic-voice-recognition",
            Self::MicVoiceCommunication => "mic-voice-communication",
        }
    }

    /// Whether it is a microphone, for which the operator's consent is asked apart.
    #[must_use]
    pub fn is_microphone(self) -> bool {
        !matches!(self, Self::Output | Self::Playback)
    }

    /// Oldest version that knows it.
    fn since(self) -> (u16, u16) {
        match self {
            Self::Output => (2, 0),
            Self::Mic => (2, 1),
            Self::Playback => (3, 0),
            _ => (3, 2),
        }
    }

    /// What goes with a picture's origin where nothing was chosen.
    fn with(video: Option<&VideoSettings>, version: ServerVersion) -> Self {
        let is_display = matches!(
            video.map(|video| &video.origin),
            Some(VideoOrigin::Display(_))
        );
        let wished = if is_display {
            [Self::Playback, Self::Output]
        } else {
            [Self::MicCamcorder, Self::Mic]
        };
        let is_known = |origin: &Self| {
            let (major, minor) = origin.since();
            version.is_at_least(major, minor)
        };
        wished.into_iter().find(is_known).unwrap_or(Self::Output)
    }
}

/// The audio stream.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioSettings {
    /// Where sound comes from; `None` takes what goes with the picture.
    pub origin: Option<AudioOrigin>,
    /// An audio codec. [`Codec::Raw`] alone keeps the recorder's time stamps (device 0, D5).
    pub codec: Codec,
    /// Bits per second, unused for raw.
    pub bit_rate_bps: u32,
}

impl Default for AudioSettings {
    fn default() -> Self {
        Self {
            origin: None,
            codec: Codec::Raw,
            bit_rate_bps: 128_000,
        }
    }
}

/// What is captured. The defaults are a front camera at 1280x720 with its microphone.
#[derive(Debug, Clone, PartialEq)]
pub struct CaptureSettings {
    /// Pictures; `None` for sound alone.
    pub video: Option<VideoSettings>,
    /// Sound; `None` for pictures alone.
    pub audio: Option<AudioSettings>,
    /// Keep the phone awake while it is captured; put back afterwards by the server's clean-up.
    pub stays_awake: bool,
}

impl Default for CaptureSettings {
    fn default() -> Self {
        Self {
            video: Some(VideoSettings::default()),
            audio: Some(AudioSettings::default()),
            stays_awake: true,
        }
    }
}

impl CaptureSettings {
    /// Whether pictures come from the screen, which may rightly stand still.
    #[must_use]
    pub fn is_display(&self) -> bool {
        let origin = self.video.as_ref().map(|video| &video.origin);
        matches!(origin, Some(VideoOrigin::Display(_)))
    }
}

/// Why settings cannot become an option line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OptionError {
    /// Neither pictures nor sound.
    #[error("nothing to capture: both video and audio are off")]
    Nothing,
    /// A value holds a character that a shell could read as its own.
    #[error("the value of {key} holds {character:?}, which is not allowed")]
    Unsafe {
        /// Which option.
        key: &'static str,
        /// The first such character.
        character: char,
    },
    /// A value is empty or out of range.
    #[error("the value of {0} is out of range")]
    OutOfRange(&'static str),
    /// A codec of the other stream.
    #[error("{codec} is no codec for {key}")]
    WrongCodec {
        /// Which option.
        key: &'static str,
        /// Its value.
        codec: &'static str,
    },
    /// This server version does not know it.
    #[error("{key}={value} needs scrcpy server {since} or newer")]
    TooOld {
        /// Which option.
        key: &'static str,
        /// Its value.
        value: &'static str,
        /// First version with it.
        since: ServerVersion,
    },
    /// Sound would be stamped by counting samples, which no synchronised analysis can use.
    #[error("servers before 3.2 lose the time of encoded sound; use raw")]
    BlindAudio,
    /// The version itself is refused.
    #[error(transparent)]
    Version(#[from] VersionError),
}

type Pairs = Vec<(&'static str, String)>;

/// Every `key=value` of a start, in a fixed order. Keys whose default the server shares are left out.
pub fn server_options(
    version: ServerVersion,
    scid: Scid,
    settings: &CaptureSettings,
) -> Result<Vec<String>, OptionError> {
    let dialect = version.dialect()?;
    if settings.video.is_none() && settings.audio.is_none() {
        return Err(OptionError::Nothing);
    }
    let mut pairs: Pairs = vec![
        ("scid", scid.to_string()),
        ("log_level", "info".into()),
        ("tunnel_forward", "true".into()),
    ];
    match &settings.video {
        Some(video) => video_pairs(version, dialect, video, &mut pairs)?,
        None => pairs.push(("video", "false".into())),
    }
    match &settings.audio {
        Some(audio) => audio_pairs(version, audio, settings.video.as_ref(), &mut pairs)?,
        None => pairs.push(("audio", "false".into())),
    }
    if settings.stays_awake {
        pairs.push(("stay_awake", "true".into()));
    }
    if !settings.is_display() {
        pairs.push(("power_on", "false".into()));
    }
    // Otherwise the phone's clipboard would be sent to us.
    pairs.push(("clipboard_autosync", "false".into()));
    pairs.into_iter().map(written).collect()
}

/// The shell command that starts the server; its first line of output is the process id.
pub fn server_command(
    version: ServerVersion,
    scid: Scid,
    settings: &CaptureSettings,
) -> Result<String, OptionError> {
    let options = server_options(version, scid, settings)?.join(" ");
    let jar = scid.jar_path();
    Ok(format!(
        "echo $$; export CLASSPATH={jar}; exec app_process / com.genymobile.scrcpy.Server {version} {options}"
    ))
}

fn video_pairs(
    version: ServerVersion,
    dialect: Dialect,
    video: &VideoSettings,
    pairs: &mut Pairs,
) -> Result<(), OptionError> {
    known_codec("video_codec", video.codec, StreamKind::Video)?;
    if matches!(video.codec, Codec::Vp8 | Codec::Vp9) {
        needs(version, (4, 1), "video_codec", video.codec.name())?;
    }
    match &video.origin {
        VideoOrigin::Camera(camera) => camera_pairs(version, camera, pairs)?,
        VideoOrigin::Display(display) => display_pairs(display, pairs)?,
    }
    if video.codec != Codec::H264 {
        pairs.push(("video_codec", video.codec.name().into()));
    }
    if !(100_000..=200_000_000).contains(&video.bit_rate_bps) {
        return Err(OptionError::OutOfRange("video_bit_rate"));
    }
    pairs.push(("video_bit_rate", video.bit_rate_bps.to_string()));
    let mut options = String::from("i-frame-interval=1");
    // From 4.0 on the server asks for these itself.
    if dialect == Dialect::A {
        options.push_str(",latency=1,priority=0");
    }
    if let Some(more) = &video.codec_options {
        options.push(',');
        options.push_str(more);
    }
    pairs.push(("video_codec_options", options));
    Ok(())
}

fn camera_pairs(
    version: ServerVersion,
    camera: &CameraSettings,
    pairs: &mut Pairs,
) -> Result<(), OptionError> {
    needs(version, (2, 2), "video_source", "camera")?;
    pairs.push(("video_source", "camera".into()));
    match &camera.id {
        Some(id) => pairs.push(("camera_id", id.clone())),
        None => pairs.push(("camera_facing", camera.facing.word().into())),
    }
    if let Some(size) = camera.size {
        let is_sane = |side: u32| (16..=super::MAX_SIDE).contains(&side);
        if !(is_sane(size.width) && is_sane(size.height)) {
            return Err(OptionError::OutOfRange("camera_size"));
        }
        pairs.push(("camera_size", format!("{}x{}", size.width, size.height)));
    } else if let Some(aspect) = &camera.aspect {
        pairs.push(("camera_ar", aspect.clone()));
    }
    if !(1..=960).contains(&camera.fps) {
        return Err(OptionError::OutOfRange("camera_fps"));
    }
    pairs.push(("camera_fps", camera.fps.to_string()));
    if camera.is_high_speed {
        pairs.push(("camera_high_speed", "true".into()));
    }
    if camera.has_torch {
        needs(version, (4, 0), "camera_torch", "true")?;
        pairs.push(("camera_torch", "true".into()));
    }
    if !(1.0..=100.0).contains(&camera.zoom) {
        return Err(OptionError::OutOfRange("camera_zoom"));
    }
    if camera.zoom != 1.0 {
        needs(version, (4, 0), "camera_zoom", "above 1")?;
        pairs.push(("camera_zoom", camera.zoom.to_string()));
    }
    Ok(())
}

fn display_pairs(display: &DisplaySettings, pairs: &mut Pairs) -> Result<(), OptionError> {
    if let Some(id) = display.id {
        pairs.push(("display_id", id.to_string()));
    }
    let max_fps = display.max_fps.unwrap_or(30.0);
    if !(0.1..=960.0).contains(&max_fps) {
        return Err(OptionError::OutOfRange("max_fps"));
    }
    pairs.push(("max_fps", max_fps.to_string()));
    if let Some(side) = display.max_size {
        if !(16..=super::MAX_SIDE).contains(&side) {
            return Err(OptionError::OutOfRange("max_size"));
        }
        pairs.push(("max_size", side.to_string()));
    }
    if let Some(crop) = &display.crop {
        pairs.push(("crop", crop.clone()));
    }
    if let Some(orientation) = &display.orientation {
        pairs.push(("capture_orientation", orientation.clone()));
    }
    Ok(())
}

fn audio_pairs(
    version: ServerVersion,
    audio: &AudioSettings,
    video: Option<&VideoSettings>,
    pairs: &mut Pairs,
) -> Result<(), OptionError> {
    known_codec("audio_codec", audio.codec, StreamKind::Audio)?;
    let is_reencoded = matches!(audio.codec, Codec::Opus | Codec::Flac);
    if version.audio_stamps(is_reencoded) == AudioStamps::SampleCount {
        return Err(OptionError::BlindAudio);
    }
    let origin = audio
        .origin
        .unwrap_or_else(|| AudioOrigin::with(video, version));
    needs(version, origin.since(), "audio_source", origin.word())?;
    pairs.push(("audio_source", origin.word().into()));
    if origin == AudioOrigin::Playback {
        pairs.push(("audio_dup", "true".into()));
    }
    pairs.push(("audio_codec", audio.codec.name().into()));
    if audio.codec != Codec::Raw {
        if !(8_000..=1_000_000).contains(&audio.bit_rate_bps) {
            return Err(OptionError::OutOfRange("audio_bit_rate"));
        }
        pairs.push(("audio_bit_rate", audio.bit_rate_bps.to_string()));
    }
    Ok(())
}

fn known_codec(key: &'static str, codec: Codec, kind: StreamKind) -> Result<(), OptionError> {
    if codec.kind() == kind {
        return Ok(());
    }
    let codec = codec.name();
    Err(OptionError::WrongCodec { key, codec })
}

fn needs(
    version: ServerVersion,
    (major, minor): (u16, u16),
    key: &'static str,
    value: &'static str,
) -> Result<(), OptionError> {
    if version.is_at_least(major, minor) {
        return Ok(());
    }
    let since = ServerVersion::new(major, minor, 0);
    Err(OptionError::TooOld { key, value, since })
}

/// `key=value`, refused when a shell could read anything but the value's own characters.
fn written((key, value): (&'static str, String)) -> Result<String, OptionError> {
    if value.is_empty() || value.len() > 256 {
        return Err(OptionError::OutOfRange(key));
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._:,/@=+-".contains(c);
    match value.chars().find(|c| !is_plain(*c)) {
        Some(character) => Err(OptionError::Unsafe { key, character }),
        None => Ok(format!("{key}={value}")),
    }
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
