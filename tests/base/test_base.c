// All values of half floats, and the small tools that the file readers use.
#include "base/arena.h"
#include "base/cursor.h"
#include "base/half.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mapped_file.h"
#include "base/names.h"
#include "base/size.h"
#include "base/utf8.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// The value of a half, by the definition of the format.
static double half_value(uint16_t h) {
    const int exponent = h >> 10 & 31, mantissa = h & 1023;
    const double magnitude = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    return h & 0x8000 ? -magnitude : magnitude;
}

static void half_goes_both_ways(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        const float x = fm_from_half((uint16_t)h);
        if ((h & 0x7c00) == 0x7c00) { // infinite, or not a number
            assert_int_equal(isnan(x) != 0, (h & 0x3ff) != 0);
            assert_int_equal(isnan(fm_from_half(fm_to_half(x))) != 0, (h & 0x3ff) != 0);
            continue;
        }
        assert_true(x == half_value((uint16_t)h));
        assert_int_equal(fm_to_half(x), h);
    }
}

static void half_rounds_to_nearest_even(void **state) {
    (void)state;
    for (uint16_t h = 0; h < 0x7bff;
         h++) { // each value and the next: their middle, and one step to each side of it
        const float middle = (float)((half_value(h) + half_value(h + 1)) / 2);
        assert_int_equal(fm_to_half(middle), h & 1 ? h + 1 : h);
        assert_int_equal(fm_to_half(nextafterf(middle, 0)), h);
        assert_int_equal(fm_to_half(nextafterf(middle, INFINITY)), h + 1);
        assert_int_equal(fm_to_half(-middle), 0x8000 | (h & 1 ? h + 1 : h));
    }
    assert_int_equal(fm_to_half(65519.996f), 0x7bff);
    assert_int_equal(fm_to_half(65520.0f), 0x7c00);
}

static void bf16_rounds_to_nearest_even(void **state) {
    (void)state;
    for (uint32_t b = 0; b < 0x7f7f; b++) {
        assert_int_equal(fm_to_bf16(fm_from_bf16((uint16_t)b)), b);
        assert_int_equal(fm_to_bf16(fm_bits_float(b << 16 | 0x8000)), b & 1 ? b + 1 : b);
        assert_int_equal(fm_to_bf16(fm_bits_float(b << 16 | 0x7fff)), b);
        assert_int_equal(fm_to_bf16(fm_bits_float(b << 16 | 0x8001)), b + 1);
    }
    assert_true(isnan(fm_from_bf16(fm_to_bf16(fm_bits_float(0x7f800001)))));
}

static void sizes_say_when_they_overflow(void **state) {
    (void)state;
    uint64_t n;
    assert_true(fm_mul(1u << 31, 1ull << 32, &n));
    assert_int_equal(n, 1ull << 63);
    assert_false(fm_mul(1ull << 32, 1ull << 32, &n));
    assert_false(fm_add(UINT64_MAX, 1, &n));
    assert_true(fm_align(33, 32, &n));
    assert_int_equal(n, 64);
    assert_false(fm_align(UINT64_MAX - 3, 32, &n));
}

static void cursor_stops_at_the_end(void **state) {
    (void)state;
    const uint8_t bytes[] = {1, 2, 3, 4, 5, 6};
    struct fm_cursor c = {.data = bytes, .size = sizeof(bytes)};
    assert_int_equal(fm_cursor_u32(&c), 0x04030201);
    assert_int_equal(fm_cursor_left(&c), 2);
    assert_int_equal(fm_cursor_u32(&c), 0);
    assert_true(c.failed);
    assert_int_equal(fm_cursor_uint(&c, 1), 0); // sticky
    assert_int_equal(fm_cursor_left(&c), 0);
    c = (struct fm_cursor){.data = bytes, .size = sizeof(bytes)};
    assert_null(fm_cursor_bytes(&c, UINT64_MAX));
}

static void names_are_found_again(void **state) {
    (void)state;
    enum { N = 5000 };
    struct fm_arena arena = {0};
    struct fm_names names = {0};
    uint32_t value;
    assert_false(fm_names_find(&names, "0", &value));
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(fm_names_add(&names, fm_arena_format(&arena, "name.%u", i), i), FM_NAMES_ADDED);
    for (uint32_t i = 0; i < N; i++) {
        const char *name = fm_arena_format(&arena, "name.%u", i);
        assert_true(fm_names_find(&names, name, &value));
        assert_int_equal(value, i);
        assert_int_equal(fm_names_add(&names, name, 0), FM_NAMES_DUPLICATE);
    }
    assert_false(fm_names_find(&names, "name.", &value));
    fm_names_free(&names);
    fm_arena_free(&arena);
}

