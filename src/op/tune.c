#include "op/tune.h"
#include "base/clock.h"
#include "base/log.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CANDIDATES = 16, QUICK_ROUNDS = 3, ROUNDS = 9 };

// Another choice replaces the operator's own choice only if its best time is at most this part of the own
// choice's, and if it was faster in three quarters of the rounds. Other load on the machine can slow down
// every run of one choice.
static const double margin = 0.97;
// A choice that is slower than the best one by this factor takes no part in further rounds.
static const double hopeless = 1.5;

// After this time two rounds are enough.
static const double enough_seconds = 0.5;

struct candidate {
    struct fm_timing timing;
    struct fathom_stream *stream;
    double rounds[2 * ROUNDS]; // nanoseconds in each round; 0: the choice took no part
    double first_seconds;      // for the build and the first run, by the host's clock
    bool out;                  // wrong, or hopeless
};

struct run {
    struct fm_tuner *tuner;
    const struct fm_trial *trial;
    struct candidate list[MAX_CANDIDATES];
    size_t n;
    struct fm_tuned row;     // becomes the winner's row
    struct fm_write *writes; // without scratch
    size_t n_writes, n_bytes;
    // The contents of the written ranges, one after the other: before all runs, after the reference, after
    // another choice.
    char *saved, *want, *got;
    uint32_t n_calls;
    size_t n_rounds; // so far
};

bool fm_tune_agrees(const float *want, const float *got, size_t n) {
    const uint32_t unwritten = FM_TUNE_UNWRITTEN;
    double squares = 0, off = 0, most = 0;
    size_t n_written = 0;
    for (size_t i = 0; i < n; i++) {
        if (!memcmp(&want[i], &unwritten, 4)) continue;
        squares += (double)want[i] * want[i];
        n_written++;
    }
    const double rms = n_written ? sqrt(squares / (double)n_written) : 0;
    for (size_t i = 0; i < n; i++) {
        if (!memcmp(&want[i], &unwritten, 4)) {
            if (memcmp(&got[i], &unwritten, 4)) return false;
            continue;
        }
        const double d = fabs((double)got[i] - want[i]), over = d / (0.1 * (rms + fabs(want[i])));
        if (!isfinite(got[i])) return false;
        off += d * d;
        if (d > 0 && !(over <= most)) most = over;
    }
    return isfinite(rms) && most <= 1 && off <= 0.02 * 0.02 * squares;
}

static bool submit(struct run *r, struct candidate *c, struct fathom_error *err) {
    uint64_t ticket;
    struct fm_tuner *t = r->tuner;
    return fm_stream_submit(c->stream, t->watch, &ticket, err) && fm_gpu_wait(t->gpu, ticket, t->watch, err);
}

// Nanoseconds of one call in the stream's last run, by the device's clock. By the host's clock, if the device
// has none: both clocks in one comparison would choose wrongly.
static bool run_time(
    struct run *r, struct candidate *c, double host_seconds, double *nanoseconds, struct fathom_error *err) {
    const struct fathom_gpu_info *info = fathom_gpu_get_info(r->tuner->gpu);
    const size_t n = fathom_stream_read_timings(c->stream);
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += fathom_stream_get_timing(c->stream, i)->nanoseconds;
    if (n == 0 && info->timestamp_period > 0)
        return fm_fail(
            err, FATHOM_UNSUPPORTED, "%s: the times of %s could not be read", info->name, r->trial->what);
    *nanoseconds = (sum > 0 ? sum : 1e9 * host_seconds) / r->n_calls;
    return true;
}

bool fm_tune_goes_on(const struct fm_tuner *t, struct fathom_error *err) {
    return fm_watch_tell(t->watch, FATHOM_PHASE_TUNE, t->done, t->total, err);
}

static bool measure(struct run *r, struct candidate *c, struct fathom_error *err) {
    const double start = fm_clock();
    double nanoseconds = 0;
    if (!fm_tune_goes_on(r->tuner, err) || !submit(r, c, err) ||
        !run_time(r, c, fm_clock() - start, &nanoseconds, err))
        return false;
    c->rounds[r->n_rounds] = nanoseconds;
    if (c->timing.nanoseconds == 0 || nanoseconds < c->timing.nanoseconds)
        c->timing.nanoseconds = nanoseconds;
    return true;
}

