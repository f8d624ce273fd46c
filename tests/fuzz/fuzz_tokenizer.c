// A tokenizer.json in memory. A tokenizer that loads must encode and decode a text with all kinds of
// characters.
#include "fuzz.h"
#include "text/tokenizer.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char text[] = "Hello, W\xc3\xb6rld! 12345\n\n  \xe4\xbd\xa0\xe5\xa5\xbd <think> "
                               "a\xcc\x81\xff\xf0\x9f\x98\x80\r\n\t{x}";
    struct fathom_error err = {0};
    struct fathom_tokenizer *tokenizer = fm_tokenizer_from_json((const char *)data, size, &err);
    fuzz_check(&err, tokenizer != NULL);
    if (!tokenizer) return 0;
    for (int parse_marks = 0; parse_marks < 2; parse_marks++) {
        struct fm_tokens tokens = {0};
        err = (struct fathom_error){0};
        const bool ok = fm_tokenizer_encode(tokenizer, text, sizeof(text) - 1, parse_marks, &tokens, &err);
        fuzz_check(&err, ok);
        for (size_t i = 0; i < tokens.count; i++) {
            size_t length;
            const char *bytes = fathom_token_bytes(tokenizer, tokens.ids[i], &length);
            if (!bytes && length) abort();
            if (bytes) fuzz_use(bytes, length);
        }
        free(tokens.ids);
    }
    fathom_tokenizer_destroy(&tokenizer);
    return 0;
}
