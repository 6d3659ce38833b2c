//! What lies ready for one viewer. Filled from the threads of the source, emptied by the viewer's task.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::queue::{Offered, SendQueue};
use crate::unit::{PicturePackets, SoundUnit};

/// Most sound packets that wait, 20 ms each; the oldest goes first.
const MAX_SOUNDS: usize = 25;

/// Kinds of live messages; of each the newest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveKind {
    /// What a frame showed.
    Face,
    /// What the voice did.
    Voice,
    /// How the stream is.
    Stream,
}

/// Something to send.
#[derive(Debug)]
pub(crate) enum Media {
    Picture(Arc<PicturePackets>),
    Sound(SoundUnit),
    /// Nothing comes any more, and why.
    Over(&'static str),
}

#[derive(Debug)]
pub(crate) struct Mailbox {
    waiting: Mutex<Waiting>,
    media: Notify,
    live: Notify,
}

#[derive(Debug)]
struct Waiting {
    pictures: SendQueue<Arc<PicturePackets>>,
    sounds: VecDeque<SoundUnit>,
    live: [Option<Bytes>; 3],
    over: Option<&'static str>,
}

impl Mailbox {
    pub(crate) fn starting_with(cached: &[Arc<PicturePackets>]) -> Self {
        let mailbox = Self {
            waiting: Mutex::new(Waiting {
                pictures: SendQueue::starting_with(cached.iter().cloned()),
                sounds: VecDeque::new(),
                live: [None, None, None],
                over: None,
            }),
            media: Notify::new(),
            live: Notify::new(),
        };
        mailbox.media.notify_one();
        mailbox
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Plain values: whole after a panic elsewhere.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn picture(&self, packets: &Arc<PicturePackets>) -> Offered {
        let offered = self
            .waiting()
            .pictures
            .offer(packets.is_key, Arc::clone(packets));
        self.media.notify_one();
        offered
    }

    pub(crate) fn sound(&self, unit: &SoundUnit) {
        let mut waiting = self.waiting();
        if waiting.sounds.len() == MAX_SOUNDS {
            waiting.sounds.pop_front();
        }
        waiting.sounds.push_back(unit.clone());
        drop(waiting);
        self.media.notify_one();
    }

    /// Whether it took the place of one that was not sent.
    pub(crate) fn live(&self, kind: LiveKind, message: Bytes) -> bool {
        let replaced = self
            .waiting()
            .live
            .get_mut(kind as usize)
            .and_then(|place| place.replace(message));
        self.live.notify_one();
        replaced.is_some()
    }

    pub(crate) fn end(&self, reason: &'static str) {
        self.waiting().over.get_or_insert(reason);
        self.media.notify_one();
    }

    /// The next thing to send; sound first, which is small and late sooner.
    pub(crate) async fn next_media(&self) -> Media {
        loop {
            {
                let mut waiting = self.waiting();
                if let Some(reason) = waiting.over {
                    return Media::Over(reason);
                }
                if let Some(sound) = waiting.sounds.pop_front() {
                    return Media::Sound(sound);
                }
                if let Some(picture) = waiting.pictures.take() {
                    return Media::Picture(picture);
                }
            }
            self.media.notified().await;
        }
    }

    /// Waits until a live message lies ready.
    pub(crate) async fn live_waits(&self) {
        loop {
            if self.waiting().live.iter().any(Option::is_some) {
                return;
            }
            self.live.notified().await;
        }
    }

    /// The newest live message of the first kind that has one.
    pub(crate) fn take_live(&self) -> Option<Bytes> {
        self.waiting().live.iter_mut().find_map(Option::take)
    }
}
