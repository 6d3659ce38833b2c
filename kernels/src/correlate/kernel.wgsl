// The spectra of frames to their normalised autocorrelation, what pitch candidates are found in (math 10.2); one group a frame.
//   in: N x (local peak, |X|^2 of 513 bins) f32; 1024 x (cos, sin), factors 319 f32   out: N x r of lag 1 to 319 f32
// v2 the transform of stft/transform.wgsl over the powers, which are real and even; v1 went lag by lag over the samples
// tolerance: budget.toml; moves 2.0 KiB in, 1.3 KiB out a frame

struct Params {
    frames: u32,
    padding_a: u32,
    padding_b: u32,
    padding_c: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read> spectra: array<f32>;
@group(0) @binding(2) var<storage, read> tables: array<f32>;
@group(0) @binding(3) var<storage, read_write> correlations: array<f32>;

const SPECTRUM: u32 = 514u;
const LAGS: u32 = 319u;

// Two neighbours; what lies above HALF mirrors what lies below.
fn powers(first: u32, at: u32) -> vec2<f32> {
    return vec2<f32>(spectra[first + min(at, LENGTH - at)], spectra[first + min(at + 1u, LENGTH - at - 1u)]);
}

@compute @workgroup_size(64, 1, 1)
fn correlate_frames(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let frame = group.x;
    if frame >= params.frames {
        return;
    }
    let first = frame * SPECTRUM + 1u;
    let own = 2u * thread;
    transform(array<vec2<f32>, 8>(
        powers(first, own), powers(first, own + 128u), powers(first, own + 256u), powers(first, own + 384u),
        powers(first, own + 512u), powers(first, own + 640u), powers(first, own + 768u), powers(first, own + 896u),
    ), thread);
    let energy = numbers[0].x + numbers[0].y;
    let scale = select(0.0, 1.0 / energy, energy > 0.0);
    let factors = 2u * LENGTH;
    let row = frame * LAGS;
    for (var lag = thread; lag <= HALF / 2u; lag += THREADS) {
        let both = bins(lag);
        if lag >= 1u {
            correlations[row + lag - 1u] = both.low.x * scale * tables[factors + lag - 1u];
        }
        let mirrored = HALF - lag;
        if mirrored <= LAGS && mirrored > lag {
            correlations[row + mirrored - 1u] = both.high.x * scale * tables[factors + mirrored - 1u];
        }
    }
}
