// 896 anchors to at most 16 faces: sigmoid, threshold, weighted suppression.
//   in: regressors 896x16 f32 bits, logits 896 f32 bits   out: 16 x (score, 16 numbers), best first, unused ones zero
// v1 one group of 256 threads: every round finds the best anchor by halving, marks what overlaps it, and sums in the order of the
//    anchors, so that a result does not depend on how threads are scheduled
// tolerance: budget.toml (exp); moves 61 KiB in, 1 KiB out

struct Params {
    min_score: f32,
    min_overlap: f32,
    padding: vec2<f32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> regressors: array<u32>;
@group(0) @binding(2) var<storage, read> logits: array<u32>;
@group(0) @binding(3) var<storage, read_write> faces: array<f32>;

const ANCHORS: u32 = 896u;
const FINE_ANCHORS: u32 = 512u;
const NUMBERS: u32 = 16u;
const FACES: u32 = 16u;
const THREADS: u32 = 256u;
const EXPONENT: u32 = 0x7f800000u;

// Score of each anchor that is still there, 0 for the others.
var<workgroup> scores: array<f32, ANCHORS>;
// Weight of each anchor in the face of this round.
var<workgroup> weights: array<f32, ANCHORS>;
var<workgroup> best_score: array<f32, THREADS>;
var<workgroup> best_index: array<u32, THREADS>;

fn anchor_center(index: u32, axis: u32) -> f32 {
    let is_fine = index < FINE_ANCHORS;
    let cells = select(8u, 16u, is_fine);
    let cell = select((index - FINE_ANCHORS) / 6u, index / 2u, is_fine);
    let step = select(cell / cells, cell % cells, axis == 0u);
    return (f32(step) + 0.5) / f32(cells);
}

// Number k of an anchor: centre, size, key points, in fractions of the crop.
fn number(index: u32, k: u32) -> f32 {
    let raw = bitcast<f32>(regressors[index * NUMBERS + k]) / 128.0;
    if k == 2u || k == 3u {
        return raw;
    }
    return raw + anchor_center(index, k % 2u);
}

fn candidate_score(index: u32) -> f32 {
    for (var k = 0u; k < NUMBERS; k++) {
        if (regressors[index * NUMBERS + k] & EXPONENT) == EXPONENT {
            return 0.0;
        }
    }
    let bits = logits[index];
    if (bits & 0x7fffffffu) > EXPONENT {
        return 0.0;
    }
    let score = 1.0 / (1.0 + exp(-clamp(bitcast<f32>(bits), -100.0, 100.0)));
    return select(0.0, score, score > params.min_score);
}

fn shared_side(a: u32, b: u32, axis: u32) -> f32 {
    let a_half = number(a, axis + 2u) / 2.0;
    let b_half = number(b, axis + 2u) / 2.0;
    let low = max(number(a, axis) - a_half, number(b, axis) - b_half);
    let high = min(number(a, axis) + a_half, number(b, axis) + b_half);
    return max(high - low, 0.0);
}

fn area(index: u32) -> f32 {
    return max(number(index, 2u), 0.0) * max(number(index, 3u), 0.0);
}

fn overlap(a: u32, b: u32) -> f32 {
    let shared_area = shared_side(a, b, 0u) * shared_side(a, b, 1u);
    let all = area(a) + area(b) - shared_area;
    if all > 0.0 {
        return shared_area / all;
    }
    return 0.0;
}

@compute @workgroup_size(256, 1, 1)
fn detect_faces(@builtin(local_invocation_index) thread: u32) {
    for (var index = thread; index < ANCHORS; index += THREADS) {
        scores[index] = candidate_score(index);
    }
    for (var face = 0u; face < FACES; face++) {
        // Each thread looks at its own anchors, then halves of the threads at each other's; among equals the lowest index wins.
        var top = 0.0;
        var top_index = 0u;
        for (var index = thread; index < ANCHORS; index += THREADS) {
            if scores[index] > top {
                top = scores[index];
                top_index = index;
            }
        }
        best_score[thread] = top;
        best_index[thread] = top_index;
        workgroupBarrier();
        for (var half = THREADS / 2u; half > 0u; half /= 2u) {
            if thread < half {
                let other = best_score[thread + half];
                let other_index = best_index[thread + half];
                let is_equal = other == best_score[thread] && other_index < best_index[thread];
                if other > best_score[thread] || is_equal {
                    best_score[thread] = other;
                    best_index[thread] = other_index;
                }
            }
            workgroupBarrier();
        }
        top = best_score[0];
        top_index = best_index[0];
        for (var index = thread; index < ANCHORS; index += THREADS) {
            var weight = 0.0;
            if scores[index] > 0.0 {
                if index == top_index || overlap(top_index, index) > params.min_overlap {
                    weight = scores[index];
                    scores[index] = 0.0;
                }
            }
            weights[index] = weight;
        }
        workgroupBarrier();
        if thread <= NUMBERS {
            var total = 0.0;
            var sum = 0.0;
            for (var index = 0u; index < ANCHORS; index++) {
                let weight = weights[index];
                if weight > 0.0 {
                    total += weight;
                    if thread > 0u {
                        sum += weight * number(index, thread - 1u);
                    }
                }
            }
            var value = top;
            if thread > 0u {
                value = 0.0;
                if total > 0.0 {
                    value = sum / total;
                }
            }
            faces[face * (NUMBERS + 1u) + thread] = value;
        }
    }
}
