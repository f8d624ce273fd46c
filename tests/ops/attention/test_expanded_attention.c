#include "ops/cache_rows.h"
#include <math.h>
#include <stdio.h>

static const struct attention_case {
    enum fathom_type cache, type; // of the cache; of the weights
    uint32_t n_tokens, n_heads, kv_rank, n_nope, n_rope, n_v, position;
    float spread; // of the queries
} cases[] = {
    {FATHOM_F32, FATHOM_F32, 1, 1, 4, 4, 4, 4, 0, 1},
    {FATHOM_F16, FATHOM_F32, 7, 3, 36, 20, 8, 12, 0, 1},
    {FATHOM_F32, FATHOM_F16, 33, 4, 64, 32, 16, 32, 31, 1},
    {FATHOM_F16, FATHOM_Q8_0, 64, 4, 64, 32, 16, 32, 0, 1},
    {FATHOM_Q8_0, FATHOM_F16, 37, 3, 64, 32, 32, 32, 40, 1},
    {FATHOM_F32, FATHOM_Q4_0, 16, 2, 64, 64, 16, 68, 500, 1},
    {FATHOM_F32, FATHOM_BF16, 64, 2, 64, 32, 16, 32, 480, 1},
    {FATHOM_F32, FATHOM_F32, 65, 2, 64, 32, 16, 32, 1000, 1},
    {FATHOM_F16, FATHOM_Q8_0, 100, 2, 64, 32, 16, 160, 470, 1},
    {FATHOM_F32, FATHOM_F32, 40, 2, 64, 32, 16, 32, 600, 30},
    {FATHOM_F32, FATHOM_F8_E4M3, 33, 2, 160, 96, 16, 32, 0, 1},
    {FATHOM_F16, FATHOM_Q8_0, 33, 2, 512, 128, 64, 128, 512, 1},
    {FATHOM_F32, FATHOM_F32, 600, 1, 64, 32, 16, 32, 0, 1},
    {FATHOM_F16, FATHOM_Q8_0, 130, 1, 96, 128, 64, 128, 1100, 4},
    {FATHOM_F16, FATHOM_Q8_0, 33, 2, 512, 192, 64, 256, 512, 1}, // GLM-4.7-Flash: values wider than keys
    // for --bench
    {FATHOM_F16, FATHOM_Q8_0, 64, 16, 512, 128, 64, 128, 0, 1},
    {FATHOM_F16, FATHOM_Q8_0, 256, 16, 512, 128, 64, 128, 0, 1},
    {FATHOM_F16, FATHOM_Q8_0, 64, 16, 512, 128, 64, 128, 448, 1},
};
enum { N_BENCH = 3 };

static const char *name(size_t i, char *buffer, size_t size) {
    const struct attention_case *c = &cases[i];
    snprintf(buffer, size, "cache %d, weights %d, %u tokens at %u, %u heads, %u -> %u + %u, %u, spread %g",
        (int)c->cache, (int)c->type, c->n_tokens, c->position, c->n_heads, c->kv_rank, c->n_nope, c->n_rope,
        c->n_v, (double)c->spread);
    return buffer;
}

struct inputs {
    const float *q, *rows, *k_b, *v_b; // weights de-quantised
    float scale;
    double rounding; // of four factors: two of the expansion, two of the product
    double *absorbed, *magnitude, *s, *error, *mean, *doubt; // room for one token and head
};

