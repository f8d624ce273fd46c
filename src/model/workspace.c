#include "model/workspace.h"
#include <stddef.h>

enum { COUNTERS = 20, SCRATCH, LOGITS, N_BUFFERS, MAX_LOGITS = 64 /* tokens that the head takes at once */ };
#define SCRATCH_BYTES (64ull << 20) // for many tokens at once; one token's attention may need more

// Where each buffer's view lives, in the order of sizes().
static struct fathom_view *view_at(struct fm_workspace *ws, int i) {
    struct fathom_view *views[N_BUFFERS] = {&ws->x, &ws->normed, &ws->q_latent, &ws->q, &ws->q_absorbed, &ws->kv, &ws->context, &ws->attended,
        &ws->h, &ws->expert_ids, &ws->expert_weights, &ws->index_q, &ws->index_k, &ws->index_weights, &ws->selected, &ws->branch,
        &ws->mix_logits, &ws->mix, &ws->pool_kv, &ws->pool_gate, &ws->counters, &ws->scratch, &ws->logits};
    return views[i];
}

static uint64_t max64(uint64_t a, uint64_t b) { return a > b ? a : b; }
static uint64_t min64(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint32_t logits_at_once(const struct fm_hparams *hp, uint32_t n_tokens, uint64_t max_range) {
    const uint64_t fit = max64(max_range / (4ull * hp->n_vocab), 1);
    return (uint32_t)min64(min64(n_tokens, MAX_LOGITS), fit);
}

uint32_t fm_attended_rows(const struct fm_hparams *hp, uint32_t n_positions) {
    if (!hp->window) return n_positions;
    uint32_t most = 0;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        const uint32_t n = hp->ratios[i] ? n_positions / hp->ratios[i] : 0, chosen = hp->ratios[i] == FM_INDEXED_RATIO &&
            n > hp->index_top_k ? hp->index_top_k : n;
        if (chosen > most) most = chosen;
    }
    return most + (n_positions < hp->window ? n_positions : hp->window);
}

// Bytes of the buffers whose size grows with the chunk alone, then of the scratch of attention and the logits.
static void sizes(const struct fm_hparams *hp, uint64_t T, uint32_t n_positions, bool exact, uint64_t max_range, uint64_t bytes[N_BUFFERS]) {
    const uint64_t heads = hp->n_heads, n_h = max64(hp->n_dense_inter, (uint64_t)hp->n_expert_inter * (hp->n_experts_used + hp->n_experts_shared));
    const uint64_t latent = hp->n_kv ? 0 : hp->kv_rank + (hp->window ? 0 : hp->n_rope), streams = hp->window ? FATHOM_STREAMS : 0; // of DeepSeek-V4
    const uint64_t pooled = hp->window ? (hp->n_indexed ? 2 : 1) * max64(hp->kv_rank, hp->n_index) : 0;
    const uint64_t floats[] = {T * hp->n_hidden * max64(streams, 1), T * hp->n_hidden, T * hp->q_rank,
        T * (hp->n_kv ? (heads + 2ull * hp->n_kv) * hp->n_value : heads * (hp->n_nope + hp->n_rope)),
        streams ? 0 : T * heads * latent, T * latent, T * heads * hp->kv_rank,
            streams ? T * hp->n_out_groups * hp->out_rank : T * heads * hp->n_value, T * n_h,
        T * hp->n_experts_used, T * hp->n_experts_used, T * hp->n_index_heads * hp->n_index, T * hp->n_index, T * hp->n_index_heads, T * hp->index_top_k,
        streams ? T * hp->n_hidden : 0, streams ? T * FATHOM_MIX_LOGITS : 0, streams ? T * FATHOM_MIX : 0, T * pooled, T * pooled};
    for (size_t i = 0; i < sizeof(floats) / sizeof(*floats); i++) bytes[i] = 4 * max64(floats[i], 1);
    bytes[COUNTERS] = max64(hp->n_experts ? fathom_expert_gate_scratch((uint32_t)T, hp->n_experts) : 0, 4 * T * heads);
    const uint64_t one = hp->n_kv ? fathom_grouped_attention_scratch(hp->n_heads, hp->n_value, n_positions)
                                  : fathom_latent_attention_scratch(hp->n_heads, hp->kv_rank, fm_attended_rows(hp, n_positions));
    bytes[SCRATCH] = max64(one, min64(one * T, min64(SCRATCH_BYTES, max_range)));
    if (!exact && T > 1 && !hp->n_kv && !hp->window)
        bytes[SCRATCH] = max64(bytes[SCRATCH], fathom_expanded_attention_scratch((uint32_t)T, hp->n_heads, hp->n_nope, hp->n_rope, hp->n_value));
    if (hp->index_top_k) bytes[SCRATCH] = max64(bytes[SCRATCH], min64(4ull * n_positions * T, max64(4ull * n_positions, min64(SCRATCH_BYTES,
        max_range)))); // scores
    // the down projection groups tokens by expert in it, all of them at once where it fits
    if (!exact && hp->n_experts)
        bytes[SCRATCH] = max64(bytes[SCRATCH], min64(SCRATCH_BYTES, fathom_expert_down_scratch((uint32_t)T, hp->n_experts_used, hp->n_hidden)));
    bytes[LOGITS] = 4ull * hp->n_vocab * logits_at_once(hp, (uint32_t)T, max_range);
}

uint32_t fm_workspace_max_tokens(const struct fm_hparams *hp, uint64_t max_range, uint32_t wanted) {
    for (uint32_t n = wanted; n > 0; n = n > 16 ? n - 16 : n - 1) {
        uint64_t bytes[N_BUFFERS], largest = 0;
        sizes(hp, n, 1, true, max_range, bytes); // scratch is cut to fit, or not shared by tokens
        for (int i = 0; i < SCRATCH; i++) largest = max64(largest, bytes[i]);
        if (largest <= max_range) return n;
    }
    return 0;
}

uint64_t fm_workspace_size(const struct fm_hparams *hp, uint32_t n_tokens, uint32_t n_positions, bool exact, uint64_t max_range) {
    uint64_t bytes[N_BUFFERS], total = 0;
    sizes(hp, n_tokens, n_positions, exact, max_range, bytes);
    for (int i = 0; i < N_BUFFERS; i++) total += bytes[i];
    return total;
}

bool fm_workspace_create(struct fathom_gpu *gpu, const struct fm_hparams *hp, uint32_t n_tokens, uint32_t n_positions, bool exact,
    struct fm_workspace *ws, struct fathom_error *err) {
    const uint64_t max_range = fathom_gpu_get_info(gpu)->max_storage_range;
    *ws = (struct fm_workspace){.n_tokens = n_tokens, .n_logits = logits_at_once(hp, n_tokens, max_range)};
    uint64_t bytes[N_BUFFERS];
    sizes(hp, n_tokens, n_positions, exact, max_range, bytes);
    for (int i = 0; i < N_BUFFERS; i++) {
        ws->buffers[i] = fathom_buffer_create(gpu, bytes[i], FATHOM_MEMORY_DEVICE, err);
        if (!ws->buffers[i]) return fm_workspace_free(ws), false;
        *view_at(ws, i) = fathom_buffer_view(ws->buffers[i]);
    }
    return true;
}

void fm_workspace_free(struct fm_workspace *ws) {
    for (int i = 0; i < N_BUFFERS; i++) fathom_buffer_destroy(&ws->buffers[i]);
    *ws = (struct fm_workspace){0};
}