// Records the calls. *there becomes false if the operator does not take the choice in the table. If the
// choice has no variant, the choice is the operator's own.
static void record(struct run *r, struct candidate *c, bool *there) {
    const struct fm_choice wanted = c->timing.choice;
    fathom_stream_begin(c->stream);
    fm_stream_only(c->stream, &r->trial->call, r->trial->max_calls);
    r->trial->record(c->stream, r->trial->user);
    r->n_calls = fm_stream_kept(c->stream, &c->timing.choice);
    *there = r->n_calls &&
        (!wanted.variant ||
            (c->timing.choice.variant == wanted.variant && c->timing.choice.size == wanted.size));
}

// Finds the ranges that the calls write, and saves their contents.
static bool find_writes(struct run *r, const struct candidate *c, struct fathom_error *err) {
    size_t n;
    if (!fm_stream_writes(c->stream, &r->writes, &n, err)) return false;
    for (size_t i = 0; i < n; i++) {
        if (r->writes[i].view.buffer == r->trial->scratch) continue;
        r->n_bytes += r->writes[i].view.size;
        r->writes[r->n_writes++] = r->writes[i];
    }
    r->saved = malloc(r->n_bytes + 1), r->want = malloc(r->n_bytes + 1), r->got = malloc(r->n_bytes + 1);
    if (!r->saved || !r->want || !r->got) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    char *at = r->saved;
    for (size_t i = 0; i < r->n_writes; at += r->writes[i++].view.size)
        if (!fathom_download(r->tuner->gpu, r->writes[i].view, at, err)) return false;
    return true;
}

// Fills results with NaNs, so that unwritten numbers show. A range that is also read, a residual, becomes 0,
// so that the sum shows what the call adds. Words, such as chosen experts and counters, get the saved
// contents.
static bool fill_writes(struct run *r, char *words, struct fathom_error *err) {
    char *at = words;
    const char *saved = r->saved;
    for (size_t i = 0; i < r->n_writes; i++) {
        const struct fm_write *w = &r->writes[i];
        if (w->floats)
            memset(at, w->in_place ? 0 : 0xff, w->view.size);
        else
            memcpy(at, saved, w->view.size);
        if (!fathom_upload(r->tuner->gpu, w->view, at, err)) return false;
        at += w->view.size;
        saved += w->view.size;
    }
    return true;
}

static bool read_writes(struct run *r, char *result, struct fathom_error *err) {
    for (size_t i = 0; i < r->n_writes; result += r->writes[i++].view.size)
        if (!fathom_download(r->tuner->gpu, r->writes[i].view, result, err)) return false;
    return true;
}

static bool put_back(struct run *r, struct fathom_error *err) {
    const char *at = r->saved;
    for (size_t i = 0; at && i < r->n_writes; at += r->writes[i++].view.size)
        if (!fathom_upload(r->tuner->gpu, r->writes[i].view, at, err)) return false;
    return true;
}

static bool agree(const struct run *r, const char *want, const char *got) {
    for (size_t i = 0; i < r->n_writes; i++) {
        const size_t size = r->writes[i].view.size;
        if (r->writes[i].floats &&
            !fm_tune_agrees((const float *)(const void *)want, (const float *)(const void *)got, size / 4))
            return false;
        want += size;
        got += size;
    }
    return true;
}

// Builds and runs a choice for the first time. *result (r->want or r->got) becomes its result.
static bool prepare(
    struct run *r, struct fm_choice choice, char **result, bool *there, struct fathom_error *err) {
    struct fm_tuner *t = r->tuner;
    struct candidate *c = &r->list[r->n];
    const double start = fm_clock();
    *c = (struct candidate){.timing = {.choice = choice}, .stream = fathom_stream_create(t->gpu, err)};
    if (!c->stream) return false;
    fm_stream_set_timers(c->stream, true);
    r->n++;
    record(r, c, there);
    if (!*there) {
        fathom_stream_destroy(&c->stream);
        r->n--;
        return true;
    }
    if (!fm_stream_finish(c->stream, t->watch, err) || (!r->saved && !find_writes(r, c, err)) ||
        !fill_writes(r, *result, err) || !submit(r, c, err) || !read_writes(r, *result, err))
        return false;
    c->first_seconds = fm_clock() - start;
    t->prepare_seconds = fmax(c->first_seconds, 0.8 * t->prepare_seconds);
    // slow itself, and not only slow to build as all choices are
    c->out = c->first_seconds > 1 && c->first_seconds > 4 * r->list[0].first_seconds;
    return true;
}

// Is there time to prepare one more choice, and to measure it?
static bool time_left(const struct fm_tuner *t) {
    return fm_clock() + 1.5 * t->prepare_seconds < t->deadline &&
        (!t->build_budget || t->prepare_seconds <= t->build_budget);
}

