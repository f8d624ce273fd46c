#include "text/call_marks.h"
#include <string.h>

enum { MOST_MARKS = 8 };
struct mark {
    const char *text;
    enum fm_mark_kind kind;
};
#define DEEPSEEK_MARKS \
    { \
        {"<｜tool▁call▁begin｜>", FM_MARK_NAMED}, {"<｜tool▁calls▁begin｜>", FM_MARK_NAMED}, \
            {"<｜tool▁calls｜>", FM_MARK_NAMED}, {"<｜tool▁call▁end｜>", FM_MARK_CLOSE}, { \
            "<｜tool▁calls▁end｜>", FM_MARK_CLOSE \
        } \
    }
#define TOOL_CALL_MARKS \
    {"<tool_call>", FM_MARK_TOOL_CALL}, { \
        "</tool_call>", FM_MARK_CLOSE \
    }
static const struct mark marks[][MOST_MARKS] = {
    [FM_CALL_NONE] = {{NULL, FM_MARK_NONE}},
    [FM_CALL_FENCED] = DEEPSEEK_MARKS,
    [FM_CALL_BARE] = DEEPSEEK_MARKS,
    [FM_CALL_DSML] = {{"<｜DSML｜invoke", FM_MARK_INVOKE}, {"</｜DSML｜invoke>", FM_MARK_CLOSE},
        {"<｜DSML｜function_calls>", FM_MARK_CLOSE}, {"</｜DSML｜function_calls>", FM_MARK_CLOSE},
        {"<｜DSML｜tool_calls>", FM_MARK_CLOSE}, {"</｜DSML｜tool_calls>", FM_MARK_CLOSE}},
    [FM_CALL_JSON] = {TOOL_CALL_MARKS},
    [FM_CALL_XML] = {TOOL_CALL_MARKS, {"<function=", FM_MARK_FUNCTION}, {"</function>", FM_MARK_CLOSE}},
    [FM_CALL_GLM] = {TOOL_CALL_MARKS},
    [FM_CALL_LLAMA] = {{"<|python_tag|>", FM_MARK_LIST}, {"<function=", FM_MARK_FUNCTION},
        {"</function>", FM_MARK_CLOSE}},
    [FM_CALL_MISTRAL] = {{"[TOOL_CALLS]", FM_MARK_LIST}},
    [FM_CALL_KIMI] = {{"<|tool_call_begin|>", FM_MARK_NAMED}, {"<|tool_calls_section_begin|>", FM_MARK_NAMED},
        {"<|tool_call_section_begin|>", FM_MARK_NAMED}, {"<|tool_call_end|>", FM_MARK_CLOSE},
        {"<|tool_calls_section_end|>", FM_MARK_CLOSE}, {"<|tool_call_section_end|>", FM_MARK_CLOSE}},
};
// Marks within a call, which are text by themselves.
static const char *const inner[] = {"<｜tool▁sep｜>", "<|tool_call_argument_begin|>", "[ARGS]", "[CALL_ID]",
    "｜DSML｜", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", "<parameter=", "</parameter>",
    "</function>", "<function="};

enum fm_call_style fm_call_style_of(const char *t) {
    if (!t) return FM_CALL_NONE;
    if (strstr(t, "｜DSML｜")) return FM_CALL_DSML;
    if (strstr(t, "<｜tool▁call▁begin｜>")) return strstr(t, "```json") ? FM_CALL_FENCED : FM_CALL_BARE;
    if (strstr(t, "<|tool_call_begin|>")) return FM_CALL_KIMI;
    if (strstr(t, "[TOOL_CALLS]")) return FM_CALL_MISTRAL;
    if (strstr(t, "<arg_key>")) return FM_CALL_GLM;
    if (strstr(t, "<tool_call>")) return strstr(t, "<function=") ? FM_CALL_XML : FM_CALL_JSON;
    // Llama's templates name the results' role, and only some name the mark
    if (strstr(t, "<|python_tag|>") || strstr(t, "ipython")) return FM_CALL_LLAMA;
    return FM_CALL_NONE;
}