static void arena_refuses_what_overflows(void **state) {
    (void)state;
    struct fm_arena arena = {0};
    assert_null(fm_arena_alloc(&arena, SIZE_MAX / 2, 3));
    assert_null(fm_arena_alloc(&arena, SIZE_MAX, 1));
    assert_non_null(fm_arena_alloc(&arena, 0, 8));
    for (size_t size = 1; size < 200000; size = size * 3 + 1) {
        unsigned char *bytes = fm_arena_alloc(&arena, size, 1);
        assert_non_null(bytes);
        assert_int_equal((uintptr_t)bytes % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++) assert_int_equal(bytes[i], 0);
        memset(bytes, 0xff, size);
    }
    fm_arena_free(&arena);
}

static void json_is_bounded(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"", "is not JSON"},
        {"{\"a\":1", "is not JSON"},
        {"{} x", "something follows the value at byte 3"},
        {"[1,]", "is not JSON"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct fathom_error err = {0};
        assert_null(fm_json_parse("file.json", bad[i].text, strlen(bad[i].text), &err));
        assert_non_null(strstr(err.message, bad[i].message));
        assert_non_null(strstr(err.message, "file.json: "));
    }
    char deep[300];
    memset(deep, '[', 150);
    memset(deep + 150, ']', 150);
    struct fathom_error err = {0};
    assert_null(fm_json_parse("deep.json", deep, sizeof(deep), &err));
    assert_string_equal(err.message, "deep.json: the JSON is nested deeper than 64 levels");
    cJSON *json = fm_json_parse("", "[0, 9007199254740992, -1, 1.5, 1e300, \"1\", \"[[{\"] \n", 52, NULL);
    assert_non_null(json);
    static const int whole[] = {1, 1, 0, 0, 0, 0, 0};
    for (int i = 0; i < 7; i++) {
        uint64_t value;
        assert_int_equal(fm_json_whole(cJSON_GetArrayItem(json, i), &value), whole[i]);
    }
    cJSON_Delete(json);
}

static void mapped_file_names_what_is_wrong(void **state) {
    (void)state;
    struct fm_mapped_file file;
    struct fathom_error err = {0};
    assert_false(fm_mapped_file_open(&file, "/no/such/file", &err));
    assert_int_equal(err.status, FATHOM_IO);
    assert_string_equal(err.message, "/no/such/file: cannot open: No such file or directory");
    err = (struct fathom_error){0};
    assert_false(fm_mapped_file_open(&file, "/dev/null", &err));
    assert_string_equal(err.message, "/dev/null: is not a plain file");
    err = (struct fathom_error){0};
    assert_false(fm_mapped_file_open(&file, "/tmp", &err));
    assert_string_equal(err.message, "/tmp: is not a plain file");
    char path[] = "/tmp/fathom-base-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    err = (struct fathom_error){0};
    assert_false(fm_mapped_file_open(&file, path, &err));
    assert_non_null(strstr(err.message, ": is empty"));
    assert_int_equal(remove(path), 0);
}

static cJSON *load_json(const char *text, struct fathom_error *err) {
    char path[] = "/tmp/fathom-base-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    cJSON *json = fm_json_load(path, err);
    assert_int_equal(remove(path), 0);
    return json;
}

// Python's json writes NaN and Infinity. A file with them is read, and a number that is asked for is not
// finite.
static void json_of_python_is_read(void **state) {
    (void)state;
    struct fathom_error err = {0};
    cJSON *json = load_json("{\"NaN\": [NaN, -Infinity,Infinity, 4], \"b\": \"Infinity \\\" NaN\"}", &err);
    if (!json) fail_msg("%s", err.message);
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "NaN");
    assert_true(isinf(cJSON_GetArrayItem(list, 0)->valuedouble));
    assert_true(cJSON_GetArrayItem(list, 1)->valuedouble < -1e300);
    assert_true(cJSON_GetArrayItem(list, 2)->valuedouble > 1e300);
    assert_true(cJSON_GetArrayItem(list, 3)->valuedouble == 4);
    uint64_t whole;
    assert_false(fm_json_whole(cJSON_GetArrayItem(list, 2), &whole));
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(json, "b")->valuestring, "Infinity \" NaN");
    cJSON_Delete(json);
    static const char *const bad[] = {"{\"a\": 1NaN}", "{\"a\": nan}", "{\"a\": Infinit}", "{NaN: 1}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        err = (struct fathom_error){0};
        assert_null(load_json(bad[i], &err));
        assert_non_null(strstr(err.message, "is not JSON"));
    }
    assert_null(fm_json_parse("", "[NaN]", 5, NULL)); // JSON itself has no such word
}

