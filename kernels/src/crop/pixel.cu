
// One output pixel of a rotated crop: the part that every kernel of crops has, behind pixels.cu.

struct Crop {
    float frame_from_output[6];
    unsigned out_width;
    unsigned out_height;
    float scale;
    float bias;
    unsigned border;   // 1: black beyond the frame, else its nearest pixel
    unsigned order;    // 1: channel, height, width; else height, width, channel
    unsigned sampling; // 1: positions on 1/32 pixel, values whole codes
    unsigned out_first;
    unsigned source;   // which picture
};

// Beyond every frame, and still a number that can be computed with.
#define FAR_AWAY 1e9f

// Far away instead of infinite or no number at all.
__device__ __forceinline__ float bounded(float position) {
    return fminf(fmaxf(position, -FAR_AWAY), FAR_AWAY);
}

__device__ __forceinline__ void crop_pixel(const Crop& crop, const Picture& picture, const unsigned char* __restrict__ frame, float* __restrict__ tensor) {
    unsigned column = blockIdx.x * blockDim.x + threadIdx.x;
    unsigned row = blockIdx.y * blockDim.y + threadIdx.y;
    if (column >= crop.out_width || row >= crop.out_height) {
        return;
    }
    const float* map = crop.frame_from_output;
    float i = (float)column;
    float j = (float)row;
    float x = bounded(map[0] * i + (map[1] * j + map[2]));
    float y = bounded(map[3] * i + (map[4] * j + map[5]));
    bool is_codes = crop.sampling == 1u;
    if (is_codes) {
        x = rintf(x * 32.0f) / 32.0f;
        y = rintf(y * 32.0f) / 32.0f;
    }
    float rgb[3];
    rgb_at(picture, frame, x, y, rgb);
    float shown = crop.border == 1u ? shown_at(picture, x, y) : 1.0f;
    unsigned pixel = row * crop.out_width + column;
    bool is_planar = crop.order == 1u;
    float* out = tensor + crop.out_first + (is_planar ? pixel : pixel * 3u);
    unsigned stride = is_planar ? crop.out_width * crop.out_height : 1u;
    for (int channel = 0; channel < 3; channel++) {
        float value = rgb[channel] * shown;
        if (is_codes) {
            value = rintf(value);
        }
        out[channel * stride] = value * crop.scale + crop.bias;
    }
}
