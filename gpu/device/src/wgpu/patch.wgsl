// Replaces some bytes of at most two words of a buffer: the ends of an upload that begins or stops within a word.

struct Patch { word: u32, mask: u32, value: u32, padding: u32 }

@group(0) @binding(0) var<uniform> ends: array<Patch, 2>;
@group(0) @binding(1) var<storage, read_write> words: array<u32>;

// One thread: both ends may lie in the same word.
@compute @workgroup_size(1)
fn patch_ends() {
    for (var k = 0u; k < 2u; k++) {
        let end = ends[k];
        if end.mask != 0u && end.word < arrayLength(&words) {
            words[end.word] = (words[end.word] & ~end.mask) | end.value;
        }
    }
}
