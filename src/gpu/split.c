#include "gpu/split.h"

enum { MOST_RANGES = 1024 };

// Seconds of estimated work in one submit. Drivers kill a queue after 2 s, and the estimate may be far off.
static const double submit_seconds = 0.2;
// No watchdog stops work on a CPU. There a submit is short for the sake of those who cancel; and a dispatch
// may take seconds, and is then split as well. A stream that is short as a whole stays one submit.
static const double cpu_submit_seconds = 0.1, cpu_stream_seconds = 0.25;
// with params.short_submits
static const double pretended_submit_seconds = 2e-6, pretended_cpu_submit_seconds = 2e-4;

static bool is_cpu(const struct fathom_gpu *gpu) {
    return gpu->info.type == FATHOM_GPU_CPU;
}

double fm_estimate_seconds(const struct fathom_gpu *gpu, const struct fm_dispatch *d) {
    double flops = 1e12, bytes = 1e11; // a second, on a slow device of its kind
    if (gpu->info.type != FATHOM_GPU_DISCRETE) flops = 2e11, bytes = 2e10;
    if (is_cpu(gpu)) flops = 2e10, bytes = 5e9;
    return d->flops / flops + d->bytes / bytes;
}

// CPUs differ a hundredfold, so what they take is measured: the pace follows it slowly, since estimates of
// single submits are rough.
void fm_pace_note(struct fathom_gpu *gpu, double estimate, double seconds) {
    const double least = 1.0 / 64, most = 64, now = seconds / estimate;
    if (!is_cpu(gpu) || estimate <= 0) return;
    gpu->pace = 0.8 * gpu->pace + 0.2 * (now < least ? least : now > most ? most : now);
}

double fm_submit_seconds(const struct fathom_stream *s) {
    const struct fathom_gpu *gpu = s->gpu;
    double sum = 0;
    if (gpu->debug.short_submits)
        return is_cpu(gpu) ? pretended_cpu_submit_seconds / gpu->pace : pretended_submit_seconds;
    if (!is_cpu(gpu)) return submit_seconds;
    for (uint32_t i = 0; i < s->n_entries; i++) sum += fm_estimate_seconds(gpu, &s->entries[i].dispatch);
    return sum * gpu->pace <= cpu_stream_seconds ? sum + 1 : cpu_submit_seconds / gpu->pace;
}

// The dimension to split in n parts, of those that may be: the outermost that has as many workgroups, so that
// the order of the workgroups stays; else the one that has most. 3: none.
static uint32_t split_dimension(const struct fm_entry *e, uint32_t n) {
    const uint32_t *groups = e->dispatch.groups;
    uint32_t most = 3;
    for (uint32_t i = 3; i-- > 0;) {
        if (!(e->pipeline->splits >> i & 1)) continue;
        if (groups[i] >= n) return i;
        if (most == 3 || groups[i] > groups[most]) most = i;
    }
    return most;
}

uint32_t fm_count_ranges(const struct fathom_gpu *gpu, const struct fm_entry *e, double most) {
    const double seconds = fm_estimate_seconds(gpu, &e->dispatch);
    if (!is_cpu(gpu) || e->is_copy || e->dispatch.indirect.buffer || seconds <= most) return 1;
    const uint32_t n = seconds / most < MOST_RANGES ? (uint32_t)(seconds / most) + 1 : MOST_RANGES,
                   dimension = split_dimension(e, n),
                   groups = dimension < 3 ? e->dispatch.groups[dimension] : 1;
    return n < groups ? n : groups;
}

struct fm_range fm_range(const struct fm_entry *e, uint32_t i, uint32_t n) {
    const struct fm_dispatch *d = &e->dispatch;
    const uint32_t dimension = split_dimension(e, n);
    struct fm_range r = {.n = {d->groups[0], d->groups[1], d->groups[2]}};
    const uint64_t all = d->groups[dimension];
    r.first[dimension] = (uint32_t)(all * i / n);
    r.n[dimension] = (uint32_t)(all * (i + 1) / n) - r.first[dimension];
    return r;
}
