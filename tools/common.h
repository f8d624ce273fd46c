// Functions and options that the sub-commands share.
#ifndef TOOL_COMMON_H
#define TOOL_COMMON_H
#include "options.h"
#include "signals.h"
#include "system.h"
#include <cjson/cJSON.h>
#include <fathom/fathom.h>
#include <stdio.h>

// The sub-commands take the arguments after the name and return the exit code.
int devices_main(int argc, char **argv);
int inspect_main(int argc, char **argv);
int run_main(int argc, char **argv);
int tokenize_main(int argc, char **argv);
int logits_main(int argc, char **argv);
int bench_main(int argc, char **argv);
int convert_main(int argc, char **argv);
int quantize_main(int argc, char **argv);
int tune_main(int argc, char **argv);
int perplexity_main(int argc, char **argv);
int eval_main(int argc, char **argv);

// The options of every sub-command that uses a device.
struct device_options {
    const char *device, *variants;
    bool exact, cache_8bit, full_barriers, verbose, no_tune;
    bool timers; // measure the GPU time of every dispatch
    uint32_t n_context;
    const char *draft; // "mtp" or "mtp:N"; NULL: none
    struct option_size vram, ram;
    int experts;        // enum fathom_experts
    const char *mirror; // a second copy of the model's file; NULL: none
    bool discrete;
};
// Rows of a table of options; `o` is a struct device_options.
#define MEMORY_OPTIONS(o) \
    {"--vram", OPTION_SIZE, &(o).vram, "SIZE|N%", \
        "most device memory: 6GiB, 512M, 1.5GB, or 60% of the device's", NULL}, \
        {"--ram", OPTION_SIZE, &(o).ram, "SIZE|N%", "most host memory for weights; N% of what is free", \
            NULL}, \
    { \
        "--experts", OPTION_CHOICE, &(o).experts, "auto|device|host|disk", \
            "where experts without a place in device memory lie", NULL \
    }
// --discrete treats the device as a card whose memory the host cannot see.
#define PLACE_OPTIONS(o) \
    MEMORY_OPTIONS(o), \
        {"--mirror", OPTION_TEXT, &(o).mirror, "FILE", "a second copy of the model, on another drive", \
            NULL}, \
    { \
        "--discrete", OPTION_FLAG, &(o).discrete, NULL, NULL, NULL \
    }
#define DEVICE_OPTIONS(o) \
    {"--device", OPTION_TEXT, &(o).device, "NAME", "index or part of a device's name (fathom devices)", \
        NULL}, \
        {"--exact", OPTION_FLAG, &(o).exact, NULL, "the same bits on every device; slower", NULL}, \
        {"--cache-8bit", OPTION_FLAG, &(o).cache_8bit, NULL, "half the cache: 8 bits a value", NULL}, \
        {"--ctx", OPTION_COUNT, &(o).n_context, "N", "positions of the context", NULL}, \
        {"--no-tune", OPTION_FLAG, &(o).no_tune, NULL, "the default variants, not the measured ones", NULL}, \
        {"--verbose", OPTION_FLAG, &(o).verbose, NULL, "say what is loaded, and where", NULL}, \
        PLACE_OPTIONS(o), {"--variants", OPTION_TEXT, &(o).variants, "op=variant,op=variant", NULL, NULL}, { \
        "--full-barriers", OPTION_FLAG, &(o).full_barriers, NULL, NULL, NULL \
    }

// The chat template: one that is built in, or a file's.
#define TEMPLATE_OPTIONS(name, file) \
    {"--template", OPTION_TEXT, name, "NAME", \
        "a chat template that is built in (deepseek-v4, chatml, ...), instead of the model's own", NULL}, \
    { \
        "--chat-template", OPTION_TEXT, file, "FILE", "the chat template in this file, in Jinja", NULL \
    }

// Most tokens of an answer; the value is what ask_limit() takes.
#define LIMIT_OPTION(value) \
    { \
        "-n", OPTION_LIMIT, value, "N", \
            "most tokens of an answer and its thought (-1: what fits; 0: read only)", NULL \
    }
// Sets an answer's limit of tokens. OPTION_NO_LIMIT: as many as the context holds. 0: the prompt is read, and
// nothing is generated.
void ask_limit(struct fathom_ask_params *params, uint32_t n_tokens);

#define DRAFT_OPTION(o) \
    { \
        "--draft", OPTION_TEXT, &(o).draft, "mtp[:N]", \
            "the model's own draft layer guesses N tokens ahead (1); the text stays the same", NULL \
    }

