// fathom inspect: shows a model's shape and sizes, read from its header, and the memory that the model would
// need.
#include "common.h"
#include "file/tensors.h"
#include "quant/types.h"
#include <stdio.h>
#include <string.h>

enum { MAX_TYPES = 64 };

struct type_sum {
    enum fathom_type type;
    uint64_t n_tensors, bytes;
};

static size_t sum_types(const struct fm_tensors *tensors, struct type_sum sums[MAX_TYPES]) {
    size_t n = 0;
    for (size_t i = 0; i < fm_tensors_count(tensors); i++) {
        const struct fm_tensor *t = fm_tensors_at(tensors, i);
        size_t j = 0;
        while (j < n && sums[j].type != t->type) j++;
        if (j == n && n++ < MAX_TYPES) sums[j] = (struct type_sum){.type = t->type};
        sums[j].n_tensors++;
        sums[j].bytes += t->size;
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
        cJSON_AddStringToObject(row, "type", fm_type_name(sums[i].type));
        cJSON_AddNumberToObject(row, "tensors", (double)sums[i].n_tensors);
        cJSON_AddNumberToObject(row, "bytes", (double)sums[i].bytes);
        cJSON_AddItemToArray(types, row);
    }
    if (device)
        cJSON_AddStringToObject(plan, "device", device->name);
    else
        cJSON_AddNullToObject(plan, "device");
    cJSON_AddNumberToObject(plan, "context", p->n_context);
    cJSON_AddNumberToObject(plan, "weights", (double)p->weights);
    cJSON_AddNumberToObject(plan, "cache", (double)p->cache);
    cJSON_AddNumberToObject(plan, "scratch", (double)p->scratch);
    cJSON_AddNumberToObject(plan, "total", (double)p->total);
    cJSON_AddNumberToObject(plan, "available", (double)p->available);
    cJSON_AddBoolToObject(plan, "fits", p->fits);
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
        printf("  %-10s  %llu tensors, %.1f MiB\n", fm_type_name(sums[i].type),
            (unsigned long long)sums[i].n_tensors, mib(sums[i].bytes));
    printf("  cache       %llu bytes a token\n", (unsigned long long)m->cache_bytes_per_token);
    printf("  memory      %.1f MiB for a context of %u: weights %.1f, cache %.1f, scratch %.1f\n",
        mib(p->total), p->n_context, mib(p->weights), mib(p->cache), mib(p->scratch));
    if (device)
        printf("  device      %s has %.1f MiB free: the model %s\n", device->name, mib(p->available),
            p->fits ? "fits" : "does not fit");
    else
        printf("  device      none can be used\n");
}

// Returns the device of the option, or the device that a run would use. Returns NULL when there is none.
static const struct fathom_gpu_info *choose_device(
    const char *wanted, struct fathom_gpu_info *info, struct fathom_error *err) {
    struct fathom_gpu *gpu = fathom_gpu_create(&(struct fathom_gpu_params){.device = wanted}, err);
    if (!gpu) return NULL;
    *info = *fathom_gpu_get_info(gpu);
    fathom_gpu_destroy(&gpu);
    return info;
}

int inspect_main(int argc, char **argv) {
    bool json = false, exact = false;
    const char *device_name = NULL, *model = NULL;
    uint32_t n_context = 0;
    const struct option options[] = {
        {"--json", OPTION_FLAG, &json, NULL, "one object", NULL},
        {"--device", OPTION_TEXT, &device_name, "NAME", "plan for this device (fathom devices)", NULL},
        {"--ctx", OPTION_COUNT, &n_context, "N", "plan for this context", NULL},
        {"--exact", OPTION_FLAG, &exact, NULL, "plan for exact mode (a float32 cache)", NULL},
    };
    const struct usage usage = {"inspect", "MODEL [--json]",
        "Shows a model's shape and sizes, and the memory plan for a device and a context.", options, 4, 1, 1};
    size_t n_positional;
    const int code = options_parse(&usage, argc, argv, &model, &n_positional);
    if (code != EXIT_NOT_YET) return code;
    struct fathom_error err = {0}, no_device = {0};
    struct fathom_gpu_info info;
    struct fathom_model_info m;
    struct fathom_memory_plan plan;
    const struct fathom_gpu_info *device = choose_device(device_name, &info, &no_device);
    if (!device && (device_name || no_device.status != FATHOM_NO_DEVICE)) return refuse(&no_device);
    if (!device) fprintf(stderr, "fathom: no device to plan for: %s\n", no_device.message);
    if (!fathom_model_inspect(
            &(struct fathom_inspect_params){
                .model = model, .gpu = device, .exact = exact, .n_context = n_context},
            &m, &plan, &err))
        return refuse(&err);
    struct fm_tensors *tensors = fm_tensors_open(model, &err);
    if (!tensors) return refuse(&err);
    struct type_sum sums[MAX_TYPES];
    const size_t n = sum_types(tensors, sums);
    fm_tensors_close(&tensors);
    if (json) return show_json(&m, &plan, device, sums, n);
    show(&m, &plan, device, sums, n);
    return EXIT_DONE;
}
