#include "engine/engine.h"
#include "base/disk_reader.h"
#include "base/log.h"
#include "base/sized.h"
#include "op/op.h"
#include "op/rates.h"
#include <stdlib.h>
#include <string.h>

static const double disk_seconds = 0.2; // of measuring a drive
#define GIB (1024.0 * 1024.0 * 1024.0)

// The longest context, in whole pages, whose cache fits beside the weights and the scratch.
static uint32_t context_that_fits(const struct fathom_engine *e) {
    const uint64_t fixed = e->plan.weights + e->plan.scratch;
    if (fixed >= e->plan.available) return 0;
    const uint64_t n = (e->plan.available - fixed) / e->info.cache_bytes_per_token;
    return n >= e->plan.n_context ? 0 : (uint32_t)n / FATHOM_PAGE * FATHOM_PAGE;
}

static bool check_fit(const struct fathom_engine *e, const char *model, struct fathom_error *err) {
    const struct fathom_memory_plan *p = &e->plan;
    const char *device = fathom_gpu_get_info(e->gpu)->name;
    if (p->fits) return true;
    if (p->n_expert_layers)
        return fm_fail(err, FATHOM_NO_MEMORY,
            "%s needs %.2f GiB of device memory for everything but experts (cache %.2f, scratch %.2f), %.2f "
            "GiB is free on %s",
            model, (double)p->fixed / GIB, (double)p->cache / GIB, (double)p->scratch / GIB,
            (double)p->available / GIB, device);
    fm_fail(err, FATHOM_NO_MEMORY,
        "%s needs %.2f GiB of device memory (weights %.2f, cache %.2f, scratch %.2f), %.2f GiB is free on %s",
        model, (double)p->total / GIB, (double)p->weights / GIB, (double)p->cache / GIB,
        (double)p->scratch / GIB, (double)p->available / GIB, device);
    const uint32_t n = context_that_fits(e);
    if (n && err) fm_error_prefix(err, "a context of %u tokens would fit", n);
    return false;
}

static bool load_tokenizer(
    struct fathom_engine *e, const struct fm_tensors *tensors, struct fathom_error *err) {
    if (!fm_meta_has(tensors, "tokenizer.ggml.model")) return true; // logits and benchmarks need no tokenizer
    e->tokenizer = fm_tokenizer_of_model(tensors, err);
    if (!e->tokenizer) return false;
    if (fathom_tokenizer_count(e->tokenizer) > e->hp.n_vocab)
        return fm_fail(err, FATHOM_INVALID, "%s: the tokenizer has %u tokens, the model %u",
            fm_tensors_path(tensors), fathom_tokenizer_count(e->tokenizer), e->hp.n_vocab);
    return true;
}

static bool check_drafting(struct fathom_engine *e, uint32_t n_drafts, struct fathom_error *err) {
    const char *path = fm_tensors_path(e->tensors);
    if (n_drafts > FATHOM_MAX_DRAFTS)
        return fm_fail(
            err, FATHOM_INVALID, "%u drafted tokens were asked for, at most %d", n_drafts, FATHOM_MAX_DRAFTS);
    if (!e->hp.n_draft_layers || !e->hp.n_experts)
        return fm_fail(err, FATHOM_UNSUPPORTED,
            "%s: drafting was asked for, but the model has no draft layer%s", path,
            e->hp.n_draft_layers ? " with experts" : "");
    e->hp.n_drafting = 1;
    e->n_drafts = n_drafts;
    return true;
}

// The rate of the drive with the file, read as experts are read. 0: not known.
struct drive {
    const struct fathom_engine *engine;
    double rate;
};
static void measure_drive(void *argument) {
    struct drive *drive = argument;
    const struct fathom_engine *e = drive->engine;
    struct fathom_error ignored;
    const struct fm_mapped_file *file = NULL;
    double rate = 0;
    for (size_t i = 0; i < fm_tensors_count(e->tensors) && !file; i++) {
        const struct fm_tensor *t = fm_tensors_at(e->tensors, i);
        uint64_t at;
        if (t->dims[2] == e->hp.n_experts &&
            !fm_tensor_place(e->tensors, t, 0, t->size / t->dims[2], &file, &at))
            file = NULL;
    }
    struct fm_disk_reader *reader =
        file ? fm_disk_open(&(struct fm_disk_params){.log = &e->log}, &ignored) : NULL;
    if (!reader || !fm_disk_add(reader, file, NULL, NULL, &ignored) ||
        !fm_disk_measure(reader, disk_seconds, &rate, &ignored))
        rate = 0;
    fm_disk_close(&reader);
    drive->rate = rate;
}

