// fathom tokenize: converts text to ids and back.
#include "common.h"
#include "base/error.h"
#include "text/tokenizer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print_ids(const struct fm_tokens *tokens) {
    printf("[");
    for (size_t i = 0; i < tokens->count; i++) printf(i ? ", %d" : "%d", tokens->ids[i]);
    printf("]\n");
    return EXIT_DONE; // main() finds out whether all was written
}

static int encode(const struct fm_tokenizer *tokenizer, const char *path) {
    struct fathom_error err = {0};
    struct fm_tokens tokens = {0};
    size_t size;
    char *text = read_file(path, SIZE_MAX / 4, &size, &err);
    // any other bytes are a text here, which a conformance test may ask for
    const char *wide = text ? wide_encoding(text, size) : NULL;
    if (wide) fm_fail(&err, FATHOM_INVALID, "%s: the text is %s, and must be UTF-8", path, wide);
    const bool ok = text && !wide && fm_tokenizer_encode(tokenizer, text, size, true, &tokens, &err);
    const int code = ok ? print_ids(&tokens) : refuse(&err);
    free(tokens.ids);
    free(text);
    return code;
}

static int decode(const struct fm_tokenizer *tokenizer, const char *list) {
    for (const char *at = list; *at;) {
        char *end;
        const long id = strtol(at, &end, 10);
        size_t length;
        const char *bytes = end == at || id < 0 || id > INT32_MAX
            ? NULL
            : fm_tokenizer_bytes(tokenizer, (int32_t)id, &length);
        if (!bytes || (*end && *end != ',')) {
            fprintf(stderr, "fathom tokenize: \"%s\" does not begin with an id of this tokenizer\n", at);
            return EXIT_REFUSED;
        }
        fwrite(bytes, 1, length, stdout);
        at = *end ? end + 1 : end;
    }
    return EXIT_DONE;
}

int tokenize_main(int argc, char **argv) {
    const char *model = NULL, *text_file = NULL, *ids = NULL;
    const struct option options[] = {
        {"--text-file", OPTION_TEXT, &text_file, "FILE",
            "print the ids of its text as a JSON array (- is stdin)", NULL},
        {"--ids", OPTION_TEXT, &ids, "1,2,3", "print the text of these ids", NULL},
    };
    const struct usage usage = {"tokenize", "MODEL --text-file FILE | --ids LIST",
        "Added tokens in the text are recognised; no tokens are added before or after.\nMODEL may be a "
        "folder that holds only a tokenizer.json.",
        options, 2, 1, 1};
    size_t n_positional;
    const int code = options_parse(&usage, argc, argv, &model, &n_positional);
    if (code != EXIT_NOT_YET) return code;
    if (!text_file == !ids) {
        fprintf(stderr, "fathom tokenize: give either --text-file or --ids\n");
        return EXIT_WRONG_USE;
    }
    struct fathom_error err = {0};
    struct fm_tokenizer *tokenizer = fm_tokenizer_open(model, &err);
    if (!tokenizer) return refuse(&err);
    const int done = text_file ? encode(tokenizer, text_file) : decode(tokenizer, ids);
    fm_tokenizer_destroy(&tokenizer);
    return done;
}
