//! The server over real sockets: who may come in, what every route says, and the event stream.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "test code; clippy only excuses functions marked as tests"
)]

mod bodies;
mod doors;
mod engine_away;
mod intake;
mod lifecycle;
mod second_user;
mod shapes;
mod signalling;
mod stage;
mod stream;
