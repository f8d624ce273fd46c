// A dispatch, which an operator appends to a stream: a shader and its constants, the views in binding order,
// the argument block, a size.
#ifndef FM_GPU_DISPATCH_H
#define FM_GPU_DISPATCH_H
#include "base/error.h"
#include "gpu/variant.h"
#include "shaders/include/bindings.h"
#include <stdbool.h>

// FM_MAX_BINDINGS: of views. After them come buffers of the gpu's own, which the stream binds.
enum { FM_MAX_BINDINGS = FM_GRIDS_BINDING, FM_END_BINDINGS = FM_TILES_BINDING + 1 };
enum { FM_MAX_ARGS = 128 /* bytes, the least that Vulkan promises */, FM_TILES_SIZE = 32 /* bytes */ };

struct fm_dispatch {
    const char *op; // "matmul"
    const struct fm_variant *variant;
    struct fm_constant constants[FM_MAX_SPEC + 1]; // each of the shader's, once; up to one without a name
    uint32_t subgroup_size; // required (needs FATHOM_CAP_SUBGROUP_SIZE_CONTROL); 0: the driver's choice
    struct fathom_view
        views[FM_MAX_BINDINGS]; // in binding order; binding i of the shader is views[i]. A view with buffer
                                // NULL is for a binding that the constants switch off; others stand in.
    uint32_t n_views;
    const void *args; // argument block (push constants), copied
    uint32_t args_size;
    uint32_t groups[3];          // workgroups
    struct fathom_view indirect; // uint32[3] in place of groups; buffer NULL: direct
    double flops, bytes;         // estimate, for splitting submits and for the roofline
};

// Adds the constants up to one without a name. What does not fit is dropped: then one of the rest is no
// constant of the shader, or is there twice, and the stream refuses it.
void fm_dispatch_add(struct fm_dispatch *dispatch, const struct fm_constant *constants);

// Views are read or written as the shader's readonly and writeonly say. A view
// must start at a multiple of info.storage_alignment: operators call fm_stream_align first
// and pass the remainder in their arguments. An error: a constant that the shader does not know, one that is
// given twice, one that is missing.
void fm_stream_dispatch(struct fathom_stream *stream, const struct fm_dispatch *dispatch);

// Chooses the variant of an operator's call, as fm_variant_choose() does. The dispatches that follow belong
// to the call; see gpu/calls.h.
struct fm_choice fm_stream_choose(struct fathom_stream *stream, const struct fm_call *call,
    const struct fm_variant *table, size_t n_rows, uint32_t n_tokens);

// While `join` is set, dispatches of any name belong to the last call of fm_stream_choose(). For an operator
// that calls another operator for a part which its other variants do themselves. See gpu/calls.h.
void fm_stream_join(struct fathom_stream *stream, bool join);

// Where a view begins, for shaders that read by address (FATHOM_CAP_DEVICE_ADDRESS). It is bound as well: for
// barriers, and for its length.
uint64_t fm_view_address(struct fathom_view view);

// Rounds *view down to an offset that may be bound, and returns the words (4 bytes) between it and the old
// offset. Operators pass that count in their arguments (`x_base` and so on) and add it to every index.
uint32_t fm_stream_align(const struct fathom_stream *stream, struct fathom_view *view);

// Sticky error of a stream. Returns false.
bool fm_stream_fail(struct fathom_stream *stream, enum fathom_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
struct fathom_gpu *fm_stream_gpu(const struct fathom_stream *stream);
bool fm_gpu_is_exact(const struct fathom_gpu *gpu);
const struct fathom_gpu_params *fm_gpu_params(const struct fathom_gpu *gpu);
// fathom_gpu_params.timers, for this stream's recordings from now on.
void fm_stream_set_timers(struct fathom_stream *stream, bool timers);
// The command buffers of a finished stream, each of which is a submit.
uint32_t fm_stream_buffers(const struct fathom_stream *stream);
#endif
