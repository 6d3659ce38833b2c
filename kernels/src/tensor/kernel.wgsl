// NV12, I420 or RGB8 planes to R, G, B planes of f32: a whole picture, letterboxed and normalised.
//   in: u8, any pitch and offset, chroma at half size (rounded up)   out: 3xHxW, value 0..255 * scale + bias
// v1 one thread an output pixel; upright, so that a position is one product and one sum on each axis
// tolerance: budget.toml; moves: reads 12 B, writes 12 B an output pixel

struct Params {
    width: u32,
    height: u32,
    is_yuv: u32,
    black: f32,
    luma: f32,
    red_v: f32,
    green_u: f32,
    green_v: f32,
    blue_u: f32,
    // Sample (x, y) of channel c is byte offset[c] + y * pitch[c] + x * step[c].
    offset: array<u32, 3>,
    pitch: array<u32, 3>,
    step: array<u32, 3>,
    side: u32,
    pace: f32,
    first_x: f32,
    first_y: f32,
    scale: f32,
    bias: f32,
    sampling: u32, // 1: positions on 1/32 pixel, values whole codes
    padding: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read> frame: array<u32>;
@group(0) @binding(2) var<storage, read_write> tensor: array<f32>;

struct Taps {
    first: vec2<u32>,
    second: vec2<u32>,
    weight: vec2<f32>,
}

fn byte_at(index: u32) -> f32 {
    return f32((frame[index >> 2u] >> ((index & 3u) * 8u)) & 255u);
}

// The two samples around a position on each axis, edges replicated, and the weight of the second.
fn taps_at(position: vec2<f32>, size: vec2<u32>) -> Taps {
    let last = vec2<f32>(size - vec2<u32>(1u));
    let inside = clamp(position, vec2<f32>(0.0), last);
    let low = min(floor(inside), max(last - vec2<f32>(1.0), vec2<f32>(0.0)));
    let first = vec2<u32>(low);
    return Taps(first, min(first + vec2<u32>(1u), size - vec2<u32>(1u)), inside - low);
}

fn sample(channel: u32, taps: Taps) -> f32 {
    let step = params.step[channel];
    let upper = params.offset[channel] + taps.first.y * params.pitch[channel];
    let lower = params.offset[channel] + taps.second.y * params.pitch[channel];
    let left = taps.first.x * step;
    let right = taps.second.x * step;
    let a = byte_at(upper + left);
    let b = byte_at(upper + right);
    let c = byte_at(lower + left);
    let d = byte_at(lower + right);
    let top = a + (b - a) * taps.weight.x;
    let bottom = c + (d - c) * taps.weight.x;
    return top + (bottom - top) * taps.weight.y;
}

fn rgb_at(position: vec2<f32>) -> vec3<f32> {
    let size = vec2<u32>(params.width, params.height);
    let full = taps_at(position, size);
    if params.is_yuv == 0u {
        return vec3<f32>(sample(0u, full), sample(1u, full), sample(2u, full));
    }
    let half = taps_at((position + 0.5) * 0.5 - 0.5, (size + vec2<u32>(1u)) / 2u);
    let luma = (sample(0u, full) - params.black) * params.luma;
    let u = sample(1u, half) - 128.0;
    let v = sample(2u, half) - 128.0;
    let rgb = vec3<f32>(
        luma + params.red_v * v,
        luma + params.green_u * u + params.green_v * v,
        luma + params.blue_u * u,
    );
    return clamp(rgb, vec3<f32>(0.0), vec3<f32>(255.0));
}

@compute @workgroup_size(16, 16, 1)
fn letterbox_frame(@builtin(global_invocation_id) at: vec3<u32>) {
    let side = params.side;
    if at.x >= side || at.y >= side {
        return;
    }
    var position = vec2<f32>(f32(at.x), f32(at.y)) * params.pace + vec2<f32>(params.first_x, params.first_y);
    if params.sampling == 1u {
        position = round(position * 32.0) / 32.0;
    }
    let size = vec2<f32>(f32(params.width), f32(params.height));
    let shown = clamp(min(position + 1.0, size - position), vec2<f32>(0.0), vec2<f32>(1.0));
    var rgb = rgb_at(position) * (shown.x * shown.y);
    if params.sampling == 1u {
        rgb = round(rgb);
    }
    let value = rgb * params.scale + params.bias;
    let pixel = at.y * side + at.x;
    tensor[pixel] = value.x;
    tensor[pixel + side * side] = value.y;
    tensor[pixel + 2u * side * side] = value.z;
}
