//! What every test stands on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use lsie_handset::scrcpy::JarSearch;
use lsie_handset::session::{EndCause, SessionState};
use lsie_handset::{AccessUnit, Handset, HandsetConfig, HandsetEvent, HandsetStreams, UnitFlags};
use lsie_tests::phone::{AdbServer, Phone, PhoneSettings, adb_server};

pub(crate) const CEILING: Duration = Duration::from_secs(15);
pub(crate) const SOON: Duration = Duration::from_millis(50);

/// A phone below a real server, and the handset on top.
pub(crate) struct Bench {
    handset: Option<Handset>,
    pub(crate) streams: HandsetStreams,
    pub(crate) phone: Arc<Phone>,
    pub(crate) server: AdbServer,
    seen: Vec<HandsetEvent>,
}

impl Bench {
    /// `None` where adb is not installed, which was said loudly.
    pub(crate) fn new(
        name: &str,
        version: &str,
        change: impl FnOnce(&mut PhoneSettings),
    ) -> Result<Option<Self>> {
        let Some(server) = adb_server(name)? else {
            return Ok(None);
        };
        let epoch = Instant::now();
        let mut settings = PhoneSettings::new(version, epoch);
        change(&mut settings);
        let phone = Phone::start(settings)?;
        server.attach(&phone)?;
        let (handset, streams) = Handset::open(config(&server, version, epoch)?)?;
        Ok(Some(Self::of(server, phone, handset, streams)))
    }

    /// A handset that was opened by the test.
    pub(crate) fn of(
        server: AdbServer,
        phone: Arc<Phone>,
        handset: Handset,
        streams: HandsetStreams,
    ) -> Self {
        Self {
            handset: Some(handset),
            streams,
            phone,
            server,
            seen: Vec::new(),
        }
    }

    /// Why the session ended, as soon as it does.
    pub(crate) fn wait_end(&mut self) -> Result<EndCause> {
        self.wait("the end", |event| match event {
            HandsetEvent::State { transition, .. } => transition.cause,
            _ => None,
        })
    }

    /// Waits for an event that the test is after.
    pub(crate) fn wait<T>(
        &mut self,
        what: &str,
        mut find: impl FnMut(&HandsetEvent) -> Option<T>,
    ) -> Result<T> {
        let begun = Instant::now();
        while begun.elapsed() < CEILING {
            while self.streams.audio.pop(Duration::ZERO).is_some() {}
            let Some(event) = self.streams.events.pop(SOON) else {
                continue;
            };
            let found = find(&event);
            self.seen.push(event);
            if let Some(found) = found {
                return Ok(found);
            }
        }
        bail!("{what} did not come; seen {:#?}", self.seen)
    }

    /// Waits for a state and tells the log that came with it.
    pub(crate) fn wait_state(&mut self, wanted: SessionState) -> Result<Vec<String>> {
        self.wait(wanted.word(), |event| match event {
            HandsetEvent::State { transition, log } if transition.to == wanted => Some(log.clone()),
            _ => None,
        })
    }

    /// The next picture that is as the test wants it.
    pub(crate) fn unit(
        &self,
        what: &str,
        wanted: impl Fn(&AccessUnit) -> bool,
    ) -> Result<AccessUnit> {
        let begun = Instant::now();
        while begun.elapsed() < CEILING {
            if let Some(unit) = self.streams.video.pop(SOON).filter(|unit| wanted(unit)) {
                return Ok(unit);
            }
        }
        bail!(
            "no picture {what}; {:#?}",
            self.handset().map(Handset::status)
        )
    }

    pub(crate) fn handset(&self) -> Result<&Handset> {
        self.handset.as_ref().context("stopped")
    }

    pub(crate) fn stop(&mut self) {
        if let Some(handset) = self.handset.take() {
            handset.stop();
        }
    }
}

pub(crate) fn config(server: &AdbServer, version: &str, epoch: Instant) -> Result<HandsetConfig> {
    let jar = server.home().join("scrcpy-server");
    std::fs::write(&jar, b"PK\x03\x04 no real jar")?;
    Ok(HandsetConfig {
        adb_port: server.port(),
        adb_program: Some(server.program()),
        jar: JarSearch {
            flag: Some(jar),
            stated_version: Some(version.parse()?),
            ..JarSearch::default()
        },
        epoch,
        ..HandsetConfig::default()
    })
}

pub(crate) fn is_key(unit: &AccessUnit) -> bool {
    unit.flags.has(UnitFlags::KEY)
}

pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    let begun = Instant::now();
    while !holds() {
        ensure!(begun.elapsed() < CEILING, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
