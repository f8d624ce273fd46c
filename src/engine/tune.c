// Tuning: which calls a model makes, on what data they are measured (its own weights, random activations), in which order, and how long.
// op/tune.c measures one of them.
#include "op/tune.h"
#include "base/log.h"
#include "base/names.h"
#include "engine/engine.h"
#include "quant/types.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CALLS = 8 /* with weights of as many layers, so that a cache holds none of them */, MAX_WEIGHTS = 4, N_POSITIONS = 1024, POSITION = 511,
    DEFAULT_SECONDS = 300 };
#define SCRATCH_BYTES (64ull << 20)

static const double quick_seconds = 1.4; // leaves some of 2 s to the buffers, and to a choice that takes longer than those before it
static const double quick_patience = 0.15; // a device that is slower to build and run one choice would get through a few shapes only

enum kind { MATMUL, GATE, UP, DOWN, ATTEND, ATTEND_EXPANDED };
static const char *const op_names[] = {"matmul", "expert_gate", "expert_up", "expert_down", "latent_attention", "expanded_attention"};

// The weights of one call; NULL where the kind has fewer.
struct weights { const struct fathom_weight *w[MAX_WEIGHTS]; };

// Calls of one operator and shape, for one token count.
struct job {
    enum kind kind;
    uint32_t n_tokens, first_token, last_token;
    struct weights calls[MAX_CALLS];
    uint32_t n_calls, n_uses;    // measured; in all layers
    double work;                 // operations of one token in all of them
};

struct tuning {
    struct fathom_engine *engine;
    struct job *jobs;
    size_t n_jobs, capacity;
    uint32_t n_chunk;
    struct fathom_buffer *in, *out, *cache, *page_table, *position, *ids, *weights, *gate_scratch, *scratch;
    const struct job *job;       // that is being recorded
};

// ---- The calls of a model ---------------------------------------------------------------------------------------

static bool same_weight(const struct fathom_weight *a, const struct fathom_weight *b) {
    if (!a || !b) return a == b;
    return a->type == b->type && a->n_mats == b->n_mats && a->n_rows == b->n_rows && a->n_cols == b->n_cols;
}

static bool same_weights(const struct weights *a, const struct weights *b) {
    for (int i = 0; i < MAX_WEIGHTS; i++)
        if (!same_weight(a->w[i], b->w[i])) return false;
    return true;
}

// Operations of one token.
static double work_of(const struct fm_hparams *hp, enum kind kind, const struct weights *weights) {
    if (kind == ATTEND || kind == ATTEND_EXPANDED) return 2.0 * POSITION * hp->n_heads * (2.0 * hp->kv_rank + hp->n_rope);
    double sum = 0;
    for (int i = 0; i < MAX_WEIGHTS; i++) {
        const struct fathom_weight *w = weights->w[i];
        const bool some = w && (kind == UP || kind == DOWN) && w->n_mats > 1;
        if (w) sum += 2.0 * w->n_rows * w->n_cols * (some ? hp->n_experts_used : w->n_mats);
    }
    return sum;
}

static bool add(struct tuning *t, enum kind kind, uint32_t n_tokens, struct weights weights) {
    struct job *job = NULL;
    for (size_t i = 0; i < t->n_jobs && !job; i++)
        if (t->jobs[i].kind == kind && t->jobs[i].n_tokens == n_tokens && same_weights(&t->jobs[i].calls[0], &weights)) job = &t->jobs[i];
    if (!job) {
        if (t->n_jobs == t->capacity) {
            struct job *grown = realloc(t->jobs, (2 * t->capacity + 16) * sizeof(*grown));
            if (!grown) return false;
            t->jobs = grown;
            t->capacity = 2 * t->capacity + 16;
        }
        // a chunk's choice is for all that are nearly as long; the end of a text may be shorter
        const bool chunk = n_tokens == t->n_chunk;
        const uint32_t shortest = n_tokens / 4 > 16 ? n_tokens / 4 : 16;
        job = &t->jobs[t->n_jobs++];
        *job = (struct job){.kind = kind, .n_tokens = n_tokens, .first_token = chunk ? shortest : n_tokens,
            .last_token = chunk ? UINT32_MAX : 2 * n_tokens - 1};
    }
    const uint32_t most = n_tokens == t->n_chunk ? 1 : MAX_CALLS;
    if (job->n_calls < most) job->calls[job->n_calls++] = weights;
    job->n_uses++;
    job->work += work_of(&t->engine->hp, kind, &weights);
    return true;
}

