// The marks of the styles in which models write calls.
#ifndef FM_TEXT_CALL_MARKS_H
#define FM_TEXT_CALL_MARKS_H
#include "text/tool_calls.h"

// What a mark begins: CLOSE ends a call, or is one of the marks around all calls.
enum fm_mark_kind {
    FM_MARK_NONE,
    FM_MARK_CLOSE,
    FM_MARK_TOOL_CALL, // <tool_call>
    FM_MARK_FUNCTION,  // <function=
    FM_MARK_INVOKE,    // <｜DSML｜invoke
    FM_MARK_NAMED,     // a mark before the name: DeepSeek's, Kimi's
    FM_MARK_LIST,      // a mark before JSON, or before a name: Mistral's, Llama's
    FM_MARK_OBJECT,    // no mark, but {"name"
};

// White space in JSON, and between marks.
static inline bool fm_call_is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
// Returns the length of `mark` at the start of a text; ▁ may also be a space or _, and ｜ may be |. Returns 0
// if the text begins otherwise; *partial becomes true when the text ends within the mark.
size_t fm_mark_match(const char *at, const char *end, const char *mark, bool *partial);
// Returns the kind of the style's mark at the start of a text. *length: of the mark; of what is before the
// brace of an OBJECT. *partial: as above.
enum fm_mark_kind fm_mark_at(
    enum fm_call_style style, const char *at, const char *end, size_t *length, bool *partial);
// Returns the next mark at `at` or behind it, or `end`. An OBJECT does not count.
const char *fm_mark_next(enum fm_call_style style, const char *at, const char *end);
#endif
