// A checksum of bytes that come in pieces, for files: 64 bits, 2 GB a second and core. Where one aligned
// word of eight bytes differs, the checksum differs; of other differences one in 2^64 goes unseen. The
// checksum is no proof against intent. It depends on the machine's byte order.
#ifndef FM_BASE_CHECKSUM_H
#define FM_BASE_CHECKSUM_H
#include <stddef.h>
#include <stdint.h>

enum { FM_CHECKSUM_BLOCK = 32 };
struct fm_checksum {
    uint64_t lanes[FM_CHECKSUM_BLOCK / 8], size;
    uint8_t rest[FM_CHECKSUM_BLOCK]; // size % FM_CHECKSUM_BLOCK bytes
};

void fm_checksum_begin(struct fm_checksum *sum);
void fm_checksum_add(struct fm_checksum *sum, const void *data, size_t size);
uint64_t fm_checksum_end(const struct fm_checksum *sum);
#endif