// One token and head at position n - 1, in the absorbed form, which must give the same result.
static void reference(const struct attention_case *c, const struct inputs *in, uint32_t t, uint32_t h,
    double *want, double *bound) {
    const uint32_t n = c->position + t + 1, width = c->kv_rank + c->n_rope;
    const float *q = in->q + ((size_t)t * c->n_heads + h) * (c->n_nope + c->n_rope);
    const float *k_b = in->k_b + (size_t)h * c->kv_rank * c->n_nope,
                *v_b = in->v_b + (size_t)h * c->n_v * c->kv_rank;
    for (uint32_t r = 0; r < width; r++) {
        const bool rotary = r >= c->kv_rank;
        in->absorbed[r] = rotary ? (double)q[c->n_nope + r - c->kv_rank] : 0;
        in->magnitude[r] = fabs(in->absorbed[r]);
        for (uint32_t i = 0; i < c->n_nope && !rotary; i++) {
            const double v = (double)q[i] * k_b[(size_t)r * c->n_nope + i];
            in->absorbed[r] += v;
            in->magnitude[r] += fabs(v);
        }
    }
    double m = -INFINITY, low = INFINITY, l = 0, doubt = 0;
    for (uint32_t j = 0; j < n; j++) {
        double dot = 0, magnitude = 0;
        for (uint32_t r = 0; r < width; r++) {
            dot += in->absorbed[r] * in->rows[(size_t)j * width + r];
            magnitude += in->magnitude[r] * fabs((double)in->rows[(size_t)j * width + r]);
        }
        in->s[j] = (double)in->scale * dot;
        in->error[j] = (double)in->scale * magnitude * ((width + c->n_nope + 4) * 0x1p-24 + in->rounding);
        m = fmax(m, in->s[j]);
        low = fmin(low, in->s[j]);
    }
    for (uint32_t j = 0; j < n; j++) {
        // Vulkan allows exp an error of 3 + 2 |x| units; another exp scales each tile of 16 or more keys
        in->error[j] += (3 * (2 + n / 16) + 4 * (m - low)) * 0x1p-23;
        in->s[j] = exp(in->s[j] - m);
        l += in->s[j];
    }
    for (uint32_t j = 0; j < n; j++) doubt += in->s[j] / l * in->error[j];
    for (uint32_t r = 0; r < c->kv_rank; r++) {
        in->mean[r] = in->doubt[r] = 0;
        for (uint32_t j = 0; j < n; j++) {
            const double v = in->s[j] / l * in->rows[(size_t)j * width + r];
            in->mean[r] += v;
            in->doubt[r] +=
                fabs(v) * (2 * in->error[j] + 2 * doubt + (n + c->kv_rank + 16) * 0x1p-24 + in->rounding);
        }
    }
    for (uint32_t i = 0; i < c->n_v; i++) {
        want[i] = 0;
        bound[i] = 0x1p-120;
        for (uint32_t r = 0; r < c->kv_rank; r++) {
            want[i] += in->mean[r] * v_b[(size_t)i * c->kv_rank + r];
            bound[i] += in->doubt[r] * fabs((double)v_b[(size_t)i * c->kv_rank + r]);
        }
    }
}

static const float *decoded(
    struct op_test *test, enum fathom_type type, const uint8_t *bytes, size_t n_rows, uint32_t n_cols) {
    float *out = op_alloc(test, n_rows * n_cols * sizeof(*out));
    for (size_t r = 0; r < n_rows; r++)
        exact_row(type, bytes + r * fathom_row_size(type, n_cols), n_cols, out + r * n_cols);
    return out;
}

// The same weight, with its heads in two slices.
static const struct fathom_weight *in_two(struct op_test *test, const struct fathom_weight *w) {
    struct fathom_weight *cut = op_alloc(test, sizeof(*cut));
    const uint32_t first = w->n_mats / 2 * w->n_rows;
    const uint64_t bytes = first * fathom_row_size(w->type, w->n_cols);
    *cut = *w;
    cut->n_slices = 2;
    cut->slices = op_alloc(test, 2 * sizeof(*cut->slices));
    for (int i = 0; i < 2; i++) cut->slices[i] = w->slices[0];
    cut->slices[0].n_rows = cut->slices[1].first_row = first;
    cut->slices[1].n_rows -= first;
    cut->slices[0].view.size = bytes;
    cut->slices[1].view.offset += bytes;
    cut->slices[1].view.size -= bytes;
    return cut;
}

