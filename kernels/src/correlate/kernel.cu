// Frames of sound to their normalised autocorrelation, what pitch candidates are found in (math 10.2); one group a frame.
//   in: samples f32, hann 638 and factors 319 f32   out: N x (local peak, r of lag 1 to 319)
// v1 the windowed frame in shared memory, a lag or two a thread, four partial sums a lag
// tolerance: budget.toml; moves 2.6 KiB in, 1.3 KiB out a frame

struct Params {
    unsigned frames;
    unsigned padding[3];
    // First sample of each frame's window.
    unsigned starts[64];
};

#define THREADS 256u
#define WINDOW 638u
#define LAGS 319u
#define ROW 320u
// The mean is over two periods of the floor around the centre, the local peak over one.
#define MEAN_FIRST 106u
#define MEAN_END 532u
#define PEAK_FIRST 212u
#define PEAK_END 426u

__device__ __forceinline__ float sum_of_parts(float* parts, unsigned thread) {
    for (unsigned half = THREADS / 2u; half > 0u; half /= 2u) {
        __syncthreads();
        if (thread < half) {
            parts[thread] += parts[thread + half];
        }
    }
    __syncthreads();
    float total = parts[0];
    __syncthreads();
    return total;
}

__device__ __forceinline__ float largest_part(float* parts, unsigned thread) {
    for (unsigned half = THREADS / 2u; half > 0u; half /= 2u) {
        __syncthreads();
        if (thread < half) {
            parts[thread] = fmaxf(parts[thread], parts[thread + half]);
        }
    }
    // Thread 0 has made it and is the only one to use it: nobody has to wait.
    return parts[0];
}

__device__ __forceinline__ float correlation(const float* windowed, unsigned lag) {
    unsigned count = WINDOW - lag;
    float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    unsigned at = 0u;
    for (; at + 4u <= count; at += 4u) {
        for (unsigned k = 0u; k < 4u; k++) {
            sums[k] += windowed[at + k] * windowed[at + k + lag];
        }
    }
    for (; at < count; at++) {
        sums[0] += windowed[at] * windowed[at + lag];
    }
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

extern "C" __global__ void __launch_bounds__(256)
correlate_frames(
    const Params params, const float* __restrict__ samples, const float* __restrict__ tables, float* __restrict__ correlations) {
    __shared__ float windowed[640];
    __shared__ float parts[THREADS];
    unsigned thread = threadIdx.x;
    unsigned frame = blockIdx.x;
    const float* window = samples + params.starts[frame];
    float sum = 0.0f;
    for (unsigned at = MEAN_FIRST + thread; at < MEAN_END; at += THREADS) {
        sum += __ldg(window + at);
    }
    parts[thread] = sum;
    float mean = sum_of_parts(parts, thread) / (float)(MEAN_END - MEAN_FIRST);
    float peak = 0.0f;
    float energy = 0.0f;
    for (unsigned at = thread; at < WINDOW; at += THREADS) {
        float value = (__ldg(window + at) - mean) * __ldg(tables + at);
        windowed[at] = value;
        energy += value * value;
        if (at >= PEAK_FIRST && at < PEAK_END) {
            peak = fmaxf(peak, fabsf(value));
        }
    }
    parts[thread] = energy;
    energy = sum_of_parts(parts, thread);
    parts[thread] = peak;
    peak = largest_part(parts, thread);
    float scale = energy > 0.0f ? 1.0f / energy : 0.0f;
    if (thread == 0u) {
        correlations[frame * ROW] = peak;
    }
    for (unsigned lag = thread + 1u; lag <= LAGS; lag += THREADS) {
        correlations[frame * ROW + lag] = correlation(windowed, lag) * scale * __ldg(tables + WINDOW + lag - 1u);
    }
}
