//! One pipeline: made, watched, stopped. Set to `Null` before it is dropped, whoever drops it last.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use crate::error::IngestError;
use crate::gst::complaints;
use crate::watch::{IngestEvent, Watch};

/// Elements that are used by name, and the Debian package of each.
const PACKAGES: [(&str, &str); 12] = [
    ("avdec_h264", "gstreamer1.0-libav"),
    ("h264parse", "gstreamer1.0-plugins-bad"),
    ("openh264dec", "gstreamer1.0-plugins-bad"),
    ("x264enc", "gstreamer1.0-plugins-ugly"),
    ("flacdec", "gstreamer1.0-plugins-good"),
    ("flacparse", "gstreamer1.0-plugins-good"),
    ("rtspsrc", "gstreamer1.0-plugins-good"),
    ("v4l2src", "gstreamer1.0-plugins-good"),
    ("srtsrc", "gstreamer1.0-plugins-bad"),
    ("watchdog", "gstreamer1.0-plugins-bad"),
    ("vp8dec", "gstreamer1.0-plugins-good"),
    ("openh264enc", "gstreamer1.0-plugins-bad"),
];

/// Time between two looks at a pipeline that is waited for.
const LOOK: Duration = Duration::from_millis(200);

/// A pipeline and what its bus said.
#[derive(Debug)]
pub(crate) struct PipelineCore {
    pipeline: gst::Pipeline,
    stopped: AtomicBool,
    input_ended: AtomicBool,
    ends_are_faults: AtomicBool,
    fault: Mutex<Option<IngestError>>,
    watch: Watch,
}

impl PipelineCore {
    /// Starts GStreamer if need be and makes an empty pipeline.
    pub(crate) fn new(name: &str) -> Result<Arc<Self>, IngestError> {
        Self::watched(name, Watch::default())
    }

    /// As [`PipelineCore::new`], with warnings counted in `watch`.
    pub(crate) fn watched(name: &str, watch: Watch) -> Result<Arc<Self>, IngestError> {
        gst::init().map_err(|error| IngestError::Unusable(error.to_string()))?;
        complaints::listen();
        Ok(Arc::new(PipelineCore {
            pipeline: gst::Pipeline::with_name(name),
            stopped: AtomicBool::new(false),
            input_ended: AtomicBool::new(false),
            ends_are_faults: AtomicBool::new(false),
            fault: Mutex::new(None),
            watch,
        }))
    }

    pub(crate) fn pipeline(&self) -> &gst::Pipeline {
        &self.pipeline
    }

    /// Adds the elements and links them in order.
    pub(crate) fn add_chain(&self, elements: &[&gst::Element]) -> Result<(), IngestError> {
        self.pipeline
            .add_many(elements)
            .and_then(|()| gst::Element::link_many(elements))
            .map_err(|error| pipeline_error(self.pipeline.name().as_str(), &error.to_string()))
    }

    pub(crate) fn play(&self) -> Result<(), IngestError> {
        self.set(gst::State::Playing)
    }

    /// Sets the state without waiting for it.
    pub(crate) fn set(&self, state: gst::State) -> Result<(), IngestError> {
        match self.pipeline.set_state(state) {
            Ok(_) => Ok(()),
            Err(_) => Err(self.fault_or("the pipeline does not start")),
        }
    }

    /// Stops at once; pulls and pushes in other threads return.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        // A pipeline that refuses Null is gone all the same; nothing can be done about it here.
        self.pipeline.set_state(gst::State::Null).ok();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// From now on the end of the stream at a sink is the end of the source.
    pub(crate) fn input_ends(&self) {
        self.input_ended.store(true, Ordering::Release);
    }

    /// From now on the end of the streams is a fault: what sends for ever does not end.
    pub(crate) fn ends_are_faults(&self) {
        self.ends_are_faults.store(true, Ordering::Release);
    }

    /// Whether the end of the stream at a sink is the end of the source. Not so while a decoder may be restarted.
    pub(crate) fn input_ended(&self) -> bool {
        self.input_ended.load(Ordering::Acquire)
    }

    /// Reads what waits on the bus and returns the first fault ever seen.
    pub(crate) fn fault(&self) -> Option<IngestError> {
        if let Some(bus) = self.pipeline.bus() {
            while let Some(message) = bus.pop() {
                self.note(&message);
            }
        }
        self.first_fault()
    }

    /// The fault on the bus, or one with these words.
    pub(crate) fn fault_or(&self, words: &str) -> IngestError {
        self.fault()
            .unwrap_or_else(|| pipeline_error(self.pipeline.name().as_str(), words))
    }

    /// Forgets the fault, before a restart.
    pub(crate) fn clear_fault(&self) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Waits for the end of the stream.
    pub(crate) fn wait_for_end(&self, patience: Duration) -> Result<(), IngestError> {
        if self.wait_for(patience, gst::MessageType::Eos)? {
            Ok(())
        } else {
            Err(silent(patience))
        }
    }