static void run(struct op_test *test, size_t index) {
    const struct attention_case *c = &cases[index];
    const uint32_t width = c->n_nope + c->n_rope, n_positions = c->position + c->n_tokens;
    const size_t n_q = (size_t)c->n_tokens * c->n_heads * width,
                 n_out = (size_t)c->n_tokens * c->n_heads * c->n_v;
    const uint8_t *k_bytes, *v_bytes;
    const struct fathom_weight *k_b =
        op_weight(test, c->type, c->n_heads, c->kv_rank, c->n_nope, 2 / sqrtf((float)c->kv_rank), &k_bytes);
    const struct fathom_weight *v_b =
        op_weight(test, c->type, c->n_heads, c->n_v, c->kv_rank, 2 / sqrtf((float)c->kv_rank), &v_bytes);
    const struct cache_rows rows =
        cache_rows(test, c->cache, n_positions, n_positions, c->kv_rank + c->n_rope);
    struct inputs in = {
        .q = op_random_floats(test, n_q, -2 * c->spread, 2 * c->spread),
        .rows = rows.rows,
        .scale = 2 / sqrtf((float)width),
        .rounding = 2 * test->rounding,
        .k_b = decoded(test, c->type, k_bytes, (size_t)c->n_heads * c->kv_rank, c->n_nope),
        .v_b = decoded(test, c->type, v_bytes, (size_t)c->n_heads * c->n_v, c->kv_rank),
    };
    double **const room[] = {&in.absorbed, &in.magnitude, &in.s, &in.error, &in.mean, &in.doubt};
    for (size_t i = 0; i < sizeof(room) / sizeof(room[0]); i++)
        *room[i] = op_alloc(test, ((size_t)n_positions + c->kv_rank + c->n_rope) * sizeof(double));
    test->offset_words = index % 2 ? 1 : 4;
    const uint64_t scratch =
        fathom_expanded_attention_scratch(c->n_tokens, c->n_heads, c->n_nope, c->n_rope, c->n_v);
    const struct fathom_expanded_attention_params whole = {
        .size = sizeof(whole),
        .k_b = k_b,
        .v_b = v_b,
        .q = op_input(test, in.q, n_q),
        .out = op_output(test, n_out),
        .position = op_input(test, &c->position, 1),
        .cache = latent_cache(&rows, c->cache, c->kv_rank, c->n_rope),
        .scratch = op_output(test, (size_t)scratch / 4),
        .n_tokens = c->n_tokens,
        .n_heads = c->n_heads,
        .n_nope = c->n_nope,
        .n_v = c->n_v,
        .n_positions = n_positions,
        .scale = in.scale,
    };
    if (index == 0) { // refused calls
        struct fathom_expanded_attention_params bad = whole;
        bad.scratch.size -= 4;
        fathom_expanded_attention(test->stream, &bad);
        op_run_refused(test, "scratch has");
        bad = whole;
        bad.n_v = 8;
        fathom_expanded_attention(test->stream, &bad);
        op_run_refused(test, "v_b is");
    }
    struct fathom_expanded_attention_params params = whole;
    if (c->type == FATHOM_F16) { // heads are multiples of 256 bytes, so a slice may start at a head
        params.k_b = in_two(test, k_b);
        params.v_b = in_two(test, v_b);
    }
    fathom_expanded_attention(test->stream, &params);
    op_run(test, true);

    const float *got = op_result(test, params.out);
    double *want = op_alloc(test, c->n_v * sizeof(*want)), *bound = op_alloc(test, c->n_v * sizeof(*bound));
    for (uint32_t t = 0; t < c->n_tokens && !test->compile_only; t++)
        for (uint32_t h = 0; h < c->n_heads; h++) {
            reference(c, &in, t, h, want, bound);
            op_check(test, "out", got + ((size_t)t * c->n_heads + h) * c->n_v, want, bound, c->n_v);
        }
    op_result(test, params.scratch);
}

int main(int argc, char **argv) {
    return op_test_main(argc, argv,
        &(struct op_suite){
            .op = "expanded_attention",
            .n_cases = sizeof(cases) / sizeof(cases[0]) - N_BENCH,
            .n_bench_cases = N_BENCH,
            .name = name,
            .run = run,
        });
}
