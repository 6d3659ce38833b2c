//! The pictures since the last key frame, by which a new viewer paints at once. Pure.

/// Most pictures kept: 6 s at 30 frames per second.
const MAX_UNITS: usize = 180;
/// Most bytes kept.
const MAX_BYTES: usize = 8 << 20;

/// Everything from the last key frame on, so that what is given can be decoded. Longer than its bounds it is none: then a
/// viewer waits for the next key frame.
#[derive(Debug)]
pub(crate) struct KeyCache<T> {
    units: Vec<T>,
    bytes: usize,
}

impl<T> Default for KeyCache<T> {
    fn default() -> Self {
        Self {
            units: Vec::new(),
            bytes: 0,
        }
    }
}

impl<T: Clone> KeyCache<T> {
    pub(crate) fn push(&mut self, is_key: bool, bytes: usize, unit: T) {
        if is_key {
            self.clear();
        } else if self.units.is_empty() {
            return;
        }
        if self.units.len() == MAX_UNITS || self.bytes + bytes > MAX_BYTES {
            self.clear();
            return;
        }
        self.bytes += bytes;
        self.units.push(unit);
    }

    pub(crate) fn units(&self) -> &[T] {
        &self.units
    }

    /// Forgets everything, when what comes next does not follow.
    pub(crate) fn clear(&mut self) {
        self.units.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_with_the_last_key_frame() {
        let mut cache = KeyCache::default();
        cache.push(false, 1, 0);
        assert!(cache.units().is_empty());
        for (n, key) in [(1, true), (2, false), (3, true), (4, false)] {
            cache.push(key, 1, n);
        }
        assert_eq!(cache.units(), [3, 4]);
    }

    #[test]
    fn too_long_a_stretch_is_none_until_the_next_key_frame() {
        let mut cache = KeyCache::default();
        cache.push(true, 1, 0);
        (0..MAX_UNITS).for_each(|n| cache.push(false, 1, n));
        assert!(cache.units().is_empty());
        cache.push(false, 1, 1);
        assert!(cache.units().is_empty());
        cache.push(true, 1, 2);
        cache.push(false, MAX_BYTES, 3);
        assert!(cache.units().is_empty());
    }
}
