// The ids of the hub's tokenizers library, and back to the text; texts that are not UTF-8.
#include "text/vectors.h"
#include <pthread.h>

static void vectors_minnow(void **state) {
    (void)state;
    struct fathom_tokenizer *tokenizer = minnow();
    check_vectors(tokenizer, "minnow", true);
    assert_int_equal(fathom_tokenizer_count(tokenizer), 768);
    assert_int_equal(fm_tokenizer_bos(tokenizer), 763);
    assert_int_equal(fathom_tokenizer_last(tokenizer), 764);
    assert_true(fathom_token_is_control(tokenizer, 766));
    assert_false(fathom_token_is_control(tokenizer, 761));
    fathom_tokenizer_destroy(&tokenizer);
    assert_null(tokenizer);
}

static void vectors_of(void **state) {
    const char *name = *state;
    char path[1024];
    if (!find_large(name, path, sizeof(path))) skip();
    struct fathom_tokenizer *tokenizer = load(path);
    check_vectors(tokenizer, name, strncmp(name, "qwen", 4) != 0); // Qwen's texts are normalized
    fathom_tokenizer_destroy(&tokenizer);
}

// ---- Encoding --------------------------------------------------------------------------------------------

static void expect(const struct fathom_tokenizer *tokenizer, const char *text, size_t length,
    bool parse_marks, const int32_t *ids, size_t n) {
    struct fm_tokens tokens = {0};
    struct fathom_error err = {0};
    if (!fm_tokenizer_encode(tokenizer, text, length, parse_marks, &tokens, &err))
        fail_msg("%s", err.message);
    assert_int_equal(tokens.count, n);
    for (size_t i = 0; i < n; i++) assert_int_equal(tokens.ids[i], ids[i]);
    free(tokens.ids);
}

static void marks_only_when_asked(void **state) {
    (void)state;
    struct fathom_tokenizer *tokenizer = minnow();
    expect(tokenizer, "<think></think>", 15, true, (int32_t[]){761, 762}, 2);
    struct fm_tokens tokens = {0};
    assert_true(fm_tokenizer_encode(tokenizer, "<think>", 7, false, &tokens, NULL));
    assert_true(tokens.count > 1);
    for (size_t i = 0; i < tokens.count; i++) assert_true(tokens.ids[i] < 761);
    free(tokens.ids);
    assert_int_equal(fathom_tokenizer_find(tokenizer, "<｜User｜>"), 766);
    assert_int_equal(fathom_tokenizer_find(tokenizer, "<|User|>"), -1);
    fathom_tokenizer_destroy(&tokenizer);
}

static void appends_to_what_is_there(void **state) {
    (void)state;
    struct fathom_tokenizer *tokenizer = minnow();
    struct fm_tokens tokens = {0};
    assert_true(fm_tokenizer_encode(tokenizer, "<think>", 7, true, &tokens, NULL));
    assert_true(fm_tokenizer_encode(tokenizer, "", 0, true, &tokens, NULL));
    assert_true(fm_tokenizer_encode(tokenizer, "</think>", 8, true, &tokens, NULL));
    assert_int_equal(tokens.count, 2);
    assert_int_equal(tokens.ids[0], 761);
    assert_int_equal(tokens.ids[1], 762);
    free(tokens.ids);
    fathom_tokenizer_destroy(&tokenizer);
}

static void unknown_ids(void **state) {
    (void)state;
    struct fathom_tokenizer *tokenizer = minnow();
    int32_t ids[] = {-1, 768, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < 4; i++) {
        size_t length = 1;
        assert_null(fathom_token_bytes(tokenizer, ids[i], &length));
        assert_int_equal(length, 0);
        assert_false(fathom_token_is_control(tokenizer, ids[i]));
    }
    fathom_tokenizer_destroy(&tokenizer);
}

// Random bytes, most of which are no UTF-8, come back unchanged. So do random valid texts, some with long
// words.
static void any_bytes_come_back(void **state) {
    (void)state;
    struct fathom_tokenizer *tokenizer = minnow();
    unsigned seed = 20241;
    print_message("seed %u\n", seed);
    for (int round = 0; round < 400; round++) {
        char bytes[512];
        size_t n = (size_t)rand_r(&seed) % sizeof(bytes);
        int kind = round % 4;
        for (size_t i = 0; i < n; i++) {
            int r = rand_r(&seed) >> 8;
            bytes[i] = (char)(kind == 0 ? r
                    : kind == 1         ? "a\xc3\xa9\xe4\xbd\xa0 \n\xf0"[r % 9]
                    : kind == 2         ? "ab"[r % 2]
                                        : r % 128);
        }
        struct fm_tokens tokens = {0};
        struct fathom_error err = {0};
        if (!fm_tokenizer_encode(tokenizer, bytes, n, true, &tokens, &err)) fail_msg("%s", err.message);
        size_t n_back;
        char *back = decode(tokenizer, &tokens, &n_back);
        assert_int_equal(n_back, n);
        assert_memory_equal(back, bytes, n);
        free(back);
        free(tokens.ids);
    }
    fathom_tokenizer_destroy(&tokenizer);
}

