// Landmarks to the ratio of mouth width and distance of the eyes (math 4.3), one face a thread.
//   in: N x 478 x (x, y, z) f32 bits   out: N x (ratio, state), state 0 measured, 1 degenerate, 2 not finite
// v1 one thread a face; tests for NaN look at the bits, because shader arithmetic need not keep it
// tolerance: budget.toml; moves 72 B in, 8 B out a face

struct Params {
    count: u32,
    padding_a: u32,
    padding_b: u32,
    padding_c: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> landmarks: array<u32>;
@group(0) @binding(2) var<storage, read_write> results: array<u32>;

const LANDMARKS: u32 = 478u;
const EXPONENT: u32 = 0x7f800000u;
// The least f32 that is not below 1e-6.
const MIN_IOD_BITS: u32 = 0x358637beu;

const MEASURED: u32 = 0u;
const DEGENERATE: u32 = 1u;
const NOT_FINITE: u32 = 2u;

fn is_finite(bits: u32) -> bool {
    return (bits & EXPONENT) != EXPONENT;
}

fn point(face: u32, index: u32) -> vec3<f32> {
    let at = 3u * (face * LANDMARKS + index);
    return bitcast<vec3<f32>>(vec3<u32>(landmarks[at], landmarks[at + 1u], landmarks[at + 2u]));
}

fn is_point_finite(face: u32, index: u32) -> bool {
    let at = 3u * (face * LANDMARKS + index);
    return is_finite(landmarks[at]) && is_finite(landmarks[at + 1u]) && is_finite(landmarks[at + 2u]);
}

fn middle(a: vec3<f32>, b: vec3<f32>) -> vec3<f32> {
    return a * 0.5 + b * 0.5;
}

// Not `length`: its precision is worse on some devices.
fn distance_of(a: vec3<f32>, b: vec3<f32>) -> f32 {
    let d = b - a;
    return sqrt(d.x * d.x + d.y * d.y + d.z * d.z);
}

@compute @workgroup_size(64, 1, 1)
fn measure_au12(@builtin(global_invocation_id) at: vec3<u32>) {
    let face = at.x;
    if face >= params.count {
        return;
    }
    var ratio = 0.0;
    var state = NOT_FINITE;
    if is_point_finite(face, 33u) && is_point_finite(face, 133u) && is_point_finite(face, 362u)
        && is_point_finite(face, 263u) && is_point_finite(face, 61u) && is_point_finite(face, 291u) {
        let eyes = distance_of(
            middle(point(face, 33u), point(face, 133u)),
            middle(point(face, 362u), point(face, 263u)),
        );
        let mouth = distance_of(point(face, 61u), point(face, 291u));
        if bitcast<u32>(eyes) < MIN_IOD_BITS {
            state = DEGENERATE;
        } else if is_finite(bitcast<u32>(eyes)) && is_finite(bitcast<u32>(mouth / eyes)) {
            ratio = mouth / eyes;
            state = MEASURED;
        }
    }
    results[2u * face] = bitcast<u32>(ratio);
    results[2u * face + 1u] = state;
}
