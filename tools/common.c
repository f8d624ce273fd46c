#include "common.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/system_memory.h"
#include "base/utf8.h"
#include "lines.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int refuse(const struct fathom_error *err) {
    progress_clear();
    fprintf(stderr, "fathom: %s\n", err->message);
    return EXIT_REFUSED;
}

int out_of_memory(void) {
    return refuse(&(struct fathom_error){FATHOM_NO_MEMORY, "out of host memory"});
}

static int shown = -1; // per cent of the bar on the terminal
static double line_at; // without a terminal: when the last line was printed, or the work began

void progress_clear(void) {
    if (shown >= 0 && takes_escapes(STDERR_FILENO)) fprintf(stderr, "\r\033[K");
    shown = -1;
}

static bool report(void *user, const char *what, uint64_t done, uint64_t total) {
    (void)user;
    const int percent = total ? (int)(100 * done / total) : 100;
    if (takes_escapes(STDERR_FILENO)) {
        if (percent != shown) {
            char bar[41];
            memset(bar, ' ', 40);
            memset(bar, '#', (size_t)percent * 40 / 100);
            bar[40] = 0;
            fprintf(stderr, "\r%-10s [%s] %3d %%", what, bar, percent);
        }
        shown = percent;
        if (done >= total) progress_clear();
    } else { // elsewhere: one line every ten seconds
        const double now = fm_clock();
        if (percent < shown || shown < 0)
            line_at = now; // new work begins
        else if (now - line_at >= 10)
            fprintf(stderr, "%s: %d %%\n", what, percent), line_at = now;
        shown = percent;
    }
    return !interrupted();
}
const struct fathom_progress progress_bar = {report, NULL};

static void write_log(void *user, enum fathom_log_level level, const char *message) {
    const bool verbose = *(const bool *)user;
    if (level > FATHOM_LOG_NOTICE && !verbose) return;
    progress_clear();
    fprintf(stderr, "fathom: %s\n", message);
}

// Returns $XDG_CACHE_HOME/fathom or ~/.cache/fathom, which the caller frees, or NULL without either. A path
// that is not absolute is ignored, as the specification of XDG_CACHE_HOME wants.
static char *cache_dir(void) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    const bool own = cache && cache[0] == '/';
    const char *folder = own     ? cache
        : home && home[0] == '/' ? home
                                 : NULL,
               *rest = own ? "/fathom" : "/.cache/fathom";
    const size_t size = folder ? strlen(folder) + strlen(rest) + 1 : 0;
    char *path = folder ? malloc(size) : NULL;
    if (path) snprintf(path, size, "%s%s", folder, rest);
    return path;
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
    struct fathom_gpu *gpu = fathom_gpu_create(
        &(struct fathom_gpu_params){.device = o->device, .separate_memory = o->discrete}, err);
    if (!gpu) return NULL;
    *info = *fathom_gpu_get_info(gpu);
    fathom_gpu_destroy(&gpu);
    return info;
}

static uint64_t limit_bytes(const struct option_size *size, uint64_t whole) {
    return size->percent > 0 ? (uint64_t)((double)whole * (double)size->percent / 100) : size->bytes;
}

bool memory_limits(const struct device_options *o, const struct fathom_gpu_info *device,
    uint64_t *device_limit, uint64_t *host_limit, struct fathom_error *err) {
    struct fathom_gpu_info info = {0};
    if (!device && o->vram.percent > 0 && !(device = choose_device(o, &info, err))) return false;
    *device_limit = limit_bytes(&o->vram, device ? device->memory_total : 0);
    *host_limit = limit_bytes(&o->ram, fm_available_memory());
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
    struct fathom_engine *engine = fathom_engine_create(
        &(struct fathom_engine_params){
            .model = model,
            .n_context = o->n_context,
            .progress = progress_bar,
            .cache_8bit = o->cache_8bit,
            .n_drafts = n_drafts,
            .experts = (enum fathom_experts)o->experts,
            .mirror = o->mirror,
            .tuning = o->no_tune ? FATHOM_TUNING_OFF : FATHOM_TUNING_QUICK,
            .gpu =
                {
                    .device = o->device,
                    .cache_dir = cache,
                    .exact = o->exact,
                    .variants = o->variants,
                    .separate_memory = o->discrete,
                    .device_limit = device_limit,
                    .host_limit = host_limit,
                    .full_barriers = o->full_barriers,
                    .timers = o->timers,
                    .log = {write_log, &verbose},
                },
        },
        &err);
    free(cache);
    if (engine && interrupted()) { // where weights are used in place, nothing else asks
        fathom_engine_destroy(&engine);
        fm_fail(&err, FATHOM_CANCELLED, "loading %s was cancelled", model);
    }
    if (!engine) return refuse(&err), NULL;
    if (verbose)
        print_plan(stderr, fathom_engine_get_plan(engine), fathom_engine_get_info(engine)->n_experts);
    return engine;
}

