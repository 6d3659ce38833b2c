// Frames of sound to their local peak and the power of their spectrum; one group a frame.
//   in: samples f32; 1024 x (cos, sin), hann 638 f32   out: N x (local peak, |X|^2 of 513 bins) f32
// v1 the transform of transform.wgsl, its first numbers loaded from the samples
// tolerance: budget.toml; moves 2.6 KiB in, 2.0 KiB out a frame

struct Params {
    frames: u32,
    padding_a: u32,
    padding_b: u32,
    padding_c: u32,
    // First sample of each frame's window.
    starts: array<u32, 64>,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read> samples: array<f32>;
@group(0) @binding(2) var<storage, read> tables: array<f32>;
@group(0) @binding(3) var<storage, read_write> spectra: array<f32>;

const WINDOW: u32 = 638u;
const ROW: u32 = 514u;
// The mean is over two periods of the floor of pitch around the centre, the local peak over one.
const MEAN_FIRST: u32 = 106u;
const MEAN_END: u32 = 532u;
const PEAK_FIRST: u32 = 212u;
const PEAK_END: u32 = 426u;

var<workgroup> parts: array<f32, THREADS>;

fn windowed(start: u32, at: u32, mean: f32) -> vec2<f32> {
    // The window's length is even: both samples are in it or neither.
    if at >= WINDOW {
        return vec2<f32>(0.0);
    }
    let hann = 2u * LENGTH + at;
    let values = vec2<f32>(samples[start + at], samples[start + at + 1u]);
    return (values - mean) * vec2<f32>(tables[hann], tables[hann + 1u]);
}

@compute @workgroup_size(64, 1, 1)
fn transform_frames(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let frame = group.x;
    let start = params.starts[frame];
    var sum = 0.0;
    for (var at = MEAN_FIRST + thread; at < MEAN_END; at += THREADS) {
        sum += samples[start + at];
    }
    parts[thread] = sum;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if thread < half {
            parts[thread] += parts[thread + half];
        }
    }
    workgroupBarrier();
    let mean = parts[0] / f32(MEAN_END - MEAN_FIRST);
    let own = 2u * thread;
    let v = array<vec2<f32>, 8>(
        windowed(start, own, mean), windowed(start, own + 128u, mean),
        windowed(start, own + 256u, mean), windowed(start, own + 384u, mean),
        windowed(start, own + 512u, mean), windowed(start, own + 640u, mean),
        windowed(start, own + 768u, mean), windowed(start, own + 896u, mean),
    );
    // The middle lies between the second and the fourth 128 samples.
    var most = select(vec2<f32>(0.0), abs(v[1]), own + 128u >= PEAK_FIRST);
    most = max(most, abs(v[2]));
    most = max(most, select(vec2<f32>(0.0), abs(v[3]), own + 384u < PEAK_END));
    transform(v, thread);
    parts[thread] = max(most.x, most.y);
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if thread < half {
            parts[thread] = max(parts[thread], parts[thread + half]);
        }
    }
    workgroupBarrier();
    let row = frame * ROW;
    if thread == 0u {
        spectra[row] = parts[0];
    }
    for (var bin = thread; bin <= HALF / 2u; bin += THREADS) {
        let both = bins(bin);
        spectra[row + 1u + bin] = dot(both.low, both.low);
        spectra[row + 1u + HALF - bin] = dot(both.high, both.high);
    }
}
