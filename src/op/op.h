// Shared by the operators' host files: checks of arguments, and the binding of views. All failures are sticky
// in the stream and name the operator, the argument, and the numbers.
#ifndef FM_OP_OP_H
#define FM_OP_OP_H
#include "gpu/dispatch.h"
#include "gpu/watched.h"
#include <stdint.h>

// An operator and its variants; the first one is the plain variant. Each operator's file in src/op/<family>
// defines one; src/op/table.c lists them all.
struct fm_op {
    const char *name;
    const struct fm_variant *variants;
    size_t n_variants;
};
extern const struct fm_op *const fm_ops[];
extern const size_t fm_n_ops;
const struct fm_op *fm_op_find(const char *name); // NULL: no such operator
// A call's shape for a person: "Q8_0 1 x 768 x 256".
void fm_op_describe(const struct fm_call *call, char *text, size_t size);

// Properties of a call, for fm_call.is and fm_variant.takes. An operator computes the properties that its
// rows ask for.
enum {
    FM_CALL_ALIGNED = 1 << 0, // the activations start at a multiple of four numbers
    FM_CALL_BLOCKS = 1 << 1,  // a row of the weights is whole blocks of 32 columns
    FM_CALL_PACKED = 1 << 2,  // the weights are small integers times a scale (fm_op_packed)
    FM_CALL_UNITS = 1 << 3,   // the weights can be read by columns (fm_columns_take)
    FM_CALL_EXPERTS = 1 << 4, // the weights are several experts, or none; no slice cuts an expert
    FM_CALL_SCRATCH = 1 << 5, // the call has scratch for at least one token
    FM_CALL_TILES = 1 << 6,   // the tiles of matrix units fit the device's shared memory
    FM_CALL_ENDS = 1 << 7,    // loops over the positions end before the driver's limit of rounds
};

// What an operator knows of a variant when it records (fm_variant.does).
enum {
    FM_DOES_NORM = 1 << 0,    // the last workgroup can norm the result: constant NORM, three more bindings
    FM_DOES_ADDRESS = 1 << 1, // reads weights by address; each weight must have one (op/matmul/columns.h)
    FM_DOES_GROUP = 1 << 2,   // takes tokens expert by expert
    FM_DOES_SPLITS = 1 << 3,  // takes splits of the cache, and merges them (op/attention/attention_split.h)
    FM_DOES_MERGE = 1 << 4,   // the last workgroup can merge: constant MERGE_LAST, a binding of counters
    FM_DOES_HALVES = 1 << 5,  // expands keys and values to float16
};

// The parameters of a call, as this version of the library knows them: `params`, or a copy in the calling
// function where the program was compiled with another size. NULL with the stream failed when they are
// refused.
#define FM_OP_PARAMS(stream, op, type, params) \
    fm_op_params(stream, op, params, &(struct type){.size = sizeof(struct type)}, sizeof(struct type))
const void *fm_op_params(
    struct fathom_stream *stream, const char *op, const void *params, void *known, size_t size);

// The most workgroups in one dimension that every device takes. Shaders loop over the rest.
enum { FM_MAX_GROUPS = 65535 };

// n / per_group, rounded up; at most FM_MAX_GROUPS.
uint32_t fm_op_groups(uint64_t n, uint32_t per_group);

// For strides: `value`, or `otherwise` if `value` is zero.
uint32_t fm_op_default(uint32_t value, uint32_t otherwise);

// The size of a workgroup whose invocations reduce together: `wanted`, or one subgroup on a CPU. A barrier on
// a CPU costs more than a larger workgroup gains.
uint32_t fm_op_lanes(const struct fathom_gpu_info *info, uint32_t wanted);

// The size of a workgroup whose invocations have rows of their own: at most one subgroup.
uint32_t fm_op_row_lanes(const struct fathom_gpu_info *info);

// Does an invocation have half as many registers as on other cards? True for narrow subgroups, which Intel's
// compiler has.
bool fm_op_few_registers(const struct fathom_gpu_info *info);

// The number of words from the first to the last of n_a (times n_b) rows of `n` words with strides `a` (and
// `b`). n_a and n_b are not zero.
uint64_t fm_op_span(uint32_t n_a, uint32_t a, uint32_t n);
uint64_t fm_op_span2(uint32_t n_a, uint32_t a, uint32_t n_b, uint32_t b, uint32_t n);

// Checks that `view` has a buffer and holds n_words 32-bit words that one binding can address. *bound becomes
// the view to bind: those words, and a start that the device allows. *base becomes the index of the view's
// first word in *bound.
bool fm_op_bind(struct fathom_stream *stream, const char *op, const char *name, struct fathom_view view,
    uint64_t n_words, struct fathom_view *bound, uint32_t *base);

// Checks a weight: the weight is given, its type is known, its slices cover all rows.
bool fm_op_weight(
    struct fathom_stream *stream, const char *op, const char *name, const struct fathom_weight *w);

// Are the type's elements small integers times a scale? Integer dot products take these types.
bool fm_op_packed(enum fathom_type type);

// Fails unless `value` is a non-zero multiple of `unit`.
bool fm_op_multiple(
    struct fathom_stream *stream, const char *op, const char *name, uint32_t value, uint32_t unit);

// Fails unless eps is finite and not negative.
bool fm_op_eps(struct fathom_stream *stream, const char *op, float eps);

// fm_op_bind for a table of cosines and sines. *n_positions becomes the number of its rows, which is at least
// n_tokens.
bool fm_op_rope_table(struct fathom_stream *stream, const char *op, struct fathom_view view,
    uint32_t n_tokens, uint32_t n_rope, struct fathom_view *bound, uint32_t *base, uint32_t *n_positions);
#endif