static bool set_row(struct run *r, struct fm_choice choice, struct fathom_error *err) {
    memset(r->row.variant, 0, sizeof(r->row.variant)); // all of it: the file has the whole array
    snprintf(r->row.variant, sizeof(r->row.variant), "%s", choice.variant->name);
    r->row.size = choice.size;
    return fm_tuned_set(r->tuner->gpu, &r->row) || fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
}

static void refuse(struct run *r, struct candidate *c, struct fm_trial_result *result) {
    const struct fathom_gpu *gpu = r->tuner->gpu;
    c->out = true;
    result->n_wrong++;
    fm_log(&fm_gpu_params(gpu)->log, FATHOM_LOG_WARNING,
        "%s: variant %s gives wrong results on %s (%s); it is not used there", r->trial->op->name,
        c->timing.choice.variant->name, fathom_gpu_get_info(gpu)->name, r->trial->what);
}

// Prepares one more choice, and checks its result against r->want.
static bool try_choice(
    struct run *r, struct fm_choice choice, struct fm_trial_result *result, struct fathom_error *err) {
    bool there;
    if (r->n == MAX_CANDIDATES || !time_left(r->tuner)) return true;
    if (!fm_tune_goes_on(r->tuner, err) || !set_row(r, choice, err) ||
        !prepare(r, choice, &r->got, &there, err))
        return false;
    if (there && !agree(r, r->want, r->got)) refuse(r, &r->list[r->n - 1], result);
    return true;
}

// Prepares the operator's own choice and the reference for all others. The reference is the plain variant; in
// the quick form, the own choice.
static bool find_reference(struct run *r, struct fm_trial_result *result, struct fathom_error *err) {
    const struct fm_variant *plain = &r->trial->op->variants[0];
    bool there;
    fm_tuned_remove(r->tuner->gpu, &r->row);
    if (!prepare(r, (struct fm_choice){0}, &r->want, &there, err)) return false;
    if (!there)
        return fm_fail(
            err, FATHOM_INVALID, "%s: no call of %s was recorded", r->trial->op->name, r->trial->what);
    if (r->tuner->quick || r->list[0].timing.choice.variant == plain || !time_left(r->tuner)) return true;
    char *own = r->want;
    r->want = r->got;
    r->got = own;
    if (!set_row(r, (struct fm_choice){plain, 0}, err) ||
        !prepare(r, (struct fm_choice){plain, 0}, &r->want, &there, err))
        return false;
    if (!agree(r, r->want, own)) refuse(r, &r->list[0], result);
    return true;
}

// Builds the pipelines of all choices in the list, on as many threads as the gpu uses.
static bool build_all(
    struct run *r, const struct fm_choice *choices, size_t n, double *seconds, struct fathom_error *err) {
    struct fathom_stream *stream = fathom_stream_create(r->tuner->gpu, err);
    const double start = fm_clock();
    bool ok = stream != NULL;
    if (ok) fathom_stream_begin(stream), fm_stream_only(stream, &r->trial->call, UINT32_MAX);
    for (size_t i = 0; ok && i < n; i++)
        if ((ok = fm_tune_goes_on(r->tuner, err) && set_row(r, choices[i], err)))
            r->trial->record(stream, r->trial->user);
    ok = ok && fm_stream_finish(stream, r->tuner->watch, err);
    fathom_stream_destroy(&stream);
    *seconds = fm_clock() - start;
    return ok;
}

static bool try_all(struct run *r, const struct fm_choice *choices, size_t n, struct fm_trial_result *result,
    struct fathom_error *err) {
    double seconds = 0;
    if (n > 1 && time_left(r->tuner) && !build_all(r, choices, n, &seconds, err)) return false;
    for (size_t i = 0; i < n; i++)
        if (!try_choice(r, choices[i], result, err)) return false;
    // not earlier: the choices that were just built need no such time
    r->tuner->prepare_seconds = fmax(r->tuner->prepare_seconds, seconds);
    return true;
}

static bool try_variants(struct run *r, struct fm_trial_result *result, struct fathom_error *err) {
    const struct fathom_gpu_info *info = fathom_gpu_get_info(r->tuner->gpu);
    const struct fm_op *op = r->trial->op;
    struct fm_choice choices[MAX_CANDIDATES];
    size_t n = 0;
    for (size_t i = op->n_variants - 1; i > 0; i--) {
        const struct fm_variant *v = &op->variants[i];
        const bool unlikely = r->tuner->quick && v->cpu_only && info->type != FATHOM_GPU_CPU;
        if (v != r->list[0].timing.choice.variant && fm_variant_can_run(info, v) && !unlikely &&
            n < MAX_CANDIDATES)
            choices[n++] = (struct fm_choice){v, 0};
    }
    return try_all(r, choices, n, result, err);
}

