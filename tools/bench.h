// One test of the bench command, shared by bench.c and bench_ops.c.
#ifndef TOOL_BENCH_H
#define TOOL_BENCH_H
#include "common.h"

enum { BENCH_MAX_REPEATS = 100 };

struct bench_test {
    bool decode;                         // decodes n_tokens with the recorded step; otherwise prefills them
    uint32_t n_tokens, depth, n_repeats; // depth: tokens in the session before the test
    double rates[BENCH_MAX_REPEATS];     // tokens per second
    struct decoding decoding;            // of all runs but the first, which warms up
};

// Runs the test once, on an emptied session; ids has depth + n_tokens + 1 tokens. Returns seconds, or -1 on
// failure.
double bench_once(struct fathom_session *session, const struct bench_test *test, const int32_t *ids,
    struct fathom_error *err);

// Prints a table of operators for each test, with the least times of the last chunk or step of n_repeats
// runs. The engine's gpu must have timers.
bool bench_ops(struct fathom_engine *engine, struct fathom_session *session, const char *model,
    const struct bench_test *tests, size_t n_tests, const int32_t *ids, struct fathom_error *err);
#endif
