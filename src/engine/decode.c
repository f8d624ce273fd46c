// Decoding: one token a step. The step is recorded once. The device itself feeds the sampled token to the
// next step, so the host only submits a few steps ahead and reads the ring of sampled tokens.
#include "engine/session.h"
#include "base/sized.h"
#include "op/op.h"
#include <stdlib.h>
#include <string.h>

static struct fathom_view field(const struct fathom_session *s, size_t offset, uint64_t size) {
    return (struct fathom_view){s->step, offset, size};
}
#define STEP_FIELD(s, name) \
    field(s, offsetof(struct fathom_step, name), sizeof(((struct fathom_step *)0)->name))

uint32_t fm_session_version(const struct fathom_session *s) {
    const struct fm_slots *slots = s->engine->weights.slots;
    return slots ? slots->version : 0;
}

void fm_session_record_step(
    struct fathom_session *s, struct fathom_stream *logits, struct fathom_stream *sample) {
    struct fm_pass pass = fm_session_pass(s, logits);
    pass.ids = STEP_FIELD(s, token), pass.position = STEP_FIELD(s, position);
    pass.n_tokens = 1, pass.n_positions = fm_positions(&s->engine->hp, s->n_context), pass.replayed = true;
    fm_pass_layers(&pass);
    fm_pass_head(&pass, 0, 1);
    if (s->drafting) fm_drafting_step_begin(s, &pass);
    pass.stream = sample;
    fathom_sample(sample,
        &FATHOM_INIT(fathom_sample_params, .logits = s->ws.logits, .step = fathom_buffer_view(s->step),
            .seen = fathom_buffer_view(s->seen), .ring = fathom_buffer_view(s->ring),
            .n_vocab = s->engine->hp.n_vocab, .n_ring = FM_RING, .forbids = sample != logits));
    if (s->drafting) fm_drafting_step_end(s, &pass);
}

bool fm_session_record_decode(struct fathom_session *s, struct fathom_error *err) {
    if (s->decode_recorded && s->decode_version == fm_session_version(s)) return true;
    s->decode_recorded = false;
    s->decode_version = fm_session_version(s);
    fathom_stream_begin(s->decode);
    fm_session_record_step(s, s->decode, s->decode);
    if (!fm_stream_finish(s->decode, &s->watch, err)) return false;
    s->decode_recorded = true;
    s->stats.decode_recordings += fm_stream_buffers(s->decode);
    return true;
}

// The limits of top-k and min-p leave the likeliest token alone. Greedy is that limit among equals too.
static bool is_greedy(const struct fathom_sampling *p) {
    return p->temperature == 0 || p->top_k == 1 || p->min_p == 1;
}

// Sets the device's step to token `position` of the text.
static bool write_step(struct fathom_session *s, uint32_t position, const struct fathom_sampling *sampling,
    struct fathom_error *err) {
    const struct fathom_step step = {
        .token = (uint32_t)s->tokens[position],
        .position = position,
        .seed_low = (uint32_t)sampling->seed,
        .seed_high = (uint32_t)(sampling->seed >> 32),
        .temperature = is_greedy(sampling) ? 0 : sampling->temperature,
        .top_k = sampling->top_k,
        .top_p = sampling->top_p > 0 ? sampling->top_p : 1,
        .min_p = sampling->min_p,
        .repeat_penalty = sampling->repeat_penalty > 0 ? sampling->repeat_penalty : 1,
    };
    return fathom_upload(s->engine->gpu, fathom_buffer_view(s->step), &step, err);
}

// Marks the tokens of the text for the repetition penalty. The device marks the tokens that it samples later.
static bool write_seen(
    struct fathom_session *s, const struct fathom_sampling *sampling, struct fathom_error *err) {
    if (sampling->repeat_penalty == 0 || sampling->repeat_penalty == 1) return true;
    uint32_t *seen = calloc(s->engine->hp.n_vocab, sizeof(*seen));
    if (!seen) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    for (uint32_t i = 0; i < s->n_tokens; i++) seen[s->tokens[i]] = 1;
    const bool ok = fathom_upload(s->engine->gpu, fathom_buffer_view(s->seen), seen, err);
    free(seen);
    return ok;
}

// Records the step or the drafting round, unless it is recorded. The caller has the engine's turn.
static bool record(struct fathom_session *s, bool drafts, struct fathom_error *err) {
    return drafts ? fm_drafting_record(s, err) : fm_session_record_decode(s, err);
}

