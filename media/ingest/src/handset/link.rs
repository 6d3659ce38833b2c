//! A phone and everything that both of its streams share. It is let go when both are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lsie_handset::clock::MappedTime;
use lsie_handset::session::SessionState;
use lsie_handset::{Handset, HandsetConfig, HandsetEvent, HandsetStreams};

use super::timeline::Timeline;
use super::words::{health_of, next_step};
use crate::error::IngestError;
use crate::health::{RemoteSource, SourceHealth};
use crate::pull::host_time_ns;
use crate::watch::{IngestEvent, Watch};

pub(crate) struct HandsetLink {
    handset: Handset,
    pub(super) streams: HandsetStreams,
    pub(super) timeline: Timeline,
    pub(super) watch: Watch,
    flag: Arc<AtomicBool>,
    /// Our time at the handset's zero, nanoseconds.
    epoch_host_ns: i64,
}

impl RemoteSource for HandsetLink {
    fn health(&self) -> SourceHealth {
        health_of(&self.handset.status())
    }
}

/// When something was captured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Captured {
    /// Our monotonic clock, nanoseconds.
    pub(super) host_ns: i64,
    /// Whether the phone's clock was mapped; else it is the time of arrival.
    pub(super) is_mapped: bool,
}

impl HandsetLink {
    /// Begins to wait for the phone. `config` gets its epoch here.
    pub(crate) fn open(
        mut config: HandsetConfig,
        timeline: Timeline,
        flag: Arc<AtomicBool>,
        watch: Watch,
    ) -> Result<Arc<Self>, IngestError> {
        config.epoch = Instant::now();
        let epoch_host_ns = host_time_ns().cast_signed();
        let (handset, streams) = Handset::open(config)?;
        Ok(Arc::new(HandsetLink {
            handset,
            streams,
            timeline,
            watch,
            flag,
            epoch_host_ns,
        }))
    }

    /// Why it was given up, if it was.
    pub(crate) fn fault(&self) -> Option<IngestError> {
        let SessionState::Failed(cause) = self.handset.status().state else {
            return None;
        };
        Some(IngestError::Phone {
            reason: cause.word().to_owned(),
            hint: next_step(cause),
        })
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }

    /// Our time of a capture; arrival stands in where no clock maps, and is counted.
    pub(super) fn captured(&self, mapped: Option<MappedTime>, arrived_ns: i64) -> Captured {
        let since_epoch_ns = mapped.map_or(arrived_ns, |time| time.host_ns);
        self.watch.times_unmapped(u64::from(mapped.is_none()));
        Captured {
            host_ns: self.epoch_host_ns.saturating_add(since_epoch_ns),
            is_mapped: mapped.is_some(),
        }
    }

    /// Tells on what happened to the phone.
    pub(super) fn note_events(&self) {
        while let Some(event) = self.streams.events.pop(Duration::ZERO) {
            self.note(&event);
        }
    }

    fn note(&self, event: &HandsetEvent) {
        match event {
            HandsetEvent::State { transition, log } => {
                let cause = transition.cause;
                if let Some(cause) = cause {
                    tracing::warn!(cause = cause.word(), ?log, "the phone's session ended");
                }
                let hint = match transition.to {
                    SessionState::Waiting(why) => why.remedy().next_step,
                    SessionState::Failed(cause) => next_step(cause),
                    _ => "",
                };
                self.watch.event(IngestEvent::SourceChanged {
                    state: transition.to.word(),
                    cause: cause.map(lsie_handset::session::EndCause::word),
                    hint,
                });
            }
            HandsetEvent::ClockStepped => {
                tracing::warn!("the phone's clock stepped; a new epoch of its map began");
                self.watch.clock_steps(1);
                self.watch.event(IngestEvent::ClockStepped);
            }
            HandsetEvent::AudioDisabled => {
                tracing::warn!("the phone refused sound; pictures go on");
            }
            // Sizes and gaps are told where pictures and sound have their media time.
            HandsetEvent::Model(_)
            | HandsetEvent::Codec(_)
            | HandsetEvent::Size(_)
            | HandsetEvent::AudioGap { .. }
            | HandsetEvent::TimeBase(..)
            | HandsetEvent::VideoReset => tracing::info!(?event, "phone"),
        }
    }
}
