//! A name, one publisher at most, and one source that takes what it sends.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use lsie_schemas::link::PublisherName;

use super::depacketise::Picture;
use crate::offer::VideoCodec;

/// Most units that wait for the source: two seconds of pictures and sound. Then pictures are dropped to the next key frame.
const MAX_WAITING: usize = 180;

/// What a publisher sent.
#[derive(Debug, Clone)]
pub enum Published {
    /// An encoded picture.
    Picture(PublishedPicture),
    /// An Opus packet.
    Sound(PublishedSound),
}

/// An encoded picture of a publisher.
#[derive(Debug, Clone)]
pub struct PublishedPicture {
    /// Its codec; it may change with another publisher.
    pub codec: VideoCodec,
    /// The bytes.
    pub data: Vec<u8>,
    /// RTP time, 90 kHz, wrapping.
    pub rtp_time: u32,
    /// When it was whole.
    pub arrived: Instant,
    /// Whether decoding can begin here.
    pub is_key: bool,
    /// Counts publishers of this name: their RTP times have nothing to do with each other.
    pub publisher: u64,
}

/// A piece of sound of a publisher.
#[derive(Debug, Clone)]
pub struct PublishedSound {
    /// One Opus packet.
    pub data: Vec<u8>,
    /// RTP time, 48 kHz, wrapping.
    pub rtp_time: u32,
    /// When it came.
    pub arrived: Instant,
    /// As [`PublishedPicture::publisher`].
    pub publisher: u64,
}

/// Every name that somebody publishes or takes.
#[derive(Debug, Default)]
pub struct Publications {
    names: Mutex<HashMap<PublisherName, Weak<Publication>>>,
}

/// One name.
#[derive(Debug, Default)]
pub struct Publication {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "both ends come, go and want a key frame independently"
)]
struct State {
    waiting: VecDeque<Published>,
    publishers: u64,
    is_published: bool,
    is_taken: bool,
    awaits_key: bool,
    wants_key: bool,
    dropped: u64,
}

impl State {
    fn belongs_to(&self, publisher: u64) -> bool {
        self.is_published && self.publishers == publisher
    }
}

impl Publications {
    /// The publication of a name, made when it is asked for and gone when nobody holds it.
    pub fn of(&self, name: &PublisherName) -> Arc<Publication> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.retain(|_, publication| publication.strong_count() > 0);
        let known = names.get(name).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let made = Arc::new(Publication::default());
            names.insert(name.clone(), Arc::downgrade(&made));
            made
        })
    }
}

impl Publication {
    fn state(&self) -> MutexGuard<'_, State> {
        // Plain values: whole after a panic elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody publishes now.
    pub fn is_published(&self) -> bool {
        self.state().is_published
    }

    /// Whether nothing can be decoded before the publisher sends a key frame.
    pub fn awaits_key_frame(&self) -> bool {
        let state = self.state();
        state.is_published && state.is_taken && state.awaits_key
    }

    /// Pictures and sounds that were dropped because the source did not take them in time, or that could not be decoded.
    pub fn dropped(&self) -> u64 {
        self.state().dropped
    }

    /// From now on a source takes what comes; nothing is kept from before.
    pub fn take(&self) {
        let mut state = self.state();
        state.waiting.clear();
        state.is_taken = true;
        state.awaits_key = true;
        state.wants_key = true;
    }

    /// No source takes it any more.
    pub fn leave(&self) {
        let mut state = self.state();
        state.is_taken = false;
        state.waiting.clear();
    }

    /// Asks the publisher for a key frame.
    pub fn ask_key_frame(&self) {
        self.state().wants_key = true;
    }

