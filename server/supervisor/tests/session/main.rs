//! The supervisor against a real store and a scripted media process on the other end of a real link.

#![expect(
    clippy::unwrap_used,
    reason = "test code; clippy only excuses functions marked as tests"
)]

mod engine_deaths;
mod evidence;
mod foreign_words;
mod lifecycle;
mod semantics;
mod stage;
mod store_faults;
