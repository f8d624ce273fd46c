// The operators' calls in a recording; the tuner measures one of them. A dispatch belongs to the last call of
// fm_stream_choose() if the dispatch has that operator's name, or a name that begins with it
// ("expert_down_sum"), or if the operator joined the dispatch to the call (fm_stream_join).
#ifndef FM_GPU_CALLS_H
#define FM_GPU_CALLS_H
#include "gpu/variant.h"
#include <stdbool.h>

// Do two calls have the same operator, shape and number of tokens?
bool fm_same_call(const struct fm_call *a, const struct fm_call *b);

// The equal calls in a recording: how many there are, and the sum of their dispatches' estimates.
struct fm_stream_call {
    struct fm_call call;
    uint32_t n;
    double flops, bytes;
};
// Lists the recording's calls in the order of their first dispatches; free() the list. False: out of memory,
// or the recording has failed.
bool fm_stream_calls(
    const struct fathom_stream *stream, struct fm_stream_call **list, size_t *n, struct fathom_error *err);

// Call after fathom_stream_begin(): the stream keeps only the dispatches of the first max_calls calls that
// equal `call`.
void fm_stream_only(struct fathom_stream *stream, const struct fm_call *call, uint32_t max_calls);
// Returns the number of calls kept. *choice is the choice of the last one; if the operator did not follow
// fm_stream_choose(), the variant is the dispatch's.
uint32_t fm_stream_kept(const struct fathom_stream *stream, struct fm_choice *choice);

// A range that dispatches of the recording write, according to their shaders.
struct fm_write {
    struct fathom_view view;
    bool floats;   // float32; else words
    bool in_place; // a dispatch of the recording reads some of the range through another binding
};
// Lists all different ranges; free() the list.
bool fm_stream_writes(
    const struct fathom_stream *stream, struct fm_write **list, size_t *n, struct fathom_error *err);
#endif