    /// Waits until every sink has its first buffer (or its end).
    ///
    /// `decodebin` now and then swallows a demultiplexer's error while it plugs it; then nothing runs any more and
    /// nothing is said. That is seen here by every task being paused.
    pub(crate) fn wait_for_preroll(&self, patience: Duration) -> Result<(), IngestError> {
        let deadline = Instant::now() + patience;
        let mut idle_looks = 0;
        while Instant::now() < deadline {
            if self.wait_for(LOOK, gst::MessageType::AsyncDone)? {
                return Ok(());
            }
            idle_looks = if self.has_running_task() {
                0
            } else {
                idle_looks + 1
            };
            if idle_looks > 2 {
                return Err(self.fault_or("it ended before anything could be decoded"));
            }
        }
        Err(silent(patience))
    }

    /// Whether the message came in time; the first fault on the bus is an error.
    fn wait_for(&self, patience: Duration, kind: gst::MessageType) -> Result<bool, IngestError> {
        let deadline = Instant::now() + patience;
        let Some(bus) = self.pipeline.bus() else {
            return Ok(false);
        };
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let nanos = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
            let Some(message) = bus.timed_pop(gst::ClockTime::from_nseconds(nanos)) else {
                return Ok(false);
            };
            self.note(&message);
            if let Some(fault) = self.first_fault() {
                return Err(fault);
            }
            if message.type_() == kind {
                return Ok(true);
            }
        }
    }

    fn first_fault(&self) -> Option<IngestError> {
        self.fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether any pad of any element still has a thread at work (or blocked in it).
    fn has_running_task(&self) -> bool {
        let running = |element: &gst::Element| {
            element
                .pads()
                .iter()
                .any(|pad| pad.task_state() == gst::TaskState::Started)
        };
        let mut elements = self.pipeline.iterate_recurse();
        loop {
            match elements.next() {
                Ok(Some(element)) if running(&element) => return true,
                Ok(Some(_)) => {}
                Ok(None) => return false,
                // The set of elements is changing under the look: that is work.
                Err(_) => return true,
            }
        }
    }

    fn fail(&self, fault: IngestError) {
        let mut first = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(fault);
    }

    fn note(&self, message: &gst::Message) {
        let element = || {
            message
                .src()
                .map_or_else(|| "pipeline".to_owned(), |source| source.name().to_string())
        };
        match message.view() {
            gst::MessageView::Error(error) => {
                self.fail(classify(
                    &element(),
                    &error.error(),
                    error.debug().as_deref(),
                ));
            }
            gst::MessageView::Eos(_) if self.ends_are_faults.load(Ordering::Acquire) => {
                let reason = "it ended".to_owned();
                self.fail(IngestError::Lost { reason });
            }
            gst::MessageView::Warning(warning) => {
                self.watch.warnings(1);
                let message = warning.error().to_string();
                self.watch.event(IngestEvent::Warning {
                    element: element(),
                    message,
                });
            }
            _ => {}
        }
    }
}

impl Drop for PipelineCore {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Makes an element, or says which package has it.
pub(crate) fn make(factory: &str) -> Result<gst::Element, IngestError> {
    gst::ElementFactory::make(factory).build().map_err(|_| {
        let package = PACKAGES
            .iter()
            .find(|(name, _)| *name == factory)
            .map_or("gstreamer1.0-plugins-base", |(_, package)| package);
        IngestError::MissingElement {
            element: factory.to_owned(),
            package,
        }
    })
}

/// How a sink keeps what nobody has pulled yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// This many; then the oldest is dropped for the newest.
    DropOldest(u32),
    /// This many; then the pipeline waits.
    Blocking(u32),
}

/// An appsink that is pulled; `sync` renders at media speed.
pub(crate) fn pull_sink(caps: &gst::Caps, keeping: Keeping, sync: bool) -> gst_app::AppSink {
    let (max_buffers, drop) = match keeping {
        Keeping::DropOldest(buffers) => (buffers, true),
        Keeping::Blocking(buffers) => (buffers, false),
    };
    let sink = gst_app::AppSink::builder()
        .caps(caps)
        .sync(sync)
        .max_buffers(max_buffers)
        .drop(drop)
        .build();
    sink.set_property("qos", false);
    sink.set_property("enable-last-sample", false);
    sink
}

/// Lets a sink that nobody pulls any more swallow everything, so that its siblings go on.
pub(crate) fn abandon(sink: &gst_app::AppSink) {
    sink.set_drop(true);
    sink.set_max_buffers(1);
}

fn silent(patience: Duration) -> IngestError {
    IngestError::Silent {
        waited_secs: patience.as_secs(),
    }
}

pub(crate) fn pipeline_error(element: &str, message: &str) -> IngestError {
    IngestError::Pipeline {
        element: element.to_owned(),
        message: message.to_owned(),
        detail: String::new(),
    }
}

fn classify(element: &str, error: &gst::glib::Error, detail: Option<&str>) -> IngestError {
    let missing = error.matches(gst::StreamError::CodecNotFound)
        || error.matches(gst::CoreError::MissingPlugin);
    if missing {
        return IngestError::MissingElement {
            element: error.to_string(),
            package: "gstreamer1.0-libav or gstreamer1.0-plugins-bad",
        };
    }
    if element.starts_with("watchdog") {
        let reason = "nothing came any more".to_owned();
        return IngestError::Lost { reason };
    }
    IngestError::Pipeline {
        element: element.to_owned(),
        message: error.to_string(),
        detail: detail.unwrap_or_default().to_owned(),
    }
}
