// 468 mesh + 80 lip + 2x71 eye + 2x5 iris points to 478 landmarks in the frame.
//   in: f32 in pixels of the 192x192 crop, mesh x y z, the others x y; subsets 222 u32   out: 478 x (x, y, z)
// v1 one thread a landmark; each group first notes, for its own landmarks, the last place in the subsets that names them
// tolerance: budget.toml; moves 8 KiB in, 6 KiB out

struct Params {
    float center[2];
    float size[2];
    float sin;
    float cos;
    float padding[2];
};

#define MESH 468u
#define LIPS 80u
#define EYE 71u
#define IRIS 5u
#define CONTOUR 16u
#define REFINED 222u
#define LANDMARKS 478u
#define THREADS 64u
#define INPUT_SIDE 192.0f

extern "C" __global__ void __launch_bounds__(64)
project_landmarks(
    const Params params,
    const float* __restrict__ mesh,
    const float* __restrict__ lips,
    const float* __restrict__ left_eye,
    const float* __restrict__ right_eye,
    const float* __restrict__ left_iris,
    const float* __restrict__ right_iris,
    const unsigned* __restrict__ subsets,
    float* __restrict__ landmarks
) {
    // One more than the last place that names a landmark of this group, 0 where none does.
    __shared__ unsigned last_place[THREADS];
    unsigned first = blockIdx.x * THREADS;
    unsigned index = first + threadIdx.x;
    last_place[threadIdx.x] = 0u;
    __syncthreads();
    for (unsigned k = threadIdx.x; k < REFINED; k += THREADS) {
        unsigned own = __ldg(subsets + k) - first;
        if (own < THREADS) {
            atomicMax(&last_place[own], k + 1u);
        }
    }
    __syncthreads();
    if (index >= LANDMARKS) {
        return;
    }
    // Where x and y come from, and z.
    const float* point;
    float depth;
    if (index < MESH) {
        unsigned place = last_place[threadIdx.x];
        depth = __ldg(mesh + 3u * index + 2u);
        if (place == 0u) {
            point = mesh + 3u * index;
        } else if (place <= LIPS) {
            point = lips + 2u * (place - 1u);
        } else if (place <= LIPS + EYE) {
            point = left_eye + 2u * (place - 1u - LIPS);
        } else {
            point = right_eye + 2u * (place - 1u - LIPS - EYE);
        }
    } else {
        // The depth of an iris is the mean of the eye's contour, the first points of its subset.
        unsigned k = index - MESH;
        const unsigned* contour = subsets + LIPS + (k < IRIS ? 0u : EYE);
        depth = 0.0f;
        for (unsigned c = 0u; c < CONTOUR; c++) {
            depth += __ldg(mesh + 3u * min(__ldg(contour + c), MESH - 1u) + 2u);
        }
        depth /= (float)CONTOUR;
        point = (k < IRIS ? left_iris : right_iris) + 2u * (k % IRIS);
    }
    float x = (__ldg(point) / INPUT_SIDE - 0.5f) * params.size[0];
    float y = (__ldg(point + 1) / INPUT_SIDE - 0.5f) * params.size[1];
    landmarks[3u * index] = x * params.cos - y * params.sin + params.center[0];
    landmarks[3u * index + 1u] = x * params.sin + y * params.cos + params.center[1];
    landmarks[3u * index + 2u] = depth / INPUT_SIDE * params.size[0];
}
