// NV12, I420 or RGB8 planes to R, G, B f32, rotated and normalised, a batch of crops in one launch.
//   in: u8, any pitch and offset, chroma at half size (rounded up)   out: HxWx3 or 3xHxW, value 0..255 * scale + bias
// v1 one thread an output pixel, one layer of groups a crop; four byte loads a tap row, through the read-only cache
// tolerance: budget.toml; positions are f32, so their rounding times the local contrast remains
// moves: reads 12 B, writes 12 B an output pixel

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
};

struct Params {
    unsigned width;
    unsigned height;
    unsigned is_yuv;
    float black;
    float luma;
    float red_v;
    float green_u;
    float green_v;
    float blue_u;
    // Sample (x, y) of channel c is byte offset[c] + y * pitch[c] + x * step[c].
    unsigned offset[3];
    unsigned pitch[3];
    unsigned step[3];
    Crop crops[256];
};

// Beyond every frame, and still a number that can be computed with.
#define FAR_AWAY 1e9f

// The two samples around a position on one axis, edges replicated, and the weight of the second.
struct Tap {
    unsigned first;
    unsigned second;
    float weight;
};

// Far away instead of infinite or no number at all.
__device__ __forceinline__ float bounded(float position) {
    return fminf(fmaxf(position, -FAR_AWAY), FAR_AWAY);
}

__device__ __forceinline__ float clamped(float value, float low, float high) {
    return fminf(fmaxf(value, low), high);
}

__device__ __forceinline__ Tap tap_at(float position, unsigned size) {
    float last = (float)(size - 1u);
    float inside = clamped(position, 0.0f, last);
    float low = fminf(floorf(inside), fmaxf(last - 1.0f, 0.0f));
    unsigned first = (unsigned)low;
    return {first, min(first + 1u, size - 1u), inside - low};
}

__device__ __forceinline__ float sample(const Params& params, const unsigned char* __restrict__ frame, int channel, Tap x, Tap y) {
    const unsigned char* plane = frame + params.offset[channel];
    const unsigned char* upper = plane + y.first * params.pitch[channel];
    const unsigned char* lower = plane + y.second * params.pitch[channel];
    unsigned left = x.first * params.step[channel];
    unsigned right = x.second * params.step[channel];
    float a = __ldg(upper + left);
    float b = __ldg(upper + right);
    float c = __ldg(lower + left);
    float d = __ldg(lower + right);
    float top = a + (b - a) * x.weight;
    float bottom = c + (d - c) * x.weight;
    return top + (bottom - top) * y.weight;
}

__device__ __forceinline__ void rgb_at(const Params& params, const unsigned char* __restrict__ frame, float px, float py, float rgb[3]) {
    Tap x = tap_at(px, params.width);
    Tap y = tap_at(py, params.height);
    if (params.is_yuv == 0u) {
        for (int channel = 0; channel < 3; channel++) {
            rgb[channel] = sample(params, frame, channel, x, y);
        }
        return;
    }
    Tap half_x = tap_at((px + 0.5f) * 0.5f - 0.5f, (params.width + 1u) / 2u);
    Tap half_y = tap_at((py + 0.5f) * 0.5f - 0.5f, (params.height + 1u) / 2u);
    float luma = (sample(params, frame, 0, x, y) - params.black) * params.luma;
    float u = sample(params, frame, 1, half_x, half_y) - 128.0f;
    float v = sample(params, frame, 2, half_x, half_y) - 128.0f;
    rgb[0] = clamped(luma + params.red_v * v, 0.0f, 255.0f);
    rgb[1] = clamped(luma + params.green_u * u + params.green_v * v, 0.0f, 255.0f);
    rgb[2] = clamped(luma + params.blue_u * u, 0.0f, 255.0f);
}

extern "C" __global__ void __launch_bounds__(256)
crop_frame(const __grid_constant__ Params params, const unsigned char* __restrict__ frame, float* __restrict__ tensor) {
    const Crop& crop = params.crops[blockIdx.z];
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
    rgb_at(params, frame, x, y, rgb);
    float shown = 1.0f;
    if (crop.border == 1u) {
        shown = clamped(fminf(x + 1.0f, (float)params.width - x), 0.0f, 1.0f)
              * clamped(fminf(y + 1.0f, (float)params.height - y), 0.0f, 1.0f);
    }
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
