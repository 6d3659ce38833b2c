//! A phone as a source of frames and sound: the simulated one below the genuine adb server, opened by its address.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use lsie_device::{CpuDevice, Frame};
use lsie_ingest::{
    AudioSource, IngestEvent, InputHandle, OpenSettings, PcmBlock, Pull, SourceHealth, SourceState,
    VideoSource, host_time_ns, open,
};
use lsie_tests::phone::{AdbServer, Exit, Phone, PhoneSettings, VideoFault, adb_server};

const CEILING: Duration = Duration::from_secs(15);
const SOON: Duration = Duration::from_millis(50);

struct Bench {
    video: VideoSource,
    audio: Option<AudioSource>,
    handle: InputHandle,
    phone: Arc<Phone>,
    server: AdbServer,
}

impl Bench {
    /// `None` where adb is not installed, which was said loudly.
    fn new(
        name: &str,
        query: &str,
        change: impl FnOnce(&mut PhoneSettings),
    ) -> Result<Option<Self>> {
        let Some(server) = adb_server(name)? else {
            return Ok(None);
        };
        let version = "4.1";
        let mut settings = PhoneSettings::new(version, Instant::now());
        change(&mut settings);
        let phone = Phone::start(settings)?;
        server.attach(&phone)?;
        let jar = server.home().join("scrcpy-server");
        std::fs::write(&jar, b"PK\x03\x04 no real jar")?;
        let url = format!(
            "android://{}?adb_port={}&server={}&server_version={version}{query}",
            phone.serial(),
            server.port(),
            jar.display()
        );
        let mut settings = OpenSettings::new(Arc::new(CpuDevice::new()), server.home());
        settings.phones.adb_program = Some(server.program());
        let mut input = open(&url, &settings)?;
        Ok(Some(Self {
            handle: input.handle(),
            video: input.video.take().context("no picture")?,
            audio: input.audio.take(),
            phone,
            server,
        }))
    }

    /// The next frame that is as the test wants it.
    fn frame(&mut self, what: &str, wanted: impl Fn(&Frame) -> bool) -> Result<Frame> {
        let begun = Instant::now();
        while begun.elapsed() < CEILING {
            match self.video.next(SOON)? {
                Pull::Item(frame) if wanted(&frame) => return Ok(frame),
                Pull::Item(_) | Pull::Pending => {}
                Pull::End => bail!("the pictures ended before {what}"),
            }
        }
        bail!("no frame {what}; {:?}", self.handle.health())
    }

    /// The next sound.
    fn block(&mut self) -> Result<PcmBlock> {
        let audio = self.audio.as_mut().context("no sound")?;
        match audio.next(CEILING)? {
            Pull::Item(block) => Ok(block),
            other => bail!("no sound: {other:?}"),
        }
    }

    fn health(
        &mut self,
        what: &str,
        wanted: impl Fn(&SourceHealth) -> bool,
    ) -> Result<SourceHealth> {
        let begun = Instant::now();
        while begun.elapsed() < CEILING {
            // Somebody has to look at the pictures.
            drop(self.video.next(SOON)?);
            if let Some(health) = self.handle.health().filter(&wanted) {
                return Ok(health);
            }
        }
        bail!("never {what}; {:?}", self.handle.health())
    }
}

#[test]
fn pictures_and_sound_stand_at_their_capture_on_one_timeline() -> Result<()> {
    let Some(mut bench) = Bench::new("source-times", "", |_| {})? else {
        return Ok(());
    };
    bench.health("good", |health| health.state == SourceState::Ok)?;
    let (mut last_ns, mut age_least_ns) = (i64::MIN, u64::MAX);
    for _ in 0..20 {
        let frame = bench.frame("of the film", |_| true)?;
        ensure!(frame.pts_ns() > last_ns, "time steps back");
        last_ns = frame.pts_ns();
        age_least_ns = age_least_ns.min(host_time_ns().saturating_sub(frame.host_time_ns()));
    }
    let frame = bench.frame("of the film", |_| true)?;
    let offset_ns = frame.host_time_ns().cast_signed() - frame.pts_ns();
    // The newest blocks: those before may have waited in the queue.
    let block = (0..60).try_fold(None, |_, _| bench.block().map(Some))?;
    let block = block.context("no sound")?;
    ensure!(block.channels == 2 && block.rate_hz == 48_000);
    let sound_offset_ns = block.host_time_ns.cast_signed() - block.end_pts_ns();
    ensure!(
        (sound_offset_ns - offset_ns).abs() < 25_000_000,
        "sound and picture are {} ns apart",
        sound_offset_ns - offset_ns
    );
    ensure!(
        age_least_ns < 5_000_000_000,
        "captured {age_least_ns} ns ago"
    );
    ensure!(bench.handle.counters().access_units_rejected == 0);
    Ok(())
}

