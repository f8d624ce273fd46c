#include "base/checksum.h"
#include <string.h>

enum { N_LANES = FM_CHECKSUM_BLOCK / 8 };
static const uint64_t FACTOR = 0x9e3779b97f4a7c15u; // odd: multiplying loses nothing

// For a given word one to one in the lane, and the other way round.
static uint64_t step(uint64_t lane, uint64_t word) {
    const uint64_t product = (lane ^ word) * FACTOR;
    return product << 29 | product >> 35;
}

static void add_blocks(uint64_t lanes[N_LANES], const uint8_t *data, size_t n_blocks) {
    uint64_t own[N_LANES];
    memcpy(own, lanes, sizeof(own));
    for (size_t i = 0; i < n_blocks; i++) {
        uint64_t words[N_LANES];
        memcpy(words, data + i * FM_CHECKSUM_BLOCK, sizeof(words));
        for (int l = 0; l < N_LANES; l++) own[l] = step(own[l], words[l]);
    }
    memcpy(lanes, own, sizeof(own));
}

void fm_checksum_begin(struct fm_checksum *sum) {
    *sum = (struct fm_checksum){.lanes = {1, 2, 3, 4}};
}

void fm_checksum_add(struct fm_checksum *sum, const void *data, size_t size) {
    const uint8_t *bytes = data;
    if (size == 0) return;
    const size_t kept = sum->size % FM_CHECKSUM_BLOCK;
    sum->size += size;
    if (kept) {
        const size_t n = size < FM_CHECKSUM_BLOCK - kept ? size : FM_CHECKSUM_BLOCK - kept;
        memcpy(sum->rest + kept, bytes, n);
        bytes += n, size -= n;
        if (kept + n < FM_CHECKSUM_BLOCK) return;
        add_blocks(sum->lanes, sum->rest, 1);
    }
    add_blocks(sum->lanes, bytes, size / FM_CHECKSUM_BLOCK);
    if (size % FM_CHECKSUM_BLOCK)
        memcpy(sum->rest, bytes + size / FM_CHECKSUM_BLOCK * FM_CHECKSUM_BLOCK, size % FM_CHECKSUM_BLOCK);
}

uint64_t fm_checksum_end(const struct fm_checksum *sum) {
    uint64_t lanes[N_LANES], all = step(0, sum->size);
    uint8_t last[FM_CHECKSUM_BLOCK] = {0};
    memcpy(lanes, sum->lanes, sizeof(lanes));
    memcpy(last, sum->rest, sum->size % FM_CHECKSUM_BLOCK);
    add_blocks(lanes, last, 1);
    for (int l = 0; l < N_LANES; l++) all = step(all, lanes[l]);
    return step(all, all >> 32);
}
