//! Addresses of cameras, microphones and network senders. All of them are live.
//!
//! ```text
//! webcam:          webcam:/dev/video2?size=1280x720&fps=30      webcam:HD%20Camera?mic=default
//! mic:             mic:USB%20Audio
//! rtsp://host:554/stream?channel=1#latency=80&transport=udp     what stands before # goes to the camera as it is
//! srt://host:7001?mode=caller&latency=120                       srt://:7001?mode=listener&passphrase=FILE
//! ```

use std::path::PathBuf;

use super::{Query, SourceAddress, bad, percent_decode};
use crate::error::IngestError;

/// Longest name of a device or host, bytes.
const MAX_NAME_BYTES: usize = 512;
/// Usual time in which packets of a network sender may be put in order, milliseconds.
const USUAL_LATENCY_MS: u32 = 80;
/// Usual time in which SRT may ask for lost packets again, milliseconds.
const USUAL_SRT_LATENCY_MS: u32 = 120;
/// Longest such time, milliseconds.
const MAX_LATENCY_MS: u32 = 8000;
/// Highest rate that a camera may be asked for, pictures per second.
const MAX_FPS: u32 = 240;

/// A source that hangs on this machine or on the network.
#[derive(Debug, Clone, PartialEq)]
pub struct TetheredAddress {
    /// What it is and where.
    pub place: TetheredPlace,
    /// Where to begin counting media time, seconds.
    pub start_secs: f64,
}

/// Which device of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceName {
    /// The first that is found.
    First,
    /// The one with this name, as the device monitor tells it, or at this path.
    Named(String),
}

/// What is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TetheredPlace {
    /// A camera of this machine.
    Webcam {
        /// Which.
        device: DeviceName,
        /// Picture size, pixels; `None` leaves it to the camera.
        size: Option<(u32, u32)>,
        /// Pictures per second; `None` leaves it to the camera.
        fps: Option<u32>,
        /// Microphone that goes with it; `None` is without sound.
        mic: Option<DeviceName>,
    },
    /// A microphone of this machine.
    Mic {
        /// Which.
        device: DeviceName,
    },
    /// A camera that speaks RTSP.
    Rtsp {
        /// Its address, without credentials.
        url: String,
        /// Time in which packets may be put in order, milliseconds; later ones are dropped.
        latency_ms: u32,
        /// Whether packets come over UDP; otherwise inside the RTSP connection.
        is_udp: bool,
        /// File with `user:password` in its first line.
        credentials: Option<PathBuf>,
    },
    /// A sender that speaks SRT with an MPEG transport stream.
    Srt {
        /// Host and port; an empty host listens on every address.
        host: String,
        /// Whether the sender calls us; otherwise we call it.
        is_listener: bool,
        /// Time in which lost packets may be asked for again, milliseconds.
        latency_ms: u32,
        /// Name of the stream, where the sender has several.
        stream_id: Option<String>,
        /// File with the passphrase in its first line, where the stream is encrypted.
        passphrase: Option<PathBuf>,
    },
}

impl TetheredPlace {
    /// The scheme.
    pub fn scheme(&self) -> &'static str {
        match self {
            TetheredPlace::Webcam { .. } => "webcam",
            TetheredPlace::Mic { .. } => "mic",
            TetheredPlace::Rtsp { .. } => "rtsp",
            TetheredPlace::Srt { .. } => "srt",
        }
    }
}

/// Reads an address of one of these schemes; `rest` is what follows the colon.
pub(super) fn parse_tethered(
    url: &str,
    scheme: &str,
    rest: &str,
) -> Result<SourceAddress, IngestError> {
    let mark = if scheme == "rtsp" { '#' } else { '?' };
    let (place, query) = rest.split_once(mark).unwrap_or((rest, ""));
    let mut query = Query::parse(url, query)?;
    let start_secs = query.secs("start")?.unwrap_or(0.0);
    let place = match scheme {
        "webcam" => webcam(url, place, &mut query)?,
        "mic" => TetheredPlace::Mic {
            device: device(url, place)?,
        },
        "rtsp" => rtsp(url, place, &mut query)?,
        _ => srt(url, place, &mut query)?,
    };
    query.finish()?;
    let address = TetheredAddress { place, start_secs };
    Ok(SourceAddress::Tethered(Box::new(address)))
}

fn webcam(url: &str, place: &str, query: &mut Query<'_>) -> Result<TetheredPlace, IngestError> {
    Ok(TetheredPlace::Webcam {
        device: device(url, place)?,
        size: query.size()?,
        fps: query.whole("fps", MAX_FPS)?,
        mic: match query.take("mic") {
            None | Some("none") => None,
            Some("default") => Some(DeviceName::First),
            Some(name) => Some(device(url, name)?),
        },
    })
}

fn device(url: &str, text: &str) -> Result<DeviceName, IngestError> {
    let name = decoded(url, text.strip_prefix("//").unwrap_or(text))?;
    Ok(if name.is_empty() {
        DeviceName::First
    } else {
        DeviceName::Named(name)
    })
}

fn rtsp(url: &str, place: &str, query: &mut Query<'_>) -> Result<TetheredPlace, IngestError> {
    let host = authority(url, place)?;
    if host.is_empty() {
        return Err(bad(url, "after rtsp:// stands a host"));
    }
    Ok(TetheredPlace::Rtsp {
        url: format!("rtsp:{place}"),
        latency_ms: query
            .whole("latency", MAX_LATENCY_MS)?
            .unwrap_or(USUAL_LATENCY_MS),
        is_udp: match query.take("transport") {
            None | Some("tcp") => false,
            Some("udp") => true,
            Some(_) => return Err(bad(url, "transport is tcp or udp")),
        },
        credentials: file(url, query.take("credentials"))?,
    })
}

