//! Crate page to be written.
