//! The server on the phone, both dialects: option line in, streams out.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::device::{Phone, VideoFault};
use super::film::Film;
use super::services::say;
use super::transport::{Pipe, spawn};

const FRAME_NS: i64 = 33_333_333;
const BLOCK_NS: i64 = 21_333_333;
const BLOCK_BYTES: u32 = 4096;

/// Somebody opened a socket that a server listens on.
pub(super) fn connected(pipe: &Arc<Pipe>, name: &str) {
    let mut state = pipe.link.phone.state();
    match state.sockets.get_mut(name) {
        Some((left, waiting)) if *left > 0 => {
            *left -= 1;
            waiting.push_back(Arc::clone(pipe));
        }
        _ => {
            drop(state);
            pipe.close();
        }
    }
}

struct Server {
    phone: Arc<Phone>,
    pid: u32,
    is_b: bool,
    is_over: AtomicBool,
}

/// Runs a start command to the server's end; its exit status.
pub(super) fn run(shell: &Arc<Pipe>, command: &str) -> io::Result<u8> {
    let phone = Arc::clone(&shell.link.phone);
    let settings = phone.settings().clone();
    let pid = {
        let mut state = phone.state();
        state.next_pid += 1;
        let pid = state.next_pid;
        state.running.push(pid);
        pid
    };
    let outcome = start(shell, &phone, &settings.server_version, pid, command);
    let mut state = phone.state();
    state.running.retain(|running| *running != pid);
    // The clean-up helper unlinks the jar.
    if let Some(jar) = between(command, "CLASSPATH=", ";") {
        state.files.remove(jar);
    }
    drop(state);
    outcome
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}

fn start(
    shell: &Arc<Pipe>,
    phone: &Arc<Phone>,
    version: &str,
    pid: u32,
    command: &str,
) -> io::Result<u8> {
    let settings = phone.settings();
    say(shell, &pid.to_string())?;
    let jar = between(command, "CLASSPATH=", ";").unwrap_or("");
    if !phone.state().files.contains_key(jar) {
        say(shell, "Error: could not find class")?;
        return Ok(1);
    }
    let (_, line) = command
        .split_once("com.genymobile.scrcpy.Server ")
        .unwrap_or_default();
    let mut words = line.split(' ');
    let told = words.next().unwrap_or("");
    if told != version {
        say(
            shell,
            &format!(
                "[server] ERROR: The server version ({version}) does not match the client ({told})"
            ),
        )?;
        return Ok(1);
    }
    if let Some(exit) = &settings.exit_at_start {
        say(shell, &exit.words)?;
        return Ok(exit.status);
    }
    say(shell, "[server] INFO: Device: [lsie] sim (Android 14)")?;
    let options: HashMap<&str, &str> = words.filter_map(|word| word.split_once('=')).collect();
    let is_on = |key: &str| options.get(key).copied() != Some("false");
    let wanted: Vec<&str> = ["video", "audio", "control"]
        .into_iter()
        .filter(|key| is_on(key))
        .collect();
    thread::sleep(settings.late_socket);
    let name = format!("scrcpy_{}", options.get("scid").unwrap_or(&""));
    let Some(pipes) = accept(shell, phone, &name, wanted.len(), pid) else {
        return Ok(1);
    };
    let server = Arc::new(Server {
        phone: Arc::clone(phone),
        pid,
        is_b: version.starts_with('4'),
        is_over: AtomicBool::new(false),
    });
    server.stream(shell, &wanted, &pipes);
    Ok(0)
}

/// Listens until as many connected as there are streams, then no longer.
fn accept(
    shell: &Pipe,
    phone: &Phone,
    name: &str,
    count: usize,
    pid: u32,
) -> Option<Vec<Arc<Pipe>>> {
    phone
        .state()
        .sockets
        .insert(name.into(), (count, std::collections::VecDeque::new()));
    let mut pipes = Vec::new();
    while pipes.len() < count {
        shell.wait_closed(Duration::from_millis(2));
        let mut state = phone.state();
        let came = state.sockets.get_mut(name)?.1.pop_front();
        if shell.is_closed() || state.killed.contains(&pid) {
            state.sockets.remove(name);
            return None;
        }
        drop(state);
        if let Some(pipe) = came {
            if pipes.is_empty() {
                pipe.write(&[0]).ok()?;
            }
            pipes.push(pipe);
        }
    }
    phone.state().sockets.remove(name);
    let mut model = phone.settings().model.clone().into_bytes();
    model.resize(64, 0);
    pipes.first()?.write(&model).ok()?;
    Some(pipes)
}

