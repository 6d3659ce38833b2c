//! Whole-project tests and what they share.
//!
//! [`house`] reads the repository itself: its floors, sources, packages and documents.
//! [`vectors`] runs the golden cases of the specification against the crates.
//! Nothing here is linked into a product.

pub mod house;
pub mod vectors;