static bool add_layer(struct tuning *t, const struct fm_layer *l, uint32_t n_tokens) {
    const struct fathom_weight *matmuls[] = {l->q, l->q_a, l->q_b, l->k, l->v, l->qkv, l->kv_a, l->k_b, l->v_b, l->out};
    const bool chunk = n_tokens == t->n_chunk;
    for (size_t i = 0; i < sizeof(matmuls) / sizeof(*matmuls); i++) {
        const bool absorbed = matmuls[i] == l->k_b || matmuls[i] == l->v_b;
        if (matmuls[i] && !(chunk && absorbed) && !add(t, MATMUL, n_tokens, (struct weights){{matmuls[i]}})) return false;
    }
    return (!l->router || add(t, GATE, n_tokens, (struct weights){{l->router}})) &&
           add(t, UP, n_tokens, (struct weights){{l->gate, l->up, l->shared_gate, l->shared_up}}) &&
           add(t, DOWN, n_tokens, (struct weights){{l->down, l->shared_down}}) &&
           // grouped attention has one good variant on every device
           (t->engine->hp.n_kv || (chunk ? add(t, ATTEND_EXPANDED, n_tokens, (struct weights){{l->k_b, l->v_b}}) : add(t, ATTEND, n_tokens,
           (struct weights){{0}})));
}

static int compare(const void *a, const void *b) {
    const double x = ((const struct job *)a)->work, y = ((const struct job *)b)->work;
    return (x < y) - (x > y);
}

// What the choices depend on, of the model.
static uint64_t model_key(const struct tuning *t) {
    const struct fm_hparams *hp = &t->engine->hp;
    const uint32_t own[] = {hp->n_heads, hp->kv_rank, hp->n_rope, hp->n_nope, hp->n_value, hp->n_experts_used, hp->n_groups, hp->n_groups_used};
    uint64_t key = fm_hash(own, sizeof(own));
    for (size_t i = 0; i < t->n_jobs; i++) {
        uint32_t words[2 + 4 * MAX_WEIGHTS] = {t->jobs[i].kind, t->jobs[i].n_tokens};
        for (int j = 0; j < MAX_WEIGHTS; j++) {
            const struct fathom_weight *w = t->jobs[i].calls[0].w[j];
            if (w) memcpy(words + 2 + 4 * j, (uint32_t[]){w->type, w->n_mats, w->n_rows, w->n_cols}, 16);
        }
        key = key * 0x100000001b3u ^ fm_hash(words, sizeof(words));
    }
    return key;
}

// Most important first: one token, the chunk, several tokens; in each, by its work.
static bool find_jobs(struct tuning *t) {
    struct fathom_engine *e = t->engine;
    const uint32_t n_chunk = fm_default_chunk(fathom_gpu_get_info(e->gpu), &e->hp, e->hp.n_context_trained);
    t->n_chunk = n_chunk > 16 ? n_chunk : 0;
    const uint32_t counts[] = {1, t->n_chunk, 2, 4, 8};
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        const size_t first = t->n_jobs;
        for (uint32_t j = 0; counts[i] && j < e->hp.n_layers; j++)
            if (!add_layer(t, &e->weights.layers[j], counts[i])) return false;
        if (counts[i] && counts[i] <= 8 && !add(t, MATMUL, counts[i], (struct weights){{e->weights.head}})) return false;
        if (t->n_jobs > first) qsort(t->jobs + first, t->n_jobs - first, sizeof(*t->jobs), compare);
    }
    e->tuning_key = model_key(t);
    return true;
}

// ---- Their data -------------------------------------------------------------------------------------------------

