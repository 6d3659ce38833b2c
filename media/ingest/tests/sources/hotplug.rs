//! A camera that is plugged in while it is waited for, found by GStreamer's own device monitor: only the provider that tells
//! the monitor of it is the test's.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use lsie_ingest::{IngestError, Input, open};

use crate::making::{CEILING, one_frame, settings};

const NAME: &str = "Plugged Camera";
/// One second of pictures: the camera is pulled out behind them.
const PICTURES: &str = "videotestsrc is-live=true num-buffers=30 ! \
    video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! identity";

/// The provider, while a monitor listens to it.
static LISTENED: Mutex<Option<glib::WeakRef<gst::DeviceProvider>>> = Mutex::new(None);

mod imp {
    use std::sync::{LazyLock, PoisonError};

    use gstreamer as gst;
    use gstreamer::glib;
    use gstreamer::prelude::*;
    use gstreamer::subclass::prelude::*;

    #[derive(Default)]
    pub struct Camera;

    #[glib::object_subclass]
    impl ObjectSubclass for Camera {
        const NAME: &'static str = "LsieTestCamera";
        type Type = super::Camera;
        type ParentType = gst::Device;
    }

    impl ObjectImpl for Camera {}
    impl GstObjectImpl for Camera {}

    impl DeviceImpl for Camera {
        fn create_element(&self, _: Option<&str>) -> Result<gst::Element, gst::LoggableError> {
            let bin = gst::parse::bin_from_description(super::PICTURES, true);
            bin.map(Cast::upcast)
                .map_err(|error| gst::loggable_error!(gst::CAT_DEFAULT, "{error}"))
        }
    }

    #[derive(Default)]
    pub struct Socket;

    #[glib::object_subclass]
    impl ObjectSubclass for Socket {
        const NAME: &'static str = "LsieTestSocket";
        type Type = super::Socket;
        type ParentType = gst::DeviceProvider;
    }

    impl ObjectImpl for Socket {}
    impl GstObjectImpl for Socket {}

    impl DeviceProviderImpl for Socket {
        fn metadata() -> Option<&'static gst::subclass::DeviceProviderMetadata> {
            static METADATA: LazyLock<gst::subclass::DeviceProviderMetadata> =
                LazyLock::new(|| {
                    let words = "a socket into which a test plugs a camera";
                    gst::subclass::DeviceProviderMetadata::new(words, "Source/Video", words, "LSIE")
                });
            Some(&METADATA)
        }

        fn start(&self) -> Result<(), gst::LoggableError> {
            let provider = self.obj().clone().upcast::<gst::DeviceProvider>();
            *super::LISTENED
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(provider.downgrade());
            Ok(())
        }

        fn stop(&self) {
            *super::LISTENED
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

glib::wrapper! {
    pub struct Camera(ObjectSubclass<imp::Camera>) @extends gst::Device, gst::Object;
}

glib::wrapper! {
    pub struct Socket(ObjectSubclass<imp::Socket>) @extends gst::DeviceProvider, gst::Object;
}

/// Plugs a camera in as soon as a monitor listens.
fn plug_in(name: &str) {
    let begun = Instant::now();
    let provider = loop {
        let listened = LISTENED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(provider) = listened.as_ref().and_then(glib::WeakRef::upgrade) {
            break provider;
        }
        drop(listened);
        assert!(begun.elapsed() < CEILING, "no monitor listens");
        thread::sleep(Duration::from_millis(5));
    };
    let camera: Camera = glib::Object::builder()
        .property("display-name", name)
        .property("device-class", "Video/Source")
        .property("caps", gst::Caps::new_empty_simple("video/x-raw"))
        .build();
    provider.device_add(&camera);
}

fn open_in_the_background() -> thread::JoinHandle<Result<Input, IngestError>> {
    let opener = thread::Builder::new().name("opener".into());
    let opened = opener.spawn(|| open("webcam:Plugged%20Camera", &settings()));
    opened.unwrap()
}

#[test]
fn a_camera_that_is_plugged_in_while_it_is_waited_for_is_opened_and_again_after_it_was_pulled_out()
{
    gst::init().unwrap();
    let rank = gst::Rank::PRIMARY;
    gst::DeviceProvider::register(None, "lsietestsocket", rank, Socket::static_type()).unwrap();
    for _ in 0..2 {
        let waiting = open_in_the_background();
        plug_in("Another Camera");
        thread::sleep(Duration::from_millis(300));
        assert!(!waiting.is_finished(), "another camera was taken for it");
        plug_in(NAME);
        let mut input = waiting.join().unwrap().unwrap();
        let video = input.video.as_mut().unwrap();
        assert_eq!(
            (one_frame(video).width(), one_frame(video).height()),
            (320, 240)
        );
        let begun = Instant::now();
        let error = loop {
            assert!(begun.elapsed() < CEILING, "it was never missed");
            if let Err(error) = video.next(Duration::from_millis(50)) {
                break error;
            }
        };
        assert_eq!(error.code(), "source_lost", "{error}");
    }
}
