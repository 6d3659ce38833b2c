// Frames of sound to their local peak and the power of their spectrum; one group a frame.
//   in: samples f32; 1024 x (cos, sin), hann 638 f32   out: N x (local peak, |X|^2 of 513 bins) f32
// v1 the transform of transform.cu, its first numbers loaded from the samples
// tolerance: budget.toml; moves 2.6 KiB in, 2.0 KiB out a frame

struct Params {
    unsigned frames;
    unsigned padding[3];
    // First sample of each frame's window.
    unsigned starts[64];
};

#define WINDOW 638u
#define ROW 514u
// The mean is over two periods of the floor of pitch around the centre, the local peak over one.
#define MEAN_FIRST 106u
#define MEAN_END 532u
#define PEAK_FIRST 212u
#define PEAK_END 426u

extern "C" __global__ void __launch_bounds__(64)
transform_frames(
    const Params params, const float* __restrict__ samples, const float* __restrict__ tables, float* __restrict__ spectra) {
    __shared__ Complex numbers[ROOM];
    __shared__ float parts[THREADS];
    unsigned thread = threadIdx.x;
    unsigned frame = blockIdx.x;
    const float* window = samples + params.starts[frame];
    const float* hann = tables + 2u * LENGTH;
    float sum = 0.0f;
    for (unsigned at = MEAN_FIRST + thread; at < MEAN_END; at += THREADS) {
        sum += __ldg(window + at);
    }
    parts[thread] = sum;
    for (unsigned half = THREADS / 2u; half > 0u; half /= 2u) {
        __syncthreads();
        if (thread < half) {
            parts[thread] += parts[thread + half];
        }
    }
    __syncthreads();
    float mean = parts[0] / (float)(MEAN_END - MEAN_FIRST);
    float peak = 0.0f;
    Complex v[8];
#pragma unroll
    for (unsigned k = 0u; k < 8u; k++) {
        unsigned at = 2u * (thread + k * THREADS);
        v[k] = {0.0f, 0.0f};
        // The window and its middle begin and end at even places: both samples are in it or neither.
        if (at < WINDOW) {
            v[k].re = (__ldg(window + at) - mean) * __ldg(hann + at);
            v[k].im = (__ldg(window + at + 1u) - mean) * __ldg(hann + at + 1u);
        }
        if (at >= PEAK_FIRST && at < PEAK_END) {
            peak = fmaxf(peak, fmaxf(fabsf(v[k].re), fabsf(v[k].im)));
        }
    }
    transform(numbers, v, tables, thread);
    parts[thread] = peak;
    for (unsigned half = THREADS / 2u; half > 0u; half /= 2u) {
        __syncthreads();
        if (thread < half) {
            parts[thread] = fmaxf(parts[thread], parts[thread + half]);
        }
    }
    float* row = spectra + frame * ROW;
    // Thread 0 has made it and is the only one to use it: nobody has to wait.
    if (thread == 0u) {
        row[0] = parts[0];
    }
    for (unsigned bin = thread; bin <= HALF / 2u; bin += THREADS) {
        Bins both = bins(numbers, tables, bin);
        row[1u + bin] = power(both.low);
        row[1u + HALF - bin] = power(both.high);
    }
}
