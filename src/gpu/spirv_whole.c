// Whether the workgroups of a shader may run in several dispatches (vkCmdDispatchBase). They may not where
// they count each other in a buffer, or ask how many there are. The tiles of include/tiles.glsl are an
// exception: that header knows of parts.
#include "gpu/spirv.h"
#include <spirv/unified1/spirv.h>
#include <stdlib.h>

struct id {
    uint32_t root; // of a pointer: the variable that it points into; 0: not known
    uint32_t storage_class, binding;
    bool n_groups; // a variable: the number of workgroups
};

static bool is_atomic(uint32_t op) {
    return (op >= SpvOpAtomicLoad && op <= SpvOpAtomicXor) || op == SpvOpAtomicFAddEXT ||
        op == SpvOpAtomicFMinEXT || op == SpvOpAtomicFMaxEXT;
}

// Does an atomic on this variable count workgroups?
static bool counts(const struct id *variable) {
    return variable->storage_class != SpvStorageClassWorkgroup && variable->binding != FM_TILES_BINDING;
}

bool fm_spirv_whole(const uint32_t *words, size_t n_words) {
    struct id *ids = calloc(words[3], sizeof(*ids));
    bool asks = false, counted = false, tiles = false;
    if (!ids) return true;
    for (const uint32_t *w = words + 5; w < words + n_words; w += *w >> 16) {
        const uint32_t op = *w & 0xffff;
        if (op == SpvOpDecorate && w[2] == SpvDecorationBinding) ids[w[1]].binding = w[3];
        if (op == SpvOpDecorate && w[2] == SpvDecorationBuiltIn)
            ids[w[1]].n_groups = w[3] == SpvBuiltInNumWorkgroups;
        if (op == SpvOpVariable) {
            ids[w[2]].root = w[2], ids[w[2]].storage_class = w[3];
            tiles |= w[3] == SpvStorageClassStorageBuffer && ids[w[2]].binding == FM_TILES_BINDING;
        }
        if (op == SpvOpAccessChain || op == SpvOpInBoundsAccessChain) ids[w[2]].root = ids[w[3]].root;
        if (op == SpvOpLoad || op == SpvOpAccessChain || op == SpvOpInBoundsAccessChain)
            asks |= ids[w[3]].n_groups;
        if (is_atomic(op)) counted |= counts(&ids[ids[op == SpvOpAtomicStore ? w[1] : w[3]].root]);
    }
    free(ids);
    return counted || (asks && !tiles);
}
