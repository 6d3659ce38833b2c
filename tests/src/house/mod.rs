//! What the tests of the repository itself read: its files, its Rust sources, its packages and its documents.

pub mod floors;
pub mod markdown;
pub mod packages;
pub mod rust;
pub mod spdx;
pub mod tree;