bool fm_call_has_mark(enum fm_call_style style, const char *bytes, size_t length) {
    if (style == FM_CALL_NONE || length < 2) return false;
    for (size_t i = 0; i < MOST_MARKS + sizeof(inner) / sizeof(*inner); i++) {
        const char *text = i < MOST_MARKS ? marks[style][i].text : inner[i - MOST_MARKS];
        for (const char *at = text; at && strlen(at) >= length; at++)
            if (!memcmp(at, bytes, length)) return true;
    }
    return false;
}

size_t fm_mark_match(const char *at, const char *end, const char *mark, bool *partial) {
    static const struct { const char *of, *also[3]; } spellings[] = {{"▁", {" ", "_", "\\_"}}, {"｜", {"|"}}};
    if (at < end && *at != *mark && (unsigned char)*mark < 0x80) return 0; // most places
    const char *from = at;
    while (*mark) {
        const char *texts[4] = {NULL, NULL, NULL, NULL};
        char one[2] = {*mark};
        size_t n = 1;
        texts[0] = one;
        for (size_t i = 0; i < sizeof(spellings) / sizeof(*spellings); i++) {
            if (strncmp(mark, spellings[i].of, strlen(spellings[i].of)) != 0) continue;
            n = strlen(texts[0] = spellings[i].of);
            for (int k = 0; k < 3; k++) texts[k + 1] = spellings[i].also[k];
        }
        const size_t left = (size_t)(end - at);
        size_t taken = 0;
        for (int k = 0; k < 4 && texts[k] && !taken; k++) {
            const size_t length = strlen(texts[k]);
            if (left >= length && !memcmp(at, texts[k], length))
                taken = length;
            else if (left < length && !memcmp(at, texts[k], left))
                *partial = true;
        }
        if (!taken) return 0;
        at += taken;
        mark += n;
    }
    return (size_t)(at - from);
}

// Returns true when an object begins here, perhaps in a fence, that may be a call. A space of a pattern
// stands for any white space.
static bool begins_object(const char *at, const char *end, size_t *before, bool *partial) {
    static const char *const patterns[] = {"{ \"name\"", "{ 'name'", "{ \"function\"",
        "{ \"type\" : \"function\"", "``` { \"name\"", "```json { \"name\""};
    for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
        const char *p = patterns[i], *a = at;
        while (*p) {
            if (*p == '{') *before = (size_t)(a - at);
            if (*p == ' ')
                while (a < end && fm_call_is_space(*a)) a++;
            else if (a < end && *a == *p)
                a++;
            else
                break;
            p++;
        }
        if (!*p) return true;
        if (a == end) *partial = true;
    }
    return false;
}

enum fm_mark_kind fm_mark_at(
    enum fm_call_style style, const char *at, const char *end, size_t *length, bool *partial) {
    for (int i = 0; i < MOST_MARKS && marks[style][i].text; i++)
        if ((*length = fm_mark_match(at, end, marks[style][i].text, partial))) return marks[style][i].kind;
    const bool bare = style == FM_CALL_LLAMA || style == FM_CALL_JSON;
    const bool may = bare && at < end && (*at == '{' || *at == '`');
    return may && begins_object(at, end, length, partial) ? FM_MARK_OBJECT : FM_MARK_NONE;
}

const char *fm_mark_next(enum fm_call_style style, const char *at, const char *end) {
    size_t length;
    bool partial;
    enum fm_mark_kind kind;
    while (at < end &&
        ((kind = fm_mark_at(style, at, end, &length, &partial)) == FM_MARK_NONE || kind == FM_MARK_OBJECT))
        at++;
    return at;
}

size_t fm_calls_begin(enum fm_call_style style, const char *answer, size_t length) {
    const char *end = answer + length, *at = answer;
    bool partial = false;
    size_t n;
    while (at < end && fm_mark_at(style, at, end, &n, &partial) == FM_MARK_NONE && !partial) at++;
    while (at > answer && at[-1] == '\n') at--;
    return (size_t)(at - answer);
}
