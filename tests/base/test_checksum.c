// A checksum does not depend on the pieces in which the bytes come, and sees every change of one byte and of
// the length.
#include "base/checksum.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// after the standard headers
#include <cmocka.h>

enum { N = 200 };

static uint64_t sum_of(const uint8_t *data, size_t size, size_t piece) {
    struct fm_checksum sum;
    fm_checksum_begin(&sum);
    for (size_t at = 0; at < size; at += piece)
        fm_checksum_add(&sum, data + at, size - at < piece ? size - at : piece);
    return fm_checksum_end(&sum);
}

static void make(uint8_t data[N]) {
    for (int i = 0; i < N; i++) data[i] = (uint8_t)(i * i * 31 + 7 * i);
}

static void pieces(void **state) {
    (void)state;
    uint8_t data[N];
    make(data);
    for (size_t size = 0; size <= N; size++)
        for (size_t piece = 1; piece < 70; piece++)
            assert_true(sum_of(data, size, piece) == sum_of(data, size, N));
}

static void changes(void **state) {
    (void)state;
    uint8_t data[N];
    make(data);
    const uint64_t sum = sum_of(data, N, N);
    for (int i = 0; i < N; i++)
        for (int change = 1; change < 256; change++) {
            data[i] ^= (uint8_t)change;
            assert_true(sum_of(data, N, N) != sum);
            data[i] ^= (uint8_t)change;
        }
}

static void lengths(void **state) {
    (void)state;
    const uint8_t zeros[N] = {0};
    for (size_t a = 0; a <= N; a++)
        for (size_t b = 0; b < a; b++) assert_true(sum_of(zeros, a, N) != sum_of(zeros, b, N));
}

// What other versions and builds wrote.
static void known(void **state) {
    (void)state;
    uint8_t data[N];
    make(data);
    assert_true(sum_of(data, N, N) == 0xc6991461d9ecdf83u);
    assert_true(sum_of(data, 0, N) == 0x8dfc0eb0f2ca6830u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces),
        cmocka_unit_test(changes),
        cmocka_unit_test(lengths),
        cmocka_unit_test(known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
