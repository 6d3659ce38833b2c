//! Writes small media files byte by byte: uncompressed, so that what the file holds is what the program sees.

use std::fs;
use std::path::Path;

/// Sound: signed 16-bit samples, one channel.
pub(crate) struct Sound {
    pub(crate) rate_hz: u32,
    pub(crate) samples: Vec<i16>,
}

/// Picture: one I420 picture, shown `frames` times.
pub(crate) struct Picture {
    pub(crate) size: (u32, u32),
    pub(crate) fps: u32,
    pub(crate) frames: u32,
    pub(crate) i420: Vec<u8>,
}

impl Sound {
    /// A quiet square tone of 200 Hz.
    pub(crate) fn tone(seconds: u32) -> Self {
        let rate_hz = 16_000;
        let samples = (0..seconds * rate_hz)
            .map(|n| if n / 40 % 2 == 0 { 2000 } else { -2000 })
            .collect();
        Self { rate_hz, samples }
    }

    fn bytes(&self) -> Vec<u8> {
        self.samples.iter().flat_map(|s| s.to_le_bytes()).collect()
    }

    fn format(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(1u16.to_le_bytes());
        out.extend(1u16.to_le_bytes());
        out.extend(self.rate_hz.to_le_bytes());
        out.extend((2 * self.rate_hz).to_le_bytes());
        out.extend(2u16.to_le_bytes());
        out.extend(16u16.to_le_bytes());
        out
    }
}

impl Picture {
    /// Plain grey, small and slow.
    pub(crate) fn grey(seconds: u32) -> Self {
        Self {
            size: (64, 48),
            fps: 5,
            frames: 5 * seconds,
            i420: vec![128; 64 * 48 * 3 / 2],
        }
    }

    fn header(&self) -> Vec<u8> {
        let (width, height) = self.size;
        let mut out = words(&[40, width, height]);
        out.extend(1u16.to_le_bytes());
        out.extend(12u16.to_le_bytes());
        out.extend(b"I420");
        out.extend(words(&[self.i420.len() as u32, 0, 0, 0, 0]));
        out
    }
}

/// A WAV file.
pub(crate) fn wav(path: &Path, sound: &Sound) {
    let body = [
        chunk(b"fmt ", &sound.format()),
        chunk(b"data", &sound.bytes()),
    ]
    .concat();
    fs::write(path, list(b"RIFF", b"WAVE", &body)).unwrap();
}

/// An AVI file with a picture track and, if given, a sound track.
pub(crate) fn avi(path: &Path, picture: &Picture, sound: Option<&Sound>) {
    let (width, height) = picture.size;
    let period_us = 1_000_000 / picture.fps;
    let tracks = 1 + u32::from(sound.is_some());
    let bytes = picture.i420.len() as u32;
    let main = words(&[
        period_us,
        0,
        0,
        0x10,
        picture.frames,
        0,
        tracks,
        bytes,
        width,
        height,
        0,
        0,
        0,
        0,
    ]);
    let mut headers = chunk(b"avih", &main);
    let video = stream_header(
        b"vids",
        b"I420",
        (1, picture.fps),
        picture.frames,
        (bytes, 0),
    );
    headers.extend(track(&video, &picture.header()));
    if let Some(sound) = sound {
        let count = sound.samples.len() as u32;
        let audio = stream_header(
            b"auds",
            &[0; 4],
            (2, 2 * sound.rate_hz),
            count,
            (2 * sound.rate_hz, 2),
        );
        headers.extend(track(&audio, &sound.format()));
    }
    let (movie, index) = interleaved(picture, sound);
    let body = [
        list(b"LIST", b"hdrl", &headers),
        list(b"LIST", b"movi", &movie),
        chunk(b"idx1", &index),
    ]
    .concat();
    fs::write(path, list(b"RIFF", b"AVI ", &body)).unwrap();
}

/// Each picture followed by the sound that belongs to it, and the index of both.
fn interleaved(picture: &Picture, sound: Option<&Sound>) -> (Vec<u8>, Vec<u8>) {
    let bytes = sound.map(Sound::bytes).unwrap_or_default();
    let step = sound.map_or(1, |sound| 2 * (sound.rate_hz / picture.fps) as usize);
    let mut pieces = bytes.chunks(step);
    let (mut movie, mut index) = (Vec::new(), Vec::new());
    for _ in 0..picture.frames {
        let sound = pieces.next().map(|piece| (b"01wb", piece));
        for (id, data) in [Some((b"00db", picture.i420.as_slice())), sound]
            .into_iter()
            .flatten()
        {
            index.extend(id);
            index.extend(words(&[0x10, movie.len() as u32 + 4, data.len() as u32]));
            movie.extend(chunk(id, data));
        }
    }
    (movie, index)
}

fn stream_header(
    kind: &[u8; 4],
    codec: &[u8; 4],
    (scale, rate): (u32, u32),
    length: u32,
    (buffer, sample): (u32, u32),
) -> Vec<u8> {
    let mut out = [kind.as_slice(), codec].concat();
    out.extend(words(&[
        0, 0, 0, scale, rate, 0, length, buffer, 0, sample, 0, 0,
    ]));
    out
}

fn track(header: &[u8], format: &[u8]) -> Vec<u8> {
    let body = [chunk(b"strh", header), chunk(b"strf", format)].concat();
    list(b"LIST", b"strl", &body)
}

fn chunk(id: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut out = id.to_vec();
    out.extend((data.len() as u32).to_le_bytes());
    out.extend(data);
    out.extend(std::iter::repeat_n(0, data.len() % 2));
    out
}

fn list(id: &[u8; 4], kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    chunk(id, &[kind.as_slice(), body].concat())
}

fn words(values: &[u32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}
