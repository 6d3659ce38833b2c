//! The demo's encoded pictures: in memory, and as a file in the cache.
//!
//! ```text
//! "LSIEDEMO" | version u32 | count u32 | count × { key u8 | bytes u32 | data } | SHA-256 of all before      little endian
//! ```

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::demo::encode::encode;
use crate::demo::portrait::PORTRAIT_PNG;
use crate::demo::truth::{FPS, LOOP_SECS, NEUTRAL_SECS, truth};
use crate::error::IngestError;
use crate::pull::AccessUnit;
use crate::settings::ProgressFn;

/// To be changed whenever the same portrait and truth would be drawn or encoded otherwise.
const GENERATOR: &str = "presenter 3";
const MAGIC: &[u8; 8] = b"LSIEDEMO";
const VERSION: u32 = 1;
const DIGEST_BYTES: usize = 32;
/// Frames that are played once, before the loop.
pub(crate) const INTRO_FRAMES: u64 = NEUTRAL_SECS as u64 * FPS as u64;
/// Frames of the loop.
pub(crate) const LOOP_FRAMES: u64 = LOOP_SECS as u64 * FPS as u64;
/// Frames in all.
pub(crate) const CLIP_FRAMES: u64 = INTRO_FRAMES + LOOP_FRAMES;
/// Frames between two key frames.
pub(crate) const KEY_FRAMES: u64 = 30;

/// One process makes a clip once, however many sources ask for it.
static MAKING: Mutex<()> = Mutex::new(());
static TEMPORARY: AtomicU64 = AtomicU64::new(0);

/// One encoded frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClipUnit {
    pub(crate) key: bool,
    pub(crate) data: Arc<[u8]>,
}

/// The whole demo picture in memory; a clone is the same clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clip {
    units: Arc<[ClipUnit]>,
}

impl Clip {
    /// Checks that the units make a loop that can be decoded from its start.
    pub(crate) fn new(units: Vec<ClipUnit>) -> Option<Self> {
        let begins_with_key = |index: u64| units.get(index as usize).is_some_and(|unit| unit.key);
        let whole = units.len() as u64 == CLIP_FRAMES;
        (whole && begins_with_key(0) && begins_with_key(INTRO_FRAMES)).then(|| Clip {
            units: units.into(),
        })
    }

    /// Reads it from the cache, or draws and encodes it (once per process at a time) and stores it there.
    pub(crate) fn load(
        cache_dir: &Path,
        mask: bool,
        progress: Option<&ProgressFn>,
    ) -> Result<Self, IngestError> {
        let path = cache_path(cache_dir, mask);
        let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        match std::fs::read(&path) {
            Ok(bytes) => {
                if let Some(clip) = read(&bytes) {
                    return Ok(clip);
                }
                tracing::warn!(path = %path.display(), "damaged demo file is made again");
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(cache_error(&path, &error.to_string())),
        }
        let clip = Clip::new(encode(mask, progress)?)
            .ok_or_else(|| cache_error(&path, "the encoder gave no loop of key frames"))?;
        store(&path, &clip)?;
        Ok(clip)
    }

    /// The access unit of the n-th frame since media time 0; the loop never ends.
    pub(crate) fn unit(&self, frame: u64) -> Option<AccessUnit> {
        let unit = self.units.get(clip_index(frame) as usize)?;
        Some(AccessUnit {
            data: Arc::clone(&unit.data),
            pts_ns: frame_pts_ns(frame),
            key: unit.key,
        })
    }

    /// The last key frame at or before the n-th frame.
    pub(crate) fn key_before(&self, frame: u64) -> u64 {
        let is_key = |frame: &u64| {
            self.units
                .get(clip_index(*frame) as usize)
                .is_some_and(|unit| unit.key)
        };
        let earliest = frame.saturating_sub(CLIP_FRAMES);
        (earliest..=frame).rev().find(is_key).unwrap_or(0)
    }
}

/// Where a variant lies in the cache folder.
pub(crate) fn cache_path(cache_dir: &Path, mask: bool) -> PathBuf {
    let mut hash = Sha256::new();
    hash.update(GENERATOR);
    hash.update([0, u8::from(mask)]);
    hash.update(PORTRAIT_PNG);
    for frame in 0..CLIP_FRAMES {
        hash.update(truth(frame as f64 / f64::from(FPS)).smile.to_le_bytes());
    }
    let widest = truth(NEUTRAL_SECS + LOOP_SECS / 2.0);
    for part in widest.left_corner.into_iter().chain(widest.right_corner) {
        hash.update(part.to_le_bytes());
    }
    let digest = hash.finalize();
    let key = digest.first_chunk().copied().map_or(0, u64::from_be_bytes);
    let variant = if mask { "-mask" } else { "" };
    cache_dir
        .join("demo")
        .join(format!("presenter{variant}-{key:016x}.lsiedemo"))
}

/// Media time of the n-th frame, nanoseconds.
pub(crate) fn frame_pts_ns(frame: u64) -> i64 {
    i64::try_from(u128::from(frame) * 1_000_000_000 / u128::from(FPS)).unwrap_or(i64::MAX)
}

/// The first frame at or after a media time.
pub(crate) fn frame_at(pts_ns: i64) -> u64 {
    let nanos = u128::try_from(pts_ns).unwrap_or(0);
    let frame = u64::try_from((nanos * u128::from(FPS)).div_ceil(1_000_000_000)).unwrap_or(0);
    // Frame times are rounded down, so the frame before may fall on the same nanosecond.
    if frame > 0 && frame_pts_ns(frame - 1) >= pts_ns {
        frame - 1
    } else {
        frame
    }
}

fn clip_index(frame: u64) -> u64 {
    if frame < CLIP_FRAMES {
        frame
    } else {
        INTRO_FRAMES + (frame - INTRO_FRAMES) % LOOP_FRAMES
    }
}

fn store(path: &Path, clip: &Clip) -> Result<(), IngestError> {
    let failed = |error: std::io::Error| cache_error(path, &error.to_string());
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let number = TEMPORARY.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("{}-{number}.part", std::process::id()));
    let bytes = write(clip);
    let written = std::fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|error| {
        // Best effort: the error that is reported is the one above.
        std::fs::remove_file(&temporary).ok();
        failed(error)
    })
}

