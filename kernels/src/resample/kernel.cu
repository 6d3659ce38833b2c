// Sound of any rate to 16 kHz: a polyphase filter over blocks of several streams of one rate (math 3.1); one row a stream.
//   in: samples f32 mono, table up x taps f32   out: f32, count of each row from its place on
// v1 four lanes an output sample, a quarter of the taps each, added up by shuffles
// tolerance: budget.toml; moves 12 B in and 4 B out a sample from 48 kHz, the table and 303 samples before once

struct Row {
    // First sample of the first output's window; its phase below up; outputs; where they go.
    unsigned first, phase, count, out;
};

struct Params {
    unsigned up, down, taps, padding;
    Row rows[32];
};

#define LANES 4u
#define OUTPUTS 64u
#define ALL_LANES 0xffffffffu

extern "C" __global__ void __launch_bounds__(256)
resample_blocks(
    const Params params, const float* __restrict__ samples, const float* __restrict__ table, float* __restrict__ resampled) {
    const Row row = params.rows[blockIdx.y];
    unsigned output = blockIdx.x * OUTPUTS + threadIdx.x / LANES;
    unsigned lane = threadIdx.x % LANES;
    bool is_inside = output < row.count;
    float sum = 0.0f;
    if (is_inside) {
        unsigned at = row.phase + output * params.down;
        const float* window = samples + row.first + at / params.up;
        const float* taps = table + at % params.up * params.taps;
        for (unsigned k = lane; k < params.taps; k += LANES) {
            sum += __ldg(window + k) * __ldg(taps + k);
        }
    }
    // Lanes without an output show a zero: nobody may leave before.
    sum += __shfl_xor_sync(ALL_LANES, sum, 1u);
    sum += __shfl_xor_sync(ALL_LANES, sum, 2u);
    if (is_inside && lane == 0u) {
        resampled[row.out + output] = sum;
    }
}
