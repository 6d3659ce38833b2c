// 896 anchors to at most 16 faces: sigmoid, threshold, weighted suppression.
//   in: regressors 896x16 f32, logits 896 f32   out: 16 x (score, 16 numbers), best first, unused ones zero
// v1 one group of 256 threads: every round finds the best anchor by shuffles, votes on what overlaps it, and sums in the order of the
//    anchors, so that a result does not depend on how threads are scheduled; it ends with the last face
// tolerance: budget.toml (exp); moves 61 KiB in, 1 KiB out

struct Params {
    float min_score;
    float min_overlap;
    float padding[2];
};

#define ANCHORS 896u
#define FINE_ANCHORS 512u
#define NUMBERS 16u
#define FACES 16u
#define THREADS 256u
#define WARPS 8u
#define WORDS 28u
#define EXPONENT 0x7f800000u
#define ALL_LANES 0xffffffffu

__device__ __forceinline__ float anchor_center(unsigned index, unsigned axis) {
    bool is_fine = index < FINE_ANCHORS;
    unsigned cells = is_fine ? 16u : 8u;
    unsigned cell = is_fine ? index / 2u : (index - FINE_ANCHORS) / 6u;
    unsigned step = axis == 0u ? cell % cells : cell / cells;
    return ((float)step + 0.5f) / (float)cells;
}

// Number k of an anchor: centre, size, key points, in fractions of the crop.
__device__ __forceinline__ float number(const float* __restrict__ regressors, unsigned index, unsigned k) {
    float raw = __ldg(regressors + index * NUMBERS + k) / 128.0f;
    if (k == 2u || k == 3u) {
        return raw;
    }
    return raw + anchor_center(index, k % 2u);
}

__device__ float candidate_score(const float* __restrict__ regressors, const float* __restrict__ logits, unsigned index, float min_score) {
    for (unsigned k = 0u; k < NUMBERS; k++) {
        if ((__float_as_uint(__ldg(regressors + index * NUMBERS + k)) & EXPONENT) == EXPONENT) {
            return 0.0f;
        }
    }
    float logit = __ldg(logits + index);
    if ((__float_as_uint(logit) & 0x7fffffffu) > EXPONENT) {
        return 0.0f;
    }
    float score = 1.0f / (1.0f + expf(-fminf(fmaxf(logit, -100.0f), 100.0f)));
    return score > min_score ? score : 0.0f;
}

struct Box {
    float x, y, width, height;
};

__device__ __forceinline__ Box box_of(const float* __restrict__ regressors, unsigned index) {
    return {number(regressors, index, 0u), number(regressors, index, 1u), number(regressors, index, 2u), number(regressors, index, 3u)};
}

__device__ __forceinline__ float shared_side(float a, float a_size, float b, float b_size) {
    float low = fmaxf(a - a_size / 2.0f, b - b_size / 2.0f);
    float high = fminf(a + a_size / 2.0f, b + b_size / 2.0f);
    return fmaxf(high - low, 0.0f);
}

__device__ __forceinline__ float area(const Box& box) {
    return fmaxf(box.width, 0.0f) * fmaxf(box.height, 0.0f);
}

__device__ __forceinline__ float overlap(const Box& a, const Box& b) {
    float shared_area = shared_side(a.x, a.width, b.x, b.width) * shared_side(a.y, a.height, b.y, b.height);
    float all = area(a) + area(b) - shared_area;
    return all > 0.0f ? shared_area / all : 0.0f;
}

struct Best {
    float score;
    unsigned index;
};

// Among equals the lowest index wins.
__device__ __forceinline__ Best better(Best a, Best b) {
    bool is_b = b.score > a.score || (b.score == a.score && b.index < a.index);
    return is_b ? b : a;
}

// The best of a warp, in all its lanes.
__device__ __forceinline__ Best best_of_warp(Best own) {
    for (int distance = 16; distance > 0; distance /= 2) {
        Best other = {__shfl_xor_sync(ALL_LANES, own.score, distance), __shfl_xor_sync(ALL_LANES, own.index, distance)};
        own = better(own, other);
    }
    return own;
}

extern "C" __global__ void __launch_bounds__(256)
detect_faces(const Params params, const float* __restrict__ regressors, const float* __restrict__ logits, float* __restrict__ faces) {
    // Score of each anchor, those that are gone are not in `left`.
    __shared__ float scores[ANCHORS];
    // A bit for each anchor that is still there, and for each that belongs to the face of this round.
    __shared__ unsigned left[WORDS];
    __shared__ unsigned members[WORDS];
    __shared__ Best best_of[WARPS];

    unsigned thread = threadIdx.x;
    unsigned lane = thread % 32u;
    for (unsigned index = thread; index < ANCHORS; index += THREADS) {
        float score = candidate_score(regressors, logits, index, params.min_score);
        scores[index] = score;
        unsigned vote = __ballot_sync(ALL_LANES, score > 0.0f);
        if (lane == 0u) {
            left[index / 32u] = vote;
        }
    }
    __syncthreads();
    unsigned face = 0u;
    for (; face < FACES; face++) {
        Best best = {0.0f, 0u};
        for (unsigned index = thread; index < ANCHORS; index += THREADS) {
            if ((left[index / 32u] >> lane & 1u) != 0u && scores[index] > best.score) {
                best = {scores[index], index};
            }
        }
        best = best_of_warp(best);
        if (lane == 0u) {
            best_of[thread / 32u] = best;
        }
        __syncthreads();
        best = best_of_warp(best_of[lane % WARPS]);
        if (best.score == 0.0f) {
            break;
        }
        Box best_box = box_of(regressors, best.index);
        for (unsigned index = thread; index < ANCHORS; index += THREADS) {
            unsigned word = left[index / 32u];
            bool is_member = (word >> lane & 1u) != 0u
                && (index == best.index || overlap(best_box, box_of(regressors, index)) > params.min_overlap);
            unsigned vote = __ballot_sync(ALL_LANES, is_member);
            if (lane == 0u) {
                members[index / 32u] = vote;
                left[index / 32u] = word & ~vote;
            }
        }
        __syncthreads();
        if (thread <= NUMBERS) {
            float total = 0.0f;
            float sum = 0.0f;
            for (unsigned word = 0u; word < WORDS; word++) {
                for (unsigned bits = members[word]; bits != 0u; bits &= bits - 1u) {
                    unsigned index = word * 32u + (unsigned)__ffs((int)bits) - 1u;
                    total += scores[index];
                    if (thread > 0u) {
                        sum += scores[index] * number(regressors, index, thread - 1u);
                    }
                }
            }
            faces[face * (NUMBERS + 1u) + thread] = thread == 0u ? best.score : sum / total;
        }
    }
    for (unsigned at = face * (NUMBERS + 1u) + thread; at < FACES * (NUMBERS + 1u); at += THREADS) {
        faces[at] = 0.0f;
    }
}
