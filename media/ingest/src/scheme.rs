//! Source addresses: which schemes exist and what their parameters mean. Pure; opens nothing.
//!
//! ```text
//! scheme ':' place [ '?' key '=' value { '&' key '=' value } ]
//! file:///data/talk.mp4?pace=fast      test:bars?seconds=5      demo:presenter?mask=1
//! ```

mod phone;
mod tethered;

use std::path::PathBuf;

use lsie_webrtc::PublisherName;
use serde::Serialize;

use crate::error::IngestError;

pub use phone::PhoneAddress;
pub use tethered::{DeviceName, TetheredAddress, TetheredPlace};

/// Largest picture side that `test:` accepts, pixels.
const MAX_TEST_SIDE_PX: u32 = 4096;
/// Highest rate that `test:` accepts, frames per second.
const MAX_TEST_FPS: u32 = 240;
/// Longest offset or duration that an address may name: a year of seconds.
const MAX_SECS: f64 = 366.0 * 86_400.0;

/// One line of the registry, for error messages and documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SchemeHelp {
    /// The scheme, without colon.
    pub scheme: &'static str,
    /// How an address looks.
    pub form: &'static str,
    /// What it gives, one line.
    pub help: &'static str,
}

/// How a source is paced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pace {
    /// As a camera: at media speed, the newest frame wins, older ones are dropped and counted.
    Live,
    /// At media speed, but nothing is dropped: a slow consumer makes it lag, and the lag is counted.
    Paced,
    /// As fast as it is consumed; nothing is dropped.
    Fast,
}

/// A checked source address.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceAddress {
    /// A media file.
    File {
        /// Where it is.
        path: PathBuf,
        /// How it is played; `Paced` unless the address says `fast`.
        pace: Pace,
        /// Where to begin, seconds of media time.
        start_secs: f64,
    },
    /// A generated pattern with a tone.
    Test {
        /// Picture width, pixels.
        width: u32,
        /// Picture height, pixels.
        height: u32,
        /// Frames per second.
        fps: u32,
        /// How long it lasts; `None` is for ever.
        duration_secs: Option<f64>,
        /// Where to begin counting media time, seconds.
        start_secs: f64,
        /// Whether the time of day is painted into each picture, for whoever measures how late it is shown.
        shows_clock: bool,
        /// Fault injection: after so many seconds of pictures (sound, without pictures) an element of the pipeline fails.
        fail_after_secs: Option<f64>,
        /// `Live` unless the address says otherwise.
        pace: Pace,
    },
    /// The embedded presenter.
    Demo {
        /// Whether the face is covered.
        mask: bool,
        /// Where to begin, seconds of media time.
        start_secs: f64,
        /// `Live` unless the address says otherwise.
        pace: Pace,
    },
    /// A tethered phone; always live.
    Phone(Box<PhoneAddress>),
    /// A camera, a microphone or a network sender; always live.
    Tethered(Box<TetheredAddress>),
    /// Whoever publishes under a name; always live.
    Whip {
        /// The name.
        name: PublisherName,
        /// Where to begin counting media time, seconds.
        start_secs: f64,
    },
}

const KNOWN: [SchemeHelp; 9] = [
    SchemeHelp {
        scheme: "file",
        form: "file:///path or file:path ?pace=paced|fast &start=seconds",
        help: "a media file: mp4, mkv, mjpeg, mp3, wav and what else GStreamer decodes",
    },
    SchemeHelp {
        scheme: "test",
        form: "test:bars ?size=1280x720 &fps=30 &seconds=n &pace=live|paced|fast &start=seconds &clock=1 &fail_after=seconds",
        help: "colour bars and a tone, generated; clock=1 paints the time of day into a corner, fail_after breaks it on purpose",
    },
    SchemeHelp {
        scheme: "demo",
        form: "demo:presenter ?mask=1 &pace=live|paced|fast &start=seconds",
        help: "the embedded presenter, whose smile is known; mask=1 covers the face",
    },
    SchemeHelp {
        scheme: "android",
        form: "android://device or android://SERIAL ?source=camera|display|none &audio=mic|playback|output|none &facing=front|back|external &size=1280x720 &fps=30",
        help: "a phone with USB debugging, through adb: its camera or screen, its microphone or what it plays",
    },
    SchemeHelp {
        scheme: "webcam",
        form: "webcam: or webcam:NAME or webcam:/dev/video0 ?size=1280x720 &fps=30 &mic=default|NAME",
        help: "a camera of this machine, raw or MJPEG; found again when it is plugged in again",
    },
    SchemeHelp {
        scheme: "mic",
        form: "mic: or mic:NAME",
        help: "a microphone of this machine, without pictures",
    },
    SchemeHelp {
        scheme: "rtsp",
        form: "rtsp://HOST[:PORT]/PATH #latency=80 &transport=tcp|udp &credentials=FILE",
        help: "a network camera; its password stands in a file, user:password",
    },
    SchemeHelp {
        scheme: "srt",
        form: "srt://HOST:PORT or srt://:PORT ?mode=caller|listener &latency=120 &streamid=NAME &passphrase=FILE",
        help: "a sender of an MPEG transport stream, called or awaited",
    },
    SchemeHelp {
        scheme: "whip",
        form: "whip:NAME",
        help: "whoever publishes over WebRTC to /whip/NAME of this server: a browser's camera, OBS, another LSIE",
    },
];

