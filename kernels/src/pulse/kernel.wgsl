// Stretches of sound against what lies around them, what glottal pulses are found by (math 10.3); one group a stretch.
//   in: samples s16 at 16 kHz, two a word   out: N x 128 sums of products s64, a row a stretch, one a shift
// v1 stretch and surroundings in shared memory, one thread a shift, whole numbers in two halves
// tolerance none: whole numbers are equal everywhere; moves at most 766 B in, 1 KiB out a row

struct Row {
    // First sample and length of the stretch; first sample and number of its shifts.
    first: u32,
    length: u32,
    start: u32,
    shifts: u32,
}

struct Params {
    count: u32,
    padding_a: u32,
    padding_b: u32,
    padding_c: u32,
    rows: array<Row, 64>,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read> samples: array<u32>;
@group(0) @binding(2) var<storage, read_write> products: array<vec2<u32>>;

const THREADS: u32 = 128u;

var<workgroup> stretch: array<i32, 256>;
var<workgroup> around: array<i32, 384>;

fn sample(at: u32) -> i32 {
    return extractBits(bitcast<i32>(samples[at / 2u]), at % 2u * 16u, 16u);
}

@compute @workgroup_size(128, 1, 1)
fn match_periods(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) shift: u32) {
    let row = params.rows[group.x];
    for (var k = shift; k < row.length; k += THREADS) {
        stretch[k] = sample(row.first + k);
    }
    for (var k = shift; k + 1u < row.length + row.shifts; k += THREADS) {
        around[k] = sample(row.start + k);
    }
    workgroupBarrier();
    if shift >= row.shifts {
        return;
    }
    // A product is high * 65536 + low; sums of 256 of either half fit in 32 bits.
    var high = 0;
    var low = 0;
    for (var k = 0u; k < row.length; k++) {
        let product = stretch[k] * around[k + shift];
        high += product >> 16u;
        low += product & 0xffff;
    }
    let lifted = bitcast<u32>(high) << 16u;
    let sum = lifted + bitcast<u32>(low);
    let carry = select(0, 1, sum < lifted);
    products[group.x * THREADS + shift] = vec2<u32>(sum, bitcast<u32>((high >> 16u) + carry));
}
