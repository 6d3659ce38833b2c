// NV12, I420 or RGB8 planes to R, G, B planes of f32: a whole picture, letterboxed and normalised.
//   in: u8, any pitch and offset, chroma at half size (rounded up)   out: 3xHxW, value 0..255 * scale + bias
// v1 one thread an output pixel; upright, so that a position is one product and one sum on each axis
// tolerance: budget.toml; moves: reads 12 B, writes 12 B an output pixel

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
    unsigned side;
    float pace;
    float first_x;
    float first_y;
    float scale;
    float bias;
    unsigned sampling; // 1: positions on 1/32 pixel, values whole codes
    unsigned padding;
};

// The two samples around a position on one axis, edges replicated, and the weight of the second.
struct Tap {
    unsigned first;
    unsigned second;
    float weight;
};

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
letterbox_frame(const Params params, const unsigned char* __restrict__ frame, float* __restrict__ tensor) {
    unsigned column = blockIdx.x * blockDim.x + threadIdx.x;
    unsigned row = blockIdx.y * blockDim.y + threadIdx.y;
    if (column >= params.side || row >= params.side) {
        return;
    }
    float x = (float)column * params.pace + params.first_x;
    float y = (float)row * params.pace + params.first_y;
    bool is_codes = params.sampling == 1u;
    if (is_codes) {
        x = rintf(x * 32.0f) / 32.0f;
        y = rintf(y * 32.0f) / 32.0f;
    }
    float rgb[3];
    rgb_at(params, frame, x, y, rgb);
    float shown = clamped(fminf(x + 1.0f, (float)params.width - x), 0.0f, 1.0f)
                * clamped(fminf(y + 1.0f, (float)params.height - y), 0.0f, 1.0f);
    unsigned area = params.side * params.side;
    float* out = tensor + row * params.side + column;
    for (int channel = 0; channel < 3; channel++) {
        float value = rgb[channel] * shown;
        if (is_codes) {
            value = rintf(value);
        }
        out[channel * area] = value * params.scale + params.bias;
    }
}
