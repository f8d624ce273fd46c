#include "engine/pressure.h"
#include "base/clock.h"
#include "base/log.h"

#define MIB (1024.0 * 1024.0)
static const double interval = 0.5; // seconds; a look takes 0.2 ms

// Bytes that are free within the driver's budget and the limit; less than 0 if they have shrunk below what
// the gpu holds.
static int64_t room(const struct fathom_gpu *gpu) {
    struct fathom_gpu_memory m = {.size = sizeof(m)};
    struct fathom_gpu_counters c = {.size = sizeof(c)};
    fathom_gpu_get_memory(gpu, &m);
    fathom_gpu_get_counters(gpu, &c);
    const uint64_t limit = fathom_gpu_get_limits(gpu).device;
    const int64_t budget = (int64_t)m.device_budget - (int64_t)m.device_usage,
                  within = limit ? (int64_t)limit - (int64_t)c.device_allocated : INT64_MAX;
    return budget < within ? budget : within;
}

// Bytes of one slot of every layer.
static int64_t slot_size(const struct fm_slots *s) {
    int64_t size = 0;
    for (uint32_t i = 0; i < s->n_layers; i++) size += (int64_t)fm_slots_expert_size(&s->layers[i]);
    return size;
}

void fm_pressure_begin(struct fm_pressure *p, struct fathom_gpu *gpu, const struct fm_slots *slots,
    const struct fathom_log *log) {
    if (!slots) return;
    *p = (struct fm_pressure){
        .headroom = room(gpu), .interval = interval, .looked = fm_clock(), .n_wanted = slots->n_slots};
    if (p->headroom < 0) p->headroom = 0;
    fm_log(log, FATHOM_LOG_INFO, "%.1f MiB of device memory are left beside %u slots of %.1f MiB",
        (double)p->headroom / MIB, slots->n_slots, (double)slot_size(slots) / MIB);
}

bool fm_pressure_due(
    struct fm_pressure *p, struct fathom_gpu *gpu, const struct fm_slots *s, uint32_t n_planned) {
    if (s && !fm_slots_exist(s)) return true;
    if (!s || s->shared || fm_clock() - p->looked < p->interval) return false;
    const int64_t size = slot_size(s), left = room(gpu), more = left - p->headroom;
    int64_t n = s->n_slots;
    if (left < p->headroom / 4 || left < 0)
        n += (more - size + 1) / size; // rounds away from zero
    else if (more >= size / 2)
        n += (more + size / 2) / size; // as many as there is memory for
    n = n > n_planned ? n_planned : n < s->top_k ? s->top_k : n;
    p->looked = fm_clock();
    p->n_wanted = (uint32_t)n;
    return p->n_wanted != s->n_slots;
}

bool fm_pressure_follow(struct fm_pressure *p, struct fathom_gpu *gpu, struct fm_slots *s,
    const struct fathom_log *log, struct fathom_error *err) {
    if (!s || (p->n_wanted == s->n_slots && fm_slots_exist(s))) return true;
    const uint32_t before = s->n_slots;
    const struct fathom_gpu_limits limits = fathom_gpu_get_limits(gpu);
    struct fathom_gpu_counters c = {.size = sizeof(c)};
    fathom_gpu_get_counters(gpu, &c);
    const uint64_t held = c.device_allocated;
    // the least slots stay, even beyond a limit that was lowered since: the run goes on
    if (p->n_wanted == s->top_k && limits.device && held > limits.device)
        fathom_gpu_set_limits(gpu, (struct fathom_gpu_limits){held, limits.host});
    const bool ok = fm_slots_resize(gpu, s, p->n_wanted, err);
    fathom_gpu_set_limits(gpu, limits);
    if (ok)
        fm_log(log, FATHOM_LOG_INFO, "%u slots of experts a layer instead of %u: device memory %s",
            s->n_slots, before, s->n_slots < before ? "became scarce" : "is free again");
    // blocks do not come out even: what is left now is all that can be had
    if (ok && s->n_slots < p->n_wanted && room(gpu) > p->headroom) p->headroom = room(gpu);
    p->n_wanted = s->n_slots;
    return ok;
}
