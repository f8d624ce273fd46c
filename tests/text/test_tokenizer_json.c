// What tokenizer.json may say: how texts are cut, which tokens are added; and what is refused, with one clear
// message.
#include "text/vectors.h"

#define HEAD "{\"pre_tokenizer\":"
#define BYTE_LEVEL "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}"
#define MODEL \
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"\xc4\xa0\":3,\"1\":4,\"2\":5,\"ab\":" \
    "6,\"\xc4\xa0" \
    "a\":7," \
    "\"abc\":8,\"11\":9,\".\":10,\"bc\":11}," \
    "\"merges\":[\"a b\",[\"\xc4\xa0\",\"a\"],\"ab c\",\"1 1\",\"b c\"]}"

static struct fathom_tokenizer *parse(const char *json, struct fathom_error *err) {
    char *exact = malloc(strlen(json)); // no zero behind it
    assert_non_null(exact);
    memcpy(exact, json, strlen(json));
    struct fathom_tokenizer *tokenizer = fm_tokenizer_from_json(exact, strlen(json), err);
    free(exact);
    return tokenizer;
}

static void expect_encoded(const char *json, const char *text, bool parse_marks, const char *ids) {
    struct fathom_error err = {0};
    struct fathom_tokenizer *tokenizer = parse(json, &err);
    if (!tokenizer) fail_msg("%s", err.message);
    struct fm_tokens tokens = {0};
    if (!fm_tokenizer_encode(tokenizer, text, strlen(text), parse_marks, &tokens, &err))
        fail_msg("%s", err.message);
    char found[256] = "";
    for (size_t i = 0, n = 0; i < tokens.count && n < sizeof(found) - 16; i++)
        n += (size_t)sprintf(found + n, "%s%d", i ? " " : "", tokens.ids[i]);
    assert_string_equal(found, ids);
    free(tokens.ids);
    fathom_tokenizer_destroy(&tokenizer);
}

static void expect_ids(const char *json, const char *text, const char *ids) {
    expect_encoded(json, text, true, ids);
}

static void expect_refusal(const char *json, enum fathom_status status, const char *part) {
    struct fathom_error err = {0};
    struct fathom_tokenizer *tokenizer = parse(json, &err);
    if (tokenizer) fail_msg("not refused: %s", json);
    if (err.status != status || !strstr(err.message, part) || strchr(err.message, '\n'))
        fail_msg("status %d, \"%s\" for %s", err.status, err.message, json);
    assert_null(parse(json, NULL));
}

static void merges_in_order_of_rank(void **state) {
    (void)state;
    expect_ids(HEAD BYTE_LEVEL "," MODEL "}", "abc", "8");
    expect_ids(HEAD BYTE_LEVEL "," MODEL "}", "bc", "11");
    expect_ids(HEAD BYTE_LEVEL "," MODEL "}", "aabc", "0 8");
    expect_ids(HEAD BYTE_LEVEL "," MODEL "}", " a", "7");
    expect_ids(HEAD BYTE_LEVEL "," MODEL "}", "111", "9 4"); // leftmost first
    expect_ids(HEAD BYTE_LEVEL "," MODEL "}", "", "");
}

static void empty_token(void **state) {
    (void)state;
    expect_ids(HEAD BYTE_LEVEL ",\"model\":{\"vocab\":{\"\":0,\"a\":1},\"merges\":[\"a \"]}}", "aa", "1 1");
    expect_ids(HEAD BYTE_LEVEL ",\"added_tokens\":[{\"id\":50,\"content\":\"\"}]," MODEL "}", "a",
        "0"); // never found
}

static void unreachable_tokens(void **state) {
    (void)state;
    // no merge leads to "ba": only a tokenizer that ignores merges finds it
    const char *model = "\"model\":{\"type\":\"BPE\",%s\"vocab\":{\"a\":0,\"b\":1,\"ba\":2},\"merges\":[]}}";
    char json[512], body[256];
    snprintf(body, sizeof(body), model, "");
    snprintf(json, sizeof(json), HEAD BYTE_LEVEL ",%s", body);
    expect_ids(json, "ba", "1 0");
    snprintf(body, sizeof(body), model, "\"ignore_merges\":true,");
    snprintf(json, sizeof(json), HEAD BYTE_LEVEL ",%s", body);
    expect_ids(json, "ba", "2");
}

