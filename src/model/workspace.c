#include "model/arch/arch.h"
#include <string.h>

enum { COUNTERS = FM_N_ACTIVATIONS, SCRATCH, LOGITS, MAX_LOGITS = 64 /* tokens in one call of the head */ };
#define SCRATCH_BYTES (64ull << 20) // limit for many tokens at once; one token's attention may need more

static uint64_t max64(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}
static uint64_t min64(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint32_t logits_at_once(const struct fm_hparams *hp, uint32_t n_tokens, uint64_t max_range) {
    const uint64_t fit = max64(max_range / (4ull * hp->n_vocab), 1);
    return (uint32_t)min64(min64(n_tokens, MAX_LOGITS), fit);
}

// Words per token of the buffers that all models have and of the architecture's own.
static struct fm_widths all_widths(const struct fm_hparams *hp) {
    const uint64_t n_slots = hp->n_experts_used + hp->n_experts_shared;
    struct fm_widths w = {
        .x = (uint64_t)hp->n_hidden * hp->n_streams,
        .normed = hp->n_hidden,
        .h = max64(hp->n_dense_inter, hp->n_expert_inter * n_slots),
        .expert_ids = hp->n_experts_used,
        .expert_places = hp->n_experts_used,
        .expert_weights = hp->n_experts_used,
        .index_q = (uint64_t)hp->n_index_heads * hp->n_index,
        .index_k = hp->n_index,
        .index_weights = hp->n_index_heads,
        .selected = hp->index_top_k,
    };
    hp->arch->widths(hp, &w);
    return w;
}

// Bytes of every buffer: those whose size grows with the chunk alone, then the counters, the scratch and the
// logits.
static void sizes(const struct fm_hparams *hp, uint64_t T, uint32_t n_positions, bool exact,
    uint64_t max_range, uint64_t bytes[FM_N_WORKSPACE]) {
    const struct fm_widths widths = all_widths(hp);
    memcpy(bytes, &widths, sizeof(widths));
    for (int i = 0; i < FM_N_ACTIVATIONS; i++) bytes[i] = 4 * max64(T * bytes[i], 1);
    bytes[COUNTERS] = max64(
        hp->n_experts ? fathom_expert_gate_scratch((uint32_t)T, hp->n_experts) : 0, 4 * T * hp->n_heads);
    const uint64_t one = hp->arch->scratch(hp, n_positions);
    bytes[SCRATCH] = max64(one, min64(one * T, min64(SCRATCH_BYTES, max_range)));
    if (!exact && T > 1 && hp->arch->chunk_scratch)
        bytes[SCRATCH] = max64(bytes[SCRATCH], hp->arch->chunk_scratch(hp, (uint32_t)T));
    if (hp->index_top_k)
        bytes[SCRATCH] = max64(bytes[SCRATCH],
            min64(4ull * n_positions * T,
                max64(4ull * n_positions,
                    min64(SCRATCH_BYTES,
                        max_range)))); // the indexer's scores
    // the down projection groups tokens by expert in the scratch; all of them at once if they fit beside what
    // a binding's alignment may take
    if (!exact && hp->n_experts)
        bytes[SCRATCH] = max64(bytes[SCRATCH],
            min64(SCRATCH_BYTES,
                256 + fathom_expert_down_scratch((uint32_t)T, hp->n_experts_used, hp->n_hidden)));
    bytes[LOGITS] = 4ull * hp->n_vocab * logits_at_once(hp, (uint32_t)T, max_range);
}

uint32_t fm_workspace_max_tokens(const struct fm_hparams *hp, uint64_t max_range, uint32_t wanted) {
    for (uint32_t n = wanted; n > 0; n = n > 16 ? n - 16 : n - 1) {
        uint64_t bytes[FM_N_WORKSPACE], largest = 0;
        sizes(hp, n, 1, true, max_range, bytes); // scratch is limited to max_range, or is one token's
        for (int i = 0; i < SCRATCH; i++) largest = max64(largest, bytes[i]);
        if (largest <= max_range) return n;
    }
    return 0;
}

uint64_t fm_workspace_size(
    const struct fm_hparams *hp, uint32_t n_tokens, uint32_t n_positions, bool exact, uint64_t max_range) {
    uint64_t bytes[FM_N_WORKSPACE], total = 0;
    sizes(hp, n_tokens, n_positions, exact, max_range, bytes);
    for (int i = 0; i < FM_N_WORKSPACE; i++) total += bytes[i];
    return total;
}

#define FM_AT(name) &ws->name,
bool fm_workspace_create(struct fathom_gpu *gpu, const struct fm_hparams *hp, uint32_t n_tokens,
    uint32_t n_positions, bool exact, struct fm_workspace *ws, struct fathom_error *err) {
    const uint64_t max_range = fathom_gpu_get_info(gpu)->max_storage_range;
    *ws = (struct fm_workspace){.n_tokens = n_tokens, .n_logits = logits_at_once(hp, n_tokens, max_range)};
    uint64_t bytes[FM_N_WORKSPACE];
    sizes(hp, n_tokens, n_positions, exact, max_range, bytes);
    struct fathom_view *views[] = {FM_ACTIVATIONS(FM_AT) & ws->counters, &ws->scratch, &ws->logits};
    for (int i = 0; i < FM_N_WORKSPACE; i++) {
        ws->buffers[i] = fathom_buffer_create(gpu, bytes[i], FATHOM_MEMORY_DEVICE, err);
        if (!ws->buffers[i]) return fm_workspace_free(ws), false;
        *views[i] = fathom_buffer_view(ws->buffers[i]);
    }
    return true;
}

void fm_workspace_free(struct fm_workspace *ws) {
    for (int i = 0; i < FM_N_WORKSPACE; i++) fathom_buffer_destroy(&ws->buffers[i]);
    *ws = (struct fm_workspace){0};
}