// Returns the device that `options` name, or that a run would use: fills *info. Returns NULL when there is
// none.
const struct fathom_gpu_info *choose_device(
    const struct device_options *options, struct fathom_gpu_info *info, struct fathom_error *err);
// The bytes that --vram and --ram mean, 0 where they are not given. `device` NULL: asks for the device where
// a percentage needs it.
bool memory_limits(const struct device_options *options, const struct fathom_gpu_info *device,
    uint64_t *device_limit, uint64_t *host_limit, struct fathom_error *err);

// A plan whose experts do not all lie in device memory, as a table and its forecast. Prints nothing for other
// plans.
void print_plan(FILE *f, const struct fathom_memory_plan *plan, uint32_t n_experts);
void plan_to_json(cJSON *json, const struct fathom_memory_plan *plan); // adds the plan's fields

// Opens an engine and shows a progress bar. Prints the reason and returns NULL on failure.
struct fathom_engine *open_engine(const char *model, const struct device_options *options);

// The durations of the parts of the start, as a line of text and as an object.
void print_start(FILE *f, const struct fathom_engine *engine, const struct fathom_session *session);
cJSON *start_json(const struct fathom_engine *engine, const struct fathom_session *session);
double load_seconds(const struct fathom_engine *engine); // of these, the ones until the engine was there
struct fathom_session_stats session_stats(const struct fathom_session *session);

// How many drafted tokens the model accepted, as a line of text and as an object. Without drafts the
// functions print nothing and return NULL.
void print_drafts(FILE *f, const struct fathom_session *session);
cJSON *drafts_json(const struct fathom_session *session);

// What decoding took, between begin and end: an answer, or the runs of a test.
struct decoding {
    double seconds;
    double rate; // tokens a second; a caller that measured better may set it
    uint32_t n_tokens;
    uint64_t n_steps, n_drafts;
    struct fathom_expert_stats experts;
};
struct decoding decoding_begin(const struct fathom_session *session);
void decoding_end(struct decoding *decoding, const struct fathom_session *session);
// The experts' places, where the time went, and the forecast's error, as a line of text and as fields of an
// object. Without tokens nothing. A model that is in device memory whole has the forecast alone, and a line
// only if `verbose`.
void print_experts(
    FILE *f, const struct fathom_memory_plan *plan, const struct decoding *decoding, bool verbose);
void experts_to_json(cJSON *json, const struct fathom_memory_plan *plan, const struct decoding *decoding);

// Prints "fathom: message" to stderr and returns EXIT_REFUSED.
int refuse(const struct fathom_error *err);
int out_of_memory(void); // the same for memory of the program itself

// Fills *err and returns false; a later failure replaces an earlier one.
bool fail(struct fathom_error *err, enum fathom_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Shows a bar on a terminal, and plain lines elsewhere. Returns false when the user has interrupted. `what`
// is a constant.
bool show_progress(const char *what, uint64_t done, uint64_t total);
void progress_clear(void);
// The same for the library's work. no_bar shows nothing. Both cancel the work when the user interrupts.
extern const struct fathom_progress progress_bar, no_bar;

// Returns the path of the demonstration model, installed or in the source tree; the caller frees the path.
// Prints the reason and returns NULL on failure.
char *demo_model(void);

// Reads a whole file of at most `most` bytes, zero-terminated; the caller frees it. Returns NULL with *err
// set on failure.
char *read_file(const char *path, size_t most, size_t *size, struct fathom_error *err);

// The encoding that a byte order mark at the start names, "UTF-16" or "UTF-32", or NULL.
const char *wide_encoding(const char *text, size_t size);
// As read_file, for a text: refuses what is not UTF-8 by its byte order mark or its zero bytes, and drops
// UTF-8's byte order mark.
char *read_text(const char *path, size_t most, size_t *size, struct fathom_error *err);
// Reads the chat template of --chat-template. path NULL: *text is NULL. Prints why it fails.
bool read_template(const char *path, char **text);
// Drops one line end, LF or CRLF, at the end.
void drop_line_end(char *text);
bool is_blank(const char *text); // nothing but white space

// Call first in main(). JSON that does not fit into memory then ends the program with a message.
void json_starts(void);
// Prints a text to stdout, in which bytes that are no UTF-8 (of a path, a name) become U+FFFD.
bool print_utf8(const char *text);
// Prints the object to stdout with a line end, and deletes the object. Returns EXIT_DONE, or EXIT_REFUSED
// when stdout fails.
int print_json(cJSON *json);
const char *device_type_name(enum fathom_gpu_type type);
#endif
