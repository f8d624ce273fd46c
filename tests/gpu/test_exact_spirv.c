// Checks exact mode: the SPIR-V of every plain shader consists of operations that all devices round alike,
// and forbids contraction of each addition, subtraction and multiplication.
#include "gpu/support.h"
#include "op/op.h"
#include <spirv/unified1/GLSL.std.450.h>
#include <spirv/unified1/spirv.h>

static const uint32_t inexact_words[] = {
#include "inexact.inc"
};

// The extended instructions with one right answer.
static bool is_exact_extended(uint32_t number) {
    static const uint32_t exact[] = {GLSLstd450FAbs, GLSLstd450SAbs, GLSLstd450FSign, GLSLstd450SSign,
        GLSLstd450Floor, GLSLstd450Ceil, GLSLstd450Trunc, GLSLstd450RoundEven, GLSLstd450FMin, GLSLstd450UMin,
        GLSLstd450SMin, GLSLstd450FMax, GLSLstd450UMax, GLSLstd450SMax, GLSLstd450FClamp, GLSLstd450UClamp,
        GLSLstd450SClamp, GLSLstd450FindILsb, GLSLstd450FindSMsb, GLSLstd450FindUMsb, GLSLstd450NMin,
        GLSLstd450NMax, GLSLstd450NClamp};
    for (size_t i = 0; i < sizeof(exact) / sizeof(*exact); i++)
        if (exact[i] == number) return true;
    return false;
}

static bool is_forbidden(uint32_t op) {
    switch (op) {
    case SpvOpFDiv:
    case SpvOpFRem:
    case SpvOpFMod:
    case SpvOpMatrixTimesScalar:
    case SpvOpVectorTimesMatrix:
    case SpvOpMatrixTimesVector:
    case SpvOpMatrixTimesMatrix:
    case SpvOpOuterProduct:
    case SpvOpDot:
    case SpvOpQuantizeToF16:
    case SpvOpFConvert:
    case SpvOpAtomicFAddEXT: return true;
    }
    return op >= SpvOpGroupNonUniformElect &&
        op <= SpvOpGroupNonUniformQuadSwap; // any kind: results would depend on the subgroup's size
}

// Writes each breach of the rules to `report` as "name number". Returns the number of breaches.
static int breaches(const uint32_t *words, size_t n_words, char *report, size_t size) {
    bool *kept = calloc(words[3], 1); // ids that are decorated with NoContraction
    uint32_t glsl = 0;
    int n = 0;
    size_t at = 0;
    report[0] = 0;
    for (size_t i = 5; i < n_words; i += words[i] >> 16) {
        const uint32_t op = words[i] & 0xffff;
        const char *breach = NULL;
        assert_true(words[i] >> 16);
        if (op == SpvOpExtInstImport) glsl = words[i + 1];
        if (op == SpvOpDecorate && words[i + 2] == SpvDecorationNoContraction) kept[words[i + 1]] = true;
        if (is_forbidden(op)) breach = "opcode";
        if (op == SpvOpExtInst && (words[i + 3] != glsl || !is_exact_extended(words[i + 4])))
            breach = "extended";
        const bool contracts =
            op == SpvOpFAdd || op == SpvOpFSub || op == SpvOpFMul || op == SpvOpVectorTimesScalar;
        if (contracts && !kept[words[i + 2]]) breach = "contraction";
        if (!breach) continue;
        n++;
        if (at < size)
            at += (size_t)snprintf(
                report + at, size - at, "%s %u, ", breach, op == SpvOpExtInst ? words[i + 4] : op);
    }
    free(kept);
    return n;
}

// A shader is a variant if its name is another shader's name with a suffix.
static bool is_plain(const struct fm_shader *shader) {
    for (size_t i = 0; i < fm_n_shaders; i++) {
        const size_t n = strlen(fm_shaders[i]->name);
        if (!strncmp(shader->name, fm_shaders[i]->name, n) && shader->name[n] == '_') return false;
    }
    return true;
}

static void test_plain_shaders(void **state) {
    (void)state;
    int n_plain = 0, n_bad = 0;
    char report[512];
    for (size_t i = 0; i < fm_n_shaders; i++) {
        if (!is_plain(fm_shaders[i])) continue;
        n_plain++;
        const int n = breaches(fm_shaders[i]->words, fm_shaders[i]->n_words, report, sizeof(report));
        if (n) print_error("%s: %d breaches: %s\n", fm_shaders[i]->name, n, report);
        n_bad += n > 0;
    }
    print_message("%d plain shaders of %zu\n", n_plain, fm_n_shaders);
    assert_true(n_plain >= 11);
    assert_int_equal(n_bad, 0);
}