// Words that a call reads as activations, and writes.
static void widths(const struct fm_hparams *hp, const struct job *job, uint64_t *in, uint64_t *out) {
    const struct weights *c = &job->calls[0];
    const struct fathom_weight *w = c->w[0];
    const uint64_t experts = hp->n_experts_used;
    *in = *out = 0;
    switch (job->kind) {
    case MATMUL: *in = (uint64_t)w->n_mats * w->n_cols, *out = (uint64_t)w->n_mats * w->n_rows; break;
    case GATE: *in = w->n_cols, *out = experts; break;
    case UP:
        *in = (w ? w : c->w[2])->n_cols;
        *out = (w ? experts * w->n_rows : 0) + (c->w[2] ? c->w[2]->n_rows : 0);
        break;
    case DOWN:
        *in = (w ? experts * w->n_cols : 0) + (c->w[1] ? c->w[1]->n_cols : 0);
        *out = (w ? w : c->w[1])->n_rows;
        if (*in < *out) *in = *out; // the residual is taken from it, too
        break;
    case ATTEND: *in = (uint64_t)hp->n_heads * (hp->kv_rank + hp->n_rope), *out = (uint64_t)hp->n_heads * hp->kv_rank; break;
    case ATTEND_EXPANDED: *in = (uint64_t)hp->n_heads * (hp->n_nope + hp->n_rope), *out = (uint64_t)hp->n_heads * hp->n_value; break;
    }
    *in *= job->n_tokens;
    *out *= job->n_tokens;
}

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static struct fathom_buffer *make_buffer(struct tuning *t, uint64_t size, const void *data, struct fathom_error *err) {
    struct fathom_buffer *buffer = fathom_buffer_create(t->engine->gpu, size, FATHOM_MEMORY_DEVICE, err);
    if (buffer && data && !fathom_upload(t->engine->gpu, fathom_buffer_view(buffer), data, err)) fathom_buffer_destroy(&buffer);
    return buffer;
}

// n words, each made by `word` from a random number of 24 bits and its place.
static struct fathom_buffer *random_buffer(struct tuning *t, uint64_t n, uint32_t (*word)(const struct fm_hparams *hp, uint32_t random, uint64_t i),
    struct fathom_error *err) {
    uint32_t *words = malloc(4 * n), state = 1;
    if (!words) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory"), NULL;
    for (uint64_t i = 0; i < n; i++) words[i] = word(&t->engine->hp, next_random(&state), i);
    struct fathom_buffer *buffer = make_buffer(t, 4 * n, words, err);
    free(words);
    return buffer;
}

static uint32_t activation(const struct fm_hparams *hp, uint32_t random, uint64_t i) {
    (void)hp, (void)i;
    const float f = (float)random / (float)(1 << 23) - 1;
    uint32_t word;
    memcpy(&word, &f, 4);
    return word;
}
// Two float16 of 0.25 to 0.5, of either sign
static uint32_t cached(const struct fm_hparams *hp, uint32_t random, uint64_t i) {
    (void)hp, (void)i;
    return 0x34003400u | (random & 0x83ffu) | (random << 8 & 0x83ff0000u);
}
static uint32_t page(const struct fm_hparams *hp, uint32_t random, uint64_t i) {
    (void)hp, (void)random;
    return (uint32_t)i;
}
// Ascending in a token, and all over the experts
static uint32_t expert(const struct fm_hparams *hp, uint32_t random, uint64_t i) {
    const uint32_t each = hp->n_experts / hp->n_experts_used;
    return (uint32_t)(i % hp->n_experts_used) * each + random % each;
}
static uint32_t position(const struct fm_hparams *hp, uint32_t random, uint64_t i) {
    (void)hp, (void)random, (void)i;
    return POSITION;
}

static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }

