// Readers of one call each, by the style in which it is written. `at` is behind the mark that begins it. They
// return where the call ends, with the mark that closes it, and add calls, and ranges of text between them;
// or return NULL.
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

const char *fm_call_skip_space(const struct fm_call_reader *r, const char *at);
// Adds a range of text without the white space around it; of text that begins the answer, only line ends at
// its end go, because the rest was handed over already.
void fm_call_add_text(struct fm_call_reader *r, const char *begin, const char *end);
// The end of what is no call: behind the next mark if that closes, else before it.
const char *fm_call_behind_bad(const struct fm_call_reader *r, const char *at);
// Adds a call unless the name is empty or the arguments are no JSON object. id: zero-terminated, or NULL.
bool fm_call_add(
    struct fm_call_reader *r, const char *name, size_t length, const char *arguments, const char *id);
// Adds the calls of JSON objects, of which there are several in a list or one behind the other. An object
// that is no call is added as text. Returns where they end.
const char *fm_call_add_objects(struct fm_call_reader *r, const char *at);
// Reads arguments: an object, or a string that holds one.
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