/// The schemes that exist in this build. Usable without GStreamer.
pub fn known_schemes() -> &'static [SchemeHelp] {
    &KNOWN
}

impl SourceAddress {
    /// Reads and checks an address. Opens nothing: the file may still be missing.
    pub fn parse(url: &str) -> Result<Self, IngestError> {
        let (scheme, rest) = split_scheme(url);
        if let "webcam" | "mic" | "rtsp" | "srt" = scheme.as_str() {
            return tethered::parse_tethered(url, &scheme, rest);
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let query = Query::parse(url, query)?;
        match scheme.as_str() {
            "file" => parse_file(url, place, query),
            "test" => parse_test(url, place, query),
            "demo" => parse_demo(url, place, query),
            "android" => phone::parse_phone(url, place, query),
            "whip" => parse_whip(url, place, query),
            _ => Err(IngestError::UnknownScheme {
                scheme,
                known: KNOWN.to_vec(),
            }),
        }
    }

    /// How it is paced.
    pub fn pace(&self) -> Pace {
        match self {
            SourceAddress::File { pace, .. }
            | SourceAddress::Test { pace, .. }
            | SourceAddress::Demo { pace, .. } => *pace,
            SourceAddress::Phone(_) | SourceAddress::Tethered(_) | SourceAddress::Whip { .. } => {
                Pace::Live
            }
        }
    }

    /// Where it begins, seconds of media time.
    pub fn start_secs(&self) -> f64 {
        match self {
            SourceAddress::File { start_secs, .. }
            | SourceAddress::Test { start_secs, .. }
            | SourceAddress::Demo { start_secs, .. }
            | SourceAddress::Whip { start_secs, .. } => *start_secs,
            SourceAddress::Phone(phone) => phone.start_secs,
            SourceAddress::Tethered(tethered) => tethered.start_secs,
        }
    }

    /// The same source beginning elsewhere, as after an engine restart. Values that are no time begin at 0.
    #[must_use]
    pub fn starting_at(mut self, secs: f64) -> Self {
        let secs = if secs.is_finite() {
            secs.clamp(0.0, MAX_SECS)
        } else {
            0.0
        };
        match &mut self {
            SourceAddress::File { start_secs, .. }
            | SourceAddress::Test { start_secs, .. }
            | SourceAddress::Demo { start_secs, .. }
            | SourceAddress::Whip { start_secs, .. } => *start_secs = secs,
            SourceAddress::Phone(phone) => phone.start_secs = secs,
            SourceAddress::Tethered(tethered) => tethered.start_secs = secs,
        }
        self
    }
}

fn split_scheme(url: &str) -> (String, &str) {
    match url.split_once(':') {
        Some((scheme, rest))
            if !scheme.is_empty()
                && scheme
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) =>
        {
            (scheme.to_ascii_lowercase(), rest)
        }
        _ => (String::new(), url),
    }
}

