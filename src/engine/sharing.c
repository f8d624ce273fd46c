// What the sessions of an engine share, while several threads run them.
#include "base/sized.h"
#include "engine/engine.h"

// ---- Turns -----------------------------------------------------------------------------------------------

bool fm_engine_take_turn(struct fathom_engine *e, struct fm_watch *watch, struct fathom_error *err) {
    return !e->weights.slots || fm_turn_take(&e->turn, watch, err);
}
void fm_engine_end_turn(struct fathom_engine *e) {
    if (e->weights.slots) fm_turn_end(&e->turn);
}

bool fm_engine_begin(struct fathom_engine *e, struct fm_watch *watch, struct fathom_error *err) {
    struct fm_slots *slots = e->weights.slots;
    if (!fm_engine_take_turn(e, watch, err)) return false;
    if (!fm_pressure_due(&e->pressure, e->gpu, slots, e->plan.n_slots) ||
        fm_pressure_follow(&e->pressure, e->gpu, slots, &e->log, err))
        return true;
    fm_engine_end_turn(e);
    return false;
}

bool fm_engine_settle(struct fathom_engine *e, struct fm_watch *watch, struct fathom_error *err) {
    if (!fm_engine_take_turn(e, watch, err)) return false;
    fm_pressure_begin(&e->pressure, e->gpu, e->weights.slots, &e->log);
    fm_engine_end_turn(e);
    return true;
}

bool fm_engine_submit(const struct fathom_engine *e, struct fathom_stream *stream, const int32_t *ids,
    uint32_t n_ids, struct fm_watch *watch, uint64_t *ticket, struct fathom_error *err) {
    struct fm_slots *slots = e->weights.slots;
    if (slots && slots->in_doubt && !fm_slots_forget(e->gpu, slots, err)) return false;
    if (fm_residency_submit(e->residency, stream, ids, n_ids, watch, ticket, err)) return true;
    if (slots) slots->in_doubt = true;
    return false;
}

bool fm_engine_count_experts(struct fathom_engine *engine, struct fathom_expert_stats *stats,
    struct fm_watch *watch, struct fathom_error *err) {
    *stats = FATHOM_INIT(fathom_expert_stats);
    if (!fm_engine_take_turn(engine, watch, err)) return false;
    fm_residency_count(engine->residency, stats);
    const bool ok = !engine->weights.slots || fm_slots_count(engine->gpu, engine->weights.slots, stats, err);
    fm_engine_end_turn(engine);
    return ok;
}

bool fathom_engine_get_expert_stats(
    struct fathom_engine *engine, struct fathom_expert_stats *stats, struct fathom_error *err) {
    if (!FM_GIVEN(engine, "engine", err) || !FM_GIVEN(stats, "stats", err)) return false;
    if (stats->size < sizeof(stats->size))
        return fm_fail(err, FATHOM_INVALID,
            "fathom_engine_get_expert_stats: stats.size is %zu: set it to the sizeof of the struct",
            stats->size);
    struct fathom_expert_stats now;
    if (!fm_engine_count_experts(engine, &now, NULL, err)) return false;
    fm_sized_write(stats, &now, sizeof(now));
    return true;
}

bool fm_engine_drafts(struct fathom_engine *e, struct fm_watch *watch) {
    if (!e->residency || !fm_engine_take_turn(e, watch, NULL)) return true;
    const bool drafts = fm_residency_drafts(e->residency);
    fm_engine_end_turn(e);
    return drafts;
}

// ---- Sessions --------------------------------------------------------------------------------------------

bool fm_engine_add_session(struct fathom_engine *e, struct fathom_error *err) {
    fm_lock_take(&e->lock);
    const bool may = !e->is_tuning;
    if (may) e->n_sessions++;
    fm_lock_release(&e->lock);
    return may || fm_fail(err, FATHOM_INVALID, "a session was asked for while the engine is tuned");
}

void fm_engine_remove_session(struct fathom_engine *e) {
    fm_lock_take(&e->lock);
    e->n_sessions--;
    fm_lock_release(&e->lock);
}

bool fm_engine_begin_tuning(struct fathom_engine *e, struct fathom_error *err) {
    fm_lock_take(&e->lock);
    const uint32_t n_others = e->n_sessions - 1;
    if (!n_others) e->is_tuning = true;
    fm_lock_release(&e->lock);
    return !n_others ||
        fm_fail(err, FATHOM_INVALID,
            "tuning: the engine has %u sessions; destroy them first, and create them again afterwards",
            n_others);
}

void fm_engine_end_tuning(struct fathom_engine *e) {
    fm_lock_take(&e->lock);
    e->is_tuning = false;
    fm_lock_release(&e->lock);
}

// ---- Measurements for forecasts and choices: only of sessions that run alone -----------------------------

uint64_t fm_engine_begin_decoding(struct fathom_engine *e) {
    fm_lock_take(&e->lock);
    const uint64_t mark = ++e->n_begun;
    const bool alone = ++e->n_decoding == 1;
    fm_lock_release(&e->lock);
    return alone ? mark : 0;
}

void fm_engine_end_decoding(struct fathom_engine *e, uint64_t mark, uint64_t n_tokens, uint64_t link_bytes) {
    fm_lock_take(&e->lock);
    e->n_decoding--;
    if (mark == e->n_begun) {
        e->decoded.n_tokens += n_tokens;
        e->decoded.link_bytes += link_bytes;
    }
    fm_lock_release(&e->lock);
}

void fm_engine_took(struct fathom_engine *e, const struct fm_taken *taken, bool drafts, bool may_draft,
    struct fm_watch *watch) {
    fm_lock_take(&e->lock);
    const bool alone = e->n_decoding == 1;
    if (alone && !drafts)
        e->decoded.seconds[e->decoded.n_steps++ % FM_STEPS_KEPT] = taken->seconds - taken->waited;
    fm_lock_release(&e->lock);
    if (!alone || !e->residency || !fm_engine_take_turn(e, watch, NULL)) return;
    fm_residency_took(e->residency, may_draft, taken->n_tokens, taken->seconds);
    fm_engine_end_turn(e);
}
