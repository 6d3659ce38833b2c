/* A stand-in for libgstcuda-1.0 and NVIDIA's decoder, for machines without either.
 *
 * It has the symbols that the ingest crate opens, a real GStreamer allocator whose memory cannot be touched by the host, and a
 * real element in the decoder's place that writes a known pattern. It notes each breach of the library's contract by name:
 *
 *   used_before_load       a call before gst_cuda_load_library said yes (the real library ends the process)
 *   wrapped_no_context     a wrapped context without handle
 *   own_context            a decoder that got no answer would have made a context of its own
 *   mapped_for_host        a map without the CUDA flag (the real library would copy the picture to the host)
 *   mapped_for_writing     a map that would have every later reader copy
 *   read_without_map       the device reads a surface that nobody holds
 *   read_without_sync      the device reads what the decoder may still be writing (1.24 and newer)
 *   wrong_address          the device reads bytes that are not the picture's: an address or a pitch is wrong
 *   released_while_read    a surface goes back to the decoder while the device reads it
 *   decoder_starved        the decoder found no free surface
 *
 * With STANDIN_1_24 it is the library from 1.24 on: it has streams, and pictures come unsynchronised.
 */
#include <gst/gst.h>
#include <gst/video/video.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define API __attribute__((visibility("default")))
#define MAP_CUDA (GST_MAP_FLAG_LAST << 1)
#define SURFACES 6
#define LAUNCHES 64
#define CONTEXT_TYPE "gst.cuda.context"
#ifdef STANDIN_1_24
#define DECODER "nvh264dec"
#define TYPE(name) name##124
#define TYPE_NAME(name) name "124"
#else
#define DECODER "nvh264sldec"
#define TYPE(name) name##122
#define TYPE_NAME(name) name "122"
#endif

/* Rows are 512 bytes apart at least, and 8 rows that belong to no picture lie between luma and chroma. */
#define PITCH(width) (((width) + 511) / 512 * 512)
#define CHROMA_AT(width, height) (PITCH(width) * ((height) + 8))
#define SURFACE_BYTES(width, height) (CHROMA_AT(width, height) + PITCH(width) * (((height) + 1) / 2))
#define LARGEST SURFACE_BYTES(2048, 2048)

typedef struct { gboolean taken, unsynced; int maps, reads, width, height, shade; } Surface;
typedef struct { int surface; gboolean open; } Launch;
typedef struct { GstMemory memory; int surface; GstObject *context; } Memory;

static GMutex lock;
static gboolean loaded, has_driver = TRUE;
static char faults[4096];
static int contexts, peak;
static Surface surfaces[SURFACES];
static Launch launches[LAUNCHES];
static guint8 *device; /* addresses without memory behind them: following one on the host ends the process */
static GstObject *shared;

static void fault(const char *name) {
  if (!strstr(faults, name)) g_strlcat(faults, name, sizeof faults), g_strlcat(faults, "\n", sizeof faults);
}
static void must_be_loaded(void) { if (!loaded) fault("used_before_load"); }
static guint8 *address_of(int surface) { return device + (gsize) surface * LARGEST; }

/* The device's bytes, computed instead of kept; what is no pixel is 0xEE. */
static guint8 byte_at(const Surface *s, gsize offset) {
  gsize pitch = PITCH(s->width), chroma = CHROMA_AT(s->width, s->height), row, column;
  if (offset < pitch * s->height) {
    row = offset / pitch, column = offset % pitch;
    return column < (gsize) s->width ? (guint8) (3 * column + 5 * row + s->shade) : 0xEE;
  }
  if (offset < chroma) return 0xEE;
  row = (offset - chroma) / pitch, column = (offset - chroma) % pitch;
  return column < (gsize) (s->width + 1) / 2 * 2 ? (guint8) (7 * column + 11 * row + s->shade) : 0xEE;
}

/* ---- memory ---- */
typedef struct { GstAllocator parent; } TYPE(StandinAllocator);
typedef struct { GstAllocatorClass parent; } TYPE(StandinAllocatorClass);
static GType allocator_type;
static GstAllocator *allocator;