// A mark may be a word of the vocabulary too, with merges that make it.
static void no_word_becomes_a_mark(void **state) {
    (void)state;
    static const char *const switches[] = {"", "\"ignore_merges\":true,"};
    for (size_t i = 0; i < 2; i++) {
        char json[512];
        snprintf(json, sizeof(json),
            HEAD BYTE_LEVEL ",\"model\":{%s\"vocab\":{\"<\":0,\"s\":1,\">\":2,\"<s\":3,\"<s>\":4},"
                            "\"merges\":[\"< s\",\"<s >\"]},"
                            "\"added_tokens\":[{\"id\":4,\"content\":\"<s>\",\"special\":true}]}",
            switches[i]);
        expect_encoded(json, "<s>", true, "4");
        expect_encoded(json, "<s>", false, "3 2");
    }
}

#define SPLIT(pattern, behavior, invert) \
    HEAD "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":" pattern \
         ",\"behavior\":\"" behavior "\",\"invert\":" invert "}," BYTE_LEVEL "]}," MODEL "}"

static void splits(void **state) {
    (void)state;
    expect_ids(SPLIT("{\"Regex\":\"b\"}", "Isolated", "false"), "abc", "0 1 2");
    expect_ids(SPLIT("{\"Regex\":\"b\"}", "Removed", "false"), "abc", "0 2");
    expect_ids(SPLIT("{\"Regex\":\"b\"}", "Removed", "true"), "abcb", "1 1");
    expect_ids(SPLIT("{\"Regex\":\"b\"}", "MergedWithPrevious", "false"), "abc", "6 2");
    expect_ids(SPLIT("{\"Regex\":\"b\"}", "MergedWithNext", "false"), "abc", "0 11");
    expect_ids(SPLIT("{\"Regex\":\"1\"}", "Isolated", "false"), "a11", "0 4 4");
    expect_ids(SPLIT("{\"Regex\":\"1\"}", "Contiguous", "false"), "a11", "0 9");
    expect_ids(SPLIT("{\"String\":\".\"}", "Isolated", "false"), "a.b",
        "0 10 1"); // no expression: "." is a full stop
    expect_ids(SPLIT("{\"String\":\".\"}", "Removed", "false"), "a.b", "0 1");
    expect_ids(SPLIT("{\"Regex\":\"x*\"}", "Isolated", "false"), "abc", "0 1 2"); // empty matches cut, too
    expect_ids(SPLIT("{\"Regex\":\"\\\\s?a\"}", "Isolated", "false"), "b a", "1 7");
}

static void other_steps(void **state) {
    (void)state;
    expect_ids(HEAD "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":"
                    "true}," BYTE_LEVEL "]}," MODEL "}",
        "a11", "0 4 4");
    expect_ids(HEAD "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":"
                    "false}," BYTE_LEVEL "]}," MODEL "}",
        "a11", "0 9");
    expect_ids(
        HEAD "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"use_regex\":false}," MODEL "}", "a", "7");
    expect_ids(
        HEAD "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"use_regex\":false}," MODEL "}", " a", "7");
    expect_ids(HEAD "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}," MODEL "}", "ab1 a",
        "6 4 7"); // GPT-2's expression
}

#define ADDED(flags) \
    HEAD BYTE_LEVEL ",\"added_tokens\":[{\"id\":20,\"content\":\"<x>\"" flags \
                    "},{\"id\":21,\"content\":\"<x>a\"}]," MODEL "}"

