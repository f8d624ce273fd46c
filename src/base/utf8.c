#include "base/utf8.h"
#include <stdbool.h>
#include <string.h>

int fm_utf8_decode(const char *bytes, size_t n, uint32_t *code) {
    const unsigned char *s = (const unsigned char *)bytes;
    if (s[0] < 0x80) {
        *code = s[0];
        return 1;
    }
    if (s[0] < 0xc2 || s[0] > 0xf4) return -1;
    size_t length = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    // the range of the second byte excludes overlong forms, surrogates, and codes above U+10FFFF
    unsigned char low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    uint32_t value = s[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (i == n) return 0;
        if (s[i] < low || s[i] > high) return -(int)i;
        value = value << 6 | (s[i] & 0x3f);
        low = 0x80;
        high = 0xbf;
    }
    *code = value;
    return (int)length;
}

size_t fm_utf8_encode(uint32_t code, char out[4]) {
    if (code < 0x80) return out[0] = (char)code, 1;
    const size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i; i--, code >>= 6) out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)((0xf00u >> n & 0xf0u) | code);
    return n;
}

// Controls of C0 and C1, line and paragraph separators, and marks that change the direction of the text.
static bool is_control(uint32_t code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f ||
        (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

void fm_printable(char *to, size_t room, const char *text) {
    static const char digits[] = "0123456789abcdef";
    const size_t length = strlen(text);
    size_t at = 0;
    for (size_t i = 0; i < length;) {
        uint32_t code;
        const int n = fm_utf8_decode(text + i, length - i, &code);
        if (n > 0 && !is_control(code)) {
            if (at + (size_t)n >= room) break;
            memcpy(to + at, text + i, (size_t)n);
            at += (size_t)n;
            i += (size_t)n;
            continue;
        }
        const unsigned char byte = (unsigned char)text[i++];
        if (at + 4 >= room) break;
        to[at++] = '\\';
        to[at++] = 'x';
        to[at++] = digits[byte >> 4];
        to[at++] = digits[byte & 15];
    }
    to[at] = 0;
}
