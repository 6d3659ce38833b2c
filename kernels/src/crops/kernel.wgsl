
// NV12, I420 or RGB8 planes of up to six frames to R, G, B f32, rotated and normalised, a batch of crops in one launch.
//   in: u8, see pixels.wgsl, each frame of its own size and format   out: HxWx3 or 3xHxW, value 0..255 * scale + bias
// v1 as crop_frame; every load picks its frame, which is the same for all threads of a group
// tolerance: budget.toml, as the crop's; moves: reads 12 B, writes 12 B an output pixel

struct Params {
    pictures: array<Picture, 6>,
    crops: array<Crop>,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read> frame_0: array<u32>;
@group(0) @binding(2) var<storage, read> frame_1: array<u32>;
@group(0) @binding(3) var<storage, read> frame_2: array<u32>;
@group(0) @binding(4) var<storage, read> frame_3: array<u32>;
@group(0) @binding(5) var<storage, read> frame_4: array<u32>;
@group(0) @binding(6) var<storage, read> frame_5: array<u32>;
@group(0) @binding(7) var<storage, read_write> tensor: array<f32>;

fn byte_at(source: u32, index: u32) -> f32 {
    let word = index >> 2u;
    switch source {
        case 0u: { return code_in(frame_0[word], index); }
        case 1u: { return code_in(frame_1[word], index); }
        case 2u: { return code_in(frame_2[word], index); }
        case 3u: { return code_in(frame_3[word], index); }
        case 4u: { return code_in(frame_4[word], index); }
        default: { return code_in(frame_5[word], index); }
    }
}

@compute @workgroup_size(16, 16, 1)
fn crop_frames(@builtin(global_invocation_id) at: vec3<u32>) {
    crop_pixel(at);
}
