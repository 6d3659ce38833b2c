//! One source on its way to its viewers.
//!
//! ```text
//! source's threads ─▶ Broadcast ─┬─▶ cache from the last key frame on
//!                                ├─▶ mailbox of viewer 1 ─▶ its task ─▶ UDP
//!                                └─▶ mailbox of viewer 2 …
//! ```
//!
//! Nothing here waits: a viewer that cannot keep up loses pictures up to the next key frame, and nobody else notices.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;

use crate::cache::KeyCache;
use crate::counters::{PeerCounters, count};
use crate::debounce::KeyRequests;
use crate::mailbox::{LiveKind, Mailbox};
use crate::unit::{Packetiser, PicturePackets, PictureUnit, SoundUnit};

/// A source's pictures, sound and observations, for whoever watches. Shared by reference.
#[derive(Debug)]
pub struct Broadcast {
    state: Mutex<State>,
    watchers: AtomicUsize,
    born: Instant,
    counters: Arc<PeerCounters>,
}

#[derive(Debug, Default)]
struct State {
    packetiser: Packetiser,
    cache: KeyCache<Arc<PicturePackets>>,
    requests: KeyRequests,
    viewers: Vec<Arc<Mailbox>>,
    over: Option<&'static str>,
}

/// A viewer's part in a broadcast. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Subscription {
    broadcast: Arc<Broadcast>,
    pub(crate) mailbox: Arc<Mailbox>,
}

