// 468 mesh + 80 lip + 2x71 eye + 2x5 iris points to 478 landmarks in the frame.
//   in: f32 in pixels of the 192x192 crop, mesh x y z, the others x y; subsets 222 u32   out: 478 x (x, y, z)
// v1 one thread a landmark; it looks itself up in the subsets, the last entry wins
// tolerance: budget.toml; moves 8 KiB in, 6 KiB out

struct Params {
    center: vec2<f32>,
    size: vec2<f32>,
    sin: f32,
    cos: f32,
    padding: vec2<f32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> mesh: array<f32>;
@group(0) @binding(2) var<storage, read> lips: array<f32>;
@group(0) @binding(3) var<storage, read> left_eye: array<f32>;
@group(0) @binding(4) var<storage, read> right_eye: array<f32>;
@group(0) @binding(5) var<storage, read> left_iris: array<f32>;
@group(0) @binding(6) var<storage, read> right_iris: array<f32>;
@group(0) @binding(7) var<storage, read> subsets: array<u32>;
@group(0) @binding(8) var<storage, read_write> landmarks: array<f32>;

const MESH: u32 = 468u;
const LIPS: u32 = 80u;
const EYE: u32 = 71u;
const IRIS: u32 = 5u;
const CONTOUR: u32 = 16u;
const LANDMARKS: u32 = 478u;
const INPUT_SIDE: f32 = 192.0;

// Point k of the refined parts: lips, then the eye with corner 33, then the other.
fn refined(k: u32) -> vec2<f32> {
    if k < LIPS {
        return vec2<f32>(lips[2u * k], lips[2u * k + 1u]);
    }
    if k < LIPS + EYE {
        let at = 2u * (k - LIPS);
        return vec2<f32>(left_eye[at], left_eye[at + 1u]);
    }
    let at = 2u * (k - LIPS - EYE);
    return vec2<f32>(right_eye[at], right_eye[at + 1u]);
}

fn mesh_point(index: u32) -> vec3<f32> {
    var point = vec3<f32>(mesh[3u * index], mesh[3u * index + 1u], mesh[3u * index + 2u]);
    for (var k = LIPS + 2u * EYE; k > 0u; k--) {
        if subsets[k - 1u] == index {
            return vec3<f32>(refined(k - 1u), point.z);
        }
    }
    return point;
}

// An iris point; its depth is the mean of the eye's contour, the first points of its subset.
fn iris_point(k: u32) -> vec3<f32> {
    let is_left = k < IRIS;
    let first = LIPS + select(EYE, 0u, is_left);
    var depth = 0.0;
    for (var c = 0u; c < CONTOUR; c++) {
        depth += mesh[3u * min(subsets[first + c], MESH - 1u) + 2u];
    }
    let at = 2u * (k % IRIS);
    var point = vec2<f32>(right_iris[at], right_iris[at + 1u]);
    if is_left {
        point = vec2<f32>(left_iris[at], left_iris[at + 1u]);
    }
    return vec3<f32>(point, depth / f32(CONTOUR));
}

@compute @workgroup_size(64, 1, 1)
fn project_landmarks(@builtin(global_invocation_id) at: vec3<u32>) {
    let index = at.x;
    if index >= LANDMARKS {
        return;
    }
    var point: vec3<f32>;
    if index < MESH {
        point = mesh_point(index);
    } else {
        point = iris_point(index - MESH);
    }
    let offset = (point.xy / INPUT_SIDE - 0.5) * params.size;
    landmarks[3u * index] = offset.x * params.cos - offset.y * params.sin + params.center.x;
    landmarks[3u * index + 1u] = offset.x * params.sin + offset.y * params.cos + params.center.y;
    landmarks[3u * index + 2u] = point.z / INPUT_SIDE * params.size.x;
}
