//! Behaviour of the whole program: real processes, real files, real kills.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up fails there"
)]
#![expect(
    clippy::print_stderr,
    reason = "a failed test shows the log of its server"
)]
#![expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "four-character codes are written as byte strings"
)]
#![expect(
    clippy::format_collect,
    reason = "hexadecimal text of a few bytes reads best so"
)]

mod analyze;
mod bad_peers;
mod bad_starts;
mod canary;
mod cli;
mod engine_killed_mid_session;
mod engine_killed_six_times;
mod first_light;
mod media_files;
mod phones;
mod pipelines;
mod privacy_canary;
mod replay;
mod server;
mod server_killed;
mod simulated;
mod watching;

#[path = "../../../../media/webrtc/tests/peers/client.rs"]
mod client;
#[path = "../../../../tests/src/signalling/mod.rs"]
#[expect(unreachable_pub, reason = "it is public where it lives")]
mod signalling;

pub(crate) use server::CEILING;
