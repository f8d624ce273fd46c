// Removes the code that a module's constants switch off: an operator's shader holds the decoders of all
// types, and a pipeline needs one or a few.
//
// A switch on a specialization constant keeps the one case. The constant may also arrive through a function's
// parameter, if every call passes the same constant. Then all blocks, functions, constants, names and
// decorations that nothing reaches are removed. Removed instructions are overwritten with OpNop, one a word;
// the last step deletes the OpNops.
#include "gpu/spirv.h"
#include <spirv/unified1/spirv.h>
#include <stdlib.h>
#include <string.h>

enum { NOP = 1 << 16 | SpvOpNop };

struct id {
    enum { UNKNOWN, CONSTANT, VARYING } known; // UNKNOWN: a parameter, before any call was seen
    uint32_t value;                            // CONSTANT
    uint32_t spec;                             // constant_id + 1
    uint32_t *def;                             // the instruction that defines the id
    uint32_t n_params;                         // of a function; they follow its def
    // Of a label: the header of the loop that this block continues, or 0
    uint32_t header;
    // Of a label: reached; named by a merge instruction. Of a function: live.
    bool live, merge;
    bool used; // of a constant
};

struct trim {
    const uint32_t *spec;
    uint32_t n_spec, n_ids;
    struct id *ids;
    uint32_t *words, *end, *functions; // the module, its end, its first OpFunction
};

static uint32_t op_of(const uint32_t *w) {
    return *w & 0xffff;
}
static uint32_t length_of(const uint32_t *w) {
    return *w >> 16;
}
static uint32_t *next(uint32_t *w) {
    return w + length_of(w);
}

static void erase(uint32_t *from, uint32_t *to) {
    while (from < to) *from++ = NOP;
}

static bool ends_block(uint32_t op) {
    return (op >= SpvOpBranch && op <= SpvOpUnreachable) || op == SpvOpTerminateInvocation;
}

// The id that an instruction defines, or 0. Stores and similar instructions name only existing ids.
static uint32_t result_of(const uint32_t *w) {
    const uint32_t op = op_of(w);
    if (op == SpvOpLabel || (op >= SpvOpTypeVoid && op <= SpvOpTypeFunction) || op == SpvOpExtInstImport ||
        op == SpvOpString)
        return w[1];
    return length_of(w) > 2 && !ends_block(op) && op != SpvOpLoopMerge && op != SpvOpSelectionMerge ? w[2]
                                                                                                    : 0;
}

static void scan_instruction(struct trim *t, uint32_t *w, struct id **function) {
    struct id *result = &t->ids[result_of(w)];
    if (!result->def) result->def = w;
    switch (op_of(w)) {
    case SpvOpConstant:
    case SpvOpSpecConstant:
        if (length_of(w) != 4) break; // 64 bits
        result->known = CONSTANT;
        result->value = result->spec && result->spec <= t->n_spec ? t->spec[result->spec - 1] : w[3];
        return;
    case SpvOpFunction:
        *function = result;
        if (!t->functions) t->functions = w;
        break;
    case SpvOpFunctionParameter: (*function)->n_params++; return;
    }
    if (result->def == w) result->known = VARYING;
}

// Words of annotations (names and decorations) define nothing.
static bool is_annotation(uint32_t op) {
    return (op >= SpvOpSource && op <= SpvOpLine) || op == SpvOpTypeForwardPointer ||
        (op >= SpvOpDecorate && op <= SpvOpGroupMemberDecorate) || op == SpvOpDecorateId ||
        op == SpvOpEntryPoint || op == SpvOpExecutionMode || op == SpvOpCapability || op == SpvOpExtension ||
        op == SpvOpMemoryModel;
}

static void scan(struct trim *t) {
    struct id nowhere = {0}, *function = &nowhere;
    for (uint32_t *w = t->words + 5; w < t->end; w = next(w)) {
        if (op_of(w) == SpvOpDecorate && w[2] == SpvDecorationSpecId) t->ids[w[1]].spec = w[3] + 1;
        if (!is_annotation(op_of(w))) scan_instruction(t, w, &function);
    }
    if (!t->functions) t->functions = t->end;
}

