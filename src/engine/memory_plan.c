// Describes a model and computes the memory that it needs, before anything is uploaded.
#include "base/size.h"
#include "base/sized.h"
#include "base/system_memory.h"
#include "base/utf8.h"
#include "engine/engine.h"
#include "engine/forecast.h"
#include "engine/placement.h"
#include "engine/session.h"
#include "file/output.h"
#include "model/arch/arch.h"
#include <stdio.h>
#include <stdlib.h>

// DRAFT_POSITIONS: one round, and two in flight after the last. LEAST_CHUNK: shorter chunks are not worth the
// slots that they leave room for. HOST_RESERVE: one part in 16 of the host's free memory is left to others.
enum {
    DEFAULT_CONTEXT = 4096,
    DRAFT_POSITIONS = 3 * (1 + FATHOM_MAX_DRAFTS),
    LEAST_CHUNK = 32,
    HOST_RESERVE = 16,
};

uint32_t fm_default_chunk(
    const struct fathom_gpu_info *gpu, const struct fm_hparams *hp, uint32_t n_context) {
    const uint32_t wanted = gpu->type == FATHOM_GPU_CPU ? hp->arch->cpu_chunk : 512;
    return fm_workspace_max_tokens(hp, gpu->max_storage_range, wanted < n_context ? wanted : n_context);
}

enum fathom_type fm_cache_type(bool exact, bool cache_8bit) {
    return exact ? FATHOM_F32 : cache_8bit ? FATHOM_Q8_0 : FATHOM_F16;
}

uint32_t fm_positions(const struct fm_hparams *hp, uint32_t n_context) {
    return n_context + (hp->n_drafting ? DRAFT_POSITIONS : 0);
}

static void describe(const struct fm_tensors *tensors, const struct fm_hparams *hp,
    const struct fm_weights_size *size, enum fathom_type cache_type, struct fathom_model_info *info) {
    fm_hparams_describe(hp, info);
    info->parameters = size->parameters, info->parameters_active = size->parameters_active;
    info->weight_bytes = size->bytes,
    info->cache_bytes_per_token = hp->arch->cache_token_size(hp, cache_type);
    const char *text;
    size_t length;
    if (fm_meta_string(tensors, "general.name", &text, &length, NULL))
        fm_printable(info->name, sizeof(info->name), text);
}

static uint64_t or_most(uint64_t limit) { // 0: no limit
    return limit ? limit : UINT64_MAX;
}

static uint64_t within(uint64_t size, uint64_t lowest, uint64_t highest) {
    return size < lowest ? lowest : fm_least(size, highest);
}

// Host memory within a limit that homes of experts cannot have, see gpu.h: a card's three staging buffers,
// and a block for what the host and the device tell each other.
static uint64_t host_overhead(const struct fathom_gpu_info *gpu, uint64_t limit) {
    if (!limit) return 0;
    const uint64_t staging = gpu->unified_memory ? 0 : 3 * within(limit / 16, 64 << 10, 8 << 20);
    return staging + within(limit / 64, 256 << 10, 64 << 20);
}

// What the allocator may lose within a limit of device memory, see gpu.h: the end of a shared block, and the
// ends of larger buffers' pages.
static uint64_t device_slack(const struct fm_hparams *hp, uint64_t limit) {
    const uint64_t n_buffers = FM_N_WORKSPACE + 4ull * hp->n_layers + 32ull * hp->n_drafting;
    return limit ? within(limit / 64, 256 << 10, 64 << 20) + n_buffers * 4096 : 0;
}

static struct fm_machine machine_of(
    const struct fm_hparams *hp, const struct fm_plan_request *p, const struct fathom_gpu_info *gpu) {
    const uint64_t known = p->host_memory ? p->host_memory : fm_available_memory(),
                   free = known == UINT64_MAX ? known : known - known / HOST_RESERVE,
                   host = fm_least(free, or_most(p->host_limit)), other = host_overhead(gpu, p->host_limit);
    return (struct fm_machine){
        .unified = gpu->unified_memory,
        .limited = p->device_limit > 0,
        .in_place = gpu->unified_memory && gpu->max_import > 0,
        .device = fm_least(gpu->memory_free, or_most(p->device_limit)),
        .host = host > other ? host - other : 0,
        .both = gpu->unified_memory ? free : UINT64_MAX,
        .slack = device_slack(hp, p->device_limit),
        .max_pool = fm_least(fm_least(gpu->max_storage_range, or_most(gpu->max_allocation)), UINT32_MAX),
    };
}