fn srt(url: &str, place: &str, query: &mut Query<'_>) -> Result<TetheredPlace, IngestError> {
    let host = authority(url, place)?.trim_end_matches('/');
    let (name, port) = host
        .rsplit_once(':')
        .ok_or_else(|| bad(url, "after srt:// stand a host and a port"))?;
    if port.parse::<u16>().is_ok_and(|port| port > 0) {
        let is_listener = match query.take("mode") {
            None if name.is_empty() => true,
            None | Some("caller") => false,
            Some("listener") => true,
            Some(_) => return Err(bad(url, "mode is caller or listener")),
        };
        if name.is_empty() && !is_listener {
            return Err(bad(url, "a caller needs a host"));
        }
        return Ok(TetheredPlace::Srt {
            host: host.to_owned(),
            is_listener,
            latency_ms: query
                .whole("latency", MAX_LATENCY_MS)?
                .unwrap_or(USUAL_SRT_LATENCY_MS),
            stream_id: match query.take("streamid") {
                None => None,
                Some(id) => Some(decoded(url, id)?),
            },
            passphrase: file(url, query.take("passphrase"))?,
        });
    }
    Err(bad(url, "the port is a number from 1 to 65535"))
}

/// Host and port. What an address holds is stored and shown, so no password may stand in it.
fn authority<'a>(url: &str, place: &'a str) -> Result<&'a str, IngestError> {
    let rest = place
        .strip_prefix("//")
        .ok_or_else(|| bad(url, "after the colon stand two slashes and a host"))?;
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    if host.contains('@') {
        let reason = "no user and password in an address: put them into a file, user:password, and name it: credentials=FILE";
        return Err(IngestError::BadAddress {
            url: "(an address with a password)".to_owned(),
            reason: reason.to_owned(),
        });
    }
    let is_plain = place.len() <= MAX_NAME_BYTES
        && !place.contains(|c: char| c.is_control() || c.is_whitespace() || c == '"');
    if is_plain {
        Ok(host)
    } else {
        Err(bad(url, "the host is too long or has blanks in it"))
    }
}

fn file(url: &str, text: Option<&str>) -> Result<Option<PathBuf>, IngestError> {
    let Some(text) = text else {
        return Ok(None);
    };
    let path = decoded(url, text)?;
    if path.is_empty() {
        return Err(bad(url, "a file has no name"));
    }
    Ok(Some(PathBuf::from(path)))
}

fn decoded(url: &str, text: &str) -> Result<String, IngestError> {
    let name = percent_decode(text)
        .ok_or_else(|| bad(url, "a % is not followed by two hexadecimal digits"))?;
    if name.len() > MAX_NAME_BYTES || name.contains(char::is_control) {
        return Err(bad(url, "a name is too long or has control characters"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> TetheredPlace {
        match SourceAddress::parse(url) {
            Ok(SourceAddress::Tethered(address)) => address.place,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn every_form_of_an_address_is_read() {
        assert_eq!(
            place("webcam:/dev/video2?size=1280x720&fps=30&mic=default"),
            TetheredPlace::Webcam {
                device: DeviceName::Named("/dev/video2".into()),
                size: Some((1280, 720)),
                fps: Some(30),
                mic: Some(DeviceName::First),
            }
        );
        let named = place("mic:USB%20Audio");
        let device = DeviceName::Named("USB Audio".into());
        assert_eq!(named, TetheredPlace::Mic { device });
        assert_eq!(
            place(
                "rtsp://cam:8554/live?channel=1&subtype=0#latency=50&transport=udp&credentials=/etc/cam"
            ),
            TetheredPlace::Rtsp {
                url: "rtsp://cam:8554/live?channel=1&subtype=0".into(),
                latency_ms: 50,
                is_udp: true,
                credentials: Some("/etc/cam".into()),
            }
        );
        let srt = |url| match place(url) {
            TetheredPlace::Srt {
                host, is_listener, ..
            } => (host, is_listener),
            other => panic!("{other:?}"),
        };
        assert_eq!(srt("srt://host:7001"), ("host:7001".into(), false));
        assert_eq!(srt("srt://:7001"), (":7001".into(), true));
        assert!(srt("srt://[::1]:7001?mode=listener").1);
        let later = SourceAddress::parse("webcam:").unwrap().starting_at(7.0);
        assert_eq!(later.start_secs(), 7.0);
        assert_eq!(later.pace(), crate::scheme::Pace::Live);
    }

    #[test]
    fn what_names_no_source_is_refused() {
        for url in [
            "webcam:?size=1x1",
            "webcam:?colour=red",
            "webcam:%",
            "mic:?fps=3",
            "rtsp:host/x",
            "rtsp:///x",
            "rtsp://host/x#latency=0",
            "rtsp://host/x#transport=pigeon",
            "rtsp://host/a b",
            "srt://host",
            "srt://host:0",
            "srt://host:99999",
            "srt://:7001?mode=caller",
            "srt://host:7001?mode=rendezvous",
            "srt://host:7001?passphrase=",
        ] {
            let error = SourceAddress::parse(url).unwrap_err();
            assert_eq!(error.code(), "source_address_invalid", "{url}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        let error = SourceAddress::parse("rtsp://user:secret@cam/live").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(error.to_string().contains("credentials=FILE"), "{error}");
    }
}