static void every_character_is_encoded_as_it_is_decoded(void **state) {
    (void)state;
    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        char bytes[4];
        uint32_t decoded = UINT32_MAX;
        if (code == 0xd800) code = 0xe000; // surrogates are no characters
        const size_t n = fm_utf8_encode(code, bytes);
        if (fm_utf8_decode(bytes, n, &decoded) != (int)n || decoded != code) fail_msg("U+%x", code);
    }
}

static void printable_text_is_one_line(void **state) {
    (void)state;
    static const struct {
        const char *text, *printed;
    } cases[] = {
        {"caf\xc3\xa9 \xe4\xb8\xad\xf0\x9f\x90\x8d\\", "caf\xc3\xa9 \xe4\xb8\xad\xf0\x9f\x90\x8d\\"},
        {"a\nb\r\t\x1b[2J\x7f", "a\\x0ab\\x0d\\x09\\x1b[2J\\x7f"},
        {"\xc2\x9b"
         "31m",
            "\\xc2\\x9b31m"}, // CSI in one character
        {"\xff\xc0\xaf\xe4\xb8", "\\xff\\xc0\\xaf\\xe4\\xb8"},
        {"\xe2\x80\xae"
         "abc\xe2\x80\xa8",
            "\\xe2\\x80\\xaeabc\\xe2\\x80\\xa8"}, // right to left; a line
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char printed[64], again[64];
        fm_printable(printed, sizeof(printed), cases[i].text);
        assert_string_equal(printed, cases[i].printed);
        fm_printable(again, sizeof(again), printed);
        assert_string_equal(again, printed);
    }
    char cut[6];
    fm_printable(cut, sizeof(cut), "abc\xe4\xb8\xad");
    assert_string_equal(cut, "abc");
    fm_printable(cut, sizeof(cut), "ab\n");
    assert_string_equal(cut, "ab");
    fm_printable(cut, 1, "x");
    assert_string_equal(cut, "");
}

static void log_line(void *user, enum fathom_log_level level, const char *message) {
    assert_int_equal(level, FATHOM_LOG_NOTICE);
    strcpy(user, message);
}

static void messages_are_printable(void **state) {
    (void)state;
    struct fathom_error err = {0};
    char line[1024] = "";
    fm_fail(&err, FATHOM_INVALID, "%s: tensor %s", "a.gguf", "x\ny");
    assert_string_equal(err.message, "a.gguf: tensor x\\x0ay");
    fm_error_prefix(&err, "%s", "a.gguf"); // named already
    assert_string_equal(err.message, "a.gguf: tensor x\\x0ay");
    fm_error_prefix(&err, "%s", "a");
    assert_string_equal(err.message, "a: a.gguf: tensor x\\x0ay");
    err = (struct fathom_error){0};
    fm_fail(&err, FATHOM_INVALID, "it");
    fm_error_prefix(&err, "\x1b%s", "b");
    assert_string_equal(err.message, "\\x1bb: it");
    fm_log(&(struct fathom_log){log_line, line}, FATHOM_LOG_NOTICE, "model \x1b]0;owned\x07");
    assert_string_equal(line, "model \\x1b]0;owned\\x07");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_goes_both_ways),
        cmocka_unit_test(half_rounds_to_nearest_even),
        cmocka_unit_test(bf16_rounds_to_nearest_even),
        cmocka_unit_test(sizes_say_when_they_overflow),
        cmocka_unit_test(cursor_stops_at_the_end),
        cmocka_unit_test(names_are_found_again),
        cmocka_unit_test(arena_refuses_what_overflows),
        cmocka_unit_test(json_is_bounded),
        cmocka_unit_test(json_of_python_is_read),
        cmocka_unit_test(every_character_is_encoded_as_it_is_decoded),
        cmocka_unit_test(printable_text_is_one_line),
        cmocka_unit_test(messages_are_printable),
        cmocka_unit_test(mapped_file_names_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
