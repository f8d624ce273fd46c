// A shader that is trimmed for known constants is a whole module with the same interface, and has only the
// decoders in use.
#include "quant/types.h"
#include "gpu/support.h"
#include <spirv/unified1/spirv.h>

struct module {
    const uint32_t *words;
    size_t n_words;
    uint8_t *kind; // of an id: 'l' a label, 'f' a function, 'd' any other definition
};

static bool makes_third(uint32_t op) { // the trim removes names and decorations of these
    return (op >= SpvOpConstantTrue && op <= SpvOpSpecConstantOp) || op == SpvOpVariable ||
        (op >= SpvOpConvertFToU && op <= SpvOpBitcast) || (op >= SpvOpSNegate && op <= SpvOpFwidthCoarse) ||
        op == SpvOpLoad || op == SpvOpPhi || op == SpvOpExtInst || op == SpvOpAccessChain ||
        op == SpvOpFunctionParameter || op == SpvOpFunctionCall || op == SpvOpCompositeConstruct ||
        op == SpvOpCompositeExtract || op == SpvOpArrayLength;
}

static void find_ids(struct module *m) {
    m->kind = calloc(m->words[3], 1);
    for (size_t i = 5; i < m->n_words; i += m->words[i] >> 16) {
        const uint32_t *w = m->words + i, op = *w & 0xffff;
        assert_true(*w >> 16);
        assert_true(op != SpvOpNop);
        assert_true(op != SpvOpName);
        if (op == SpvOpLabel)
            m->kind[w[1]] = 'l';
        else if (op == SpvOpFunction)
            m->kind[w[2]] = 'f';
        else if (op >= SpvOpTypeVoid && op <= SpvOpTypeFunction)
            m->kind[w[1]] = 'd';
        else if (makes_third(op))
            m->kind[w[2]] = 'd';
    }
}

// The targets of all branches, calls and decorations are there.
static size_t check_module(const uint32_t *words, size_t n_words) {
    struct module m = {words, n_words};
    size_t n_functions = 0;
    find_ids(&m);
    for (size_t i = 5; i < n_words; i += words[i] >> 16) {
        const uint32_t *w = words + i, length = *w >> 16;
        switch (*w & 0xffff) {
        case SpvOpFunction: n_functions++; break;
        case SpvOpBranch:
        case SpvOpSelectionMerge: assert_int_equal(m.kind[w[1]], 'l'); break;
        case SpvOpLoopMerge:
            assert_int_equal(m.kind[w[1]], 'l');
            assert_int_equal(m.kind[w[2]], 'l');
            break;
        case SpvOpBranchConditional:
            assert_int_equal(m.kind[w[2]], 'l');
            assert_int_equal(m.kind[w[3]], 'l');
            break;
        case SpvOpSwitch:
            assert_int_equal(m.kind[w[2]], 'l');
            for (uint32_t j = 4; j < length; j += 2) assert_int_equal(m.kind[w[j]], 'l');
            break;
        case SpvOpPhi:
            for (uint32_t j = 4; j < length; j += 2) assert_int_equal(m.kind[w[j]], 'l');
            break;
        case SpvOpFunctionCall: assert_int_equal(m.kind[w[3]], 'f'); break;
        case SpvOpEntryPoint: assert_int_equal(m.kind[w[2]], 'f'); break;
        case SpvOpDecorate: assert_true(m.kind[w[1]]); break;
        }
    }
    free(m.kind);
    return n_functions;
}

static size_t trimmed(const struct fm_shader *shader, uint32_t type, size_t *n_functions) {
    uint32_t spec[FM_MAX_SPEC], *words;
    size_t n_words;
    struct fathom_error err = {0};
    struct fm_spirv before, after;
    for (int i = 0; i < FM_MAX_SPEC; i++) spec[i] = type;
    assert_true(fm_spirv_trim(shader, spec, FM_MAX_SPEC, &words, &n_words));
    *n_functions = check_module(words, n_words);
    const struct fm_shader left = {shader->name, words, n_words};
    check(fm_spirv_reflect(shader, &before, &err) && fm_spirv_reflect(&left, &after, &err), &err);
    assert_memory_equal(&before, &after, sizeof(before));
    free(words);
    return n_words;
}

static void every_shader_stays_whole(void **state) {
    (void)state;
    size_t n_functions;
    for (size_t i = 0; i < fm_n_shaders; i++)
        for (uint32_t type = 0; type < 40; type++)
            if (fm_type_info(type) && fm_type_info(type)->supported)
                assert_true(trimmed(fm_shaders[i], type, &n_functions) <= fm_shaders[i]->n_words);
}

static void other_decoders_go(void **state) {
    (void)state;
    size_t n_f32, n_q4_k, n_iq3_s, n_all = 0;
    const struct fm_shader *matmul = NULL;
    for (size_t i = 0; i < fm_n_shaders; i++)
        if (!strcmp(fm_shaders[i]->name, "matmul")) matmul = fm_shaders[i];
    assert_non_null(matmul);
    for (size_t i = 5; i < matmul->n_words; i += matmul->words[i] >> 16)
        n_all += (matmul->words[i] & 0xffff) == SpvOpFunction;
    const size_t f32 = trimmed(matmul, FATHOM_F32, &n_f32), q4_k = trimmed(matmul, FATHOM_Q4_K, &n_q4_k),
                 iq3_s = trimmed(matmul, FATHOM_IQ3_S, &n_iq3_s);
    assert_true(f32 < q4_k);
    assert_true(q4_k < iq3_s);
    assert_true(iq3_s < matmul->n_words / 3);
    assert_true(n_f32 < n_q4_k);
    assert_true(n_q4_k < n_iq3_s);
    assert_true(n_iq3_s < n_all / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shader_stays_whole), cmocka_unit_test(other_decoders_go)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
