// Landmarks to head rotation: best rigid fit of eleven points of a neutral head (Horn 1987), one face a thread.
//   in: N x 478 x (x, y, z) f32   out: N x (yaw, pitch, roll in degrees, 1 measured or 0)
// v1 one thread a face, Jacobi sweeps in f32
// tolerance: budget.toml; moves 132 B in, 16 B out a face

struct Params {
    unsigned count;
    unsigned padding[3];
};

struct Pose {
    float yaw, pitch, roll;
    unsigned is_measured;
};

#define LANDMARKS 478u
#define POINTS 11
#define EXPONENT 0x7f800000u
// Eigenvalues closer than this do not determine a rotation; the covariance's largest entry is 1.
#define MIN_GAP 1e-5f
// An entry this small turns nothing any more.
#define SETTLED 1e-9f
#define DEGREES 57.29577951f

__constant__ unsigned INDICES[POINTS] = {33u, 133u, 362u, 263u, 168u, 6u, 1u, 2u, 10u, 234u, 454u};
// The model head, millimetres; MEAN is its middle.
__constant__ float MODEL[POINTS][3] = {
    {-45.0f, 0.0f, 22.0f}, {-17.0f, 2.0f, 14.0f}, {17.0f, 2.0f, 14.0f}, {45.0f, 0.0f, 22.0f},
    {0.0f, 0.0f, 0.0f}, {0.0f, 10.0f, -4.0f}, {0.0f, 42.0f, -24.0f}, {0.0f, 54.0f, -10.0f},
    {0.0f, -62.0f, 10.0f}, {-72.0f, 22.0f, 82.0f}, {72.0f, 22.0f, 82.0f},
};
__constant__ float MEAN[3] = {0.0f, 92.0f / 11.0f, 208.0f / 11.0f};

__device__ __forceinline__ bool is_finite(float value) {
    return (__float_as_uint(value) & EXPONENT) != EXPONENT;
}

// Turns rows and columns p and q so that their common entry becomes nothing.
__device__ __forceinline__ void turn(float matrix[4][4], float vectors[4][4], int p, int q) {
    if (fabsf(matrix[p][q]) < SETTLED) {
        return;
    }
    float theta = (matrix[q][q] - matrix[p][p]) / (2.0f * matrix[p][q]);
    float slope = (theta < 0.0f ? -1.0f : 1.0f) / (fabsf(theta) + sqrtf(theta * theta + 1.0f));
    float cosine = 1.0f / sqrtf(slope * slope + 1.0f);
    float sine = slope * cosine;
    for (int k = 0; k < 4; k++) {
        float a = matrix[k][p], b = matrix[k][q];
        matrix[k][p] = cosine * a - sine * b;
        matrix[k][q] = sine * a + cosine * b;
    }
    for (int k = 0; k < 4; k++) {
        float a = matrix[p][k], b = matrix[q][k];
        matrix[p][k] = cosine * a - sine * b;
        matrix[q][k] = sine * a + cosine * b;
        float c = vectors[p][k], d = vectors[q][k];
        vectors[p][k] = cosine * c - sine * d;
        vectors[q][k] = sine * c + cosine * d;
    }
}

extern "C" __global__ void __launch_bounds__(32)
fit_pose(const Params params, const float* __restrict__ landmarks, Pose* __restrict__ poses) {
    unsigned index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= params.count) {
        return;
    }
    const float* face = landmarks + (size_t)index * (3u * LANDMARKS);
    poses[index] = {0.0f, 0.0f, 0.0f, 0u};
    float seen[POINTS][3];
    for (int k = 0; k < POINTS; k++) {
        for (int axis = 0; axis < 3; axis++) {
            seen[k][axis] = __ldg(face + 3u * INDICES[k] + axis);
            if (!is_finite(seen[k][axis])) {
                return;
            }
        }
    }
    // Differences from one of the points are exact where a face is small and far from the corner.
    float origin[3] = {seen[0][0], seen[0][1], seen[0][2]};
    float mean[3] = {0.0f, 0.0f, 0.0f};
    for (int k = 0; k < POINTS; k++) {
        for (int axis = 0; axis < 3; axis++) {
            seen[k][axis] -= origin[axis];
            mean[axis] += seen[k][axis] / (float)POINTS;
        }
    }
    // Model axis by seen axis.
    float c[3][3] = {};
    for (int k = 0; k < POINTS; k++) {
        for (int row = 0; row < 3; row++) {
            for (int column = 0; column < 3; column++) {
                c[row][column] += (MODEL[k][row] - MEAN[row]) * (seen[k][column] - mean[column]);
            }
        }
    }
    float size = 0.0f;
    bool is_number = true;
    for (int row = 0; row < 3; row++) {
        for (int column = 0; column < 3; column++) {
            size = fmaxf(size, fabsf(c[row][column]));
            is_number = is_number && is_finite(c[row][column]);
        }
    }
    if (!is_number || size < 1e-30f) {
        return;
    }
    for (int row = 0; row < 3; row++) {
        for (int column = 0; column < 3; column++) {
            c[row][column] /= size;
        }
    }
    float matrix[4][4] = {
        {c[0][0] + c[1][1] + c[2][2], c[1][2] - c[2][1], c[2][0] - c[0][2], c[0][1] - c[1][0]},
        {c[1][2] - c[2][1], c[0][0] - c[1][1] - c[2][2], c[0][1] + c[1][0], c[2][0] + c[0][2]},
        {c[2][0] - c[0][2], c[0][1] + c[1][0], c[1][1] - c[0][0] - c[2][2], c[1][2] + c[2][1]},
        {c[0][1] - c[1][0], c[2][0] + c[0][2], c[1][2] + c[2][1], c[2][2] - c[0][0] - c[1][1]},
    };
    float vectors[4][4] = {{1.0f, 0.0f, 0.0f, 0.0f}, {0.0f, 1.0f, 0.0f, 0.0f}, {0.0f, 0.0f, 1.0f, 0.0f}, {0.0f, 0.0f, 0.0f, 1.0f}};
    for (int sweep = 0; sweep < 8; sweep++) {
        turn(matrix, vectors, 0, 1);
        turn(matrix, vectors, 0, 2);
        turn(matrix, vectors, 0, 3);
        turn(matrix, vectors, 1, 2);
        turn(matrix, vectors, 1, 3);
        turn(matrix, vectors, 2, 3);
    }
    int best = 0;
    for (int k = 1; k < 4; k++) {
        best = matrix[k][k] > matrix[best][best] ? k : best;
    }
    float next = -1e30f;
    for (int k = 0; k < 4; k++) {
        next = k == best ? next : fmaxf(next, matrix[k][k]);
    }
    if (!(matrix[best][best] - next > MIN_GAP)) {
        return;
    }
    float w = vectors[best][0], x = vectors[best][1], y = vectors[best][2], z = vectors[best][3];
    float length = sqrtf(w * w + x * x + y * y + z * z);
    w /= length;
    x /= length;
    y /= length;
    z /= length;
    float sight_x = -2.0f * (x * z + w * y);
    float sight_y = -2.0f * (y * z - w * x);
    float sight_z = -1.0f + 2.0f * (x * x + y * y);
    float level = sqrtf(sight_x * sight_x + sight_z * sight_z);
    poses[index] = {
        atan2f(sight_x, -sight_z) * DEGREES,
        atan2f(-sight_y, level) * DEGREES,
        atan2f(2.0f * (x * y + w * z), 1.0f - 2.0f * (x * x + z * z)) * DEGREES,
        1u,
    };
}
