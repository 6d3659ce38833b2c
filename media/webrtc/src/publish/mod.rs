//! Publishers: from RTP to encoded pictures and sound under a name.
//!
//! ```text
//! RTP ─▶ reorder ─▶ depacketiser ─▶ Publication ─▶ the source `whip:NAME`
//!          └ lost ─────▶ awaits a key frame ─▶ asks the publisher, at most each 400 ms
//! ```

mod depacketise;
mod publication;
mod reorder;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

pub(crate) use publication::Claim;
pub use publication::{Publication, Publications, Published, PublishedPicture, PublishedSound};

use crate::counters::{PeerCounters, count};
use crate::debounce::KeyRequests;
use crate::transport::{PeerTransport, RtpPart, Track};
use depacketise::Depacketiser;
use reorder::{Ordered, Reorder};

/// How often it is looked whether something is to be given up or asked for.
const TICK: Duration = Duration::from_millis(50);

/// Takes what a publisher sends until its connection ends.
pub(crate) async fn take_media(
    transport: Arc<dyn PeerTransport>,
    mut media: mpsc::Receiver<RtpPart>,
    claim: Arc<Claim>,
    counters: Arc<PeerCounters>,
) -> &'static str {
    let origin = Instant::now();
    let mut ticks = tokio::time::interval(TICK);
    let mut taker = Taker {
        picture: None,
        pictures: Reorder::default(),
        sounds: Reorder::default(),
        requests: KeyRequests::default(),
        claim,
        counters,
    };
    loop {
        let now = origin.elapsed();
        tokio::select! {
            part = media.recv() => match part {
                Some(part) => taker.take(part, now),
                None => return "closed",
            },
            _ = ticks.tick() => taker.tick(now),
        }
        if taker.wants_key(origin.elapsed()) {
            count(&taker.counters.published_key_requests, 1);
            if let Err(error) = transport.ask_key_frame().await {
                tracing::debug!(%error, "a publisher cannot be asked for a key frame");
            }
        }
    }
}

struct Taker {
    picture: Option<Depacketiser>,
    pictures: Reorder<RtpPart>,
    sounds: Reorder<RtpPart>,
    requests: KeyRequests,
    claim: Arc<Claim>,
    counters: Arc<PeerCounters>,
}

impl Taker {
    fn take(&mut self, part: RtpPart, now: Duration) {
        count(&self.counters.published_packets, 1);
        match part.track {
            Track::Video(_) => {
                let ordered = self.pictures.push(part.sequence, part, now);
                self.take_pictures(ordered);
            }
            Track::Opus => {
                let ordered = self.sounds.push(part.sequence, part, now);
                self.take_sounds(ordered);
            }
        }
    }

    fn tick(&mut self, now: Duration) {
        let ordered = self.pictures.tick(now);
        self.take_pictures(ordered);
        let ordered = self.sounds.tick(now);
        self.take_sounds(ordered);
    }

    fn take_pictures(&mut self, ordered: Vec<Ordered<RtpPart>>) {
        for item in ordered {
            match item {
                Ordered::Lost(packets) => {
                    count(&self.counters.published_lost, packets);
                    if let Some(picture) = &mut self.picture {
                        picture.lost();
                    }
                }
                Ordered::Next(part) => self.take_picture(&part),
            }
        }
    }

    fn take_picture(&mut self, part: &RtpPart) {
        let Track::Video(codec) = part.track else {
            return;
        };
        // Padding alone, which keeps a path open.
        if part.payload.is_empty() {
            return;
        }
        let depacketiser = match &mut self.picture {
            Some(picture) if picture.codec() == codec => picture,
            other => other.insert(Depacketiser::new(codec)),
        };
        let whole = depacketiser.push(&part.payload, part.rtp_time, part.is_last);
        match whole {
            Some(picture) => {
                if picture.is_key {
                    self.requests.came();
                }
                self.claim.picture(picture);
            }
            // Its end came, and it is of no use: torn, or without a key frame before it.
            None if part.is_last => self.claim.useless(),
            None => {}
        }
    }

    fn take_sounds(&mut self, ordered: Vec<Ordered<RtpPart>>) {
        for item in ordered {
            match item {
                Ordered::Lost(packets) => count(&self.counters.published_lost, packets),
                Ordered::Next(part) if part.payload.is_empty() => {}
                Ordered::Next(part) => self.claim.sound(&part.payload, part.rtp_time),
            }
        }
    }

    fn wants_key(&mut self, now: Duration) -> bool {
        let awaits = self.picture.as_ref().is_none_or(Depacketiser::awaits_key);
        if self.claim.take_key_request() || (awaits && self.claim.is_taken()) {
            self.requests.ask();
        }
        self.requests.due(now)
    }
}
