// fathom inspect: shows a model's shape and sizes, read from its header, and the memory that the model would
// need.
#include "common.h"
#include <fathom/debug.h>
#include <stdio.h>
#include <string.h>

enum { MAX_TYPES = 64 };

struct type_sum {
    enum fathom_type type;
    uint64_t n_tensors, bytes;
};

static size_t sum_types(const struct fathom_inspection *inspection, struct type_sum sums[MAX_TYPES]) {
    struct fathom_tensor_info t = {.size = sizeof(t)};
    size_t n = 0;
    for (size_t i = 0; fathom_inspection_get_tensor(inspection, i, &t); i++) {
        size_t j = 0;
        while (j < n && sums[j].type != t.type) j++;
        if (j == n && n++ < MAX_TYPES) sums[j] = (struct type_sum){.type = t.type};
        sums[j].n_tensors++;
        sums[j].bytes += t.bytes;
    }
    return n;
}

static cJSON *numbers(const struct fathom_model_info *m) {
    const struct {
        const char *name;
        double value;
    } rows[] = {
        {"layers", m->n_layers},
        {"dense_layers", m->n_dense_layers},
        {"draft_layers", m->n_draft_layers},
        {"hidden", m->n_hidden},
        {"vocabulary", m->n_vocab},
        {"heads", m->n_heads},
        {"key_value_heads", m->n_kv},
        {"query_rank", m->q_rank},
        {"latent_rank", m->kv_rank},
        {"rotary_width", m->n_rope},
        {"plain_width", m->n_nope},
        {"value_width", m->n_value},
        {"experts", m->n_experts},
        {"experts_used", m->n_experts_used},
        {"experts_shared", m->n_experts_shared},
        {"context_trained", m->n_context_trained},
        {"parameters", (double)m->parameters},
        {"parameters_active", (double)m->parameters_active},
        {"weight_bytes", (double)m->weight_bytes},
        {"cache_bytes_per_token", (double)m->cache_bytes_per_token},
    };
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "name", m->name);
    cJSON_AddStringToObject(json, "architecture", m->architecture);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        cJSON_AddNumberToObject(json, rows[i].name, rows[i].value);
    return json;
}

static int show_json(const struct fathom_model_info *m, const struct fathom_memory_plan *p,
    const struct fathom_gpu_info *device, const struct type_sum *sums, size_t n) {
    cJSON *json = numbers(m), *types = cJSON_AddArrayToObject(json, "types"),
          *plan = cJSON_AddObjectToObject(json, "plan");
    for (size_t i = 0; i < n; i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "type", fathom_type_name(sums[i].type));
        cJSON_AddNumberToObject(row, "tensors", (double)sums[i].n_tensors);
        cJSON_AddNumberToObject(row, "bytes", (double)sums[i].bytes);
        cJSON_AddItemToArray(types, row);
    }
    if (device)
        cJSON_AddStringToObject(plan, "device", device->name);
    else
        cJSON_AddNullToObject(plan, "device");
    plan_to_json(plan, p);
    return print_json(json);
}

static double mib(uint64_t bytes) {
    return (double)bytes / (1024.0 * 1024.0);
}

static void show(const struct fathom_model_info *m, const struct fathom_memory_plan *p,
    const struct fathom_gpu_info *device, const struct type_sum *sums, size_t n) {
    printf("%s (%s)\n", m->name[0] ? m->name : "unnamed", m->architecture);
    printf("  parameters  %.1f million, %.1f million active for a token\n", (double)m->parameters / 1e6,
        (double)m->parameters_active / 1e6);
    printf("  layers      %u of width %u (%u dense first), vocabulary %u, context %u", m->n_layers,
        m->n_hidden, m->n_dense_layers, m->n_vocab, m->n_context_trained);
    printf(m->n_draft_layers ? ", %u draft layer\n" : "\n", m->n_draft_layers);
    if (m->n_kv)
        printf("  attention   %u heads of %u, %u of keys and values\n", m->n_heads, m->n_value, m->n_kv);
    else
        printf("  attention   %u heads of %u + %u, values of %u; latents of %u%s", m->n_heads, m->n_nope,
            m->n_rope, m->n_value, m->kv_rank, m->q_rank ? "" : "\n");
    if (m->q_rank) printf(", queries through %u\n", m->q_rank);
    if (m->n_experts)
        printf(
            "  experts     %u, %u chosen, %u shared\n", m->n_experts, m->n_experts_used, m->n_experts_shared);
    for (size_t i = 0; i < n; i++)
        printf("  %-10s  %llu tensors, %.1f MiB\n", fathom_type_name(sums[i].type),
            (unsigned long long)sums[i].n_tensors, mib(sums[i].bytes));
    printf("  cache       %llu bytes a token\n", (unsigned long long)m->cache_bytes_per_token);
    printf("  memory      %.1f MiB%s for a context of %u: weights %.1f, cache %.1f, scratch %.1f\n",
        mib(p->total), p->experts == FATHOM_EXPERTS_DEVICE ? "" : " of the device's", p->n_context,
        mib(p->weights), mib(p->cache), mib(p->scratch));
    if (device)
        printf("  device      %s has %.1f MiB free: the model %s\n", device->name, mib(p->available),
            !p->fits                                  ? "does not fit"
                : p->experts == FATHOM_EXPERTS_DEVICE ? "fits"
                                                      : "fits without some of its experts");
    else
        printf("  device      none can be used\n");
    print_plan(stdout, p, m->n_experts);
}

// A machine that is thought of: rates in GB/s, 0 where not given.
struct machine {
    struct option_size device_memory, host_memory;
    float device_rate, link_rate, host_rate, disk_rate;
};

