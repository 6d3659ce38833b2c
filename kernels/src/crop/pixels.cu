// Samples of a picture as R, G, B codes of 0 to 255: the first part of every kernel that reads pixels.
//   in: NV12, I420 or RGB8 planes of u8, any pitch and offset, chroma at half size (rounded up), centred between luma samples

struct Picture {
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

__device__ __forceinline__ float sample(const Picture& picture, const unsigned char* __restrict__ frame, int channel, Tap x, Tap y) {
    const unsigned char* plane = frame + picture.offset[channel];
    const unsigned char* upper = plane + y.first * picture.pitch[channel];
    const unsigned char* lower = plane + y.second * picture.pitch[channel];
    unsigned left = x.first * picture.step[channel];
    unsigned right = x.second * picture.step[channel];
    float a = __ldg(upper + left);
    float b = __ldg(upper + right);
    float c = __ldg(lower + left);
    float d = __ldg(lower + right);
    float top = a + (b - a) * x.weight;
    float bottom = c + (d - c) * x.weight;
    return top + (bottom - top) * y.weight;
}

__device__ __forceinline__ void rgb_at(const Picture& picture, const unsigned char* __restrict__ frame, float px, float py, float rgb[3]) {
    Tap x = tap_at(px, picture.width);
    Tap y = tap_at(py, picture.height);
    if (picture.is_yuv == 0u) {
        for (int channel = 0; channel < 3; channel++) {
            rgb[channel] = sample(picture, frame, channel, x, y);
        }
        return;
    }
    Tap half_x = tap_at((px + 0.5f) * 0.5f - 0.5f, (picture.width + 1u) / 2u);
    Tap half_y = tap_at((py + 0.5f) * 0.5f - 0.5f, (picture.height + 1u) / 2u);
    float luma = (sample(picture, frame, 0, x, y) - picture.black) * picture.luma;
    float u = sample(picture, frame, 1, half_x, half_y) - 128.0f;
    float v = sample(picture, frame, 2, half_x, half_y) - 128.0f;
    rgb[0] = clamped(luma + picture.red_v * v, 0.0f, 255.0f);
    rgb[1] = clamped(luma + picture.green_u * u + picture.green_v * v, 0.0f, 255.0f);
    rgb[2] = clamped(luma + picture.blue_u * u, 0.0f, 255.0f);
}

// How much of a sample at this position lies on the picture: it fades over the pixel outside the edge.
__device__ __forceinline__ float shown_at(const Picture& picture, float px, float py) {
    return clamped(fminf(px + 1.0f, (float)picture.width - px), 0.0f, 1.0f)
         * clamped(fminf(py + 1.0f, (float)picture.height - py), 0.0f, 1.0f);
}