static void added_tokens(void **state) {
    (void)state;
    expect_ids(ADDED(""), "a<x>b", "0 20 1");
    expect_ids(ADDED(""), "a<x>ab", "0 21 1"); // the longest
    expect_ids(ADDED(""), "<x><x>", "20 20");
    expect_ids(ADDED(",\"lstrip\":true,\"rstrip\":true"),
        "a  <x> \xe3\x80\x80"
        "b",
        "0 20 1");
    expect_ids(ADDED(",\"lstrip\":true"), "<x> <x>", "20 20");
    expect_ids(ADDED(",\"rstrip\":true"), "<x> a", "20 0");
    expect_ids(ADDED(",\"single_word\":true"), "1 <x>", "4 3 20");
    // white space that one token includes may begin the next token
#define TWO(flags) \
    HEAD BYTE_LEVEL \
        ",\"added_tokens\":[{\"id\":20,\"content\":\"<x>\",\"rstrip\":true},{\"id\":21,\"content\":" \
        "\" a\"" flags "},{\"id\":22,\"content\":\"  \"" flags "}]," MODEL "}"
    expect_ids(TWO(""), "<x> ab", "20 21 1");
    expect_ids(TWO(""), "<x>  ab", "20 22 6");
    expect_ids(TWO(",\"lstrip\":true"), "<x>  b", "20 1");
    // an added token of the same spelling and id as one of the vocabulary
    expect_ids(
        HEAD BYTE_LEVEL ",\"added_tokens\":[{\"id\":8,\"content\":\"abc\"}]," MODEL "}", "abcabc", "8 8");
}

#define ADDED_ONE(content, flags) \
    HEAD BYTE_LEVEL ",\"added_tokens\":[{\"id\":20,\"content\":\"" content "\"" flags "}]," MODEL "}"

// Plain added tokens are recognised in every text. Marks are recognised when asked for.
static void marks_and_plain_tokens(void **state) {
    (void)state;
    static const char *const plain[] = {ADDED_ONE("\xc3\xbc", ""),
        ADDED_ONE("\xc3\xbc", ",\"normalized\":true"), ADDED_ONE("\xc3\xb7", ""), ADDED_ONE("  ", ""),
        ADDED_ONE("word", ""), ADDED_ONE("<->", ""), ADDED_ONE("[]", ""), ADDED_ONE("|||IP|||", ""),
        ADDED_ONE("\xe4\xbd\xa0\xe5\xa5\xbd", "")};
    static const char *const texts[] = {"a\xc3\xbc", "a\xc3\xbc", "a\xc3\xb7", "a  ", "aword", "a<->", "a[]",
        "a|||IP|||", "a\xe4\xbd\xa0\xe5\xa5\xbd"};
    for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
        expect_encoded(plain[i], texts[i], false, "0 20");
        expect_encoded(plain[i], texts[i], true, "0 20");
    }
    // flags of plain tokens count in every text
    expect_encoded(ADDED_ONE("ca", ",\"single_word\":true"), "cab", false, "2 6");
    expect_encoded(ADDED_ONE("ca", ",\"single_word\":true"), "ca 1", false, "20 3 4");
    expect_encoded(ADDED_ONE("ca", ",\"lstrip\":true"), "1 ca", false, "4 20");

    static const char *const marks[] = {"<c>", "</c>", "[c]",
        "\xef\xbd\x9c"
        "c\xef\xbd\x9c",
        "<|c|>", " <c>\\n"};
    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
        char json[1024];
        struct fathom_error err = {0};
        struct fm_tokens tokens = {0};
        snprintf(json, sizeof(json),
            HEAD BYTE_LEVEL ",\"added_tokens\":[{\"id\":20,\"content\":\"%s\"}],\"model\":{\"unk_token\":\"?"
                            "\",\"vocab\":{\"?\":0},"
                            "\"merges\":[]}}",
            marks[i]);
        struct fathom_tokenizer *tokenizer = parse(json, &err);
        if (!tokenizer) fail_msg("%s", err.message);
        size_t length;
        const char *text = fathom_token_bytes(tokenizer, 20, &length);
        assert_true(fm_tokenizer_encode(tokenizer, text, length, false, &tokens, NULL));
        assert_int_equal(tokens.count, length); // unknown bytes
        tokens.count = 0;
        assert_true(fm_tokenizer_encode(tokenizer, text, length, true, &tokens, NULL));
        assert_int_equal(tokens.count, 1);
        free(tokens.ids);
        fathom_tokenizer_destroy(&tokenizer);
    }
    // a special token is a mark, whatever it looks like
    expect_encoded(ADDED_ONE("ca", ",\"special\":true"), "ca", false, "2 0");
    expect_encoded(ADDED_ONE("ca", ",\"special\":true"), "ca", true, "20");
}

