// Tests of operators. Every variant that the device can run computes every case, and the result is compared
// with a double-precision reference. --bench times the same cases. A variant's other tile sizes compute every
// third case. A test program is a table of cases, a function that runs one case, and
//   int main(int argc, char **argv) { return op_test_main(argc, argv, &suite); }
// Options: --bench (times the cases after checking them, the big ones too), --compile-only (records and
// submits, checks nothing: for drivers whose submits do nothing), --statistics (prints what the driver's
// compiler says of each pipeline, for the default tile sizes only), --seed N, --device NAME, --variant NAME,
// --case TEXT (the cases whose name contains TEXT), --part K/N (the K-th of N parts of the cases).
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
    bool compile_only;            // nothing runs: a test need not compute its reference
    bool exact;                   // the plain variant: compare for equality
    double rounding;              // relative error of a product whose factors the variant rounds to float16,
                                  // in any direction
    bool bytes;                   // the variant rounds activations to signed bytes, 32 to a scale
    bool small_slices;            // this gpu cuts weights at suite->small_range
    uint32_t offset_words;        // where views start in their buffers. The default 4 is 16 bytes, where some
                                  // devices may not bind
    uint64_t random;              // state of op_random
    struct op_private *private;
};

struct op_suite {
    const char *op;                // as in fm_op.name
    size_t n_cases, n_bench_cases; // the bench cases come after the others and are run by --bench only
    const char *(*name)(size_t i, char *buffer, size_t size);
    void (*run)(struct op_test *test, size_t i); // makes inputs, records, op_run(), checks
    uint64_t small_range; // not 0: all cases run once more on a gpu whose bindings address so many bytes; a
                          // case that is too large may return at once if small_slices is set
};
int op_test_main(int argc, char **argv, const struct op_suite *suite);

// Inputs. Their results live until the end of the case.
uint32_t op_random(struct op_test *test);
float *op_random_floats(struct op_test *test, size_t n, float low, float high);
void *op_alloc(struct op_test *test, size_t size); // zeroed
struct fathom_view op_input(
    struct op_test *test, const void *data, size_t n_words);        // with NaNs before and after
struct fathom_view op_output(struct op_test *test, size_t n_words); // poisoned, before and after too
// Random weights, elements about -1..1 times `spread`; *bytes becomes the stored form, row after row.
const struct fathom_weight *op_weight(struct op_test *test, enum fathom_type type, uint32_t n_mats,
    uint32_t n_rows, uint32_t n_cols, float spread, const uint8_t **bytes);

// Finishes the stream, runs it, waits. Fails if a dispatch of the operator has another variant. With `only`
// false, the shape may need another variant.
void op_run(struct op_test *test, bool only);
// Does the variant take a call with these properties (fm_call.is)?
bool op_takes(const struct op_test *test, uint32_t is);
void op_rerun(struct op_test *test); // submits the same recording again
void op_begin(struct op_test
        *test); // for another recording in the same case; --bench times the last one, after the checks
// Finishes a recording that must be refused, and begins another.
void op_run_refused(struct op_test *test, const char *message_part);

uint32_t op_poison(void); // what outputs hold before the operator writes them: a NaN

// The largest error of w times x if x is rounded to 127th parts of the largest of 32 activations (see
// op_test.bytes)
double op_bytes_error(const float *w, const float *x, uint32_t n);

// The words of an output view. Checks that the words around the view are untouched.
void *op_result(struct op_test *test, struct fathom_view view);
// The first fails unless |got - want| <= bound, the second unless the bits are equal. The message names the
// first wrong element. With compile_only, nothing is compared.
void op_check(struct op_test *test, const char *what, const float *got, const double *want,
    const double *bound, size_t n);
void op_check_equal(
    struct op_test *test, const char *what, const void *got, const void *want, size_t n_words);
#endif
