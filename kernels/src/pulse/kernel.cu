// Stretches of sound against what lies around them, what glottal pulses are found by (math 10.3); one group a stretch.
//   in: samples s16 at 16 kHz   out: N x 128 sums of products s64, a row a stretch, one a shift
// v1 stretch and surroundings in shared memory, one thread a shift, whole numbers
// tolerance none: whole numbers are equal everywhere; moves at most 766 B in, 1 KiB out a row

struct Row {
    // First sample and length of the stretch; first sample and number of its shifts.
    unsigned first, length, from, shifts;
};

struct Params {
    unsigned count, padding[3];
    Row rows[64];
};

#define THREADS 128u
#define MAX_LENGTH 256u
#define MAX_AROUND 384u

extern "C" __global__ void __launch_bounds__(128)
match_periods(const Params params, const short* __restrict__ samples, long long* __restrict__ products) {
    __shared__ int stretch[MAX_LENGTH];
    __shared__ int around[MAX_AROUND];
    const Row row = params.rows[blockIdx.x];
    unsigned shift = threadIdx.x;
    for (unsigned k = shift; k < row.length; k += THREADS) {
        stretch[k] = __ldg(samples + row.first + k);
    }
    for (unsigned k = shift; k + 1u < row.length + row.shifts; k += THREADS) {
        around[k] = __ldg(samples + row.from + k);
    }
    __syncthreads();
    if (shift >= row.shifts) {
        return;
    }
    long long sum = 0;
    for (unsigned k = 0u; k < row.length; k++) {
        sum += stretch[k] * around[k + shift];
    }
    products[blockIdx.x * THREADS + shift] = sum;
}
