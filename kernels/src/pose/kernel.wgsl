// Landmarks to head rotation: best rigid fit of eleven points of a neutral head (Horn 1987), one face a thread.
//   in: N x 478 x (x, y, z) f32 bits   out: N x (yaw, pitch, roll in degrees, 1 measured or 0)
// v1 one thread a face, Jacobi sweeps in f32; its own arc tangent, because WGSL promises 4096 units in the last place only
// tolerance: budget.toml; moves 132 B in, 16 B out a face

struct Params {
    count: u32,
    padding_a: u32,
    padding_b: u32,
    padding_c: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> landmarks: array<u32>;
@group(0) @binding(2) var<storage, read_write> poses: array<u32>;

const LANDMARKS: u32 = 478u;
const POINTS: u32 = 11u;
const EXPONENT: u32 = 0x7f800000u;
// Eigenvalues closer than this do not determine a rotation; the covariance's largest entry is 1.
const MIN_GAP: f32 = 1e-5;
// An entry this small turns nothing any more.
const SETTLED: f32 = 1e-9;
const DEGREES: f32 = 57.29577951;

fn index_of(point: u32) -> u32 {
    let indices = array<u32, 11>(33u, 133u, 362u, 263u, 168u, 6u, 1u, 2u, 10u, 234u, 454u);
    return indices[point];
}

// The model head about its mean, millimetres.
fn model(point: u32) -> vec3<f32> {
    let head = array<vec3<f32>, 11>(
        vec3<f32>(-45.0, 0.0, 22.0), vec3<f32>(-17.0, 2.0, 14.0), vec3<f32>(17.0, 2.0, 14.0),
        vec3<f32>(45.0, 0.0, 22.0), vec3<f32>(0.0, 0.0, 0.0), vec3<f32>(0.0, 10.0, -4.0),
        vec3<f32>(0.0, 42.0, -24.0), vec3<f32>(0.0, 54.0, -10.0), vec3<f32>(0.0, -62.0, 10.0),
        vec3<f32>(-72.0, 22.0, 82.0), vec3<f32>(72.0, 22.0, 82.0),
    );
    return head[point] - vec3<f32>(0.0, 92.0, 208.0) / 11.0;
}

fn is_finite(bits: u32) -> bool {
    return (bits & EXPONENT) != EXPONENT;
}

// Arc tangent of a slope from 0 to 1, by the polynomial of the Cephes library.
fn arc_of_slope(slope: f32) -> f32 {
    let is_steep = slope > 0.4142135624;
    let t = select(slope, (slope - 1.0) / (slope + 1.0), is_steep);
    let z = t * t;
    let tail = ((8.05374449538e-2 * z - 1.38776856032e-1) * z + 1.99777106478e-1) * z - 3.33329491539e-1;
    return select(0.0, 0.7853981634, is_steep) + (tail * z * t + t);
}

fn arc_degrees(y: f32, x: f32) -> f32 {
    let high = max(abs(x), abs(y));
    let low = min(abs(x), abs(y));
    if high == 0.0 {
        return 0.0;
    }
    var angle = arc_of_slope(low / high);
    if abs(y) > abs(x) {
        angle = 1.5707963268 - angle;
    }
    if x < 0.0 {
        angle = 3.1415926536 - angle;
    }
    return select(angle, -angle, y < 0.0) * DEGREES;
}

// Writes yaw, pitch and roll of the rotation of a unit quaternion w, x, y, z.
fn write_angles(first: u32, q: vec4<f32>) {
    let w = q.x;
    let v = q.yzw;
    let sight = -vec3<f32>(
        2.0 * (v.x * v.z + w * v.y),
        2.0 * (v.y * v.z - w * v.x),
        1.0 - 2.0 * (v.x * v.x + v.y * v.y),
    );
    let side = vec2<f32>(2.0 * (v.x * v.y + w * v.z), 1.0 - 2.0 * (v.x * v.x + v.z * v.z));
    let level = sqrt(sight.x * sight.x + sight.z * sight.z);
    poses[first] = bitcast<u32>(arc_degrees(sight.x, -sight.z));
    poses[first + 1u] = bitcast<u32>(arc_degrees(-sight.y, level));
    poses[first + 2u] = bitcast<u32>(arc_degrees(side.x, side.y));
    poses[first + 3u] = 1u;
}

fn write_nothing(first: u32) {
    for (var k = 0u; k < 4u; k++) {
        poses[first + k] = 0u;
    }
}

@compute @workgroup_size(32, 1, 1)
fn fit_pose(@builtin(global_invocation_id) at: vec3<u32>) {
    let face = at.x;
    if face >= params.count {
        return;
    }
    let first = 4u * face;
    var seen: array<vec3<f32>, 11>;
    for (var k = 0u; k < POINTS; k++) {
        let start = 3u * (face * LANDMARKS + index_of(k));
        let bits = vec3<u32>(landmarks[start], landmarks[start + 1u], landmarks[start + 2u]);
        if !(is_finite(bits.x) && is_finite(bits.y) && is_finite(bits.z)) {
            write_nothing(first);
            return;
        }
        seen[k] = bitcast<vec3<f32>>(bits);
    }
    // Differences from one of the points are exact where a face is small and far from the corner.
    let origin = seen[0];
    var mean = vec3<f32>(0.0);
    for (var k = 0u; k < POINTS; k++) {
        seen[k] = seen[k] - origin;
        mean += seen[k];
    }
    mean = mean / f32(POINTS);
    // Rows of the covariance: model axis by seen axis.
    var along_x = vec3<f32>(0.0);
    var along_y = vec3<f32>(0.0);
    var along_z = vec3<f32>(0.0);
    for (var k = 0u; k < POINTS; k++) {
        let place = model(k);
        let away = seen[k] - mean;
        along_x += place.x * away;
        along_y += place.y * away;
        along_z += place.z * away;
    }
    let largest = max(max(abs(along_x), abs(along_y)), abs(along_z));
    let size = max(max(largest.x, largest.y), largest.z);
    if !is_finite(bitcast<u32>(size)) || size < 1e-30 {
        write_nothing(first);
        return;
    }
    along_x = along_x / size;
    along_y = along_y / size;
    along_z = along_z / size;
    var matrix: array<array<f32, 4>, 4>;
    matrix[0][0] = along_x.x + along_y.y + along_z.z;
    matrix[1][1] = along_x.x - along_y.y - along_z.z;
    matrix[2][2] = along_y.y - along_x.x - along_z.z;
    matrix[3][3] = along_z.z - along_x.x - along_y.y;
    matrix[0][1] = along_y.z - along_z.y;
    matrix[0][2] = along_z.x - along_x.z;
    matrix[0][3] = along_x.y - along_y.x;
    matrix[1][2] = along_x.y + along_y.x;
    matrix[1][3] = along_z.x + along_x.z;
    matrix[2][3] = along_y.z + along_z.y;
    var vectors: array<array<f32, 4>, 4>;
    for (var p = 0u; p < 4u; p++) {
        for (var q = 0u; q < 4u; q++) {
            vectors[p][q] = select(0.0, 1.0, p == q);
            if q < p {
                matrix[p][q] = matrix[q][p];
            }
        }
    }
    for (var sweep = 0u; sweep < 8u; sweep++) {
        for (var p = 0u; p < 3u; p++) {
            for (var q = p + 1u; q < 4u; q++) {
                if abs(matrix[p][q]) < SETTLED {
                    continue;
                }
                let theta = (matrix[q][q] - matrix[p][p]) / (2.0 * matrix[p][q]);
                let slope = select(1.0, -1.0, theta < 0.0) / (abs(theta) + sqrt(theta * theta + 1.0));
                let cosine = 1.0 / sqrt(slope * slope + 1.0);
                let sine = slope * cosine;
                for (var k = 0u; k < 4u; k++) {
                    let a = matrix[k][p];
                    let b = matrix[k][q];
                    matrix[k][p] = cosine * a - sine * b;
                    matrix[k][q] = sine * a + cosine * b;
                }
                for (var k = 0u; k < 4u; k++) {
                    let a = matrix[p][k];
                    let b = matrix[q][k];
                    matrix[p][k] = cosine * a - sine * b;
                    matrix[q][k] = sine * a + cosine * b;
                    let c = vectors[p][k];
                    let d = vectors[q][k];
                    vectors[p][k] = cosine * c - sine * d;
                    vectors[q][k] = sine * c + cosine * d;
                }
            }
        }
    }
    var best = 0u;
    for (var k = 1u; k < 4u; k++) {
        if matrix[k][k] > matrix[best][best] {
            best = k;
        }
    }
    var next = -1e30;
    for (var k = 0u; k < 4u; k++) {
        if k != best {
            next = max(next, matrix[k][k]);
        }
    }
    if !(matrix[best][best] - next > MIN_GAP) {
        write_nothing(first);
        return;
    }
    let found = vec4<f32>(vectors[best][0], vectors[best][1], vectors[best][2], vectors[best][3]);
    write_angles(first, found / sqrt(dot(found, found)));
}
