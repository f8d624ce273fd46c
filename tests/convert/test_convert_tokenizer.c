// The tokenizer of a converted folder: the GGUF file gives the same ids, ends and templates as the folder.
#include "convert/convert.h"
#include "file/directory.h"
#include "file/folder.h"
#include "file/hub/hub_parts.h"
#include "file/known_patterns.h"
#include "text/tokenizer.h"
#include <fathom/convert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
// after the standard headers
#include <cmocka.h>

static struct folder in, out;
static char out_path[1024];

static int make_folders(void **state) {
    (void)state;
    folder_make(&in, "v3");
    strcpy(out.path, "/tmp/fathom-out-XXXXXX");
    if (!mkdtemp(out.path)) return -1;
    folder_file(&out, "out.gguf", out_path);
    return 0;
}

static int remove_folders(void **state) {
    (void)state;
    folder_remove(&in);
    folder_remove(&out);
    return 0;
}

static void write_text(const char *name, const char *text) {
    char path[1024];
    folder_file(&in, name, path);
    unlink(path);
    write_bytes(path, text, strlen(text));
}

static cJSON *parse(const char *text) {
    cJSON *json = cJSON_Parse(text);
    if (!json) fail_msg("not JSON: %s", text);
    return json;
}

static cJSON *load_tokenizer(void) {
    char path[1024];
    folder_file(&in, "tokenizer.json", path);
    char *text = read_text(path);
    cJSON *json = parse(text);
    free(text);
    return json;
}

static void save_tokenizer(cJSON *json) {
    char *text = cJSON_PrintUnformatted(json);
    assert_non_null(text);
    write_text("tokenizer.json", text);
    free(text);
    cJSON_Delete(json);
}

// ---- The folder and the file -----------------------------------------------------------------------------

static struct fm_tensors *open_path(const char *path) {
    struct fathom_error err = {0};
    struct fm_tensors *t = fm_tensors_open(path, &err);
    if (!t) fail_msg("%s", err.message);
    return t;
}

static struct fathom_tokenizer *tokenizer_of(const struct fm_tensors *t) {
    struct fathom_error err = {0};
    struct fathom_tokenizer *tokenizer = fm_tokenizer_of_model(t, &err);
    if (!tokenizer) fail_msg("%s", err.message);
    return tokenizer;
}

static void check_same_text(const char *a, const char *b) {
    assert_int_equal(a == NULL, b == NULL);
    if (a) assert_string_equal(a, b);
}

static void check_same_ids(
    const struct fathom_tokenizer *a, const struct fathom_tokenizer *b, bool parse_marks) {
    static const char text[] =
        "It's Für Möwen: 1234567, don’t  <think>x</think>\r\n\r\n 你好 e\xcc\x81 été HTTPServer a\tb ";
    struct fm_tokens x = {0}, y = {0};
    assert_true(fm_tokenizer_encode(a, text, strlen(text), parse_marks, &x, NULL));
    assert_true(fm_tokenizer_encode(b, text, strlen(text), parse_marks, &y, NULL));
    assert_int_equal(x.count, y.count);
    assert_memory_equal(x.ids, y.ids, x.count * sizeof(*x.ids));
    free(x.ids);
    free(y.ids);
}

// Converts the folder and compares. The caller closes the file's directory.
static struct fm_tensors *check_converted(void) {
    struct fathom_error err = {0};
    if (!fm_convert(in.path, out_path, FATHOM_Q8_0, true, NULL, &err)) fail_msg("%s", err.message);
    struct fm_tensors *from = open_path(in.path), *to = open_path(out_path);
    struct fathom_tokenizer *a = tokenizer_of(from), *b = tokenizer_of(to);
    check_same_ids(a, b, true);
    check_same_ids(a, b, false);
    assert_int_equal(fm_tokenizer_bos(a), fm_tokenizer_bos(b));
    assert_int_equal(fathom_tokenizer_last(a), fathom_tokenizer_last(b));
    assert_int_equal(fathom_tokenizer_first(a), fathom_tokenizer_first(b));
    for (int32_t id = 0; id < 768; id++)
        assert_int_equal(fathom_token_is_end(a, id), fathom_token_is_end(b, id));
    check_same_text(fm_tokenizer_chat_template(a), fm_tokenizer_chat_template(b));
    check_same_text(fm_tokenizer_tool_template(a), fm_tokenizer_tool_template(b));
    fathom_tokenizer_destroy(&a);
    fathom_tokenizer_destroy(&b);
    fm_tensors_close(&from);
    return to;
}

