// Landmarks and head rotation to the shape of a face in its own axes, one face a thread.
//   in: N x 478 x (x, y, z) f32, N x (yaw, pitch, roll, measured)   out: N x 14 words, the last the state
// v1 one thread a face; points are taken from one of the eye corners, so that a small face far from the corner loses nothing
// tolerance: budget.toml; moves 0.5 KiB in, 56 B out a face

struct Params {
    unsigned count;
    unsigned padding[3];
};

struct Pose {
    float yaw, pitch, roll;
    unsigned is_measured;
};

#define LANDMARKS 478u
#define NUMBERS 13
#define USED 34
#define CORNERS 4
#define EXPONENT 0x7f800000u
// The least f32 that is not below 1e-6.
#define MIN_IOD 1.00000001e-6f
#define RADIANS 0.01745329252f

#define MEASURED 0u
#define DEGENERATE 1u
#define NOT_FINITE 2u

struct Shape {
    float numbers[NUMBERS];
    unsigned state;
};

struct Vector {
    float x, y, z;
};

struct Point {
    float x, y;
};

// Two directions of the head in the frame, along the eyes and down the face, and the face.
struct Axes {
    Vector across, down, origin;
    const float* face;
};

__device__ __forceinline__ bool is_finite(float value) {
    return (__float_as_uint(value) & EXPONENT) != EXPONENT;
}

__device__ __forceinline__ Vector landmark(const float* __restrict__ face, unsigned index) {
    return {__ldg(face + 3u * index), __ldg(face + 3u * index + 1u), __ldg(face + 3u * index + 2u)};
}

__device__ __forceinline__ bool is_landmark_finite(const float* __restrict__ face, unsigned index) {
    Vector point = landmark(face, index);
    return is_finite(point.x) && is_finite(point.y) && is_finite(point.z);
}

// Columns of R = Ry Rx Rz: where the head's own axes point in the frame.
__device__ __forceinline__ Axes axes_of(const Pose& pose, const float* __restrict__ face) {
    float sin_y, cos_y, sin_x, cos_x, sin_z, cos_z;
    sincosf(-pose.yaw * RADIANS, &sin_y, &cos_y);
    sincosf(-pose.pitch * RADIANS, &sin_x, &cos_x);
    sincosf(pose.roll * RADIANS, &sin_z, &cos_z);
    Vector across = {cos_y * cos_z + sin_y * sin_x * sin_z, cos_x * sin_z, -sin_y * cos_z + cos_y * sin_x * sin_z};
    Vector down = {-cos_y * sin_z + sin_y * sin_x * cos_z, cos_x * cos_z, sin_y * sin_z + cos_y * sin_x * cos_z};
    return {across, down, landmark(face, 33u), face};
}

// A point in the head's axes.
__device__ __forceinline__ Point turned(const Axes& axes, unsigned index) {
    Vector at = landmark(axes.face, index);
    float x = at.x - axes.origin.x, y = at.y - axes.origin.y, z = at.z - axes.origin.z;
    return {axes.across.x * x + axes.across.y * y + axes.across.z * z, axes.down.x * x + axes.down.y * y + axes.down.z * z};
}

__device__ __forceinline__ Point middle(const Point& a, const Point& b) {
    return {(a.x + b.x) * 0.5f, (a.y + b.y) * 0.5f};
}

__device__ __forceinline__ float distance_of(const Point& a, const Point& b) {
    float x = a.x - b.x, y = a.y - b.y;
    return sqrtf(x * x + y * y);
}

// Height over width of an eye's opening.
__device__ __forceinline__ float aspect(const Axes& axes, unsigned p1, unsigned p2, unsigned p3, unsigned p4, unsigned p5, unsigned p6) {
    float height = distance_of(turned(axes, p2), turned(axes, p6)) + distance_of(turned(axes, p3), turned(axes, p5));
    return height / (2.0f * distance_of(turned(axes, p1), turned(axes, p4)));
}

// The mean height of four points.
__device__ __forceinline__ float height_of(const Axes& axes, unsigned a, unsigned b, unsigned c, unsigned d) {
    return (turned(axes, a).y + turned(axes, b).y + turned(axes, c).y + turned(axes, d).y) * 0.25f;
}

