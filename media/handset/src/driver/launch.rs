//! Brings a session up on the device: files, server, sockets, threads.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::pinger::ping;
use super::reader::{drain_control, read_log, read_media};
use super::shared::{Attempt, StreamUse, lock};
use crate::adb::{DeviceStream, MODE_EXECUTABLE, MODE_FILE};
use crate::clock::responder_elf;
use crate::error::HandsetError;
use crate::recording::RecorderTap;
use crate::scrcpy::{
    CaptureSettings, ControlMessage, ParserSettings, ServerJar, StreamKind, server_command,
};
use crate::session::{EndCause, Input};

const SOCKET_PATIENCE: Duration = Duration::from_secs(10);
const SOCKET_RETRY: Duration = Duration::from_millis(20);
/// How long the server may take to end after its streams were closed.
const EXIT_PATIENCE: Duration = Duration::from_secs(1);

/// What is launched.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) jar: Arc<ServerJar>,
    pub(super) capture: CaptureSettings,
    /// Files of the try before, which nobody else removes.
    pub(super) leftovers: Option<String>,
    pub(super) recorder: Option<RecorderTap>,
}

/// Runs on its own thread; tells every step and the end.
pub(super) fn launch(attempt: &Arc<Attempt>, plan: &Plan) {
    if let Err(error) = try_launch(attempt, plan)
        && !attempt.is_over()
    {
        let cause = cause_of(&error);
        lock(&attempt.log).push(&format!("lsie: {error}"));
        tracing::warn!(%error, cause = cause.word(), "a session could not be started");
        attempt.end(cause);
    }
}

fn cause_of(error: &HandsetError) -> EndCause {
    match error {
        HandsetError::PushRefused { .. } => EndCause::PushRefused,
        HandsetError::Options(_) | HandsetError::Jar(_) => EndCause::Settings,
        HandsetError::Refused { service, .. } if service.starts_with("localabstract:") => {
            EndCause::SocketTimeout
        }
        _ => EndCause::AdbFailed,
    }
}

fn try_launch(attempt: &Arc<Attempt>, plan: &Plan) -> Result<(), HandsetError> {
    let scid = attempt.scid;
    let command = server_command(plan.jar.version, scid, &plan.capture)?;
    if let Some(files) = &plan.leftovers {
        // They are small and unused; what is left of them harms nobody.
        let _ = attempt
            .client
            .shell(&attempt.serial, &format!("rm -f {files}"));
    }
    push(attempt, &plan.jar.bytes, &scid.jar_path(), MODE_FILE)?;
    let responder = scid.responder_path();
    push(attempt, &responder_elf(), &responder, MODE_EXECUTABLE)?;
    attempt.tell(Input::Pushed);
    let shell = open(
        attempt,
        StreamUse::Shell,
        &format!("shell,v2,raw:{command}"),
    )?;
    spawn(attempt, "handset-log", move |attempt| {
        read_log(attempt, shell);
    })?;
    match open(attempt, StreamUse::Media, &format!("exec:{responder}")) {
        Ok(stream) => spawn(attempt, "handset-clock", move |attempt| {
            ping(attempt, stream);
        })?,
        Err(error) => tracing::warn!(%error, "no clock responder; times come from arrivals"),
    }
    open_media(attempt, plan)
}

fn push(attempt: &Attempt, bytes: &[u8], path: &str, mode: u32) -> Result<(), HandsetError> {
    open(attempt, StreamUse::Media, "sync:")?.push(bytes, path, mode)
}

fn open(attempt: &Attempt, what: StreamUse, service: &str) -> Result<DeviceStream, HandsetError> {
    let stream = attempt.client.open(&attempt.serial, service)?;
    attempt.register(what, &stream);
    Ok(stream)
}