impl Broadcast {
    /// A broadcast that nobody watches yet.
    #[must_use]
    pub fn new(counters: Arc<PeerCounters>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            watchers: AtomicUsize::new(0),
            born: Instant::now(),
            counters,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Plain values: whole after a panic elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody watches: only then is anything encoded for viewers.
    pub fn is_watched(&self) -> bool {
        self.watchers.load(Ordering::Acquire) > 0
    }

    /// Viewers now.
    pub fn watchers(&self) -> usize {
        self.watchers.load(Ordering::Acquire)
    }

    /// Takes the next picture. Cheap when nobody watches: it is cut into packets and kept from the last key frame on.
    pub fn picture(&self, unit: &PictureUnit) {
        let mut state = self.state();
        let Some(packets) = state.packetiser.packetise(unit) else {
            return;
        };
        let packets = Arc::new(packets);
        if packets.is_key {
            state.requests.came();
        }
        let State {
            cache,
            viewers,
            requests,
            ..
        } = &mut *state;
        cache.push(packets.is_key, packets.bytes, Arc::clone(&packets));
        for viewer in viewers {
            let offered = viewer.picture(&packets);
            count(&self.counters.units_dropped, offered.dropped as u64);
            if offered.wants_key {
                requests.ask();
            }
        }
    }

    /// Takes the next piece of sound.
    pub fn sound(&self, unit: &SoundUnit) {
        for viewer in &self.state().viewers {
            viewer.sound(unit);
        }
    }

    /// Takes an observation for the data channels; the newest of each kind wins.
    pub fn live(&self, kind: LiveKind, message: impl Into<Bytes>) {
        let message = message.into();
        for viewer in &self.state().viewers {
            let replaced = viewer.live(kind, message.clone());
            count(&self.counters.live_dropped, u64::from(replaced));
        }
    }

    /// A viewer needs a key frame.
    pub(crate) fn ask_key_frame(&self) {
        count(&self.counters.key_requests, 1);
        self.state().requests.ask();
    }

    /// Whether the source is to give a key frame now; says so once per request, and at most once in 400 ms.
    pub fn take_key_request(&self) -> bool {
        let now = self.born.elapsed();
        self.state().requests.due(now)
    }

    /// What comes next does not follow what was before: another source, another encoder.
    pub fn restart(&self) {
        self.state().cache.clear();
    }

    /// Ends it for every viewer, now and later.
    pub fn end(&self, reason: &'static str) {
        let mut state = self.state();
        state.over.get_or_insert(reason);
        state.cache.clear();
        for viewer in &state.viewers {
            viewer.end(reason);
        }
    }

    /// A new viewer begins with what is cached; `None` when it is over.
    pub(crate) fn subscribe(self: &Arc<Self>) -> Option<Subscription> {
        let mut state = self.state();
        if state.over.is_some() {
            return None;
        }
        let mailbox = Arc::new(Mailbox::starting_with(state.cache.units()));
        if state.cache.units().is_empty() {
            state.requests.ask();
        }
        state.viewers.push(Arc::clone(&mailbox));
        self.watchers.fetch_add(1, Ordering::AcqRel);
        Some(Subscription {
            broadcast: Arc::clone(self),
            mailbox,
        })
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.broadcast.state();
        state
            .viewers
            .retain(|viewer| !Arc::ptr_eq(viewer, &self.mailbox));
        self.broadcast.watchers.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::Media;

    fn unit(n: u8, is_key: bool) -> PictureUnit {
        let kind = if is_key { 0x65 } else { 0x41 };
        PictureUnit {
            data: Bytes::copy_from_slice(&[0, 0, 0, 1, kind, n]),
            pts_ns: i64::from(n) * 100_000,
            is_key,
        }
    }

    async fn times(subscription: &Subscription, most: usize) -> Vec<u32> {
        let mut times = Vec::new();
        while times.len() < most {
            match subscription.mailbox.next_media().await {
                Media::Picture(packets) => times.push(packets.rtp_time / 9),
                Media::Sound(_) => {}
                Media::Over(_) => break,
            }
        }
        times
    }

    #[tokio::test]
    async fn a_new_viewer_begins_at_the_last_key_frame_and_goes_on() {
        let broadcast = Broadcast::new(Arc::default());
        for n in 0..5 {
            broadcast.picture(&unit(n, n % 3 == 0));
        }
        let viewer = broadcast.subscribe().unwrap();
        assert!(broadcast.is_watched() && !broadcast.take_key_request());
        broadcast.picture(&unit(5, false));
        assert_eq!(times(&viewer, 3).await, [3, 4, 5]);
        drop(viewer);
        assert!(!broadcast.is_watched());
        assert!(broadcast.state().viewers.is_empty());
    }

    #[tokio::test]
    async fn a_viewer_without_a_cache_asks_once() {
        let broadcast = Broadcast::new(Arc::default());
        let _one = broadcast.subscribe().unwrap();
        let _two = broadcast.subscribe().unwrap();
        assert!(broadcast.take_key_request());
        assert!(!broadcast.take_key_request());
    }

    #[tokio::test]
    async fn the_end_reaches_those_who_watch_and_those_who_come() {
        let broadcast = Broadcast::new(Arc::default());
        let viewer = broadcast.subscribe().unwrap();
        broadcast.end("session_ended");
        assert!(matches!(
            viewer.mailbox.next_media().await,
            Media::Over("session_ended")
        ));
        assert!(broadcast.subscribe().is_none());
    }

    #[tokio::test]
    async fn of_each_kind_the_newest_observation_waits() {
        let counters = Arc::new(PeerCounters::default());
        let broadcast = Broadcast::new(Arc::clone(&counters));
        let viewer = broadcast.subscribe().unwrap();
        for n in 0..10u8 {
            broadcast.live(LiveKind::Face, vec![n]);
        }
        broadcast.live(LiveKind::Voice, vec![77]);
        viewer.mailbox.live_waits().await;
        assert_eq!(viewer.mailbox.take_live().as_deref(), Some(&[9][..]));
        assert_eq!(viewer.mailbox.take_live().as_deref(), Some(&[77][..]));
        assert_eq!(viewer.mailbox.take_live(), None);
        assert_eq!(counters.live_dropped.load(Ordering::Relaxed), 9);
    }
}