static void check_string(const struct fm_tensors *t, const char *key, const char *wanted) {
    const char *text = NULL;
    size_t length;
    if (!fm_meta_string(t, key, &text, &length, NULL)) fail_msg("no %s", key);
    assert_string_equal(text, wanted);
}

// ---- Splits ----------------------------------------------------------------------------------------------

#define BYTE_LEVEL "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}"
#define SPLIT(regex) \
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" regex "\"},\"behavior\":\"Isolated\",\"invert\":false},"
#define STEPS(steps) "{\"type\":\"Sequence\",\"pretokenizers\":[" steps BYTE_LEVEL "]}"
#define GPT2 \
    "{\"type\":\"Sequence\",\"pretokenizers\":[%s{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_" \
    "regex\":true}]}"
#define NFC "{\"type\":\"NFC\"}"
// as the models' files spell them
#define LETTERS_THEN(digits) \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|" digits \
    "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"

static const struct {
    const char *pre_tokenizer, *normalizer;
    bool ignore_merges;
    const char *name;
} splits[] = {
    {STEPS(SPLIT(LETTERS_THEN("\\\\p{N}{1,3}"))), "null", true, "llama-bpe"},
    {STEPS(SPLIT(LETTERS_THEN("\\\\p{N}{1,3}"))), "null", false, "glm4"},
    {STEPS(SPLIT(LETTERS_THEN("\\\\p{N}"))), NFC, false, "qwen2"},
    {STEPS(SPLIT(LETTERS_THEN("\\\\p{N}"))), "{\"type\":\"Sequence\",\"normalizers\":[" NFC "]}", false,
        "qwen2"},
    {STEPS(SPLIT(LETTERS_THEN("\\\\p{N}"))), "{\"type\":\"Sequence\",\"normalizers\":[]}", false, "hunyuan"},
    {STEPS(SPLIT("[\\r\\n]") SPLIT("\\\\s?\\\\p{L}+") SPLIT("\\\\s?\\\\p{P}+")
             SPLIT("[一-龥ࠀ-一가-퟿]+") "{\"type\":\"Digits\",\"individual_digits\":true},"),
        "null", false, "deepseek-coder"},
    {"{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}", "null", false, "gpt-2"},
    {"{\"type\":\"ByteLevel\"}", NFC, false, "olmo"},
    {"{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":true},{\"type\":"
     "\"ByteLevel\"}]}",
        "null", false, "smollm"},
    {"{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" LETTERS_THEN(
         "\\\\p{N}{1,3}") "\"},\"behavior\":\"Removed\",\"invert\":true}," BYTE_LEVEL "]}",
        "null", true, "llama-bpe"},
    {STEPS(SPLIT("[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]*[\\\\p{Ll}"
                 "\\\\p{Lm}\\\\p{Lo}\\\\p{M}]+"
                 "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}"
                 "\\\\p{Lo}\\\\p{M}]+"
                 "[\\\\p{Ll}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\\\p{N}{1,3}| "
                 "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n/]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+")),
        "null", false, "gpt-4o"},
    {STEPS(SPLIT("\\\\p{N}{1,3}") SPLIT("[一-龥぀-ゟ゠-ヿ]+") SPLIT(
         "[!\\\"#$%&'()*+,\\\\-./"
         ":;<=>?@\\\\[\\\\\\\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\\\p{L}\\\\p{P}\\\\p{S}]?[\\\\p{L}\\\\p{M}]+| "
         "?[\\\\p{P}\\\\p{S}]+[\\r\\n]*|\\\\s*[\\r\\n]+|\\\\s+(?!\\\\S)|\\\\s+")),
        "null", false, "deepseek-v3"},
};

static void splits_keep_their_names(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(splits) / sizeof(*splits); i++) {
        cJSON *json = load_tokenizer();
        cJSON_ReplaceItemInObject(json, "pre_tokenizer", parse(splits[i].pre_tokenizer));
        cJSON_ReplaceItemInObject(json, "normalizer", parse(splits[i].normalizer));
        cJSON_ReplaceItemInObject(
            cJSON_GetObjectItem(json, "model"), "ignore_merges", cJSON_CreateBool(splits[i].ignore_merges));
        save_tokenizer(json);
        struct fm_tensors *t = check_converted();
        check_string(t, "tokenizer.ggml.pre", splits[i].name);
        fm_tensors_close(&t);
    }
}

