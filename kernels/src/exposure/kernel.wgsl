// Luma of a region to sums: light, dark and bright points, squared Laplacians.
//   in: u8, step 1 luma or 3 R, G, B, any pitch and offset   out: 8 u32, see Exposure
// v1 one group of 256 threads strides over a grid of at most 256 x 256 points and halves its sums
// tolerance: none, whole numbers; moves at most 5 B a grid point in, 32 B out

struct Params {
    width: u32,
    height: u32,
    offset: u32,
    pitch: u32,
    step: u32,
    left: u32,
    top: u32,
    columns: u32,
    rows: u32,
    stride: u32,
    dark_below: u32,
    bright_above: u32,
    padding_a: u32,
    padding_b: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read> frame: array<u32>;
@group(0) @binding(2) var<storage, read_write> sums: array<u32>;

const THREADS: u32 = 256u;
const SUMS: u32 = 7u;

var<workgroup> parts: array<array<u32, THREADS>, SUMS>;

fn byte_at(index: u32) -> u32 {
    return (frame[index >> 2u] >> ((index & 3u) * 8u)) & 255u;
}

fn code(x: u32, y: u32) -> u32 {
    let first = params.offset + y * params.pitch + x * params.step;
    if params.step == 1u {
        return byte_at(first);
    }
    return (54u * byte_at(first) + 183u * byte_at(first + 1u) + 19u * byte_at(first + 2u) + 128u) / 256u;
}

@compute @workgroup_size(256, 1, 1)
fn measure_exposure(@builtin(local_invocation_index) thread: u32) {
    var own: array<u32, SUMS>;
    for (var k = 0u; k < SUMS; k++) {
        own[k] = 0u;
    }
    let points = params.columns * params.rows;
    for (var point = thread; point < points; point += THREADS) {
        let x = params.left + (point % params.columns) * params.stride;
        let y = params.top + (point / params.columns) * params.stride;
        let luma = code(x, y);
        own[0] += 1u;
        own[1] += luma;
        own[2] += luma * luma;
        own[3] += select(0u, 1u, luma < params.dark_below);
        own[4] += select(0u, 1u, luma > params.bright_above);
        if x >= 1u && x + 1u < params.width && y >= 1u && y + 1u < params.height {
            let around = code(x - 1u, y) + code(x + 1u, y) + code(x, y - 1u) + code(x, y + 1u);
            let laplacian = max(4u * luma, around) - min(4u * luma, around);
            own[5] += 1u;
            own[6] += laplacian * laplacian / 16u;
        }
    }
    for (var k = 0u; k < SUMS; k++) {
        parts[k][thread] = own[k];
    }
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if thread < half {
            for (var k = 0u; k < SUMS; k++) {
                parts[k][thread] += parts[k][thread + half];
            }
        }
    }
    workgroupBarrier();
    if thread <= SUMS {
        sums[thread] = select(0u, parts[min(thread, SUMS - 1u)][0], thread < SUMS);
    }
}