// What the plan's chunk and context take beside the weights.
static void size_steps(const struct fm_hparams *hp, const struct fathom_gpu_info *gpu, bool exact,
    enum fathom_type cache_type, struct fathom_memory_plan *plan) {
    const uint32_t n_chunk = plan->n_chunk, n_context = plan->n_context,
                   n_positions = fm_positions(hp, n_context);
    plan->cache = fm_caches_size(hp,
        &(struct fm_cache_params){
            .n_context = n_context,
            .n_positions = n_positions,
            .n_chunk = n_chunk,
            .n_ahead = FM_RING,
            .type = cache_type,
        });
    plan->scratch = n_chunk ? fm_workspace_size(hp, n_chunk, n_positions, exact, gpu->max_storage_range) : 0;
    plan->scratch +=
        fm_rope_tables_size(hp, n_positions) + 4ull * hp->n_vocab; // 4 * n_vocab: the tokens seen
    // see engine/draft.c
    if (hp->n_drafting) plan->scratch += 4ull * hp->n_hidden * (2 * n_chunk + 1) + 4ull * hp->n_vocab;
}

static struct fm_traffic traffic_of(const struct fm_inventory *inv, bool drafting) {
    struct fm_traffic t = {.fixed = inv->fixed_read, .n_layers = inv->n_layers, .n_experts = inv->n_experts};
    t.top_k = inv->top_k;
    if (t.n_layers && drafting) t.n_layers--;
    for (uint32_t i = 0; i < t.n_layers; i++)
        for (int m = 0; m < FM_EXPERT_MATRICES; m++) t.experts += t.top_k * inv->layers[i].matrix[m];
    return t;
}

// What earlier runs measured stands in place of the rates: the time of a token whose experts are all in
// slots.
static void use_history(
    const struct fm_expert_history *history, const struct fm_traffic *traffic, struct fathom_rates *rates) {
    double seconds;
    if (!fm_expert_history_fit(history, &seconds, &rates->link)) return;
    rates->device = (double)(traffic->fixed + traffic->experts) / seconds;
    rates->token_seconds = 0;
}

// Foretells a token. Where the device could as well read experts in host memory, the slots go if that is
// foretold to be faster by more than measurements err.
static void foretell(const struct fm_inventory *inv, const struct fm_hparams *hp,
    const struct fm_expert_history *history, bool keep_slots, struct fathom_memory_plan *plan) {
    const double clearly = 1.1;
    struct fm_traffic traffic = traffic_of(inv, hp->n_drafting > 0);
    traffic.recurrent = hp->n_hash_layers > 0;
    const struct fm_hits known = {history ? history->depths : NULL, history ? history->n_experts : 0},
                         *hits = &known;
    struct fathom_forecast without;
    if (history) use_history(history, &traffic, &plan->rates);
    fm_forecast(&traffic, plan, &plan->rates, hits, &plan->forecast);
    if (plan->experts != FATHOM_EXPERTS_HOST || plan->n_slots == 0 || keep_slots) return;
    struct fathom_memory_plan other = *plan;
    other.n_slots = 0;
    other.total -= other.slot_bytes;
    other.slot_bytes = 0;
    fm_forecast(&traffic, &other, &plan->rates, hits, &without);
    if (without.seconds * clearly < plan->forecast.seconds) *plan = other, plan->forecast = without;
}

struct size_text {
    char text[32];
};
static struct size_text size_text(uint64_t bytes) {
    struct size_text t;
    if (bytes >= 1u << 30)
        snprintf(t.text, sizeof(t.text), "%.2f GiB", (double)bytes / (1u << 30));
    else
        snprintf(t.text, sizeof(t.text), "%.2f MiB", (double)bytes / (1u << 20));
    return t;
}

