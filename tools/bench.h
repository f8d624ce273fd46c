// What bench.c and bench_ops.c share: one test, and how it is run.
#ifndef TOOL_BENCH_H
#define TOOL_BENCH_H
#include <fathom/fathom.h>

enum { BENCH_MAX_REPEATS = 100 };

struct bench_test {
    bool decode;                         // n_tokens by the recorded step, else by prefill
    uint32_t n_tokens, depth, n_repeats; // depth: tokens that are there before
    double rates[BENCH_MAX_REPEATS];     // tokens a second
};

// Runs the test once, on an emptied session; ids has depth + n_tokens + 1 tokens. Seconds, -1 on failure.
double bench_once(struct fathom_session *session, const struct bench_test *test, const int32_t *ids, struct fathom_error *err);

// Prints a table of operators for each test: the least times of the last chunk or step of n_repeats runs. The engine's gpu keeps timers.
bool bench_ops(struct fathom_engine *engine, struct fathom_session *session, const char *model, const struct bench_test *tests, size_t n_tests,
    const int32_t *ids, struct fathom_error *err);
#endif
