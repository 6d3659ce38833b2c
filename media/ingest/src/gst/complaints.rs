//! What libav says about damaged data while it conceals the damage.
//!
//! GStreamer 1.22 hands such pictures on without any mark, so the decoder's own log is the only sign of them. libav decodes
//! on the thread that carries the picture to its sink (frame threads are off), so the thread tells whose picture it was.

use std::cell::Cell;
use std::sync::Once;

use gstreamer as gst;
use gstreamer::log::DebugCategory;
use gstreamer::prelude::*;

const CATEGORY: &str = "libav";

thread_local! {
    static COMPLAINTS: Cell<u32> = const { Cell::new(0) };
}

static LISTENING: Once = Once::new();

/// Begins to listen; later calls change nothing. Without libav nothing is ever heard.
///
/// What is heard is not printed unless somebody asked GStreamer for that category.
pub(crate) fn listen() {
    LISTENING.call_once(|| {
        // The category exists once the plugin is loaded.
        let plugin = gst::ElementFactory::find("avdec_h264").and_then(|found| found.load().ok());
        let Some(libav) = plugin.and_then(|_| DebugCategory::get(CATEGORY)) else {
            return;
        };
        let is_asked_for = libav.threshold() >= gst::DebugLevel::Error;
        if !is_asked_for {
            gst::log::remove_default_log_function();
            libav.set_threshold(gst::DebugLevel::Error);
        }
        gst::log::add_log_function(
            move |category, level, file, function, line, object, words| {
                if category == libav {
                    if level == gst::DebugLevel::Error {
                        COMPLAINTS.with(|count| count.set(count.get().saturating_add(1)));
                    }
                } else if !is_asked_for {
                    gst::log::log_default(category, level, file, function, line, object, words);
                }
            },
        );
    });
}

/// Complaints of this thread since it was last asked.
pub(crate) fn take() -> u32 {
    COMPLAINTS.with(Cell::take)
}