// Says what is short. Without a limit or a wish that was not kept this is no error: the plan says that the
// model does not fit.
static bool check_shortage(const struct fm_plan_request *p, const struct fm_inventory *inv,
    const struct fathom_memory_plan *plan, const struct fm_shortage *s, struct fathom_error *err) {
    const struct size_text needed = size_text(s->needed), available = size_text(s->available);
    const bool limited = p->device_limit && p->device_limit <= plan->available;
    switch (s->what) {
    case FM_ENOUGH: break;
    case FM_SHORT_FIXED:
        if (!limited && p->experts == FATHOM_EXPERTS_AUTO) return true;
        return fm_fail(err, FATHOM_NO_MEMORY,
            "%s: %s of device memory is %s, everything but experts needs %s (weights %s, cache %s, "
            "scratch %s, ends of blocks %s)",
            p->model, available.text, limited ? "the limit" : "free", needed.text,
            size_text(plan->weights - plan->expert_bytes - plan->in_place).text, size_text(plan->cache).text,
            size_text(plan->scratch).text, size_text(s->needed - plan->fixed).text);
    case FM_SHORT_MAPPED:
        if (!p->host_limit && p->experts == FATHOM_EXPERTS_AUTO) return true;
        return fm_fail(err, FATHOM_NO_MEMORY,
            "%s: %s of host memory is free within the limit, the weights that are not experts take %s of it, "
            "in the mapped file",
            p->model, available.text, needed.text);
    case FM_SHORT_DEVICE:
        return fm_fail(err, FATHOM_NO_MEMORY,
            "%s: all experts in device memory were asked for; they need %s, %s is free for them; experts %s "
            "would fit",
            p->model, needed.text, available.text,
            fm_host_size(inv) <= plan->host_available ? "host" : "disk");
    case FM_SHORT_HOST:
        return fm_fail(err, FATHOM_NO_MEMORY,
            "%s: all experts in host memory were asked for; they need %s, %s is free for them; experts disk "
            "would need less",
            p->model, needed.text, available.text);
    case FM_SHORT_SLOTS:
        return fm_fail(err, FATHOM_NO_MEMORY,
            "%s: slots for the %u experts that a token chooses in one layer need %s of device memory, %s is "
            "left beside everything else",
            p->model, plan->floor, needed.text, available.text);
    case FM_SHORT_RANGE:
        return fm_fail(err, FATHOM_UNSUPPORTED,
            "%s: one matrix of each of the %u experts that a token chooses in one layer is %s, the device "
            "addresses %s at once",
            p->model, plan->floor, needed.text, available.text);
    case FM_SHORT_STAGING:
        return fm_fail(err, FATHOM_NO_MEMORY,
            "%s: the %u experts that a token chooses in one layer are read into %s of host memory, %s is "
            "free within the limit",
            p->model, plan->floor, needed.text, available.text);
    case FM_SHORT_FORM:
        return fm_fail(err, FATHOM_UNSUPPORTED,
            "%s: experts %s from the file as they are needed, but the bytes of tensor %s are not there as "
            "the "
            "device reads them; write a GGUF file first (fathom convert from a hub folder, fathom quantize "
            "from "
            "a GGUF file)",
            p->model,
            p->experts == FATHOM_EXPERTS_DISK ? "would be read" : "do not fit into memory and would be read",
            inv->converted);
    }
    return true;
}

