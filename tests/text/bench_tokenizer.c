// Measures how fast a tokenizer encodes: bench_text_tokenizer TOKENIZER.JSON TEXT_FILE [SECONDS]
#include "text/tokenizer.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static char *read_file(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    char *text = NULL;
    *length = 0;
    for (size_t n = 1; n > 0; *length += n) {
        char *grown = realloc(text, *length + (1 << 20));
        if (!grown) break;
        text = grown;
        n = fread(text + *length, 1, 1 << 20, file);
    }
    fclose(file);
    return text;
}

// By the processor's time, so that other programs do not count.
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: %s TOKENIZER.JSON TEXT_FILE [SECONDS]\n", argv[0]);
        return 2;
    }
    double limit = argc > 3 ? atof(argv[3]) : 2;
    size_t n_json = 0, n_text = 0;
    char *json = read_file(argv[1], &n_json), *text = read_file(argv[2], &n_text);
    struct fathom_error err = {0};
    double start = now();
    struct fathom_tokenizer *tokenizer = json ? fm_tokenizer_from_json(json, n_json, &err) : NULL;
    if (!tokenizer || !text) {
        fprintf(stderr, "%s\n", tokenizer || !json ? "cannot read the files" : err.message);
        return 1;
    }
    printf("load %.3f s\n", now() - start);
    struct fm_tokens tokens = {0};
    double best = 1e9, end = now() + limit;
    do {
        tokens.count = 0;
        start = now();
        if (!fm_tokenizer_encode(tokenizer, text, n_text, true, &tokens, &err)) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        double seconds = now() - start;
        if (seconds < best) best = seconds;
    } while (now() < end);
    printf("%zu bytes, %zu tokens, %.1f MB/s a core\n", n_text, tokens.count, 1e-6 * (double)n_text / best);
    fathom_tokenizer_destroy(&tokenizer);
    free(tokens.ids);
    free(json);
    free(text);
    return 0;
}
