// What a run keeps for the forecasts of later runs: how often recency hit, and the time of a token.
#include "engine/engine.h"
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// The first step may build pipelines, and other programs may be in the way: the median is the typical step.
static double median_step(const struct fathom_engine *e) {
    double sorted[FM_STEPS_KEPT];
    const uint64_t n = e->decoded.n_steps < FM_STEPS_KEPT ? e->decoded.n_steps : FM_STEPS_KEPT;
    memcpy(sorted, e->decoded.seconds, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), compare);
    return sorted[n / 2];
}

void fm_engine_remember(struct fathom_engine *e) {
    enum { LEAST_TOKENS = 8 };
    struct fathom_error ignored;
    if (e->decoded.n_tokens < LEAST_TOKENS || e->decoded.n_steps < LEAST_TOKENS) return;
    uint64_t *depths = e->weights.slots ? calloc(e->hp.n_experts + 1, sizeof(*depths)) : NULL;
    if (depths && !fm_slots_depths(e->gpu, e->weights.slots, depths, &ignored)) free(depths), depths = NULL;
    // where the device reads experts in host memory, nothing tells their time from the other operators'
    const bool typical = e->plan.experts != FATHOM_EXPERTS_HOST || e->plan.n_slots;
    const double n = (double)e->decoded.n_tokens,
                 cuts = e->residency ? e->plan.n_expert_layers * e->plan.rates.cut_seconds : 0,
                 seconds = median_step(e);
    const struct fm_decode_sample sample = {
        (double)e->decoded.link_bytes / n, seconds > 2 * cuts ? seconds - cuts : seconds};
    fm_expert_history_add(&e->history, depths, typical ? &sample : NULL);
    fm_expert_history_save(e->gpu, e->tuning_key, &e->history);
    free(depths);
}
