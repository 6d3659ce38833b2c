//! Layers of items behind the basic kinds.

use serde_json::Value;

use crate::error::NodeError;
use crate::item::{Item, Row};
use crate::node::{Emitter, Layer};
use crate::nodes::{ExactRate, SeedRate, TimeBase};
use crate::packet::Packet;
use crate::pipeline::expr::Expr;
use crate::pipeline::settings::Live;
use crate::stats::DropReason;

const MICROS: f64 = 1e6;

/// A rate that can be changed while it runs.
pub(crate) struct LiveFps {
    rate: Live,
    is_seed: bool,
    rule: Rule,
}

enum Rule {
    All,
    Exact(ExactRate),
    Seed(SeedRate),
}

impl LiveFps {
    pub(crate) fn new(rate: Live, is_seed: bool) -> Self {
        Self {
            rate,
            is_seed,
            rule: Rule::All,
        }
    }

    fn set(&mut self, rate_hz: f64) {
        // Frames in a million seconds: whole numbers up to 1000 a second, with a millionth of resolution.
        let frames = std::num::NonZeroU32::new((rate_hz * MICROS).round().min(4e9) as u32);
        let per_secs = std::num::NonZeroU32::new(MICROS as u32);
        self.rule = match (frames, per_secs) {
            _ if self.is_seed => Rule::Seed(SeedRate::new(rate_hz, TimeBase::NANOS)),
            (Some(frames), Some(per_secs)) => Rule::Exact(ExactRate::new(frames, per_secs)),
            _ => Rule::All,
        };
    }
}

impl Layer for LiveFps {
    type In = Item;
    type Out = Item;

    fn process(
        &mut self,
        packet: Packet<Item>,
        out: &mut Emitter<'_, Item>,
    ) -> Result<(), NodeError> {
        if let Some(rate_hz) = self.rate.changed().as_ref().and_then(Value::as_f64) {
            self.set(rate_hz);
        }
        let keep = match &mut self.rule {
            Rule::All => true,
            Rule::Exact(rule) => rule.keep(packet.pts),
            Rule::Seed(rule) => rule.keep(packet.pts.0),
        };
        if keep {
            out.emit(packet.pts, packet.payload);
        } else {
            out.count_drop(DropReason::Rate, packet.pts);
        }
        Ok(())
    }
}

/// An expression's value for each item.
pub(crate) struct MapExpr(Expr);

impl MapExpr {
    pub(crate) fn new(expr: Expr) -> Self {
        Self(expr)
    }
}

impl Layer for MapExpr {
    type In = Item;
    type Out = Item;

    fn process(
        &mut self,
        packet: Packet<Item>,
        out: &mut Emitter<'_, Item>,
    ) -> Result<(), NodeError> {
        let value = self.0.value(&packet.payload.view());
        out.emit(
            packet.pts,
            Item::value(value.map_err(NodeError::from_error)?),
        );
        Ok(())
    }
}

/// Items for which an expression holds.
pub(crate) struct Filter(Expr);

impl Filter {
    pub(crate) fn new(expr: Expr) -> Self {
        Self(expr)
    }
}

impl Layer for Filter {
    type In = Item;
    type Out = Item;

    fn process(
        &mut self,
        packet: Packet<Item>,
        out: &mut Emitter<'_, Item>,
    ) -> Result<(), NodeError> {
        let holds = self.0.holds(&packet.payload.view());
        keep_if(holds.map_err(NodeError::from_error)?, packet, out);
        Ok(())
    }
}

/// Open or closed.
pub(crate) struct Gate {
    open: Live,
    is_open: bool,
}

impl Gate {
    pub(crate) fn new(open: Live) -> Self {
        Self {
            open,
            is_open: true,
        }
    }
}

impl Layer for Gate {
    type In = Item;
    type Out = Item;

    fn process(
        &mut self,
        packet: Packet<Item>,
        out: &mut Emitter<'_, Item>,
    ) -> Result<(), NodeError> {
        if let Some(open) = self.open.changed() {
            self.is_open = open == Value::Bool(true);
        }
        keep_if(self.is_open, packet, out);
        Ok(())
    }
}

/// Every n-th item.
pub(crate) struct Every {
    step: Live,
    n: u64,
    seen: u64,
}

impl Every {
    pub(crate) fn new(step: Live) -> Self {
        Self {
            step,
            n: 1,
            seen: 0,
        }
    }
}

impl Layer for Every {
    type In = Item;
    type Out = Item;

    fn process(
        &mut self,
        packet: Packet<Item>,
        out: &mut Emitter<'_, Item>,
    ) -> Result<(), NodeError> {
        if let Some(step) = self.step.changed() {
            self.n = step.as_u64().unwrap_or(1).max(1);
            self.seen = 0;
        }
        let keep = self.seen.is_multiple_of(self.n);
        self.seen += 1;
        keep_if(keep, packet, out);
        Ok(())
    }
}

fn keep_if(keep: bool, packet: Packet<Item>, out: &mut Emitter<'_, Item>) {
    if keep {
        out.emit(packet.pts, packet.payload);
    } else {
        out.count_drop(DropReason::Filtered, packet.pts);
    }
}

/// Changes nothing: the common trunk of a node with several outputs.
#[derive(Default)]
pub(crate) struct Pass;

impl Layer for Pass {
    type In = Item;
    type Out = Item;

    fn process(
        &mut self,
        packet: Packet<Item>,
        out: &mut Emitter<'_, Item>,
    ) -> Result<(), NodeError> {
        out.emit(packet.pts, packet.payload);
        Ok(())
    }
}

/// One field of each row. A row without it is nothing for this output, which is no loss.
pub(crate) struct PickField(String);

impl PickField {
    pub(crate) fn new(field: &str) -> Self {
        Self(field.to_owned())
    }
}

impl Layer for PickField {
    type In = Item;
    type Out = Item;

    fn process(
        &mut self,
        packet: Packet<Item>,
        out: &mut Emitter<'_, Item>,
    ) -> Result<(), NodeError> {
        let row: Row = packet.payload.take()?;
        if let Some(item) = row.into_field(&self.0) {
            out.emit(packet.pts, item);
        }
        Ok(())
    }
}