// Every name that reading knows has expressions that writing finds again.
static void names_and_expressions_agree(void **state) {
    (void)state;
    static const char *const names[] = {"deepseek-v3", "deepseek-llm", "deepseek-coder", "smollm",
        "command-r", "gpt-2", "olmo", "default", "falcon", "qwen2", "hunyuan", "qwen35", "glm4", "llama-bpe",
        "gpt-4o", "tekken", "kimi-k2", "bailingmoe", "seed-coder", "bloom", "viking"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const struct fm_known_patterns *known = fm_known_patterns_find(names[i]);
        if (!known) fail_msg("%s is not known", names[i]);
        assert_string_equal(
            fm_known_patterns_name(known->patterns, known->nfc, known->ignore_merges), names[i]);
    }
    static const char *const none[] = {"\\p{N}{1,4}", NULL};
    assert_null(fm_known_patterns_name(none, false, false));
    assert_null(fm_known_patterns_name(none + 1, false, false));
}

static void splits_without_a_name_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        STEPS(SPLIT("\\\\p{N}{1,4}")),
        STEPS("{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{N}\"},\"behavior\":\"MergedWithNext\","
              "\"invert\":false},"),
        "{\"type\":\"ByteLevel\",\"add_prefix_space\":true}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct fathom_error err = {0};
        cJSON *json = load_tokenizer();
        cJSON_ReplaceItemInObject(json, "pre_tokenizer", parse(bad[i]));
        save_tokenizer(json);
        assert_false(fm_convert(in.path, out_path, FATHOM_Q8_0, true, NULL, &err));
        assert_int_equal(err.status, FATHOM_UNSUPPORTED);
        static const char says[] = "the splits in pre_tokenizer of tokenizer.json are not supported";
        assert_non_null(strstr(err.message, says));
        err = (struct fathom_error){0};
        const struct fathom_quantize_params params = {
            .size = sizeof(params), .in = in.path, .out = out_path, .preset = "F32"};
        assert_false(fathom_quantize(&params, NULL, &err));
        assert_non_null(strstr(err.message, says));
    }
}

static void large_tokenizers_have_names(void **state) {
    (void)state;
    static const char *const large[][2] = {{"deepseek-v3", "deepseek-v3"}, {"deepseek-v4", "deepseek-v3"},
        {"qwen2.5", "qwen2"}, {"qwen3", "qwen2"}, {"llama3", "llama-bpe"}};
    const char *folder = getenv("FATHOM_TOKENIZERS");
    if (!folder) {
        print_message("skipped: large_tokenizers_have_names: no FATHOM_TOKENIZERS\n");
        skip();
    }
    for (size_t i = 0; i < sizeof(large) / sizeof(*large); i++) {
        char path[1024];
        struct fathom_error err = {0};
        snprintf(path, sizeof(path), "%s/%s/tokenizer.json", folder, large[i][0]);
        cJSON *json = fm_json_load(path, &err);
        if (!json) fail_msg("%s", err.message);
        const char *name = fm_hub_pre_tokenizer(json);
        if (!name) fail_msg("%s has no name", large[i][0]);
        assert_string_equal(name, large[i][1]);
        cJSON_Delete(json);
    }
}

// ---- Tokens ----------------------------------------------------------------------------------------------

