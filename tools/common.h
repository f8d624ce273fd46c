// What the sub-commands share.
#ifndef TOOL_COMMON_H
#define TOOL_COMMON_H
#include "options.h"
#include <cjson/cJSON.h>
#include <fathom/fathom.h>
#include <stdio.h>

// Sub-commands: the arguments after the name; the exit code.
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

// What every sub-command that uses a device can be told.
struct device_options {
    const char *device, *variants;
    bool exact, cache_8bit, full_barriers, verbose, no_tune;
    bool timers;   // keep a GPU time for every dispatch
    uint32_t n_context;
    const char *draft; // "mtp" or "mtp:N"; NULL: none
};
// Rows for a table of options; `o` is a struct device_options.
#define DEVICE_OPTIONS(o)                                                                                        \
    {"--device", OPTION_TEXT, &(o).device, "NAME", "index or part of a device's name (fathom devices)", NULL},   \
    {"--exact", OPTION_FLAG, &(o).exact, NULL, "the same bits on every device; slower", NULL},                   \
    {"--cache-8bit", OPTION_FLAG, &(o).cache_8bit, NULL, "half the cache: 8 bits a value", NULL},                 \
    {"--ctx", OPTION_COUNT, &(o).n_context, "N", "positions of the context", NULL},                              \
    {"--no-tune", OPTION_FLAG, &(o).no_tune, NULL, "the operators' own choices, not measured ones", NULL},       \
    {"--verbose", OPTION_FLAG, &(o).verbose, NULL, "say what is loaded, and where", NULL},                       \
    {"--variants", OPTION_TEXT, &(o).variants, "LIST", "for tests: op=variant,op=variant", NULL},                \
    {"--full-barriers", OPTION_FLAG, &(o).full_barriers, NULL, "for tests: a barrier after every dispatch", NULL}

#define DRAFT_OPTION(o) {"--draft", OPTION_TEXT, &(o).draft, "mtp[:N]", "the model's own draft layer guesses N tokens ahead (1); the text stays the same", NULL}

// NULL after printing the reason. Shows a progress bar while loading.
struct fathom_engine *open_engine(const char *model, const struct device_options *options);

// How long the start took and with what: a line of text, an object.
void print_start(FILE *f, const struct fathom_session *session);
cJSON *start_json(const struct fathom_session *session);

// How many drafted tokens the model agreed with: a line of text, an object. NULL and nothing printed where nothing was drafted.
void print_drafts(FILE *f, const struct fathom_session *session);
cJSON *drafts_json(const struct fathom_session *session);

// "fathom: message" on stderr; EXIT_REFUSED.
int refuse(const struct fathom_error *err);

// A bar on a terminal, plain lines elsewhere; stops when the user interrupts.
extern const struct fathom_progress progress_bar;
void progress_clear(void);

// Ctrl-C sets a flag instead of ending the program; a second one ends it.
void watch_interrupt(void);
bool interrupted(void);

// The model that was installed with the program, or lies in the source tree that it was built from. free() it; NULL after printing.
char *demo_model(void);

// The whole file, zero-terminated, at most `most` bytes; NULL with *err set. free() it.
char *read_file(const char *path, size_t most, size_t *size, struct fathom_error *err);

// Prints the object on stdout with a line end, and deletes it. EXIT_DONE, or EXIT_REFUSED when stdout does not take it.
int print_json(cJSON *json);
const char *device_type_name(enum fathom_gpu_type type);
#endif