static gpointer memory_map(GstMemory *memory, gsize size, GstMapFlags flags) {
  Memory *m = (Memory *) memory;
  (void) size;
  g_mutex_lock(&lock);
  gboolean on_device = (flags & MAP_CUDA) != 0;
  if (!on_device) fault("mapped_for_host");
  if (flags & GST_MAP_WRITE) fault("mapped_for_writing");
  if (on_device) surfaces[m->surface].maps++;
  g_mutex_unlock(&lock);
  return on_device ? address_of(m->surface) : NULL;
}
static void memory_unmap(GstMemory *memory, GstMapInfo *info) {
  Surface *s = &surfaces[((Memory *) memory)->surface];
  g_mutex_lock(&lock);
  if (info->flags & MAP_CUDA) s->maps--;
  if (s->maps == 0 && s->reads > 0) fault("released_while_read");
  g_mutex_unlock(&lock);
}
static void memory_free(GstAllocator *from, GstMemory *memory) {
  Memory *m = (Memory *) memory;
  (void) from;
  g_mutex_lock(&lock);
  if (surfaces[m->surface].reads > 0) fault("released_while_read");
  surfaces[m->surface].taken = FALSE;
  g_mutex_unlock(&lock);
  if (m->context) gst_object_unref(m->context);
  g_free(m);
}
static void allocator_class_init(gpointer class, gpointer data) {
  (void) data;
  ((GstAllocatorClass *) class)->free = memory_free;
}
static void allocator_init(GTypeInstance *instance, gpointer class) {
  (void) class;
  GstAllocator *self = (GstAllocator *) instance;
  self->mem_type = "CUDAMemory";
  self->mem_map = memory_map;
  self->mem_unmap_full = memory_unmap;
  GST_OBJECT_FLAG_SET(self, GST_ALLOCATOR_FLAG_CUSTOM_ALLOC);
}

/* ---- context ---- */
typedef struct { GstObject parent; void *handle; int device; } Context;
static GType context_type;
static GObjectClass *context_parent;
static void context_finalize(GObject *object) {
  g_mutex_lock(&lock);
  contexts -= contexts > 0;
  g_mutex_unlock(&lock);
  context_parent->finalize(object);
}
static void context_class_init(gpointer class, gpointer data) {
  (void) data;
  context_parent = g_type_class_peek_parent(class);
  ((GObjectClass *) class)->finalize = context_finalize;
}

