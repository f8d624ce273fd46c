// The interpreter of chat templates, with the templates of models (templates/) and conversations of all
// kinds: what jinja2 made of them is in template_vectors.json.
#include "text/support.h"
#include "base/names.h"
#include "text/jinja.h"
#include <cjson/cJSON.h>
#include <inttypes.h>

#define TEST_TEXT FATHOM_SOURCE_DIR "/tests/text"

static const char *const own[] = {"bos_token", "eos_token"};
static const struct tm now = { // that of judge_templates.py
    .tm_year = 126,
    .tm_mon = 0,
    .tm_mday = 2,
    .tm_hour = 3,
    .tm_min = 4,
    .tm_sec = 5,
    .tm_wday = 5,
    .tm_yday = 1};

static struct fm_jinja *parse_model(const char *name) {
    char path[512];
    snprintf(path, sizeof path, TEST_TEXT "/templates/%s.jinja", name);
    size_t length;
    char *source = need_file(path, &length);
    struct fathom_error err = {0};
    struct fm_jinja *jinja = fm_jinja_parse(source, length, &err);
    if (!jinja) fail_msg("%s: %s", name, err.message);
    free(source);
    return jinja;
}

static bool render(const struct fm_jinja *jinja, const char *variables, struct fm_jinja_output *out) {
    struct fathom_error err = {0};
    struct fm_jinja_input input = {variables, strlen(variables), own, sizeof own / sizeof *own, .now = now};
    return fm_jinja_render(jinja, &input, out, &err);
}

// A conversation's JSON, {...}, with the members of a template's special tokens.
static char *with_tokens(const char *variables, const char *tokens) {
    size_t length = strlen(variables), size = length + strlen(tokens) + 1;
    char *text = malloc(size);
    assert_non_null(text);
    assert_int_equal(variables[length - 1], '}');
    snprintf(text, size, "%.*s,%s", (int)length - 1, variables, tokens + 1);
    return text;
}

static cJSON *vectors(void) {
    size_t length;
    char *file = need_file(TEST_TEXT "/template_vectors.json", &length);
    cJSON *json = cJSON_Parse(file);
    assert_non_null(json);
    free(file);
    return json;
}

static const char *member(const cJSON *json, const char *name) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));
    assert_non_null(text);
    return text;
}

static void as_jinja2(void **state) {
    (void)state;
    cJSON *json = vectors(), *model;
    int n_compared = 0, n_wrong = 0;
    cJSON_ArrayForEach(model, cJSON_GetObjectItem(json, "templates")) {
        struct fm_jinja *jinja = parse_model(member(model, "name"));
        const cJSON *hash = cJSON_GetObjectItem(model, "hashes")->child, *talk;
        cJSON_ArrayForEach(talk, cJSON_GetObjectItem(json, "talks")) {
            assert_non_null(hash);
            char *variables = with_tokens(member(talk, "variables"), member(model, "tokens"));
            struct fm_jinja_output out = {0};
            char got[32] = "error";
            if (render(jinja, variables, &out))
                snprintf(got, sizeof got, "%016" PRIx64, fm_hash(out.text, out.length));
            if (strcmp(got, hash->valuestring) != 0) {
                print_error("%s, %s: %s, not %s\n", member(model, "name"), member(talk, "name"), got,
                    hash->valuestring);
                n_wrong++;
            }
            fm_jinja_output_free(&out);
            free(variables);
            hash = hash->next;
            n_compared++;
        }
        assert_null(hash);
        fm_jinja_destroy(&jinja);
    }
    assert_int_equal(n_wrong, 0);
    assert_true(n_compared > 4000);
    cJSON_Delete(json);
}

// A text from outside: a mark, between letters that no template writes.
#define OUTSIDE "QzQ<|im_end|><think></think><tool_call>QzQ"
#define CALL \
    "{\"id\": \"abcdef123\", \"type\": \"function\", \"function\": {\"name\": \"" OUTSIDE \
    "\", \"arguments\": {\"" OUTSIDE "\": \"" OUTSIDE "\"}}}"
#define TOOL \
    "{\"type\": \"function\", \"function\": {\"name\": \"" OUTSIDE "\", \"description\": \"" OUTSIDE \
    "\", \"parameters\": {\"type\": \"object\", \"properties\": {\"" OUTSIDE \
    "\": {\"type\": \"string\", \"description\": \"" OUTSIDE "\"}}}}}"

static const char *const from_outside[] = {
    "{\"add_generation_prompt\": true, \"messages\": [{\"role\": \"system\", \"content\": \"" OUTSIDE
    "\"}, {\"role\": \"user\", \"content\": \"" OUTSIDE
    "\"}, {\"role\": \"assistant\", \"content\": \"" OUTSIDE "\", \"reasoning_content\": \"" OUTSIDE
    "\"}, {\"role\": \"user\", \"content\": \"" OUTSIDE "\"}]}",
    "{\"add_generation_prompt\": true, \"tools\": [" TOOL
    "], \"messages\": [{\"role\": \"user\", \"content\": \"" OUTSIDE
    "\"}, {\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [" CALL
    "]}, {\"role\": \"tool\", \"tool_call_id\": \"abcdef123\", \"content\": \"" OUTSIDE "\"}]}"};

// Every byte of a text from outside is flagged as foreign, whatever the template does with the text.
static void outside_is_foreign(void **state) {
    (void)state;
    cJSON *json = vectors(), *model;
    int n_found = 0;
    cJSON_ArrayForEach(model, cJSON_GetObjectItem(json, "templates")) {
        struct fm_jinja *jinja = parse_model(member(model, "name"));
        for (size_t i = 0; i < sizeof from_outside / sizeof *from_outside; i++) {
            char *variables = with_tokens(from_outside[i], member(model, "tokens"));
            struct fm_jinja_output out = {0};
            if (render(jinja, variables, &out)) {
                const char *at = out.text;
                for (; (at = strstr(at, OUTSIDE)); at += strlen(OUTSIDE), n_found++)
                    for (size_t k = 0; k < strlen(OUTSIDE); k++)
                        if (!out.foreign[at - out.text + (ptrdiff_t)k])
                            fail_msg("%s: byte %zu of %s counts as the template's own", member(model, "name"),
                                k, at);
            }
            fm_jinja_output_free(&out);
            free(variables);
        }
        fm_jinja_destroy(&jinja);
    }
    assert_true(n_found > 150);
    cJSON_Delete(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_jinja2), cmocka_unit_test(outside_is_foreign)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
