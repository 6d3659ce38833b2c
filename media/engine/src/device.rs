//! Which device the sessions run on, and why.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lsie_analysis::AnalysisError;
use lsie_analysis::face::{FaceNetworks, FaceTrial};
use lsie_device::{
    Device, DeviceError, DeviceInfo, DeviceKind, DeviceReport, OpenSettings, Stream, open_with,
    probe,
};
use lsie_infer::{InferError, ModelStore, NetworkOpener};
use lsie_ingest::cuda::{CudaAbsent, CudaLibrary};
use lsie_schemas::device::{DeviceChoice, Precision};
use lsie_schemas::link::{DeviceWork, Text};

/// Frames of a trial that are not timed: kernels are compiled and buffers touched.
const WARM_UP: usize = 3;
/// Frames of a trial of which the median is taken.
const TIMED: usize = 9;

/// An open device and the reason for it.
#[derive(Clone)]
pub struct ChosenDevice {
    /// The device.
    pub device: Arc<dyn Device>,
    /// Its name, and why it is this one: one line for the operator.
    pub why: String,
}

/// The folder of the cache that keeps kernels compiled for `cuda` between starts.
const KERNELS_FOLDER: &str = "kernels";

/// Opens the device that was asked for, never another one; what it compiles is kept below `cache_dir` for the next start. `auto`
/// takes the quickest of a trial of the frame chain on each device that was found, a GPU that this processor computes not counted; it
/// fails only where the processor itself would.
pub fn choose_device(choice: DeviceChoice, cache_dir: &Path) -> Result<ChosenDevice, DeviceError> {
    let settings = OpenSettings {
        kernel_cache: Some(cache_dir.join(KERNELS_FOLDER)),
    };
    let (kind, number) = match choice {
        DeviceChoice::Auto => return quickest(&probe(), &settings),
        DeviceChoice::Cpu => (DeviceKind::Cpu, 0),
        DeviceChoice::Wgpu(number) => (DeviceKind::Wgpu, usize::from(number)),
        DeviceChoice::Cuda(number) => (DeviceKind::Cuda, usize::from(number)),
    };
    let device = open_with(kind, number, &settings)?;
    let why = format!("{}: as ordered", name_of(device.info()));
    Ok(ChosenDevice { device, why })
}

/// What runs networks on an open device, and why: one line for the operator.
pub fn networks_on(
    chosen: &ChosenDevice,
    precision: Precision,
    cache_dir: &Path,
) -> Result<String, InferError> {
    let opener = NetworkOpener::find(&chosen.device, &ModelStore::open(cache_dir)?, None)?;
    Ok(opener.with_precision(precision).description())
}

fn quickest(
    reports: &[DeviceReport],
    settings: &OpenSettings,
) -> Result<ChosenDevice, DeviceError> {
    let found = reports.iter().filter_map(|report| match report {
        DeviceReport::Found(info) => Some(info),
        DeviceReport::Unavailable { .. } => None,
    });
    let gpus: Vec<_> = found.filter(|info| info.kind != DeviceKind::Cpu).collect();
    let processor = open_with(DeviceKind::Cpu, 0, settings)?;
    let hardware: Vec<_> = gpus.iter().filter(|info| !info.is_software).collect();
    if hardware.is_empty() {
        let mut why = format!("{}: no GPU was found", name_of(processor.info()));
        if let Some(software) = gpus.first() {
            let _ = write!(why, " ({} runs only when named)", label_of(software));
        }
        return Ok(ChosenDevice {
            device: processor,
            why,
        });
    }
    let mut best: Option<(Duration, Arc<dyn Device>)> = None;
    let mut told = Vec::new();
    let opened = hardware
        .into_iter()
        .map(|info| {
            let opened = open_with(info.kind, info.index, settings);
            (label_of(info), opened)
        })
        .chain([(label_of(processor.info()), Ok(Arc::clone(&processor)))]);
    for (label, device) in opened {
        let timed = device
            .map_err(AnalysisError::from)
            .and_then(|device| Ok((trial(device.as_ref())?, device)));
        match timed {
            Ok((time, device)) => {
                told.push(format!("{label} {:.2} ms", time.as_secs_f64() * 1e3));
                if best.as_ref().is_none_or(|(least, _)| time < *least) {
                    best = Some((time, device));
                }
            }
            Err(error) => {
                tracing::warn!(device = label, %error, "a device failed its trial");
                told.push(format!("{label} failed"));
            }
        }
    }
    let device = best.map_or(processor, |(_, device)| device);
    let why = format!(
        "{}: quickest a frame ({})",
        name_of(device.info()),
        told.join(", ")
    );
    Ok(ChosenDevice { device, why })
}