// A model that does not fit whole is planned again with measured rates. The rates of the device are in a file
// after the first time, so that a forecast for a model that fits costs nothing.
static bool plan_memory(struct fathom_engine *e, const struct fathom_engine_params *params,
    struct fm_watch *watch, struct fathom_error *err) {
    struct drive drive = {.engine = e};
    struct fm_plan_request wanted = fm_plan_request(params, fathom_gpu_get_info(e->gpu));
    const char *cache_dir = params->gpu->cache_dir;
    e->tuning_key = fm_tuning_key(e);
    fm_expert_history_load(e->gpu, e->tuning_key, e->hp.n_experts, &e->history);
    if (!fm_memory_plan(e->tensors, &e->hp, &wanted, &e->history, &e->info, &e->plan, err)) return false;
    const bool whole = e->plan.experts == FATHOM_EXPERTS_DEVICE;
    if (!e->plan.fits || (whole && (e->hp.n_experts == 0 || !cache_dir || e->history.n_samples))) return true;
    struct fathom_error failure = {0};
    if (!fm_rates_get(e->gpu, e->plan.expert_type, e->hp.n_hidden, &wanted.rates, watch, &failure)) {
        if (failure.status == FATHOM_DEVICE_LOST || failure.status == FATHOM_CANCELLED)
            return fm_fail(err, failure.status, "%s", failure.message);
        fm_log(&e->log, FATHOM_LOG_INFO, "no rates of the device: %s", failure.message);
    }
    if (e->plan.experts == FATHOM_EXPERTS_DISK) {
        if (!fm_watch_run(watch, measure_drive, &drive, err)) return false;
        wanted.rates.disk = drive.rate;
    }
    return fm_memory_plan(e->tensors, &e->hp, &wanted, &e->history, &e->info, &e->plan, err);
}

// What opening a model does without telling how far it is.
struct opening {
    struct fathom_engine *engine;
    const struct fathom_engine_params *params;
    double *start;
    bool ok;
    struct fathom_error *err;
};

static bool open_file(struct opening *o) {
    struct fathom_engine *e = o->engine;
    if (!(e->tensors = fm_model_open(o->params, "fathom_engine_create", o->err)) ||
        !fm_hparams_read(e->tensors, &e->hp, o->err))
        return false;
    if (e->hp.note) fm_log(&e->log, FATHOM_LOG_WARNING, "%s: %s", fm_tensors_path(e->tensors), e->hp.note);
    e->sampling = fm_model_sampling(e->tensors, &e->log);
    if (o->params->n_drafts && !check_drafting(e, o->params->n_drafts, o->err)) return false;
    e->start.file = fm_lap(o->start);
    return true;
}
static void run_open_file(void *argument) {
    struct opening *o = argument;
    o->ok = open_file(o);
}

static void run_load_tokenizer(void *argument) {
    struct opening *o = argument;
    o->ok = load_tokenizer(o->engine, o->engine->tensors, o->err);
    o->engine->start.tokenizer = fm_lap(o->start);
}

static void run_open_device(void *argument) {
    struct opening *o = argument;
    struct fathom_engine *e = o->engine;
    if ((o->ok = (e->gpu = fathom_gpu_create(o->params->gpu, o->err))))
        e->log = fm_gpu_params(e->gpu)->log; // from here on, one message at a time
    e->start.device = fm_lap(o->start);
}

// Checks the file before it opens a device.
static bool open_all(struct opening *o, struct fm_watch *watch) {
    void (*const steps[])(void *) = {run_open_file, run_load_tokenizer, run_open_device};
    bool ok = fm_watch_tell(watch, FATHOM_PHASE_OPEN, 0, 0, o->err);
    for (size_t i = 0; ok && i < sizeof(steps) / sizeof(*steps); i++) {
        struct fathom_error cancelled = {0};
        ok = fm_watch_run(watch, steps[i], o, &cancelled) && o->ok &&
            fm_watch_tell(watch, FATHOM_PHASE_OPEN, 0, 0, &cancelled);
        if (cancelled.status) fm_fail(o->err, cancelled.status, "%s", cancelled.message);
    }
    return ok;
}

static bool create_locks(struct fathom_engine *e) {
    if (!fm_turn_create(&e->turn)) return false;
    if (fm_lock_create(&e->lock)) return true;
    fm_turn_destroy(&e->turn);
    return false;
}

