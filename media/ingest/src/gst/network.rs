//! `rtsp:` and `srt:`: senders on the network.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::error::IngestError;
use crate::gst::core::make;
use crate::gst::live::{LiveBuild, SILENCE};

/// Longest first line of a file with a secret, bytes.
const MAX_SECRET_BYTES: u64 = 1024;

/// How an RTSP camera is asked.
pub(super) struct Rtsp<'a> {
    pub(super) url: &'a str,
    pub(super) latency_ms: u32,
    pub(super) is_udp: bool,
    pub(super) credentials: Option<&'a Path>,
}

/// How an SRT sender is met.
pub(super) struct Srt<'a> {
    pub(super) host: &'a str,
    pub(super) is_listener: bool,
    pub(super) latency_ms: u32,
    pub(super) stream_id: Option<&'a str>,
    pub(super) passphrase: Option<&'a Path>,
}

/// The head of a camera that speaks RTSP. Packets later than the latency are dropped; a camera that says nothing is gone.
pub(super) fn add_rtsp(live: &LiveBuild, rtsp: &Rtsp<'_>) -> Result<(), IngestError> {
    let login = match rtsp.credentials {
        None => None,
        Some(path) => {
            let line = first_line(path)?;
            let login = line.split_once(':');
            let (user, password) =
                login.ok_or_else(|| unreadable(path, "it is no user:password"))?;
            Some((user.to_owned(), password.to_owned()))
        }
    };
    make("rtspsrc")?;
    let (latency_ms, is_udp) = (rtsp.latency_ms, rtsp.is_udp);
    let bin = make("uridecodebin")?;
    bin.set_property("uri", rtsp.url);
    bin.connect("source-setup", false, move |values| {
        let source = values.get(1)?.get::<gst::Element>().ok()?;
        source.find_property("drop-on-latency")?;
        source.set_property("latency", latency_ms);
        source.set_property("drop-on-latency", true);
        source.set_property_from_str("protocols", if is_udp { "udp" } else { "tcp" });
        source.set_property("tcp-timeout", SILENCE.as_micros() as u64);
        source.set_property("timeout", SILENCE.as_micros() as u64);
        if let Some((user, password)) = &login {
            source.set_property("user-id", user);
            source.set_property("user-pw", password);
        }
        None
    });
    add(live, &bin)
}

/// The head of a sender that speaks SRT.
pub(super) fn add_srt(live: &LiveBuild, srt: &Srt<'_>) -> Result<(), IngestError> {
    let secret = srt.passphrase.map(first_line).transpose()?;
    let source = make("srtsrc")?;
    // The mode decides what host and port mean, so it stands in the same text.
    let mode = if srt.is_listener {
        "listener"
    } else {
        "caller"
    };
    source.set_property("uri", format!("srt://{}?mode={mode}", srt.host));
    source.set_property("latency", srt.latency_ms.cast_signed());
    // A sender that is away is met again by opening the source anew, as with every other source.
    source.set_property("auto-reconnect", false);
    if let Some(id) = srt.stream_id {
        source.set_property("streamid", id);
    }
    if let Some(secret) = secret {
        source.set_property("passphrase", secret);
    }
    live.decode(&[&source])
}

fn add(live: &LiveBuild, bin: &gst::Element) -> Result<(), IngestError> {
    live.core.add_chain(&[bin])?;
    live.take_pads_of(bin);
    Ok(())
}

/// The first line of a file with a secret.
fn first_line(path: &Path) -> Result<String, IngestError> {
    let file = File::open(path).map_err(|error| unreadable(path, &error.to_string()))?;
    let mut line = String::new();
    let mut reader = BufReader::new(file.take(MAX_SECRET_BYTES));
    reader
        .read_line(&mut line)
        .map_err(|error| unreadable(path, &error.to_string()))?;
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        return Err(unreadable(path, "its first line is empty"));
    }
    Ok(line.to_owned())
}

fn unreadable(path: &Path, reason: &str) -> IngestError {
    IngestError::File {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}