static void known_ends(void **state) {
    (void)state;
    struct fathom_tokenizer *tokenizer =
        parse(HEAD BYTE_LEVEL ",\"added_tokens\":[{\"id\":20,\"content\":\"<|im_end|>\"},{\"id\":21,"
                              "\"content\":\"<|endoftext|>\"},{\"id\":22,"
                              "\"content\":\"<|end|>\"},{\"id\":23,\"content\":\"<|im_start|>\"},{\"id\":24,"
                              "\"content\":\"<|eom_id|>\"}]," MODEL "}",
            NULL);
    assert_non_null(tokenizer);
    assert_int_equal(fathom_tokenizer_last(tokenizer), 20);
    static const bool ends[] = {true, true, true, false, true, false};
    for (int32_t id = 20; id < 26; id++) assert_int_equal(fathom_token_is_end(tokenizer, id), ends[id - 20]);
    assert_false(fathom_token_is_end(tokenizer, -1));
    assert_false(fathom_token_is_end(tokenizer, 0));
    fathom_tokenizer_destroy(&tokenizer);
    // of a family whose <|end|> ends a message of several; a word of the vocabulary ends nothing
    tokenizer = parse(HEAD BYTE_LEVEL
        ",\"added_tokens\":[{\"id\":20,\"content\":\"<|return|>\"},{\"id\":21,\"content\":\"<|call|>\"},{"
        "\"id\":22,"
        "\"content\":\"<|end|>\"}],\"model\":{\"vocab\":{\"a\":0,\"<|im_end|>\":1},\"merges\":[]}}",
        NULL);
    assert_non_null(tokenizer);
    assert_true(fathom_token_is_end(tokenizer, 20));
    assert_true(fathom_token_is_end(tokenizer, 21));
    assert_false(fathom_token_is_end(tokenizer, 22));
    assert_false(fathom_token_is_end(tokenizer, 2));
    fathom_tokenizer_destroy(&tokenizer);
}

static void decoders(void **state) {
    (void)state;
    expect_ids(
        "{\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteLevel\"},{\"type\":\"Fuse\"}]},"
        "\"pre_tokenizer\":" BYTE_LEVEL "," MODEL "}",
        "abc", "8");
    expect_refusal("{\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Strip\"}]},\"pre_"
                   "tokenizer\":" BYTE_LEVEL "," MODEL "}",
        FATHOM_UNSUPPORTED, "Strip");
}

static void normalization(void **state) {
    (void)state;
    const char *json = "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"}]},\"pre_"
                       "tokenizer\":" BYTE_LEVEL ","
                       "\"added_tokens\":[{\"id\":9,\"content\":\"e\\u0301e\",\"normalized\":true}],"
                       "\"model\":{\"vocab\":{\"\xc3\x83\":0,\"\xc2\xa9\":1,\"e\":2},\"merges\":[]}}";
    expect_ids(json, "e\xcc\x81", "0 1"); // e and an accent: U+00E9
    expect_ids(json, "\xc3\xa9", "0 1");
    expect_ids(json,
        "\xc3\xa9"
        "ee",
        "9 2"); // found once the text is normal
    struct fathom_tokenizer *tokenizer =
        parse("{\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":" BYTE_LEVEL ","
              "\"model\":{\"unk_token\":\"a\",\"vocab\":{\"a\":0},\"merges\":[]}}",
            NULL);
    assert_non_null(tokenizer);
    size_t n = 400000; // marks in the wrong order: minutes, were it quadratic
    char *marks = malloc(n);
    assert_non_null(marks);
    for (size_t i = 0; i < n; i += 4) memcpy(marks + i, "\xcc\x81\xcc\x96", 4);
    struct fm_tokens tokens = {0};
    assert_true(fm_tokenizer_encode(tokenizer, marks, n, true, &tokens, NULL));
    assert_int_equal(tokens.count, n);
    free(tokens.ids);
    free(marks);
    fathom_tokenizer_destroy(&tokenizer);
}

