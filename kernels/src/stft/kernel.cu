// Frames of sound to the power of their spectrum, where pitches that are too low are seen; one group a frame.
//   in: samples f32, hann 638 and 1024 x (cos, sin) f32   out: N x 513 f32, |X|^2
// v1 radix 8, eight numbers a thread: three passes over even samples + i odd samples, the first loaded from the samples
// tolerance: budget.toml; moves 2.6 KiB in, 2.0 KiB out a frame

struct Params {
    unsigned frames;
    unsigned padding[3];
    // First sample of each frame's window.
    unsigned starts[64];
};

#define THREADS 64u
#define WINDOW 638u
#define LENGTH 1024u
#define HALF 512u
#define BINS 513u
// The mean is over two periods of the floor of pitch around the centre.
#define MEAN_FIRST 106u
#define MEAN_END 532u
// cos and sin of an eighth of a turn.
#define EIGHTH 0.70710678f

struct Complex {
    float re, im;
};

__device__ __forceinline__ Complex plus(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
__device__ __forceinline__ Complex minus(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
// z times cos - i sin.
__device__ __forceinline__ Complex turned_back(Complex z, float cos, float sin) {
    return {z.re * cos + z.im * sin, z.im * cos - z.re * sin};
}

__device__ __forceinline__ Complex turned_back_by(Complex z, const float* __restrict__ tables, unsigned turn) {
    const float* of_turn = tables + WINDOW + 2u * (turn % LENGTH);
    return turned_back(z, __ldg(of_turn), __ldg(of_turn + 1));
}

__device__ __forceinline__ void pair(Complex& a, Complex& b) {
    Complex sum = plus(a, b);
    b = minus(a, b);
    a = sum;
}

// The transform of eight numbers; number k of it comes to lie where the bits of k stand reversed.
__device__ __forceinline__ void transform_eight(Complex (&v)[8]) {
    pair(v[0], v[4]);
    pair(v[1], v[5]);
    pair(v[2], v[6]);
    pair(v[3], v[7]);
    v[5] = turned_back(v[5], EIGHTH, EIGHTH);
    v[6] = {v[6].im, -v[6].re};
    v[7] = turned_back(v[7], -EIGHTH, EIGHTH);
    pair(v[0], v[2]);
    pair(v[1], v[3]);
    pair(v[4], v[6]);
    pair(v[5], v[7]);
    v[3] = {v[3].im, -v[3].re};
    v[7] = {v[7].im, -v[7].re};
    pair(v[0], v[1]);
    pair(v[2], v[3]);
    pair(v[4], v[5]);
    pair(v[6], v[7]);
}

// Numbers that are eight apart lie in different banks.
__device__ __forceinline__ unsigned place(unsigned index) { return index + index / 8u; }

__device__ __forceinline__ void store(Complex* numbers, const Complex (&v)[8], unsigned first, unsigned stride) {
    const unsigned reversed[8] = {0u, 4u, 2u, 6u, 1u, 5u, 3u, 7u};
#pragma unroll
    for (unsigned k = 0u; k < 8u; k++) {
        numbers[place(first + k * stride)] = v[reversed[k]];
    }
}

// One pass over numbers of which `done` at a time are transformed.
__device__ __forceinline__ void pass(Complex* numbers, const float* __restrict__ tables, unsigned thread, unsigned done) {
    Complex v[8];
    unsigned within = thread % done;
#pragma unroll
    for (unsigned k = 0u; k < 8u; k++) {
        v[k] = turned_back_by(numbers[place(thread + k * THREADS)], tables, within * k * (LENGTH / 8u / done));
    }
    transform_eight(v);
    __syncthreads();
    store(numbers, v, thread / done * done * 8u + within, done);
    __syncthreads();
}

// What the even samples and what the odd ones give make a bin and its mirror image.
__device__ __forceinline__ void unpack(const Complex* numbers, const float* __restrict__ tables, unsigned bin, float* powers) {
    Complex z = numbers[place(bin)];
    Complex mirrored = numbers[place((HALF - bin) % HALF)];
    Complex even = {0.5f * (z.re + mirrored.re), 0.5f * (z.im - mirrored.im)};
    Complex odd = {0.5f * (z.im + mirrored.im), 0.5f * (mirrored.re - z.re)};
    odd = turned_back_by(odd, tables, bin);
    Complex low = plus(even, odd);
    Complex high = minus(even, odd);
    powers[bin] = low.re * low.re + low.im * low.im;
    powers[HALF - bin] = high.re * high.re + high.im * high.im;
}

extern "C" __global__ void __launch_bounds__(64)
transform_frames(
    const Params params, const float* __restrict__ samples, const float* __restrict__ tables, float* __restrict__ powers) {
    __shared__ Complex numbers[HALF + HALF / 8u];
    __shared__ float parts[THREADS];
    unsigned thread = threadIdx.x;
    unsigned frame = blockIdx.x;
    const float* window = samples + params.starts[frame];
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
    Complex v[8];
#pragma unroll
    for (unsigned k = 0u; k < 8u; k++) {
        unsigned at = 2u * (thread + k * THREADS);
        v[k] = {0.0f, 0.0f};
        // The window's length is even: both samples are in it or neither.
        if (at < WINDOW) {
            v[k].re = (__ldg(window + at) - mean) * __ldg(tables + at);
            v[k].im = (__ldg(window + at + 1u) - mean) * __ldg(tables + at + 1u);
        }
    }
    transform_eight(v);
    store(numbers, v, thread * 8u, 1u);
    __syncthreads();
    pass(numbers, tables, thread, 8u);
    pass(numbers, tables, thread, 64u);
    float* row = powers + frame * BINS;
    for (unsigned bin = thread; bin <= HALF / 2u; bin += THREADS) {
        unpack(numbers, tables, bin, row);
    }
}
