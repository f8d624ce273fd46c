// Which of two ways of working takes less time: both are measured in turn, the better one is kept, and after
// a while the comparison is made again.
#ifndef FM_ENGINE_COMPARISON_H
#define FM_ENGINE_COMPARISON_H
#include <stdbool.h>
#include <stdint.h>

enum fm_compare_rule { FM_COMPARE_MEASURED, FM_COMPARE_FIRST, FM_COMPARE_SECOND };

// Zero at first, but for `rule` and `window`.
struct fm_comparison {
    enum fm_compare_rule rule; // FIRST, SECOND: that way, whatever is measured
    uint32_t window;           // tokens of one measurement; 0: FM_COMPARE_WINDOW
    uint32_t n_ended;          // windows of the comparison at hand
    uint32_t n_tokens;         // of the window at hand
    double seconds;
    uint64_t all_tokens[2]; // of the comparison at hand, by way
    double all_seconds[2];
    double token_seconds[2]; // by the last comparison
    uint32_t left;           // tokens until the next comparison; 0: one is at hand
    uint32_t rest;           // tokens between the last two comparisons
    bool best;               // by the last comparison
};
// A comparison is the windows FM_COMPARE_WINDOW tokens long that comparison.c lists. The rest after each is
// twice the one before, from FM_COMPARE_REST to FM_COMPARE_LONGEST.
enum { FM_COMPARE_WINDOW = 16, FM_COMPARE_REST = 512, FM_COMPARE_LONGEST = 8192 };

// false: the first way
bool fm_comparison_way(const struct fm_comparison *comparison);
// Takes note of tokens that were computed in the way at hand. Returns true when a comparison has ended.
bool fm_comparison_add(struct fm_comparison *comparison, uint32_t n_tokens, double seconds);
#endif
