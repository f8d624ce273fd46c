// Strict decoding, and cuts of a byte sequence at the borders of characters.
#include "text/support.h"
#include "text/utf8.h"

static void decode_edges(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        int result;
        uint32_t code;
    } cases[] = {
        {"\0", 1, 1, 0},
        {"\x7f", 1, 1, 0x7f},
        {"\xc2\x80", 2, 2, 0x80},
        {"\xdf\xbf", 2, 2, 0x7ff},
        {"\xe0\xa0\x80", 3, 3, 0x800},
        {"\xef\xbf\xbf", 3, 3, 0xffff},
        {"\xf0\x90\x80\x80", 4, 4, 0x10000},
        {"\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff},
        {"\xed\x9f\xbf", 3, 3, 0xd7ff},
        {"\xee\x80\x80", 3, 3, 0xe000},
        {"\xc2", 1, 0, 0},
        {"\xe4\xbd", 2, 0, 0},
        {"\xf0\x9f\x99", 3, 0, 0}, // unfinished
        {"\x80", 1, -1, 0},
        {"\xc0\x80", 2, -1, 0},
        {"\xc1\xbf", 2, -1, 0},
        {"\xf5\x80\x80\x80", 4, -1, 0},
        {"\xff", 1, -1, 0},
        {"\xe0\x9f\xbf", 3, -1, 0},
        {"\xf0\x8f\xbf\xbf", 4, -1, 0}, // overlong
        {"\xed\xa0\x80", 3, -1, 0},
        {"\xf4\x90\x80\x80", 4, -1, 0}, // surrogate; too large
        {"\xc3(", 2, -1, 0},
        {"\xe4\xbd(", 3, -2, 0},
        {"\xf0\x9f\x99(", 4, -3, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint32_t code = 0;
        int result = fm_utf8_decode(cases[i].bytes, cases[i].n, &code);
        if (result != cases[i].result || (result > 0 && code != cases[i].code))
            fail_msg("case %zu: %d, U+%04X", i, result, code);
        assert_int_equal(fm_utf8_valid(cases[i].bytes, cases[i].n), result > 0 ? cases[i].n : 0);
    }
    assert_int_equal(fm_utf8_valid("0123456789\xff", 11), 10);
    assert_int_equal(fm_utf8_valid("", 0), 0);
}

// Every cut of a text into two pushes gives the same whole characters, and so do single bytes.
static void any_cut(void **state) {
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"aé你🙂z", "aé你🙂z"},
        {"\xff\x80z", "\xef\xbf\xbd\xef\xbf\xbdz"},
        {"\xe4\xbdz\xc3\xa9", "\xef\xbf\xbdz\xc3\xa9"},
        {"\xf0\x9f\x99", "\xef\xbf\xbd"},
        {"\xf0\x9f\xf0\x9f\x99\x82", "\xef\xbf\xbd\xf0\x9f\x99\x82"},
        {"", ""},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        size_t n = strlen(cases[i].in);
        for (size_t cut = 0; cut <= n + 1; cut++) {
            char out[128];
            size_t used = 0;
            struct fm_utf8_stream stream = {0};
            if (cut <= n) {
                used += fm_utf8_push(&stream, cases[i].in, cut, out);
                assert_int_equal(fm_utf8_valid(out, used), used);
                used += fm_utf8_push(&stream, cases[i].in + cut, n - cut, out + used);
            } else {
                for (size_t k = 0; k < n; k++) used += fm_utf8_push(&stream, cases[i].in + k, 1, out + used);
            }
            used += fm_utf8_flush(&stream, out + used);
            out[used] = 0;
            assert_string_equal(out, cases[i].out);
            assert_int_equal(fm_utf8_flush(&stream, out), 0);
        }
    }
}

static void classes(void **state) {
    (void)state;
    assert_true(fm_utf8_is_space(' '));
    assert_true(fm_utf8_is_space('\n'));
    assert_true(fm_utf8_is_space(0x3000));
    assert_true(fm_utf8_is_space(0x85));
    assert_false(fm_utf8_is_space(0x180e));
    assert_false(fm_utf8_is_space(0x200b));
    assert_false(fm_utf8_is_space('a'));
    assert_true(fm_utf8_is_word('a'));
    assert_true(fm_utf8_is_word('_'));
    assert_true(fm_utf8_is_word('7'));
    assert_true(fm_utf8_is_word(0x4f60));
    assert_true(fm_utf8_is_word(0x301));
    assert_false(fm_utf8_is_word('-'));
    assert_false(fm_utf8_is_word(' '));
    assert_false(fm_utf8_is_word(0xbd));
}

static void quotes(void **state) {
    (void)state;
    assert_string_equal(fm_quote("a\nb\xff"
                                 "c",
                            5)
                            .text,
        "a?b?c");
    char many[100];
    memset(many, 'x', sizeof(many));
    memcpy(many + 39, "🙂", 4);
    assert_string_equal(fm_quote(many, sizeof(many)).text + 39, "🙂");
    assert_string_equal(fm_quote("", 0).text, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(decode_edges), cmocka_unit_test(any_cut),
        cmocka_unit_test(classes), cmocka_unit_test(quotes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
