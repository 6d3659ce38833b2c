// Landmarks and head rotation to the shape of a face in its own axes, one face a thread.
//   in: N x 478 x (x, y, z) f32 bits, N x (yaw, pitch, roll, measured)   out: N x 14 words, the last the state
// v1 one thread a face; points are taken from one of the eye corners, so that a small face far from the corner loses nothing;
//    its own sine, because WGSL promises 2^-11 only
// tolerance: budget.toml; moves 0.5 KiB in, 56 B out a face

struct Params {
    count: u32,
    padding_a: u32,
    padding_b: u32,
    padding_c: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> landmarks: array<u32>;
@group(0) @binding(2) var<storage, read> poses: array<u32>;
@group(0) @binding(3) var<storage, read_write> shapes: array<u32>;

const LANDMARKS: u32 = 478u;
const NUMBERS: u32 = 13u;
const EXPONENT: u32 = 0x7f800000u;
// The least f32 that is not below 1e-6.
const MIN_IOD: f32 = 1.00000001e-6;

const MEASURED: u32 = 0u;
const DEGENERATE: u32 = 1u;
const NOT_FINITE: u32 = 2u;

const USED: u32 = 34u;

// Two directions of the head in the frame: along the eyes, and down the face.
struct Axes {
    across: vec3<f32>,
    down: vec3<f32>,
    origin: vec3<f32>,
    face: u32,
}

fn is_finite(bits: u32) -> bool {
    return (bits & EXPONENT) != EXPONENT;
}

// Every landmark of the formulas, the four eye corners first.
fn used(k: u32) -> u32 {
    let indices = array<u32, 34>(
        33u, 133u, 362u, 263u, 160u, 158u, 153u, 144u, 385u, 387u, 373u, 380u, 55u, 107u, 285u, 336u, 46u,
        53u, 63u, 70u, 276u, 283u, 293u, 300u, 82u, 87u, 13u, 14u, 312u, 317u, 61u, 291u, 2u, 152u,
    );
    return indices[k];
}

fn is_point_finite(face: u32, index: u32) -> bool {
    let at = 3u * (face * LANDMARKS + index);
    return is_finite(landmarks[at]) && is_finite(landmarks[at + 1u]) && is_finite(landmarks[at + 2u]);
}

fn point(face: u32, index: u32) -> vec3<f32> {
    let at = 3u * (face * LANDMARKS + index);
    return bitcast<vec3<f32>>(vec3<u32>(landmarks[at], landmarks[at + 1u], landmarks[at + 2u]));
}

// Sine and cosine of an angle in degrees, by the polynomials of the Cephes library.
fn sine_cosine(degrees: f32) -> vec2<f32> {
    let quarter = round(degrees / 90.0);
    let x = (degrees - 90.0 * quarter) * 0.01745329252;
    let z = x * x;
    let sine = ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * x + x;
    let cosine = ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z
        - 0.5 * z + 1.0;
    let turn = i32(quarter) & 3;
    if turn == 0 {
        return vec2<f32>(sine, cosine);
    }
    if turn == 1 {
        return vec2<f32>(cosine, -sine);
    }
    if turn == 2 {
        return vec2<f32>(-sine, -cosine);
    }
    return vec2<f32>(-cosine, sine);
}

// Columns of R = Ry Rx Rz: where the head's own axes point in the frame.
fn axes_of(face: u32) -> Axes {
    let yaw = sine_cosine(-bitcast<f32>(poses[4u * face]));
    let pitch = sine_cosine(-bitcast<f32>(poses[4u * face + 1u]));
    let roll = sine_cosine(bitcast<f32>(poses[4u * face + 2u]));
    // Ry Rx takes (a, b, 0) to (cy a + sy sx b, cx b, -sy a + cy sx b).
    let a = vec2<f32>(roll.y, -roll.x);
    let b = vec2<f32>(roll.x, roll.y);
    let x = yaw.y * a + yaw.x * pitch.x * b;
    let y = pitch.y * b;
    let z = -yaw.x * a + yaw.y * pitch.x * b;
    return Axes(vec3<f32>(x.x, y.x, z.x), vec3<f32>(x.y, y.y, z.y), point(face, 33u), face);
}

// A point in the head's axes. Not `dot`: its order of sums is the device's.
fn turned(axes: Axes, index: u32) -> vec2<f32> {
    let p = point(axes.face, index) - axes.origin;
    return vec2<f32>(
        axes.across.x * p.x + axes.across.y * p.y + axes.across.z * p.z,
        axes.down.x * p.x + axes.down.y * p.y + axes.down.z * p.z,
    );
}

fn middle(axes: Axes, a: u32, b: u32) -> vec2<f32> {
    return (turned(axes, a) + turned(axes, b)) * 0.5;
}

fn distance_of(a: vec2<f32>, b: vec2<f32>) -> f32 {
    let d = a - b;
    return sqrt(d.x * d.x + d.y * d.y);
}

// Height over width of an eye's opening.
fn aspect(axes: Axes, p1: u32, p2: u32, p3: u32, p4: u32, p5: u32, p6: u32) -> f32 {
    let height = distance_of(turned(axes, p2), turned(axes, p6)) + distance_of(turned(axes, p3), turned(axes, p5));
    return height / (2.0 * distance_of(turned(axes, p1), turned(axes, p4)));
}

fn write_absent(face: u32, state: u32) {
    for (var k = 0u; k < NUMBERS; k++) {
        shapes[14u * face + k] = 0u;
    }
    shapes[14u * face + NUMBERS] = state;
}

@compute @workgroup_size(32, 1, 1)
fn measure_shape(@builtin(global_invocation_id) at: vec3<u32>) {
    let face = at.x;
    if face >= params.count {
        return;
    }
    if poses[4u * face + 3u] != 1u {
        write_absent(face, DEGENERATE);
        return;
    }
    var finite = is_finite(poses[4u * face]) && is_finite(poses[4u * face + 1u]) && is_finite(poses[4u * face + 2u]);
    for (var k = 0u; k < 4u; k++) {
        finite = finite && is_point_finite(face, used(k));
    }
    if !finite {
        write_absent(face, NOT_FINITE);
        return;
    }
    let axes = axes_of(face);
    let left = middle(axes, 33u, 133u);
    let right = middle(axes, 362u, 263u);
    let unit = right.x - left.x;
    if !is_finite(bitcast<u32>(unit)) {
        write_absent(face, NOT_FINITE);
        return;
    }
    if unit < MIN_IOD {
        write_absent(face, DEGENERATE);
        return;
    }
    for (var k = 4u; k < USED; k++) {
        finite = finite && is_point_finite(face, used(k));
    }
    if !finite {
        write_absent(face, NOT_FINITE);
        return;
    }
    let eyes = (left + right) * 0.5;
    let outer_left = (turned(axes, 46u).y + turned(axes, 53u).y + turned(axes, 63u).y + turned(axes, 70u).y) * 0.25;
    let outer_right = (turned(axes, 276u).y + turned(axes, 283u).y + turned(axes, 293u).y + turned(axes, 300u).y) * 0.25;
    let gaps = (turned(axes, 87u).y - turned(axes, 82u).y) + (turned(axes, 14u).y - turned(axes, 13u).y)
        + (turned(axes, 317u).y - turned(axes, 312u).y);
    let corner_left = turned(axes, 61u);
    let corner_right = turned(axes, 291u);
    var numbers = array<f32, 13>(
        (left.y - middle(axes, 55u, 107u).y) / unit,
        (right.y - middle(axes, 285u, 336u).y) / unit,
        (left.y - outer_left) / unit,
        (right.y - outer_right) / unit,
        max(gaps / 3.0 / unit, 0.0),
        (turned(axes, 152u).y - turned(axes, 2u).y) / unit,
        aspect(axes, 33u, 160u, 158u, 133u, 153u, 144u),
        aspect(axes, 362u, 385u, 387u, 263u, 373u, 380u),
        (corner_right.x - corner_left.x) / unit,
        (eyes.x - corner_left.x) / unit,
        (corner_right.x - eyes.x) / unit,
        (eyes.y - corner_left.y) / unit,
        (eyes.y - corner_right.y) / unit,
    );
    for (var k = 0u; k < NUMBERS; k++) {
        finite = finite && is_finite(bitcast<u32>(numbers[k]));
    }
    if !finite || !is_finite(bitcast<u32>(gaps)) {
        write_absent(face, NOT_FINITE);
        return;
    }
    for (var k = 0u; k < NUMBERS; k++) {
        shapes[14u * face + k] = bitcast<u32>(numbers[k]);
    }
    shapes[14u * face + NUMBERS] = MEASURED;
}
