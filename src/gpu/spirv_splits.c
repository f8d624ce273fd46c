// In which dimensions the workgroups of a shader may be spread over several dispatches (vkCmdDispatchBase).
// In none where workgroups count each other in a buffer. Not in one whose number of workgroups the shader
// asks for. The tiles of include/tiles.glsl are an exception: that header knows of parts.
#include "gpu/spirv.h"
#include <spirv/unified1/spirv.h>
#include <stdlib.h>

enum { ALL = 7 }; // bit i: dimension i

struct id {
    uint32_t root; // of a pointer: the variable that it points into; 0: not known
    uint32_t storage_class, binding;
    uint32_t value; // of a constant
    uint32_t spec;  // constant_id + 1
    bool n_groups;  // a variable: the number of workgroups
    bool is_false;  // a constant
    bool live;      // a function
};

struct scan {
    struct id *ids;
    const uint32_t *spec;
    uint32_t n_spec;
    bool counted, tiles, news;
    uint32_t asked; // dimensions
};

static bool is_atomic(uint32_t op) {
    return (op >= SpvOpAtomicLoad && op <= SpvOpAtomicXor) || op == SpvOpAtomicFAddEXT ||
        op == SpvOpAtomicFMinEXT || op == SpvOpAtomicFMaxEXT;
}

// Does an atomic on this variable count workgroups?
static bool counts(const struct id *variable) {
    return variable->storage_class != SpvStorageClassWorkgroup && variable->binding != FM_TILES_BINDING;
}

// What stands before the functions.
static void declaration(struct scan *s, const uint32_t *w) {
    struct id *ids = s->ids;
    switch (*w & 0xffff) {
    case SpvOpEntryPoint: ids[w[2]].live = true; break;
    case SpvOpDecorate:
        if (w[2] == SpvDecorationBinding) ids[w[1]].binding = w[3];
        if (w[2] == SpvDecorationSpecId) ids[w[1]].spec = w[3] + 1;
        if (w[2] == SpvDecorationBuiltIn) ids[w[1]].n_groups = w[3] == SpvBuiltInNumWorkgroups;
        break;
    case SpvOpConstant: ids[w[2]].value = w[3]; break;
    case SpvOpSpecConstantTrue:
    case SpvOpSpecConstantFalse: {
        const uint32_t i = ids[w[2]].spec;
        ids[w[2]].is_false = i && i <= s->n_spec ? !s->spec[i - 1] : (*w & 0xffff) == SpvOpSpecConstantFalse;
        break;
    }
    case SpvOpVariable:
        ids[w[2]].root = w[2], ids[w[2]].storage_class = w[3];
        s->tiles |= w[3] == SpvStorageClassStorageBuffer && ids[w[2]].binding == FM_TILES_BINDING;
    }
}

// An instruction of a live block.
static void instruction(struct scan *s, const uint32_t *w) {
    struct id *ids = s->ids;
    const uint32_t op = *w & 0xffff;
    if (op == SpvOpVariable) ids[w[2]].root = w[2], ids[w[2]].storage_class = w[3];
    if (op == SpvOpFunctionCall) {
        s->news |= !ids[w[3]].live;
        ids[w[3]].live = true;
    } else if (op == SpvOpAccessChain || op == SpvOpInBoundsAccessChain) {
        ids[w[2]].root = ids[w[3]].root;
        if (ids[w[3]].n_groups)
            s->asked |= *w >> 16 == 5 && ids[w[4]].value < 3 ? 1u << ids[w[4]].value : ALL;
    } else if (op == SpvOpLoad) {
        if (ids[w[3]].n_groups && !s->tiles) s->asked = ALL;
    } else if (is_atomic(op)) {
        s->counted |= counts(&ids[ids[op == SpvOpAtomicStore ? w[1] : w[3]].root]);
    }
}

// One round over the live functions. Passes over what a false constant switches off: the blocks between the
// branch and the block for "false", which comes later.
static void functions(struct scan *s, const uint32_t *w, const uint32_t *end) {
    bool live = false;
    uint32_t until = 0; // a label
    for (; w < end; w += *w >> 16) {
        const uint32_t op = *w & 0xffff;
        if (op == SpvOpFunction) live = s->ids[w[2]].live;
        if (op == SpvOpLabel && w[1] == until) until = 0;
        if (!live || until) continue;
        instruction(s, w);
        if (op == SpvOpBranchConditional && s->ids[w[1]].is_false) until = w[3];
    }
}

uint32_t fm_spirv_splits(const uint32_t *words, size_t n_words, const uint32_t *spec, uint32_t n_spec) {
    struct scan s = {.ids = calloc(words[3], sizeof(*s.ids)), .spec = spec, .n_spec = n_spec, .news = true};
    const uint32_t *w = words + 5, *end = words + n_words;
    if (!s.ids) return 0;
    for (; w < end && (*w & 0xffff) != SpvOpFunction; w += *w >> 16) declaration(&s, w);
    while (s.news) {
        s.news = false;
        functions(&s, w, end);
    }
    free(s.ids);
    return s.counted ? 0 : ALL & ~s.asked;
}