// token: the step's first, where it is known when the step is submitted.
static bool submit_step(
    struct fathom_session *s, bool drafts, int32_t token, uint64_t *ticket, struct fathom_error *err) {
    if (!fm_engine_begin(s->engine, &s->watch, err)) return false;
    const double before = fm_residency_waited(s->engine->residency);
    struct fathom_stream *step = drafts ? fm_drafting_round(s) : s->decode;
    const bool ok =
        record(s, drafts, err) && fm_engine_submit(s->engine, step, &token, 1, &s->watch, ticket, err);
    s->waited += fm_residency_waited(s->engine->residency) - before;
    fm_engine_end_turn(s->engine);
    if (!ok) return false;
    s->stats.decode_submits += fm_stream_buffers(step);
    s->stats.decode_steps++;
    return true;
}

// Records ahead of the first step, whose time is not that of the pipelines.
static bool record_ahead(struct fathom_session *s, bool drafts, struct fathom_error *err) {
    if (!fm_engine_begin(s->engine, &s->watch, err)) return false;
    const bool ok = record(s, drafts, err);
    fm_engine_end_turn(s->engine);
    return ok;
}

static bool check_sampling(const struct fathom_sampling *p, struct fathom_error *err) {
    if (!(p->temperature >= 0 && p->temperature <= 1000))
        return fm_fail(err, FATHOM_INVALID, "temperature %g is not within 0 to 1000", p->temperature);
    if (!(p->top_p >= 0 && p->top_p <= 1))
        return fm_fail(err, FATHOM_INVALID, "top-p %g is not within 0 to 1", p->top_p);
    if (!(p->min_p >= 0 && p->min_p <= 1))
        return fm_fail(err, FATHOM_INVALID, "min-p %g is not within 0 to 1", p->min_p);
    if (!(p->repeat_penalty >= 0 && p->repeat_penalty <= 1000))
        return fm_fail(
            err, FATHOM_INVALID, "repetition penalty %g is not within 0 to 1000", p->repeat_penalty);
    return true;
}

// Sets the device to the text's last token, and records the step or the drafting round.
static bool start_steps(
    struct fathom_session *s, const struct fathom_sampling *sampling, bool drafts, struct fathom_error *err) {
    const uint32_t last = s->n_tokens - 1;
    if (!fm_session_evaluate(s, last, NULL, err) || !write_step(s, last, sampling, err) ||
        !write_seen(s, sampling, err))
        return false;
    return record_ahead(s, drafts, err) && (!drafts || fm_drafting_start(s, s->tokens[last], err));
}

// What the caller of fathom_session_generate wants.
struct wish {
    bool (*on_token)(void *user, int32_t id);
    bool (*on_logits)(void *user, float *logits, uint32_t n_vocab);
    void *user;
    uint32_t limit, n_done; // tokens
    bool wanted;            // until a callback wants no more
};

// Hands over the tokens of one step, `width` at most.
static bool deliver(struct fathom_session *s, const volatile uint32_t *given, uint32_t width,
    struct wish *wish, struct fathom_error *err) {
    for (uint32_t i = 0; i < width && wish->n_done < wish->limit && given[i] != FATHOM_NO_TOKEN; i++) {
        if (given[i] == FATHOM_NOT_FINITE) return fm_session_fail_logits(s->n_tokens - 1, err);
        const int32_t id = (int32_t)given[i];
        wish->n_done++;
        if (!(wish->wanted = wish->on_token(wish->user, id))) return true;
        s->tokens[s->n_tokens++] = id;
    }
    return true;
}

static void count_drafts(struct fathom_session *s, const volatile uint32_t *given) {
    s->stats.drafts += s->engine->n_drafts;
    for (uint32_t i = 1; i <= s->engine->n_drafts && given[i] != FATHOM_NO_TOKEN; i++)
        s->stats.drafts_accepted++;
}