// Letters as added tokens, which the vocabulary lacks, in tokenizer.json and in tokenizer_config.json.
static void added_letters_stay_plain(void **state) {
    (void)state;
    cJSON *json = load_tokenizer(), *model = cJSON_GetObjectItem(json, "model"),
          *vocab = cJSON_GetObjectItem(model, "vocab"),
          *token = parse("{\"id\":760,\"content\":\"\xc3\xbc\",\"normalized\":true,\"special\":false}");
    cJSON_DeleteItemFromObject(vocab, "\xc3\xbc"); // the bytes 0xfc and 0xf6
    cJSON_DeleteItemFromObject(vocab, "\xc3\xb6");
    cJSON *item, *last[2] = {0};
    cJSON_ArrayForEach(item, vocab) if (item->valueint == 759 || item->valueint == 760)
        last[item->valueint - 759] = item;
    for (int i = 0; i < 2; i++)
        if (last[i]) {
            char spelled[64];
            snprintf(spelled, sizeof(spelled), "%s", last[i]->string);
            cJSON_DeleteItemFromObjectCaseSensitive(vocab, spelled);
        }
    cJSON_ReplaceItemInObject(model, "merges", parse("[]"));
    static const char *const pairs[] = {"Ġ a", "Ġ t", "h e", "e r"}; // two-letter words of the vocabulary
    for (size_t i = 0; i < 4; i++) {
        char joined[16] = "";
        for (const char *at = pairs[i]; *at; at++)
            if (*at != ' ') strncat(joined, at, 1);
        if (cJSON_GetObjectItemCaseSensitive(vocab, joined))
            cJSON_AddItemToArray(cJSON_GetObjectItem(model, "merges"), cJSON_CreateString(pairs[i]));
    }
    cJSON_AddItemToArray(cJSON_GetObjectItem(json, "added_tokens"), token);
    save_tokenizer(json);
    write_text("tokenizer_config.json",
        "{\"added_tokens_decoder\":{\"759\":{\"content\":\"\xc3\xb6\",\"special\":false},\"761\":{"
        "\"content\":\"<think>\",\"special\":true},\"5\":{\"content\":\"<renamed>\",\"special\":true},"
        "\"70000\":{\"content\":\"<far>\",\"special\":true}}}");
    struct fm_tensors *t = check_converted();
    struct fathom_tokenizer *tokenizer = tokenizer_of(t);
    // tokenizer.json has another token 5, and the model has no embedding 70000
    assert_int_equal(fathom_tokenizer_find(tokenizer, "<renamed>"), -1);
    assert_int_equal(fathom_tokenizer_find(tokenizer, "<far>"), -1);
    struct fm_tokens ids = {0};
    assert_true(fm_tokenizer_encode(tokenizer, "\xc3\xbc\xc3\xb6", 4, false, &ids, NULL));
    assert_int_equal(ids.count, 2);
    assert_int_equal(ids.ids[0], 760);
    assert_int_equal(ids.ids[1], 759);
    assert_true(fathom_token_is_control(tokenizer, 761)); // as the later file says
    free(ids.ids);
    fathom_tokenizer_destroy(&tokenizer);
    fm_tensors_close(&t);
}

// A token that the vocabulary alone has, and that tokenizer_config.json names.
static void named_words_become_special(void **state) {
    (void)state;
    write_text("tokenizer_config.json", "{\"eos_token\":\"race\",\"additional_special_tokens\":[\"David\"]}");
    struct fm_tensors *t = check_converted();
    struct fathom_tokenizer *tokenizer = tokenizer_of(t);
    assert_true(fathom_token_is_control(tokenizer, fathom_tokenizer_find(tokenizer, "race")));
    assert_true(fathom_token_is_end(tokenizer, fathom_tokenizer_find(tokenizer, "race")));
    fathom_tokenizer_destroy(&tokenizer);
    fm_tensors_close(&t);
}

static void all_ends_are_kept(void **state) {
    (void)state;
    static const char *const lists[] = {"null", "5", "[5]", "[764,5]", "[5,6,764]", "[5,6,7,8,9]"};
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        char text[256];
        snprintf(text, sizeof(text), "{\"eos_token_id\":%s,\"bos_token_id\":763}", lists[i]);
        write_text("generation_config.json", text);
        write_text(
            "tokenizer_config.json", i % 2 ? "{\"eos_token\":\"<think>\"}" : "{\"eos_token\":\"<none>\"}");
        struct fm_tensors *t = check_converted();
        struct fathom_tokenizer *tokenizer = tokenizer_of(t);
        assert_int_equal(fathom_token_is_end(tokenizer, 5), i > 0);
        assert_int_equal(fathom_token_is_end(tokenizer, 9), i == 5);
        assert_int_equal(fathom_token_is_end(tokenizer, 761), i % 2);
        assert_true(fathom_token_is_end(tokenizer, 764)); // of config.json
        fathom_tokenizer_destroy(&tokenizer);
        fm_tensors_close(&t);
    }
}

// What the tokenizer of the folder refuses is not dropped from the file.
static void wrong_ends_are_refused(void **state) {
    (void)state;
    static const char *const lists[] = {"\"764\"", "[764,\"5\"]", "[764,99999]", "[764,-2]", "1.5"};
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        char text[256];
        struct fathom_error err = {0};
        snprintf(text, sizeof(text), "{\"eos_token_id\":%s}", lists[i]);
        write_text("generation_config.json", text);
        assert_false(fm_convert(in.path, out_path, FATHOM_Q8_0, true, NULL, &err));
        assert_int_equal(err.status, FATHOM_INVALID);
        assert_non_null(strstr(err.message, "generation_config.json: eos_token_id is not the id of one of"));
    }
    write_text("generation_config.json", "{\"eos_token_id\":[764,-1,null]}");
    fm_tensors_close(&(struct fm_tensors *){check_converted()});
}

