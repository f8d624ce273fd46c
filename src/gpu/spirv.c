#include "gpu/spirv.h"
#include <spirv/unified1/spirv.h>
#include <stdlib.h>
#include <string.h>

// The decorations of an id; for a struct, the decorations of its members.
struct id_info {
    uint32_t binding, n_members, n_non_writable, n_non_readable; // n_*: numbers of members
    uint32_t pointee;                                            // of a pointer type
    uint32_t storage_class;                                      // of a pointer type
    uint32_t end;                                                // bytes: largest member offset + 4
    bool has_binding, non_writable, non_readable;
    bool floats; // of a type: consists of float32 alone
};

static void decorate(struct id_info *id, uint32_t decoration, uint32_t value) {
    switch (decoration) {
    case SpvDecorationBinding: id->has_binding = true, id->binding = value; break;
    case SpvDecorationNonWritable: id->non_writable = true; break;
    case SpvDecorationNonReadable: id->non_readable = true; break;
    }
}

static void decorate_member(struct id_info *id, uint32_t decoration, uint32_t value) {
    switch (decoration) {
    case SpvDecorationNonWritable: id->n_non_writable++; break;
    case SpvDecorationNonReadable: id->n_non_readable++; break;
    case SpvDecorationOffset:
        if (value + 4 > id->end) id->end = value + 4;
        break;
    }
}

// A module-level variable: a storage buffer or the push-constant block.
static bool variable(
    const struct id_info *ids, uint32_t type, uint32_t id, uint32_t storage_class, struct fm_spirv *out) {
    const struct id_info *block = &ids[ids[type].pointee], *v = &ids[id];
    if (storage_class == SpvStorageClassPushConstant) out->args_size = block->end;
    if (storage_class != SpvStorageClassStorageBuffer || !v->has_binding) return true;
    if (v->binding >= FM_END_BINDINGS) return false;
    const bool first = !out->reads[v->binding] && !out->writes[v->binding];
    out->floats[v->binding] = block->floats && (first || out->floats[v->binding]);
    out->writes[v->binding] |=
        !(v->non_writable || (block->n_members && block->n_non_writable == block->n_members));
    out->reads[v->binding] |=
        !(v->non_readable || (block->n_members && block->n_non_readable == block->n_members));
    if (v->binding < FM_MAX_BINDINGS && v->binding + 1 > out->n_bindings) out->n_bindings = v->binding + 1;
    return true;
}

static bool instruction(struct id_info *ids, const uint32_t *w, uint32_t length, struct fm_spirv *out) {
    switch (w[0] & 0xffff) {
    case SpvOpDecorate:
        if (w[2] == SpvDecorationSpecId && w[3] >= FM_MAX_SPEC) return false;
        if (w[2] == SpvDecorationSpecId) out->spec_ids |= 1u << w[3];
        decorate(&ids[w[1]], w[2], length > 3 ? w[3] : 0);
        break;
    case SpvOpMemberDecorate: decorate_member(&ids[w[1]], w[3], length > 4 ? w[4] : 0); break;
    case SpvOpTypeFloat: ids[w[1]].floats = w[2] == 32; break;
    case SpvOpTypeVector:
    case SpvOpTypeRuntimeArray: ids[w[1]].floats = ids[w[2]].floats; break;
    case SpvOpTypeStruct:
        ids[w[1]].n_members = length - 2;
        ids[w[1]].floats = length > 2;
        for (uint32_t i = 2; i < length; i++) ids[w[1]].floats &= ids[w[i]].floats;
        break;
    case SpvOpTypePointer: ids[w[1]].storage_class = w[2], ids[w[1]].pointee = w[3]; break;
    case SpvOpVariable: return variable(ids, w[1], w[2], w[3], out);
    }
    return true;
}

bool fm_spirv_reflect(const struct fm_shader *shader, struct fm_spirv *out, struct fathom_error *err) {
    *out = (struct fm_spirv){0};
    if (shader->n_words < 5 || shader->words[0] != SpvMagicNumber)
        return fm_fail(err, FATHOM_INVALID, "shader %s is not SPIR-V", shader->name);
    struct id_info *ids = calloc(shader->words[3], sizeof(*ids));
    if (!ids) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    bool ok = true;
    for (size_t at = 5; ok && at < shader->n_words;) {
        const uint32_t length = shader->words[at] >> 16;
        ok =
            length > 0 && at + length <= shader->n_words && instruction(ids, shader->words + at, length, out);
        at += length;
    }
    free(ids);
    return ok ||
        fm_fail(err, FATHOM_INVALID,
            "shader %s has a malformed interface, or more than %d bindings or %d constants", shader->name,
            FM_MAX_BINDINGS, FM_MAX_SPEC);
}