// Adds to the session's counts what the engine has counted since `before`.
static bool count_experts(
    struct fathom_session *s, const struct fathom_expert_stats *before, struct fathom_error *err) {
    struct fathom_expert_stats now, *sum = &s->experts;
    if (!s->engine->weights.slots) return true;
    if (!fm_engine_count_experts(s->engine, &now, &s->watch, err)) return false;
    sum->needed += now.needed - before->needed;
    sum->fetched += now.fetched - before->fetched;
    sum->fetched_bytes += now.fetched_bytes - before->fetched_bytes;
    sum->read += now.read - before->read;
    sum->read_bytes += now.read_bytes - before->read_bytes;
    sum->read_seconds += now.read_seconds - before->read_seconds;
    sum->copy_seconds += now.copy_seconds - before->copy_seconds;
    sum->known += now.known - before->known;
    sum->guessed += now.guessed - before->guessed;
    sum->guessed_right += now.guessed_right - before->guessed_right;
    sum->ahead_bytes += now.ahead_bytes - before->ahead_bytes;
    return true;
}

static bool drafts_now(struct fathom_session *s, const struct wish *wish) {
    return s->drafting && !wish->on_logits && fm_engine_drafts(s->engine, &s->watch);
}

// Runs steps, or rounds of drafting, until nothing more is wanted, or the other of the two is better.
static bool run_steps(struct fathom_session *s, const struct fathom_sampling *sampling, bool drafts,
    struct wish *wish, struct fathom_error *err) {
    if (!start_steps(s, sampling, drafts, err)) return false;
    const uint32_t first = s->n_tokens, width = drafts ? 1 + s->engine->n_drafts : 1;
    const double start = fm_clock();
    const volatile uint32_t *ring = fathom_buffer_map(s->ring);
    uint64_t tickets[FM_RING], last = 0;
    uint32_t n_submitted = 0, n_read = 0;
    // a step ahead would read experts from the file for a token that may not be wanted
    const uint32_t n_ahead = s->engine->residency || wish->on_logits ? 1 : FM_IN_FLIGHT;
    bool ok = fm_watch_tell(&s->watch, FATHOM_PHASE_ANSWER, wish->n_done, wish->limit, err);
    while (ok && wish->wanted && wish->n_done < wish->limit && drafts == drafts_now(s, wish)) {
        const uint32_t n_before = wish->n_done;
        const double begin = fm_clock(), waited = s->waited;
        while (ok && n_submitted - n_read < n_ahead && n_submitted - n_read < wish->limit - wish->n_done) {
            ok = wish->on_logits
                ? fm_constrained_step(s, wish->on_logits, wish->user, &wish->wanted, &last, err)
                : submit_step(s, drafts, s->tokens[s->n_tokens - 1], &last, err);
            if (!ok || !wish->wanted) break;
            tickets[n_submitted++ % FM_RING] = last;
        }
        if (!ok || !wish->wanted ||
            !(ok = fm_gpu_wait(s->engine->gpu, tickets[n_read % FM_RING], &s->watch, err)))
            break;
        const double seconds = fm_clock() - begin;
        const volatile uint32_t *given = ring + n_read % FM_RING * width;
        if (n_read++ > 0 && drafts) count_drafts(s, given); // those of the first round are placeholders
        ok = deliver(s, given, width, wish, err);
        s->watch.done = wish->n_done;
        if (wish->on_logits) continue; // the time is the callback's, too
        const struct fm_taken taken = {wish->n_done - n_before, seconds, s->waited - waited};
        fm_engine_took(s->engine, &taken, drafts, s->drafting, &s->watch);
    }
    // nothing waits for the steps in flight of a call that was cancelled: all that follows comes after them
    if (n_submitted > n_read && !s->watch.cancelled)
        ok = fm_gpu_wait(s->engine->gpu, last, &s->watch, ok ? err : NULL) && ok;
    // step i read the token at first - 1 + i; a round may have left its last token for the next round, and
    // the draft layer may have seen another successor of the last token
    const uint32_t read = s->drafting ? s->n_tokens - 1 : first - 1 + (ok ? n_submitted : n_read);
    s->n_evaluated = read < s->n_tokens ? read : s->n_tokens;
    fm_drafting_set_length(s, s->n_evaluated);
    s->stats.decode_seconds += fm_clock() - start;
    return ok;
}

