// The calls that a recording is made of, for who measures one of them. A dispatch is part of the last call
// that asked fm_variant_choose(), where it has that operator's name, or one that begins with it
// ("expert_down_sum"), or the operator joined it (fm_stream_join).
#ifndef FM_GPU_CALLS_H
#define FM_GPU_CALLS_H
#include "gpu/variant.h"
#include <stdbool.h>

bool fm_same_call(const struct fm_call *a, const struct fm_call *b); // operator, shape and number of tokens

// Calls of one operator, shape and number of tokens in a recording, and the estimates of all their
// dispatches.
struct fm_stream_call {
    struct fm_call call;
    uint32_t n;
    double flops, bytes;
};
// The recording's calls in the order of their first dispatches; free() the list. False: memory, or the
// recording has failed.
bool fm_stream_calls(
    const struct fathom_stream *stream, struct fm_stream_call **list, size_t *n, struct fathom_error *err);

// After fathom_stream_begin: of what is recorded, only the dispatches of the first max_calls calls like
// `call` are kept.
void fm_stream_only(struct fathom_stream *stream, const struct fm_call *call, uint32_t max_calls);
// How many calls were kept, and what ran the last one: where the operator did not follow fm_variant_choose(),
// the variant of its dispatch.
uint32_t fm_stream_kept(const struct fathom_stream *stream, struct fm_choice *choice);

// A range that the recording's dispatches write, as their shaders say.
struct fm_write {
    struct fathom_view view;
    bool floats;   // float32; else words
    bool in_place; // another binding of the recording's dispatches reads some of it
};
// All different ranges; free() the list.
bool fm_stream_writes(
    const struct fathom_stream *stream, struct fm_write **list, size_t *n, struct fathom_error *err);
#endif