fn write(clip: &Clip) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(clip.units.len() as u32).to_le_bytes());
    for unit in clip.units.iter() {
        out.push(u8::from(unit.key));
        out.extend_from_slice(&(unit.data.len() as u32).to_le_bytes());
        out.extend_from_slice(&unit.data);
    }
    let digest = Sha256::digest(&out);
    out.extend_from_slice(&digest);
    out
}

/// `None` for anything but a whole, undamaged clip.
fn read(bytes: &[u8]) -> Option<Clip> {
    let (body, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST_BYTES)?)?;
    if Sha256::digest(body).as_slice() != digest {
        return None;
    }
    let mut rest = body.strip_prefix(MAGIC)?;
    let version = take_u32(&mut rest)?;
    let count = take_u32(&mut rest)?;
    if version != VERSION || u64::from(count) != CLIP_FRAMES {
        return None;
    }
    let mut units = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let (key, tail) = rest.split_first()?;
        rest = tail;
        let length = take_u32(&mut rest)? as usize;
        let (data, tail) = rest.split_at_checked(length)?;
        rest = tail;
        units.push(ClipUnit {
            key: *key == 1,
            data: data.into(),
        });
    }
    Clip::new(units)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (value, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    Some(u32::from_le_bytes(*value))
}

fn cache_error(path: &Path, reason: &str) -> IngestError {
    IngestError::Cache {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip() -> Clip {
        let unit = |n: u64| ClipUnit {
            key: n.is_multiple_of(KEY_FRAMES),
            data: vec![n as u8; 3].into(),
        };
        Clip::new((0..CLIP_FRAMES).map(unit).collect()).unwrap()
    }

    #[test]
    fn a_clip_survives_the_file_and_damage_does_not() {
        let clip = clip();
        let bytes = write(&clip);
        assert_eq!(read(&bytes), Some(clip));
        for cut in [0, 7, 31, 32, 100, bytes.len() - 1] {
            assert_eq!(read(&bytes[..cut]), None);
        }
        let mut flipped = bytes.clone();
        flipped[1000] ^= 1;
        assert_eq!(read(&flipped), None);
        assert_eq!(Clip::new(Vec::new()), None);
    }

    #[test]
    fn the_loop_repeats_without_its_intro_and_time_goes_on() {
        let clip = clip();
        assert_eq!(clip.unit(1980).unwrap().data, clip.unit(180).unwrap().data);
        assert_eq!(
            clip.unit(1980 + 1800 + 7).unwrap().data,
            clip.unit(187).unwrap().data
        );
        assert!(clip.unit(1980).unwrap().key);
        assert_eq!(clip.unit(1980).unwrap().pts_ns, 66_000_000_000);
        assert_eq!(clip.key_before(0), 0);
        assert_eq!(clip.key_before(1999), 1980);
    }

    #[test]
    fn the_frame_of_a_time_is_the_first_not_before_it() {
        for frame in [0, 1, 2, 29, 31, 4000] {
            let pts = frame_pts_ns(frame);
            assert_eq!(frame_at(pts), frame);
            assert_eq!(frame_at(pts + 1), frame + 1);
        }
        assert_eq!(frame_at(-5), 0);
    }

    #[test]
    fn variants_have_their_own_files() {
        let folder = Path::new("/c");
        assert_ne!(cache_path(folder, true), cache_path(folder, false));
        assert!(cache_path(folder, true).starts_with("/c/demo"));
    }
}