void chat_limit(struct fathom_chat_params *params, uint32_t n_tokens) {
    params->prompt_only = n_tokens == 0;
    params->max_tokens = n_tokens == OPTION_NO_LIMIT ? 0 : n_tokens;
}

enum { N_START = 7 };
static const char *const start_names[N_START] = {
    "file", "tokenizer", "device", "weights", "tuning", "session", "pipelines"};

static double start_seconds(const struct fathom_session *session, double seconds[N_START]) {
    const struct fathom_start_times t = fathom_session_get_stats(session).start;
    const double list[N_START] = {t.file, t.tokenizer, t.device, t.weights, t.tuning, t.session, t.pipelines};
    double total = 0;
    for (int i = 0; i < N_START; i++) total += seconds[i] = list[i];
    return total;
}

void print_start(FILE *f, const struct fathom_session *session) {
    double seconds[N_START];
    fprintf(f, "start %.3f s:", start_seconds(session, seconds));
    for (int i = 0; i < N_START; i++) fprintf(f, "%s %s %.3f", i ? "," : "", start_names[i], seconds[i]);
    fputs("\n", f);
}

cJSON *start_json(const struct fathom_session *session) {
    double seconds[N_START];
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "seconds", start_seconds(session, seconds));
    for (int i = 0; i < N_START; i++) cJSON_AddNumberToObject(json, start_names[i], seconds[i]);
    return json;
}

void print_drafts(FILE *f, const struct fathom_session *session) {
    const struct fathom_session_stats s = fathom_session_get_stats(session);
    if (s.drafts)
        fprintf(f, "  %llu of %llu drafted tokens accepted (%.1f %%), %.2f tokens a step\n",
            (unsigned long long)s.drafts_accepted, (unsigned long long)s.drafts,
            100.0 * (double)s.drafts_accepted / (double)s.drafts,
            (double)s.timings.decode_tokens / (double)s.decode_steps);
}

cJSON *drafts_json(const struct fathom_session *session) {
    const struct fathom_session_stats s = fathom_session_get_stats(session);
    if (!s.drafts) return NULL;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "drafted", (double)s.drafts);
    cJSON_AddNumberToObject(json, "accepted", (double)s.drafts_accepted);
    cJSON_AddNumberToObject(json, "acceptance", (double)s.drafts_accepted / (double)s.drafts);
    return json;
}

char *demo_model(void) {
    static const char *const places[] = {"../share/fathom/minnow-q8_0.gguf", "minnow-q8_0.gguf"};
    char self[PATH_MAX], path[PATH_MAX + 64];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash = n > 0 ? (self[n] = 0, strrchr(self, '/')) : NULL;
    for (size_t i = 0; slash && i < sizeof(places) / sizeof(*places); i++) {
        snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - self), self, places[i]);
        if (access(path, R_OK) == 0) return strdup(path);
    }
    fprintf(stderr, "fathom: the demonstration model is not installed beside the program; name a model\n");
    return NULL;
}

char *read_file(const char *path, size_t most, size_t *size, struct fathom_error *err) {
    FILE *f = strcmp(path, "-") ? fopen(path, "rb") : stdin;
    if (!f) return fm_fail(err, FATHOM_IO, "%s: %s", path, strerror(errno)), NULL;
    char *text = NULL;
    size_t capacity = 0;
    *size = 0;
    for (size_t n = 1; n > 0;) {
        if (capacity - *size < 2) {
            char *grown = realloc(text, capacity = 2 * capacity + 4096);
            if (!grown) break;
            text = grown;
        }
        n = fread(text + *size, 1, capacity - *size - 1, f);
        *size += n;
        if (*size > most) break;
    }
    const bool ok = text && !ferror(f) && *size <= most;
    if (!ok)
        fm_fail(err, FATHOM_IO, "%s: %s", path,
            *size > most    ? "the file is too large"
                : ferror(f) ? strerror(errno)
                            : "out of memory");
    if (f != stdin) fclose(f);
    if (!ok) return free(text), NULL;
    text[*size] = 0;
    return text;
}

// Prints a text of cJSON's, which may hold a path or a name with bytes that are no UTF-8: these become
// U+FFFD, so that the output is JSON.
static bool print_utf8(const char *text) {
    const size_t length = strlen(text);
    for (size_t i = 0; i < length;) {
        uint32_t code;
        const int n = fm_utf8_decode(text + i, length - i, &code);
        const size_t used = n > 0 ? (size_t)n : n < 0 ? (size_t)-n : length - i;
        if (fwrite(n > 0 ? text + i : "\xef\xbf\xbd", 1, n > 0 ? used : 3, stdout) != (n > 0 ? used : 3))
            return false;
        i += used;
    }
    return putchar('\n') != EOF;
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
    const bool ok = text && print_utf8(text) && fflush(stdout) == 0;
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
