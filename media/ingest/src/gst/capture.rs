//! `webcam:` and `mic:`: devices of this machine, found by GStreamer's device monitor.

use std::path::Path;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::error::IngestError;
use crate::gst::core::{make, pipeline_error};
use crate::gst::live::LiveBuild;
use crate::scheme::DeviceName;

/// How long a device that is not there is waited for; one that is plugged in meanwhile is opened at once.
const PLUG_PATIENCE: Duration = Duration::from_secs(5);
/// Longest wait for one word of the monitor.
const LISTEN: Duration = Duration::from_millis(200);

/// Which kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Camera,
    Microphone,
}

impl Kind {
    const fn class(self) -> &'static str {
        match self {
            Kind::Camera => "Video/Source",
            Kind::Microphone => "Audio/Source",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Kind::Camera => "camera",
            Kind::Microphone => "microphone",
        }
    }
}

/// The head of a camera's pipeline; `stand_in` describes elements that take the camera's place.
pub(super) fn add_camera(
    live: &LiveBuild,
    device: &DeviceName,
    size: Option<(u32, u32)>,
    fps: Option<u32>,
    stand_in: Option<&str>,
) -> Result<(), IngestError> {
    let source = source_of(Kind::Camera, device, stand_in)?;
    let filter = make("capsfilter")?;
    filter.set_property("caps", wanted_caps(size, fps));
    live.decode(&[&source, &filter])
}

/// The head of a microphone's pipeline.
pub(super) fn add_microphone(
    live: &LiveBuild,
    device: &DeviceName,
    stand_in: Option<&str>,
) -> Result<(), IngestError> {
    let source = source_of(Kind::Microphone, device, stand_in)?;
    live.decode(&[&source])
}

/// What a camera gives, raw or as single JPEG pictures, at the wanted size and rate.
fn wanted_caps(size: Option<(u32, u32)>, fps: Option<u32>) -> gst::Caps {
    let mut caps = gst::Caps::new_empty();
    for kind in ["video/x-raw", "image/jpeg"] {
        let mut structure = gst::Structure::new_empty(kind);
        if let Some((width, height)) = size {
            structure.set("width", width.cast_signed());
            structure.set("height", height.cast_signed());
        }
        if let Some(fps) = fps {
            structure.set("framerate", gst::Fraction::new(fps.cast_signed(), 1));
        }
        caps.merge_structure(structure);
    }
    caps
}

fn source_of(
    kind: Kind,
    device: &DeviceName,
    stand_in: Option<&str>,
) -> Result<gst::Element, IngestError> {
    if let Some(description) = stand_in {
        // A description may end in caps, behind which an element has to stand.
        let bin = gst::parse::bin_from_description(&format!("{description} ! identity"), true);
        return bin
            .map(Cast::upcast)
            .map_err(|error| pipeline_error(kind.word(), &error.to_string()));
    }
    if let (Kind::Camera, DeviceName::Named(path)) = (kind, device)
        && Path::new(path).exists()
    {
        let source = make("v4l2src")?;
        source.set_property("device", path);
        return Ok(source);
    }
    let found = find(kind, device)?;
    found
        .create_element(None)
        .map_err(|error| pipeline_error(kind.word(), &error.to_string()))
}

/// The device, now or once it is plugged in.
fn find(kind: Kind, wanted: &DeviceName) -> Result<gst::Device, IngestError> {
    let monitor = gst::DeviceMonitor::new();
    monitor.add_filter(Some(kind.class()), None);
    let missing = |seen: Vec<String>| IngestError::NoDevice {
        kind: kind.word(),
        wanted: match wanted {
            DeviceName::First => None,
            DeviceName::Named(name) => Some(name.clone()),
        },
        seen,
    };
    if monitor.start().is_err() {
        return Err(missing(Vec::new()));
    }
    let bus = monitor.bus();
    let begun = Instant::now();
    let found = loop {
        let devices: Vec<gst::Device> = monitor.devices().into_iter().collect();
        if let Some(device) = devices.iter().find(|device| is_wanted(device, wanted)) {
            break Ok(device.clone());
        }
        if begun.elapsed() > PLUG_PATIENCE {
            let names = devices
                .iter()
                .map(|device| device.display_name().to_string());
            break Err(missing(names.take(16).collect()));
        }
        let listen = gst::ClockTime::from_mseconds(LISTEN.as_millis() as u64);
        drop(bus.timed_pop_filtered(listen, &[gst::MessageType::DeviceAdded]));
    };
    monitor.stop();
    found
}

/// By its name or path. What a computer plays is no microphone.
fn is_wanted(device: &gst::Device, wanted: &DeviceName) -> bool {
    let properties = device.properties();
    let text = |key: &str| {
        let properties = properties.as_ref()?;
        properties.get::<String>(key).ok()
    };
    match wanted {
        DeviceName::First => text("device.class").as_deref() != Some("monitor"),
        DeviceName::Named(name) => {
            let paths = ["device.path", "api.v4l2.path", "node.name", "device.name"];
            device.display_name() == name.as_str()
                || paths
                    .iter()
                    .any(|key| text(key).as_deref() == Some(name.as_str()))
        }
    }
}
