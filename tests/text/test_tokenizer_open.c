// Tokenizers from GGUF keys and from paths. The test makes the GGUF files from the reference tokenizers. They
// hold no tensors.
#include "text/vectors.h"
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "fathom-text-XXXXXX"; // in the current folder

static const char *inside(const char *name) {
    static char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const void *data, size_t size) {
    FILE *file = fopen(inside(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

// ---- Building a GGUF file --------------------------------------------------------------------------------

enum { GGUF_U8 = 0, GGUF_U32 = 4, GGUF_I32 = 5, GGUF_STRING = 8, GGUF_ARRAY = 9 };
struct gguf {
    char *bytes;
    size_t size, capacity;
    uint64_t n_keys;
};

static void put(struct gguf *g, const void *data, size_t size) {
    if (g->size + size > g->capacity) {
        g->capacity = 2 * (g->size + size);
        g->bytes = realloc(g->bytes, g->capacity);
        assert_non_null(g->bytes);
    }
    memcpy(g->bytes + g->size, data, size);
    g->size += size;
}

static void put_u32(struct gguf *g, uint32_t value) {
    put(g, &value, 4);
}
static void put_u64(struct gguf *g, uint64_t value) {
    put(g, &value, 8);
}

static void put_string(struct gguf *g, const char *text) {
    put_u64(g, strlen(text));
    put(g, text, strlen(text));
}

static void put_key(struct gguf *g, const char *key, uint32_t type) {
    put_string(g, key);
    put_u32(g, type);
    g->n_keys++;
}

static void put_array(struct gguf *g, const char *key, uint32_t type, uint64_t n) {
    put_key(g, key, GGUF_ARRAY);
    put_u32(g, type);
    put_u64(g, n);
}

static void string_key(struct gguf *g, const char *key, const char *value) {
    put_key(g, key, GGUF_STRING);
    put_string(g, value);
}

static void u32_key(struct gguf *g, const char *key, uint32_t value) {
    put_key(g, key, GGUF_U32);
    put_u32(g, value);
}

// Puts the head before the keys and writes the file.
static void write_gguf(struct gguf *keys, const char *name) {
    struct gguf whole = {0};
    put(&whole, "GGUF", 4);
    put_u32(&whole, 3);
    put_u64(&whole, 0);
    put_u64(&whole, keys->n_keys);
    put(&whole, keys->bytes, keys->size);
    write_file(name, whole.bytes, whole.size);
    free(whole.bytes);
    free(keys->bytes);
    *keys = (struct gguf){0};
}

// The keys that a converter writes for a tokenizer.json.
static void put_tokenizer(struct gguf *g, const char *path, const char *pre) {
    size_t length;
    char *text = need_file(path, &length);
    cJSON *json = cJSON_ParseWithLength(text, length);
    const cJSON *model = cJSON_GetObjectItem(json, "model"), *item,
                *added = cJSON_GetObjectItem(json, "added_tokens");
    const cJSON *vocab = cJSON_GetObjectItem(model, "vocab"), *merges = cJSON_GetObjectItem(model, "merges");
    size_t n = 0;
    cJSON_ArrayForEach(item, vocab) n = (size_t)item->valuedouble >= n ? (size_t)item->valuedouble + 1 : n;
    cJSON_ArrayForEach(item, added) {
        size_t id = (size_t)cJSON_GetObjectItem(item, "id")->valuedouble;
        n = id >= n ? id + 1 : n;
    }
    const char **tokens = calloc(n, sizeof(*tokens));
    int32_t *types = calloc(n, sizeof(*types));
    assert_non_null(tokens);
    assert_non_null(types);
    cJSON_ArrayForEach(item, vocab) tokens[(size_t)item->valuedouble] = item->string,
                                    types[(size_t)item->valuedouble] = 1;
    cJSON_ArrayForEach(item, added) {
        size_t id = (size_t)cJSON_GetObjectItem(item, "id")->valuedouble;
        tokens[id] = cJSON_GetObjectItem(item, "content")->valuestring;
        types[id] = cJSON_IsTrue(cJSON_GetObjectItem(item, "special")) ? 3 : 4;
    }
    string_key(g, "tokenizer.ggml.model", "gpt2");
    string_key(g, "tokenizer.ggml.pre", pre);
    put_array(g, "tokenizer.ggml.tokens", GGUF_STRING, n);
    for (size_t i = 0; i < n; i++) {
        char pad[32];
        snprintf(pad, sizeof(pad), "[PAD%zu]", i);
        put_string(g, tokens[i] ? tokens[i] : pad);
    }
    put_array(g, "tokenizer.ggml.token_type", GGUF_I32, n);
    for (size_t i = 0; i < n; i++) put_u32(g, tokens[i] ? (uint32_t)types[i] : 5);
    put_array(g, "tokenizer.ggml.merges", GGUF_STRING, (uint64_t)cJSON_GetArraySize(merges));
    cJSON_ArrayForEach(item, merges) {
        char pair[2048];
        if (cJSON_IsArray(item))
            snprintf(pair, sizeof(pair), "%s %s", item->child->valuestring, item->child->next->valuestring);
        put_string(g, cJSON_IsArray(item) ? pair : item->valuestring);
    }
    free(types);
    free(tokens);
    cJSON_Delete(json);
    free(text);
}

static struct fathom_tokenizer *open_path(const char *path) {
    struct fathom_error err = {0};
    struct fathom_tokenizer *tokenizer = fathom_tokenizer_open(path, &err);
    if (!tokenizer) fail_msg("%s", err.message);
    return tokenizer;
}

// ---- GGUF ------------------------------------------------------------------------------------------------

static void gguf_minnow(void **state) {
    (void)state;
    struct gguf g = {0};
    put_tokenizer(&g, TEST_REFERENCE "/minnow/tokenizer.json", "deepseek-v3");
    u32_key(&g, "tokenizer.ggml.bos_token_id", 763);
    u32_key(&g, "tokenizer.ggml.eos_token_id", 5);
    write_gguf(&g, "minnow.gguf");
    struct fathom_tokenizer *tokenizer = open_path(inside("minnow.gguf"));
    check_vectors(tokenizer, "minnow", true);
    assert_int_equal(fathom_tokenizer_count(tokenizer), 768);
    assert_int_equal(fm_tokenizer_bos(tokenizer), 763);
    assert_int_equal(fathom_tokenizer_last(tokenizer), 5);
    assert_true(fathom_token_is_control(tokenizer, 766));
    assert_false(fathom_token_is_control(tokenizer, 761));
    fathom_tokenizer_destroy(&tokenizer);
}

struct large {
    const char *name, *pre;
};

static void gguf_of(void **state) {
    const struct large *large = *state;
    char path[1024];
    if (!find_large(large->name, path, sizeof(path))) skip();
    struct gguf g = {0};
    put_tokenizer(&g, path, large->pre);
    write_gguf(&g, "large.gguf");
    struct fathom_tokenizer *tokenizer = open_path(inside("large.gguf"));
    check_vectors(tokenizer, large->name, false);
    fathom_tokenizer_destroy(&tokenizer);
    unlink(inside("large.gguf"));
}

static void gguf_loose_ends(void **state) {
    (void)state;
    struct gguf g = {0};
    string_key(&g, "tokenizer.ggml.model", "gpt2");
    string_key(&g, "tokenizer.ggml.pre", "gpt-2");
    static const char *const tokens[] = {"a", "b", "ab", "<0x00>", "<x>", "[PAD5]"};
    static const uint32_t types[] = {1, 1, 1, 6, 4, 5};
    put_array(&g, "tokenizer.ggml.tokens", GGUF_STRING, 6);
    for (int i = 0; i < 6; i++) put_string(&g, tokens[i]);
    put_array(&g, "tokenizer.ggml.token_type", GGUF_I32, 6);
    for (int i = 0; i < 6; i++) put_u32(&g, types[i]);
    put_array(&g, "tokenizer.ggml.merges", GGUF_STRING, 3);
    put_string(&g, "h e"); // of a vocabulary that was cut short
    put_string(&g, "b a");
    put_string(&g, "a b");
    write_gguf(&g, "small.gguf");
    struct fathom_tokenizer *tokenizer = open_path(inside("small.gguf"));
    struct fm_tokens ids = {0};
    assert_true(fm_tokenizer_encode(tokenizer, "ab<x>ba", 7, true, &ids, NULL));
    assert_int_equal(ids.count, 4);
    assert_memory_equal(ids.ids, ((int32_t[]){2, 4, 1, 0}), 16);
    assert_int_equal(fm_tokenizer_bos(tokenizer), -1);
    assert_int_equal(fathom_tokenizer_last(tokenizer), -1);
    free(ids.ids);
    fathom_tokenizer_destroy(&tokenizer);
}

static void expect_refusal(const char *path, enum fathom_status status, const char *part) {
    struct fathom_error err = {0};
    assert_null(fathom_tokenizer_open(path, &err));
    if (err.status != status || !strstr(err.message, part))
        fail_msg("status %d, \"%s\"", err.status, err.message);
    assert_null(fathom_tokenizer_open(path, NULL));
}

// One key is missing, or one key is wrong.
enum damage {
    NO_MODEL,
    OTHER_MODEL,
    NO_PRE,
    OTHER_PRE,
    PRE_IS_NUMBER,
    NO_TOKENS,
    TOKENS_ARE_NUMBERS,
    SHORT_TYPES,
    TYPES_ARE_STRINGS,
    MERGE_OF_ONE,
    NO_MERGES,
    EMPTY_MERGES,
    MERGES_ARE_NUMBERS,
    MERGES_ARE_TEXT,
    MERGES_OF_OTHERS,
    TYPES_ARE_TEXT,
    NO_TYPES_IN_ARRAY,
    ENDS_ARE_TEXT,
    END_TOO_LARGE,
    EOT_TOO_LARGE,
    BOS_TOO_LARGE,
    BOS_IS_STRING,
    TWICE,
    BYTES_ALONE // no damage: without words there is nothing to merge
};

static void write_types(struct gguf *g, enum damage damage) {
    const int n = damage == SHORT_TYPES ? 1 : damage == NO_TYPES_IN_ARRAY ? 0 : 3;
    if (damage == TYPES_ARE_TEXT) {
        string_key(g, "tokenizer.ggml.token_type", "1");
        return;
    }
    put_array(
        g, "tokenizer.ggml.token_type", damage == TYPES_ARE_STRINGS ? GGUF_STRING : GGUF_I32, (uint64_t)n);
    for (int i = 0; i < n; i++)
        if (damage == TYPES_ARE_STRINGS)
            put_string(g, "1");
        else
            put_u32(g, 1);
}

static void write_merges(struct gguf *g, enum damage damage) {
    static const char key[] = "tokenizer.ggml.merges";
    switch (damage) {
    case NO_MERGES: break;
    case EMPTY_MERGES: put_array(g, key, GGUF_STRING, 0); break;
    case MERGES_ARE_TEXT: string_key(g, key, "a b"); break;
    case MERGES_ARE_NUMBERS:
        put_array(g, key, GGUF_U32, 1);
        put_u32(g, 1);
        break;
    default:
        put_array(g, key, GGUF_STRING, 1);
        put_string(g,
            damage == MERGE_OF_ONE                                    ? "ab"
                : damage == MERGES_OF_OTHERS || damage == BYTES_ALONE ? "x y"
                                                                      : "a b");
    }
}

static void write_damaged(enum damage damage) {
    static const char *const tokens[] = {"a", "b", "ab"};
    struct gguf g = {0};
    if (damage != NO_MODEL) string_key(&g, "tokenizer.ggml.model", damage == OTHER_MODEL ? "llama" : "gpt2");
    if (damage == PRE_IS_NUMBER)
        u32_key(&g, "tokenizer.ggml.pre", 1);
    else if (damage != NO_PRE)
        string_key(&g, "tokenizer.ggml.pre", damage == OTHER_PRE ? "martian" : "gpt-2");
    if (damage != NO_TOKENS) {
        put_array(&g, "tokenizer.ggml.tokens", damage == TOKENS_ARE_NUMBERS ? GGUF_U32 : GGUF_STRING, 3);
        for (int i = 0; i < 3; i++)
            if (damage == TOKENS_ARE_NUMBERS)
                put_u32(&g, 1);
            else
                put_string(&g, damage == TWICE ? "a" : damage == BYTES_ALONE && i == 2 ? "c" : tokens[i]);
    }
    write_types(&g, damage);
    write_merges(&g, damage);
    if (damage == ENDS_ARE_TEXT) string_key(&g, "tokenizer.ggml.eos_token_ids", "1");
    if (damage == END_TOO_LARGE) {
        put_array(&g, "tokenizer.ggml.eos_token_ids", GGUF_U32, 2);
        put_u32(&g, 1);
        put_u32(&g, 3);
    }
    if (damage == EOT_TOO_LARGE) u32_key(&g, "tokenizer.ggml.eot_token_id", 3);
    if (damage == BOS_IS_STRING)
        string_key(&g, "tokenizer.ggml.bos_token_id", "a");
    else
        u32_key(&g, "tokenizer.ggml.bos_token_id", damage == BOS_TOO_LARGE ? 3 : 1);
    write_gguf(&g, "bad.gguf");
}

static void gguf_refused(void **state) {
    (void)state;
    static const struct {
        enum damage damage;
        enum fathom_status status;
        const char *part;
    } cases[] = {
        {NO_MODEL, FATHOM_INVALID, "tokenizer.ggml.model"},
        {OTHER_MODEL, FATHOM_UNSUPPORTED, "llama"},
        {NO_PRE, FATHOM_INVALID, "tokenizer.ggml.pre"},
        {OTHER_PRE, FATHOM_UNSUPPORTED, "martian"},
        {PRE_IS_NUMBER, FATHOM_INVALID, "tokenizer.ggml.pre"},
        {NO_TOKENS, FATHOM_INVALID, "tokenizer.ggml.tokens"},
        {TOKENS_ARE_NUMBERS, FATHOM_INVALID, "tokenizer.ggml.tokens"},
        {SHORT_TYPES, FATHOM_INVALID, "1 entries for 3"},
        {TYPES_ARE_STRINGS, FATHOM_INVALID, "token_type"},
        {MERGE_OF_ONE, FATHOM_INVALID, "merges"},
        {NO_MERGES, FATHOM_INVALID, "tokenizer.ggml.merges is missing"},
        {EMPTY_MERGES, FATHOM_INVALID, "tokenizer.ggml.merges is not an array, or is empty"},
        {MERGES_ARE_NUMBERS, FATHOM_INVALID, "merges: entry 0"},
        {MERGES_ARE_TEXT, FATHOM_INVALID, "tokenizer.ggml.merges is not an array"},
        {MERGES_OF_OTHERS, FATHOM_INVALID, "none of 1 entries"},
        {TYPES_ARE_TEXT, FATHOM_INVALID, "tokenizer.ggml.token_type is not an array"},
        {NO_TYPES_IN_ARRAY, FATHOM_INVALID, "tokenizer.ggml.token_type is not an array, or is empty"},
        {ENDS_ARE_TEXT, FATHOM_INVALID, "tokenizer.ggml.eos_token_ids is not an array"},
        {END_TOO_LARGE, FATHOM_INVALID, "eos_token_ids: entry 1"},
        {EOT_TOO_LARGE, FATHOM_INVALID, "eot_token_id is 3"},
        {BOS_TOO_LARGE, FATHOM_INVALID, "bos_token_id is 3"},
        {BOS_IS_STRING, FATHOM_INVALID, "bos_token_id"},
        {TWICE, FATHOM_INVALID, "ids 0 and 1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        write_damaged(cases[i].damage);
        expect_refusal(inside("bad.gguf"), cases[i].status, cases[i].part);
        expect_refusal(inside("bad.gguf"), cases[i].status, "bad.gguf");
    }
}

// Benchmark models have a token for each byte, and a merge that no text uses.
static void gguf_of_bytes(void **state) {
    (void)state;
    struct fathom_error err = {0};
    write_damaged(BYTES_ALONE);
    struct fathom_tokenizer *tokenizer = fathom_tokenizer_open(inside("bad.gguf"), &err);
    if (!tokenizer) fail_msg("%s", err.message);
    struct fm_tokens tokens = {0};
    assert_true(fm_tokenizer_encode(tokenizer, "cab", 3, false, &tokens, &err));
    assert_int_equal(tokens.count, 3);
    assert_int_equal(tokens.ids[0], 2);
    free(tokens.ids);
    fathom_tokenizer_destroy(&tokenizer);
}

// The types of the marks are those of a bad converter, or are absent. A word that merges make stays a word.
static void gguf_marks_of_wrong_type(void **state) {
    (void)state;
    static const char *const tokens[] = {
        "a", "<", ">", "<a", "<a>", "<think>", "<｜User｜>", "<|im_end|>", "[PAD8]", "<0x41>"};
    enum { N = sizeof(tokens) / sizeof(*tokens) };
    static const uint32_t types[][N] = {{1, 1, 1, 1, 1, 1, 1, 1, 5, 6}, {1, 1, 1, 1, 1, 5, 5, 2, 5, 6},
        {1, 1, 1, 1, 1, 99, 0, 1, 5, 6}, {1, 1, 1, 1, 1, 4, 3, 3, 5, 6}};
    for (int round = 0; round < 5; round++) { // the last without types
        struct gguf g = {0};
        string_key(&g, "tokenizer.ggml.model", "gpt2");
        string_key(&g, "tokenizer.ggml.pre", "gpt-2");
        put_array(&g, "tokenizer.ggml.tokens", GGUF_STRING, N);
        for (int i = 0; i < N; i++) put_string(&g, tokens[i]);
        if (round < 4) put_array(&g, "tokenizer.ggml.token_type", GGUF_I32, N);
        for (int i = 0; round < 4 && i < N; i++) put_u32(&g, types[round][i]);
        put_array(&g, "tokenizer.ggml.merges", GGUF_STRING, 2);
        put_string(&g, "< a");
        put_string(&g, "<a >");
        write_gguf(&g, "small.gguf");
        struct fathom_tokenizer *tokenizer = open_path(inside("small.gguf"));
        static const char text[] = "<think><｜User｜><a><|im_end|>";
        struct fm_tokens ids = {0};
        assert_true(fm_tokenizer_encode(tokenizer, text, strlen(text), true, &ids, NULL));
        assert_int_equal(ids.ids[0], 5);
        assert_int_equal(ids.ids[1], 6);
        assert_int_equal(ids.ids[ids.count - 1], 7);
        ids.count = 0;
        assert_true(fm_tokenizer_encode(tokenizer, "<a>", 3, true, &ids, NULL));
        assert_int_not_equal(ids.ids[0], 4); // gpt-2 cuts it
        ids.count = 0;
        assert_false(fm_tokenizer_encode(tokenizer, "[PAD8]", 6, true, &ids, NULL));
        assert_false(fathom_token_is_control(tokenizer, 5));
        assert_true(fathom_token_is_control(tokenizer, 6));
        assert_true(fathom_token_is_end(tokenizer, 7));
        assert_int_equal(fathom_tokenizer_last(tokenizer), 7);
        free(ids.ids);
        fathom_tokenizer_destroy(&tokenizer);
    }
}

static void gguf_ends_and_texts(void **state) {
    (void)state;
    struct gguf g = {0};
    put_tokenizer(&g, TEST_REFERENCE "/minnow/tokenizer.json", "deepseek-v3");
    u32_key(&g, "tokenizer.ggml.bos_token_id", 763);
    u32_key(&g, "tokenizer.ggml.eos_token_id", 764);
    u32_key(&g, "tokenizer.ggml.eot_token_id", 5);
    u32_key(&g, "tokenizer.ggml.eom_token_id", 6);
    u32_key(&g, "tokenizer.ggml.padding_token_id", UINT32_MAX); // some files say "none" so
    put_array(&g, "tokenizer.ggml.eos_token_ids", GGUF_U8, 3);
    put(&g, "\x05\x07\x08", 3);
    string_key(&g, "tokenizer.chat_template", "plain");
    string_key(&g, "tokenizer.chat_template.tool_use", "tools");
    write_gguf(&g, "minnow.gguf");
    struct fathom_tokenizer *tokenizer = open_path(inside("minnow.gguf"));
    static const int32_t ends[] = {764, 5, 6, 7, 8};
    for (size_t i = 0; i < 5; i++) assert_true(fathom_token_is_end(tokenizer, ends[i]));
    assert_false(fathom_token_is_end(tokenizer, 4));
    assert_false(fathom_token_is_end(tokenizer, 763));
    assert_int_equal(fathom_tokenizer_last(tokenizer), 764);
    assert_string_equal(fm_tokenizer_named(tokenizer, FM_NAMED_BOS), "<｜begin▁of▁sentence｜>");
    assert_string_equal(fm_tokenizer_named(tokenizer, FM_NAMED_EOS), "<｜end▁of▁sentence｜>");
    assert_null(fm_tokenizer_named(tokenizer, FM_NAMED_UNK));
    assert_null(fm_tokenizer_named(tokenizer, FM_NAMED_PAD));
    assert_string_equal(fm_tokenizer_chat_template(tokenizer), "plain");
    assert_string_equal(fm_tokenizer_tool_template(tokenizer), "tools");
    fathom_tokenizer_destroy(&tokenizer);
}

// ---- Folders ---------------------------------------------------------------------------------------------

static void copy_tokenizer(void) {
    size_t length;
    char *text = need_file(TEST_REFERENCE "/minnow/tokenizer.json", &length);
    write_file("tokenizer.json", text, length);
    free(text);
}

static void write_text(const char *name, const char *text) {
    write_file(name, text, strlen(text));
}

static void expect_ends(int32_t bos, int32_t eos) {
    struct fathom_tokenizer *tokenizer = open_path(folder);
    assert_int_equal(fm_tokenizer_bos(tokenizer), bos);
    assert_int_equal(fathom_tokenizer_last(tokenizer), eos);
    fathom_tokenizer_destroy(&tokenizer);
}

static void folders(void **state) {
    (void)state;
    struct fathom_tokenizer *tokenizer = open_path(TEST_REFERENCE "/minnow");
    check_vectors(tokenizer, "minnow", true);
    fathom_tokenizer_destroy(&tokenizer);

    expect_refusal(folder, FATHOM_IO, "tokenizer.json");
    copy_tokenizer();
    expect_ends(763, 764); // by their names
    write_text("config.json", "{\"bos_token_id\":1,\"eos_token_id\":[2,3]}");
    expect_ends(1, 2);
    write_text("generation_config.json", "{\"bos_token_id\":null,\"eos_token_id\":[4]}");
    expect_ends(1, 4);
    write_text(
        "tokenizer_config.json", "{\"bos_token\":{\"content\":\"<think>\"},\"eos_token\":\"</think>\"}");
    expect_ends(761, 762);
    // a text that the tokenizer does not have gives no id, and stays a text for templates
    write_text("tokenizer_config.json",
        "{\"bos_token\":\"<nobody>\",\"unk_token\":\"</think>\",\"pad_token\":null}");
    expect_ends(1, 4);
    tokenizer = open_path(folder);
    assert_string_equal(fm_tokenizer_named(tokenizer, FM_NAMED_BOS), "<nobody>");
    assert_null(fm_tokenizer_named(tokenizer, FM_NAMED_EOS));
    assert_string_equal(fm_tokenizer_named(tokenizer, FM_NAMED_UNK), "</think>");
    assert_null(fm_tokenizer_named(tokenizer, FM_NAMED_PAD));
    fathom_tokenizer_destroy(&tokenizer);
    write_text(
        "special_tokens_map.json", "{\"eos_token\":{\"content\":\"<think>\"},\"bos_token\":\"<think>\"}");
    tokenizer = open_path(folder);
    assert_string_equal(fm_tokenizer_named(tokenizer, FM_NAMED_BOS), "<nobody>");
    assert_string_equal(fm_tokenizer_named(tokenizer, FM_NAMED_EOS), "<think>");
    fathom_tokenizer_destroy(&tokenizer);
    unlink(inside("special_tokens_map.json"));
}

// Every id of every file ends an answer.
static void all_ends_count(void **state) {
    (void)state;
    static const struct {
        const char *generation, *config;
        int32_t ends[4];
    } cases[] = {
        {"{\"eos_token_id\":[9,10]}", "{\"eos_token_id\":11}", {764, 9, 10, 11}},
        {"{\"eos_token_id\":9}", "{\"eos_token_id\":[764,10]}", {764, 9, 10, 764}},
        {"{\"eos_token_id\":[null,-1,9]}", "{\"eos_token_id\":-1}", {764, 9, 764, 764}},
        {"{}", "{\"eos_token_id\":[764,10,11]}", {764, 10, 11, 764}},
    };
    copy_tokenizer();
    write_text("tokenizer_config.json", "{\"eos_token\":\"<｜end▁of▁sentence｜>\"}");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        write_text("generation_config.json", cases[i].generation);
        write_text("config.json", cases[i].config);
        struct fathom_tokenizer *tokenizer = open_path(folder);
        int n = 0, wanted = 0;
        for (int k = 0; k < 4; k++) {
            assert_true(fathom_token_is_end(tokenizer, cases[i].ends[k]));
            bool new = true;
            for (int before = 0; before < k; before++) new = new &&cases[i].ends[before] != cases[i].ends[k];
            wanted += new;
        }
        for (int32_t id = 0; id < 768; id++) n += fathom_token_is_end(tokenizer, id);
        assert_int_equal(n, wanted);
        assert_int_equal(fathom_tokenizer_last(tokenizer), 764);
        fathom_tokenizer_destroy(&tokenizer);
    }
}

// tokenizer_config.json has added tokens, and flags that override those of tokenizer.json.
static void added_tokens_of_the_config(void **state) {
    (void)state;
    write_text("tokenizer.json",
        "{\"pre_tokenizer\":{\"type\":\"ByteLevel\"},\"added_tokens\":[{\"id\":3,\"content\":\"<x>\","
        "\"special\":false}],"
        "\"model\":{\"vocab\":{\"a\":0,\"b\":1,\"<y>\":2},\"merges\":[]}}");
    write_text("config.json", "{}");
    unlink(inside("generation_config.json"));
    write_text("tokenizer_config.json",
        "{\"added_tokens_decoder\":{\"3\":{\"content\":\"<x>\",\"special\":true,\"rstrip\":true},\"2\":{"
        "\"content\":\"<y>\"},"
        "\"4\":{\"content\":\"\xc3\xbc\"},\"0\":{\"content\":\"<renamed>\",\"special\":true}}}");
    struct fathom_tokenizer *tokenizer = open_path(folder);
    struct fm_tokens ids = {0};
    assert_int_equal(fathom_tokenizer_find(tokenizer, "<renamed>"), -1); // tokenizer.json has another token 0
    assert_true(fm_tokenizer_encode(tokenizer, "a<x>  b<y>\xc3\xbc", 12, true, &ids, NULL));
    assert_int_equal(ids.count, 5);
    assert_memory_equal(ids.ids, ((int32_t[]){0, 3, 1, 2, 4}), 20);
    assert_true(fathom_token_is_control(tokenizer, 3));
    free(ids.ids);
    fathom_tokenizer_destroy(&tokenizer);
    // words of the vocabulary that the file names are special tokens
    write_text("tokenizer_config.json",
        "{\"eos_token\":{\"content\":\"<y>\"},\"bos_token\":\"<none>\",\"additional_special_tokens\":[\"b\"]"
        "}");
    tokenizer = open_path(folder);
    assert_int_equal(fathom_tokenizer_last(tokenizer), 2);
    assert_true(fathom_token_is_control(tokenizer, 2));
    assert_true(fathom_token_is_control(tokenizer, 1));
    assert_false(fathom_token_is_control(tokenizer, 0));
    ids = (struct fm_tokens){0};
    assert_true(fm_tokenizer_encode(tokenizer, "a<y>", 4, true, &ids, NULL));
    assert_int_equal(ids.count, 2);
    assert_int_equal(ids.ids[1], 2);
    free(ids.ids);
    fathom_tokenizer_destroy(&tokenizer);
    write_text("tokenizer_config.json", "{\"added_tokens_decoder\":{\"x\":{\"content\":\"<z>\"}}}");
    expect_refusal(folder, FATHOM_INVALID, "<z>");
    write_text("tokenizer_config.json", "{\"added_tokens_decoder\":{\"7\":{}}}");
    expect_refusal(folder, FATHOM_INVALID, "content");
}

static void folders_refused(void **state) {
    (void)state;
    copy_tokenizer();
    unlink(inside("generation_config.json"));
    write_text("config.json", "{}");
    write_text("tokenizer_config.json", "{\"bos_token\":5}");
    expect_refusal(folder, FATHOM_INVALID, "bos_token");
    write_text("tokenizer_config.json", "{");
    expect_refusal(folder, FATHOM_INVALID, "tokenizer_config.json");
    unlink(inside("tokenizer_config.json"));
    write_text("config.json", "{\"eos_token_id\":768}");
    expect_refusal(folder, FATHOM_INVALID, "768");
    write_text("config.json", "{\"eos_token_id\":\"x\"}");
    expect_refusal(folder, FATHOM_INVALID, "eos_token_id");
    write_text("tokenizer.json", "{");
    expect_refusal(folder, FATHOM_INVALID, "tokenizer.json");
    expect_refusal("/nowhere/at/all", FATHOM_IO, "/nowhere/at/all");
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    static const char *const names[] = {"minnow.gguf", "large.gguf", "small.gguf", "bad.gguf",
        "tokenizer.json", "config.json", "generation_config.json", "tokenizer_config.json"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) unlink(inside(names[i]));
    return rmdir(folder);
}

int main(void) {
    static struct large large[] = {{"deepseek-v3", "deepseek-v3"}, {"deepseek-v4", "deepseek-v3"},
        {"qwen2.5", "qwen2"}, {"qwen3", "qwen2"}, {"llama3", "llama-bpe"}};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gguf_minnow),
        {"gguf_deepseek_v3", gguf_of, NULL, NULL, &large[0]},
        {"gguf_deepseek_v4", gguf_of, NULL, NULL, &large[1]},
        {"gguf_qwen2_5", gguf_of, NULL, NULL, &large[2]},
        {"gguf_qwen3", gguf_of, NULL, NULL, &large[3]},
        {"gguf_llama3", gguf_of, NULL, NULL, &large[4]},
        cmocka_unit_test(gguf_loose_ends),
        cmocka_unit_test(gguf_refused),
        cmocka_unit_test(gguf_of_bytes),
        cmocka_unit_test(gguf_marks_of_wrong_type),
        cmocka_unit_test(gguf_ends_and_texts),
        cmocka_unit_test(folders),
        cmocka_unit_test(all_ends_count),
        cmocka_unit_test(added_tokens_of_the_config),
        cmocka_unit_test(folders_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