// The shape of a face whose pose is known; the state says whether it counts.
__device__ __forceinline__ unsigned measure(const Pose& pose, const float* __restrict__ face, float numbers[NUMBERS]) {
    // Every landmark of the formulas, the four eye corners first.
    constexpr unsigned used[USED] = {
        33u, 133u, 362u, 263u, 160u, 158u, 153u, 144u, 385u, 387u, 373u, 380u, 55u, 107u, 285u, 336u, 46u,
        53u, 63u, 70u, 276u, 283u, 293u, 300u, 82u, 87u, 13u, 14u, 312u, 317u, 61u, 291u, 2u, 152u,
    };
    bool finite = is_finite(pose.yaw) && is_finite(pose.pitch) && is_finite(pose.roll);
    #pragma unroll
    for (int k = 0; k < CORNERS; k++) {
        finite = finite && is_landmark_finite(face, used[k]);
    }
    if (!finite) {
        return NOT_FINITE;
    }
    Axes axes = axes_of(pose, face);
    Point left = middle(turned(axes, 33u), turned(axes, 133u));
    Point right = middle(turned(axes, 362u), turned(axes, 263u));
    float unit = right.x - left.x;
    if (!is_finite(unit)) {
        return NOT_FINITE;
    }
    if (unit < MIN_IOD) {
        return DEGENERATE;
    }
    #pragma unroll
    for (int k = CORNERS; k < USED; k++) {
        finite = finite && is_landmark_finite(face, used[k]);
    }
    if (!finite) {
        return NOT_FINITE;
    }
    Point eyes = middle(left, right);
    float gaps = (turned(axes, 87u).y - turned(axes, 82u).y) + (turned(axes, 14u).y - turned(axes, 13u).y)
        + (turned(axes, 317u).y - turned(axes, 312u).y);
    Point corner_left = turned(axes, 61u), corner_right = turned(axes, 291u);
    numbers[0] = (left.y - middle(turned(axes, 55u), turned(axes, 107u)).y) / unit;
    numbers[1] = (right.y - middle(turned(axes, 285u), turned(axes, 336u)).y) / unit;
    numbers[2] = (left.y - height_of(axes, 46u, 53u, 63u, 70u)) / unit;
    numbers[3] = (right.y - height_of(axes, 276u, 283u, 293u, 300u)) / unit;
    numbers[4] = fmaxf(gaps / 3.0f / unit, 0.0f);
    numbers[5] = (turned(axes, 152u).y - turned(axes, 2u).y) / unit;
    numbers[6] = aspect(axes, 33u, 160u, 158u, 133u, 153u, 144u);
    numbers[7] = aspect(axes, 362u, 385u, 387u, 263u, 373u, 380u);
    numbers[8] = (corner_right.x - corner_left.x) / unit;
    numbers[9] = (eyes.x - corner_left.x) / unit;
    numbers[10] = (corner_right.x - eyes.x) / unit;
    numbers[11] = (eyes.y - corner_left.y) / unit;
    numbers[12] = (eyes.y - corner_right.y) / unit;
    finite = is_finite(gaps);
    #pragma unroll
    for (int k = 0; k < NUMBERS; k++) {
        finite = finite && is_finite(numbers[k]);
    }
    return finite ? MEASURED : NOT_FINITE;
}

extern "C" __global__ void __launch_bounds__(32)
measure_shape(const Params params, const float* __restrict__ landmarks, const Pose* __restrict__ poses, Shape* __restrict__ shapes) {
    unsigned index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= params.count) {
        return;
    }
    float numbers[NUMBERS] = {};
    unsigned state = DEGENERATE;
    Pose pose = poses[index];
    if (pose.is_measured == 1u) {
        state = measure(pose, landmarks + (size_t)index * (3u * LANDMARKS), numbers);
    }
    #pragma unroll
    for (int k = 0; k < NUMBERS; k++) {
        shapes[index].numbers[k] = state == MEASURED ? numbers[k] : 0.0f;
    }
    shapes[index].state = state;
}