/// Opens the server's sockets in the order it accepts them in: video, audio, control.
fn open_media(attempt: &Arc<Attempt>, plan: &Plan) -> Result<(), HandsetError> {
    let dialect = plan
        .jar
        .version
        .dialect()
        .map_err(crate::scrcpy::OptionError::from)?;
    let kinds = [
        plan.capture.video.is_some().then_some(StreamKind::Video),
        plan.capture.audio.is_some().then_some(StreamKind::Audio),
    ];
    let mut media = Vec::new();
    for kind in kinds.into_iter().flatten() {
        let stream = open_socket(attempt)?;
        if media.is_empty() {
            attempt.tell(Input::Connected);
        }
        media.push((kind, stream));
    }
    let control = open_socket(attempt)?;
    let handle = control
        .try_clone()
        .map_err(HandsetError::io("opening the control socket"))?;
    *lock(&attempt.control) = Some(handle);
    spawn(attempt, "handset-control", move |attempt| {
        drain_control(attempt, control);
    })?;
    let mut is_first = true;
    for (kind, stream) in media {
        let settings = ParserSettings {
            dialect,
            kind,
            is_first: std::mem::take(&mut is_first),
        };
        let name = match kind {
            StreamKind::Video => "handset-video",
            StreamKind::Audio => "handset-audio",
        };
        let tap = plan.recorder.clone();
        if let Some(tap) = &tap {
            tap.begin(settings, plan.jar.version);
        }
        spawn(attempt, name, move |attempt| {
            read_media(attempt, stream, settings, tap.as_ref());
        })?;
    }
    Ok(())
}

/// Asks until the server listens, 10 s at most, and no longer than the server lives.
fn open_socket(attempt: &Attempt) -> Result<DeviceStream, HandsetError> {
    let service = format!("localabstract:{}", attempt.scid.socket_name());
    let begun = Instant::now();
    loop {
        match open(attempt, StreamUse::Media, &service) {
            Err(HandsetError::Refused { .. })
                if begun.elapsed() < SOCKET_PATIENCE
                    && !attempt.is_over()
                    && lock(&attempt.log).status.is_none() =>
            {
                thread::sleep(SOCKET_RETRY);
            }
            outcome => return outcome,
        }
    }
}

fn spawn(
    attempt: &Arc<Attempt>,
    name: &str,
    body: impl FnOnce(&Arc<Attempt>) + Send + 'static,
) -> Result<(), HandsetError> {
    let attempt = Arc::clone(attempt);
    let body = move || body(&attempt);
    let spawned = thread::Builder::new().name(name.into()).spawn(body);
    spawned
        .map(drop)
        .map_err(HandsetError::io("starting a thread"))
}

/// Starts capture again.
pub(super) fn reset_video(attempt: &Attempt) -> io::Result<()> {
    match &mut *lock(&attempt.control) {
        Some(control) => control.write_all(&ControlMessage::ResetVideo.encode()),
        None => Err(io::ErrorKind::NotConnected.into()),
    }
}

/// Ends the server in order: streams first, then 1 s, then a signal; the phone is left as it was found.
pub(super) fn shut_down(attempt: &Attempt) {
    attempt.close_media();
    let has_exited = |patience: Duration| {
        let begun = Instant::now();
        while lock(&attempt.log).status.is_none() && begun.elapsed() < patience {
            thread::sleep(SOCKET_RETRY);
        }
        lock(&attempt.log).status.is_some()
    };
    let pid = lock(&attempt.log).pid;
    let run = |command: &str| {
        if let Err(error) = attempt.client.shell(&attempt.serial, command) {
            tracing::debug!(%error, "the phone could not be tidied up");
        }
    };
    if let Some(pid) = pid
        && !has_exited(EXIT_PATIENCE)
    {
        run(&format!("kill {pid}"));
        has_exited(EXIT_PATIENCE);
    }
    run(&format!("rm -f {}", files_of(attempt)));
    attempt.close();
}

/// Our files on the phone.
pub(super) fn files_of(attempt: &Attempt) -> String {
    let scid = attempt.scid;
    format!("{} {}", scid.jar_path(), scid.responder_path())
}
