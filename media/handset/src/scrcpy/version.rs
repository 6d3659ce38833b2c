//! Server versions and the wire dialect each speaks.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Version of a scrcpy server, as the first argument of its start must repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerVersion {
    major: u16,
    minor: u16,
    /// 0 when the text has no third number; `3.3.0` is written `3.3`.
    patch: u16,
}

/// Framing of the media streams (device 0, D4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// 2.0 to 3.3.4: flags in bits 63 and 62, size in the head of the stream.
    A,
    /// 4.x: flags in bits 62 and 61, sizes in session packets.
    B,
}

/// What the time stamps of a sound stream are made from (device 3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AudioStamps {
    /// The recorder's own time.
    Recorder,
    /// The encoder's output time minus the duration: late and jittery.
    EncoderOutput,
    /// A count of samples since the first packet: blind to drift and gaps, of no use for synchronised analysis.
    SampleCount,
}

/// Why a version text or a version is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VersionError {
    /// The text is not two or three numbers with dots.
    #[error("`{0}` is not a version of a scrcpy server, such as 4.1 or 3.3.4")]
    Malformed(String),
    /// Its wire form is not known here.
    #[error("scrcpy server {0} is not supported; use 2.0 to 3.3.4 or 4.x")]
    Unsupported(ServerVersion),
}

impl ServerVersion {
    /// A version from its numbers, unchecked.
    #[must_use]
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// The dialect it speaks; refused below 2.0 and above 4.x.
    pub fn dialect(self) -> Result<Dialect, VersionError> {
        match self.major {
            2 | 3 => Ok(Dialect::A),
            4 => Ok(Dialect::B),
            _ => Err(VersionError::Unsupported(self)),
        }
    }

    /// Whether it is at least `major.minor`.
    #[must_use]
    pub fn is_at_least(self, major: u16, minor: u16) -> bool {
        self >= Self::new(major, minor, 0)
    }

    /// What its sound is stamped with. `is_reencoded` says that an Opus or FLAC encoder of the device is used.
    #[must_use]
    pub fn audio_stamps(self, is_reencoded: bool) -> AudioStamps {
        match (is_reencoded, self.is_at_least(3, 2)) {
            (false, _) => AudioStamps::Recorder,
            (true, true) => AudioStamps::EncoderOutput,
            (true, false) => AudioStamps::SampleCount,
        }
    }

    /// Reads the server's own version out of the message with which it refuses another one.
    #[must_use]
    pub fn from_mismatch(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once("server version (")?;
        rest.split_once(')')?.0.parse().ok()
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.patch > 0 {
            write!(f, ".{}", self.patch)?;
        }
        Ok(())
    }
}

impl FromStr for ServerVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || VersionError::Malformed(text.chars().take(32).collect());
        let numbers: Option<Vec<u16>> = text
            .split('.')
            .map(|part| {
                let is_plain = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
                is_plain.then(|| part.parse().ok()).flatten()
            })
            .collect();
        match numbers.unwrap_or_default().as_slice() {
            [major, minor] => Ok(Self::new(*major, *minor, 0)),
            [major, minor, patch] => Ok(Self::new(*major, *minor, *patch)),
            _ => Err(malformed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dialect_follows_from_the_version() {
        let dialect = |text: &str| text.parse::<ServerVersion>().unwrap().dialect();
        for text in ["2.0", "2.7", "3.3", "3.3.4"] {
            assert_eq!(dialect(text), Ok(Dialect::A), "{text}");
        }
        for text in ["4.0", "4.1", "4.9.2"] {
            assert_eq!(dialect(text), Ok(Dialect::B), "{text}");
        }
        for text in ["1.25", "5.0", "0.1"] {
            assert!(matches!(dialect(text), Err(VersionError::Unsupported(_))));
        }
    }

    #[test]
    fn versions_are_written_as_upstream_writes_them() {
        for text in ["4.1", "3.3.4", "2.0"] {
            assert_eq!(text.parse::<ServerVersion>().unwrap().to_string(), text);
        }
        for text in ["", "4", "4.", "4.1.2.3", "+4.1", "v4.1", "99999.1"] {
            assert!(text.parse::<ServerVersion>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_refused_start_tells_the_version() {
        let line = "java.lang.IllegalArgumentException: The server version (3.3.4) does not match the client (0)";
        let version = ServerVersion::from_mismatch(line);
        assert_eq!(version, Some(ServerVersion::new(3, 3, 4)));
        assert_eq!(ServerVersion::from_mismatch("server version (x)"), None);
    }
}