static void one_word_of_a_million_letters(void **state) {
    (void)state;
    struct fathom_tokenizer *tokenizer = minnow();
    size_t n = 1000000, n_back;
    char *word = malloc(n);
    assert_non_null(word);
    for (size_t i = 0; i < n; i++)
        word[i] = "the and of in"[i * i % 13] == ' ' ? 'q' : "the and of in"[i * i % 13];
    struct fm_tokens tokens = {0};
    assert_true(
        fm_tokenizer_encode(tokenizer, word, n, true, &tokens, NULL)); // a quadratic encoder would take hours
    char *back = decode(tokenizer, &tokens, &n_back);
    assert_int_equal(n_back, n);
    assert_memory_equal(back, word, n);
    free(back);
    free(tokens.ids);
    free(word);
    fathom_tokenizer_destroy(&tokenizer);
}

struct worker {
    const struct fathom_tokenizer *tokenizer;
    const char *text;
    size_t length;
    struct fm_tokens tokens;
    bool done;
};

static void *encode_in_thread(void *user) {
    struct worker *worker = user;
    worker->done = true;
    for (int i = 0; i < 20 && worker->done; i++) {
        worker->tokens.count = 0;
        worker->done =
            fm_tokenizer_encode(worker->tokenizer, worker->text, worker->length, true, &worker->tokens, NULL);
    }
    return NULL;
}

static void several_threads(void **state) {
    (void)state;
    struct fathom_tokenizer *tokenizer = minnow();
    size_t length;
    char *text = need_file(TEST_REFERENCE "/minnow/questions.jsonl", &length);
    struct worker workers[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        workers[i] = (struct worker){.tokenizer = tokenizer, .text = text, .length = length};
        assert_int_equal(pthread_create(&threads[i], NULL, encode_in_thread, &workers[i]), 0);
    }
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < 4; i++) {
        assert_true(workers[i].done);
        assert_int_equal(workers[i].tokens.count, workers[0].tokens.count);
        assert_memory_equal(
            workers[i].tokens.ids, workers[0].tokens.ids, workers[0].tokens.count * sizeof(int32_t));
    }
    for (int i = 0; i < 4; i++) free(workers[i].tokens.ids);
    free(text);
    fathom_tokenizer_destroy(&tokenizer);
}

// A word that is spelt like a known bos is a word.
static void words_are_no_ends(void **state) {
    (void)state;
    static const char text[] =
        "{\"pre_tokenizer\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":{"
        "\"<\":0,\"s\":1,\">\":2,\"<s\":3,\"<s>\":4},\"merges\":[\"< s\",\"<s >\"]}}";
    struct fathom_error err = {0};
    struct fathom_tokenizer *tokenizer = fm_tokenizer_from_json(text, strlen(text), &err);
    if (!tokenizer) fail_msg("%s", err.message);
    assert_int_equal(fathom_tokenizer_find(tokenizer, "<s>"), 4);
    assert_int_equal(fm_tokenizer_bos(tokenizer), -1);
    assert_null(fm_tokenizer_named(tokenizer, FM_NAMED_BOS));
    fathom_tokenizer_destroy(&tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_no_ends),
        cmocka_unit_test(vectors_minnow),
        {"vectors_deepseek_v3", vectors_of, NULL, NULL, "deepseek-v3"},
        {"vectors_deepseek_v4", vectors_of, NULL, NULL, "deepseek-v4"},
        {"vectors_qwen2_5", vectors_of, NULL, NULL, "qwen2.5"},
        {"vectors_qwen3", vectors_of, NULL, NULL, "qwen3"},
        {"vectors_llama3", vectors_of, NULL, NULL, "llama3"},
        cmocka_unit_test(marks_only_when_asked),
        cmocka_unit_test(appends_to_what_is_there),
        cmocka_unit_test(unknown_ids),
        cmocka_unit_test(any_bytes_come_back),
        cmocka_unit_test(one_word_of_a_million_letters),
        cmocka_unit_test(several_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
