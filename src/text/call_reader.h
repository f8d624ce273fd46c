// What reads the calls of an answer. The functions fm_read_...() read what follows one mark, which is one
// call or several; `at` is behind the mark. They add the calls, and the text between them, and return where
// the last call ends, behind the mark that closes it. They return NULL when nothing there is a call.
#ifndef FM_TEXT_CALL_READER_H
#define FM_TEXT_CALL_READER_H
#include "text/tool_calls.h"
#include <cjson/cJSON.h>

struct fm_call_reader {
    enum fm_call_style style;
    cJSON *tools; // NULL: not known
    const char *start, *end;
    struct fm_call_reading *out;
    size_t n_failed; // readings that found no call
    bool no_memory;
};
// A reading that fails may have looked at the whole rest of the answer. After so many failures the rest is
// text, so that the time is linear in the answer's length.
enum { FM_CALL_MAX_FAILED = 256 };

struct fm_call_slice {
    const char *at, *end;
};

// Takes the mark at *at, if it is there: moves *at behind it and returns true.
bool fm_call_takes(const struct fm_call_reader *r, const char **at, const char *mark);
// Returns true when a mark of the style stands at `at`: one that closes a call, or begins one.
bool fm_call_is_mark(const struct fm_call_reader *r, const char *at);
const char *fm_call_skip_space(const struct fm_call_reader *r, const char *at);
// Adds a range of text without the white space around it. Text that begins the answer keeps all but the line
// ends at its end, because the caller has handed over the rest already.
void fm_call_add_text(struct fm_call_reader *r, const char *begin, const char *end);
// Returns the end of what is no call: behind the next mark if that mark closes a call, else before the mark.
const char *fm_call_behind_bad(const struct fm_call_reader *r, const char *at);
// Adds a call. Returns false when the name is empty, the arguments are no JSON object, or memory lacks. id:
// zero-terminated, or NULL.
bool fm_call_add(
    struct fm_call_reader *r, const char *name, size_t length, const char *arguments, const char *id);
// Adds the calls of JSON objects that stand in a list or one behind the other. An object that is no call is
// added as text. Returns where the objects end.
const char *fm_call_add_objects(struct fm_call_reader *r, const char *at);
// Reads arguments, an object or a string that holds one, to `out`, which is empty.
bool fm_call_arguments(struct fm_call_reader *r, const char **at, const char *end, struct fm_text *out);
// Skips what may stand between a call and the mark that closes it, and that mark. Other text there is added
// as text.
const char *fm_call_close(struct fm_call_reader *r, const char *at);
bool fm_call_is_name(const char *name, size_t length);
// Returns the end of the longest name of a tool of the list that stands at `at`, or NULL.
const char *fm_call_tool_end(const struct fm_call_reader *r, const char *at, const char *end);
bool fm_call_is_tool(const struct fm_call_reader *r, const char *name, size_t length);

const char *fm_read_tool_call(struct fm_call_reader *r, const char *at);
const char *fm_read_function(struct fm_call_reader *r, const char *at);
const char *fm_read_invoke(struct fm_call_reader *r, const char *at);
const char *fm_read_named(struct fm_call_reader *r, const char *at);
const char *fm_read_list(struct fm_call_reader *r, const char *at);
const char *fm_read_object(struct fm_call_reader *r, const char *at);
#endif
