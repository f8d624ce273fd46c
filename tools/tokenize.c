// fathom tokenize: converts text to ids and back.
#include "common.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print_ids(const int32_t *ids, size_t n) {
    printf("[");
    for (size_t i = 0; i < n; i++) printf(i ? ", %d" : "%d", ids[i]);
    printf("]\n");
    return EXIT_DONE; // main() finds out whether all was written
}

static int encode_text(const struct fathom_tokenizer *tokenizer, const char *text, size_t size) {
    struct fathom_error err = {0};
    size_t n;
    if (!fathom_tokenize(tokenizer, text, size, true, NULL, 0, &n, &err)) return refuse(&err);
    int32_t *ids = malloc((n + 1) * sizeof(*ids));
    if (!ids) return out_of_memory();
    const bool ok = fathom_tokenize(tokenizer, text, size, true, ids, n, &n, &err);
    const int code = ok ? print_ids(ids, n) : refuse(&err);
    free(ids);
    return code;
}

static int encode(const struct fathom_tokenizer *tokenizer, const char *path) {
    struct fathom_error err = {0};
    size_t size;
    char *text = read_file(path, SIZE_MAX / 4, &size, &err);
    // any other bytes are a text here, which a conformance test may ask for
    const char *wide = text ? wide_encoding(text, size) : NULL;
    if (wide) fail(&err, FATHOM_INVALID, "%s: the text is %s, and must be UTF-8", path, wide);
    const int code = text && !wide ? encode_text(tokenizer, text, size) : refuse(&err);
    free(text);
    return code;
}

static int decode(const struct fathom_tokenizer *tokenizer, const char *list) {
    for (const char *at = list; *at;) {
        char *end;
        const long id = strtol(at, &end, 10);
        size_t length;
        const char *bytes = end == at || id < 0 || id > INT32_MAX
            ? NULL
            : fathom_token_bytes(tokenizer, (int32_t)id, &length);
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
    struct fathom_tokenizer *tokenizer = fathom_tokenizer_open(model, &err);
    if (!tokenizer) return refuse(&err);
    const int done = text_file ? encode(tokenizer, text_file) : decode(tokenizer, ids);
    fathom_tokenizer_destroy(&tokenizer);
    return done;
}
