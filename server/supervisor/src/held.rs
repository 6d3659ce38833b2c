//! How many things that come and go the supervisor holds in memory, each kind with its bound: what a leak would grow.

/// One kind of things in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Stable name, in the plural.
    pub kind: &'static str,
    /// How many there are now.
    pub count: usize,
    /// How many there can be at most.
    pub bound: usize,
}

impl Held {
    pub(crate) const fn new(kind: &'static str, count: usize, bound: usize) -> Self {
        Self { kind, count, bound }
    }
}