// Passes the arguments of a call on to the parameters. Returns true if a parameter changed.
static bool pass_arguments(struct trim *t, const uint32_t *call) {
    const struct id *callee = &t->ids[call[3]];
    bool changed = false;
    uint32_t *param = next(callee->def);
    for (uint32_t i = 0; i < callee->n_params && i + 4 < length_of(call); i++, param = next(param)) {
        const struct id *given = &t->ids[call[4 + i]];
        struct id *p = &t->ids[param[2]];
        if (given->known == UNKNOWN || p->known == VARYING) continue;
        const bool first = p->known == UNKNOWN, same = given->known == CONSTANT && given->value == p->value;
        if (!first && same) continue;
        p->known = first ? given->known : VARYING;
        p->value = given->value;
        changed = true;
    }
    return changed;
}

static void propagate(struct trim *t) {
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t *w = t->functions; w < t->end; w = next(w))
            if (op_of(w) == SpvOpFunctionCall) changed |= pass_arguments(t, w);
    }
}

// Reduces each switch on a known value to the one case, as its default.
static void fold_switches(struct trim *t) {
    for (uint32_t *w = t->functions; w < t->end; w = next(w)) {
        if (op_of(w) != SpvOpSwitch || t->ids[w[1]].known != CONSTANT) continue;
        uint32_t *end = next(w);
        for (uint32_t *pair = w + 3; pair < end; pair += 2)
            if (pair[0] == t->ids[w[1]].value) w[2] = pair[1];
        *w = 3u << 16 | SpvOpSwitch;
        erase(w + 3, end);
    }
}

static bool reach(struct trim *t, uint32_t label) {
    const bool news = !t->ids[label].live;
    t->ids[label].live = true;
    return news;
}

// Marks the blocks that the end of a live block leads to. Returns true if one of them is new.
static bool leave_block(struct trim *t, const uint32_t *w) {
    bool news = false;
    switch (op_of(w)) {
    case SpvOpBranch: return reach(t, w[1]);
    case SpvOpBranchConditional: return reach(t, w[2]) | reach(t, w[3]);
    case SpvOpSwitch:
        news = reach(t, w[2]);
        for (uint32_t i = 4; i < length_of(w); i += 2) news |= reach(t, w[i]);
    }
    return news;
}

// One round over all live functions. Returns true if the round found anything new.
static bool visit(struct trim *t) {
    bool news = false, live_function = false, live = false;
    uint32_t block = 0;
    for (uint32_t *w = t->functions; w < t->end; w = next(w)) {
        switch (op_of(w)) {
        case SpvOpFunction: live_function = t->ids[w[2]].live, block = 0; break;
        case SpvOpLabel:
            if (!block && live_function) t->ids[w[1]].live = true; // the function's entry
            block = w[1];
            live = live_function && t->ids[block].live;
            break;
        case SpvOpFunctionCall: news |= live && reach(t, w[3]); break;
        case SpvOpSelectionMerge:
        case SpvOpLoopMerge:
            if (live) t->ids[w[1]].merge = true;
            if (live && op_of(w) == SpvOpLoopMerge) t->ids[w[2]].merge = true, t->ids[w[2]].header = block;
            break;
        default: news |= live && leave_block(t, w);
        }
    }
    return news;
}

// Replaces a switch of one case by a branch, unless a break out of the switch needs the construct.
static void straighten(struct trim *t) {
    for (uint32_t *w = t->functions, *last = w; w < t->end; last = w, w = next(w)) {
        if (op_of(w) != SpvOpSwitch || length_of(w) != 3 || op_of(last) != SpvOpSelectionMerge ||
            t->ids[last[1]].live)
            continue;
        const uint32_t target = w[2];
        t->ids[last[1]].merge = false;
        erase(last, next(w));
        w[1] = 2u << 16 | SpvOpBranch;
        w[2] = target;
        w++;
    }
}

// Empties a block that nothing reaches, but that a merge instruction still names.
static void hollow_out(const struct id *label, uint32_t *body, uint32_t *end) {
    erase(body, end);
    if (label->header) {
        body[0] = 2u << 16 | SpvOpBranch;
        body[1] = label->header;
    } else {
        body[0] = 1u << 16 | SpvOpUnreachable;
    }
}

// Is there an edge from one block to another? A live block may have lost its edge when its switch was
// reduced.
static bool leads_to(const struct trim *t, uint32_t from, uint32_t to) {
    const uint32_t *w = t->ids[from].def;
    while (!ends_block(op_of(w))) w += length_of(w);
    switch (op_of(w)) {
    case SpvOpBranch: return w[1] == to;
    case SpvOpBranchConditional: return w[2] == to || w[3] == to;
    case SpvOpSwitch:
        for (uint32_t i = 4; i < length_of(w); i += 2)
            if (w[i] == to) return true;
        return w[2] == to;
    default: return false;
    }
}

