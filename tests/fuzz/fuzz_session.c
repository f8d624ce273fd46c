// The contents of a session's file, as they come, and once more with checksums that are right.
#include "base/checksum.h"
#include "engine/session_parse.h"
#include "fuzz.h"
#include <string.h>

static void parse(const uint8_t *data, size_t size) {
    struct fathom_error err = {0};
    struct fm_session_contents contents;
    const bool ok = fm_session_parse(data, size, NULL, &contents, &err);
    fuzz_check(&err, ok);
    if (!ok) return;
    if (contents.tokens.size != 4ull * contents.n_tokens || contents.n_evaluated > contents.n_tokens) abort();
    fuzz_use(contents.tokens.data, contents.tokens.size);
    fuzz_use(contents.extra.data, contents.extra.size);
    for (uint32_t i = 0; i < contents.n_layers + contents.n_draft_layers; i++)
        fuzz_use(contents.caches[i].data, contents.caches[i].size);
    fm_session_contents_free(&contents);
}

// Writes the checksum of the `size` bytes before.
static void seal(uint8_t *end, size_t size) {
    struct fm_checksum sum;
    fm_checksum_begin(&sum);
    fm_checksum_add(&sum, end - size, size);
    const uint64_t value = fm_checksum_end(&sum);
    memcpy(end, &value, sizeof(value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    parse(data, size);
    if (size < FM_SESSION_HEAD) return 0;
    uint8_t *copy = malloc(size);
    if (!copy) return 0;
    memcpy(copy, data, size);
    const uint64_t whole = size;
    memcpy(copy + 16, &whole, sizeof(whole));
    seal(copy + FM_SESSION_HEAD - 8, FM_SESSION_HEAD - 8);
    for (size_t at = FM_SESSION_HEAD; size - at >= FM_SESSION_SECTION + 8;) {
        uint64_t n;
        memcpy(&n, copy + at + 8, sizeof(n));
        if (n > size - at - FM_SESSION_SECTION - 8) break;
        at += FM_SESSION_SECTION + n;
        seal(copy + at, FM_SESSION_SECTION + n);
        at += 8;
    }
    parse(copy, size);
    free(copy);
    return 0;
}
