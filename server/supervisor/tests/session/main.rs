//! The supervisor against a real store and a scripted media process on the other end of a real link.

#![expect(
    clippy::unwrap_used,
    reason = "test code; clippy only excuses functions marked as tests"
)]

mod attribution;
mod engine_deaths;
mod evidence;
mod expectations;
mod foreign_words;
mod hours;
mod lifecycle;
mod physiology;
mod readouts;
mod replay;
mod semantics;
mod stage;
mod store_faults;
