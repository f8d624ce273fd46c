#include "common.h"
#include <errno.h>
#include <fathom/debug.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int refuse(const struct fathom_error *err) {
    progress_clear();
    fprintf(stderr, "fathom: %s\n", err->message);
    return EXIT_REFUSED;
}

int out_of_memory(void) {
    return refuse(&(struct fathom_error){FATHOM_NO_MEMORY, "out of host memory"});
}

static void write_log(void *user, enum fathom_log_level level, const char *message) {
    const bool verbose = *(const bool *)user;
    if (level > FATHOM_LOG_NOTICE && !verbose) return;
    progress_clear();
    fprintf(stderr, "fathom: %s\n", message);
}

// Parses "mtp" or "mtp:N". Prints the error and returns false on failure.
static bool parse_draft(const char *text, uint32_t *n_drafts) {
    char rest;
    *n_drafts = text ? 1 : 0;
    if (!text || !strcmp(text, "mtp")) return true;
    if (!strncmp(text, "mtp:", 4) && text[4] >= '1' && text[4] <= '9' &&
        sscanf(text + 4, "%2u%c", n_drafts, &rest) == 1 && *n_drafts <= FATHOM_MAX_DRAFTS)
        return true;
    fprintf(
        stderr, "fathom: --draft takes mtp or mtp:N, N from 1 to %d, not \"%s\"\n", FATHOM_MAX_DRAFTS, text);
    return false;
}

const struct fathom_gpu_info *choose_device(
    const struct device_options *o, struct fathom_gpu_info *info, struct fathom_error *err) {
    const struct fathom_gpu_debug debug = {.size = sizeof(debug), .separate_memory = o->discrete};
    struct fathom_gpu *gpu =
        fathom_gpu_create(&FATHOM_INIT(fathom_gpu_params, .device = o->device, .debug = &debug), err);
    if (!gpu) return NULL;
    *info = *fathom_gpu_get_info(gpu);
    info->size = sizeof(*info);
    fathom_gpu_destroy(&gpu);
    return info;
}

static uint64_t limit_bytes(const struct option_size *size, uint64_t whole) {
    return size->percent > 0 ? (uint64_t)((double)whole * (double)size->percent / 100) : size->bytes;
}

bool memory_limits(const struct device_options *o, const struct fathom_gpu_info *device,
    uint64_t *device_limit, uint64_t *host_limit, struct fathom_error *err) {
    struct fathom_gpu_info info = {.size = sizeof(info)};
    if (!device && o->vram.percent > 0 && !(device = choose_device(o, &info, err))) return false;
    *device_limit = limit_bytes(&o->vram, device ? device->memory_total : 0);
    *host_limit = limit_bytes(&o->ram, fathom_host_memory_free());
    return true;
}

struct fathom_engine *open_engine(const char *model, const struct device_options *o) {
    static bool verbose; // outlives the engine, whose log callback reads it
    verbose = o->verbose;
    uint32_t n_drafts;
    if (!parse_draft(o->draft, &n_drafts)) return NULL;
    struct fathom_error err = {0};
    uint64_t device_limit, host_limit;
    if (!memory_limits(o, NULL, &device_limit, &host_limit, &err)) return refuse(&err), NULL;
    char *cache = cache_dir();
    const struct fathom_gpu_debug debug = {
        .size = sizeof(debug),
        .separate_memory = o->discrete,
        .full_barriers = o->full_barriers,
    };
    const struct fathom_gpu_params gpu = {
        .size = sizeof(gpu),
        .device = o->device,
        .cache_dir = cache,
        .exact = o->exact,
        .variants = o->variants,
        .device_limit = device_limit,
        .host_limit = host_limit,
        .timers = o->timers,
        .log = {write_log, &verbose},
        .debug = &debug,
    };
    const struct fathom_engine_params params = {
        .size = sizeof(params),
        .model = model,
        .gpu = &gpu,
        .n_context = o->n_context,
        .cache_8bit = o->cache_8bit,
        .n_drafts = n_drafts,
        .experts = (enum fathom_experts)o->experts,
        .mirror = o->mirror,
        .progress = progress_bar,
        .tuning = o->no_tune ? FATHOM_TUNING_OFF : FATHOM_TUNING_QUICK,
    };
    struct fathom_engine *engine = fathom_engine_create(&params, &err);
    free(cache);
    if (engine && interrupted()) { // where weights are used in place, nothing else asks
        fathom_engine_destroy(&engine);
        fail(&err, FATHOM_CANCELLED, "loading %s was cancelled", model);
    }
    if (!engine) return refuse(&err), NULL;
    if (verbose)
        print_plan(stderr, fathom_engine_get_plan(engine), fathom_engine_get_info(engine)->n_experts);
    return engine;
}

