// A template's number, then four texts with zeros between: the list of tools, a call's arguments, its result,
// an answer. What can be made a prompt must be one; calls that are found in the answer must be calls that a
// prompt can hold.
#include "fuzz.h"
#include "text/chat.h"
#include <stdio.h>
#include <string.h>

// Built in, or a text: with calls as text and with calls as objects.
#define TURNS(arguments) \
    "{{ bos_token }}{% if tools %}{{ tools|tojson }}{% endif %}{% for m in messages %}<｜User｜>" \
    "{{ m.content }}{% for c in m.tool_calls or [] %}<｜tool▁call▁begin｜>{{ c.function.name }}" \
    "<｜tool▁sep｜>{{ " arguments " }}<｜tool▁call▁end｜>{% endfor %}{% endfor %}<｜Assistant｜><think>"
static const struct {
    const char *name, *text;
} sources[] = {{"deepseek-r1"}, {"deepseek-v3"}, {NULL, TURNS("'' + c.function.arguments")},
    {"deepseek-v3.2"}, {"deepseek-v4"}, {"chatml"}, {NULL, TURNS("c.function.arguments|tojson")}, {"llama3"}};
enum { N_SOURCES = sizeof(sources) / sizeof(*sources) };
static const char *const marks[] = {"<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>",
    "<｜Assistant｜>", "<think>", "</think>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>",
    "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁outputs▁begin｜>",
    "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>", "<｜tool▁sep｜>",
    "｜DSML｜"};

// Every byte is a token, and so is every mark.
static struct fathom_tokenizer *make_tokenizer(void) {
    char json[16384], *end = json, *last = json + sizeof(json);
    end += snprintf(end, (size_t)(last - end),
        "{\"pre_tokenizer\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"merges\":[],\"vocab\":{");
    for (unsigned byte = 0, other = 256; byte < 256; byte++) {
        const int plain = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
        end += snprintf(
            end, (size_t)(last - end), "%s\"\\u%04x\":%u", byte ? "," : "", plain ? byte : other++, byte);
    }
    end += snprintf(end, (size_t)(last - end), "}},\"added_tokens\":[");
    for (unsigned i = 0; i < sizeof(marks) / sizeof(*marks); i++)
        end += snprintf(
            end, (size_t)(last - end), "%s{\"id\":%u,\"content\":\"%s\"}", i ? "," : "", 256 + i, marks[i]);
    end += snprintf(end, (size_t)(last - end), "]}");
    return fm_tokenizer_from_json(json, (size_t)(end - json), NULL);
}

static void prompt(const struct fathom_template *chat_template, const struct fathom_tokenizer *tokenizer,
    const char *tools, const struct fathom_tool_call *calls, size_t n, const char *result, int must) {
    struct fathom_message messages[16] = {
        {.role = FATHOM_ROLE_USER, result}, {.role = FATHOM_ROLE_ASSISTANT, result, result, calls, n}};
    for (size_t i = 0; i < n; i++) messages[2 + i] = FATHOM_INIT(fathom_message, FATHOM_ROLE_TOOL, result);
    for (int last = 0; last < 2; last++) { // a question comes last, or a result does
        struct fm_conversation talk = {messages, 2 + n, tools, 0};
        struct fm_tokens tokens = {0};
        struct fm_chat_state state;
        struct fathom_error err = {0};
        if (last || !n) messages[talk.n++] = FATHOM_INIT(fathom_message, FATHOM_ROLE_USER, result);
        const bool ok = fm_chat_prompt(chat_template, &talk, &tokens, &state, &err);
        fuzz_check(&err, ok);
        if (must && !ok) abort();
        for (size_t i = 0; i < tokens.count; i++)
            if (tokens.ids[i] < 0 || (size_t)tokens.ids[i] >= fathom_tokenizer_count(tokenizer)) abort();
        free(tokens.ids);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct fathom_tokenizer *tokenizer;
    if (!tokenizer && !(tokenizer = make_tokenizer())) abort();
    if (!size) return 0;
    static struct fathom_template *templates[N_SOURCES];
    const size_t which = *data % N_SOURCES;
    const struct fm_chat_source source = {sources[which].name, sources[which].text, "deepseek2"};
    if (!templates[which] && !(templates[which] = fm_chat_template_create(tokenizer, &source, NULL))) abort();
    const struct fathom_template *chat_template = templates[which];
    char *copy = malloc(size + 4), *texts[4]; // each text has an end, even where there are not four
    if (!copy) return 0;
    memcpy(copy, data + 1, size - 1);
    memset(copy + size - 1, 0, 5);
    texts[0] = copy;
    for (int i = 1; i < 4; i++) texts[i] = texts[i - 1] + strlen(texts[i - 1]) + 1;
    prompt(chat_template, tokenizer, texts[0][0] ? texts[0] : NULL, &(struct fathom_tool_call){"f", texts[1]},
        1, texts[2], 0);

    const enum fm_call_style style = fm_chat_call_style(chat_template, true);
    const size_t length = strlen(texts[3]);
    struct fm_call_reading reading;
    if (style != FM_CALL_NONE && fm_calls_begin(style, texts[3], length) > length) abort();
    if (fm_calls_read(style, texts[0][0] ? texts[0] : NULL, texts[3], &reading)) {
        if (reading.calls.n && reading.calls.n < 12)
            prompt(chat_template, tokenizer, NULL, reading.calls.items, reading.calls.n, texts[2], 1);
        fm_call_reading_free(&reading);
    }
    free(copy);
    return 0;
}
