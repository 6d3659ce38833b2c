//! Bytes that arrived and are not taken yet.

/// A growing front-to-back buffer. It holds what was pushed and not yet taken, never more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    taken: usize,
}

impl Inbox {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.taken > 0 && self.taken >= self.bytes.len() / 2 {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// The next `count` bytes, left in place.
    pub(crate) fn peek(&self, count: usize) -> Option<&[u8]> {
        let end = self.taken.checked_add(count)?;
        self.bytes.get(self.taken..end)
    }

    /// The next `N` bytes, left in place.
    pub(crate) fn peek_array<const N: usize>(&self) -> Option<[u8; N]> {
        self.peek(N)?.try_into().ok()
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        let bytes = self.peek(count)?.to_vec();
        self.taken += count;
        Some(bytes)
    }

    pub(crate) fn skip(&mut self, count: usize) {
        self.taken = (self.taken + count).min(self.bytes.len());
    }
}
