// Reads the calls of tools in an answer, in the writings that models are trained on. Models deviate from
// them: src/decisions/tool-calls.md has the rules, and a table of what becomes a call and what stays text.
#ifndef FM_TEXT_TOOL_CALLS_H
#define FM_TEXT_TOOL_CALLS_H
#include "base/text_buffer.h"
#include <fathom/message.h>

enum fm_call_style {
    FM_CALL_NONE, // the model has no writing for calls
    FM_CALL_FENCED, // DeepSeek R1 and V3: <｜tool▁call▁begin｜>function<｜tool▁sep｜>f, and arguments in a
                    // fence
    FM_CALL_BARE, // DeepSeek V3.1: <｜tool▁call▁begin｜>f<｜tool▁sep｜>{…}<｜tool▁call▁end｜>
    FM_CALL_DSML,    // DeepSeek V3.2 and V4: <｜DSML｜invoke name="f"> with parameters
    FM_CALL_JSON,    // Hermes and Qwen: <tool_call>{"name": "f", "arguments": {…}}</tool_call>
    FM_CALL_XML,     // Qwen3-Coder: <tool_call><function=f><parameter=a>…
    FM_CALL_GLM,     // GLM-4.5 and later: <tool_call>f<arg_key>a</arg_key><arg_value>…
    FM_CALL_LLAMA,   // Llama 3: {"name": "f", "parameters": {…}}, with <|python_tag|> or without
    FM_CALL_MISTRAL, // [TOOL_CALLS][{"name": "f", "arguments": {…}}], [TOOL_CALLS]f[ARGS]{…}
    FM_CALL_KIMI, // Kimi K2: <|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{…}<|tool_call_end|>
};

// Returns the style whose marks stand in a text: a chat template, or a prompt that was rendered with calls.
enum fm_call_style fm_call_style_of(const char *text);
// Returns true when the bytes of a special token are a part of a mark of the style. Other special tokens are
// no text.
bool fm_call_has_mark(enum fm_call_style style, const char *bytes, size_t length);
// Returns how many bytes of an answer so far are certainly text: those before the first mark, or before what
// may become a mark. Line ends at the end of these bytes are not counted, because a mark may follow. The text
// that fm_calls_read() finds begins with these bytes.
size_t fm_calls_begin(enum fm_call_style style, const char *answer, size_t length);

struct fm_tool_calls {
    struct fathom_tool_call *items;
    size_t n;
}; // owns the texts
void fm_tool_calls_free(struct fm_tool_calls *calls);

// An answer's calls, and the ranges of bytes that are text, without the white space around them. Without a
// call the whole answer is text.
struct fm_call_reading {
    struct fm_tool_calls calls;
    struct fm_call_text {
        size_t begin, end;
    } * texts;
    size_t n_texts;
};
// answer: zero-terminated. tools: the list of tools that the model was given, JSON, or NULL. The list tells
// the types of parameters that are written without one. Returns false when out of memory.
bool fm_calls_read(
    enum fm_call_style style, const char *tools, const char *answer, struct fm_call_reading *reading);
void fm_call_reading_free(struct fm_call_reading *reading);
// Appends the answer's text, its ranges on lines of their own. Returns false when out of memory.
bool fm_call_reading_text(const struct fm_call_reading *reading, const char *answer, struct fm_text *out);
#endif
