//! Pictures and sound kept in step, as a node.

use std::sync::Arc;

use lsie_graph::nodes::{SeedSyncSettings, Stretch, SyncAv, SyncAvByClock};
use lsie_graph::pipeline::{
    Gives, Inputs, Maker, NodeKind, Outputs, ParamKind, ParamSpec, Params, Port, Takes,
};
use lsie_graph::{Either, Emitter, Item, Layer, MediaTime, NodeError, Packet, Stream};
use lsie_ingest::PcmBlock;
use serde_json::json;

use super::{AUDIO, VIDEO};

const SECS: ParamKind = ParamKind::Number {
    min: 0.001,
    max: 60.0,
};

/// The node `sync_av` (pipeline 2.3).
pub(super) fn sync_av() -> NodeKind {
    let port = |name, kind| Port {
        name,
        takes: Takes::Types(kind),
        required: true,
    };
    let outputs = vec![
        ("video", Gives::Type(VIDEO.name())),
        ("audio", Gives::Type(AUDIO.name())),
    ];
    NodeKind::join(
        "sync_av",
        "Keeps sound in step with pictures, for live sources whose clocks differ.",
        Inputs::Ports(vec![port("video", &["video"]), port("audio", &["audio"])]),
        Outputs::Named(outputs),
    )
    .param(ParamSpec::with_default(
        "mode",
        ParamKind::Word {
            known: &["clock", "seed"],
        },
        json!("clock"),
        "clock: pictures keep their times, sound is played up to 0.5 % faster or slower. seed: the older rule, which moves both.",
    ))
    .param(ParamSpec::with_default(
        "max_delay",
        SECS,
        json!(0.1),
        "clock: without a picture for that long the last one is repeated. seed: farther counterparts are dropped. Seconds.",
    ))
    .param(ParamSpec::with_default(
        "tolerance",
        SECS,
        json!(0.005),
        "seed: a counterpart nearer than this is used up, seconds.",
    ))
    .param(ParamSpec::with_default(
        "buffer",
        ParamKind::Whole { min: 1, max: 4096 },
        json!(30),
        "seed: items kept of each kind.",
    ))
    .make(|maker| {
        let name = maker.name().to_owned();
        let ports = maker.port("video").zip(maker.port("audio"));
        let (video, audio) = ports.ok_or_else(|| {
            lsie_graph::pipeline::MakeError::failed("both inputs must be connected")
        })?;
        let mut both = video.merge_any(&format!("{name}.both"), &audio);
        for port in 0..2 {
            if let Some(edge) = maker.edge(port) {
                both = both.port_edge(port, edge);
            }
        }
        let synced = synced(&both, &name, maker.params());
        hand_out(maker, &synced, &name);
        Ok(())
    })
}

fn synced(
    both: &Stream<Either<Item, Item>>,
    name: &str,
    params: &Params,
) -> Stream<Either<Item, Item>> {
    let max_delay_secs = params.number("max_delay").unwrap_or(0.1);
    if params.text("mode") == "seed" {
        let settings = SeedSyncSettings {
            max_delay_secs,
            tolerance_secs: params.number("tolerance").unwrap_or(0.005),
            buffer: params.whole("buffer").unwrap_or(30).unsigned_abs() as usize,
        };
        return both.then(name, SyncAv::seed(settings));
    }
    both.then(
        name,
        SyncAvByClock::new(max_delay_secs, Stretcher::default()),
    )
}

fn hand_out(maker: &mut Maker<'_>, synced: &Stream<Either<Item, Item>>, name: &str) {
    for (output, is_video) in [("video", true), ("audio", false)] {
        if maker.wants(output) {
            let side = synced.then(&format!("{name}:{output}"), Side { is_video });
            maker.output(output, side);
        }
    }
}

/// One side of both; the other side is no loss.
struct Side {
    is_video: bool,
}

impl Layer for Side {
    type In = Either<Item, Item>;
    type Out = Item;

    fn process(
        &mut self,
        packet: Packet<Self::In>,
        out: &mut Emitter<'_, Item>,
    ) -> Result<(), NodeError> {
        match packet.payload {
            Either::Left(item) if self.is_video => out.emit(packet.pts, item),
            Either::Right(item) if !self.is_video => out.emit(packet.pts, item),
            _ => {}
        }
        Ok(())
    }
}

/// Plays sound a little faster or slower: cubic interpolation between four samples (Hermite, as Catmull and Rom), three samples
/// of delay.
#[derive(Default)]
struct Stretcher {
    /// The last three frames of the block before.
    tail: Vec<f32>,
    channels: usize,
    /// Where the next sample lies behind the first frame of `tail` but one, frames.
    position: f64,
}

