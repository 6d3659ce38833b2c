// NV12, I420 or RGB8 planes to R, G, B f32, rotated and normalised, a batch of crops in one launch.
//   in: u8, any pitch and offset, chroma at half size (rounded up)   out: HxWx3 or 3xHxW, value 0..255 * scale + bias
// v1 one thread an output pixel, one layer of groups a crop; four byte loads a tap row, through the cache
// tolerance: budget.toml; positions are f32, so their rounding times the local contrast remains
// moves: reads 12 B, writes 12 B an output pixel

struct Crop {
    frame_from_output: array<f32, 6>,
    out_width: u32,
    out_height: u32,
    scale: f32,
    bias: f32,
    border: u32,   // 1: black beyond the frame, else its nearest pixel
    order: u32,    // 1: channel, height, width; else height, width, channel
    sampling: u32, // 1: positions on 1/32 pixel, values whole codes
    out_first: u32,
}

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
    crops: array<Crop>,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read> frame: array<u32>;
@group(0) @binding(2) var<storage, read_write> tensor: array<f32>;

// Beyond every frame, and still a number that can be computed with.
const FAR: f32 = 1e9;

struct Taps {
    first: vec2<u32>,
    second: vec2<u32>,
    weight: vec2<f32>,
}

fn byte_at(index: u32) -> f32 {
    return f32((frame[index >> 2u] >> ((index & 3u) * 8u)) & 255u);
}

// Far away instead of infinite or no number at all.
fn bounded(position: f32) -> f32 {
    let above = select(-FAR, position, position > -FAR);
    return select(FAR, above, above < FAR);
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
fn crop_frame(@builtin(global_invocation_id) at: vec3<u32>) {
    let crop = params.crops[at.z];
    if at.x >= crop.out_width || at.y >= crop.out_height {
        return;
    }
    let i = f32(at.x);
    let j = f32(at.y);
    let map = crop.frame_from_output;
    var position = vec2<f32>(
        bounded(map[0] * i + (map[1] * j + map[2])),
        bounded(map[3] * i + (map[4] * j + map[5])),
    );
    if crop.sampling == 1u {
        position = round(position * 32.0) / 32.0;
    }
    var rgb = rgb_at(position);
    if crop.border == 1u {
        let size = vec2<f32>(f32(params.width), f32(params.height));
        let shown = clamp(min(position + 1.0, size - position), vec2<f32>(0.0), vec2<f32>(1.0));
        rgb *= shown.x * shown.y;
    }
    if crop.sampling == 1u {
        rgb = round(rgb);
    }
    let value = rgb * crop.scale + crop.bias;
    let pixel = at.y * crop.out_width + at.x;
    let area = crop.out_width * crop.out_height;
    let is_planar = crop.order == 1u;
    let start = crop.out_first + select(pixel * 3u, pixel, is_planar);
    let stride = select(1u, area, is_planar);
    tensor[start] = value.x;
    tensor[start + stride] = value.y;
    tensor[start + 2u * stride] = value.z;
}
