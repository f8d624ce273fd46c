#include "engine/read_ahead.h"
#include <string.h>

static bool is_near(const struct fm_residency *r, uint32_t layer, uint32_t expert) {
    return r->layers[layer].in_slot[expert] || r->layers[layer].home_of[expert];
}

// Begins to read an expert before the device asks, into a home last used before `before`. *home becomes NULL
// if there is none.
static bool read_ahead(struct fm_residency *r, uint32_t layer, uint32_t expert, uint64_t before,
    struct fm_home **home, struct fathom_error *err) {
    const uint64_t bytes = r->stats.read_bytes;
    if (!(*home = fm_residency_oldest(r, layer, before))) return true;
    if (!fm_residency_fill(r, layer, expert, *home, err)) return false;
    r->stats.ahead_bytes += r->stats.read_bytes - bytes;
    return true;
}

// Begins to read what the tokens need of a layer whose experts follow from the tokens.
static bool read_choices(
    struct fm_residency *r, uint32_t layer, const int32_t *ids, uint32_t n, struct fathom_error *err) {
    const struct fm_slots *s = r->slots;
    const struct fm_layer_homes *l = &r->layers[layer];
    struct fm_home *home;
    memset(r->needed, 0, s->n_experts * sizeof(*r->needed));
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < s->top_k; k++)
            r->needed[s->layers[layer].choices[(size_t)ids[i] * s->top_k + k]] = true;
    r->clock++; // what is needed stays
    for (uint32_t e = 0; e < s->n_experts; e++)
        if (r->needed[e] && l->home_of[e]) l->homes[l->home_of[e] - 1].used = r->clock;
    for (uint32_t e = 0; e < s->n_experts; e++) {
        if (!r->needed[e] || is_near(r, layer, e)) continue;
        if (!read_ahead(r, layer, e, r->clock, &home, err)) return false;
        if (!home) break;
        r->stats.known++;
    }
    return true;
}

bool fm_read_known(struct fm_residency *r, const int32_t *ids, uint32_t n, struct fathom_error *err) {
    for (uint32_t i = 0; n && i < r->slots->n_layers; i++)
        if (r->slots->layers[i].choices && !read_choices(r, i, ids, n, err)) return false;
    return true;
}

bool fm_read_guesses(struct fm_residency *r, uint32_t layer, struct fathom_error *err) {
    const uint64_t before = r->pass_before + 1;
    for (uint32_t i = 0; i < r->n_guesses && r->n_guessed < r->slots->top_k; i++) {
        const uint32_t e = r->guesses[i];
        struct fm_home *home;
        if (e >= r->slots->n_experts || is_near(r, layer, e)) continue;
        if (!read_ahead(r, layer, e, before, &home, err)) return false;
        if (!home) break;
        r->guessed[r->n_guessed++] = home;
        r->stats.guessed++;
    }
    return true;
}

void fm_judge_guesses(struct fm_residency *r, uint32_t layer, uint32_t n_rounds) {
    for (uint32_t i = 0; i < r->n_guessed; i++) {
        struct fm_home *h = r->guessed[i];
        bool right = false;
        for (uint32_t round = 0; round < n_rounds; round++) {
            const volatile uint32_t *experts;
            const uint32_t n = fm_slots_fetches(r->slots, round, &experts);
            for (uint32_t j = 0; j < n; j++) right |= experts[j] + 1 == h->expert;
        }
        if (right) {
            r->stats.guessed_right++;
            continue;
        }
        h->used = 0;
        const uint64_t size = fm_slots_expert_size(&r->slots->layers[layer]),
                       dropped = h->reading ? fm_disk_cancel(r->reader, h->reading) : 0;
        if (!dropped) continue;
        const uint64_t unread = dropped < size ? dropped : size; // `dropped` counts whole windows
        r->stats.read_bytes -= unread;
        r->stats.ahead_bytes -= unread;
        r->layers[layer].home_of[h->expert - 1] = 0;
        h->expert = 0;
    }
    r->n_guessed = 0;
}

void fm_take_guesses(struct fm_residency *r, uint32_t n) {
    struct fathom_view ids, weights;
    fm_slots_guessed(r->slots, &ids, &weights);
    const volatile uint32_t *list = fathom_buffer_map(ids.buffer);
    for (r->n_guesses = 0; r->n_guesses < n; r->n_guesses++) r->guesses[r->n_guesses] = list[r->n_guesses];
}
