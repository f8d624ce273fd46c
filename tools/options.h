// Command lines as tables: one row describes one option, for the parser and for the help.
#ifndef TOOL_OPTIONS_H
#define TOOL_OPTIONS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// LIMIT: a count, or -1 for OPTION_NO_LIMIT. SIZE: bytes or a percentage. CHOICE: one of the words of
// `argument`, which bars separate.
enum option_kind {
    OPTION_FLAG,
    OPTION_TEXT,
    OPTION_COUNT,
    OPTION_LIMIT,
    OPTION_NUMBER,
    OPTION_SEED,
    OPTION_SIZE,
    OPTION_CHOICE,
    OPTION_LIST
};
#define OPTION_NO_LIMIT UINT32_MAX

// The values of an option that may be given several times.
enum { OPTION_LIST_MOST = 64 };
struct option_list {
    const char *items[OPTION_LIST_MOST];
    size_t count;
};

// "4GiB", "512M" (MiB), "1.5GB" (10^9 bytes), "2000000000" or "60%": one of the two is above 0. Both 0: not
// given.
struct option_size {
    uint64_t bytes;
    float percent;
};
bool option_parse_size(const char *text, struct option_size *size);

struct option {
    const char *name; // "--temp"; "-n"
    enum option_kind kind;
    void *value; // bool, const char *, uint32_t, float, uint64_t, struct option_size, int (the word's
                 // number), struct option_list
    const char *argument; // the argument's name in the help; NULL for a flag
    const char *help;     // NULL: for tests, and not listed
    bool *given;          // set when the option is given; may be NULL
    float most;           // of a NUMBER, whose least value is 0; most 0: any number
};

// The command line of a sub-command: its help and its options.
struct usage {
    const char *name, *arguments, *summary;
    const struct option *options;
    size_t n_options;
    size_t min_positional, max_positional;
};

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_WRONG_USE = 2, EXIT_NOT_YET = -1 };

// Parses the arguments after the sub-command's name. Returns EXIT_NOT_YET when the command shall run.
// Otherwise returns the program's exit code, after printing the help, or after printing the error to stderr.
// positional[] points into argv.
int options_parse(
    const struct usage *usage, int argc, char **argv, const char **positional, size_t *n_positional);
#endif
