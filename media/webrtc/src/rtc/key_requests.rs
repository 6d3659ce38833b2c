//! An interceptor that lets key-frame requests through to the application.
//!
//! Inbound RTCP ends in the chain unless somebody vouches for it. What is not a key-frame request is taken out of the
//! compound, and the rest is marked for delivery.

use std::collections::VecDeque;
use std::time::Instant;

use rtc::interceptor::{Attribute, Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::sansio::Protocol;

/// Place in the chain: behind everything that acts on RTCP.
pub(super) const SLOT: usize = 14_000;

#[derive(Default)]
pub(super) struct KeyRequestFilter {
    read: VecDeque<TaggedPacket>,
    written: VecDeque<TaggedPacket>,
}

fn is_key_request(packet: &dyn rtc::rtcp::Packet) -> bool {
    let packet = packet.as_any();
    packet.is::<PictureLossIndication>() || packet.is::<FullIntraRequest>()
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for KeyRequestFilter {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = rtc::shared::error::Error;
    type Time = Instant;

    fn handle_read(&mut self, mut message: TaggedPacket) -> Result<(), Self::Error> {
        if let Packet::Rtcp(compound) = &message.message.packet {
            let requests: Vec<_> = compound
                .iter()
                .filter(|packet| is_key_request(packet.as_ref()))
                .cloned()
                .collect();
            if !requests.is_empty() {
                message.message.packet = Packet::Rtcp(requests);
                message.message.add(Attribute::DeliverToApplication);
            }
        }
        self.read.push_back(message);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.read.pop_front()
    }

    fn handle_write(&mut self, message: TaggedPacket) -> Result<(), Self::Error> {
        self.written.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.written.pop_front()
    }
}

impl Interceptor for KeyRequestFilter {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}

    fn unbind_local_stream(&mut self, _: &StreamInfo) {}

    fn bind_remote_stream(&mut self, _: &StreamInfo) {}

    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
