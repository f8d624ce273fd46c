#include "op/roofline/roofline.h"
#include "op/matmul/columns.h"
#include "op/op.h"
#include "shader_list.h"
#include "shaders/roofline/roofline.h"

enum { LANES = 64, ROUNDS = 2048, CHAINS = 16 };

static const struct fm_variant read_variants[] = {
    {.name = "read", .shader = &fm_shader_roofline},
    {.name = "columns", .shader = &fm_shader_roofline_columns, .needs = FM_COLUMNS_NEEDS, .cpu_only = true, .wants = FM_COLUMNS_WANTS},
};
static const struct fm_variant fma_variant = {.name = "fma", .shader = &fm_shader_roofline_fma};

static void run(struct fathom_stream *stream, const struct fm_variant *variant, struct fathom_view x, uint64_t n_words, struct fathom_view y,
    double flops, double bytes) {
    static const char op[] = "roofline";
    const uint32_t lanes = fm_op_lanes(stream, LANES);
    struct roofline_args args = {.n_words = (uint32_t)n_words};
    struct fathom_view x_bound, y_bound;
    if (!fm_op_bind(stream, op, "x", x, n_words, &x_bound, &args.x_base) || !fm_op_bind(stream, op, "y", y, FM_ROOFLINE_RESULTS, &y_bound, &args.y_base))
        return;
    if (variant == &read_variants[1]) fm_columns_address(x_bound, args.x_address);
    fm_stream_dispatch(stream, &(struct fm_dispatch){
        .op = op, .variant = variant,
        .spec = {lanes, ROUNDS}, .n_spec = variant == &fma_variant ? 2 : 1,
        .views = {x_bound, y_bound}, .n_views = 2,
        .args = &args, .args_size = sizeof(args),
        .groups = {FM_ROOFLINE_RESULTS / lanes, 1, 1},
        .flops = flops, .bytes = bytes,
    });
}

void fm_roofline_read(struct fathom_stream *stream, struct fathom_view x, struct fathom_view y) {
    const size_t n_variants = x.size < 1024 ? 1 : 2; // the second one reads 256 words at once
    const struct fm_variant *variant = fm_variant_pick(fm_stream_gpu(stream), "roofline", read_variants, n_variants, 1);
    run(stream, variant, x, x.size / 4, y, 0, (double)x.size);
}

void fm_roofline_fma(struct fathom_stream *stream, struct fathom_view x, struct fathom_view y) {
    run(stream, &fma_variant, x, 1, y, 2.0 * FM_ROOFLINE_RESULTS * CHAINS * ROUNDS, 0);
}