// A card as most are: 4 GiB in a binding and in an allocation.
static const struct fathom_gpu_info *imagine(const struct machine *machine, struct fathom_gpu_info *info) {
    *info = FATHOM_INIT(fathom_gpu_info, .type = FATHOM_GPU_DISCRETE,
        .memory_total = machine->device_memory.bytes, .memory_free = machine->device_memory.bytes,
        .max_storage_range = UINT32_MAX, .max_allocation = UINT32_MAX, .storage_alignment = 16);
    snprintf(info->name, sizeof(info->name), "a card with %.3g GiB", mib(info->memory_total) / 1024);
    return info;
}

// The bus and the host's memory bound each other: a card reads host memory over its bus.
static struct fathom_rates rates_of(const struct machine *m) {
    const float link = m->link_rate > 0 ? m->link_rate : 25, host = m->host_rate > 0 ? m->host_rate : 60,
                both = link < host ? link : host;
    const bool card = m->device_memory.bytes > 0;
    return (struct fathom_rates){
        .device = 1e9 * (double)m->device_rate,
        .link = 1e9 * (double)(card ? both : m->link_rate),
        .host = 1e9 * (double)(card ? both : m->host_rate),
        .disk = 1e9 * (double)m->disk_rate,
    };
}

static int inspect(
    const char *model, const struct device_options *o, const struct machine *machine, bool json) {
    struct fathom_error err = {0}, no_device = {0};
    struct fathom_gpu_info info;
    const struct fathom_gpu_info *device =
        machine->device_memory.bytes ? imagine(machine, &info) : choose_device(o, &info, &no_device);
    if (!device && (o->device || no_device.status != FATHOM_NO_DEVICE)) return refuse(&no_device);
    if (!device) fprintf(stderr, "fathom: no device to plan for: %s\n", no_device.message);
    if (!device && o->vram.percent > 0) return refuse(&no_device);
    const struct fathom_gpu_debug debug = {.size = sizeof(debug), .separate_memory = o->discrete};
    struct fathom_gpu_params gpu = {.size = sizeof(gpu), .exact = o->exact, .debug = &debug};
    if (!memory_limits(o, device, &gpu.device_limit, &gpu.host_limit, &err)) return refuse(&err);
    const struct fathom_engine_params params = {
        .size = sizeof(params),
        .model = model,
        .gpu = &gpu,
        .n_context = o->n_context,
        .cache_8bit = o->cache_8bit,
        .experts = (enum fathom_experts)o->experts,
    };
    const struct fathom_machine planned = {
        .size = sizeof(planned),
        .gpu = device,
        .host_memory = machine->host_memory.bytes,
        .rates = rates_of(machine),
    };
    struct fathom_inspection *inspection = fathom_model_inspect(&params, &planned, &err);
    if (!inspection) return refuse(&err);
    struct type_sum sums[MAX_TYPES];
    const size_t n = sum_types(inspection, sums);
    const struct fathom_model_info *m = fathom_inspection_get_info(inspection);
    const struct fathom_memory_plan *plan = fathom_inspection_get_plan(inspection);
    int code = EXIT_DONE;
    if (json)
        code = show_json(m, plan, device, sums, n);
    else
        show(m, plan, device, sums, n);
    fathom_inspection_destroy(&inspection);
    return code;
}

int inspect_main(int argc, char **argv) {
    bool json = false;
    struct device_options o = {0};
    struct machine machine = {0};
    const char *model = NULL;
    const struct option options[] = {
        {"--json", OPTION_FLAG, &json, NULL, "one object", NULL},
        {"--device", OPTION_TEXT, &o.device, "NAME", "plan for this device (fathom devices)", NULL},
        {"--ctx", OPTION_COUNT, &o.n_context, "N", "plan for this context", NULL},
        {"--exact", OPTION_FLAG, &o.exact, NULL, "plan for exact mode (a float32 cache)", NULL},
        {"--cache-8bit", OPTION_FLAG, &o.cache_8bit, NULL, "plan for a cache of 8 bits a value", NULL},
        MEMORY_OPTIONS(o),
        {"--discrete", OPTION_FLAG, &o.discrete, NULL, NULL, NULL},
        {"--device-memory", OPTION_SIZE, &machine.device_memory, "SIZE",
            "plan for a card with so much memory, which need not be here", NULL},
        {"--host-memory", OPTION_SIZE, &machine.host_memory, "SIZE", "plan for so much host memory", NULL},
        {"--device-rate", OPTION_NUMBER, &machine.device_rate, "GB/s",
            "at which the card reads its memory (by size: 189, 280, 420, 630)", NULL, 1e6f},
        {"--link-rate", OPTION_NUMBER, &machine.link_rate, "GB/s",
            "of copies from host memory to the card (25)", NULL, 1e6f},
        {"--host-rate", OPTION_NUMBER, &machine.host_rate, "GB/s", "of host memory (60)", NULL, 1e6f},
        {"--disk-rate", OPTION_NUMBER, &machine.disk_rate, "GB/s", "of the disk (3)", NULL, 1e6f},
    };
    const struct usage usage = {"inspect", "MODEL [--json]",
        "Shows a model's shape and sizes, the memory plan for a device and a context, and where the "
        "model\ndoes "
        "not fit the device whole, how fast it is foretold to be.",
        options, sizeof(options) / sizeof(*options), 1, 1};
    size_t n_positional;
    const int code = options_parse(&usage, argc, argv, &model, &n_positional);
    return code != EXIT_NOT_YET ? code : inspect(model, &o, &machine, json);
}
