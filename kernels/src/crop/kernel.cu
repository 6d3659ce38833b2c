
// NV12, I420 or RGB8 planes to R, G, B f32, rotated and normalised, a batch of crops of one frame in one launch.
//   in: u8, see pixels.cu   out: HxWx3 or 3xHxW, value 0..255 * scale + bias
// v1 one thread an output pixel, one layer of groups a crop; four byte loads a tap row, through the read-only cache
// tolerance: budget.toml; positions are f32, so their rounding times the local contrast remains
// moves: reads 12 B, writes 12 B an output pixel

struct Params {
    Picture picture;
    Crop crops[256];
};

extern "C" __global__ void __launch_bounds__(256)
crop_frame(const __grid_constant__ Params params, const unsigned char* __restrict__ frame, float* __restrict__ tensor) {
    crop_pixel(params.crops[blockIdx.z], params.picture, frame, tensor);
}