    /// Waits at most so long for the next thing.
    pub fn next(&self, timeout: Duration) -> Option<Published> {
        let state = self.state();
        let (mut state, _) = self
            .arrived
            .wait_timeout_while(state, timeout, |state| state.waiting.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        state.waiting.pop_front()
    }

    /// Lets one publisher in; `None` when there is one.
    pub(crate) fn claim(self: &Arc<Self>) -> Option<Claim> {
        let mut state = self.state();
        if state.is_published {
            return None;
        }
        state.is_published = true;
        state.publishers += 1;
        state.awaits_key = true;
        Some(Claim {
            publisher: state.publishers,
            publication: Arc::clone(self),
        })
    }
}

/// A publisher's hold on a name. Dropping it lets the next one in.
#[derive(Debug)]
pub(crate) struct Claim {
    publication: Arc<Publication>,
    publisher: u64,
}

impl Claim {
    pub(super) fn picture(&self, picture: Picture) {
        let mut state = self.publication.state();
        if !state.is_taken || !state.belongs_to(self.publisher) {
            return;
        }
        if picture.is_key {
            state.awaits_key = false;
        }
        if state.waiting.len() >= MAX_WAITING {
            state.awaits_key = true;
            state.wants_key = true;
        }
        if state.awaits_key {
            state.dropped += 1;
            return;
        }
        state
            .waiting
            .push_back(Published::Picture(PublishedPicture {
                codec: picture.codec,
                data: picture.data,
                rtp_time: picture.rtp_time,
                arrived: Instant::now(),
                is_key: picture.is_key,
                publisher: self.publisher,
            }));
        drop(state);
        self.publication.arrived.notify_one();
    }

    /// A picture came that cannot be decoded.
    pub(super) fn useless(&self) {
        let mut state = self.publication.state();
        if state.is_taken && state.belongs_to(self.publisher) {
            state.dropped += 1;
        }
    }

    pub(super) fn sound(&self, data: &[u8], rtp_time: u32) {
        let mut state = self.publication.state();
        if !state.is_taken || !state.belongs_to(self.publisher) {
            return;
        }
        if state.waiting.len() >= MAX_WAITING {
            state.dropped += 1;
            return;
        }
        state.waiting.push_back(Published::Sound(PublishedSound {
            data: data.to_vec(),
            rtp_time,
            arrived: Instant::now(),
            publisher: self.publisher,
        }));
        drop(state);
        self.publication.arrived.notify_one();
    }

    pub(super) fn take_key_request(&self) -> bool {
        std::mem::take(&mut self.publication.state().wants_key)
    }

    pub(super) fn is_taken(&self) -> bool {
        self.publication.state().is_taken
    }
}

impl Claim {
    /// Lets the next publisher in before this one is wholly gone; what it still sends is nobody's.
    pub(crate) fn release(&self) {
        let mut state = self.publication.state();
        if state.belongs_to(self.publisher) {
            state.is_published = false;
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(is_key: bool) -> Picture {
        Picture {
            codec: VideoCodec::H264,
            data: vec![1],
            rtp_time: 0,
            is_key,
        }
    }

    #[test]
    fn a_name_has_one_publisher_at_a_time() {
        let publications = Publications::default();
        let name = PublisherName::parse("cam").unwrap();
        let publication = publications.of(&name);
        let first = publication.claim().unwrap();
        assert!(publications.of(&name).claim().is_none());
        first.release();
        assert!(!publication.is_published());
        let second = publication.claim();
        drop(first);
        assert!(second.is_some() && publication.is_published());
    }

    #[test]
    fn nothing_waits_before_a_source_takes_it_and_never_too_much() {
        let publication = Arc::new(Publication::default());
        let claim = publication.claim().unwrap();
        claim.picture(picture(true));
        claim.sound(&[1], 0);
        assert!(publication.next(Duration::ZERO).is_none());
        publication.take();
        assert!(claim.take_key_request());
        claim.picture(picture(false));
        assert!(
            publication.next(Duration::ZERO).is_none() && publication.awaits_key_frame(),
            "no key frame yet"
        );
        for n in 0..1000 {
            claim.picture(picture(n == 0));
        }
        assert_eq!(publication.state().waiting.len(), MAX_WAITING);
        assert!(
            claim.take_key_request(),
            "what was dropped must be made good"
        );
        let taken = std::iter::from_fn(|| publication.next(Duration::ZERO)).count();
        assert_eq!(taken as u64 + publication.dropped(), 1001);
    }
}
