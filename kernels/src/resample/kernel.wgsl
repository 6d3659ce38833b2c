// Sound of any rate to 16 kHz: a polyphase filter over blocks of several streams of one rate (math 3.1); one row a stream.
//   in: samples f32 mono, table up x taps f32   out: f32, count of each row from its place on
// v1 four lanes an output sample, a quarter of the taps each, added up in shared memory
// tolerance: budget.toml; moves 12 B in and 4 B out a sample from 48 kHz, the table and 303 samples before once

struct Row {
    // First sample of the first output's window; its phase below up; outputs; where they go.
    first: u32,
    phase: u32,
    count: u32,
    out: u32,
}

struct Params {
    up: u32,
    down: u32,
    taps: u32,
    padding: u32,
    rows: array<Row, 32>,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read> samples: array<f32>;
@group(0) @binding(2) var<storage, read> table: array<f32>;
@group(0) @binding(3) var<storage, read_write> resampled: array<f32>;

const LANES: u32 = 4u;
const OUTPUTS: u32 = 64u;

var<workgroup> parts: array<f32, 256>;

@compute @workgroup_size(256, 1, 1)
fn resample_blocks(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = params.rows[group.y];
    let output = group.x * OUTPUTS + thread / LANES;
    let lane = thread % LANES;
    let is_inside = output < row.count;
    var sum = 0.0;
    if is_inside {
        let at = row.phase + output * params.down;
        let window = row.first + at / params.up;
        let taps = at % params.up * params.taps;
        for (var k = lane; k < params.taps; k += LANES) {
            sum += samples[window + k] * table[taps + k];
        }
    }
    parts[thread] = sum;
    workgroupBarrier();
    if is_inside && lane == 0u {
        resampled[row.out + output] = (parts[thread] + parts[thread + 1u]) + (parts[thread + 2u] + parts[thread + 3u]);
    }
}
