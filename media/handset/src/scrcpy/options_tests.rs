//! The option line, word for word, and what is refused.

use super::*;

fn version(text: &str) -> ServerVersion {
    text.parse().unwrap()
}

#[test]
fn the_default_start_is_this_line() {
    let line = server_command(
        version("4.1"),
        Scid::new(0xffab_cdef),
        &CaptureSettings::default(),
    );
    assert_eq!(
        line.unwrap(),
        "echo $$; export CLASSPATH=/data/local/tmp/lsie-scrcpy-7fabcdef.jar; exec app_process / com.genymobile.scrcpy.Server 4.1 \
         scid=7fabcdef log_level=info tunnel_forward=true video_source=camera camera_facing=front camera_size=1280x720 camera_fps=30 \
         video_bit_rate=8000000 video_codec_options=i-frame-interval=1 audio_source=mic-camcorder audio_codec=raw \
         stay_awake=true power_on=false clipboard_autosync=false"
    );
}

#[test]
fn older_servers_are_asked_for_what_they_know() {
    let options = |text| server_options(version(text), Scid::new(1), &CaptureSettings::default());
    let old = options("2.7").unwrap();
    assert!(old.contains(&"audio_source=mic".into()));
    let asks = "video_codec_options=i-frame-interval=1,latency=1,priority=0";
    assert!(old.contains(&asks.into()));
    assert!(matches!(options("2.1"), Err(OptionError::TooOld { .. })));
    assert!(matches!(options("5.0"), Err(OptionError::Version(_))));
}

#[test]
fn the_screen_brings_what_it_plays_and_keeps_the_phone_audible() {
    let mut settings = CaptureSettings::default();
    settings.video.as_mut().unwrap().origin = VideoOrigin::Display(DisplaySettings::default());
    let line = server_options(version("3.3.4"), Scid::new(1), &settings).unwrap();
    for option in ["max_fps=30", "audio_source=playback", "audio_dup=true"] {
        assert!(line.contains(&option.into()), "{option} in {line:?}");
    }
    assert!(!line.iter().any(|o| o.starts_with("power_on")));
}

#[test]
fn values_that_a_shell_would_read_are_refused() {
    for value in [
        "0;reboot", "$(id)", "a b", "`x`", "a\n", "'", "\"", "a&b", "*", "é",
    ] {
        let camera = CameraSettings {
            id: Some(value.into()),
            ..CameraSettings::default()
        };
        let mut settings = CaptureSettings::default();
        settings.video.as_mut().unwrap().origin = VideoOrigin::Camera(camera);
        let refused = server_command(version("4.1"), Scid::new(1), &settings);
        assert!(
            matches!(refused, Err(OptionError::Unsafe { .. })),
            "{value}"
        );
    }
}

#[test]
fn settings_that_cannot_be_met_are_refused() {
    let with = |change: fn(&mut CaptureSettings), text: &str| {
        let mut settings = CaptureSettings::default();
        change(&mut settings);
        server_options(version(text), Scid::new(1), &settings).unwrap_err()
    };
    let nothing = |s: &mut CaptureSettings| (s.video, s.audio) = (None, None);
    assert_eq!(with(nothing, "4.1"), OptionError::Nothing);
    let opus = |s: &mut CaptureSettings| s.audio.as_mut().unwrap().codec = Codec::Opus;
    assert_eq!(with(opus, "2.7"), OptionError::BlindAudio);
    let wrong = |s: &mut CaptureSettings| s.audio.as_mut().unwrap().codec = Codec::H264;
    assert!(matches!(with(wrong, "4.1"), OptionError::WrongCodec { .. }));
    let vp8 = |s: &mut CaptureSettings| s.video.as_mut().unwrap().codec = Codec::Vp8;
    assert!(matches!(with(vp8, "4.0"), OptionError::TooOld { .. }));
    let zero = |s: &mut CaptureSettings| s.video.as_mut().unwrap().bit_rate_bps = 0;
    assert_eq!(with(zero, "4.1"), OptionError::OutOfRange("video_bit_rate"));
}
