//! Sources of this crate as nodes of a graph.

use std::time::Duration;

use lsie_device::Frame;
use lsie_graph::{Liveness, MediaTime, NodeError, Packet, Source, SourceContext};

use crate::error::IngestError;
use crate::gst::sound::AudioSource;
use crate::gst::video::VideoSource;
use crate::pull::{PcmBlock, Pull};
use crate::scheme::Pace;

/// Longest wait before the graph's stop token is looked at again.
const SLICE: Duration = Duration::from_millis(50);

impl From<Pace> for Liveness {
    fn from(pace: Pace) -> Self {
        match pace {
            Pace::Live => Liveness::Live,
            Pace::Paced => Liveness::Paced,
            Pace::Fast => Liveness::Fast,
        }
    }
}

/// A node cannot open its source again: a restarted one is at its end. Open a new [`crate::Input`] instead.
impl Source for VideoSource {
    type Out = Frame;

    fn liveness(&self) -> Liveness {
        self.pace().into()
    }

    fn kind(&self) -> &'static str {
        "video"
    }

    fn next(&mut self, ctx: &SourceContext) -> Result<Option<Packet<Frame>>, NodeError> {
        let item = pull_until_stopped(ctx, || VideoSource::next(self, SLICE))?;
        Ok(item.map(|frame| Packet::new(MediaTime(frame.pts_ns()), frame)))
    }

    fn stop(&mut self) {
        self.release();
    }
}

/// As for [`VideoSource`].
impl Source for AudioSource {
    type Out = PcmBlock;

    fn liveness(&self) -> Liveness {
        self.pace().into()
    }

    fn kind(&self) -> &'static str {
        "audio"
    }

    fn next(&mut self, ctx: &SourceContext) -> Result<Option<Packet<PcmBlock>>, NodeError> {
        let item = pull_until_stopped(ctx, || AudioSource::next(self, SLICE))?;
        Ok(item.map(|block| Packet::new(MediaTime(block.pts_ns), block)))
    }

    fn stop(&mut self) {
        self.release();
    }
}

fn pull_until_stopped<T>(
    ctx: &SourceContext,
    mut pull: impl FnMut() -> Result<Pull<T>, IngestError>,
) -> Result<Option<T>, NodeError> {
    loop {
        if ctx.is_stopping() {
            return Err(NodeError::Interrupted);
        }
        match pull().map_err(NodeError::from_error)? {
            Pull::Item(item) => return Ok(Some(item)),
            Pull::End => return Ok(None),
            Pull::Pending => {}
        }
    }
}
