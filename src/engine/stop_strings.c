#include "engine/stop_strings.h"
#include <string.h>

bool fm_stops_find(
    const struct fm_stops *stops, const char *text, size_t from, size_t length, size_t *begin) {
    for (size_t end = from + 1; end <= length; end++) {
        size_t longest = 0;
        for (size_t i = 0; i < stops->n; i++) {
            const size_t n = strlen(stops->items[i]);
            if (n > longest && n <= end && !memcmp(text + end - n, stops->items[i], n)) longest = n;
        }
        if (!longest) continue;
        *begin = end - longest;
        return true;
    }
    return false;
}

size_t fm_stops_before(const struct fm_stops *stops, const char *text, size_t length) {
    size_t held = 0; // bytes at the end that may begin a stop
    for (size_t i = 0; i < stops->n; i++) {
        const size_t n = strlen(stops->items[i]);
        for (size_t tail = n - 1 < length ? n - 1 : length; tail > held; tail--)
            if (!memcmp(text + length - tail, stops->items[i], tail)) held = tail;
    }
    return length - held;
}
