// Landmarks to head rotation: best rigid fit of eleven points of a neutral head (Horn 1987), one face a thread.
//   in: N x 478 x (x, y, z) f32   out: N x (yaw, pitch, roll in degrees, 1 measured or 0)
// v1 one thread a face, Jacobi sweeps in f32; the loops over pairs are unrolled, so that the matrices stay in registers
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

struct Vector {
    float x, y, z;
};

__device__ __forceinline__ Vector operator-(const Vector& a, const Vector& b) {
    return {a.x - b.x, a.y - b.y, a.z - b.z};
}

__device__ __forceinline__ void add(Vector& sum, float factor, const Vector& b) {
    sum.x += factor * b.x;
    sum.y += factor * b.y;
    sum.z += factor * b.z;
}

__device__ __forceinline__ float largest_of(const Vector& a) {
    return fmaxf(fmaxf(fabsf(a.x), fabsf(a.y)), fabsf(a.z));
}

__device__ __forceinline__ bool is_finite(float value) {
    return (__float_as_uint(value) & EXPONENT) != EXPONENT;
}

// Turns rows and columns P and Q so that the entry between them vanishes. Places are constants: registers have no addresses.
template <int P, int Q>
__device__ __forceinline__ void turn(float matrix[4][4], float vectors[4][4]) {
    if (fabsf(matrix[P][Q]) < SETTLED) {
        return;
    }
    float theta = (matrix[Q][Q] - matrix[P][P]) / (2.0f * matrix[P][Q]);
    float slope = (theta < 0.0f ? -1.0f : 1.0f) / (fabsf(theta) + sqrtf(theta * theta + 1.0f));
    float cosine = 1.0f / sqrtf(slope * slope + 1.0f);
    float sine = slope * cosine;
    #pragma unroll
    for (int k = 0; k < 4; k++) {
        float a = matrix[k][P], b = matrix[k][Q];
        matrix[k][P] = cosine * a - sine * b;
        matrix[k][Q] = sine * a + cosine * b;
    }
    #pragma unroll
    for (int k = 0; k < 4; k++) {
        float a = matrix[P][k], b = matrix[Q][k];
        matrix[P][k] = cosine * a - sine * b;
        matrix[Q][k] = sine * a + cosine * b;
        float c = vectors[P][k], d = vectors[Q][k];
        vectors[P][k] = cosine * c - sine * d;
        vectors[Q][k] = sine * c + cosine * d;
    }
}

// Yaw, pitch and roll of the rotation of a unit quaternion w, x, y, z.
__device__ __forceinline__ Pose angles_of(float w, float x, float y, float z) {
    Vector sight = {-2.0f * (x * z + w * y), -2.0f * (y * z - w * x), -(1.0f - 2.0f * (x * x + y * y))};
    float level = sqrtf(sight.x * sight.x + sight.z * sight.z);
    float roll = atan2f(2.0f * (x * y + w * z), 1.0f - 2.0f * (x * x + z * z));
    return {atan2f(sight.x, -sight.z) * DEGREES, atan2f(-sight.y, level) * DEGREES, roll * DEGREES, 1u};
}

