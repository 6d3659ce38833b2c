// The Fourier transform of 1024 real numbers by a group of 64 threads: 512 complex ones, the even numbers and i times the odd, in three
// passes of radix 8 of which each thread has eight. `tables` begins with cos and sin of every 1024th of a turn.

const THREADS: u32 = 64u;
const LENGTH: u32 = 1024u;
const HALF: u32 = 512u;
// cos and sin of an eighth of a turn.
const EIGHTH: f32 = 0.70710678;

// With the gaps of `place`.
var<workgroup> numbers: array<vec2<f32>, 576>;

// A bin and its mirror image about HALF.
struct Bins {
    low: vec2<f32>,
    high: vec2<f32>,
}

// z times cos - i sin.
fn turned_back(z: vec2<f32>, cos: f32, sin: f32) -> vec2<f32> {
    return vec2<f32>(z.x * cos + z.y * sin, z.y * cos - z.x * sin);
}

fn turned_back_by(z: vec2<f32>, turn: u32) -> vec2<f32> {
    let of_turn = 2u * (turn % LENGTH);
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

// Transforms 512 numbers of which `v` has those 64 apart from the thread's own.
fn transform(v: array<vec2<f32>, 8>, thread: u32) {
    store(transform_eight(v), thread * 8u, 1u);
    workgroupBarrier();
    pass_over(thread, 8u);
    pass_over(thread, 64u);
}

// What the even numbers and what the odd ones give, put together.
fn bins(bin: u32) -> Bins {
    let z = numbers[place(bin)];
    let mirrored = numbers[place((HALF - bin) % HALF)];
    let even = 0.5 * vec2<f32>(z.x + mirrored.x, z.y - mirrored.y);
    let odd = turned_back_by(0.5 * vec2<f32>(z.y + mirrored.y, mirrored.x - z.x), bin);
    return Bins(even + odd, even - odd);
}