#[test]
fn a_turned_phone_changes_the_size_and_nothing_else() -> Result<()> {
    let Some(mut bench) = Bench::new("source-turn", "&audio=none", |_| {})? else {
        return Ok(());
    };
    let is = |width: u32, height: u32| move |f: &Frame| (f.width(), f.height()) == (width, height);
    let before = bench.frame("lying", is(320, 180))?;
    bench.phone.inject(VideoFault::Rotate);
    let turned = bench.frame("standing", is(180, 320))?;
    bench.phone.inject(VideoFault::Rotate);
    let back = bench.frame("lying again", is(320, 180))?;
    ensure!(before.pts_ns() < turned.pts_ns() && turned.pts_ns() < back.pts_ns());
    let changes = bench.handle.take_events();
    let changes = changes
        .iter()
        .filter(|event| matches!(event, IngestEvent::PictureChanged { .. }));
    ensure!(changes.count() == 2);
    ensure!(bench.handle.counters().decoder_restarts == 0);
    Ok(())
}

#[test]
fn a_screen_that_stands_still_is_no_fault() -> Result<()> {
    let query = "&source=display&audio=playback";
    let Some(mut bench) = Bench::new("source-still", query, |_| {})? else {
        return Ok(());
    };
    let before = bench.frame("moving", |_| true)?;
    bench.phone.rest_video(true);
    bench.phone.rest_audio(true);
    let still = bench.health("still", |health| health.detail.contains("stands still"))?;
    ensure!(
        still.state == SourceState::Ok && still.is_connected,
        "{still:?}"
    );
    bench.phone.rest_video(false);
    let after = bench.frame("moving again", |frame| {
        frame.pts_ns() > before.pts_ns() + 2_000_000_000
    })?;
    let media_ns = after.pts_ns() - before.pts_ns();
    let host_ns = after.host_time_ns().cast_signed() - before.host_time_ns().cast_signed();
    ensure!(
        (media_ns - host_ns).abs() < 1_000_000,
        "{media_ns} {host_ns}"
    );
    Ok(())
}

#[test]
fn a_pulled_cable_is_a_jump_in_media_time() -> Result<()> {
    let Some(mut bench) = Bench::new("source-cable", "", |_| {})? else {
        return Ok(());
    };
    bench.health("good", |health| health.state == SourceState::Ok)?;
    let before = bench.frame("before", |_| true)?;
    bench.block()?;
    bench.phone.unplug();
    let away = bench.health("away", |health| health.detail == "no_device")?;
    ensure!(!away.is_connected && away.state == SourceState::Recovering);
    ensure!(away.hint.contains("plug a phone in"), "{away:?}");
    bench.phone.replug()?;
    bench.health("good again", |health| health.state == SourceState::Ok)?;
    let after = bench.frame("after", |_| true)?;
    let media_ns = after.pts_ns() - before.pts_ns();
    let host_ns = after.host_time_ns().cast_signed() - before.host_time_ns().cast_signed();
    ensure!(
        (media_ns - host_ns).abs() < 1_000_000,
        "{media_ns} {host_ns}"
    );
    let mut sound_ns = i64::MIN;
    while sound_ns < after.pts_ns() {
        let block = bench.block()?;
        ensure!(block.pts_ns > sound_ns, "sound steps back");
        sound_ns = block.pts_ns;
    }
    let states = bench.handle.take_events();
    ensure!(
        states.iter().any(
            |event| matches!(event, IngestEvent::SourceChanged { state: "no_device", hint, .. } if !hint.is_empty())
        ),
        "{states:?}"
    );
    drop(bench.server);
    Ok(())
}

#[test]
fn pictures_that_waited_in_a_frozen_phone_are_not_measured_as_new() -> Result<()> {
    let Some(mut bench) = Bench::new("source-frozen", "&audio=none", |_| {})? else {
        return Ok(());
    };
    bench.health("good", |health| health.state == SourceState::Ok)?;
    bench.phone.freeze(true);
    std::thread::sleep(Duration::from_millis(900));
    bench.phone.freeze(false);
    let begun = Instant::now();
    while bench.handle.counters().frames_stale == 0 {
        ensure!(begun.elapsed() < CEILING, "{:?}", bench.handle.counters());
        drop(bench.video.next(SOON)?);
    }
    Ok(())
}

#[test]
fn a_phone_that_cannot_capture_is_given_up_with_a_next_step() -> Result<()> {
    let exit = Exit {
        words: "[server] ERROR: Camera is in use".into(),
        status: 1,
    };
    let change = |settings: &mut PhoneSettings| settings.exit_at_start = Some(exit);
    let Some(mut bench) = Bench::new("source-busy", "", change)? else {
        return Ok(());
    };
    let begun = Instant::now();
    let error = loop {
        ensure!(begun.elapsed() < CEILING, "never given up");
        if let Err(error) = bench.video.next(SOON) {
            break error;
        }
    };
    ensure!(error.code() == "phone_lost", "{error}");
    ensure!(
        error.hint().contains("unlock the phone"),
        "{}",
        error.hint()
    );
    ensure!(matches!(bench.video.next(SOON)?, Pull::End));
    Ok(())
}
