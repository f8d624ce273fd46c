// Tuning: finds the calls of a model in recordings of the model's own pass, and chooses their order and the
// time for them. op/tune.c measures one call, on the activations that the pass left in the workspace.
#include "op/tune.h"
#include "base/log.h"
#include "base/names.h"
#include "base/sized.h"
#include "engine/session.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_CALLS = 8 /* calls of one measurement: weights of so many layers fit no processor cache */,
    N_CONTEXT = 1024,
    MAX_FEW = 8 /* the most tokens of a pass that is recorded once and replayed */,
    DEFAULT_SECONDS = 300
};

// The quick form may take 2 s. The rest is for the session, and for a choice that takes longer than the ones
// before it.
static const double quick_seconds = 1.4;
// Seconds to build and run one choice. A slower device would measure only a few shapes.
static const double quick_build_budget = 0.15;
// The time of a chunk divided by the time of its tokens one by one: an upper bound for cards.
static const double chunk_part = 1.0 / 16;

// Calls of one operator, shape and number of tokens.
struct job {
    struct fm_call call;
    uint32_t pass_tokens, first_token, last_token;
    double work;
};

struct tuning {
    struct fathom_engine *engine;
    struct fathom_session *session;
    bool tuning; // fm_engine_begin_tuning() has succeeded
    struct fathom_stream *stream;
    struct job *jobs;
    size_t n_jobs;
    struct fathom_tuned *found; // [n_jobs]
    size_t n_found;
    uint32_t n_chunk;  // tokens of a chunk; 0: no chunk is measured
    uint32_t position; // of a replayed pass: after the positions that the chunk stored; a chunk is at 0
    uint32_t n_tokens; // of the pass that is recorded
    struct fm_watch *watch;
};

// ---- The calls of a model --------------------------------------------------------------------------------

// Records a pass as decode steps, rounds of drafting and prefill record it.
static void record_pass(struct fathom_stream *stream, void *user) {
    const struct tuning *t = user;
    const struct fathom_session *s = t->session;
    struct fm_pass pass = fm_session_input_pass(s, stream, t->n_tokens);
    pass.replayed = t->n_tokens <= MAX_FEW;
    if (pass.replayed) pass.n_positions = fm_positions(&s->engine->hp, s->n_context);
    fm_pass_layers(&pass);
    if (pass.replayed) fm_pass_head(&pass, 0, t->n_tokens < s->ws.n_logits ? t->n_tokens : s->ws.n_logits);
}

static bool is_known(const struct tuning *t, const struct fm_call *call) {
    for (size_t i = 0; i < t->n_jobs; i++)
        if (fm_same_call(&t->jobs[i].call, call)) return true;
    return false;
}

static bool add_job(struct tuning *t, const struct fm_stream_call *call) {
    struct job *grown = realloc(t->jobs, (t->n_jobs + 1) * sizeof(*grown));
    if (!grown) return false;
    // a chunk's choice is for all chunks that are nearly as long; the last chunk of a text is shorter
    const uint32_t n = call->call.n_tokens, shortest = n / 4 > 16 ? n / 4 : 16;
    const bool chunk = n > MAX_FEW && n == t->n_chunk;
    t->jobs = grown;
    t->jobs[t->n_jobs++] = (struct job){
        .call = call->call,
        .pass_tokens = t->n_tokens,
        .first_token = chunk ? shortest : n,
        .last_token = chunk ? UINT32_MAX : 2 * n - 1,
        .work = call->flops / 1e12 + call->bytes / 1e11,
    };
    return true;
}

static int compare(const void *a, const void *b) {
    const double x = ((const struct job *)a)->work, y = ((const struct job *)b)->work;
    return (x < y) - (x > y);
}

// Adds the calls of a pass of n_tokens, most work first.
static bool find_jobs_of(struct tuning *t, uint32_t n_tokens, struct fathom_error *err) {
    const size_t first = t->n_jobs;
    struct fm_stream_call *calls;
    size_t n;
    t->n_tokens = n_tokens;
    fathom_stream_begin(t->stream);
    record_pass(t->stream, t);
    if (!fm_stream_calls(t->stream, &calls, &n, err)) return false;
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) ok = is_known(t, &calls[i].call) || add_job(t, &calls[i]);
    free(calls);
    if (!ok) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    if (t->n_jobs > first) qsort(t->jobs + first, t->n_jobs - first, sizeof(*t->jobs), compare);
    return true;
}