static void make_types(void) {
  if (allocator_type) return;
  GTypeInfo a = { .class_size = sizeof(GstAllocatorClass), .class_init = allocator_class_init,
    .instance_size = sizeof(GstAllocator), .instance_init = allocator_init };
  allocator_type = g_type_register_static(GST_TYPE_ALLOCATOR, TYPE_NAME("StandinAllocator"), &a, 0);
  GTypeInfo c = { .class_size = sizeof(GstObjectClass), .class_init = context_class_init, .instance_size = sizeof(Context) };
  context_type = g_type_register_static(GST_TYPE_OBJECT, TYPE_NAME("StandinContext"), &c, 0);
  allocator = g_object_new(allocator_type, NULL);
  gst_object_ref_sink(allocator);
  device = mmap(NULL, (gsize) SURFACES * LARGEST, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/* ---- the library's own symbols ---- */
API gboolean gst_cuda_load_library(void) { loaded = has_driver; return loaded; }
API void gst_cuda_memory_init_once(void) { must_be_loaded(); make_types(); }
API GstObject *gst_cuda_context_new_wrapped(void *handle, int index) {
  must_be_loaded();
  make_types();
  if (!handle) { fault("wrapped_no_context"); return NULL; }
  Context *context = g_object_new(context_type, NULL);
  gst_object_ref_sink(context);
  context->handle = handle;
  context->device = index;
  g_mutex_lock(&lock);
  contexts++;
  shared = GST_OBJECT(context);
  g_mutex_unlock(&lock);
  return GST_OBJECT(context);
}
API GstContext *gst_context_new_cuda_context(GstObject *object) {
  must_be_loaded();
  GstContext *context = gst_context_new(CONTEXT_TYPE, TRUE);
  gst_structure_set(gst_context_writable_structure(context), CONTEXT_TYPE, context_type, object, "cuda-device-id", G_TYPE_UINT,
    (guint) ((Context *) object)->device, NULL);
  return context;
}
API gboolean gst_is_cuda_memory(GstMemory *memory) { must_be_loaded(); return memory && memory->allocator == allocator; }
#ifdef STANDIN_1_24
API void gst_cuda_memory_sync(GstMemory *memory) {
  must_be_loaded();
  g_mutex_lock(&lock);
  if (memory->allocator == allocator) surfaces[((Memory *) memory)->surface].unsynced = FALSE;
  g_mutex_unlock(&lock);
}
API void *gst_cuda_memory_get_stream(GstMemory *memory) { (void) memory; return NULL; }
#endif

/* ---- the device ---- */

/* Queues a kernel that reads a picture. Gives its number. */
API int standin_launch(guint64 luma, gsize luma_pitch, guint64 chroma, gsize chroma_pitch) {
  int id = -1;
  g_mutex_lock(&lock);
  gsize place = (gsize) luma - (gsize) device;
  if (!device || place >= (gsize) SURFACES * LARGEST) { fault("wrong_address"); goto done; }
  int surface = (int) (place / LARGEST);
  Surface *s = &surfaces[surface];
  gsize base = (gsize) address_of(surface);
  if (!s->taken || s->maps == 0) { fault("read_without_map"); goto done; }
  if (s->unsynced) fault("read_without_sync");
  for (int row = 0; row < s->height; row++)
    for (int column = 0; column < s->width; column++)
      if (byte_at(s, luma - base + row * luma_pitch + column) != (guint8) (3 * column + 5 * row + s->shade)) {
        fault("wrong_address");
        row = s->height - 1;
        break;
      }
  for (int row = 0; row < (s->height + 1) / 2; row++)
    for (int column = 0; column < (s->width + 1) / 2 * 2; column++)
      if (byte_at(s, chroma - base + row * chroma_pitch + column) != (guint8) (7 * column + 11 * row + s->shade)) {
        fault("wrong_address");
        row = s->height;
        break;
      }
  for (int n = 0; n < LAUNCHES && id < 0; n++)
    if (!launches[n].open) id = n;
  if (id >= 0) launches[id] = (Launch) { surface, TRUE }, s->reads++;
done:
  g_mutex_unlock(&lock);
  return id;
}
/* Ends a kernel. */
API void standin_finish(int id) {
  g_mutex_lock(&lock);
  if (id >= 0 && id < LAUNCHES && launches[id].open) {
    launches[id].open = FALSE;
    surfaces[launches[id].surface].reads--;
  }
  g_mutex_unlock(&lock);
}

/* ---- the decoder ---- */

/* A decoded picture in a free surface; NULL when the decoder would stand still. */
API GstBuffer *standin_picture(int width, int height, int shade) {
  must_be_loaded();
  make_types();
  int surface = -1, taken = 1;
  g_mutex_lock(&lock);
  for (int n = SURFACES - 1; n >= 0; n--)
    if (surfaces[n].taken) taken++; else surface = n;
  if (surface < 0) {
    fault("decoder_starved");
    g_mutex_unlock(&lock);
    return NULL;
  }
  if (taken > peak) peak = taken;
  surfaces[surface] = (Surface) { .taken = TRUE, .width = width, .height = height, .shade = shade };
#ifdef STANDIN_1_24
  surfaces[surface].unsynced = TRUE;
#endif
  Memory *memory = g_new0(Memory, 1);
  memory->surface = surface;
  memory->context = shared && contexts > 0 ? gst_object_ref(shared) : NULL;
  g_mutex_unlock(&lock);
  gsize size = SURFACE_BYTES(width, height);
  gst_memory_init(GST_MEMORY_CAST(memory), GST_MEMORY_FLAG_NO_SHARE, allocator, NULL, size, 0, 0, size);
  GstBuffer *buffer = gst_buffer_new();
  gst_buffer_append_memory(buffer, GST_MEMORY_CAST(memory));
  gsize offsets[4] = { 0, CHROMA_AT(width, height) };
  gint strides[4] = { PITCH(width), PITCH(width) };
  gst_buffer_add_video_meta_full(buffer, 0, GST_VIDEO_FORMAT_NV12, width, height, 2, offsets, strides);
  return buffer;
}

typedef struct { GstElement parent; GstPad *sink, *src; int width, height, shade; GstContext *context; } Decoder;
static GType decoder_type;
static GstElementClass *decoder_parent;
static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
  GST_STATIC_CAPS("video/x-h264, stream-format=byte-stream, alignment=au"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS,
  GST_STATIC_CAPS("video/x-raw(memory:CUDAMemory), format=NV12"));

static GstFlowReturn decoder_chain(GstPad *pad, GstObject *parent, GstBuffer *unit) {
  Decoder *self = (Decoder *) parent;
  (void) pad;
  GstBuffer *picture = standin_picture(self->width, self->height, self->shade++);
  if (picture) gst_buffer_copy_into(picture, unit, GST_BUFFER_COPY_TIMESTAMPS, 0, -1);
  gst_buffer_unref(unit);
  return picture ? gst_pad_push(self->src, picture) : GST_FLOW_OK;
}
static gboolean decoder_event(GstPad *pad, GstObject *parent, GstEvent *event) {
  Decoder *self = (Decoder *) parent;
  if (GST_EVENT_TYPE(event) != GST_EVENT_CAPS) return gst_pad_event_default(pad, parent, event);
  GstCaps *from;
  gst_event_parse_caps(event, &from);
  GstStructure *s = gst_caps_get_structure(from, 0);
  gst_structure_get_int(s, "width", &self->width);
  gst_structure_get_int(s, "height", &self->height);
  GstCaps *caps = gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, "NV12", "width", G_TYPE_INT, self->width, "height",
    G_TYPE_INT, self->height, "framerate", GST_TYPE_FRACTION, 30, 1, NULL);
  gst_caps_set_features(caps, 0, gst_caps_features_new("memory:CUDAMemory", NULL));
  gst_event_unref(event);
  gboolean ok = gst_pad_set_caps(self->src, caps);
  gst_caps_unref(caps);
  return ok;
}
static void decoder_set_context(GstElement *element, GstContext *context) {
  if (gst_context_has_context_type(context, CONTEXT_TYPE)) gst_context_replace(&((Decoder *) element)->context, context);
  decoder_parent->set_context(element, context);
}
static GstStateChangeReturn decoder_change_state(GstElement *element, GstStateChange change) {
  Decoder *self = (Decoder *) element;
  if (change == GST_STATE_CHANGE_NULL_TO_READY) {
    if (!self->context)
      gst_element_post_message(element, gst_message_new_need_context(GST_OBJECT(element), CONTEXT_TYPE));
    GObject *object = NULL;
    if (self->context) gst_structure_get(gst_context_get_structure(self->context), CONTEXT_TYPE, context_type, &object, NULL);
    if (!object || GST_OBJECT(object) != shared) fault("own_context");
    if (object) g_object_unref(object);
  }
  return decoder_parent->change_state(element, change);
}
static void decoder_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec) {
  (void) object, (void) id, (void) spec;
  g_value_set_uint(value, 0);
}
static void decoder_finalize(GObject *object) {
  gst_context_replace(&((Decoder *) object)->context, NULL);
  G_OBJECT_CLASS(decoder_parent)->finalize(object);
}
static void decoder_class_init(gpointer class, gpointer data) {
  (void) data;
  GstElementClass *element = class;
  decoder_parent = g_type_class_peek_parent(class);
  G_OBJECT_CLASS(class)->get_property = decoder_get_property;
  G_OBJECT_CLASS(class)->finalize = decoder_finalize;
  g_object_class_install_property(class, 1, g_param_spec_uint("cuda-device-id", "id", "id", 0, 64, 0, G_PARAM_READABLE));
  element->change_state = decoder_change_state;
  element->set_context = decoder_set_context;
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_add_static_pad_template(element, &src_template);
  gst_element_class_set_static_metadata(element, "stand-in", "Decoder/Video", "pattern", "tests");
}
static void decoder_init(GTypeInstance *instance, gpointer class) {
  (void) class;
  Decoder *self = (Decoder *) instance;
  self->sink = gst_pad_new_from_static_template(&sink_template, "sink");
  self->src = gst_pad_new_from_static_template(&src_template, "src");
  gst_pad_set_chain_function(self->sink, decoder_chain);
  gst_pad_set_event_function(self->sink, decoder_event);
  gst_pad_use_fixed_caps(self->src);
  gst_element_add_pad(GST_ELEMENT(self), self->sink);
  gst_element_add_pad(GST_ELEMENT(self), self->src);
}

/* ---- the test's side ---- */

/* A fresh machine: nothing loaded, nothing noted. The decoder is registered at the first time. */
API void standin_reset(int with_driver) {
  if (!decoder_type) {
    GTypeInfo info = { .class_size = sizeof(GstElementClass), .class_init = decoder_class_init, .instance_size = sizeof(Decoder),
      .instance_init = decoder_init };
    decoder_type = g_type_register_static(GST_TYPE_ELEMENT, TYPE_NAME("StandinDecoder"), &info, 0);
    gst_element_register(NULL, DECODER, GST_RANK_NONE, decoder_type);
  }
  g_mutex_lock(&lock);
  has_driver = with_driver;
  loaded = FALSE;
  faults[0] = 0;
  peak = contexts = 0;
  for (int n = 0; n < SURFACES; n++) surfaces[n].taken = FALSE;
  g_mutex_unlock(&lock);
}
API const char *standin_faults(void) { return faults; }
API int standin_contexts(void) { return contexts; }
API int standin_peak(void) { return peak; }
API int standin_surfaces_out(void) {
  int out = 0;
  g_mutex_lock(&lock);
  for (int n = 0; n < SURFACES; n++) out += surfaces[n].taken;
  g_mutex_unlock(&lock);
  return out;
}