/// Frames that a sample needs before its own.
const BEFORE: usize = 1;
const TAIL: usize = 3;

impl Stretch<Item> for Stretcher {
    fn reset(&mut self) {
        *self = Self::default();
    }

    fn length_nanos(&self, block: &Item) -> Result<u64, NodeError> {
        let block = block
            .get::<PcmBlock>()
            .ok_or_else(|| NodeError::new("sound is expected"))?;
        let nanos = block.frames() as u128 * 1_000_000_000 / u128::from(block.rate_hz.max(1));
        Ok(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn stretch(&mut self, block: Item, speed: f64, pts: MediaTime) -> Result<Item, NodeError> {
        let mut block: PcmBlock = block.take()?;
        block.samples = self.play(&block.samples, usize::from(block.channels.max(1)), speed);
        block.pts_ns = pts.0;
        Ok(Item::new(&AUDIO, block))
    }
}

impl Stretcher {
    fn play(&mut self, samples: &[f32], channels: usize, speed: f64) -> Arc<[f32]> {
        if self.channels != channels {
            *self = Self {
                tail: vec![0.0; TAIL * channels],
                channels,
                position: 0.0,
            };
        }
        let mut input = std::mem::take(&mut self.tail);
        input.extend_from_slice(samples);
        let frames = input.len() / channels;
        let mut out = Vec::with_capacity(samples.len() + samples.len() / 64 + channels);
        let step = 1.0 + speed;
        let mut at = self.position;
        // A sample between frames k and k + 1 needs those from k - 1 to k + 2.
        while (at as usize) + BEFORE + 2 < frames {
            let first = at as usize;
            let t = (at - first as f64) as f32;
            for channel in 0..channels {
                let tap = |k: usize| {
                    let index = (first + k) * channels + channel;
                    input.get(index).copied().unwrap_or_default()
                };
                out.push(cubic([tap(0), tap(1), tap(2), tap(3)], t));
            }
            at += step;
        }
        let kept = frames.saturating_sub(TAIL);
        self.position = (at - kept as f64).max(0.0);
        self.tail = input.split_off(kept * channels);
        out.into()
    }
}

/// Between the second and the third of four samples.
fn cubic([a, b, c, d]: [f32; 4], t: f32) -> f32 {
    let slope = 0.5 * (c - a);
    let bend = a - 2.5 * b + 2.0 * c - 0.5 * d;
    let twist = 1.5 * (b - c) + 0.5 * (d - a);
    b + t * (slope + t * (bend + t * twist))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 48_000.0;

    fn tone(from: usize, frames: usize) -> Vec<f32> {
        let angle = |n: usize| std::f64::consts::TAU * 1000.0 * n as f64 / RATE;
        (from..from + frames)
            .flat_map(|n| [angle(n).sin() as f32, -angle(n).sin() as f32])
            .collect()
    }

    fn played(speed: f64, blocks: usize) -> Vec<f32> {
        let mut stretcher = Stretcher::default();
        let parts = (0..blocks).map(|n| stretcher.play(&tone(960 * n, 960), 2, speed));
        parts.flat_map(|part| part.to_vec()).collect()
    }

    #[test]
    fn at_its_own_speed_every_sample_is_what_it_was_two_samples_later() {
        let (heard, wanted) = (played(0.0, 10), tone(0, 9600));
        assert_eq!(heard.len(), 2 * 9600);
        assert_eq!(heard[2 * 2..], wanted[..2 * 9598]);
    }

    #[test]
    fn a_tone_played_faster_is_the_higher_tone_without_a_step_between_blocks() {
        for speed in [0.005, -0.005, 37e-6] {
            let heard = played(speed, 50);
            let frames = heard.len() / 2;
            let wanted = (48_000.0 / (1.0 + speed)) as usize;
            assert!(frames.abs_diff(wanted) <= 2, "{frames} {wanted}");
            // Sample n lies 2 frames later than the tone's own.
            let worst = (10..frames)
                .map(|n| {
                    let place = n as f64 * (1.0 + speed) - 2.0;
                    let truth = (std::f64::consts::TAU * 1000.0 * place / RATE).sin();
                    (f64::from(heard[2 * n]) - truth).abs()
                })
                .fold(0.0, f64::max);
            assert!(worst < 1e-4, "{speed}: {worst}");
        }
    }

    #[test]
    fn empty_blocks_and_a_change_of_channels_are_harmless() {
        let mut stretcher = Stretcher::default();
        assert!(stretcher.play(&[], 2, 0.005).is_empty());
        assert_eq!(stretcher.play(&[0.5; 9], 1, 0.0).len(), 9);
        assert!(stretcher.play(&[f32::NAN; 64], 2, -0.005).len() >= 60);
    }
}