struct fathom_engine *fathom_engine_create(
    const struct fathom_engine_params *given, struct fathom_error *err) {
    if (!FM_GIVEN(given, "params", err)) return NULL;
    struct fm_engine_params read;
    if (!fm_engine_params_read(&read, given, "fathom_engine_create", err)) return NULL;
    const struct fathom_engine_params *params = &read.engine;
    double start = fm_clock();
    struct fathom_engine *e = calloc(1, sizeof(*e));
    if (e && !create_locks(e)) free(e), e = NULL;
    if (!e) {
        fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
        return NULL;
    }
    e->exact = read.gpu.exact;
    e->log = read.gpu.log;
    e->cache_type = fm_cache_type(e->exact, params->cache_8bit);
    struct fm_watch watch = {.progress = params->progress};
    struct opening opening = {.engine = e, .params = params, .start = &start, .err = err};
    if (!open_all(&opening, &watch) || !plan_memory(e, params, &watch, err)) goto fail;
    if (!check_fit(e, fm_model_name(params), err)) goto fail;
    fm_log(&e->log, FATHOM_LOG_INFO,
        "%s: %.2f GiB of weights, %.2f GiB of cache for %u tokens, %.2f GiB of scratch; %.2f GiB free on %s",
        fm_model_name(params), (double)e->plan.weights / GIB, (double)e->plan.cache / GIB, e->plan.n_context,
        (double)e->plan.scratch / GIB, (double)e->plan.available / GIB, fathom_gpu_get_info(e->gpu)->name);
    if (!fm_weights_load(e->gpu, e->tensors, &e->hp, &e->plan, &watch, &e->log, &e->weights, err)) goto fail;
    if (params->mirror && e->plan.experts != FATHOM_EXPERTS_DISK) {
        fm_fail(err, FATHOM_INVALID,
            "%s: a second copy of the file was given, but no experts are read from the file", params->mirror);
        goto fail;
    }
    if (e->plan.experts == FATHOM_EXPERTS_DISK &&
        !(e->residency =
                fm_residency_create(e->gpu, e->tensors, e->weights.slots, params->mirror, &e->log, err)))
        goto fail;
    e->model_key = fm_model_key(e->tensors, &e->hp); // of bytes that loading has just read
    if (!e->residency && !fm_engine_counters(e).memory_in_place) fm_tensors_close(&e->tensors);
    e->start.weights = fm_lap(&start);
    if (params->tuning == FATHOM_TUNING_QUICK && !fm_tune_start(e, &watch, err)) goto fail;
    e->start.tuning = fm_lap(&start);
    return e;
fail:
    fathom_engine_destroy(&e);
    return NULL;
}

void fathom_engine_destroy(struct fathom_engine **engine) {
    struct fathom_engine *e = engine ? *engine : NULL;
    if (!e) return;
    if (e->gpu && e->hp.n_experts) fm_engine_remember(e);
    fm_residency_destroy(&e->residency);
    fm_weights_free(&e->weights);
    fathom_tokenizer_destroy(&e->tokenizer);
    fathom_gpu_destroy(&e->gpu);
    fm_tensors_close(&e->tensors);
    free(e->tuned);
    fm_lock_destroy(&e->lock);
    fm_turn_destroy(&e->turn);
    free(e);
    *engine = NULL;
}

struct fathom_gpu_counters fm_engine_counters(const struct fathom_engine *engine) {
    struct fathom_gpu_counters counters = {.size = sizeof(counters)};
    fathom_gpu_get_counters(engine->gpu, &counters);
    return counters;
}

const struct fathom_tokenizer *fathom_engine_get_tokenizer(const struct fathom_engine *engine) {
    return engine ? engine->tokenizer : NULL;
}
const struct fathom_model_info *fathom_engine_get_info(const struct fathom_engine *engine) {
    if (!engine) return NULL;
    return &engine->info;
}
const struct fathom_memory_plan *fathom_engine_get_plan(const struct fathom_engine *engine) {
    if (!engine) return NULL;
    return &engine->plan;
}
struct fathom_gpu *fathom_engine_get_gpu(const struct fathom_engine *engine) {
    if (!engine) return NULL;
    return engine->gpu;
}

const struct fathom_sampling *fathom_engine_get_sampling(const struct fathom_engine *engine) {
    if (!engine) return NULL;
    return &engine->sampling;
}
void fathom_engine_get_start_times(const struct fathom_engine *engine, struct fathom_start_times *times) {
    if (!engine || !times) return;
    fm_sized_write(times, &engine->start, sizeof(engine->start));
}
