// Command lines as tables: one row an option, which parses it and prints its line of help.
#ifndef TOOL_OPTIONS_H
#define TOOL_OPTIONS_H
#include <stdbool.h>
#include <stddef.h>

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_COUNT, OPTION_NUMBER, OPTION_SEED, OPTION_LIST };

// Of an option that may be given several times.
enum { OPTION_LIST_MOST = 64 };
struct option_list {
    const char *items[OPTION_LIST_MOST];
    size_t count;
};

struct option {
    const char *name;          // "--temp"; "-n"
    enum option_kind kind;
    void *value;               // bool, const char *, uint32_t, float, uint64_t, struct option_list
    const char *argument;      // its name in the help; NULL for a flag
    const char *help;
    bool *given;               // set when the option is there; may be NULL
};

// A sub-command: what `fathom NAME --help` prints, and how its line is read.
struct usage {
    const char *name, *arguments, *summary;
    const struct option *options;
    size_t n_options;
    size_t min_positional, max_positional;
};

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_WRONG_USE = 2, EXIT_NOT_YET = -1 };

// Reads the line after the sub-command's name. EXIT_NOT_YET: go on. Otherwise the program's exit code: help was asked for and
// printed, or the line was wrong and stderr says why. positional[] points into argv.
int options_parse(const struct usage *usage, int argc, char **argv, const char **positional, size_t *n_positional);
#endif
