// Reads the bytes of a session's file, without an engine. src/decisions/session-file.md has the format.
#ifndef FM_ENGINE_SESSION_PARSE_H
#define FM_ENGINE_SESSION_PARSE_H
#include "base/watch.h"
#include <stddef.h>
#include <stdint.h>

#define FM_SESSION_MAGIC "FathomSe"
enum {
    FM_SESSION_VERSION = 1,
    FM_SESSION_ORDER = 0x01020304, // written in the machine's byte order
    FM_SESSION_HEAD = 72,          // bytes, the checksum included
    FM_SESSION_SECTION = 16,       // bytes before a section's data; a checksum of 8 follows the data
};
enum fm_session_section { FM_SECTION_TOKENS = 1, FM_SECTION_EXTRA, FM_SECTION_CACHE };

struct fm_session_bytes {
    const uint8_t *data; // in the file
    uint64_t size;
};

struct fm_session_contents {
    uint64_t model; // fm_model_key
    uint32_t cache_type;
    uint32_t n_tokens, n_evaluated, n_drafted; // positions in the caches of the trunk and of the draft layer
    uint32_t n_layers, n_draft_layers;
    struct fm_session_bytes tokens, extra; // tokens: little-endian, 4 bytes each
    struct fm_session_bytes *caches;       // [n_layers + n_draft_layers]
};

// Checks everything that can be checked without an engine: the form, the sizes and all checksums, which cover
// every byte. Reports half of what restoring takes: bytes read, of twice the size. Free the contents, which
// point into `data`.
bool fm_session_parse(const uint8_t *data, uint64_t size, struct fm_watch *watch,
    struct fm_session_contents *contents, struct fathom_error *err);
void fm_session_contents_free(struct fm_session_contents *contents);
#endif
