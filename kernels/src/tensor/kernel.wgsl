
// NV12, I420 or RGB8 planes to R, G, B planes of f32: a whole picture, letterboxed and normalised.
//   in: u8, see crop/pixels.wgsl   out: 3xHxW, value 0..255 * scale + bias
// v1 one thread an output pixel; upright, so that a position is one product and one sum on each axis
// tolerance: budget.toml; moves: reads 12 B, writes 12 B an output pixel

struct Params {
    pictures: array<Picture, 1>,
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

fn byte_at(source: u32, index: u32) -> f32 {
    return code_in(frame[index >> 2u], index);
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
    var rgb = rgb_at(0u, position) * shown_at(0u, position);
    if params.sampling == 1u {
        rgb = round(rgb);
    }
    let value = rgb * params.scale + params.bias;
    let pixel = at.y * side + at.x;
    tensor[pixel] = value.x;
    tensor[pixel + side * side] = value.y;
    tensor[pixel + 2u * side * side] = value.z;
}
