// Shared by the tests of the expert operators: random choices, and dot products in double precision and in
// the plain variants' order.
#ifndef TEST_EXPERT_H
#define TEST_EXPERT_H
#include "op/experts/expert_slice.h"
#include "ops/harness.h"
#include <fathom/ops.h>
#include <math.h>
#include <string.h>

struct expert_dot {
    double value, bound; // bound: for any order of additions in float32, and for what the variant rounds
    float twin;          // the result of the plain variant
};

// Row `row` of the stored weight times x[n_cols]
static inline struct expert_dot expert_dot(const struct op_test *test, const struct fathom_weight *w,
    const uint8_t *bytes, uint64_t row, const float *x) {
    const uint8_t *stored = bytes + row * fathom_row_size(w->type, w->n_cols);
    float lanes[32] = {0}, elements[16384];
    assert_true(w->n_cols <= 16384);
    exact_row(w->type, stored, w->n_cols, elements);
    double sum = 0, magnitude = 0;
    for (uint32_t k = 0; k < w->n_cols; k++) {
        const float v = elements[k];
        lanes[k / 4 % 32] = lanes[k / 4 % 32] + v * x[k];
        sum += (double)v * x[k];
        magnitude += fabs((double)v * x[k]);
    }
    for (uint32_t half_n = 16; half_n; half_n /= 2)
        for (uint32_t i = 0; i < half_n; i++) lanes[i] = lanes[i] + lanes[i + half_n];
    const double bytes_error = test->bytes ? op_bytes_error(elements, x, w->n_cols) : 0;
    return (struct expert_dot){
        sum, ((w->n_cols + 4) * 0x1p-24 + test->rounding) * magnitude + bytes_error, lanes[0]};
}

// top_k different experts for each token, ascending; the first tokens get the first and the last experts
static inline uint32_t *expert_choices(
    struct op_test *test, uint32_t n_tokens, uint32_t top_k, uint32_t n_experts) {
    uint32_t *ids = op_alloc(test, ((size_t)n_tokens * top_k + 1) * sizeof(*ids));
    for (uint32_t t = 0; t < n_tokens; t++)
        for (uint32_t e = 0, s = 0; e < n_experts && s < top_k; e++) {
            const uint32_t left = n_experts - e, wanted = top_k - s;
            if (t == 0 || left == wanted || (t > 1 && op_random(test) % left < wanted))
                ids[t * top_k + s++] = e;
        }
    return ids;
}

// Experts in slots: the needed experts in ascending order, n_slots a round, at any slot of the round.
struct expert_places {
    uint32_t n_slots, n_rounds;
    uint32_t *held;   // [n_rounds][n_slots]: expert + 1, 0: none
    uint32_t *places; // of each choice
};

static inline struct expert_places expert_places(
    struct op_test *test, const uint32_t *ids, uint32_t n_choices, uint32_t n_experts, uint32_t n_slots) {
    uint32_t *place_of = op_alloc(test, n_experts * sizeof(*place_of)), n = 0;
    struct expert_places p = {n_slots, 0, op_alloc(test, 4 * (n_experts + n_slots)), NULL};
    p.places = op_alloc(test, 4 * (n_choices + (size_t)1));
    for (uint32_t i = 0; i < n_choices; i++) place_of[ids[i]] = 1;
    for (uint32_t e = 0; e < n_experts; e++) {
        if (!place_of[e]) continue;
        place_of[e] = n / n_slots * n_slots + (n + 5) % n_slots; // any bijection of a round's slots
        p.held[place_of[e]] = e + 1;
        n++;
    }
    for (uint32_t i = 0; i < n_choices; i++) p.places[i] = place_of[ids[i]];
    p.n_rounds = (n + n_slots - 1) / n_slots;
    return p;
}

// A weight with a slice for each round. The slices are buffers of their own, so that one recording takes all
// rounds. Slots that hold no expert are NaNs. `bytes` as from op_weight(). NULL if a slice is longer than a
// binding or than whole words.
static inline const struct fathom_weight *expert_pool(struct op_test *test, const struct fathom_weight *w,
    const uint8_t *bytes, const struct expert_places *p) {
    const uint64_t matrix = fathom_row_size(w->type, w->n_cols) * w->n_rows;
    const size_t n_words = (size_t)(matrix * p->n_slots / 4);
    if (matrix % 4 || 4 * n_words > test->info->max_storage_range) return NULL;
    const uint32_t offset_words = test->offset_words; // weights are bound where they begin
    test->offset_words = test->info->storage_alignment > 16 ? test->info->storage_alignment / 4 : 4;
    struct fathom_slice *slices = op_alloc(test, p->n_rounds * sizeof(*slices));
    for (uint32_t round = 0; round < p->n_rounds; round++) {
        uint8_t *data = op_alloc(test, 4 * n_words);
        memset(data, 0xff, 4 * n_words);
        for (uint32_t s = 0; s < p->n_slots; s++) {
            const uint32_t held = p->held[round * p->n_slots + s];
            if (held) memcpy(data + s * matrix, bytes + (held - 1) * matrix, matrix);
        }
        slices[round] = (struct fathom_slice){
            op_input(test, data, n_words), round * p->n_slots * w->n_rows, p->n_slots * w->n_rows};
    }
    test->offset_words = offset_words;
    struct fathom_weight *pool = op_alloc(test, sizeof(*pool));
    *pool =
        (struct fathom_weight){w->type, p->n_rounds * p->n_slots, w->n_rows, w->n_cols, p->n_rounds, slices};
    return pool;
}

// The numbers of slots to try: one round; rounds of as few experts as a token has.
static inline uint32_t expert_slots(uint32_t trial, uint32_t n_experts, uint32_t top_k) {
    return trial == 0 ? n_experts : trial == 1 ? top_k : (n_experts + top_k) / 2;
}

// Does a weight of this shape fit the pretended slices, matrix by matrix?
static inline bool expert_fits(enum fathom_type type, uint32_t n_rows, uint32_t n_cols, uint64_t range) {
    return fathom_row_size(type, n_cols) * n_rows <= range;
}
#endif
