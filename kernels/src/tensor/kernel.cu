
// NV12, I420 or RGB8 planes to R, G, B planes of f32: a whole picture, letterboxed and normalised.
//   in: u8, see crop/pixels.cu   out: 3xHxW, value 0..255 * scale + bias
// v1 one thread an output pixel; upright, so that a position is one product and one sum on each axis
// tolerance: budget.toml; moves: reads 12 B, writes 12 B an output pixel

struct Params {
    Picture picture;
    unsigned side;
    float pace;
    float first_x;
    float first_y;
    float scale;
    float bias;
    unsigned sampling; // 1: positions on 1/32 pixel, values whole codes
    unsigned padding;
};

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
    rgb_at(params.picture, frame, x, y, rgb);
    float shown = shown_at(params.picture, x, y);
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