static void not_json(void **state) {
    (void)state;
    expect_refusal("", FATHOM_INVALID, "JSON");
    expect_refusal("{", FATHOM_INVALID, "JSON");
    expect_refusal("{}x", FATHOM_INVALID, "JSON");
    expect_refusal("[]", FATHOM_INVALID, "object");
    char deep[4001];
    memset(deep, '[', 4000);
    deep[4000] = 0;
    expect_refusal(deep, FATHOM_INVALID, "nested");
    char nested[8192] = HEAD;
    for (int i = 0; i < 60; i++) strcat(nested, "{\"type\":\"Sequence\",\"pretokenizers\":[");
    expect_refusal(nested, FATHOM_INVALID, "tokenizer");
}

static void not_supported(void **state) {
    (void)state;
    expect_refusal("{" MODEL "}", FATHOM_UNSUPPORTED, "ByteLevel");
    expect_refusal(HEAD "{\"type\":\"Metaspace\"}," MODEL "}", FATHOM_UNSUPPORTED, "Metaspace");
    expect_refusal(HEAD "{\"type\":\"Sequence\",\"pretokenizers\":[" BYTE_LEVEL
                        ",{\"type\":\"Digits\"}]}," MODEL "}",
        FATHOM_UNSUPPORTED, "after ByteLevel");
    expect_refusal("{\"normalizer\":{\"type\":\"NFKC\"},\"pre_tokenizer\":" BYTE_LEVEL "," MODEL "}",
        FATHOM_UNSUPPORTED, "NFKC");
    expect_refusal("{\"decoder\":{\"type\":\"WordPiece\"},\"pre_tokenizer\":" BYTE_LEVEL "," MODEL "}",
        FATHOM_UNSUPPORTED, "WordPiece");
    expect_refusal(HEAD BYTE_LEVEL ",\"model\":{\"type\":\"Unigram\"}}", FATHOM_UNSUPPORTED, "Unigram");
    expect_refusal(HEAD BYTE_LEVEL ",\"model\":{\"byte_fallback\":true,\"vocab\":{\"a\":0},\"merges\":[]}}",
        FATHOM_UNSUPPORTED, "byte_fallback");
    expect_refusal(HEAD BYTE_LEVEL ",\"model\":{\"dropout\":0.5,\"vocab\":{\"a\":0},\"merges\":[]}}",
        FATHOM_UNSUPPORTED, "dropout");
    expect_refusal(HEAD BYTE_LEVEL
        ",\"model\":{\"end_of_word_suffix\":\"x\",\"vocab\":{\"a\":0},\"merges\":[]}}",
        FATHOM_UNSUPPORTED, "end_of_word_suffix");
    expect_refusal(SPLIT("{\"Regex\":\"a\"}", "Sideways", "false"), FATHOM_UNSUPPORTED, "Sideways");
    expect_refusal(
        SPLIT("{\"Regex\":\"[a[b]]\"}", "Isolated", "false"), FATHOM_UNSUPPORTED, "class within a class");
    expect_refusal(SPLIT("{\"Regex\":\"[a&&b]\"}", "Isolated", "false"), FATHOM_UNSUPPORTED, "&&");
    expect_refusal(SPLIT("{\"Regex\":\"a\\\\b\"}", "Isolated", "false"), FATHOM_UNSUPPORTED, "\\b");
    expect_refusal(SPLIT("{\"Regex\":\"(*ACCEPT)\"}", "Isolated", "false"), FATHOM_UNSUPPORTED, "(*");
}

