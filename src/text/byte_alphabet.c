#include "text/byte_alphabet.h"
#include "text/utf8.h"

static bool stands_for_itself(uint32_t code) {
    return (code >= 0x21 && code <= 0x7e) || (code >= 0xa1 && code <= 0xac) || (code >= 0xae && code <= 0xff);
}

static int byte_of(uint32_t code) {
    if (stands_for_itself(code)) return (int)code;
    if (code < 0x100 || code > 0x143) return -1;
    uint32_t i = code - 0x100; // index into the bytes 0x00-0x20, 0x7f-0xa0, 0xad
    return (int)(i < 0x21 ? i : i < 0x43 ? i - 0x21 + 0x7f : 0xad);
}

bool fm_byte_alphabet_decode(const char *text, size_t length, char *out, size_t *n_out) {
    size_t n = 0;
    for (size_t i = 0; i < length;) {
        uint32_t code;
        int used = fm_utf8_decode(text + i, length - i, &code);
        int byte = used > 0 ? byte_of(code) : -1;
        if (byte < 0) return false;
        out[n++] = (char)byte;
        i += (size_t)used;
    }
    *n_out = n;
    return true;
}