fn parse_file(url: &str, place: &str, mut query: Query<'_>) -> Result<SourceAddress, IngestError> {
    let path = place
        .strip_prefix("//localhost")
        .or(place.strip_prefix("//"))
        .unwrap_or(place);
    let path = percent_decode(path)
        .ok_or_else(|| bad(url, "a % is not followed by two hexadecimal digits"))?;
    if path.is_empty() || path.contains('\0') {
        return Err(bad(url, "the path is empty"));
    }
    let pace = query.pace(Pace::Paced)?;
    if pace == Pace::Live {
        return Err(bad(url, "a file is paced or fast"));
    }
    let start_secs = query.secs("start")?.unwrap_or(0.0);
    query.finish()?;
    Ok(SourceAddress::File {
        path: PathBuf::from(path),
        pace,
        start_secs,
    })
}

fn parse_test(url: &str, place: &str, mut query: Query<'_>) -> Result<SourceAddress, IngestError> {
    if place != "bars" {
        return Err(bad(url, "the only pattern is test:bars"));
    }
    let (width, height) = query.size()?.unwrap_or((1280, 720));
    let fps = query.whole("fps", MAX_TEST_FPS)?.unwrap_or(30);
    let duration_secs = query.secs("seconds")?;
    let start_secs = query.secs("start")?.unwrap_or(0.0);
    let shows_clock = query.switch("clock")?;
    let fail_after_secs = query.secs("fail_after")?;
    let pace = query.pace(Pace::Live)?;
    query.finish()?;
    Ok(SourceAddress::Test {
        width,
        height,
        fps,
        duration_secs,
        start_secs,
        shows_clock,
        fail_after_secs,
        pace,
    })
}

fn parse_demo(url: &str, place: &str, mut query: Query<'_>) -> Result<SourceAddress, IngestError> {
    if place != "presenter" {
        return Err(bad(url, "the only demo is demo:presenter"));
    }
    let mask = query.switch("mask")?;
    let start_secs = query.secs("start")?.unwrap_or(0.0);
    let pace = query.pace(Pace::Live)?;
    query.finish()?;
    Ok(SourceAddress::Demo {
        mask,
        start_secs,
        pace,
    })
}

fn parse_whip(url: &str, place: &str, mut query: Query<'_>) -> Result<SourceAddress, IngestError> {
    let name = PublisherName::parse(place)
        .ok_or_else(|| bad(url, "a name is 1 to 64 letters, digits, `-`, `_` or `.`"))?;
    let start_secs = query.secs("start")?.unwrap_or(0.0);
    query.finish()?;
    Ok(SourceAddress::Whip { name, start_secs })
}

/// The parameters that are not consumed yet.
struct Query<'a> {
    url: &'a str,
    pairs: Vec<(&'a str, &'a str)>,
}

impl<'a> Query<'a> {
    fn parse(url: &'a str, text: &'a str) -> Result<Self, IngestError> {
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for item in text.split('&').filter(|item| !item.is_empty()) {
            let (key, value) = item
                .split_once('=')
                .ok_or_else(|| bad(url, &format!("parameter {item:?} has no value")))?;
            if pairs.iter().any(|(known, _)| *known == key) {
                return Err(bad(url, &format!("parameter {key:?} stands twice")));
            }
            pairs.push((key, value));
        }
        Ok(Query { url, pairs })
    }

    fn take(&mut self, key: &str) -> Option<&'a str> {
        let index = self.pairs.iter().position(|(known, _)| *known == key)?;
        Some(self.pairs.swap_remove(index).1)
    }

    fn switch(&mut self, key: &str) -> Result<bool, IngestError> {
        match self.take(key) {
            None | Some("0") => Ok(false),
            Some("1") => Ok(true),
            Some(_) => Err(bad(self.url, &format!("{key} is 0 or 1"))),
        }
    }

    fn pace(&mut self, default: Pace) -> Result<Pace, IngestError> {
        match self.take("pace") {
            None => Ok(default),
            Some("live") => Ok(Pace::Live),
            Some("paced") => Ok(Pace::Paced),
            Some("fast") => Ok(Pace::Fast),
            Some(_) => Err(bad(self.url, "pace is live, paced or fast")),
        }
    }

    fn secs(&mut self, key: &str) -> Result<Option<f64>, IngestError> {
        let Some(text) = self.take(key) else {
            return Ok(None);
        };
        let value = text
            .parse::<f64>()
            .ok()
            .filter(|secs| (0.0..=MAX_SECS).contains(secs));
        match value {
            Some(secs) => Ok(Some(secs)),
            None => Err(bad(self.url, &format!("{key} is not a number of seconds"))),
        }
    }

    fn whole(&mut self, key: &str, most: u32) -> Result<Option<u32>, IngestError> {
        let Some(text) = self.take(key) else {
            return Ok(None);
        };
        match text
            .parse::<u32>()
            .ok()
            .filter(|value| (1..=most).contains(value))
        {
            Some(value) => Ok(Some(value)),
            None => Err(bad(
                self.url,
                &format!("{key} is not a whole number from 1 to {most}"),
            )),
        }
    }

    fn size(&mut self) -> Result<Option<(u32, u32)>, IngestError> {
        let Some(text) = self.take("size") else {
            return Ok(None);
        };
        let side = |text: &str| {
            text.parse::<u32>()
                .ok()
                .filter(|side| (2..=MAX_TEST_SIDE_PX).contains(side))
        };
        let size = text
            .split_once('x')
            .and_then(|(w, h)| Some((side(w)?, side(h)?)));
        match size {
            Some(size) => Ok(Some(size)),
            None => Err(bad(self.url, "size is WIDTHxHEIGHT, each 2 to 4096")),
        }
    }

    fn finish(self) -> Result<(), IngestError> {
        match self.pairs.first() {
            None => Ok(()),
            Some((key, _)) => Err(bad(self.url, &format!("unknown parameter {key:?}"))),
        }
    }
}

