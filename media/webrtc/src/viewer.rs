//! One viewer: its media, its observations.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lsie_schemas::live::{LiveMessage, LiveStream};

use crate::broadcast::Subscription;
use crate::counters::{PeerCounters, count};
use crate::error::PeerError;
use crate::mailbox::{LiveKind, Media};
use crate::transport::PeerTransport;

/// A stream without pictures for so long is said to stall; and how often that is repeated.
const STALL: Duration = Duration::from_millis(500);

/// Sends pictures and sound until the broadcast ends or the connection takes no more. Gives the reason.
pub(crate) async fn send_media(
    transport: Arc<dyn PeerTransport>,
    subscription: Arc<Subscription>,
    counters: Arc<PeerCounters>,
) -> &'static str {
    let mut last_picture = Instant::now();
    let mut stalled = false;
    loop {
        let next = subscription.mailbox.next_media();
        let Ok(media) = tokio::time::timeout(STALL, next).await else {
            stalled = true;
            tell_stream(&subscription, false, last_picture.elapsed());
            continue;
        };
        let sent = match media {
            Media::Over(reason) => return reason,
            Media::Picture(packets) => {
                if std::mem::take(&mut stalled) {
                    tell_stream(&subscription, true, Duration::ZERO);
                }
                last_picture = Instant::now();
                let sent = transport.send_picture(&packets).await;
                sent.map(|packets_sent| (packets_sent as u64, packets.bytes as u64))
            }
            Media::Sound(unit) => {
                if !stalled && last_picture.elapsed() > STALL {
                    stalled = true;
                    tell_stream(&subscription, false, last_picture.elapsed());
                }
                let sent = transport.send_sound(&unit).await;
                sent.map(|sent| (u64::from(sent), unit.data.len() as u64))
            }
        };
        match sent {
            Ok((packets, bytes)) => {
                count(&counters.packets, packets);
                count(&counters.bytes, bytes);
            }
            Err(error) => {
                tracing::debug!(%error, "a viewer takes no more media");
                return "disconnected";
            }
        }
    }
}

fn tell_stream(subscription: &Subscription, flowing: bool, age: Duration) {
    let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    let message = LiveMessage::Stream(LiveStream { flowing, age_ms });
    if let Some(bytes) = message.encode() {
        subscription.mailbox.live(LiveKind::Stream, bytes.into());
    }
}

/// Sends the newest observations as fast as the data channel takes them.
pub(crate) async fn send_live(
    transport: Arc<dyn PeerTransport>,
    subscription: Arc<Subscription>,
) -> Result<(), PeerError> {
    loop {
        transport.live_ready().await?;
        subscription.mailbox.live_waits().await;
        // The newest by now, after whatever time the channel took.
        transport.live_ready().await?;
        if let Some(message) = subscription.mailbox.take_live() {
            transport.send_live(message).await?;
        }
    }
}
