#include "engine/forecast.h"
#include <stddef.h>

// Hit rates of recency by the share of a layer's experts that are kept, of published traces.
// src/decisions/expert-slots.md has both, and how the first was taken from a trace of 340 tokens to long
// texts.
struct point {
    double share, hit;
};
// 512 experts, 10 chosen: 93, 186, 279, 372, 512 kept hit 43.5, 62.0, 72.0, 78.9, 85.0 %
static const struct point usual[] = {{0, 0}, {0.05, 0.18}, {0.10, 0.30}, {0.15, 0.38}, {0.18, 0.43},
    {0.30, 0.56}, {0.36, 0.61}, {0.45, 0.68}, {0.60, 0.78}, {0.73, 0.85}, {0.90, 0.94}, {1, 1}};
// V4-Flash, 256 experts, 6 chosen: 24, 32, 40 kept hit 69, 73, 75 %. Beyond, as many misses go with a further
// share of the experts as on the other curve.
static const struct point recurrent[] = {{0, 0}, {0.0938, 0.69}, {0.1250, 0.73}, {0.1563, 0.75}, {0.30, 0.83},
    {0.45, 0.88}, {0.60, 0.92}, {0.73, 0.94}, {0.90, 0.98}, {1, 1}};

static double on_curve(const struct point *curve, double share) {
    size_t i = 1;
    while (share > curve[i].share && curve[i].share < 1) i++;
    const double part = (share - curve[i - 1].share) / (curve[i].share - curve[i - 1].share);
    return curve[i - 1].hit + part * (curve[i].hit - curve[i - 1].hit);
}

double fm_hit_rate(const struct fm_hits *hits, const struct fm_traffic *t, uint32_t n) {
    if (t->n_experts == 0 || n >= t->n_experts) return 1;
    if (n < t->top_k) return 0;
    double hit = 0, all = 0;
    for (uint32_t i = 0; hits && hits->depths && i <= hits->n_experts; i++) {
        all += (double)hits->depths[i];
        if (i < n && i < hits->n_experts) hit += (double)hits->depths[i];
    }
    return all > 0 ? hit / all : on_curve(t->recurrent ? recurrent : usual, (double)n / t->n_experts);
}

// Bytes a second of a card's own memory by its size: 8 GB cards reach about 270e9, 12 GB 400e9, 16 GB 600e9,
// 24 GB and more 900e9 on paper; decoding reaches about 0.7 of that.
static double card_rate(uint64_t memory) {
    const double gb = (double)memory / 1e9,
                 paper = gb < 11 ? 270e9
        : gb < 14                ? 400e9
        : gb < 22                ? 600e9
                                 : 900e9;
    return 0.7 * paper;
}

static void fill(double *rate, double typical) {
    if (!(*rate > 0)) *rate = typical;
}

void fm_rates_default(const struct fathom_gpu_info *gpu, struct fathom_rates *rates) {
    const bool card = gpu->type == FATHOM_GPU_DISCRETE && !gpu->unified_memory,
               cpu = gpu->type == FATHOM_GPU_CPU;
    fill(&rates->device, card ? card_rate(gpu->memory_total) : cpu ? 20e9 : 60e9);
    fill(&rates->link, card ? 25e9 : rates->device / 2); // PCIe 4 x16; one memory is read and written
    // DDR5 with two channels has 60e9; a card reads it over its bus
    fill(&rates->host, !card ? rates->device : rates->link < 60e9 ? rates->link : 60e9);
    fill(&rates->disk, 3e9);
    fill(&rates->token_seconds, 1e-3);
    fill(&rates->cut_seconds, 100e-6);
}

void fm_forecast(const struct fm_traffic *t, const struct fathom_memory_plan *plan,
    const struct fathom_rates *rates, const struct fm_hits *hits, struct fathom_forecast *f) {
    const double experts = (double)t->experts;
    const uint32_t kept = plan->n_slots > plan->n_homes ? plan->n_slots : plan->n_homes;
    double in_device = (double)t->fixed + experts;
    *f = (struct fathom_forecast){.hit_rate = 1, .home_rate = 1};
    if (t->n_layers && plan->experts != FATHOM_EXPERTS_DEVICE && plan->n_slots < t->n_experts) {
        f->hit_rate = fm_hit_rate(hits, t, plan->n_slots);
        f->link_bytes = (1 - f->hit_rate) * experts;
        if (plan->experts == FATHOM_EXPERTS_HOST && plan->n_slots == 0) {
            in_device -= experts;
            f->copy_seconds = experts / rates->host; // nothing is copied: the operators read over the bus
        } else {
            f->copy_seconds = f->link_bytes / rates->link;
        }
        if (plan->experts == FATHOM_EXPERTS_DISK) {
            f->home_rate = fm_hit_rate(hits, t, kept);
            f->disk_bytes = (1 - f->home_rate) * experts;
            f->disk_seconds = f->disk_bytes / rates->disk;
            f->wait_seconds = t->n_layers * rates->cut_seconds;
        }
    }
    f->device_seconds = in_device / rates->device + rates->token_seconds;
    f->seconds = f->device_seconds + f->copy_seconds + f->disk_seconds + f->wait_seconds;
}