// Plans with the longest chunk with which all experts fit into device memory; without such a chunk, with the
// longest one that leaves room for slots; else with the longest that fits. What is short is that of the
// shortest chunk.
static struct fm_shortage choose_chunk(const struct fm_hparams *hp, const struct fm_plan_request *p,
    const struct fathom_gpu_info *gpu, enum fathom_type cache_type, const struct fm_inventory *inv,
    struct fathom_memory_plan *plan) {
    const struct fm_machine machine = machine_of(hp, p, gpu);
    struct fathom_memory_plan best = {.size = sizeof(best)}, try = *plan;
    struct fm_shortage s = {FM_ENOUGH, 0, 0};
    for (uint32_t n = plan->n_chunk; n == plan->n_chunk || n >= LEAST_CHUNK; n /= 2) {
        try = *plan;
        try.n_chunk = n;
        size_steps(hp, gpu, p->exact, cache_type, &try);
        s = fm_place(inv, &machine, p->experts, &try);
        if (try.fits &&
            (!best.fits || try.experts == FATHOM_EXPERTS_DEVICE || (!best.n_slots && try.n_slots)))
            best = try;
        if (n == 0 || inv->n_layers == 0 || (try.fits && try.experts == FATHOM_EXPERTS_DEVICE)) break;
    }
    *plan = best.fits ? best : try;
    return best.fits ? (struct fm_shortage){FM_ENOUGH, 0, 0} : s;
}

bool fm_memory_plan(const struct fm_tensors *tensors, const struct fm_hparams *hp,
    const struct fm_plan_request *params, const struct fm_expert_history *history,
    struct fathom_model_info *info, struct fathom_memory_plan *plan, struct fathom_error *err) {
    const enum fathom_type cache_type = fm_cache_type(params->exact, params->cache_8bit);
    const char *path = fm_tensors_path(tensors);
    struct fm_weights_size size;
    struct fm_inventory inv;
    uint32_t n_context = params->n_context;
    if (!hp->arch->cache_check(hp, cache_type, err)) return fm_error_prefix(err, "%s", path), false;
    if (!fm_weights_measure(tensors, hp, &size, err)) return false;
    describe(tensors, hp, &size, cache_type, info);
    if (n_context == 0)
        n_context = hp->n_context_trained < DEFAULT_CONTEXT ? hp->n_context_trained : DEFAULT_CONTEXT;
    if (n_context > hp->n_context_trained)
        return fm_fail(err, FATHOM_INVALID,
            "%s: a context of %u tokens was asked for, the model knows positions up to %u", path, n_context,
            hp->n_context_trained);
    if (!fm_inventory_take(tensors, hp, params->gpu ? params->gpu->storage_alignment : 0, &inv, err))
        return false;
    // Without a device, the plan assumes the smallest one that Vulkan 1.2 drivers offer in practice.
    const struct fathom_gpu_info smallest = {
        .size = sizeof(smallest), .type = FATHOM_GPU_CPU, .max_storage_range = 128 << 20};
    const struct fathom_gpu_info *gpu = params->gpu ? params->gpu : &smallest;
    const struct fm_machine machine = machine_of(hp, params, gpu);
    *plan = FATHOM_INIT(fathom_memory_plan, .n_context = n_context,
        .n_chunk = fm_default_chunk(gpu, hp, n_context), .weights = size.bytes, .available = machine.device,
        .host_available = machine.host, .rates = params->rates);
    fm_rates_default(gpu, &plan->rates);
    const bool no_experts = inv.n_layers == 0 && params->experts > FATHOM_EXPERTS_DEVICE;
    const bool possible = plan->n_chunk > 0; // one token's activations fit a binding
    const struct fm_shortage s = choose_chunk(hp, params, gpu, cache_type, &inv, plan);
    plan->fits = plan->fits && possible;
    foretell(&inv, hp, history, params->keep_slots, plan);
    bool ok = !no_experts
        ? !params->gpu || check_shortage(params, &inv, plan, &s, err)
        : fm_fail(err, FATHOM_INVALID, "%s: a place for experts was asked for, the model has none", path);
    if (ok && params->in_memory &&
        (plan->experts == FATHOM_EXPERTS_DISK || params->experts == FATHOM_EXPERTS_DISK))
        ok = fm_fail(err, FATHOM_UNSUPPORTED,
            "%s: %s of experts, %s of device memory and %s of host memory are free: the others would be read "
            "from a file as they are needed, but the model is in memory; give the path of its file",
            path, size_text(plan->expert_bytes).text, size_text(machine.device).text,
            size_text(machine.host).text);
    fm_inventory_free(&inv);
    return ok;
}

