// The comparison of two ways of working, with times that the test makes up.
#include "engine/comparison.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// after the standard headers
#include <cmocka.h>

// Works for n_tokens, one at a time, and returns how many comparisons ended.
static int work(struct fm_comparison *c, uint32_t n_tokens, double first, double second) {
    int n_ended = 0;
    for (uint32_t i = 0; i < n_tokens; i++)
        n_ended += fm_comparison_add(c, 1, fm_comparison_way(c) ? second : first);
    return n_ended;
}

static void the_faster_way_is_kept(void **state) {
    (void)state;
    static const struct {
        double first, second;
        bool best;
    } cases[] = {{1, 2, false}, {2, 1, true}, {1, 1, false}, {1, 0.99, false}, {1, 0.95, true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fm_comparison c = {0};
        assert_false(fm_comparison_way(&c));
        assert_int_equal(work(&c, 5 * FM_COMPARE_WINDOW - 1, cases[i].first, cases[i].second), 0);
        assert_int_equal(work(&c, 1, cases[i].first, cases[i].second), 1);
        assert_int_equal(c.best, cases[i].best);
        assert_int_equal(fm_comparison_way(&c), cases[i].best);
        assert_float_equal(c.token_seconds[0], cases[i].first, 1e-9);
        assert_float_equal(c.token_seconds[1], cases[i].second, 1e-9);
    }
}

// Both ways get the same share of a drift.
static void a_drift_is_no_difference(void **state) {
    (void)state;
    struct fm_comparison c = {.window = 4};
    for (uint32_t i = 0; i < 5 * 4; i++) fm_comparison_add(&c, 1, 100 - (double)i);
    assert_true(c.left > 0);
    assert_float_equal(c.token_seconds[0], c.token_seconds[1], 1e-9);
}

static void what_came_before_does_not_count(void **state) {
    (void)state;
    struct fm_comparison c = {.window = 4};
    work(&c, 4, 1000, 1000);
    work(&c, 16, 1, 2);
    assert_float_equal(c.token_seconds[0], 1, 1e-9);
    assert_false(fm_comparison_way(&c));
}

static void a_comparison_comes_again_rarely(void **state) {
    (void)state;
    struct fm_comparison c = {0};
    uint32_t rest = FM_COMPARE_REST;
    for (int i = 0; i < 8; i++) {
        const double second = i % 2 ? 2 : 0.5; // the other way is better each time
        assert_int_equal(work(&c, 5 * FM_COMPARE_WINDOW, 1, second), 1);
        assert_int_equal(c.best, i % 2 == 0);
        assert_int_equal(c.left, rest);
        assert_int_equal(work(&c, rest, 1, second), 0);
        assert_int_equal(c.left, 0);
        rest = rest < FM_COMPARE_LONGEST ? 2 * rest : rest;
    }
    assert_int_equal(rest, FM_COMPARE_LONGEST);
}

// A round of drafting gives several tokens, which may end a window late.
static void tokens_come_in_rounds(void **state) {
    (void)state;
    struct fm_comparison c = {.window = 4};
    int n_ended = 0;
    for (int i = 0; i < 10; i++) n_ended += fm_comparison_add(&c, 3, fm_comparison_way(&c) ? 3 : 6);
    assert_int_equal(n_ended, 1);
    assert_float_equal(c.token_seconds[0], 2, 1e-9);
    assert_float_equal(c.token_seconds[1], 1, 1e-9);
}

static void a_rule_is_kept(void **state) {
    (void)state;
    for (int way = 0; way < 2; way++) {
        struct fm_comparison c = {.rule = way ? FM_COMPARE_SECOND : FM_COMPARE_FIRST};
        assert_int_equal(work(&c, 2000, 1 + way, 2 - way), 0);
        assert_int_equal(fm_comparison_way(&c), way);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_faster_way_is_kept),
        cmocka_unit_test(a_drift_is_no_difference),
        cmocka_unit_test(what_came_before_does_not_count),
        cmocka_unit_test(a_comparison_comes_again_rarely),
        cmocka_unit_test(tokens_come_in_rounds),
        cmocka_unit_test(a_rule_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