// Best fit of the points that are seen, or nothing.
__device__ __forceinline__ Pose fitted(Vector seen[POINTS], const Vector head[POINTS]) {
    const Pose nothing = {0.0f, 0.0f, 0.0f, 0u};
    // Differences from one of the points are exact where a face is small and far from the corner.
    Vector origin = seen[0], mean = {0.0f, 0.0f, 0.0f};
    #pragma unroll
    for (int k = 0; k < POINTS; k++) {
        seen[k] = seen[k] - origin;
        add(mean, 1.0f, seen[k]);
    }
    mean = {mean.x / (float)POINTS, mean.y / (float)POINTS, mean.z / (float)POINTS};
    // Rows of the covariance: model axis by seen axis.
    Vector along_x = {0.0f, 0.0f, 0.0f}, along_y = along_x, along_z = along_x;
    #pragma unroll
    for (int k = 0; k < POINTS; k++) {
        Vector away = seen[k] - mean;
        add(along_x, head[k].x, away);
        add(along_y, head[k].y - 92.0f / 11.0f, away);
        add(along_z, head[k].z - 208.0f / 11.0f, away);
    }
    float size = fmaxf(fmaxf(largest_of(along_x), largest_of(along_y)), largest_of(along_z));
    if (!is_finite(size) || size < 1e-30f) {
        return nothing;
    }
    Vector a = {along_x.x / size, along_x.y / size, along_x.z / size};
    Vector b = {along_y.x / size, along_y.y / size, along_y.z / size};
    Vector c = {along_z.x / size, along_z.y / size, along_z.z / size};
    float matrix[4][4] = {
        {a.x + b.y + c.z, b.z - c.y, c.x - a.z, a.y - b.x},
        {b.z - c.y, a.x - b.y - c.z, a.y + b.x, c.x + a.z},
        {c.x - a.z, a.y + b.x, b.y - a.x - c.z, b.z + c.y},
        {a.y - b.x, c.x + a.z, b.z + c.y, c.z - a.x - b.y},
    };
    float vectors[4][4] = {{1.0f, 0.0f, 0.0f, 0.0f}, {0.0f, 1.0f, 0.0f, 0.0f}, {0.0f, 0.0f, 1.0f, 0.0f}, {0.0f, 0.0f, 0.0f, 1.0f}};
    #pragma unroll 1
    for (int sweep = 0; sweep < 8; sweep++) {
        turn<0, 1>(matrix, vectors);
        turn<0, 2>(matrix, vectors);
        turn<0, 3>(matrix, vectors);
        turn<1, 2>(matrix, vectors);
        turn<1, 3>(matrix, vectors);
        turn<2, 3>(matrix, vectors);
    }
    // The largest eigenvalue, its vector, and the second largest.
    float best = matrix[0][0], next = -1e30f;
    float q[4] = {vectors[0][0], vectors[0][1], vectors[0][2], vectors[0][3]};
    #pragma unroll
    for (int k = 1; k < 4; k++) {
        float value = matrix[k][k];
        if (value > best) {
            next = best;
            best = value;
            #pragma unroll
            for (int part = 0; part < 4; part++) {
                q[part] = vectors[k][part];
            }
        } else {
            next = fmaxf(next, value);
        }
    }
    if (!(best - next > MIN_GAP)) {
        return nothing;
    }
    float length = sqrtf(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
    return angles_of(q[0] / length, q[1] / length, q[2] / length, q[3] / length);
}

extern "C" __global__ void __launch_bounds__(32)
fit_pose(const Params params, const float* __restrict__ landmarks, Pose* __restrict__ poses) {
    unsigned index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= params.count) {
        return;
    }
    constexpr unsigned points[POINTS] = {33u, 133u, 362u, 263u, 168u, 6u, 1u, 2u, 10u, 234u, 454u};
    // The model head, millimetres.
    constexpr Vector head[POINTS] = {
        {-45.0f, 0.0f, 22.0f}, {-17.0f, 2.0f, 14.0f}, {17.0f, 2.0f, 14.0f}, {45.0f, 0.0f, 22.0f},
        {0.0f, 0.0f, 0.0f}, {0.0f, 10.0f, -4.0f}, {0.0f, 42.0f, -24.0f}, {0.0f, 54.0f, -10.0f},
        {0.0f, -62.0f, 10.0f}, {-72.0f, 22.0f, 82.0f}, {72.0f, 22.0f, 82.0f},
    };
    const float* face = landmarks + (size_t)index * (3u * LANDMARKS);
    Vector seen[POINTS];
    bool finite = true;
    #pragma unroll
    for (int k = 0; k < POINTS; k++) {
        const float* at = face + 3u * points[k];
        seen[k] = {__ldg(at), __ldg(at + 1), __ldg(at + 2)};
        finite = finite && is_finite(seen[k].x) && is_finite(seen[k].y) && is_finite(seen[k].z);
    }
    Pose pose = {0.0f, 0.0f, 0.0f, 0u};
    if (finite) {
        pose = fitted(seen, head);
    }
    poses[index] = pose;
}