static void shorten_phi(const struct trim *t, uint32_t *w, uint32_t block) {
    uint32_t n = 3;
    for (uint32_t i = 3; i + 1 < length_of(w); i += 2) {
        if (!t->ids[w[i + 1]].live || !leads_to(t, w[i + 1], block)) continue;
        w[n] = w[i];
        w[n + 1] = w[i + 1];
        n += 2;
    }
    uint32_t *end = next(w);
    *w = n << 16 | SpvOpPhi;
    erase(w + n, end);
}

static void erase_dead_code(struct trim *t) {
    bool live_function = false;
    uint32_t block = 0;
    for (uint32_t *w = t->functions, *after; w < t->end; w = after) {
        after = next(w);
        if (op_of(w) == SpvOpFunction) live_function = t->ids[w[2]].live;
        if (op_of(w) == SpvOpLabel) block = w[1];
        const struct id *label = op_of(w) == SpvOpLabel ? &t->ids[w[1]] : NULL;
        if (label && live_function && !label->live) {
            uint32_t *body = after;
            while (!ends_block(op_of(after))) after = next(after);
            after = next(after);
            if (label->merge)
                hollow_out(label, body, after);
            else
                erase(w, after);
        } else if (!live_function) {
            erase(w, after);
        } else if (op_of(w) == SpvOpPhi) {
            shorten_phi(t, w, block);
        }
    }
}

// Marks the constants that an instruction uses. Every word that could be a constant's id counts as a use. One
// word in a hundred is a literal, and keeps a constant without need.
static void use(struct trim *t, const uint32_t *w) {
    for (uint32_t i = 1; i < length_of(w); i++)
        if (w[i] < t->n_ids && t->ids[w[i]].def != w) t->ids[w[i]].used = true;
}

// Erases unused constants, most of all large tables.
static bool erase_dead_constants(struct trim *t) {
    for (uint32_t *w = t->functions; w < t->end; w = next(w)) use(t, w);
    size_t n = 0;
    uint32_t **globals = malloc((size_t)(t->functions - t->words) * sizeof(*globals));
    if (!globals) return false;
    for (uint32_t *w = t->words + 5; w < t->functions; w = next(w)) globals[n++] = w;
    while (n--) { // last first, because the parts of a composite come before it
        uint32_t *w = globals[n];
        const bool constant = op_of(w) == SpvOpConstant || op_of(w) == SpvOpConstantComposite;
        if (constant && !t->ids[w[2]].used)
            erase(w, next(w));
        else if (!is_annotation(op_of(w)))
            use(t, w);
    }
    free(globals);
    return true;
}

// Erases the annotations of removed ids, and all names.
static void erase_annotations(struct trim *t) {
    for (uint32_t *w = t->words + 5; w < t->functions; w = next(w)) {
        const uint32_t op = op_of(w), *def = op == SpvOpDecorate ? t->ids[w[1]].def : NULL;
        if (op == SpvOpName || op == SpvOpMemberName || (def && *def == NOP)) erase(w, next(w));
    }
}

static size_t close_gaps(struct trim *t) {
    uint32_t *to = t->words + 5;
    for (uint32_t *w = t->words + 5, *after; w < t->end; w = after) {
        after = next(w);
        if (op_of(w) == SpvOpNop) continue;
        memmove(to, w, (size_t)(after - w) * sizeof(*w));
        to += after - w;
    }
    return (size_t)(to - t->words);
}

bool fm_spirv_trim(const struct fm_shader *shader, const uint32_t *spec, uint32_t n_spec, uint32_t **words,
    size_t *n_words) {
    struct trim t = {.spec = spec, .n_spec = n_spec, .n_ids = shader->words[3]};
    t.words = malloc(shader->n_words * sizeof(*t.words));
    t.ids = calloc(t.n_ids, sizeof(*t.ids));
    bool ok = t.words && t.ids;
    if (ok) {
        memcpy(t.words, shader->words, shader->n_words * sizeof(*t.words));
        t.end = t.words + shader->n_words;
        scan(&t);
        propagate(&t);
        fold_switches(&t);
        for (uint32_t *w = t.words + 5; w < t.functions; w = next(w))
            if (op_of(w) == SpvOpEntryPoint) t.ids[w[2]].live = true;
        while (visit(&t)) {}
        straighten(&t);
        erase_dead_code(&t);
        ok = erase_dead_constants(&t);
        erase_annotations(&t);
        *n_words = close_gaps(&t);
        *words = t.words;
    }
    free(t.ids);
    if (!ok) free(t.words);
    return ok;
}
