// Where decoded tokens found their experts, where their time went, and what the plan had foretold.
#include "common.h"

// Of one token. The device's clock is not read: copies are what their bytes take at the link's rate, waits
// what the parts of a step take, and the device has the rest.
struct token_time {
    double seconds, device, copies, disk, waiting;
};

struct decoding decoding_begin(const struct fathom_session *session) {
    const struct fathom_session_stats s = session_stats(session);
    struct decoding d = {
        .seconds = s.decode_seconds,
        .n_tokens = s.decode_tokens,
        .n_steps = s.decode_steps,
        .n_drafts = s.drafts,
        .experts = {.size = sizeof(d.experts)},
    };
    fathom_session_get_expert_stats(session, &d.experts);
    return d;
}

void decoding_end(struct decoding *d, const struct fathom_session *session) {
    const struct decoding now = decoding_begin(session);
    const struct fathom_expert_stats *e = &d->experts;
    *d = (struct decoding){
        .seconds = now.seconds - d->seconds,
        .n_tokens = now.n_tokens - d->n_tokens,
        .n_steps = now.n_steps - d->n_steps,
        .n_drafts = now.n_drafts - d->n_drafts,
        .experts =
            {
                .needed = now.experts.needed - e->needed,
                .fetched = now.experts.fetched - e->fetched,
                .fetched_bytes = now.experts.fetched_bytes - e->fetched_bytes,
                .read = now.experts.read - e->read,
                .read_bytes = now.experts.read_bytes - e->read_bytes,
                .read_seconds = now.experts.read_seconds - e->read_seconds,
                .copy_seconds = now.experts.copy_seconds - e->copy_seconds,
                .known = now.experts.known - e->known,
                .guessed = now.experts.guessed - e->guessed,
                .guessed_right = now.experts.guessed_right - e->guessed_right,
                .ahead_bytes = now.experts.ahead_bytes - e->ahead_bytes,
            },
    };
    d->rate = d->seconds > 0 ? d->n_tokens / d->seconds : 0;
}

static bool whole(const struct fathom_memory_plan *p) {
    return p->experts == FATHOM_EXPERTS_DEVICE;
}
// The device computes with experts in host memory, and nothing counts them.
static bool in_host_memory(const struct fathom_memory_plan *p) {
    return p->experts == FATHOM_EXPERTS_HOST && p->n_slots == 0;
}

static double hit_rate(const struct decoding *d) {
    return d->experts.needed ? 1 - (double)d->experts.fetched / (double)d->experts.needed : 0;
}
static double link_bytes(const struct fathom_memory_plan *p, const struct decoding *d) {
    return in_host_memory(p) ? p->forecast.link_bytes : (double)d->experts.fetched_bytes / d->n_tokens;
}

// An estimate takes no more than is left.
static double take(double *rest, double seconds) {
    const double taken = seconds < *rest ? seconds : *rest;
    *rest -= taken;
    return taken;
}

static struct token_time split(const struct fathom_memory_plan *p, const struct decoding *d) {
    const bool disk = p->experts == FATHOM_EXPERTS_DISK;
    const double parts = disk ? (double)d->n_steps / d->n_tokens * p->n_expert_layers : 0;
    struct token_time t = {.seconds = d->seconds / d->n_tokens};
    t.device = t.seconds;
    t.disk = take(&t.device, d->experts.read_seconds / d->n_tokens);
    t.waiting = take(&t.device, parts * p->rates.cut_seconds);
    t.copies = take(&t.device,
        d->experts.copy_seconds > 0 ? d->experts.copy_seconds / d->n_tokens
                                    : link_bytes(p, d) / (in_host_memory(p) ? p->rates.host : p->rates.link));
    return t;
}

// In per cent of what was measured. A forecast is for steps of one token: with drafts there is no error.
static bool forecast_error(const struct fathom_memory_plan *p, const struct decoding *d, double *error) {
    *error = d->rate > 0 ? 100 * (1 / p->forecast.seconds - d->rate) / d->rate : 0;
    return d->rate > 0 && d->n_drafts == 0;
}

