// Tests of operators: operator x variant that the device can run x case, each against a double-precision
// reference; the same cases are timed by --bench. A variant's tile sizes take every third case. A test
// program is a table of cases, a function that runs one, and
//   int main(int argc, char **argv) { return op_test_main(argc, argv, &suite); }
// Options: --bench (times the cases after checking them, the big ones too), --compile-only (records and
// submits, checks nothing: for drivers whose submits do nothing), --statistics (prints what the driver's
// compiler says of each pipeline, of the usual tile sizes alone), --seed N,
// --device NAME, --variant NAME, --case TEXT (those whose name contains it), --part K/N (the K-th of N parts
// of the cases).
#ifndef TEST_HARNESS_H
#define TEST_HARNESS_H
// cmocka wants these first
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "op/op.h"
#include "ops/exact.h"
#include <stdbool.h>

struct op_test {
    struct fathom_gpu *gpu;
    const struct fathom_gpu_info *info;
    struct fathom_stream *stream; // begun; record the operator here
    const struct fm_variant *row; // the variant
    const char *variant;          // its name
    bool compile_only;            // nothing runs: what a test would compare with need not be computed
    bool exact;                   // it is the plain variant: compare for equality
    double rounding;   // relative error of a product whose factors the variant rounds to what it multiplies:
                       // float16, any way
    bool bytes;        // the variant takes activations as 32 signed bytes to a scale
    bool small_slices; // this gpu cuts weights at suite->small_range
    uint32_t offset_words; // where views start in their buffers; 4 unless a case sets it: 16 bytes, which is
                           // not what all devices may bind
    uint64_t random;       // state of op_random
    struct op_private *private;
};

struct op_suite {
    const char *op;                // as in fm_op.name
    size_t n_cases, n_bench_cases; // the bench cases come after the others and are run by --bench only
    const char *(*name)(size_t i, char *buffer, size_t size);
    void (*run)(struct op_test *test, size_t i); // makes inputs, records, op_run(), checks
    uint64_t small_range; // not 0: all cases once more on a gpu whose bindings address no more bytes; a case
                          // may return at once when small_slices and it is too large
};
int op_test_main(int argc, char **argv, const struct op_suite *suite);

// Inputs. What they return lives until the end of the case.
uint32_t op_random(struct op_test *test);
float *op_random_floats(struct op_test *test, size_t n, float low, float high);
void *op_alloc(struct op_test *test, size_t size); // zeroed
struct fathom_view op_input(
    struct op_test *test, const void *data, size_t n_words);        // with NaNs before and after
struct fathom_view op_output(struct op_test *test, size_t n_words); // poisoned, before and after too
// Random weights, elements about -1..1; *bytes gets the stored form, row after row. `spread` scales them.
const struct fathom_weight *op_weight(struct op_test *test, enum fathom_type type, uint32_t n_mats,
    uint32_t n_rows, uint32_t n_cols, float spread, const uint8_t **bytes);

// Finishes the stream, runs it, waits. Fails when a dispatch of the operator was of another variant, unless
// the stream needed another for its shape (`only` false).
void op_run(struct op_test *test, bool only);
// Does the variant take a call that is this (fm_call.is)?
bool op_takes(const struct op_test *test, uint32_t is);
void op_rerun(struct op_test *test); // submits the same recording again
void op_begin(struct op_test
        *test); // for another recording in the same case; --bench times the last one, after the checks
// Finishes a recording that must be refused, and begins another.
void op_run_refused(struct op_test *test, const char *message_part);

uint32_t op_poison(void); // what outputs hold before the operator writes them: a NaN

// The most by which w times x is off when x is rounded to 127th parts of the largest of its 32, as
// op_test.bytes says
double op_bytes_error(const float *w, const float *x, uint32_t n);

// Results: the words of an output view; checks that what lies around it is untouched.
void *op_result(struct op_test *test, struct fathom_view view);
// Fail, naming the first element, unless |got - want| <= bound; or unless the bits are equal. Nothing is
// compared when compiling only.
void op_check(struct op_test *test, const char *what, const float *got, const double *want,
    const double *bound, size_t n);
void op_check_equal(
    struct op_test *test, const char *what, const void *got, const void *want, size_t n_words);
#endif