static bool make_data(struct tuning *t, struct fathom_error *err) {
    const struct fm_hparams *hp = &t->engine->hp;
    const uint32_t n_tokens = larger(t->n_chunk, 8), n_positions = larger(n_tokens, N_POSITIONS);
    uint64_t in = 1, out = 1, scratch = larger(8 * fathom_latent_attention_scratch(hp->n_heads, hp->kv_rank, N_POSITIONS), 4);
    for (size_t i = 0; i < t->n_jobs; i++) {
        uint64_t reads, writes;
        widths(hp, &t->jobs[i], &reads, &writes);
        in = larger(in, reads), out = larger(out, writes);
    }
    scratch = larger(scratch, fathom_expanded_attention_scratch(n_tokens, hp->n_heads, hp->n_nope, hp->n_rope, hp->n_value));
    const uint64_t down = fathom_expert_down_scratch(n_tokens, hp->n_experts_used, hp->n_hidden);
    scratch = larger(scratch, down < SCRATCH_BYTES ? down : SCRATCH_BYTES);
    const uint64_t cache = (uint64_t)n_positions * (hp->kv_rank + hp->n_rope) / 2, chosen = larger((uint64_t)n_tokens * hp->n_experts_used, 1);
    const bool experts = hp->n_experts > 0;
    return (t->in = random_buffer(t, in, activation, err)) && (t->out = make_buffer(t, 4 * out, NULL, err)) &&
           (t->scratch = make_buffer(t, scratch, NULL, err)) && (t->cache = random_buffer(t, cache, cached, err)) &&
           (t->page_table = random_buffer(t, n_positions / FATHOM_PAGE, page, err)) && (t->position = random_buffer(t, 1, position, err)) &&
           (t->weights = random_buffer(t, chosen, activation, err)) && (!experts || (t->ids = random_buffer(t, chosen, expert, err))) &&
           (!experts || (t->gate_scratch = make_buffer(t, fathom_expert_gate_scratch(n_tokens, hp->n_experts), NULL, err)));
}

static void free_data(struct tuning *t) {
    struct fathom_buffer **buffers[] = {&t->in, &t->out, &t->cache, &t->page_table, &t->position, &t->ids, &t->weights, &t->gate_scratch, &t->scratch};
    for (size_t i = 0; i < sizeof(buffers) / sizeof(*buffers); i++) fathom_buffer_destroy(buffers[i]);
    free(t->jobs);
}

static struct fathom_view view(struct fathom_buffer *buffer) { return buffer ? fathom_buffer_view(buffer) : (struct fathom_view){0}; }

// As model/attention.c and model/mixture.c call them.
static void record_call(struct tuning *t, struct fathom_stream *stream, const struct weights *c) {
    const struct fm_hparams *hp = &t->engine->hp;
    const uint32_t n_tokens = t->job->n_tokens;
    const struct fathom_view in = view(t->in), out = view(t->out), ids = view(t->ids), weights = view(t->weights), scratch = view(t->scratch);
    const struct fathom_latent_cache cache = {.pages = view(t->cache), .page_table = view(t->page_table), .type = FATHOM_F16, .kv_rank = hp->kv_rank,
        .n_rope = hp->n_rope};
    switch (t->job->kind) {
    case MATMUL: fathom_matmul(stream, &(struct fathom_matmul_params){.w = c->w[0], .x = in, .y = out, .n_tokens = n_tokens}); break;
    case GATE:
        fathom_expert_gate(stream, &(struct fathom_expert_gate_params){.w = c->w[0], .x = in, .ids = ids, .weights = out,
            .scratch = view(t->gate_scratch), .n_tokens = n_tokens, .top_k = hp->n_experts_used, .n_groups = hp->n_groups,
            .n_groups_used = hp->n_groups_used, .score = hp->gate_score, .group_score = hp->group_score, .normalise = hp->gate_normalise,
            .scale = hp->gate_scale});
        break;
    case UP:
        fathom_expert_up(stream, &(struct fathom_expert_up_params){.gate = c->w[0], .up = c->w[1], .shared_gate = c->w[2], .shared_up = c->w[3],
            .x = in, .ids = ids, .h = out, .n_tokens = n_tokens, .top_k = c->w[0] ? hp->n_experts_used : 0});
        break;
    case DOWN:
        fathom_expert_down(stream, &(struct fathom_expert_down_params){.down = c->w[0], .shared_down = c->w[1], .h = in, .ids = ids,
            .weights = weights, .scratch = scratch, .residual = in, .y = out, .n_tokens = n_tokens, .top_k = c->w[0] ? hp->n_experts_used : 0});
        break;
    case ATTEND:
        fathom_latent_attention(stream, &(struct fathom_latent_attention_params){.q = in, .out = out, .position = view(t->position), .cache = cache,
            .scratch = scratch, .n_tokens = n_tokens, .n_heads = hp->n_heads, .max_positions = N_POSITIONS, .scale = hp->softmax_scale});
        break;
    case ATTEND_EXPANDED:
        fathom_expanded_attention(stream, &(struct fathom_expanded_attention_params){.k_b = c->w[0], .v_b = c->w[1], .q = in, .out = out,
            .position = view(t->position), .cache = cache, .scratch = scratch, .n_tokens = n_tokens, .n_heads = hp->n_heads, .n_nope = hp->n_nope,
            .n_v = hp->n_value, .n_positions = n_tokens, .scale = hp->softmax_scale});
        break;
    }
}

