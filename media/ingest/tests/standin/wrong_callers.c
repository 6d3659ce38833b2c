/* Callers that each break one rule, to show that the stand-in notices it. Prints what was noted. */
#include "gstcuda.c"

int main(int count, char **arguments) {
  const char *how = count > 1 ? arguments[1] : "";
#define IS(name) (strcmp(how, name) == 0)
  gst_init(NULL, NULL);
  standin_reset(TRUE);
  if (!IS("no_load")) gst_cuda_load_library();
  gst_cuda_memory_init_once();
  GstObject *context = gst_cuda_context_new_wrapped(IS("no_handle") ? NULL : (void *) 0x1000, 0);
  if (context) {
    GstContext *answer = gst_context_new_cuda_context(context);
    GstElement *decoder = gst_element_factory_make(DECODER, NULL);
    if (!IS("no_answer")) gst_element_set_context(decoder, answer);
    gst_element_set_state(decoder, GST_STATE_READY);
    gst_element_set_state(decoder, GST_STATE_NULL);
    gst_object_unref(decoder);
    gst_context_unref(answer);
  }
  const int width = 320, height = 180;
  GstBuffer *buffer = standin_picture(width, height, 9);
  for (int n = 0; IS("hold_all") && n < SURFACES; n++) standin_picture(width, height, n);
  GstVideoInfo info;
  gst_video_info_set_format(&info, GST_VIDEO_FORMAT_NV12, width, height);
  GstVideoFrame frame;
  GstMapFlags flags = IS("host_map") ? GST_MAP_READ : IS("write_map") ? GST_MAP_READWRITE | MAP_CUDA : GST_MAP_READ | MAP_CUDA;
  gboolean mapped = gst_video_frame_map(&frame, &info, buffer, flags);
  if (mapped) {
#ifdef STANDIN_1_24
    if (!IS("no_sync")) gst_cuda_memory_sync(gst_buffer_peek_memory(buffer, 0));
#endif
    guint64 luma = (guint64) frame.data[0], chroma = (guint64) frame.data[1];
    gsize pitch = frame.info.stride[0];
    if (IS("pitch_from_width")) pitch = width;
    if (IS("chroma_behind_luma")) chroma = luma + pitch * height;
    if (IS("address_off_by_one")) luma += 1;
    if (IS("read_after_unmap")) gst_video_frame_unmap(&frame), mapped = FALSE;
    int launch = standin_launch(luma, pitch, chroma, pitch);
    if (!IS("early_release")) standin_finish(launch);
  }
  if (mapped) gst_video_frame_unmap(&frame);
  gst_buffer_unref(buffer);
  fputs(standin_faults(), stdout);
  return 0;
}
