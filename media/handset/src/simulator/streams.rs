//! What a server sends: pictures and sound at their pace, faults where they are asked for.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::device::VideoFault;
use super::film::{Film, Unit};
use super::scrcpy::Server;
use super::transport::{Pipe, spawn};
use crate::scrcpy::StreamKind;

/// Pictures that an encoder holds while nobody takes them; what the camera gives then is lost before it is encoded.
const ENCODER_HOLDS: i64 = 8;
const BLOCK_NS: i64 = 21_333_333;
const BLOCK_BYTES: u32 = 4096;

impl Server {
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire) || self.phone.state().killed.contains(&self.pid)
    }

    /// Streams until one of the pipes breaks or somebody ends the server.
    pub(super) fn stream(self: &Arc<Self>, shell: &Pipe, wanted: &[&str], pipes: &[Arc<Pipe>]) {
        for (kind, pipe) in wanted.iter().zip(pipes) {
            let (server, pipe) = (Arc::clone(self), Arc::clone(pipe));
            let kind = (*kind).to_owned();
            spawn("phone-stream", move || {
                let replay = server.phone.settings().replay.clone();
                let trace = |kind| replay.as_ref().and_then(|replay| replay.stream(kind));
                let ended = match kind.as_str() {
                    "video" if replay.is_some() => server.replay(&pipe, trace(StreamKind::Video)),
                    "audio" if replay.is_some() => server.replay(&pipe, trace(StreamKind::Audio)),
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

    pub(super) fn wait_until(&self, host_ns: i64) {
        while !self.is_over() && self.phone.host_ns() < host_ns {
            let left = (host_ns - self.phone.host_ns()).clamp(0, 20_000_000);
            thread::sleep(Duration::from_nanos(left as u64));
        }
    }

    fn video(&self, pipe: &Pipe) -> io::Result<()> {
        let films = [Film::built_in(320, 180), Film::built_in(180, 320)];
        let [Ok(ball), Ok(portrait)] = films else {
            return Err(io::Error::other("the clips are missing"));
        };
        let seen = self.phone.settings().film.as_deref();
        let (mut film, mut other) = (seen.unwrap_or(&ball), &portrait);
        self.head(pipe, film)?;
        let (mut place, mut due_ns) = (0, self.phone.host_ns());
        let mut fault = None;
        while !self.is_over() {
            if self.phone.state().rests.video {
                due_ns = self.phone.host_ns() + film.frame_ns;
                self.wait_until(due_ns);
                continue;
            }
            fault = fault.or_else(|| self.phone.state().faults.pop_front());
            match fault {
                Some(VideoFault::Rotate) => {
                    fault = None;
                    std::mem::swap(&mut film, &mut other);
                    place = 0;
                    if self.is_b {
                        pipe.write(&session(film))?;
                    }
                }
                Some(VideoFault::Config) => {
                    fault = None;
                    if let Some(config) = film.units.first() {
                        self.config(pipe, config)?;
                    }
                }
                _ => {}
            }
            let Some(unit) = film.units.get(place) else {
                place = 0;
                continue;
            };
            place += 1;
            if unit.is_config {
                self.config(pipe, unit)?;
                continue;
            }
            due_ns += film.frame_ns;
            let behind = (self.phone.host_ns() - due_ns) / film.frame_ns;
            due_ns += (behind - ENCODER_HOLDS).max(0) * film.frame_ns;
            self.wait_until(due_ns);
            let pts_us = self.stamp(due_ns);
            self.unit(pipe, pts_us, unit, fault.take())?;
        }
        Ok(())
    }

    const fn config_bit(&self) -> u32 {
        if self.is_b { 62 } else { 63 }
    }

    fn config(&self, pipe: &Pipe, unit: &Unit) -> io::Result<()> {
        let word = 1 << self.config_bit();
        pipe.write(&header(word, unit.bytes.len() as u32))?;
        pipe.write(&unit.bytes)
    }

    fn unit(
        &self,
        pipe: &Pipe,
        pts_us: u64,
        unit: &Unit,
        fault: Option<VideoFault>,
    ) -> io::Result<()> {
        let bytes = unit.bytes.as_slice();
        let word = pts_us | u64::from(unit.is_key) << (self.config_bit() - 1);
        let plain = header(word, bytes.len() as u32);
        match fault {
            Some(VideoFault::Length(length)) => pipe.write(&header(word, length)),
            Some(VideoFault::BadFlags) => {
                let word = word | 1 << self.config_bit();
                pipe.write(&header(word, bytes.len() as u32))?;
                pipe.write(bytes)
            }
            Some(VideoFault::Corrupt) => {
                pipe.write(&plain)?;
                pipe.write(&vec![9; bytes.len()])
            }
            Some(VideoFault::FlipBits) => {
                pipe.write(&plain)?;
                pipe.write(&flipped(bytes))
            }
            Some(cut @ (VideoFault::UnplugInside | VideoFault::Truncate)) => {
                pipe.write(&plain)?;
                pipe.write(bytes.get(..bytes.len() / 2).unwrap_or_default())?;
                if cut == VideoFault::Truncate {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                self.phone.unplug();
                Ok(())
            }
            Some(VideoFault::Exit) => Err(io::ErrorKind::BrokenPipe.into()),
            Some(VideoFault::Rotate | VideoFault::Config) | None => {
                pipe.write(&plain)?;
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

/// One byte in a hundred turned round, behind the head of the slice.
fn flipped(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for byte in bytes.iter_mut().skip(8).step_by(100) {
        *byte ^= 0xff;
    }
    bytes
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
