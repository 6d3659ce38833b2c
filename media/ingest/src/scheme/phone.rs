//! Addresses of phones.
//!
//! ```text
//! android://device      android://R58M12ABCDE?source=display&audio=playback      android://192.168.1.7:5555?facing=back
//! ```

use std::path::PathBuf;

use lsie_handset::scrcpy::{
    AudioOrigin, AudioSettings, CameraSettings, CaptureSettings, DisplaySettings, Facing,
    ServerVersion, VideoOrigin, VideoSettings, VideoSize,
};

use super::{Query, SourceAddress, bad, percent_decode};
use crate::error::IngestError;

/// The word that stands for the only phone.
const ANY: &str = "device";
/// Highest rate that is asked of a phone, frames per second.
const MAX_FPS: u32 = 240;
/// Bit rates that a phone may be asked for.
const BIT_RATES_BPS: std::ops::RangeInclusive<f64> = 1e5..=2e8;
/// Longest serial that is taken, bytes.
const MAX_SERIAL_BYTES: usize = 256;

/// A phone and what it is to send.
#[derive(Debug, Clone, PartialEq)]
pub struct PhoneAddress {
    /// Its serial; `None` takes the only one.
    pub serial: Option<String>,
    /// Pictures and sound.
    pub capture: CaptureSettings,
    /// Port of the adb server where it is not the configured one.
    pub adb_port: Option<u16>,
    /// scrcpy server where it is not the configured one.
    pub server: Option<PathBuf>,
    /// Version of that server, needed when its content is no known release.
    pub server_version: Option<ServerVersion>,
    /// Media time of the beginning, seconds.
    pub start_secs: f64,
}

pub(super) fn parse_phone(
    url: &str,
    place: &str,
    mut query: Query<'_>,
) -> Result<SourceAddress, IngestError> {
    let place = place.strip_prefix("//").unwrap_or(place);
    let name = percent_decode(place.trim_end_matches('/'))
        .ok_or_else(|| bad(url, "a % is not followed by two hexadecimal digits"))?;
    let is_plain = !name.is_empty()
        && name.len() <= MAX_SERIAL_BYTES
        && !name.contains(|c: char| c.is_control() || c.is_whitespace());
    if !is_plain {
        return Err(bad(
            url,
            "after android:// stands a serial, or the word device",
        ));
    }
    let video = picture(url, &mut query)?;
    let audio = sound(url, &mut query)?;
    if audio.is_none() && video.is_none() {
        return Err(bad(url, "both picture and sound are off"));
    }
    let server_version = match query.take("server_version") {
        None => None,
        Some(text) => Some(
            text.parse()
                .map_err(|_| bad(url, "server_version is two or three numbers with dots"))?,
        ),
    };
    let server = query.take("server").map(percent_decode);
    let address = PhoneAddress {
        serial: (name != ANY).then_some(name),
        capture: CaptureSettings {
            video,
            audio,
            ..CaptureSettings::default()
        },
        adb_port: query
            .whole("adb_port", u32::from(u16::MAX))?
            .and_then(|port| u16::try_from(port).ok()),
        server: match server {
            None => None,
            Some(Some(path)) if !path.is_empty() => Some(PathBuf::from(path)),
            Some(_) => return Err(bad(url, "server is no path")),
        },
        server_version,
        start_secs: query.secs("start")?.unwrap_or(0.0),
    };
    query.finish()?;
    Ok(SourceAddress::Phone(Box::new(address)))
}

fn picture(url: &str, query: &mut Query<'_>) -> Result<Option<VideoSettings>, IngestError> {
    let size = query
        .size()?
        .map(|(width, height)| VideoSize { width, height });
    let fps = query.whole("fps", MAX_FPS)?;
    let bit_rate_bps = bit_rate(url, query)?;
    let facing = query.take("facing");
    let origin = match query.take("source") {
        None | Some("camera") => {
            let usual = CameraSettings::default();
            VideoOrigin::Camera(CameraSettings {
                facing: match facing {
                    None | Some("front") => Facing::Front,
                    Some("back") => Facing::Back,
                    Some("external") => Facing::External,
                    Some(_) => return Err(bad(url, "facing is front, back or external")),
                },
                size: size.or(usual.size),
                fps: fps.unwrap_or(usual.fps),
                ..usual
            })
        }
        Some("display") if facing.is_none() => VideoOrigin::Display(DisplaySettings {
            max_fps: fps.map(f64::from),
            max_size: size.map(|size| size.width.max(size.height)),
            ..DisplaySettings::default()
        }),
        Some("none")
            if facing.is_none() && size.is_none() && fps.is_none() && bit_rate_bps.is_none() =>
        {
            return Ok(None);
        }
        Some("display" | "none") => {
            return Err(bad(
                url,
                "facing belongs to source=camera; size, fps and bitrate to pictures",
            ));
        }
        Some(_) => return Err(bad(url, "source is camera, display or none")),
    };
    let usual = VideoSettings::default();
    Ok(Some(VideoSettings {
        origin,
        bit_rate_bps: bit_rate_bps.unwrap_or(usual.bit_rate_bps),
        ..usual
    }))
}

