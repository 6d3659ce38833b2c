
// NV12, I420 or RGB8 planes to R, G, B f32, rotated and normalised, a batch of crops of one frame in one launch.
//   in: u8, see pixels.wgsl   out: HxWx3 or 3xHxW, value 0..255 * scale + bias
// v1 one thread an output pixel, one layer of groups a crop; four byte loads a tap row, through the cache
// tolerance: budget.toml; positions are f32, so their rounding times the local contrast remains
// moves: reads 12 B, writes 12 B an output pixel

struct Params {
    pictures: array<Picture, 1>,
    crops: array<Crop>,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read> frame: array<u32>;
@group(0) @binding(2) var<storage, read_write> tensor: array<f32>;

fn byte_at(source: u32, index: u32) -> f32 {
    return code_in(frame[index >> 2u], index);
}

@compute @workgroup_size(16, 16, 1)
fn crop_frame(@builtin(global_invocation_id) at: vec3<u32>) {
    crop_pixel(at);
}
