// Frames of sound to their normalised autocorrelation, what pitch candidates are found in (math 10.2); one group a frame.
//   in: samples f32, hann 638 and factors 319 f32   out: N x (local peak, r of lag 1 to 319)
// v1 the windowed frame in shared memory, a lag or two a thread, four partial sums a lag
// tolerance: budget.toml; moves 2.6 KiB in, 1.3 KiB out a frame

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
@group(0) @binding(3) var<storage, read_write> correlations: array<f32>;

const THREADS: u32 = 256u;
const WINDOW: u32 = 638u;
const LAGS: u32 = 319u;
const ROW: u32 = 320u;
// The mean is over two periods of the floor around the centre, the local peak over one.
const MEAN_FIRST: u32 = 106u;
const MEAN_END: u32 = 532u;
const PEAK_FIRST: u32 = 212u;
const PEAK_END: u32 = 426u;

var<workgroup> windowed: array<f32, 640>;
var<workgroup> parts: array<f32, THREADS>;

fn sum_of_parts(thread: u32) -> f32 {
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if thread < half {
            parts[thread] += parts[thread + half];
        }
    }
    workgroupBarrier();
    let total = parts[0];
    workgroupBarrier();
    return total;
}

fn largest_part(thread: u32) -> f32 {
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if thread < half {
            parts[thread] = max(parts[thread], parts[thread + half]);
        }
    }
    workgroupBarrier();
    let largest = parts[0];
    workgroupBarrier();
    return largest;
}

fn correlation(lag: u32) -> f32 {
    let count = WINDOW - lag;
    var sums = vec4<f32>(0.0);
    for (var at = 0u; at < count / 4u * 4u; at += 4u) {
        let a = vec4<f32>(windowed[at], windowed[at + 1u], windowed[at + 2u], windowed[at + 3u]);
        let b = vec4<f32>(windowed[at + lag], windowed[at + lag + 1u], windowed[at + lag + 2u], windowed[at + lag + 3u]);
        sums += a * b;
    }
    for (var at = count / 4u * 4u; at < count; at++) {
        sums.x += windowed[at] * windowed[at + lag];
    }
    return (sums.x + sums.y) + (sums.z + sums.w);
}

@compute @workgroup_size(256, 1, 1)
fn correlate_frames(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let frame = group.x;
    let start = params.starts[frame];
    var sum = 0.0;
    for (var at = MEAN_FIRST + thread; at < MEAN_END; at += THREADS) {
        sum += samples[start + at];
    }
    parts[thread] = sum;
    let mean = sum_of_parts(thread) / f32(MEAN_END - MEAN_FIRST);
    var peak = 0.0;
    var energy = 0.0;
    for (var at = thread; at < WINDOW; at += THREADS) {
        let value = (samples[start + at] - mean) * tables[at];
        windowed[at] = value;
        energy += value * value;
        if at >= PEAK_FIRST && at < PEAK_END {
            peak = max(peak, abs(value));
        }
    }
    parts[thread] = energy;
    energy = sum_of_parts(thread);
    parts[thread] = peak;
    peak = largest_part(thread);
    let scale = select(0.0, 1.0 / energy, energy > 0.0);
    if thread == 0u {
        correlations[frame * ROW] = peak;
    }
    for (var lag = thread + 1u; lag <= LAGS; lag += THREADS) {
        correlations[frame * ROW + lag] = correlation(lag) * scale * tables[WINDOW + lag - 1u];
    }
}
