// A style's number, then an answer. What is found must be calls that a prompt can hold, and ranges of the
// answer in their order; what was handed over as text must be its beginning.
#include "base/json.h"
#include "fuzz.h"
#include "text/tool_calls.h"
#include <string.h>

static const char tools[] =
    "[{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {\"properties\": "
    "{\"a\": {\"type\": \"string\"}}}}}]";

static void check_call(const struct fathom_tool_call *call) {
    cJSON *json = fm_json_parse("", call->arguments, strlen(call->arguments), NULL);
    if (!cJSON_IsObject(json) || !*call->name) abort();
    cJSON_Delete(json);
}

static void read_answer(enum fm_call_style style, const char *list, const char *answer, size_t n_text) {
    struct fm_call_reading reading;
    struct fm_text text = {0};
    size_t end = 0;
    if (!fm_calls_read(style, list, answer, &reading)) return;
    for (size_t i = 0; i < reading.calls.n; i++) check_call(&reading.calls.items[i]);
    for (size_t i = 0; i < reading.n_texts; i++) {
        const struct fm_call_text *t = &reading.texts[i];
        if (t->begin < end || t->end < t->begin || t->end > strlen(answer)) abort();
        end = t->end;
    }
    if (!fm_call_reading_text(&reading, answer, &text)) abort();
    if (strncmp(text.text, answer, n_text) != 0) abort();
    fm_text_free(&text);
    fm_call_reading_free(&reading);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    const enum fm_call_style style = *data % (FM_CALL_KIMI + 1);
    char *answer = malloc(size); // ends with its zero, so that a read past it is seen
    if (!answer) return 0;
    memcpy(answer, data + 1, size - 1);
    answer[size - 1] = 0;
    const size_t length = strlen(answer);
    size_t n_text = 0;
    for (size_t k = 0; k <= length; k++) n_text += fm_calls_begin(style, answer + n_text, k - n_text);
    if (n_text > length) abort();
    read_answer(style, NULL, answer, n_text);
    read_answer(style, tools, answer, n_text);
    free(answer);
    return 0;
}