static void invalid(void **state) {
    (void)state;
    expect_refusal(HEAD BYTE_LEVEL "}", FATHOM_INVALID, "model");
    expect_refusal(HEAD BYTE_LEVEL ",\"model\":{\"merges\":[]}}", FATHOM_INVALID, "vocab");
    expect_refusal(HEAD BYTE_LEVEL ",\"model\":{\"vocab\":{},\"merges\":[]}}", FATHOM_INVALID, "empty");
    expect_refusal(HEAD BYTE_LEVEL ",\"model\":{\"vocab\":{\"a\":0}}}", FATHOM_INVALID, "merges");
    static const char *const ids[] = {"-1", "1.5", "1048576", "1e300", "\"0\"", "null", "-1e300"};
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
        char json[512];
        snprintf(
            json, sizeof(json), HEAD BYTE_LEVEL ",\"model\":{\"vocab\":{\"qq\":%s},\"merges\":[]}}", ids[i]);
        expect_refusal(json, FATHOM_INVALID, "qq");
        snprintf(json, sizeof(json),
            HEAD BYTE_LEVEL ",\"added_tokens\":[{\"content\":\"qq\",\"id\":%s}]," MODEL "}", ids[i]);
        expect_refusal(json, FATHOM_INVALID, "qq");
    }
    expect_refusal(HEAD BYTE_LEVEL ",\"model\":{\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}", FATHOM_INVALID,
        "id 0 is given to \"a\" and to \"b\"");
    expect_refusal(HEAD BYTE_LEVEL ",\"model\":{\"vocab\":{\"a\":0,\"a\":1},\"merges\":[]}}", FATHOM_INVALID,
        "ids 0 and 1");
    expect_refusal(
        HEAD BYTE_LEVEL ",\"added_tokens\":[{\"content\":\"zz\",\"id\":0}]," MODEL "}", FATHOM_INVALID, "zz");
    expect_refusal(HEAD BYTE_LEVEL ",\"added_tokens\":[{\"content\":\"a\",\"id\":50}]," MODEL "}",
        FATHOM_INVALID, "ids 0 and 50");
    expect_refusal(HEAD BYTE_LEVEL ",\"added_tokens\":[{\"id\":50}]," MODEL "}", FATHOM_INVALID, "content");
    expect_refusal(HEAD BYTE_LEVEL ",\"added_tokens\":[1]," MODEL "}", FATHOM_INVALID, "content");
    static const char *const merges[] = {"\"a\"", "\"a b c\"", "[\"a\"]", "[\"a\",\"b\",\"a\"]", "1", "[1,2]",
        "\"a z\"", "\"z a\"", "\"b a\""};
    for (size_t i = 0; i < sizeof(merges) / sizeof(*merges); i++) {
        char json[512];
        snprintf(json, sizeof(json),
            HEAD BYTE_LEVEL ",\"model\":{\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\",%s]}}",
            merges[i]);
        expect_refusal(json, FATHOM_INVALID, "merge 1");
    }
    expect_refusal(SPLIT("{\"Regex\":\"(a\"}", "Isolated", "false"), FATHOM_INVALID, "(a");
    expect_refusal(SPLIT("{\"Regex\":\"a\\\\\"}", "Isolated", "false"), FATHOM_INVALID, "backslash");
    expect_refusal(SPLIT("{\"Regex\":\"\\\\u12\"}", "Isolated", "false"), FATHOM_INVALID, "\\u");
    expect_refusal(SPLIT("{}", "Isolated", "false"), FATHOM_INVALID, "pattern");
    expect_refusal(SPLIT("{\"String\":\"\"}", "Isolated", "false"), FATHOM_INVALID, "empty");
    expect_refusal(HEAD "{}," MODEL "}", FATHOM_INVALID, "type");
    char many[8192] = HEAD "{\"type\":\"Sequence\",\"pretokenizers\":[";
    for (int i = 0; i < 40; i++) strcat(many, "{\"type\":\"Digits\"},");
    strcat(many, BYTE_LEVEL "]}," MODEL "}");
    expect_refusal(many, FATHOM_UNSUPPORTED, "steps");
}