// The order is importance: one token, the chunk, several tokens.
static bool find_jobs(struct tuning *t, struct fathom_error *err) {
    const uint32_t counts[] = {1, t->n_chunk, 2, 4, MAX_FEW};
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
        if (counts[i] && counts[i] <= t->session->n_chunk && !find_jobs_of(t, counts[i], err)) return false;
    return true;
}

uint64_t fm_tuning_key(const struct fathom_engine *e) {
    return fm_directory_key(e->tensors, e->cache_type);
}

uint64_t fm_directory_key(const struct fm_tensors *tensors, uint64_t key) {
    for (size_t i = 0; i < fm_tensors_count(tensors); i++) {
        const struct fm_tensor *tensor = fm_tensors_at(tensors, i);
        const uint64_t own[] = {key, fm_hash(tensor->name, strlen(tensor->name)), tensor->type,
            tensor->dims[0], tensor->dims[1], tensor->dims[2], tensor->dims[3]};
        key = fm_hash(own, sizeof(own));
    }
    for (size_t i = 0; i < fm_meta_count(tensors); i++) {
        enum fm_value_type type;
        const char *name = fm_meta_key(tensors, i, &type);
        struct fathom_error unsuitable = {0}; // ignored: no operator could take such a number
        uint32_t number = 0;
        float real = 0;
        // advice, which a person may edit: the model stays the same
        if (!strncmp(name, "general.sampling.", strlen("general.sampling."))) continue;
        if (type == FM_VALUE_UINT || type == FM_VALUE_INT)
            fm_meta_u32(tensors, name, &number, &unsuitable);
        else if (type == FM_VALUE_FLOAT)
            fm_meta_f32(tensors, name, &real, &unsuitable), memcpy(&number, &real, 4);
        else
            continue;
        const uint64_t own[] = {key, fm_hash(name, strlen(name)), number};
        key = fm_hash(own, sizeof(own));
    }
    return key;
}

// ---- The calls' data: what the pass leaves in the workspace ----------------------------------------------

// Writes the position and the ids of a pass of n_tokens. The ids are spread over the vocabulary.
static bool write_input(struct tuning *t, uint32_t n_tokens, struct fathom_error *err) {
    const struct fathom_session *s = t->session;
    const uint32_t position = n_tokens <= MAX_FEW ? t->position : 0;
    const uint32_t n = s->n_chunk + 1;
    uint32_t *words = malloc((n + 1) * sizeof(*words));
    if (!words) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    words[0] = position;
    for (uint32_t i = 1; i <= n; i++)
        words[i] = (uint32_t)((uint64_t)(i + position) * 2654435761u % s->engine->hp.n_vocab);
    struct fathom_view view = fathom_buffer_view(s->input);
    view.size = 4ull * (n + 1);
    const bool ok = fathom_upload(s->engine->gpu, view, words, err);
    free(words);
    return ok;
}

static bool submit_pass(struct tuning *t, struct fathom_error *err) {
    uint64_t ticket;
    if (!fm_engine_take_turn(t->engine, t->watch, err)) return false;
    const bool ok = fm_engine_submit(t->engine, t->stream, NULL, 0, t->watch, &ticket, err);
    fm_engine_end_turn(t->engine);
    return ok && fm_gpu_wait(t->engine->gpu, ticket, t->watch, err);
}

static bool run_pass(struct tuning *t, uint32_t n_tokens, struct fathom_error *err) {
    t->n_tokens = n_tokens;
    fathom_stream_begin(t->stream);
    record_pass(t->stream, t);
    return write_input(t, n_tokens, err) && fm_stream_finish(t->stream, t->watch, err) && submit_pass(t, err);
}