static void test_first_variants_are_plain(void **state) {
    (void)state;
    for (size_t i = 0; i < fm_n_ops; i++) {
        assert_string_equal(fm_ops[i]->variants[0].name, "plain");
        assert_int_equal(fm_ops[i]->variants[0].needs, 0);
        assert_int_equal(fm_ops[i]->variants[0].takes, 0);
        if (!is_plain(fm_ops[i]->variants[0].shader)) fail_msg("%s", fm_ops[i]->variants[0].shader->name);
    }
}

// The check sees each breach in inexact.comp, and accepts its one precise product.
static void test_the_check(void **state) {
    (void)state;
    char report[512];
    const int n = breaches(inexact_words, sizeof(inexact_words) / 4, report, sizeof(report));
    if (n != 5) fail_msg("%d: %s", n, report);
    const uint32_t wanted[] = {SpvOpFDiv, SpvOpDot};
    const uint32_t extended[] = {GLSLstd450Sqrt, GLSLstd450UnpackHalf2x16};
    char part[32];
    for (int i = 0; i < 2; i++) {
        snprintf(part, sizeof(part), "opcode %u,", wanted[i]);
        assert_non_null(strstr(report, part));
        snprintf(part, sizeof(part), "extended %u,", extended[i]);
        assert_non_null(strstr(report, part));
    }
    snprintf(part, sizeof(part), "contraction %u,", (uint32_t)SpvOpFAdd);
    assert_non_null(strstr(report, part));
}

// What the stream reads out of the SPIR-V of a known shader.
static void test_reflection(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fm_spirv s;
    check(fm_spirv_reflect(&affine_shader, &s, &err), &err);
    assert_int_equal(s.n_bindings, 2);
    assert_true(s.reads[0]);
    assert_false(s.writes[0]);
    assert_false(s.reads[1]);
    assert_true(s.writes[1]);
    assert_int_equal(s.args_size, sizeof(struct affine_args));
    assert_int_equal(s.spec_ids, 1);
    for (size_t i = 0; i < fm_n_shaders; i++) { // each shader reads something and writes something
        bool reads = false, writes = false;
        check(fm_spirv_reflect(fm_shaders[i], &s, &err), &err);
        for (uint32_t b = 0; b < s.n_bindings; b++) reads |= s.reads[b], writes |= s.writes[b];
        assert_true(reads);
        assert_true(writes);
        assert_true(s.args_size <= FM_MAX_ARGS);
    }
}

// The name that OpName gives to the constant with this constant_id; NULL: none, as in optimized modules.
static const char *spirv_name(const struct fm_shader *shader, uint32_t constant_id) {
    uint32_t id = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t at = 5; at < shader->n_words; at += shader->words[at] >> 16) {
            const uint32_t *w = shader->words + at, op = w[0] & 0xffff;
            if (pass == 1 && op == SpvOpName && w[1] == id) return (const char *)(w + 2);
            if (pass == 0 && op == SpvOpDecorate && w[2] == SpvDecorationSpecId && w[3] == constant_id && !id)
                id = w[1];
        }
    return NULL;
}

// Every constant of a module has the name that its GLSL declares; no two constants have the same name.
static void test_constants(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fm_spirv s;
    int n_constants = 0, n_named = 0;
    for (size_t i = 0; i < fm_n_shaders; i++) {
        const struct fm_shader *shader = fm_shaders[i];
        check(fm_spirv_reflect(shader, &s, &err), &err);
        uint32_t ids = 0;
        for (const struct fm_shader_constant *c = shader->constants; c->name; c++) {
            if (c->id >= FM_MAX_SPEC)
                fail_msg("%s: %s is constant %u, at most %d", shader->name, c->name, c->id, FM_MAX_SPEC - 1);
            for (const struct fm_shader_constant *d = shader->constants; d < c; d++)
                if (!strcmp(c->name, d->name))
                    fail_msg("%s: %s is constant %u and %u", shader->name, c->name, d->id, c->id);
            ids |= 1u << c->id;
            n_constants++;
            const char *name = spirv_name(shader, c->id);
            if (!name || !strcmp(c->name, "local_size_x")) continue;
            if (strcmp(name, c->name))
                fail_msg("%s: constant %u is %s, %s in its SPIR-V", shader->name, c->id, c->name, name);
            n_named++;
        }
        if (s.spec_ids & ~ids)
            fail_msg("%s: constants 0x%x of 0x%x have no name", shader->name, s.spec_ids & ~ids, s.spec_ids);
    }
    print_message("%d constants, %d of them named in SPIR-V\n", n_constants, n_named);
    assert_true(n_named > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_shaders),
        cmocka_unit_test(test_constants),
        cmocka_unit_test(test_first_variants_are_plain),
        cmocka_unit_test(test_the_check),
        cmocka_unit_test(test_reflection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