fn bad(url: &str, reason: &str) -> IngestError {
    let url = url.chars().take(300).collect();
    IngestError::BadAddress {
        url,
        reason: reason.to_owned(),
    }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let high = char::from(bytes.next()?).to_digit(16)?;
        let low = char::from(bytes.next()?).to_digit(16)?;
        out.push((high * 16 + low) as u8);
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_address_is_read() {
        assert_eq!(
            SourceAddress::parse("file:///a/b%20c.mp4?pace=fast&start=2.5").unwrap(),
            SourceAddress::File {
                path: "/a/b c.mp4".into(),
                pace: Pace::Fast,
                start_secs: 2.5
            }
        );
        assert_eq!(
            SourceAddress::parse("FILE:clips/x.wav").unwrap(),
            SourceAddress::File {
                path: "clips/x.wav".into(),
                pace: Pace::Paced,
                start_secs: 0.0
            }
        );
        assert_eq!(
            SourceAddress::parse("test:bars?seconds=3&size=64x48&fps=25&clock=1&fail_after=0.5")
                .unwrap(),
            SourceAddress::Test {
                width: 64,
                height: 48,
                fps: 25,
                duration_secs: Some(3.0),
                start_secs: 0.0,
                shows_clock: true,
                fail_after_secs: Some(0.5),
                pace: Pace::Live
            }
        );
        let demo = SourceAddress::parse("demo:presenter?mask=1")
            .unwrap()
            .starting_at(f64::NAN);
        assert_eq!(
            demo,
            SourceAddress::Demo {
                mask: true,
                start_secs: 0.0,
                pace: Pace::Live
            }
        );
        assert_eq!(demo.starting_at(9.0).start_secs(), 9.0);
    }

    #[test]
    fn an_unknown_scheme_lists_what_exists() {
        for url in ["gopher://host/x", "nothing", "", "::", "a b:c"] {
            match SourceAddress::parse(url) {
                Err(error @ IngestError::UnknownScheme { .. }) => {
                    assert!(error.hint().contains("file, test, demo"), "{error}");
                }
                other => panic!("{url}: {other:?}"),
            }
        }
    }

    #[test]
    fn bad_parameters_are_refused() {
        for url in [
            "file:",
            "file:x%zz",
            "file:x%4",
            "file:x?pace=live",
            "file:x?start=-1",
            "file:x?start=NaN",
            "file:x?start=inf",
            "file:x?start=1e300",
            "file:x?start=1&start=2",
            "file:x?loud",
            "test:snow",
            "test:bars?size=1x1",
            "test:bars?size=99999x2",
            "test:bars?fps=0",
            "test:bars?fail_after=soon",
            "test:bars?colour=red",
            "demo:singer",
            "demo:presenter?mask=2",
            "whip:",
            "whip:a/b",
            "whip:cam?size=1x1",
        ] {
            let error = SourceAddress::parse(url).unwrap_err();
            assert!(
                matches!(error, IngestError::BadAddress { .. }),
                "{url}: {error}"
            );
        }
    }
}
