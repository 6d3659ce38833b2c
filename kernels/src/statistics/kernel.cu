// Rows of scores to count, mean, deviation and percentiles; one group a row.
//   in: f32, values that are not finite are left out   out: 8 words a row, see Statistics
// v1 up to 16 values a thread: sums by halves, then a bitonic sort in shared memory, which first holds the parts of the sums
// tolerance: budget.toml; moves 4 B a value in, 32 B a row out

struct Row {
    unsigned first, count;
};

struct Params {
    unsigned rows;
    unsigned padding[3];
    Row places[64];
};

struct Statistics {
    unsigned count;
    float mean, deviation, least, p10, median, p90, largest;
};

#define THREADS 256u
#define MOST 4096u
#define EACH (MOST / THREADS)
// Behind every score.
#define MISSING 3.4028234e38f

__device__ __forceinline__ float sum_of(float part, float* parts, unsigned thread) {
    parts[thread] = part;
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

// The rank is a whole number and hundredths.
__device__ __forceinline__ float percentile(const float* sorted, unsigned count, unsigned percent) {
    unsigned rank = (count - 1u) * percent;
    unsigned index = rank / 100u;
    float share = (float)(rank % 100u) / 100.0f;
    float low = sorted[index];
    float high = sorted[min(index + 1u, count - 1u)];
    return share < 0.5f ? low + share * (high - low) : high - (high - low) * (1.0f - share);
}

extern "C" __global__ void __launch_bounds__(256)
summarise_rows(const Params params, const float* __restrict__ values, Statistics* __restrict__ statistics) {
    __shared__ float sorted[MOST];
    unsigned thread = threadIdx.x;
    Row row = params.places[blockIdx.x];
    float own[EACH];
    unsigned has = 0u;
    float found = 0.0f;
    float sum = 0.0f;
#pragma unroll
    for (unsigned k = 0u; k < EACH; k++) {
        unsigned at = thread + k * THREADS;
        own[k] = MISSING;
        if (at < row.count) {
            float value = __ldg(values + row.first + at);
            if (isfinite(value)) {
                own[k] = value;
                has |= 1u << k;
                found += 1.0f;
                sum += value;
            }
        }
    }
    found = sum_of(found, sorted, thread);
    if (found == 0.0f) {
        if (thread == 0u) {
            statistics[blockIdx.x] = {0u, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
        }
        return;
    }
    float mean = sum_of(sum, sorted, thread) / found;
    float squares = 0.0f;
#pragma unroll
    for (unsigned k = 0u; k < EACH; k++) {
        float difference = (has >> k & 1u) == 1u ? own[k] - mean : 0.0f;
        squares += difference * difference;
    }
    squares = sum_of(squares, sorted, thread);
    // The least power of two that holds the row.
    unsigned size = 1u;
    while (size < row.count) {
        size *= 2u;
    }
#pragma unroll
    for (unsigned k = 0u; k < EACH; k++) {
        if (thread + k * THREADS < size) {
            sorted[thread + k * THREADS] = own[k];
        }
    }
    for (unsigned run = 2u; run <= size; run *= 2u) {
        for (unsigned apart = run / 2u; apart > 0u; apart /= 2u) {
            __syncthreads();
            for (unsigned pair = thread; pair < size / 2u; pair += THREADS) {
                unsigned low = 2u * pair - (pair & (apart - 1u));
                unsigned high = low + apart;
                float a = sorted[low];
                float b = sorted[high];
                if ((a > b) == ((low & run) == 0u)) {
                    sorted[low] = b;
                    sorted[high] = a;
                }
            }
        }
    }
    __syncthreads();
    if (thread == 0u) {
        unsigned count = (unsigned)found;
        statistics[blockIdx.x] = {
            count,
            mean,
            sqrtf(squares / fmaxf(found - 1.0f, 1.0f)),
            sorted[0],
            percentile(sorted, count, 10u),
            percentile(sorted, count, 50u),
            percentile(sorted, count, 90u),
            sorted[count - 1u],
        };
    }
}
