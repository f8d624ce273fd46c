#include "text/utf8.h"
#include <string.h>
#include <utf8proc.h>

size_t fm_utf8_valid(const char *bytes, size_t length) {
    size_t i = 0;
    while (i < length) {
        uint64_t eight;
        for (; i + sizeof(eight) <= length; i += sizeof(eight)) { // ASCII, eight at a time
            memcpy(&eight, bytes + i, sizeof(eight));
            if (eight & 0x8080808080808080u) break;
        }
        if (i == length) break;
        uint32_t code;
        int n = fm_utf8_decode(bytes + i, length - i, &code);
        if (n <= 0) break;
        i += (size_t)n;
    }
    return i;
}

static const char replacement[3] = {'\xef', '\xbf', '\xbd'}; // U+FFFD

size_t fm_utf8_push(struct fm_utf8_stream *stream, const char *bytes, size_t length, char *out) {
    size_t written = 0;
    for (size_t i = 0; i < length; i++) {
        stream->held[stream->n_held++] = (unsigned char)bytes[i];
        while (stream->n_held) {
            uint32_t code;
            int n = fm_utf8_decode((const char *)stream->held, stream->n_held, &code);
            if (n == 0) break;
            size_t used = n > 0 ? (size_t)n : (size_t)-n;
            const bool kept = n > 0 && code;
            memcpy(out + written, kept ? (const char *)stream->held : replacement,
                kept ? used : sizeof(replacement));
            written += kept ? used : sizeof(replacement);
            stream->n_held -= (unsigned char)used;
            memmove(stream->held, stream->held + used, stream->n_held);
        }
    }
    return written;
}

size_t fm_utf8_flush(struct fm_utf8_stream *stream, char *out) {
    if (!stream->n_held) return 0;
    stream->n_held = 0;
    memcpy(out, replacement, sizeof(replacement));
    return sizeof(replacement);
}

bool fm_utf8_is_space(uint32_t code) {
    return (code >= 0x09 && code <= 0x0d) || code == 0x20 || code == 0x85 || code == 0xa0 || code == 0x1680 ||
        (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 || code == 0x202f ||
        code == 0x205f || code == 0x3000;
}

bool fm_utf8_is_word(uint32_t code) {
    if (code == 0x200c || code == 0x200d) return true; // joiners
    if ((code >= 0x24b6 && code <= 0x24e9) || (code >= 0x1f130 && code <= 0x1f149) ||
        (code >= 0x1f150 && code <= 0x1f169) || (code >= 0x1f170 && code <= 0x1f189))
        return true;
    switch (utf8proc_category((utf8proc_int32_t)code)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC: return true;
    default: return false;
    }
}

struct fm_quote fm_quote(const char *bytes, size_t length) {
    struct fm_quote quote = {{0}};
    size_t used = 0;
    for (size_t i = 0; i < length && used < 40;) {
        uint32_t code;
        int n = fm_utf8_decode(bytes + i, length - i, &code);
        if (n <= 0 || code < 0x20 || code == 0x7f) {
            quote.text[used++] = '?';
            i++;
        } else {
            memcpy(quote.text + used, bytes + i, (size_t)n);
            used += (size_t)n;
            i += (size_t)n;
        }
    }
    return quote;
}
