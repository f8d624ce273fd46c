// Compares the C twins of the exact functions with libm, and of the float16 conversions with the arithmetic
// definition.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include "ops/exact.h"

static void functions_are_close(void **state) {
    (void)state;
    for (float x = -87.3f; x < 88.7f; x += 0.00317f)
        assert_true(fabs(exact_exp(x) / exp((double)x) - 1) < 1e-7);
    for (float x = 1.2e-38f; x < 8e37f; x *= 1.00037f) {
        assert_true(fabs(exact_reciprocal(x) * (double)x - 1) < 1.5e-7);
        assert_true(fabs(exact_reciprocal(-x) * (double)x + 1) < 1.5e-7);
        assert_true(fabs(exact_rsqrt(x) * sqrt((double)x) - 1) < 1.5e-7);
    }
    for (float x = -80; x < 80; x += 0.01f) {
        assert_true(fabs(exact_sigmoid(x) * (1 + exp(-(double)x)) - 1) < 4e-7);
        assert_true(
            fabs(exact_sqrt_softplus(x) / sqrt(x > 0 ? x + log1p(exp(-(double)x)) : log1p(exp((double)x))) -
                1) < 4e-7);
    }
}

static void ends_are_right(void **state) {
    (void)state;
    assert_true(exact_exp(0) == 1);
    assert_true(exact_exp(-100) == 0);
    assert_true(exact_exp(-INFINITY) == 0);
    assert_true(isinf(exact_exp(89)));
    assert_true(isnan(exact_exp(NAN)));
    assert_true(exact_reciprocal(INFINITY) == 0);
    assert_true(isinf(exact_reciprocal(0)));
    assert_true(isnan(exact_reciprocal(NAN)));
    assert_true(exact_sigmoid(-200) == 0);
    assert_true(exact_sigmoid(200) == 1);
    assert_true(exact_silu(0) == 0);
    assert_true(exact_sqrt_softplus(-200) == 0);
    assert_true(fabsf(exact_sqrt_softplus(1e30f) * 1e-15f - 1) < 1e-6f);
}

static void halves_are_right(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 0x8000; h++) {
        const uint32_t exponent = h >> 10, mantissa = h & 1023;
        const double want = exponent == 31
            ? (mantissa ? NAN : INFINITY)
            : ldexp(exponent ? 1024 + mantissa : mantissa, (int)(exponent ? exponent : 1) - 25);
        const float got = half_decode(h);
        if (isnan(want)) {
            assert_true(isnan(got));
            assert_true(isnan(half_decode(h | 0x8000)));
            continue;
        }
        assert_true(got == want);
        assert_true(half_decode(h | 0x8000) == -want);
        assert_int_equal(half_encode(got), h);
        assert_int_equal(half_encode(-got), h | 0x8000);
        if (h >= 0x7bff) continue;
        const float next = half_decode(h + 1), middle = got + (next - got) / 2; // ties go to the even one
        assert_int_equal(half_encode(middle), h & 1 ? h + 1 : h);
        assert_int_equal(half_encode(nextafterf(middle, 0)), h);
        assert_int_equal(half_encode(nextafterf(middle, 1e6f)), h + 1);
    }
    assert_int_equal(half_encode(65519.996f), 0x7bff);
    assert_int_equal(half_encode(65520), 0x7c00);
    assert_int_equal(half_encode(-1e-9f), 0x8000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_close),
        cmocka_unit_test(ends_are_right),
        cmocka_unit_test(halves_are_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