/// Median time of one frame through the kernels of the face chain, copies included, networks left out.
pub fn trial(device: &dyn Device) -> Result<Duration, AnalysisError> {
    let mut chain = FaceTrial::new(device)?;
    let mut times = Vec::with_capacity(TIMED);
    for number in 0..WARM_UP + TIMED {
        let begin = Instant::now();
        chain.run()?;
        if number >= WARM_UP {
            times.push(begin.elapsed());
        }
    }
    times.sort_unstable();
    Ok(times.get(TIMED / 2).copied().unwrap_or_default())
}

/// `cpu`, or kind and number.
pub(crate) fn label_of(info: &DeviceInfo) -> String {
    match info.kind {
        DeviceKind::Cpu => info.kind.to_string(),
        kind => format!("{kind}:{}", info.index),
    }
}

fn name_of(info: &DeviceInfo) -> String {
    format!("{} {}", label_of(info), info.name)
}

/// What the device has done so far, for the heartbeat.
pub(crate) fn work_of(device: &dyn Device) -> DeviceWork {
    let transfers = device.transfers();
    let launches = device.launches().into_iter();
    DeviceWork {
        device: Text::cut(&label_of(device.info())),
        uploads: transfers.uploads,
        upload_bytes: transfers.upload_bytes,
        downloads: transfers.downloads,
        download_bytes: transfers.download_bytes,
        replays: transfers.replays,
        launches: launches
            .take(DeviceWork::MAX_KERNELS)
            .map(|(kernel, count)| (Text::cut(kernel), count))
            .collect(),
    }
}

/// GStreamer's library for pictures in CUDA memory, for a device that has such memory; and what is said where that is not so.
pub(crate) fn surfaces_of(device: &dyn Device) -> Option<Result<CudaLibrary, CudaAbsent>> {
    device.native_context()?;
    Some(CudaLibrary::open())
}

/// The networks of a face on a stream, opened where the frames are. `mesh` is the name of the second one.
pub(crate) fn face_networks(
    models: &ModelStore,
    opener: &NetworkOpener,
    device: &dyn Device,
    stream: Stream,
    mesh: &str,
) -> Result<FaceNetworks, AnalysisError> {
    let detector = opener.open(models, "face_detector", &stream)?;
    let mesh = opener.open(models, mesh, &stream)?;
    FaceNetworks::on(device, stream, detector, mesh)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_there_is_no_other_one() {
        for choice in [DeviceChoice::Wgpu(999), DeviceChoice::Cuda(999)] {
            let refused = choose_device(choice, Path::new("/nonexistent")).map(|chosen| chosen.why);
            assert!(
                matches!(refused, Err(DeviceError::Unavailable { .. })),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn software_gpus_are_left_to_those_who_name_them() {
        let info = |kind, is_software| DeviceInfo {
            kind,
            index: 0,
            name: "pretended".into(),
            driver: String::new(),
            features: String::new(),
            is_software,
            parallelism: 0,
        };
        let reports = [
            DeviceReport::Found(info(DeviceKind::Cpu, false)),
            DeviceReport::Found(info(DeviceKind::Wgpu, true)),
        ];
        let chosen = quickest(&reports, &OpenSettings::default()).unwrap();
        assert_eq!(chosen.device.info().kind, DeviceKind::Cpu);
        assert!(
            chosen.why.contains("wgpu:0 runs only when named"),
            "{}",
            chosen.why
        );
    }

    #[test]
    fn every_device_that_is_tried_is_told_with_its_time_or_its_failure() {
        // There is no such device: its trial fails, and the processor is left.
        let reports = [DeviceReport::Found(DeviceInfo {
            kind: DeviceKind::Cuda,
            index: 77,
            name: "pretended".into(),
            driver: String::new(),
            features: String::new(),
            is_software: false,
            parallelism: 0,
        })];
        let chosen = quickest(&reports, &OpenSettings::default()).unwrap();
        assert_eq!(chosen.device.info().kind, DeviceKind::Cpu);
        assert!(
            chosen.why.contains("cuda:77 failed, cpu "),
            "{}",
            chosen.why
        );
        assert!(!work_of(chosen.device.as_ref()).launches.is_empty());
    }
}
