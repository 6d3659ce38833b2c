// Samples of a picture as R, G, B codes of 0 to 255: the first part of every kernel that reads pixels.
//   in: NV12, I420 or RGB8 planes of u8, any pitch and offset, chroma at half size (rounded up), centred between luma samples
// The kernel behind it has `params.pictures` and says what byte `index` of picture `source` is: fn byte_at(source: u32, index: u32) -> f32

struct Picture {
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
}

struct Taps {
    first: vec2<u32>,
    second: vec2<u32>,
    weight: vec2<f32>,
}

fn code_in(word: u32, index: u32) -> f32 {
    return f32((word >> ((index & 3u) * 8u)) & 255u);
}

// The two samples around a position on each axis, edges replicated, and the weight of the second.
fn taps_at(position: vec2<f32>, size: vec2<u32>) -> Taps {
    let last = vec2<f32>(size - vec2<u32>(1u));
    let inside = clamp(position, vec2<f32>(0.0), last);
    let low = min(floor(inside), max(last - vec2<f32>(1.0), vec2<f32>(0.0)));
    let first = vec2<u32>(low);
    return Taps(first, min(first + vec2<u32>(1u), size - vec2<u32>(1u)), inside - low);
}

fn sample(source: u32, channel: u32, taps: Taps) -> f32 {
    let step = params.pictures[source].step[channel];
    let pitch = params.pictures[source].pitch[channel];
    let offset = params.pictures[source].offset[channel];
    let upper = offset + taps.first.y * pitch;
    let lower = offset + taps.second.y * pitch;
    let left = taps.first.x * step;
    let right = taps.second.x * step;
    let a = byte_at(source, upper + left);
    let b = byte_at(source, upper + right);
    let c = byte_at(source, lower + left);
    let d = byte_at(source, lower + right);
    let top = a + (b - a) * taps.weight.x;
    let bottom = c + (d - c) * taps.weight.x;
    return top + (bottom - top) * taps.weight.y;
}

fn size_of(source: u32) -> vec2<u32> {
    return vec2<u32>(params.pictures[source].width, params.pictures[source].height);
}

fn rgb_at(source: u32, position: vec2<f32>) -> vec3<f32> {
    let size = size_of(source);
    let full = taps_at(position, size);
    if params.pictures[source].is_yuv == 0u {
        return vec3<f32>(sample(source, 0u, full), sample(source, 1u, full), sample(source, 2u, full));
    }
    let half = taps_at((position + 0.5) * 0.5 - 0.5, (size + vec2<u32>(1u)) / 2u);
    let luma = (sample(source, 0u, full) - params.pictures[source].black) * params.pictures[source].luma;
    let u = sample(source, 1u, half) - 128.0;
    let v = sample(source, 2u, half) - 128.0;
    let rgb = vec3<f32>(
        luma + params.pictures[source].red_v * v,
        luma + params.pictures[source].green_u * u + params.pictures[source].green_v * v,
        luma + params.pictures[source].blue_u * u,
    );
    return clamp(rgb, vec3<f32>(0.0), vec3<f32>(255.0));
}

// How much of a sample at this position lies on the picture: it fades over the pixel outside the edge.
fn shown_at(source: u32, position: vec2<f32>) -> f32 {
    let size = vec2<f32>(size_of(source));
    let shown = clamp(min(position + 1.0, size - position), vec2<f32>(0.0), vec2<f32>(1.0));
    return shown.x * shown.y;
}
