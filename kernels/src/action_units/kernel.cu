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

struct Shape {
    float numbers[13];
    unsigned state;
};

#define LANDMARKS 478u
#define NUMBERS 13
#define CORNERS 4
#define USED 34
#define EXPONENT 0x7f800000u
// The least f32 that is not below 1e-6.
#define MIN_IOD 1.00000001e-6f
#define RADIANS 0.01745329252f

#define MEASURED 0u
#define DEGENERATE 1u
#define NOT_FINITE 2u

// Every landmark of the formulas, the four eye corners first.
__constant__ unsigned INDICES[USED] = {
    33u, 133u, 362u, 263u, 160u, 158u, 153u, 144u, 385u, 387u, 373u, 380u, 55u, 107u, 285u, 336u, 46u,
    53u, 63u, 70u, 276u, 283u, 293u, 300u, 82u, 87u, 13u, 14u, 312u, 317u, 61u, 291u, 2u, 152u,
};

struct Flat {
    float x, y;
};

// Two directions of the head in the frame, along the eyes and down the face, and the point that others are taken from.
struct Axes {
    float across[3], down[3], origin[3];
    const float* face;
};

__device__ __forceinline__ bool is_finite(float value) {
    return (__float_as_uint(value) & EXPONENT) != EXPONENT;
}

__device__ __forceinline__ bool are_finite(const float* __restrict__ face, int first, int end) {
    bool finite = true;
    for (int k = first; k < end; k++) {
        for (unsigned axis = 0u; axis < 3u; axis++) {
            finite = finite && is_finite(__ldg(face + 3u * INDICES[k] + axis));
        }
    }
    return finite;
}

// Columns of R = Ry Rx Rz: where the head's own axes point in the frame.
__device__ __forceinline__ Axes axes_of(const float* __restrict__ face, const Pose& pose) {
    float sy, cy, sx, cx, sz, cz;
    sincosf(-pose.yaw * RADIANS, &sy, &cy);
    sincosf(-pose.pitch * RADIANS, &sx, &cx);
    sincosf(pose.roll * RADIANS, &sz, &cz);
    Axes axes;
    float a[2] = {cz, -sz}, b[2] = {sz, cz};
    float* columns[2] = {axes.across, axes.down};
    for (int k = 0; k < 2; k++) {
        columns[k][0] = cy * a[k] + sy * sx * b[k];
        columns[k][1] = cx * b[k];
        columns[k][2] = -sy * a[k] + cy * sx * b[k];
    }
    for (unsigned axis = 0u; axis < 3u; axis++) {
        axes.origin[axis] = __ldg(face + 3u * 33u + axis);
    }
    axes.face = face;
    return axes;
}

__device__ __forceinline__ Flat turned(const Axes& axes, unsigned index) {
    const float* p = axes.face + 3u * index;
    float x = __ldg(p) - axes.origin[0], y = __ldg(p + 1) - axes.origin[1], z = __ldg(p + 2) - axes.origin[2];
    return {
        axes.across[0] * x + axes.across[1] * y + axes.across[2] * z,
        axes.down[0] * x + axes.down[1] * y + axes.down[2] * z,
    };
}

__device__ __forceinline__ Flat middle(const Axes& axes, unsigned a, unsigned b) {
    Flat p = turned(axes, a), q = turned(axes, b);
    return {(p.x + q.x) * 0.5f, (p.y + q.y) * 0.5f};
}

__device__ __forceinline__ float distance_of(const Axes& axes, unsigned a, unsigned b) {
    Flat p = turned(axes, a), q = turned(axes, b);
    float x = p.x - q.x, y = p.y - q.y;
    return sqrtf(x * x + y * y);
}

// Height over width of an eye's opening.
__device__ __forceinline__ float aspect(
    const Axes& axes, unsigned p1, unsigned p2, unsigned p3, unsigned p4, unsigned p5, unsigned p6) {
    return (distance_of(axes, p2, p6) + distance_of(axes, p3, p5)) / (2.0f * distance_of(axes, p1, p4));
}

__device__ __forceinline__ float height_of_four(const Axes& axes, unsigned a, unsigned b, unsigned c, unsigned d) {
    return (turned(axes, a).y + turned(axes, b).y + turned(axes, c).y + turned(axes, d).y) * 0.25f;
}

__device__ __forceinline__ float gap(const Axes& axes, unsigned upper, unsigned lower) {
    return turned(axes, lower).y - turned(axes, upper).y;
}

extern "C" __global__ void __launch_bounds__(32)
measure_shape(
    const Params params, const float* __restrict__ landmarks, const Pose* __restrict__ poses, Shape* __restrict__ shapes) {
    unsigned index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= params.count) {
        return;
    }
    const float* face = landmarks + (size_t)index * (3u * LANDMARKS);
    Pose pose = poses[index];
    Shape shape = {};
    shape.state = NOT_FINITE;
    if (pose.is_measured != 1u) {
        shape.state = DEGENERATE;
        shapes[index] = shape;
        return;
    }
    if (!(is_finite(pose.yaw) && is_finite(pose.pitch) && is_finite(pose.roll) && are_finite(face, 0, CORNERS))) {
        shapes[index] = shape;
        return;
    }
    Axes axes = axes_of(face, pose);
    Flat left = middle(axes, 33u, 133u), right = middle(axes, 362u, 263u);
    float unit = right.x - left.x;
    if (is_finite(unit) && unit < MIN_IOD) {
        shape.state = DEGENERATE;
    } else if (is_finite(unit) && are_finite(face, CORNERS, USED)) {
        Flat eyes = {(left.x + right.x) * 0.5f, (left.y + right.y) * 0.5f};
        Flat corner_left = turned(axes, 61u), corner_right = turned(axes, 291u);
        float gaps = gap(axes, 82u, 87u) + gap(axes, 13u, 14u) + gap(axes, 312u, 317u);
        float numbers[NUMBERS] = {
            (left.y - middle(axes, 55u, 107u).y) / unit,
            (right.y - middle(axes, 285u, 336u).y) / unit,
            (left.y - height_of_four(axes, 46u, 53u, 63u, 70u)) / unit,
            (right.y - height_of_four(axes, 276u, 283u, 293u, 300u)) / unit,
            fmaxf(gaps / 3.0f / unit, 0.0f),
            (turned(axes, 152u).y - turned(axes, 2u).y) / unit,
            aspect(axes, 33u, 160u, 158u, 133u, 153u, 144u),
            aspect(axes, 362u, 385u, 387u, 263u, 373u, 380u),
            (corner_right.x - corner_left.x) / unit,
            (eyes.x - corner_left.x) / unit,
            (corner_right.x - eyes.x) / unit,
            (eyes.y - corner_left.y) / unit,
            (eyes.y - corner_right.y) / unit,
        };
        bool finite = is_finite(gaps);
        for (int k = 0; k < NUMBERS; k++) {
            finite = finite && is_finite(numbers[k]);
        }
        if (finite) {
            for (int k = 0; k < NUMBERS; k++) {
                shape.numbers[k] = numbers[k];
            }
            shape.state = MEASURED;
        }
    }
    shapes[index] = shape;
}