impl Server {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire) || self.phone.state().killed.contains(&self.pid)
    }

    /// Streams until one of the pipes breaks or somebody ends the server.
    fn stream(self: &Arc<Self>, shell: &Pipe, wanted: &[&str], pipes: &[Arc<Pipe>]) {
        for (kind, pipe) in wanted.iter().zip(pipes) {
            let (server, pipe) = (Arc::clone(self), Arc::clone(pipe));
            let kind = (*kind).to_owned();
            spawn("phone-stream", move || {
                let ended = match kind.as_str() {
                    "video" => server.video(&pipe),
                    "audio" => server.audio(&pipe),
                    _ => server.control(&pipe),
                };
                if ended.is_err() || kind == "video" {
                    server.is_over.store(true, Ordering::Release);
                }
            });
        }
        while !self.is_over() && !shell.is_closed() && !pipes.iter().any(|pipe| pipe.is_closed()) {
            shell.wait_closed(Duration::from_millis(5));
        }
        self.is_over.store(true, Ordering::Release);
        for pipe in pipes {
            pipe.close();
        }
    }

    fn control(&self, pipe: &Pipe) -> io::Result<()> {
        while !self.is_over() {
            let message = pipe.read(1)?;
            self.phone.state().controls.extend(message);
        }
        Ok(())
    }

    fn wait_until(&self, host_ns: i64) {
        while !self.is_over() && self.phone.host_ns() < host_ns {
            let left = (host_ns - self.phone.host_ns()).clamp(0, 20_000_000);
            thread::sleep(Duration::from_nanos(left as u64));
        }
    }

    fn video(&self, pipe: &Pipe) -> io::Result<()> {
        let films = [Film::committed(320, 180), Film::committed(180, 320)];
        let [Ok(ball), Ok(portrait)] = films else {
            return Err(io::Error::other("the clips are missing"));
        };
        let seen = self.phone.settings().film.as_deref();
        let (mut film, mut other) = (seen.unwrap_or(&ball), &portrait);
        self.head(pipe, film)?;
        let (config_bit, key_bit) = if self.is_b { (62, 61) } else { (63, 62) };
        let (mut place, mut due_ns) = (0, self.phone.host_ns());
        let mut fault = None;
        while !self.is_over() {
            if self.phone.state().rests.video {
                due_ns = self.phone.host_ns() + FRAME_NS;
                self.wait_until(due_ns);
                continue;
            }
            fault = fault.or_else(|| self.phone.state().faults.pop_front());
            if fault == Some(VideoFault::Rotate) {
                fault = None;
                std::mem::swap(&mut film, &mut other);
                place = 0;
                if self.is_b {
                    pipe.write(&session(film))?;
                }
            }
            let Some(unit) = film.units.get(place) else {
                place = 0;
                continue;
            };
            place += 1;
            if unit.is_config {
                pipe.write(&header(1 << config_bit, unit.bytes.len() as u32))?;
                pipe.write(&unit.bytes)?;
                continue;
            }
            due_ns += FRAME_NS;
            self.wait_until(due_ns);
            let pts_us = self.stamp(due_ns);
            let flags = u64::from(unit.is_key) << key_bit;
            self.unit(pipe, pts_us | flags, &unit.bytes, fault.take())?;
        }
        Ok(())
    }

    fn unit(
        &self,
        pipe: &Pipe,
        word: u64,
        bytes: &[u8],
        fault: Option<VideoFault>,
    ) -> io::Result<()> {
        let length = bytes.len() as u32;
        match fault {
            Some(VideoFault::Length(length)) => pipe.write(&header(word, length)),
            Some(VideoFault::Corrupt) => {
                pipe.write(&header(word, length))?;
                pipe.write(&vec![9; bytes.len()])
            }
            Some(VideoFault::UnplugInside) => {
                pipe.write(&header(word, length))?;
                pipe.write(bytes.get(..bytes.len() / 2).unwrap_or_default())?;
                self.phone.unplug();
                Ok(())
            }
            Some(VideoFault::Exit) => Err(io::ErrorKind::BrokenPipe.into()),
            Some(VideoFault::Rotate) | None => {
                pipe.write(&header(word, length))?;
                pipe.write(bytes)
            }
        }
    }

    fn head(&self, pipe: &Pipe, film: &Film) -> io::Result<()> {
        pipe.write(b"h264")?;
        if self.is_b {
            return pipe.write(&session(film));
        }
        let size = [film.width, film.height].map(u32::to_be_bytes).concat();
        pipe.write(&size)
    }

    /// PTS of a picture captured at our time; the truth is written down.
    fn stamp(&self, host_ns: i64) -> u64 {
        let clock = self.phone.clock();
        let is_boottime = self.phone.settings().is_boottime;
        let slept_ns = if is_boottime { clock.slept_ns } else { 0 };
        let pts_us = ((clock.monotonic_ns(host_ns) + slept_ns) / 1000) as u64;
        self.phone.state().truth.insert(pts_us, host_ns);
        pts_us
    }

    fn audio(&self, pipe: &Pipe) -> io::Result<()> {
        let id = self.phone.settings().audio_id;
        pipe.write(&id.to_be_bytes())?;
        if id < 2 {
            while !self.is_over() {
                pipe.wait_closed(Duration::from_millis(50));
            }
            return Ok(());
        }
        let mut due_ns = self.phone.host_ns();
        let constant = vec![1; BLOCK_BYTES as usize];
        let heard = self.phone.settings().sound.as_deref();
        let mut blocks = heard.map(|heard| heard.chunks_exact(BLOCK_BYTES as usize).cycle());
        while !self.is_over() {
            let block = blocks
                .as_mut()
                .and_then(Iterator::next)
                .unwrap_or(&constant);
            self.wait_until(due_ns + BLOCK_NS);
            if !self.phone.state().rests.audio {
                let pts_us = self.phone.clock().monotonic_ns(due_ns) / 1000;
                pipe.write(&header(pts_us as u64, BLOCK_BYTES))?;
                pipe.write(block)?;
            }
            due_ns += BLOCK_NS;
        }
        Ok(())
    }
}

fn header(word: u64, length: u32) -> Vec<u8> {
    let mut bytes = word.to_be_bytes().to_vec();
    bytes.extend(length.to_be_bytes());
    bytes
}

fn session(film: &Film) -> Vec<u8> {
    [1 << 31, film.width, film.height]
        .map(u32::to_be_bytes)
        .concat()
}
