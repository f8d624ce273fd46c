// Templates in the language Jinja, as `transformers` runs chat templates: jinja2's immutable sandbox with
// trim_blocks, lstrip_blocks, loop controls, {% generation %}, raise_exception, strftime_now and its tojson.
//
// A rendered text knows where each byte comes from: from the template, or from outside it (a user, a tool, an
// earlier answer). Strings keep these origins through every operation, so that marks such as <|im_start|> can
// be recognised in the template's own text alone.
#ifndef FM_TEXT_JINJA_H
#define FM_TEXT_JINJA_H
#include "base/error.h"
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct fm_jinja;
// Parses a template, which need not be zero-terminated. The messages name the line: "chat template, line 3:
// ...".
struct fm_jinja *fm_jinja_parse(const char *source, size_t length, struct fathom_error *err);
void fm_jinja_destroy(struct fm_jinja **jinja);
// Returns true when the template has the text in its code or in the text around the code. Comments do not
// count.
bool fm_jinja_mentions(const struct fm_jinja *jinja, const char *text);
// Returns true when the code has the name, other than as an attribute (a.name).
bool fm_jinja_names(const struct fm_jinja *jinja, const char *name);

struct fm_jinja_input {
    // The text of a JSON object, as json.loads of Python reads it. Its members are the template's variables:
    // messages, tools, add_generation_prompt, bos_token, ... A member that is absent is undefined.
    const char *variables;
    size_t length;
    // What of the variables is the template's own, by its path: "bos_token", "messages.*.role" ('*' is any
    // element). Everything else is foreign, and so are the keys of objects.
    const char *const *own;
    size_t n_own;
    struct tm now; // for strftime_now: local time
    // Bounds. 0: 10 million steps and 64 MiB, and 64 more of each for every byte of `variables`.
    uint64_t max_steps;
    size_t max_memory;
};

struct fm_jinja_output {
    char *text;       // zero-terminated
    uint8_t *foreign; // one for each byte of the text; 0: the byte is the template's own
    size_t length;
};

// Fails with the template's own message where the template calls raise_exception.
bool fm_jinja_render(const struct fm_jinja *jinja, const struct fm_jinja_input *input,
    struct fm_jinja_output *out, struct fathom_error *err);
void fm_jinja_output_free(struct fm_jinja_output *out);
#endif