static void record(struct fathom_stream *stream, void *user) {
    struct tuning *t = user;
    for (uint32_t i = 0; i < t->job->n_calls; i++) record_call(t, stream, &t->job->calls[i]);
}

// ---- Measuring --------------------------------------------------------------------------------------------------

static void describe(const struct fm_hparams *hp, const struct job *job, char *text, size_t size) {
    const struct weights *c = &job->calls[0];
    if (job->kind == ATTEND || job->kind == ATTEND_EXPANDED) {
        snprintf(text, size, "%u heads, latent of %u + %u", hp->n_heads, hp->kv_rank, hp->n_rope);
        return;
    }
    const struct fathom_weight *w = c->w[0] ? c->w[0] : c->w[job->kind == UP ? 2 : 1];
    if (w->n_mats > 1) snprintf(text, size, "%s %u x %u x %u", fm_type_name(w->type), w->n_mats, w->n_rows, w->n_cols);
    else snprintf(text, size, "%s %u x %u", fm_type_name(w->type), w->n_rows, w->n_cols);
}

static void name_choice(const struct fm_choice *choice, char text[32]) {
    if (choice->size) snprintf(text, 32, "%.20s:%u", choice->variant->name, choice->size);
    else snprintf(text, 32, "%.31s", choice->variant->name);
}

static void report(const struct job *job, const char *what, const struct fm_trial_result *r, struct fathom_tuned *out) {
    *out = (struct fathom_tuned){.n_tokens = job->n_tokens, .usual_nanoseconds = r->usual.nanoseconds, .best_nanoseconds = r->best.nanoseconds,
        .n_measured = r->n_measured, .n_wrong = r->n_wrong};
    snprintf(out->op, sizeof(out->op), "%s", op_names[job->kind]);
    snprintf(out->what, sizeof(out->what), "%s", what);
    if (r->usual.choice.variant) name_choice(&r->usual.choice, out->usual);
    if (r->best.choice.variant) name_choice(&r->best.choice, out->best);
}

struct outcome { size_t n_seen, n_measured, n_better; };

// All jobs, in their order, until the tuner's deadline.
static bool measure(struct tuning *t, struct fm_tuner *tuner, const struct fathom_progress *progress, struct fathom_tuned *list, size_t capacity,
    struct outcome *outcome, struct fathom_error *err) {
    const bool on_cpu = fathom_gpu_get_info(tuner->gpu)->type == FATHOM_GPU_CPU;
    for (size_t i = 0; i < t->n_jobs; i++) {
        const struct job *job = t->job = &t->jobs[i];
        char what[96];
        struct fathom_view out = view(t->out);
        struct fm_trial_result result = {0};
        uint64_t reads, writes;
        widths(&t->engine->hp, job, &reads, &writes);
        out.size = 4 * writes;
        describe(&t->engine->hp, job, what, sizeof(what));
        const struct fm_trial trial = {.op = fm_op_find(op_names[job->kind]), .first_token = job->first_token, .last_token = job->last_token,
            .n_calls = job->n_calls, .record = record, .user = t, .out = out, .what = what};
        // on a CPU one call for a whole chunk takes too long for the quick form
        const bool skipped = tuner->quick && on_cpu && job->n_tokens == t->n_chunk;
        if (!skipped && !fm_tune(tuner, &trial, &result, err)) return false;
        outcome->n_measured += result.best.nanoseconds > 0;
        outcome->n_better += result.best.nanoseconds > 0 && (result.best.choice.variant != result.usual.choice.variant || result.best.choice.size);
        if (i < capacity) report(job, what, &result, &list[i]);
        outcome->n_seen++;
        if (progress && progress->report && !progress->report(progress->user, "tuning", i + 1, t->n_jobs))
            return fm_fail(err, FATHOM_CANCELLED, "tuning was cancelled");
    }
    return true;
}