// Fills the caches and the activations by a chunk and then one token. If there is no time for a chunk, a few
// tokens take its place, and no chunk is measured.
static bool run_passes(struct tuning *t, struct fm_tuner *tuner, struct fathom_error *err) {
    const struct fathom_session *s = t->session;
    const double start = fm_clock();
    const uint64_t before = fm_engine_counters(t->engine).pipelines_built;
    const uint32_t few = s->n_chunk < MAX_FEW ? s->n_chunk : MAX_FEW, room = s->n_context - few;
    t->position = s->n_chunk < room ? s->n_chunk : room;
    if (!run_pass(t, 1, err)) return false;
    const double build = fm_clock() - start; // with the first run, in which drivers still build
    if (!submit_pass(t, err)) return false;
    const double one = fm_clock() - start - build, left = tuner->deadline - fm_clock();
    if (build > left) {
        tuner->deadline = 0; // nothing is measured
        return true;
    }
    if (one * t->n_chunk * chunk_part > left / 2) t->n_chunk = 0;
    if (!fm_tune_goes_on(tuner, err)) return false;
    if (!run_pass(t, t->n_chunk ? t->n_chunk : few, err) || !run_pass(t, 1, err)) return false;
    const uint64_t n_built = fm_engine_counters(t->engine).pipelines_built - before;
    if (n_built) tuner->prepare_seconds = (fm_clock() - start) / (double)n_built;
    return true;
}

// Builds the first call alone. A device that is slow at it would take too long for the whole pass.
static bool probe(struct tuning *t, struct fm_tuner *tuner, struct fathom_error *err) {
    const double start = fm_clock();
    t->n_tokens = t->jobs[0].pass_tokens;
    fathom_stream_begin(t->stream);
    fm_stream_only(t->stream, &t->jobs[0].call, 1);
    record_pass(t->stream, t);
    if (!fm_stream_finish(t->stream, t->watch, err)) return false;
    tuner->prepare_seconds = fm_clock() - start;
    return true;
}

static bool open_tuning(struct tuning *t, struct fathom_error *err) {
    const uint32_t n_context = t->engine->plan.n_context < N_CONTEXT ? t->engine->plan.n_context : N_CONTEXT;
    t->session =
        fathom_session_create(t->engine, &FATHOM_INIT(fathom_session_params, .n_context = n_context), err);
    if (!t->session || !(t->tuning = fm_engine_begin_tuning(t->engine, err)) ||
        !(t->stream = fathom_stream_create(t->engine->gpu, err)))
        return false;
    t->n_chunk = t->session->n_chunk > 16 ? t->session->n_chunk : 0;
    return find_jobs(t, err);
}

static void close_tuning(struct tuning *t) {
    fathom_stream_destroy(&t->stream);
    if (t->tuning) fm_engine_end_tuning(t->engine);
    fathom_session_destroy(&t->session);
    free(t->jobs);
    free(t->found);
}

// ---- Measuring -------------------------------------------------------------------------------------------

static void name_choice(const struct fm_choice *choice, char text[32]) {
    if (choice->size)
        snprintf(text, 32, "%.20s:%u", choice->variant->name, choice->size);
    else
        snprintf(text, 32, "%.31s", choice->variant->name);
}

// Gives the engine what was found, in place of what the tuning before has found.
static void publish(struct tuning *t) {
    struct fathom_engine *e = t->engine;
    struct fathom_tuned *before;
    fm_lock_take(&e->lock);
    before = e->tuned;
    e->tuned = t->found;
    e->n_tuned = t->n_found;
    fm_lock_release(&e->lock);
    free(before);
    t->found = NULL;
}

static void report(
    const struct job *job, const char *what, const struct fm_trial_result *r, struct fathom_tuned *out) {
    *out = FATHOM_INIT(fathom_tuned, .n_tokens = job->call.n_tokens,
        .default_nanoseconds = r->by_default.nanoseconds, .best_nanoseconds = r->best.nanoseconds,
        .n_measured = r->n_measured, .n_wrong = r->n_wrong);
    snprintf(out->op, sizeof(out->op), "%s", job->call.op);
    snprintf(out->what, sizeof(out->what), "%s", what);
    if (r->by_default.choice.variant) name_choice(&r->by_default.choice, out->default_variant);
    if (r->best.choice.variant) name_choice(&r->best.choice, out->best);
}