static struct candidate *best_of(struct run *r) {
    struct candidate *best = NULL;
    for (size_t i = 0; i < r->n; i++) {
        struct candidate *c = &r->list[i];
        if (!c->out && c->timing.nanoseconds > 0 &&
            (!best || c->timing.nanoseconds < best->timing.nanoseconds))
            best = c;
    }
    return best;
}

// Measures all choices in turn, in several rounds, so that other load on the machine slows all of them alike.
// Long calls need fewer rounds.
static bool measure_rounds(struct run *r, struct fathom_error *err) {
    const int n_rounds = r->tuner->quick ? QUICK_ROUNDS : ROUNDS;
    const double start = fm_clock();
    for (int round = 0; round < n_rounds; round++) {
        const double now = fm_clock();
        if (round > 0 && (now > r->tuner->deadline || (round > 1 && now - start > enough_seconds))) break;
        for (size_t i = 0; i < r->n; i++)
            if (!r->list[i].out && !measure(r, &r->list[i], err)) return false;
        r->n_rounds++;
        const struct candidate *best = best_of(r);
        for (size_t i = 1; i < r->n && best; i++)
            if (r->list[i].timing.nanoseconds > hopeless * best->timing.nanoseconds) r->list[i].out = true;
    }
    return true;
}

static bool try_sizes(struct run *r, struct fm_trial_result *result, struct fathom_error *err) {
    const struct candidate *best = best_of(r);
    const struct fm_variant *v = best ? best->timing.choice.variant : NULL;
    const size_t before = r->n;
    struct fm_choice choices[FM_MAX_SIZES];
    size_t n = 0;
    while (v && n < FM_MAX_SIZES && v->sizes[n]) choices[n] = (struct fm_choice){v, v->sizes[n]}, n++;
    return try_all(r, choices, n, result, err) && (r->n == before || measure_rounds(r, err));
}

static bool beats(const struct run *r, const struct candidate *c, const struct candidate *by_default) {
    int n = 0, n_won = 0;
    if (by_default->out) return true;
    for (size_t i = 0; i < r->n_rounds; i++) {
        if (c->rounds[i] == 0 || by_default->rounds[i] == 0) continue;
        n++;
        n_won += c->rounds[i] < by_default->rounds[i];
    }
    return c->timing.nanoseconds <= margin * by_default->timing.nanoseconds && 4 * n_won >= 3 * n;
}

// Puts the winner into the table. Without a winner, the table has no row for this shape.
static bool decide(struct run *r, struct fm_trial_result *result, struct fathom_error *err) {
    const struct candidate *by_default = &r->list[0], *best = best_of(r);
    fm_tuned_remove(r->tuner->gpu, &r->row);
    if (!best) return true;
    if (!beats(r, best, by_default)) best = by_default;
    result->by_default = by_default->timing;
    result->best = best->timing;
    for (size_t i = 0; i < r->n; i++) result->n_measured += r->list[i].timing.nanoseconds > 0;
    return set_row(r, best->timing.choice, err);
}

// Tries the variants, then the sizes of the best variant. Decides nothing if there is no time to try any.
static bool compare_choices(struct run *r, struct fm_trial_result *result, struct fathom_error *err) {
    if (!find_reference(r, result, err)) return false;
    if (!time_left(r->tuner)) {
        fm_tuned_remove(r->tuner->gpu, &r->row);
        return true;
    }
    return try_variants(r, result, err) && measure_rounds(r, err) && try_sizes(r, result, err) &&
        decide(r, result, err);
}

bool fm_tune(struct fm_tuner *t, const struct fm_trial *trial, struct fm_trial_result *result,
    struct fathom_error *err) {
    struct run r = {.tuner = t, .trial = trial};
    *result = (struct fm_trial_result){0};
    if (!time_left(t)) return true;
    snprintf(r.row.op, sizeof(r.row.op), "%s", trial->op->name);
    memcpy(r.row.shape, trial->call.shape, sizeof(r.row.shape));
    r.row.first_token = trial->first_token;
    r.row.last_token = trial->last_token;
    const bool ok = compare_choices(&r, result, err) && put_back(&r, err);
    if (!ok) fm_tuned_remove(t->gpu, &r.row);
    for (size_t i = 0; i < r.n; i++) fathom_stream_destroy(&r.list[i].stream);
    free(r.writes);
    free(r.saved);
    free(r.want);
    free(r.got);
    return ok;
}
