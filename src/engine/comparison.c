#include "engine/comparison.h"

// The ways of a comparison's windows. The first window is not counted: the caches are as something else has
// left them. In the others, what gets better or worse with time does so for both ways.
static const bool ways[] = {false, false, true, true, false};
enum { N_WINDOWS = sizeof(ways) / sizeof(*ways) };
#define BETTER 0.97 // the second way must take this share of the first way's time, or less

bool fm_comparison_way(const struct fm_comparison *t) {
    if (t->rule != FM_COMPARE_MEASURED) return t->rule == FM_COMPARE_SECOND;
    return t->left ? t->best : ways[t->n_ended];
}

static void conclude(struct fm_comparison *t) {
    for (int way = 0; way < 2; way++) {
        t->token_seconds[way] = t->all_seconds[way] / (double)t->all_tokens[way];
        t->all_seconds[way] = 0;
        t->all_tokens[way] = 0;
    }
    t->best = t->token_seconds[1] <= BETTER * t->token_seconds[0];
    t->rest = !t->rest ? FM_COMPARE_REST : t->rest < FM_COMPARE_LONGEST ? 2 * t->rest : FM_COMPARE_LONGEST;
    t->left = t->rest;
    t->n_ended = 0;
}

bool fm_comparison_add(struct fm_comparison *t, uint32_t n_tokens, double seconds) {
    if (t->rule != FM_COMPARE_MEASURED) return false;
    if (t->left) {
        t->left = t->left > n_tokens ? t->left - n_tokens : 0;
        return false;
    }
    t->n_tokens += n_tokens;
    t->seconds += seconds;
    if (t->n_tokens < (t->window ? t->window : FM_COMPARE_WINDOW)) return false;
    if (t->n_ended > 0) {
        t->all_tokens[ways[t->n_ended]] += t->n_tokens;
        t->all_seconds[ways[t->n_ended]] += t->seconds;
    }
    t->n_tokens = 0;
    t->seconds = 0;
    if (++t->n_ended < N_WINDOWS) return false;
    conclude(t);
    return true;
}