static bool measure_job(struct tuning *t, struct fm_tuner *tuner, const struct job *job, const char *what,
    struct fm_trial_result *result, struct fathom_error *err) {
    const bool chunk = job->pass_tokens > MAX_FEW;
    t->n_tokens = job->pass_tokens;
    *result = (struct fm_trial_result){0};
    if (chunk && !t->n_chunk) return true; // there was no time to compute the chunk's data
    if (!write_input(t, t->n_tokens, err)) return false;
    const struct fm_trial trial = {
        .op = fm_op_find(job->call.op),
        .call = job->call,
        .first_token = job->first_token,
        .last_token = job->last_token,
        .max_calls = chunk ? 1 : MAX_CALLS,
        .record = record_pass,
        .user = t,
        .scratch = t->session->ws.scratch.buffer,
        .what = what,
    };
    return fm_tune(tuner, &trial, result, err);
}

// Measures all jobs in their order, until the tuner's deadline.
static bool measure(
    struct tuning *t, struct fm_tuner *tuner, struct fm_tune_outcome *outcome, struct fathom_error *err) {
    if (!open_tuning(t, err)) return false;
    if (!(t->found = calloc(t->n_jobs + 1, sizeof(*t->found))))
        return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    tuner->total = t->n_jobs;
    if (!fm_tune_goes_on(tuner, err) || (tuner->build_budget && !probe(t, tuner, err))) return false;
    const bool slow = tuner->build_budget && tuner->prepare_seconds > tuner->build_budget;
    if (!slow && !run_passes(t, tuner, err)) return false;
    for (size_t i = 0; i < t->n_jobs; i++) {
        const struct job *job = &t->jobs[i];
        char what[96];
        struct fm_trial_result result;
        fm_op_describe(&job->call, what, sizeof(what));
        if (!measure_job(t, tuner, job, what, &result, err)) return false;
        const bool better = result.best.choice.variant != result.by_default.choice.variant ||
            result.best.choice.size != result.by_default.choice.size;
        outcome->n_measured += result.best.nanoseconds > 0;
        outcome->n_better += result.best.nanoseconds > 0 && better;
        report(job, what, &result, &t->found[t->n_found++]);
        outcome->n_calls++;
        tuner->done++;
        if (!fm_tune_goes_on(tuner, err)) return false;
    }
    return true;
}

bool fm_tune_quickly(struct fathom_engine *engine, double seconds, double build_budget,
    struct fm_watch *watch, struct fm_tune_outcome *outcome, struct fathom_error *err) {
    struct tuning t = {.engine = engine, .watch = watch};
    struct fm_tuner tuner = {
        .gpu = engine->gpu,
        .deadline = fm_clock() + seconds,
        .build_budget = build_budget,
        .quick = true,
        .watch = watch,
    };
    *outcome = (struct fm_tune_outcome){0};
    const bool ok = measure(&t, &tuner, outcome, err);
    if (build_budget && tuner.prepare_seconds > build_budget) outcome->slow_seconds = tuner.prepare_seconds;
    if (!ok) fm_tuned_clear(engine->gpu);
    close_tuning(&t); // what the quick form has found is told in the log alone
    return ok;
}

// Reads the tuning file. False: there is no usable file.
static bool read_file(struct fathom_engine *engine) {
    const struct fathom_gpu_params *params = fm_gpu_params(engine->gpu);
    const enum fm_tuned_file file = fm_tuned_load(engine->gpu, engine->tuning_key);
    if (file == FM_TUNED_UNUSABLE)
        fm_log(&params->log, FATHOM_LOG_NOTICE,
            "the tuning file of this model in %s is damaged or belongs to something else; it is written anew",
            params->cache_dir);
    return file == FM_TUNED_READ;
}

