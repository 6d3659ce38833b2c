// Luma of a region to sums: light, dark and bright points, squared Laplacians.
//   in: u8, step 1 luma or 3 R, G, B, any pitch and offset   out: 8 u32, see Exposure
// v1 one group of 256 threads strides over a grid of at most 256 x 256 points and halves its sums
// tolerance: none, whole numbers; moves at most 5 B a grid point in, 32 B out

struct Params {
    unsigned width, height;
    unsigned offset, pitch, step;
    unsigned left, top;
    unsigned columns, rows, stride;
    unsigned dark_below, bright_above;
    unsigned padding[2];
};

#define THREADS 256u
#define SUMS 7u

__device__ __forceinline__ unsigned code(const Params& params, const unsigned char* __restrict__ frame, unsigned x, unsigned y) {
    const unsigned char* first = frame + params.offset + (size_t)y * params.pitch + x * params.step;
    if (params.step == 1u) {
        return __ldg(first);
    }
    return (54u * __ldg(first) + 183u * __ldg(first + 1) + 19u * __ldg(first + 2) + 128u) / 256u;
}

extern "C" __global__ void __launch_bounds__(256)
measure_exposure(const Params params, const unsigned char* __restrict__ frame, unsigned* __restrict__ sums) {
    __shared__ unsigned parts[SUMS][THREADS];
    unsigned thread = threadIdx.x;
    unsigned own[SUMS] = {0u, 0u, 0u, 0u, 0u, 0u, 0u};
    unsigned points = params.columns * params.rows;
    for (unsigned point = thread; point < points; point += THREADS) {
        unsigned x = params.left + (point % params.columns) * params.stride;
        unsigned y = params.top + (point / params.columns) * params.stride;
        unsigned luma = code(params, frame, x, y);
        own[0] += 1u;
        own[1] += luma;
        own[2] += luma * luma;
        own[3] += luma < params.dark_below ? 1u : 0u;
        own[4] += luma > params.bright_above ? 1u : 0u;
        if (x >= 1u && x + 1u < params.width && y >= 1u && y + 1u < params.height) {
            unsigned around = code(params, frame, x - 1u, y) + code(params, frame, x + 1u, y)
                + code(params, frame, x, y - 1u) + code(params, frame, x, y + 1u);
            unsigned laplacian = max(4u * luma, around) - min(4u * luma, around);
            own[5] += 1u;
            own[6] += laplacian * laplacian / 16u;
        }
    }
    for (unsigned k = 0u; k < SUMS; k++) {
        parts[k][thread] = own[k];
    }
    for (unsigned half = THREADS / 2u; half > 0u; half /= 2u) {
        __syncthreads();
        if (thread < half) {
            for (unsigned k = 0u; k < SUMS; k++) {
                parts[k][thread] += parts[k][thread + half];
            }
        }
    }
    __syncthreads();
    if (thread <= SUMS) {
        sums[thread] = thread < SUMS ? parts[thread][0] : 0u;
    }
}