/// Bits per second of pictures, as scrcpy's own option is written: `6M`, `2.5M`, `800K`, or the number.
fn bit_rate(url: &str, query: &mut Query<'_>) -> Result<Option<u32>, IngestError> {
    let Some(text) = query.take("bitrate") else {
        return Ok(None);
    };
    let (number, factor) = match text.char_indices().next_back() {
        Some((at, 'M' | 'm')) => (text.get(..at), 1e6),
        Some((at, 'K' | 'k')) => (text.get(..at), 1e3),
        _ => (Some(text), 1.0),
    };
    let bps = number
        .and_then(|number| number.parse::<f64>().ok())
        .map(|number| (number * factor).round())
        .filter(|bps| BIT_RATES_BPS.contains(bps));
    match bps {
        Some(bps) => Ok(Some(bps as u32)),
        None => Err(bad(url, "bitrate is 100K to 200M bits per second")),
    }
}

fn sound(url: &str, query: &mut Query<'_>) -> Result<Option<AudioSettings>, IngestError> {
    let origin = match query.take("audio") {
        None => None,
        Some("mic") => Some(AudioOrigin::Mic),
        Some("playback") => Some(AudioOrigin::Playback),
        Some("output") => Some(AudioOrigin::Output),
        Some("none") => return Ok(None),
        Some(_) => return Err(bad(url, "audio is mic, playback, output or none")),
    };
    Ok(Some(AudioSettings {
        origin,
        ..AudioSettings::default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone(url: &str) -> PhoneAddress {
        match SourceAddress::parse(url) {
            Ok(SourceAddress::Phone(phone)) => *phone,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn a_phone_is_named_by_its_serial_or_is_the_only_one() {
        assert_eq!(phone("android://device").serial, None);
        let usual = phone("android://R58M12/");
        assert_eq!(usual.serial.as_deref(), Some("R58M12"));
        assert_eq!(usual.capture, CaptureSettings::default());
        let network = phone("android://192.168.1.7:5555?adb_port=5038&start=2");
        assert_eq!(network.serial.as_deref(), Some("192.168.1.7:5555"));
        assert_eq!((network.adb_port, network.start_secs), (Some(5038), 2.0));
        assert_eq!(
            phone("android:odd%2Fone").serial.as_deref(),
            Some("odd/one")
        );
    }

    #[test]
    fn picture_and_sound_are_chosen() {
        let screen = phone("android://device?source=display&fps=15&size=720x1280&audio=playback");
        let Some(VideoOrigin::Display(display)) = screen.capture.video.map(|video| video.origin)
        else {
            panic!("no display")
        };
        assert_eq!(
            (display.max_fps, display.max_size),
            (Some(15.0), Some(1280))
        );
        let origin = screen.capture.audio.and_then(|audio| audio.origin);
        assert_eq!(origin, Some(AudioOrigin::Playback));
        assert!(
            phone("android://device?source=none")
                .capture
                .video
                .is_none()
        );
        assert!(phone("android://device?audio=none").capture.audio.is_none());
        let named = phone("android://device?server=/a%20b/jar&server_version=4.1");
        assert_eq!(named.server, Some("/a b/jar".into()));
        assert_eq!(named.server_version, "4.1".parse().ok());
    }

    #[test]
    fn a_bit_rate_is_written_with_or_without_a_unit() {
        for (text, bps) in [
            ("6M", 6_000_000),
            ("2.5m", 2_500_000),
            ("800K", 800_000),
            ("150000", 150_000),
        ] {
            let video = phone(&format!("android://device?bitrate={text}"))
                .capture
                .video;
            assert_eq!(video.map(|video| video.bit_rate_bps), Some(bps), "{text}");
        }
        for text in ["", "M", "0", "99K", "201M", "-1M", "NaNM", "1G", "6é"] {
            let address = format!("android://device?bitrate={text}");
            assert!(SourceAddress::parse(&address).is_err(), "{text}");
        }
    }

    #[test]
    fn what_names_no_phone_is_refused() {
        for url in [
            "android:",
            "android://",
            "android://a%20b",
            "android://device?source=none&audio=none",
            "android://device?source=display&facing=back",
            "android://device?source=none&bitrate=6M",
            "android://device?source=radio",
            "android://device?audio=both",
            "android://device?facing=up",
            "android://device?adb_port=70000",
            "android://device?server=",
            "android://device?server_version=new",
            "android://device?pace=fast",
        ] {
            let error = SourceAddress::parse(url).unwrap_err();
            assert_eq!(error.code(), "source_address_invalid", "{url}");
        }
    }
}
