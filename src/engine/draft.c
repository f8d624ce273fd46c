// Drafting. A round reads the last token and the drafted tokens after it in one step of the trunk, samples
// until a draft is rejected, and lets the draft layer draft again. The round is recorded once. The device
// alone decides how many tokens a round accepts, so the host submits rounds ahead, like steps.
#include "engine/session.h"
#include "model/draft.h"
#include "op/op.h"
#include <stdlib.h>

struct fm_drafting {
    struct fathom_buffer *drafts; // struct fathom_drafts
    struct fathom_buffer *pair;   // [n_tokens][2 * n_hidden]
    struct fathom_buffer *state;  // [n_hidden], the draft layer's output for the last row sampled
    // uint32[n_vocab], the seen tokens of the drafts' sampling; nothing reads them
    struct fathom_buffer *guessed;
    struct fathom_stream *round;
    bool recorded;
    uint32_t version;  // fm_slots.version when the round was recorded
    uint32_t n_stored; // positions in the draft layer's cache
};

static struct fathom_view field(const struct fm_drafting *d, size_t offset, uint64_t size) {
    return (struct fathom_view){d->drafts, offset, size};
}
#define DRAFTS_FIELD(d, name) \
    field(d, offsetof(struct fathom_drafts, name), sizeof(((struct fathom_drafts *)0)->name))

bool fm_drafting_create(struct fathom_session *s, struct fathom_error *err) {
    if (!s->engine->n_drafts) return true;
    const struct fm_hparams *hp = &s->engine->hp;
    struct fathom_gpu *gpu = s->engine->gpu;
    struct fm_drafting *d = s->drafting = calloc(1, sizeof(*d));
    if (!d) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    return (d->drafts = fathom_buffer_create(gpu, sizeof(struct fathom_drafts), FATHOM_MEMORY_DEVICE, err)) &&
        (d->pair =
                fathom_buffer_create(gpu, 8ull * s->ws.n_tokens * hp->n_hidden, FATHOM_MEMORY_DEVICE, err)) &&
        (d->state = fathom_buffer_create(gpu, 4ull * hp->n_hidden, FATHOM_MEMORY_DEVICE, err)) &&
        (d->guessed = fathom_buffer_create(gpu, 4ull * hp->n_vocab, FATHOM_MEMORY_DEVICE, err)) &&
        (d->round = fathom_stream_create(gpu, err));
}

void fm_drafting_destroy(struct fathom_session *s) {
    struct fm_drafting *d = s->drafting;
    if (!d) return;
    fathom_stream_destroy(&d->round);
    fathom_buffer_destroy(&d->drafts);
    fathom_buffer_destroy(&d->pair);
    fathom_buffer_destroy(&d->state);
    fathom_buffer_destroy(&d->guessed);
    free(d);
    s->drafting = NULL;
}

void fm_drafting_read(
    struct fathom_session *s, const struct fm_pass *pass, struct fathom_view next, uint32_t n_next) {
    struct fm_pass known = *pass;
    known.n_tokens = n_next;
    fm_draft_mix(&known, s->ws.x, next, fathom_buffer_view(s->drafting->pair));
    fm_draft_store(&known);
}

void fm_drafting_step_begin(struct fathom_session *s, const struct fm_pass *pass) {
    fathom_stream_copy(pass->stream, pass->position, DRAFTS_FIELD(s->drafting, position));
}

void fm_drafting_step_end(struct fathom_session *s, const struct fm_pass *pass) {
    struct fm_pass known = *pass;
    known.position = DRAFTS_FIELD(s->drafting, position);
    fm_drafting_read(s, &known, pass->ids, 1);
}

uint32_t fm_drafting_length(const struct fathom_session *s) {
    return s->drafting->n_stored;
}
void fm_drafting_set_length(struct fathom_session *s, uint32_t length) {
    if (s->drafting) s->drafting->n_stored = length;
}

// Copies row `row` of ws->x to `state`, as an embedding look-up in a table of n_rows rows.
static void take_row(const struct fathom_session *s, uint32_t n_rows) {
    const uint32_t n_hidden = s->engine->hp.n_hidden;
    struct fathom_slice slice = {.view = s->ws.x, .first_row = 0, .n_rows = n_rows};
    slice.view.size = 4ull * n_rows * n_hidden;
    const struct fathom_weight rows = {
        .type = FATHOM_F32,
        .n_mats = 1,
        .n_rows = n_rows,
        .n_cols = n_hidden,
        .n_slices = 1,
        .slices = &slice,
    };
    fathom_embed(s->drafting->round,
        &FATHOM_INIT(fathom_embed_params, .w = &rows, .ids = DRAFTS_FIELD(s->drafting, row),
            .x = fathom_buffer_view(s->drafting->state), .n_tokens = 1));
}

