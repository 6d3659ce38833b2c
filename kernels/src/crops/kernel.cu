
// NV12, I420 or RGB8 planes of up to six frames to R, G, B f32, rotated and normalised, a batch of crops in one launch.
//   in: u8, see pixels.cu, each frame of its own size and format   out: HxWx3 or 3xHxW, value 0..255 * scale + bias
// v1 as crop_frame; a layer of groups picks its frame among the pointers, the same for all of its threads
// tolerance: budget.toml, as the crop's; moves: reads 12 B, writes 12 B an output pixel

#define FRAMES 6

struct Params {
    Picture pictures[FRAMES];
    Crop crops[256];
};

extern "C" __global__ void __launch_bounds__(256)
crop_frames(const __grid_constant__ Params params, const unsigned char* __restrict__ frame_0, const unsigned char* __restrict__ frame_1,
            const unsigned char* __restrict__ frame_2, const unsigned char* __restrict__ frame_3, const unsigned char* __restrict__ frame_4,
            const unsigned char* __restrict__ frame_5, float* __restrict__ tensor) {
    const Crop& crop = params.crops[blockIdx.z];
    const unsigned char* frame = frame_0;
    // Selections instead of a table: a table of pointers that is indexed lies in local memory.
    frame = crop.source == 1u ? frame_1 : frame;
    frame = crop.source == 2u ? frame_2 : frame;
    frame = crop.source == 3u ? frame_3 : frame;
    frame = crop.source == 4u ? frame_4 : frame;
    frame = crop.source == 5u ? frame_5 : frame;
    crop_pixel(crop, params.pictures[crop.source], frame, tensor);
}
