//! Plays a recording back, piece by piece, as it came.

use std::io;

use super::clock::PhoneClock;
use super::device::Phone;
use super::scrcpy::Server;
use super::transport::Pipe;
use crate::recording::{Piece, PieceKind, StreamTrace};

/// From the server's start to the first packet, nanoseconds: the handshake's share.
const HANDSHAKE_NS: i64 = 300_000_000;
/// Age of the freshest packet at its arrival, nanoseconds.
const LEAST_AGE_NS: i64 = 1_000_000;

/// Sets the phone's clock to that of the recorded phone, so that its stamps are of now. Tells when the recording begins, our
/// clock, nanoseconds; 0 for a phone that plays none.
pub(super) fn set_clock(phone: &Phone) -> i64 {
    let Some(recording) = phone.settings().replay.clone() else {
        return 0;
    };
    let begins_ns = phone.host_ns() + HANDSHAKE_NS;
    let shift_ns = recording.begins_ns() - begins_ns;
    phone.change_clock(|clock| {
        *clock = PhoneClock {
            ppm: 0.0,
            offset_ns: shift_ns - recording.least_age_ns() + LEAST_AGE_NS,
            ..*clock
        };
    });
    phone.state().replays_at_ns = Some(begins_ns);
    begins_ns
}

impl Server {
    /// Plays one stream to its end, then keeps it open and silent. A stream that was not recorded is silent from the start.
    pub(super) fn replay(&self, pipe: &Pipe, trace: Option<&StreamTrace>) -> io::Result<()> {
        let recording = self.phone.settings().replay.clone();
        let recorded_ns = recording.map_or(0, |recording| recording.begins_ns());
        let mut announced = 0;
        for piece in trace.map_or(&[][..], |trace| &trace.pieces) {
            match piece.kind {
                // The greeting was said when the sockets were opened.
                PieceKind::Model => {}
                PieceKind::Head | PieceKind::Payload => pipe.write(&piece.bytes)?,
                PieceKind::Header => {
                    self.wait_until(self.replays_at_ns + (piece.at_ns - recorded_ns));
                    announced = announced_bytes(piece);
                    pipe.write(&piece.bytes)?;
                }
                PieceKind::LeftOut => pipe.write(&filler(announced))?,
            }
            if self.is_over() {
                return Ok(());
            }
        }
        while !self.is_over() {
            pipe.wait_closed(std::time::Duration::from_millis(50));
        }
        Ok(())
    }
}

fn announced_bytes(header: &Piece) -> usize {
    match header.bytes.as_slice() {
        [.., a, b, c, d] => u32::from_be_bytes([*a, *b, *c, *d]) as usize,
        _ => 0,
    }
}

/// A payload of this length that shows and sounds nothing: a start code and zeros, which for raw sound is silence but for
/// one sample.
fn filler(bytes: usize) -> Vec<u8> {
    let mut filler = vec![0, 0, 0, 1];
    filler.resize(bytes, 0);
    filler
}
