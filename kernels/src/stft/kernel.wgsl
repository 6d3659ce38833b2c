// Frames of sound to the power of their spectrum, where pitches that are too low are seen; one group a frame.
//   in: samples f32, hann 638 and 1024 x (cos, sin) f32   out: N x 513 f32, |X|^2
// v1 radix 8, eight numbers a thread: three passes over even samples + i odd samples, the first loaded from the samples
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
@group(0) @binding(3) var<storage, read_write> powers: array<f32>;

const THREADS: u32 = 64u;
const WINDOW: u32 = 638u;
const LENGTH: u32 = 1024u;
const HALF: u32 = 512u;
const BINS: u32 = 513u;
// The mean is over two periods of the floor of pitch around the centre.
const MEAN_FIRST: u32 = 106u;
const MEAN_END: u32 = 532u;
// cos and sin of an eighth of a turn.
const EIGHTH: f32 = 0.70710678;

var<workgroup> numbers: array<vec2<f32>, 576>;
var<workgroup> parts: array<f32, THREADS>;

// z times cos - i sin.
fn turned_back(z: vec2<f32>, cos: f32, sin: f32) -> vec2<f32> {
    return vec2<f32>(z.x * cos + z.y * sin, z.y * cos - z.x * sin);
}

fn turned_back_by(z: vec2<f32>, turn: u32) -> vec2<f32> {
    let of_turn = WINDOW + 2u * (turn % LENGTH);
    return turned_back(z, tables[of_turn], tables[of_turn + 1u]);
}

// The transform of eight numbers, in order.
fn transform_eight(v: array<vec2<f32>, 8>) -> array<vec2<f32>, 8> {
    let a0 = v[0] + v[4];
    let a1 = v[1] + v[5];
    let a2 = v[2] + v[6];
    let a3 = v[3] + v[7];
    let a4 = v[0] - v[4];
    let a5 = turned_back(v[1] - v[5], EIGHTH, EIGHTH);
    let a6 = turned_back(v[2] - v[6], 0.0, 1.0);
    let a7 = turned_back(v[3] - v[7], -EIGHTH, EIGHTH);
    let b0 = a0 + a2;
    let b1 = a1 + a3;
    let b2 = a0 - a2;
    let b3 = turned_back(a1 - a3, 0.0, 1.0);
    let b4 = a4 + a6;
    let b5 = a5 + a7;
    let b6 = a4 - a6;
    let b7 = turned_back(a5 - a7, 0.0, 1.0);
    return array<vec2<f32>, 8>(b0 + b1, b4 + b5, b2 + b3, b6 + b7, b0 - b1, b4 - b5, b2 - b3, b6 - b7);
}

// Numbers that are eight apart lie in different banks.
fn place(index: u32) -> u32 {
    return index + index / 8u;
}

fn store(v: array<vec2<f32>, 8>, first: u32, stride: u32) {
    numbers[place(first)] = v[0];
    numbers[place(first + stride)] = v[1];
    numbers[place(first + 2u * stride)] = v[2];
    numbers[place(first + 3u * stride)] = v[3];
    numbers[place(first + 4u * stride)] = v[4];
    numbers[place(first + 5u * stride)] = v[5];
    numbers[place(first + 6u * stride)] = v[6];
    numbers[place(first + 7u * stride)] = v[7];
}

fn loaded(thread: u32, k: u32, turn: u32) -> vec2<f32> {
    return turned_back_by(numbers[place(thread + k * THREADS)], turn * k);
}

// One pass over numbers of which `done` at a time are transformed.
fn pass_over(thread: u32, done: u32) {
    let within = thread % done;
    let turn = within * (LENGTH / 8u / done);
    let v = transform_eight(array<vec2<f32>, 8>(
        loaded(thread, 0u, turn), loaded(thread, 1u, turn), loaded(thread, 2u, turn), loaded(thread, 3u, turn),
        loaded(thread, 4u, turn), loaded(thread, 5u, turn), loaded(thread, 6u, turn), loaded(thread, 7u, turn),
    ));
    workgroupBarrier();
    store(v, thread / done * done * 8u + within, done);
    workgroupBarrier();
}

fn windowed(start: u32, at: u32, mean: f32) -> vec2<f32> {
    // The window's length is even: both samples are in it or neither.
    if at >= WINDOW {
        return vec2<f32>(0.0);
    }
    let values = vec2<f32>(samples[start + at], samples[start + at + 1u]);
    return (values - mean) * vec2<f32>(tables[at], tables[at + 1u]);
}

// What the even samples and what the odd ones give make a bin and its mirror image.
fn unpack(bin: u32, row: u32) {
    let z = numbers[place(bin)];
    let mirrored = numbers[place((HALF - bin) % HALF)];
    let even = 0.5 * vec2<f32>(z.x + mirrored.x, z.y - mirrored.y);
    let odd = turned_back_by(0.5 * vec2<f32>(z.y + mirrored.y, mirrored.x - z.x), bin);
    let low = even + odd;
    let high = even - odd;
    powers[row + bin] = dot(low, low);
    powers[row + HALF - bin] = dot(high, high);
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
    let v = transform_eight(array<vec2<f32>, 8>(
        windowed(start, own, mean), windowed(start, own + 128u, mean),
        windowed(start, own + 256u, mean), windowed(start, own + 384u, mean),
        windowed(start, own + 512u, mean), windowed(start, own + 640u, mean),
        windowed(start, own + 768u, mean), windowed(start, own + 896u, mean),
    ));
    store(v, thread * 8u, 1u);
    workgroupBarrier();
    pass_over(thread, 8u);
    pass_over(thread, 64u);
    for (var bin = thread; bin <= HALF / 2u; bin += THREADS) {
        unpack(bin, frame * BINS);
    }
}