static void log_quick(const struct tuning *t, const struct fm_tuner *tuner, const struct outcome *outcome, double seconds) {
    char slow[80] = "";
    if (tuner->prepare_seconds > tuner->patience) snprintf(slow, sizeof(slow), " (one variant takes %.1f s to build and run)", tuner->prepare_seconds);
    fm_log(&fm_gpu_params(tuner->gpu)->log, FATHOM_LOG_NOTICE,
        "first use of this model on %s: measured %zu of %zu calls in %.1f s%s, %zu got a faster variant; the others keep their usual one until a full tuning",
        fathom_gpu_get_info(tuner->gpu)->name, outcome->n_measured, t->n_jobs, seconds, slow, outcome->n_better);
}

bool fm_tune_start(struct fathom_engine *engine, const struct fathom_progress *progress, struct fathom_error *err) {
    const double start = fm_clock();
    struct tuning t = {.engine = engine};
    struct fm_tuner tuner = {.gpu = engine->gpu, .deadline = start + quick_seconds, .patience = quick_patience, .quick = true};
    const struct fathom_gpu_params *params = fm_gpu_params(engine->gpu);
    struct fathom_error failure = {0};
    struct outcome outcome = {0};
    if (params->exact || params->variants || !params->cache_dir) return true;
    bool ok = find_jobs(&t) || fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    if (!ok) goto done;
    const enum fm_tuned_file file = fm_tuned_load(engine->gpu, engine->tuning_key);
    if (file == FM_TUNED_READ) goto done;
    if (file == FM_TUNED_UNUSABLE) fm_log(&params->log, FATHOM_LOG_NOTICE,
        "the tuning file of this model in %s is damaged or of something else; it is made anew", params->cache_dir);
    const bool measured = make_data(&t, &failure) && measure(&t, &tuner, progress, NULL, 0, &outcome, &failure);
    ok = measured || (failure.status != FATHOM_DEVICE_LOST && failure.status != FATHOM_CANCELLED);
    if (!ok) {
        fm_fail(err, failure.status, "%s", failure.message);
        goto done;
    }
    if (!measured) fm_log(&params->log, FATHOM_LOG_WARNING, "tuning stopped: %s", failure.message);
    fm_tuned_save(engine->gpu, engine->tuning_key);
    log_quick(&t, &tuner, &outcome, fm_clock() - start);
done:
    free_data(&t);
    return ok;
}

bool fathom_engine_tune(struct fathom_engine *engine, double seconds, const struct fathom_progress *progress, struct fathom_tuned *list,
    size_t capacity, size_t *n, struct fathom_error *err) {
    struct tuning t = {.engine = engine};
    struct fm_tuner tuner = {.gpu = engine->gpu, .deadline = fm_clock() + (seconds > 0 ? seconds : DEFAULT_SECONDS)};
    const struct fathom_gpu_params *params = fm_gpu_params(engine->gpu);
    struct outcome outcome = {0};
    *n = 0;
    if (params->exact || params->variants)
        return fm_fail(err, FATHOM_INVALID, "tuning has nothing to choose: %s", params->exact ? "exact mode has one variant" : "variants are forced");
    struct fathom_error failure = {0};
    bool ok = (find_jobs(&t) || fm_fail(&failure, FATHOM_NO_MEMORY, "out of host memory")) && make_data(&t, &failure) &&
              measure(&t, &tuner, progress, list, capacity, &outcome, &failure);
    ok = ok || failure.status == FATHOM_CANCELLED;
    if (ok) fm_tuned_save(engine->gpu, engine->tuning_key);
    else fm_fail(err, failure.status, "%s", failure.message);
    *n = ok ? outcome.n_seen : 0;
    free_data(&t);
    return ok;
}