struct fm_plan_request fm_plan_request(
    const struct fathom_engine_params *params, const struct fathom_gpu_info *gpu) {
    const struct fathom_gpu_params *p = params->gpu;
    return (struct fm_plan_request){
        .model = fm_model_name(params),
        .gpu = gpu,
        .exact = p->exact,
        .cache_8bit = params->cache_8bit,
        .in_memory = params->model_data,
        .n_context = params->n_context,
        .experts = params->experts,
        .device_limit = p->device_limit,
        .host_limit = p->host_limit,
        // reading the host's memory costs a pretended card nothing
        .keep_slots = p->debug->discrete || p->debug->separate_memory,
    };
}

struct fathom_inspection {
    struct fathom_model_info info;
    struct fathom_memory_plan plan;
    struct fm_tensors *tensors;
};

struct fathom_inspection *fathom_model_inspect(const struct fathom_engine_params *given,
    const struct fathom_machine *machine, struct fathom_error *err) {
    if (!FM_GIVEN(given, "params", err)) return NULL;
    struct fm_engine_params read;
    struct fathom_machine m = {.size = sizeof(m)};
    struct fathom_gpu_info gpu = {.size = sizeof(gpu)};
    if (!fm_engine_params_read(&read, given, "fathom_model_inspect", err) ||
        !fm_sized_read(&m, sizeof(m), machine, "fathom_model_inspect: machine", err) ||
        !fm_sized_read(&gpu, sizeof(gpu), m.gpu, "fathom_model_inspect: machine.gpu", err))
        return NULL;
    const struct fathom_engine_params *params = &read.engine;
    struct fathom_inspection *inspection = calloc(1, sizeof(*inspection));
    struct fm_hparams hp;
    struct fm_plan_request request = fm_plan_request(params, m.gpu ? &gpu : NULL);
    if (!inspection) {
        fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
        return NULL;
    }
    request.host_memory = m.host_memory;
    request.rates = m.rates;
    struct fm_tensors *tensors = inspection->tensors = fm_model_open(params, "fathom_model_inspect", err);
    if (!tensors || !fm_hparams_read(tensors, &hp, err) ||
        !fm_memory_plan(tensors, &hp, &request, NULL, &inspection->info, &inspection->plan, err))
        fathom_inspection_destroy(&inspection);
    return inspection;
}

void fathom_inspection_destroy(struct fathom_inspection **inspection) {
    if (!inspection || !*inspection) return;
    fm_tensors_close(&(*inspection)->tensors);
    free(*inspection);
    *inspection = NULL;
}
const struct fathom_model_info *fathom_inspection_get_info(const struct fathom_inspection *inspection) {
    if (!inspection) return NULL;
    return &inspection->info;
}
const struct fathom_memory_plan *fathom_inspection_get_plan(const struct fathom_inspection *inspection) {
    if (!inspection) return NULL;
    return &inspection->plan;
}

size_t fathom_inspection_count_tensors(const struct fathom_inspection *inspection) {
    if (!inspection) return 0;
    return fm_tensors_count(inspection->tensors);
}
bool fathom_inspection_get_tensor(
    const struct fathom_inspection *inspection, size_t i, struct fathom_tensor_info *tensor) {
    if (!inspection || !tensor) return false;
    if (i >= fm_tensors_count(inspection->tensors)) return false;
    const struct fm_tensor *t = fm_tensors_at(inspection->tensors, i);
    const struct fathom_tensor_info info = {
        .size = sizeof(info),
        .name = t->name,
        .type = t->type,
        .n_dims = t->n_dims,
        .dims = {t->dims[0], t->dims[1], t->dims[2], t->dims[3]},
        .bytes = t->size,
    };
    fm_sized_write(tensor, &info, sizeof(info));
    return true;
}
bool fathom_inspection_has_file(const struct fathom_inspection *inspection, const char *path) {
    if (!inspection || !path) return false;
    return fm_output_is_input(inspection->tensors, path);
}

uint64_t fathom_host_memory_free(void) {
    return fm_available_memory();
}
