#include "op/experts/expert_history.h"
#include "gpu/cache_file.h"
#include "gpu/internal.h"
#include <stdlib.h>
#include <string.h>

// The file: this head, n_experts + 1 depths, the samples.
struct head {
    uint32_t version, n_experts, n_samples, reserved;
};
enum { VERSION = 1 };
// Uses of experts that are remembered in full: a thousand tokens of R1. A new run halves what is beyond.
static const uint64_t most_uses = 1000 * 58 * 8;

static uint32_t n_kept(const struct fm_expert_history *h) {
    return h->n_samples < FM_HISTORY_SAMPLES ? h->n_samples : FM_HISTORY_SAMPLES;
}

bool fm_expert_history_parse(const void *data, size_t size, uint32_t n_experts, struct fm_expert_history *h) {
    struct head head;
    *h = (struct fm_expert_history){.n_experts = n_experts};
    if (size < sizeof(head)) return false;
    memcpy(&head, data, sizeof(head));
    if (head.version != VERSION || head.n_experts != n_experts || n_experts > FM_HISTORY_EXPERTS)
        return false;
    struct fm_expert_history read = {.n_experts = n_experts, .n_samples = head.n_samples};
    const size_t depths = (n_experts + 1) * sizeof(*read.depths),
                 samples = n_kept(&read) * sizeof(*read.samples);
    if (size != sizeof(head) + depths + samples) return false;
    memcpy(read.depths, (const char *)data + sizeof(head), depths);
    memcpy(read.samples, (const char *)data + sizeof(head) + depths, samples);
    for (uint32_t i = 0; i < n_kept(&read); i++) {
        const struct fm_decode_sample s = read.samples[i];
        if (!(s.seconds > 0 && s.seconds < 1e6 && s.link_bytes >= 0 && s.link_bytes < 1e15)) return false;
    }
    for (uint32_t i = 0; i <= n_experts; i++)
        if (read.depths[i] > UINT64_MAX / 4 / FM_HISTORY_EXPERTS) return false;
    *h = read;
    return true;
}

// Memory that counts as apart from the host's has other rates.
static uint64_t file_key(const struct fathom_gpu *gpu, uint64_t model_key) {
    const uint64_t parts[] = {model_key, gpu->info.unified_memory};
    return fm_cache_key_add(fm_cache_key(gpu), parts, sizeof(parts));
}

void fm_expert_history_load(
    struct fathom_gpu *gpu, uint64_t model_key, uint32_t n_experts, struct fm_expert_history *h) {
    const uint64_t key = file_key(gpu, model_key);
    size_t size = 0;
    bool unusable;
    void *data = fm_cache_read(gpu, "experts", key, &size, &unusable);
    fm_expert_history_parse(data ? data : "", size, n_experts, h);
    free(data);
}

void fm_expert_history_save(
    const struct fathom_gpu *gpu, uint64_t model_key, const struct fm_expert_history *h) {
    const uint64_t key = file_key(gpu, model_key);
    const struct head head = {VERSION, h->n_experts, h->n_samples, 0};
    const size_t depths = (h->n_experts + 1) * sizeof(*h->depths), samples = n_kept(h) * sizeof(*h->samples),
                 size = sizeof(head) + depths + samples;
    const struct fathom_gpu_params *p = &gpu->params;
    if (p->variants || gpu->debug.full_barriers || p->timers)
        return; // other times than those of an ordinary run
    char *data = malloc(size);
    if (!data) return; // costs a forecast
    memcpy(data, &head, sizeof(head));
    memcpy(data + sizeof(head), h->depths, depths);
    memcpy(data + sizeof(head) + depths, h->samples, samples);
    fm_cache_write(gpu, "experts", key, data, size);
    free(data);
}

void fm_expert_history_add(
    struct fm_expert_history *h, const uint64_t *depths, const struct fm_decode_sample *sample) {
    uint64_t uses = 0;
    for (uint32_t i = 0; i <= h->n_experts; i++) uses += h->depths[i];
    for (uint32_t i = 0; depths && i <= h->n_experts; i++)
        h->depths[i] = (uses > most_uses ? h->depths[i] / 2 : h->depths[i]) + depths[i];
    if (sample) h->samples[h->n_samples++ % FM_HISTORY_SAMPLES] = *sample;
    // so that the number never overflows
    if (h->n_samples == UINT32_MAX - FM_HISTORY_SAMPLES) h->n_samples = FM_HISTORY_SAMPLES;
}

bool fm_expert_history_fit(const struct fm_expert_history *h, double *device_seconds, double *link) {
    const uint32_t n = n_kept(h);
    double x = 0, y = 0, xx = 0, xy = 0, least = 0, most = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct fm_decode_sample s = h->samples[i];
        x += s.link_bytes / n, y += s.seconds / n;
        if (i == 0 || s.link_bytes < least) least = s.link_bytes;
        if (i == 0 || s.link_bytes > most) most = s.link_bytes;
    }
    if (n == 0) return false;
    for (uint32_t i = 0; i < n; i++) {
        const double dx = h->samples[i].link_bytes - x;
        xx += dx * dx, xy += dx * (h->samples[i].seconds - y);
    }
    // noise may make copies look free, or worth more than the whole step
    const double slope = xx > 0 ? xy / xx : 0;
    if (most - least > 0.2 * most && slope > 0 && y - slope * x > 0) *link = 1 / slope;
    const double device = y - x / *link;
    *device_seconds = device > 0.1 * y ? device : 0.1 * y;
    return true;
}
