// The plan of a model that does not fit into device memory whole, as a table and as JSON.
#include "common.h"

static void row(FILE *f, const char *what, const char *detail, const char *where, uint64_t bytes) {
    const bool large = bytes >= 1u << 30;
    if (bytes)
        fprintf(f, "              %-14s  %-22s  %-15s  %9.2f %s\n", what, detail, where,
            (double)bytes / (large ? 1u << 30 : 1u << 20), large ? "GiB" : "MiB");
}

static void print_places(FILE *f, const struct fathom_memory_plan *p, uint32_t n_experts) {
    char text[64];
    if (p->n_slots)
        snprintf(text, sizeof(text), "%u of %u a layer", p->n_slots, n_experts);
    else
        snprintf(text, sizeof(text), "%u for all layers", p->floor);
    row(f, "expert slots", text, "device memory", p->slot_bytes);
    if (p->n_homes)
        snprintf(text, sizeof(text), "%u of %u a layer", p->n_homes, n_experts);
    else
        snprintf(text, sizeof(text), "for all layers");
    row(f, p->n_homes ? "experts" : "staging", text, "host memory", p->host_bytes);
    snprintf(text, sizeof(text), "%u of %u a layer", n_experts - p->n_homes, n_experts);
    row(f, "experts", text, "the file", p->disk_bytes);
    if (p->n_slots) return;
    if (p->n_slots_fit)
        fprintf(f, "              %u slots would fit; without them the device is foretold to be faster.\n",
            p->n_slots_fit);
    else
        fprintf(f,
            "              Slots for the %u experts that a token chooses in a layer do not fit, and fewer "
            "would keep nothing.\n",
            p->floor);
}

static void print_forecast(FILE *f, const struct fathom_memory_plan *p) {
    const struct fathom_forecast *c = &p->forecast;
    const struct fathom_rates *r = &p->rates;
    fprintf(f, "  forecast    about %.*f tokens/s: %.0f %% of the chosen experts in slots, ",
        c->seconds > 0.1 ? 2 : 1, 1 / c->seconds, 100 * c->hit_rate);
    fprintf(f, "%.2f GB a token over the bus", c->link_bytes / 1e9);
    if (p->experts == FATHOM_EXPERTS_DISK) fprintf(f, ", %.2f GB from the file", c->disk_bytes / 1e9);
    fprintf(f, "\n              %.1f ms a token: device %.1f, copies %.1f, disk %.1f, waiting %.1f\n",
        1e3 * c->seconds, 1e3 * c->device_seconds, 1e3 * c->copy_seconds, 1e3 * c->disk_seconds,
        1e3 * c->wait_seconds);
    fprintf(f, "              at GB/s: device %.1f, link %.1f, host %.1f, disk %.1f\n", r->device / 1e9,
        r->link / 1e9, r->host / 1e9, r->disk / 1e9);
}

void print_plan(FILE *f, const struct fathom_memory_plan *p, uint32_t n_experts) {
    char text[64];
    if (p->experts == FATHOM_EXPERTS_DEVICE) return;
    fprintf(f, "  plan        what            how many                where                  bytes\n");
    row(f, "other weights", "", "the mapped file", p->in_place);
    row(f, "other weights", "", "device memory", p->weights - p->expert_bytes - p->in_place);
    snprintf(text, sizeof(text), "%u positions", p->n_context);
    row(f, "cache", text, "device memory", p->cache);
    snprintf(text, sizeof(text), "chunks of %u tokens", p->n_chunk);
    row(f, "scratch", text, "device memory", p->scratch);
    print_places(f, p, n_experts);
    print_forecast(f, p);
}

static void forecast_to_json(cJSON *json, const struct fathom_memory_plan *p) {
    const struct {
        const char *name;
        double value;
    } rows[] = {
        {"tokens_per_second", 1 / p->forecast.seconds},
        {"seconds", p->forecast.seconds},
        {"device_seconds", p->forecast.device_seconds},
        {"copy_seconds", p->forecast.copy_seconds},
        {"disk_seconds", p->forecast.disk_seconds},
        {"wait_seconds", p->forecast.wait_seconds},
        {"hit_rate", p->forecast.hit_rate},
        {"home_rate", p->forecast.home_rate},
        {"link_bytes", p->forecast.link_bytes},
        {"disk_bytes", p->forecast.disk_bytes},
        {"device_rate", p->rates.device},
        {"link_rate", p->rates.link},
        {"host_rate", p->rates.host},
        {"disk_rate", p->rates.disk},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        cJSON_AddNumberToObject(json, rows[i].name, rows[i].value);
}

void plan_to_json(cJSON *json, const struct fathom_memory_plan *p) {
    static const char *const places[] = {"auto", "device", "host", "disk"};
    const struct {
        const char *name;
        double value;
    } rows[] = {
        {"context", p->n_context},
        {"chunk", p->n_chunk},
        {"weights", (double)p->weights},
        {"cache", (double)p->cache},
        {"scratch", (double)p->scratch},
        {"total", (double)p->total},
        {"available", (double)p->available},
        {"fixed", (double)p->fixed},
        {"in_place", (double)p->in_place},
        {"slots", p->n_slots},
        {"slots_fit", p->n_slots_fit},
        {"homes", p->n_homes},
        {"floor", p->floor},
        {"expert_layers", p->n_expert_layers},
        {"expert_bytes", (double)p->expert_bytes},
        {"slot_bytes", (double)p->slot_bytes},
        {"host_bytes", (double)p->host_bytes},
        {"disk_bytes", (double)p->disk_bytes},
        {"host_available", (double)p->host_available},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        cJSON_AddNumberToObject(json, rows[i].name, rows[i].value);
    cJSON_AddBoolToObject(json, "fits", p->fits);
    cJSON_AddStringToObject(json, "experts", places[p->experts]);
    forecast_to_json(cJSON_AddObjectToObject(json, "forecast"), p);
}
