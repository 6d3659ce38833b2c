
// One output pixel of a rotated crop: the part that every kernel of crops has, behind pixels.wgsl.

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
    source: u32,   // which picture
}

// Beyond every frame, and still a number that can be computed with.
const FAR: f32 = 1e9;

// Far away instead of infinite or no number at all.
fn bounded(position: f32) -> f32 {
    let above = select(-FAR, position, position > -FAR);
    return select(FAR, above, above < FAR);
}

fn crop_pixel(at: vec3<u32>) {
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
    var rgb = rgb_at(crop.source, position);
    if crop.border == 1u {
        rgb *= shown_at(crop.source, position);
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
