// How the patterns that GGUF files name cut a text into words.
#include "text/support.h"
#include "text/known_patterns.h"
#include "text/pretokenize.h"

// words: the expected ones, with "|" between them.
static void expect_words(const char *name, const char *text, const char *words) {
    const struct fm_known_patterns *known = fm_known_patterns_find(name);
    if (!known) fail_msg("%s is not known", name);
    struct fm_pretokenizer pretokenizer = {0};
    struct fathom_error err = {0};
    for (const char *const *pattern = known->patterns; *pattern; pattern++)
        if (!fm_pretokenizer_add(
                &pretokenizer, FM_SPLIT_ISOLATED, false, *pattern, strlen(*pattern), false, &err))
            fail_msg("%s: %s", name, err.message);
    struct fm_words found = {0};
    if (!fm_pretokenize(&pretokenizer, text, strlen(text), &found, &err))
        fail_msg("%s: %s", name, err.message);
    char joined[256];
    size_t n = 0;
    for (size_t i = 0; i < found.spans.count; i++) {
        if (i) joined[n++] = '|';
        memcpy(joined + n, found.text + found.spans.items[i].start, found.spans.items[i].length);
        n += found.spans.items[i].length;
    }
    joined[n] = 0;
    if (strcmp(joined, words) != 0) fail_msg("%s: \"%s\" instead of \"%s\"", name, joined, words);
    fm_words_clear(&found);
    fm_pretokenizer_clear(&pretokenizer);
}

static void known_patterns(void **state) {
    (void)state;
    expect_words("deepseek-v3", "it's 1234, été  你好x\n\n y", "it|'s| |123|4|,| été|  |你好|x|\n\n| y");
    // its range from : to ~ holds the letters, too: accented ones come apart from the others
    expect_words(
        "deepseek-llm", "it's 1234, été  你好x\n\n y ", "it|'|s| |1|2|3|4|,| é|t|é|  |你好|x|\n|\n| y| ");
    expect_words("deepseek-coder", "it's 12, été 你好 ", "it|'|s| |1|2|,| été| |你好| ");
    expect_words("smollm", "it's 1234  x\n", "it|'s| |1|2|3|4| | x|\n");
    expect_words("gpt-2", "it's 1234  x\n", "it|'s| 1234| | x|\n");
    expect_words("default", "it's 1234  x", "it|'|s| |123|4| | x");
    expect_words("qwen2", "it'S 1234  x(y)\n", "it|'S| |1|2|3|4| | x|(y|)\n");
    expect_words("deepseek-r1-qwen", "12", "1|2");
    expect_words("llama-bpe", "it's 1234  x", "it|'s| |123|4| | x");
    expect_words("llama3", "1234", "123|4");
    expect_words("glm4", "it's 1234  x(y)\n", "it|'s| |123|4| | x|(y|)\n");
    assert_null(fm_known_patterns_find("martian"));
    assert_true(fm_known_patterns_find("qwen2")->nfc);
    assert_true(fm_known_patterns_find("llama-bpe")->ignore_merges);
}

// Expressions to which Oniguruma and PCRE2 give different meanings.
static void oniguruma(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *text;
        size_t start, end;
    } cases[] = {
        {"\\s", "\xe1\xa0\x8e ", 3, 4}, // U+180E is no space
        {"[^\\S]", "a\xc2\x85", 1, 3},  // U+0085 is one
        {"\\w", "-\xe2\x93\x90", 1, 4}, // a letter in a circle
        {"\\w", "-\xc2\xb2", 1, 3},
        {"[\\w]",
            "\xc2\xb2"
            "a",
            2, 3},                   // odd, but so it is
        {"\\W", "a\xcc\x81-", 3, 4}, // an accent belongs to the word
        {"\\h", "xyzf", 3, 4},       // a hexadecimal digit
        {"\\p{Han}", "\xe3\x83\xbb\xe4\xbd\xa0", 3, 6},
        {"\\P{Han}", "\xe4\xbd\xa0-", 3, 4}, // U+30FB is only used with it
        {"\\u4f60", "\xe4\xbd\xa0", 0, 3},
        {"a$", "ba\na", 1, 2},
        {"^a", "b\na", 2, 3}, // lines
        {"[]a]", "]", 0, 1},
        {"[^]a]", "]b", 1, 2},
    };
    struct fm_regex_match *match = fm_regex_match_create(NULL);
    assert_non_null(match);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fathom_error err = {0};
        struct fm_regex *regex = fm_regex_create(cases[i].pattern, strlen(cases[i].pattern), false, &err);
        if (!regex) fail_msg("%s: %s", cases[i].pattern, err.message);
        size_t start, end;
        int found =
            fm_regex_find(regex, match, cases[i].text, strlen(cases[i].text), 0, false, &start, &end, &err);
        if (found != 1 || start != cases[i].start || end != cases[i].end)
            fail_msg("%s: %d, %zu to %zu", cases[i].pattern, found, start, end);
        fm_regex_destroy(&regex);
    }
    fm_regex_match_destroy(&match);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_patterns), cmocka_unit_test(oniguruma)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
