// The reference tokenizers, and the check against the ids that the hub's tokenizers library gives.
#ifndef TEST_TEXT_VECTORS_H
#define TEST_TEXT_VECTORS_H
#include "text/support.h"
#include "text/tokenizer.h"
#include <cjson/cJSON.h>

// NULL: there is no such file.
static inline struct fathom_tokenizer *load(const char *path) {
    size_t length;
    char *text = read_file(path, &length);
    if (!text) return NULL;
    struct fathom_error err = {0};
    struct fathom_tokenizer *tokenizer = fm_tokenizer_from_json(text, length, &err);
    free(text);
    if (!tokenizer) fail_msg("%s: %s", path, err.message);
    return tokenizer;
}

static inline struct fathom_tokenizer *minnow(void) {
    struct fathom_tokenizer *tokenizer = load(TEST_REFERENCE "/minnow/tokenizer.json");
    assert_non_null(tokenizer);
    return tokenizer;
}

// The bytes of the ids, ended by a zero. free() the result.
static inline char *decode(
    const struct fathom_tokenizer *tokenizer, const struct fm_tokens *tokens, size_t *length) {
    *length = 0;
    for (size_t i = 0; i < tokens->count; i++) {
        size_t n;
        assert_non_null(fathom_token_bytes(tokenizer, tokens->ids[i], &n));
        *length += n;
    }
    char *text = malloc(*length + 1), *end = text;
    assert_non_null(text);
    for (size_t i = 0; i < tokens->count; i++) {
        size_t n;
        const char *bytes = fathom_token_bytes(tokenizer, tokens->ids[i], &n);
        memcpy(end, bytes, n);
        end += n;
    }
    *end = 0;
    return text;
}

// Checks that all texts of vectors.json give the ids listed for `name`. With round_trip, also that the ids
// give the text.
static inline void check_vectors(
    const struct fathom_tokenizer *tokenizer, const char *name, bool round_trip) {
    size_t length;
    char *file = need_file(TEST_REFERENCE "/vectors.json", &length);
    // \u0000 would end a C string: a private-use character stands for it while the JSON is read
    for (char *at = file; (at = strstr(at, "\\u0000"));) memcpy(at, "\\uE000", 6);
    cJSON *json = cJSON_Parse(file);
    const cJSON *texts = cJSON_GetObjectItem(json, "texts"),
                *vectors = cJSON_GetObjectItem(cJSON_GetObjectItem(json, "ids"), name);
    assert_non_null(vectors);
    assert_int_equal(cJSON_GetArraySize(texts), cJSON_GetArraySize(vectors));
    int n_wrong = 0;
    const cJSON *text = texts->child, *ids = vectors->child;
    for (int i = 0; text; i++, text = text->next, ids = ids->next) {
        char bytes[8192];
        assert_true(strlen(text->valuestring) < sizeof(bytes));
        size_t n = 0;
        for (const char *from = text->valuestring; *from; n++) {
            bool zero = strncmp(from, "\xee\x80\x80", 3) == 0;
            bytes[n] = zero ? 0 : *from;
            from += zero ? 3 : 1;
        }
        struct fm_tokens tokens = {0};
        struct fathom_error err = {0};
        if (!fm_tokenizer_encode(tokenizer, bytes, n, true, &tokens, &err))
            fail_msg("text %d: %s", i, err.message);
        bool equal = tokens.count == (size_t)cJSON_GetArraySize(ids);
        const cJSON *id = ids->child;
        for (size_t k = 0; equal && k < tokens.count; k++, id = id->next)
            equal = tokens.ids[k] == (int32_t)id->valuedouble;
        if (!equal) {
            n_wrong++;
            print_error("%s: text %d differs: \"%s\"\n", name, i, text->valuestring);
        }
        if (round_trip) {
            size_t n_back;
            char *back = decode(tokenizer, &tokens, &n_back);
            assert_int_equal(n_back, n);
            assert_memory_equal(back, bytes, n);
            free(back);
        }
        free(tokens.ids);
    }
    assert_int_equal(n_wrong, 0);
    cJSON_Delete(json);
    free(file);
}

// The folder FATHOM_TOKENIZERS holds NAME/tokenizer.json, files that are too large to commit. Without the
// folder, prints a line and returns false.
static inline bool find_large(const char *name, char *path, size_t capacity) {
    const char *folder = getenv("FATHOM_TOKENIZERS");
    snprintf(path, capacity, "%s/%s/tokenizer.json", folder ? folder : "", name);
    FILE *file = folder ? fopen(path, "rb") : NULL;
    if (file)
        fclose(file);
    else
        print_message("%s: skipped, no FATHOM_TOKENIZERS/%s/tokenizer.json\n", name, name);
    return file != NULL;
}
#endif