// A text that the tokenizer cannot say, and one on which an expression runs away.
static void encoding_fails(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_tokenizer *tokenizer = parse(HEAD BYTE_LEVEL "," MODEL "}", &err);
    assert_non_null(tokenizer);
    struct fm_tokens tokens = {0};
    assert_true(fm_tokenizer_encode(tokenizer, "abc", 3, true, &tokens, &err));
    assert_false(fm_tokenizer_encode(tokenizer, "ab~", 3, true, &tokens, &err));
    assert_int_equal(err.status, FATHOM_INVALID);
    assert_non_null(strstr(err.message, "0x7e"));
    assert_int_equal(tokens.count, 1); // what was there stays
    assert_false(fm_tokenizer_encode(tokenizer, "", SIZE_MAX, true, &tokens, NULL));
    fathom_tokenizer_destroy(&tokenizer);

    tokenizer = parse(SPLIT("{\"Regex\":\"(a|[ab]|aa)+[.!]\"}", "Isolated", "false"), NULL);
    assert_non_null(tokenizer);
    char many[200];
    memset(many, 'a', sizeof(many));
    err = (struct fathom_error){0};
    assert_false(fm_tokenizer_encode(tokenizer, many, sizeof(many), true, &tokens, &err));
    assert_non_null(strstr(err.message, "gave up"));
    fathom_tokenizer_destroy(&tokenizer);

    // an unk_token that does not exist is none
    tokenizer =
        parse(HEAD BYTE_LEVEL ",\"model\":{\"unk_token\":\"zz\",\"vocab\":{\"a\":0},\"merges\":[]}}", NULL);
    assert_non_null(tokenizer);
    assert_true(fm_tokenizer_encode(tokenizer, "a", 1, true, &tokens, NULL));
    assert_false(fm_tokenizer_encode(tokenizer, "~", 1, true, &tokens, NULL));
    free(tokens.ids);
    fathom_tokenizer_destroy(&tokenizer);

    // a byte without a token becomes unk_token, where there is one
    expect_ids(HEAD BYTE_LEVEL ",\"model\":{\"unk_token\":\"?\",\"vocab\":{\"a\":0,\"?\":1},\"merges\":[]}}",
        "a~a", "0 1 0");
}

// Every cut and many a changed byte of a real file: refused or not, but never worse.
static void damaged_files(void **state) {
    (void)state;
    size_t length;
    char *good = need_file(TEST_REFERENCE "/minnow/tokenizer.json", &length);
    unsigned seed = 4711;
    print_message("seed %u\n", seed);
    for (int i = 0; i < 600; i++) {
        size_t n = i % 2 ? (size_t)rand_r(&seed) % length : length;
        char *bad = malloc(n + 1);
        assert_non_null(bad);
        memcpy(bad, good, n);
        // most of the file is vocabulary; the first two thousand bytes hold the rest
        for (int k = 0; k < 3 && n; k++)
            bad[(size_t)rand_r(&seed) %
                (k                 ? n
                        : n < 2000 ? n
                                   : 2000)] = "{}[]\",:0-9ax\\\x80"[rand_r(&seed) % 15];
        struct fathom_error err = {0};
        struct fathom_tokenizer *tokenizer = fm_tokenizer_from_json(bad, n, &err);
        assert_int_equal(tokenizer == NULL, err.status != FATHOM_OK);
        if (tokenizer) {
            struct fm_tokens tokens = {0};
            fm_tokenizer_encode(tokenizer, "Hello, 123 <think>\n\xff", 20, true, &tokens, NULL);
            free(tokens.ids);
        }
        fathom_tokenizer_destroy(&tokenizer);
        free(bad);
    }
    free(good);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_in_order_of_rank),
        cmocka_unit_test(empty_token),
        cmocka_unit_test(unreachable_tokens),
        cmocka_unit_test(no_word_becomes_a_mark),
        cmocka_unit_test(splits),
        cmocka_unit_test(other_steps),
        cmocka_unit_test(added_tokens),
        cmocka_unit_test(marks_and_plain_tokens),
        cmocka_unit_test(known_ends),
        cmocka_unit_test(decoders),
        cmocka_unit_test(normalization),
        cmocka_unit_test(not_json),
        cmocka_unit_test(not_supported),
        cmocka_unit_test(invalid),
        cmocka_unit_test(encoding_fails),
        cmocka_unit_test(damaged_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