void print_experts(FILE *f, const struct fathom_memory_plan *p, const struct decoding *d, bool verbose) {
    double error;
    if (d->n_tokens == 0 || (whole(p) && !verbose)) return;
    fprintf(f, "  %.1f tokens/s", d->rate);
    if (forecast_error(p, d, &error))
        fprintf(f, ", %.1f foretold (%+.1f %%)", 1 / p->forecast.seconds, error);
    if (!whole(p)) {
        const struct token_time t = split(p, d);
        if (d->experts.needed)
            fprintf(f, "; %.0f %% of experts in slots, %.0f foretold", 100 * hit_rate(d),
                100 * p->forecast.hit_rate);
        fprintf(f, "; a token: %.2f MB %s", link_bytes(p, d) / 1e6,
            in_host_memory(p) ? "in host memory" : "copied");
        if (p->experts == FATHOM_EXPERTS_DISK)
            fprintf(f, ", %.2f from the file", (double)d->experts.read_bytes / d->n_tokens / 1e6);
        fprintf(f, ", %.1f ms: device %.1f, %s about %.1f", 1e3 * t.seconds, 1e3 * t.device,
            in_host_memory(p) ? "host memory" : "copies", 1e3 * t.copies);
        if (p->experts == FATHOM_EXPERTS_DISK)
            fprintf(f, ", disk %.1f, waiting about %.1f", 1e3 * t.disk, 1e3 * t.waiting);
    }
    fputs("\n", f);
}

static void add_numbers(cJSON *json, const char *const *names, const double *values, size_t n) {
    for (size_t i = 0; i < n; i++) cJSON_AddNumberToObject(json, names[i], values[i]);
}

static void experts_json(cJSON *json, const struct fathom_memory_plan *p, const struct decoding *d) {
    const struct fathom_expert_stats *e = &d->experts;
    static const char *const names[] = {"slots", "homes", "needed", "fetched", "hit_rate",
        "link_bytes_per_token", "read", "disk_bytes_per_token", "known", "guessed", "guessed_right",
        "ahead_bytes_per_token"};
    const double values[] = {p->n_slots, p->n_homes, (double)e->needed, (double)e->fetched, hit_rate(d),
        link_bytes(p, d), (double)e->read, (double)e->read_bytes / d->n_tokens, (double)e->known,
        (double)e->guessed, (double)e->guessed_right, (double)e->ahead_bytes / d->n_tokens};
    cJSON_AddStringToObject(json, "place",
        p->experts == FATHOM_EXPERTS_DISK ? "disk"
            : in_host_memory(p)           ? "host"
                                          : "slots");
    add_numbers(json, names, values, sizeof(values) / sizeof(*values));
}

void experts_to_json(cJSON *json, const struct fathom_memory_plan *p, const struct decoding *d) {
    double error;
    if (d->n_tokens == 0) return;
    if (!whole(p)) {
        static const char *const names[] = {"seconds_per_token", "device", "copies", "disk", "waiting"};
        const struct token_time t = split(p, d);
        const double values[] = {t.seconds, t.device, t.copies, t.disk, t.waiting};
        experts_json(cJSON_AddObjectToObject(json, "experts"), p, d);
        add_numbers(cJSON_AddObjectToObject(json, "time"), names, values, sizeof(values) / sizeof(*values));
    }
    cJSON *forecast = cJSON_AddObjectToObject(json, "forecast");
    cJSON_AddNumberToObject(forecast, "tokens_per_second", 1 / p->forecast.seconds);
    cJSON_AddNumberToObject(forecast, "measured", d->rate);
    if (forecast_error(p, d, &error)) cJSON_AddNumberToObject(forecast, "error_percent", error);
    cJSON_AddNumberToObject(forecast, "hit_rate", p->forecast.hit_rate);
}