static void first_token_is_kept(void **state) {
    (void)state;
    static const char *const configs[] = {"{\"bos_token\":\"<｜begin▁of▁sentence｜>\"}",
        "{\"bos_token\":\"<｜begin▁of▁sentence｜>\",\"add_bos_token\":false}"};
    static const int32_t first[] = {763, -1};
    cJSON *json = load_tokenizer();
    cJSON_ReplaceItemInObject(json, "post_processor",
        parse("{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},{\"type\":"
              "\"TemplateProcessing\",\"single\":"
              "[{\"SpecialToken\":{\"id\":\"<｜begin▁of▁sentence｜>\",\"type_id\":0}}]}]}"));
    save_tokenizer(json);
    for (size_t i = 0; i < 2; i++) {
        write_text("tokenizer_config.json", configs[i]);
        struct fm_tensors *t = check_converted();
        struct fathom_tokenizer *tokenizer = tokenizer_of(t);
        assert_int_equal(fathom_tokenizer_first(tokenizer), first[i]);
        fathom_tokenizer_destroy(&tokenizer);
        fm_tensors_close(&t);
    }
}

static void a_tokenizer_without_merges_is_refused(void **state) {
    (void)state;
    struct fathom_error err = {0};
    cJSON *json = load_tokenizer();
    cJSON_ReplaceItemInObject(cJSON_GetObjectItem(json, "model"), "merges", parse("[]"));
    save_tokenizer(json);
    assert_false(fm_convert(in.path, out_path, FATHOM_Q8_0, true, NULL, &err));
    assert_non_null(strstr(err.message, "the tokenizer has no merges"));
}

// ---- Templates -------------------------------------------------------------------------------------------

static void check_templates(const char *plain, const char *tools) {
    struct fm_tensors *t = check_converted();
    struct fathom_tokenizer *tokenizer = tokenizer_of(t);
    check_same_text(fm_tokenizer_chat_template(tokenizer), plain);
    check_same_text(fm_tokenizer_tool_template(tokenizer), tools);
    assert_int_equal(fm_meta_has(t, "tokenizer.chat_templates"), tools != NULL);
    fathom_tokenizer_destroy(&tokenizer);
    fm_tensors_close(&t);
}

static void templates_come_from_their_places(void **state) {
    (void)state;
    char path[1024];
    check_templates(NULL, NULL);
    write_text("chat_template.json", "{\"chat_template\":\"of chat_template.json\"}");
    check_templates("of chat_template.json", NULL);
    write_text("tokenizer_config.json", "{\"chat_template\":\"of the config\"}");
    check_templates("of the config", NULL);
    write_text("tokenizer_config.json",
        "{\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"with tools\"},{\"name\":"
        "\"default\",\"template\":\"without\"},{\"name\":\"rag\",\"template\":\"x\"}]}");
    check_templates("without", "with tools");
    write_text("tokenizer_config.json", "{\"chat_template\":{\"default\":\"one\",\"tool_use\":\"two\"}}");
    check_templates("one", "two");
    write_text("chat_template.jinja", "of chat_template.jinja");
    check_templates("of chat_template.jinja", "two");
    folder_file(&in, "additional_chat_templates", path);
    assert_int_equal(mkdir(path, 0700), 0);
    write_text("additional_chat_templates/tool_use.jinja", "of a file of its own");
    check_templates("of chat_template.jinja", "of a file of its own");
    folder_file(&in, "additional_chat_templates/tool_use.jinja", path);
    assert_int_equal(unlink(path), 0);
    folder_file(&in, "additional_chat_templates", path);
    assert_int_equal(rmdir(path), 0);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_folders, remove_folders)
    const struct CMUnitTest tests[] = {
        CASE(splits_keep_their_names),
        cmocka_unit_test(names_and_expressions_agree),
        CASE(splits_without_a_name_are_refused),
        cmocka_unit_test(large_tokenizers_have_names),
        CASE(added_letters_stay_plain),
        CASE(named_words_become_special),
        CASE(all_ends_are_kept),
        CASE(wrong_ends_are_refused),
        CASE(first_token_is_kept),
        CASE(a_tokenizer_without_merges_is_refused),
        CASE(templates_come_from_their_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
