// The Fourier transform of 1024 real numbers by a group of 64 threads: 512 complex ones, the even numbers and i times the odd, in three
// passes of radix 8 of which each thread has eight. `tables` begins with cos and sin of every 1024th of a turn.

#define THREADS 64u
#define LENGTH 1024u
#define HALF 512u
// Of shared memory, with the gaps of `place`.
#define ROOM 576u
// cos and sin of an eighth of a turn.
#define EIGHTH 0.70710678f

struct Complex {
    float re, im;
};

// A bin and its mirror image about HALF.
struct Bins {
    Complex low, high;
};

__device__ __forceinline__ Complex plus(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
__device__ __forceinline__ Complex minus(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
__device__ __forceinline__ float power(Complex z) { return z.re * z.re + z.im * z.im; }
// z times cos - i sin.
__device__ __forceinline__ Complex turned_back(Complex z, float cos, float sin) {
    return {z.re * cos + z.im * sin, z.im * cos - z.re * sin};
}

__device__ __forceinline__ Complex turned_back_by(Complex z, const float* __restrict__ tables, unsigned turn) {
    const float* of_turn = tables + 2u * (turn % LENGTH);
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

// Transforms 512 numbers of which `v` has those 64 apart from the thread's own.
__device__ __forceinline__ void transform(Complex* numbers, Complex (&v)[8], const float* __restrict__ tables, unsigned thread) {
    transform_eight(v);
    store(numbers, v, thread * 8u, 1u);
    __syncthreads();
    pass(numbers, tables, thread, 8u);
    pass(numbers, tables, thread, 64u);
}

// What the even numbers and what the odd ones give, put together.
__device__ __forceinline__ Bins bins(const Complex* numbers, const float* __restrict__ tables, unsigned bin) {
    Complex z = numbers[place(bin)];
    Complex mirrored = numbers[place((HALF - bin) % HALF)];
    Complex even = {0.5f * (z.re + mirrored.re), 0.5f * (z.im - mirrored.im)};
    Complex odd = {0.5f * (z.im + mirrored.im), 0.5f * (mirrored.re - z.re)};
    odd = turned_back_by(odd, tables, bin);
    return {plus(even, odd), minus(even, odd)};
}