bool fm_tune_start(struct fathom_engine *engine, struct fm_watch *watch, struct fathom_error *err) {
    const double start = fm_clock();
    const struct fathom_gpu_params *params = fm_gpu_params(engine->gpu);
    const struct fathom_gpu_info *info = fathom_gpu_get_info(engine->gpu);
    struct fathom_error failure = {0};
    struct fm_tune_outcome outcome;
    if (params->exact || params->variants || !params->cache_dir || read_file(engine)) return true;
    // on a CPU, one pipeline takes as long to build as the quick form may spend on a shape
    if (info->type == FATHOM_GPU_CPU) {
        fm_log(&params->log, FATHOM_LOG_NOTICE,
            "first use of this model on %s: all calls keep their default variant until a full tuning",
            info->name);
        fm_tuned_save(engine->gpu, engine->tuning_key);
        return true;
    }
    if (!fm_tune_quickly(engine, quick_seconds, quick_build_budget, watch, &outcome, &failure)) {
        if (failure.status == FATHOM_DEVICE_LOST || failure.status == FATHOM_CANCELLED)
            return fm_fail(err, failure.status, "%s", failure.message);
        fm_log(&params->log, FATHOM_LOG_WARNING, "tuning stopped, and is tried again at the next start: %s",
            failure.message);
        return true;
    }
    // an empty file would be taken for a tuning; on a device that is slow at building, the next start would
    // be as slow
    if (!outcome.n_measured && !(outcome.slow_seconds > 0)) {
        fm_log(&params->log, FATHOM_LOG_NOTICE,
            "first use of this model on %s: %.1f s were too short to measure a call; the "
            "next start tries again",
            info->name, fm_clock() - start);
        return true;
    }
    fm_tuned_save(engine->gpu, engine->tuning_key);
    char slow[80] = "";
    if (outcome.slow_seconds > 0)
        snprintf(slow, sizeof(slow), " (one variant takes %.1f s to build)", outcome.slow_seconds);
    fm_log(&params->log, FATHOM_LOG_NOTICE,
        "first use of this model on %s: measured %zu of %zu calls in %.1f s%s, %zu got a faster variant; the "
        "others keep their default one until a full tuning",
        info->name, outcome.n_measured, outcome.n_calls, fm_clock() - start, slow, outcome.n_better);
    return true;
}

bool fathom_engine_tune(
    struct fathom_engine *engine, const struct fathom_tune_params *params, struct fathom_error *err) {
    if (!FM_GIVEN(engine, "engine", err)) return false;
    struct fathom_tune_params p = {.size = sizeof(p)};
    struct fm_watch watch = {0};
    struct tuning t = {.engine = engine, .watch = &watch};
    const struct fathom_gpu_params *gpu = fm_gpu_params(engine->gpu);
    struct fm_tune_outcome outcome = {0};
    if (!fm_sized_read(&p, sizeof(p), params, "fathom_engine_tune: params", err)) return false;
    struct fm_tuner tuner = {
        .gpu = engine->gpu,
        .deadline = fm_clock() + (p.seconds > 0 ? p.seconds : DEFAULT_SECONDS),
        .watch = &watch,
    };
    if (gpu->exact || gpu->variants)
        return fm_fail(err, FATHOM_INVALID, "tuning has nothing to choose: %s",
            gpu->exact ? "exact mode has one variant" : "variants are forced");
    watch.progress = p.progress;
    const bool ok = measure(&t, &tuner, &outcome, err);
    if ((ok || watch.cancelled) && outcome.n_measured)
        fm_tuned_save(engine->gpu, engine->tuning_key); // else the old file stays
    if (t.found) publish(&t);
    close_tuning(&t);
    return ok;
}

size_t fathom_engine_count_tuned(const struct fathom_engine *engine) {
    if (!engine) return 0;
    fm_lock_take(&engine->lock);
    const size_t n = engine->n_tuned;
    fm_lock_release(&engine->lock);
    return n;
}
const struct fathom_tuned *fathom_engine_get_tuned(const struct fathom_engine *engine, size_t i) {
    if (!engine) return NULL;
    fm_lock_take(&engine->lock);
    const struct fathom_tuned *tuned = i < engine->n_tuned ? &engine->tuned[i] : NULL;
    fm_lock_release(&engine->lock);
    return tuned;
}
