// The spectra of frames to their normalised autocorrelation, what pitch candidates are found in (math 10.2); one group a frame.
//   in: N x (local peak, |X|^2 of 513 bins) f32; 1024 x (cos, sin), factors 319 f32   out: N x r of lag 1 to 319 f32
// v2 the transform of stft/transform.cu over the powers, which are real and even; v1 went lag by lag over the samples
// tolerance: budget.toml; moves 2.0 KiB in, 1.3 KiB out a frame

struct Params {
    unsigned frames;
    unsigned padding[3];
};

#define SPECTRUM 514u
#define LAGS 319u

extern "C" __global__ void __launch_bounds__(64)
correlate_frames(
    const Params params, const float* __restrict__ spectra, const float* __restrict__ tables, float* __restrict__ correlations) {
    __shared__ Complex numbers[ROOM];
    unsigned thread = threadIdx.x;
    unsigned frame = blockIdx.x;
    if (frame >= params.frames) {
        return;
    }
    const float* powers = spectra + frame * SPECTRUM + 1u;
    Complex v[8];
#pragma unroll
    for (unsigned k = 0u; k < 8u; k++) {
        unsigned at = 2u * (thread + k * THREADS);
        // What lies above HALF mirrors what lies below.
        v[k].re = __ldg(powers + min(at, LENGTH - at));
        v[k].im = __ldg(powers + min(at + 1u, LENGTH - at - 1u));
    }
    transform(numbers, v, tables, thread);
    float energy = numbers[0].re + numbers[0].im;
    float scale = energy > 0.0f ? 1.0f / energy : 0.0f;
    const float* factors = tables + 2u * LENGTH;
    float* row = correlations + frame * LAGS;
    for (unsigned lag = thread; lag <= HALF / 2u; lag += THREADS) {
        Bins both = bins(numbers, tables, lag);
        if (lag >= 1u) {
            row[lag - 1u] = both.low.re * scale * __ldg(factors + lag - 1u);
        }
        unsigned mirrored = HALF - lag;
        if (mirrored <= LAGS && mirrored > lag) {
            row[mirrored - 1u] = both.high.re * scale * __ldg(factors + mirrored - 1u);
        }
    }
}
