// Foretells the time of a token from bytes, rates and hit rates. Pure functions.
#ifndef FM_ENGINE_FORECAST_H
#define FM_ENGINE_FORECAST_H
#include <fathom/fathom.h>

// What one token reads.
struct fm_traffic {
    uint64_t fixed;                      // bytes of weights that are not experts
    uint64_t experts;                    // bytes of the chosen experts of all layers
    uint32_t n_layers, n_experts, top_k; // layers with experts; 0: a dense model
    bool recurrent; // consecutive tokens share many experts, as in models with hash layers
};

// How often recency hits. depths[n_experts + 1]: of the chosen experts, how many had been chosen so many
// other experts ago; the last entry counts first uses (FATHOM_EXPERT_STATE in ops.h), summed over the layers.
// NULL, or all zero: the curve of published traces.
struct fm_hits {
    const uint64_t *depths;
    uint32_t n_experts;
};
// Share of the chosen experts that are among the n that were used last. Fewer than top_k hit nothing.
double fm_hit_rate(const struct fm_hits *hits, const struct fm_traffic *traffic, uint32_t n);

// Fills the fields of *rates that are 0 with typical rates of the device's type.
void fm_rates_default(const struct fathom_gpu_info *gpu, struct fathom_rates *rates);

// Of the plan, only the places of the experts are read: experts, n_slots, n_homes.
void fm_forecast(const struct fm_traffic *traffic, const struct fathom_memory_plan *plan,
    const struct fathom_rates *rates, const struct fm_hits *hits, struct fathom_forecast *forecast);
#endif
