//! `any`: each arrival is passed on.

use crate::merge::PortState;
use crate::node::Emitter;
use crate::packet::{MediaTime, Packet, Payload};
use crate::unit::Join;

/// Passes packets on in the order of their arrival; times may go back between ports.
pub(crate) struct JoinAny {
    ports: Vec<PortState>,
}

impl JoinAny {
    pub(crate) fn new(ports: usize) -> Self {
        Self {
            ports: vec![PortState::new(); ports],
        }
    }
}

impl<M: Payload> Join<M, M> for JoinAny {
    fn packet(&mut self, port: usize, packet: Packet<M>, out: &mut Emitter<'_, M>) {
        if let Some(state) = self.ports.get_mut(port) {
            state.advance(packet.pts);
        }
        out.emit(packet.pts, packet.payload);
    }

    fn bound(&mut self, port: usize, bound: MediaTime, _out: &mut Emitter<'_, M>) {
        if let Some(state) = self.ports.get_mut(port) {
            state.advance(bound);
        }
    }

    fn end(&mut self, port: usize, _out: &mut Emitter<'_, M>) -> bool {
        if let Some(state) = self.ports.get_mut(port) {
            state.ended = true;
        }
        self.ports.iter().all(|state| state.ended)
    }

    fn settled(&self) -> MediaTime {
        self.ports
            .iter()
            .map(PortState::settled)
            .min()
            .unwrap_or(MediaTime::MIN)
    }
}