// Adds the most likely token after `state` to the drafts. The sampling is greedy, and its ring is the array
// of drafts.
static void guess(const struct fathom_session *s, const struct fm_pass *pass, struct fathom_view state) {
    const struct fm_drafting *d = s->drafting;
    const uint32_t n_drafts = s->engine->n_drafts;
    fm_draft_head(pass, state, 1);
    fathom_sample(d->round,
        &FATHOM_INIT(fathom_sample_params, .logits = s->ws.logits, .step = DRAFTS_FIELD(d, step),
            .seen = fathom_buffer_view(d->guessed),
            .ring = field(d, offsetof(struct fathom_drafts, ids[1]), 4ull * n_drafts),
            .n_vocab = s->engine->hp.n_vocab, .n_ring = n_drafts,
            .guess = true)); // logits that are not finite give a guess, which the trunk rejects
}

static void record_guesses(const struct fathom_session *s, struct fm_pass pass) {
    const struct fm_drafting *d = s->drafting;
    const struct fathom_view pair = fathom_buffer_view(d->pair);
    pass.position = DRAFTS_FIELD(d, position);
    fm_draft_mix(&pass, s->ws.x, DRAFTS_FIELD(d, next), pair);
    fm_draft_layer(&pass);
    take_row(s, pass.n_tokens);
    struct fathom_view state = fathom_buffer_view(d->state);
    guess(s, &pass, state);
    // each further draft takes the draft layer's own output in place of the trunk's state
    pass.n_tokens = 1;
    pass.position = field(d, offsetof(struct fathom_drafts, step.position), 4);
    for (uint32_t i = 1; i < s->engine->n_drafts; i++) {
        fm_draft_mix(&pass, state, field(d, offsetof(struct fathom_drafts, step.token), 4), pair);
        fm_draft_layer(&pass);
        guess(s, &pass, state = s->ws.x);
    }
}

bool fm_drafting_record(struct fathom_session *s, struct fathom_error *err) {
    struct fm_drafting *d = s->drafting;
    if (d->recorded && d->version == fm_session_version(s)) return true;
    d->recorded = false;
    d->version = fm_session_version(s);
    const uint32_t n_rows = 1 + s->engine->n_drafts;
    struct fm_pass pass = fm_session_pass(s, d->round);
    pass.ids = DRAFTS_FIELD(d, ids),
    pass.position = (struct fathom_view){s->step, offsetof(struct fathom_step, position), 4};
    pass.n_tokens = n_rows, pass.n_positions = fm_positions(&s->engine->hp, s->n_context),
    pass.replayed = true;
    fathom_stream_begin(d->round);
    fm_pass_layers(&pass);
    fm_pass_head(&pass, 0, n_rows);
    fathom_sample(d->round,
        &FATHOM_INIT(fathom_sample_params, .logits = s->ws.logits, .step = fathom_buffer_view(s->step),
            .seen = fathom_buffer_view(s->seen), .ring = fathom_buffer_view(s->ring),
            .drafts = fathom_buffer_view(d->drafts), .n_vocab = s->engine->hp.n_vocab,
            .n_ring = FM_RING * n_rows, .n_rows = n_rows));
    record_guesses(s, pass);
    if (!fm_stream_finish(d->round, &s->watch, err)) return false;
    d->recorded = true;
    s->stats.decode_recordings += fm_stream_buffers(d->round);
    return true;
}

struct fathom_stream *fm_drafting_round(const struct fathom_session *s) {
    return s->drafting->round;
}

// The first round has no drafts yet: it takes the last token, repeated, as its drafts.
bool fm_drafting_start(struct fathom_session *s, int32_t last, struct fathom_error *err) {
    struct fathom_drafts drafts = {.step.top_p = 1, .step.repeat_penalty = 1};
    for (uint32_t i = 0; i <= s->engine->n_drafts; i++) drafts.ids[i] = (uint32_t)last;
    return fathom_upload(s->engine->gpu, fathom_buffer_view(s->drafting->drafts), &drafts, err);
}
