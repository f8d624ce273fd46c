// Strings that end an answer. Both functions give the same results however the text is cut into tokens.
#ifndef FM_ENGINE_STOP_STRINGS_H
#define FM_ENGINE_STOP_STRINGS_H
#include <stdbool.h>
#include <stddef.h>

struct fm_stops {
    const char *const *items; // none of them is empty
    size_t n;
};

// Looks for the stop that ends first, and ends behind byte `from`; the longest of those that end there.
// Returns false when there is none. *begin: where the stop begins, which may be before `from`.
bool fm_stops_find(const struct fm_stops *stops, const char *text, size_t from, size_t length, size_t *begin);
// Returns how many bytes of a text without a stop stay before any stop, whatever follows.
size_t fm_stops_before(const struct fm_stops *stops, const char *text, size_t length);
#endif