bool fathom_session_generate(struct fathom_session *s, const struct fathom_generate_params *params,
    uint32_t *n_generated, struct fathom_error *err) {
    if (!FM_GIVEN(s, "session", err) || !FM_GIVEN(params, "params", err)) return false;
    struct fathom_generate_params g = {.size = sizeof(g)};
    struct fathom_sampling p = {.size = sizeof(p)};
    if (n_generated) *n_generated = 0;
    if (!fm_sized_read(&g, sizeof(g), params, "fathom_session_generate: params", err) ||
        !fm_sized_read(&p, sizeof(p), g.sampling, "fathom_session_generate: params.sampling", err))
        return false;
    if (g.max_tokens && !g.on_token)
        return fm_fail(err, FATHOM_INVALID,
            "fathom_session_generate: params.on_token is NULL, params.max_tokens is %u", g.max_tokens);
    if (!g.sampling) p = *fathom_engine_get_sampling(s->engine);
    if (s->n_tokens == 0) return fm_fail(err, FATHOM_INVALID, "nothing to continue: the session is empty");
    if (!fm_session_settle(s, err)) return false;
    const uint32_t first = s->n_tokens, room = s->n_context - first;
    struct wish wish = {g.on_token, g.on_logits, g.user, g.max_tokens < room ? g.max_tokens : room, 0, true};
    struct fathom_expert_stats experts;
    if (!check_sampling(&p, err) || !fm_engine_count_experts(s->engine, &experts, &s->watch, err))
        return false;
    const uint64_t bytes = s->experts.fetched_bytes, mark = fm_engine_begin_decoding(s->engine);
    bool ok;
    do ok = run_steps(s, &p, drafts_now(s, &wish), &wish, err);
    while (ok && wish.wanted && wish.n_done < wish.limit);
    ok = ok && count_experts(s, &experts, err);
    const bool counts = ok && !s->drafting && !g.on_logits; // for forecasts
    fm_engine_end_decoding(s->engine, counts ? mark : 0, wish.n_done, s->experts.fetched_bytes - bytes);
    if (n_generated) *n_generated = s->n_tokens - first;
    s->stats.decode_tokens += wish.n_done;
    return ok;
}

// Runs the recorded step on the text's token at `position`, and downloads its logits if `logits` is not NULL.
static bool step_once(struct fathom_session *s, uint32_t position, float *logits, struct fathom_error *err) {
    const struct fathom_sampling greedy = {.size = sizeof(greedy)};
    struct fathom_view row = s->ws.logits;
    row.size = 4ull * s->engine->hp.n_vocab;
    uint64_t ticket;
    if (!write_step(s, position, &greedy, err) || !submit_step(s, false, s->tokens[position], &ticket, err) ||
        !fm_gpu_wait(s->engine->gpu, ticket, &s->watch, err) ||
        (logits && !fathom_download(s->engine->gpu, row, logits, err)))
        return false;
    const volatile uint32_t *ring = fathom_buffer_map(s->ring);
    if (ring[0] == FATHOM_NOT_FINITE) return fm_session_fail_logits(position, err);
    s->n_evaluated = position + 1;
    return true;
}

// By the recorded step, also where the last token is in the cache already: these are the logits that
// generate would sample from.
bool fathom_session_get_logits(struct fathom_session *s, float *logits, struct fathom_error *err) {
    if (!FM_GIVEN(s, "session", err) || !FM_GIVEN(logits, "logits", err)) return false;
    if (s->n_tokens == 0) return fm_fail(err, FATHOM_INVALID, "no logits: the session is empty");
    const uint32_t last = s->n_tokens - 1;
    if (!fm_session_settle(s, err) || !fm_session_evaluate(s, last, NULL, err) ||
        !record_ahead(s, false, err))
        return false;
    const double start = fm_clock();
    const bool ok = step_once(s, last, logits, err);
    s->stats.decode_seconds += fm_clock() - start;
    return ok;
}

bool fathom_session_append_decode(struct fathom_session *s, const int32_t *ids, uint32_t n_tokens,
    float *logits, struct fathom_error *err) {
    if (!FM_GIVEN(s, "session", err) || !FM_GIVEN(ids || !n_tokens, "ids", err)) return false;
    const uint32_t first = s->n_tokens;
    const uint64_t n_vocab = s->engine->hp.n_vocab;
    if (!fm_session_settle(s, err) || !fm_session_evaluate(s, first, NULL, err) ||
        !record_ahead(s, false, err) || !fm_session_push_tokens(s, ids, n_tokens, err))
        return false;
    const double start = fm_clock();
    bool ok = true;
    for (uint32_t i = 0; ok && i < n_tokens; i++)
        ok = step_once(s, first + i, logits ? logits + i * n_vocab : NULL, err);
    s->n_tokens = s->n_evaluated;
    s->stats.decode_seconds += fm_clock() - start;
    s->stats.decode_tokens += s->n_evaluated - first;
    return ok;
}