void ask_limit(struct fathom_ask_params *params, uint32_t n_tokens) {
    params->prompt_only = n_tokens == 0;
    params->max_tokens = n_tokens == OPTION_NO_LIMIT ? 0 : n_tokens;
}

struct fathom_session_stats session_stats(const struct fathom_session *session) {
    struct fathom_session_stats stats = {.size = sizeof(stats)};
    fathom_session_get_stats(session, &stats);
    return stats;
}

enum { N_START = 7 };
static const char *const start_names[N_START] = {
    "file", "tokenizer", "device", "weights", "tuning", "session", "pipelines"};

static double start_seconds(
    const struct fathom_engine *engine, const struct fathom_session *session, double seconds[N_START]) {
    struct fathom_start_times t = {.size = sizeof(t)};
    fathom_engine_get_start_times(engine, &t);
    const struct fathom_session_stats s = session_stats(session);
    const double list[N_START] = {
        t.file, t.tokenizer, t.device, t.weights, t.tuning, s.create_seconds, s.pipeline_seconds};
    double total = 0;
    for (int i = 0; i < N_START; i++) total += seconds[i] = list[i];
    return total;
}

double load_seconds(const struct fathom_engine *engine) {
    struct fathom_start_times t = {.size = sizeof(t)};
    fathom_engine_get_start_times(engine, &t);
    return t.file + t.tokenizer + t.device + t.weights + t.tuning;
}

void print_start(FILE *f, const struct fathom_engine *engine, const struct fathom_session *session) {
    double seconds[N_START];
    fprintf(f, "start %.3f s:", start_seconds(engine, session, seconds));
    for (int i = 0; i < N_START; i++) fprintf(f, "%s %s %.3f", i ? "," : "", start_names[i], seconds[i]);
    fputs("\n", f);
}

cJSON *start_json(const struct fathom_engine *engine, const struct fathom_session *session) {
    double seconds[N_START];
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "seconds", start_seconds(engine, session, seconds));
    for (int i = 0; i < N_START; i++) cJSON_AddNumberToObject(json, start_names[i], seconds[i]);
    return json;
}

void print_drafts(FILE *f, const struct fathom_session *session) {
    const struct fathom_session_stats s = session_stats(session);
    if (s.drafts)
        fprintf(f, "  %llu of %llu drafted tokens accepted (%.1f %%), %.2f tokens a step\n",
            (unsigned long long)s.drafts_accepted, (unsigned long long)s.drafts,
            100.0 * (double)s.drafts_accepted / (double)s.drafts,
            (double)s.decode_tokens / (double)s.decode_steps);
}

cJSON *drafts_json(const struct fathom_session *session) {
    const struct fathom_session_stats s = session_stats(session);
    if (!s.drafts) return NULL;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "drafted", (double)s.drafts);
    cJSON_AddNumberToObject(json, "accepted", (double)s.drafts_accepted);
    cJSON_AddNumberToObject(json, "acceptance", (double)s.drafts_accepted / (double)s.drafts);
    return json;
}

char *demo_model(void) {
    static const char *const places[] = {"../share/fathom/minnow-q8_0.gguf", "minnow-q8_0.gguf"};
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        char *path = beside_program(places[i]);
        if (path) return path;
    }
    fprintf(stderr, "fathom: the demonstration model is not installed beside the program; name a model\n");
    return NULL;
}

static void *json_allocate(size_t size) {
    void *memory = malloc(size);
    if (memory) return memory;
    exit(out_of_memory()); // cJSON would drop what it has no memory for, and the result would look complete
}

void json_starts(void) {
    cJSON_InitHooks(&(cJSON_Hooks){json_allocate, free});
}

int print_json(cJSON *json) {
    char *text = cJSON_Print(json);
    const bool ok = text && print_utf8(text) && putchar('\n') != EOF && fflush(stdout) == 0;
    if (!ok) fprintf(stderr, "fathom: the result could not be written: %s\n", strerror(errno));
    cJSON_free(text);
    cJSON_Delete(json);
    return ok ? EXIT_DONE : EXIT_REFUSED;
}

const char *device_type_name(enum fathom_gpu_type type) {
    static const char *const names[] = {[FATHOM_GPU_DISCRETE] = "discrete",
        [FATHOM_GPU_INTEGRATED] = "integrated",
        [FATHOM_GPU_VIRTUAL] = "virtual",
        [FATHOM_GPU_CPU] = "cpu",
        [FATHOM_GPU_OTHER] = "other"};
    return names[type];
}
