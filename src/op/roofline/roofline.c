#include "op/roofline/roofline.h"
#include "op/matmul/columns.h"
#include "op/op.h"
#include "shader_list.h"
#include "shaders/roofline/roofline.h"

enum { LANES = 64, ROUNDS = 2048, CHAINS = 16 };

static struct fm_shape shape_read(const void *info) {
    const uint32_t lanes = fm_op_lanes(info, LANES);
    return (struct fm_shape){.rows = lanes, .constants = {{"local_size_x", lanes}}};
}

static struct fm_shape shape_fma(const void *info) {
    const uint32_t lanes = fm_op_lanes(info, LANES);
    return (struct fm_shape){.rows = lanes, .constants = {{"local_size_x", lanes}, {"ROUNDS", ROUNDS}}};
}

static const struct fm_variant read_variants[] = {
    {.name = "read", .shader = &fm_shader_roofline, .shape = shape_read},
    {
        .name = "columns",
        .shader = &fm_shader_roofline_columns,
        .needs = FM_COLUMNS_NEEDS,
        .takes = FM_CALL_UNITS,
        .does = FM_DOES_ADDRESS,
        .cpu_only = true,
        .wants = FM_COLUMNS_WANTS,
        .shape = shape_read,
    },
};
static const struct fm_variant fma_variant = {
    .name = "fma",
    .shader = &fm_shader_roofline_fma,
    .shape = shape_fma,
};

static void run(struct fathom_stream *stream, const struct fm_variant *variant, struct fathom_view x,
    uint64_t n_words, struct fathom_view y, double flops, double bytes) {
    static const char op[] = "roofline";
    const struct fm_shape shape = fm_variant_shape(variant, fathom_gpu_get_info(fm_stream_gpu(stream)));
    struct roofline_args args = {.n_words = (uint32_t)n_words};
    struct fathom_view x_bound, y_bound;
    if (!fm_op_bind(stream, op, "x", x, n_words, &x_bound, &args.x_base) ||
        !fm_op_bind(stream, op, "y", y, FM_ROOFLINE_RESULTS, &y_bound, &args.y_base))
        return;
    if (variant->does & FM_DOES_ADDRESS) fm_columns_address(x_bound, args.x_address);
    struct fm_dispatch dispatch = {
        .op = op,
        .variant = variant,
        .views = {x_bound, y_bound},
        .n_views = 2,
        .args = &args,
        .args_size = sizeof(args),
        .groups = {FM_ROOFLINE_RESULTS / shape.rows, 1, 1},
        .flops = flops,
        .bytes = bytes,
    };
    fm_dispatch_add(&dispatch, shape.constants);
    fm_stream_dispatch(stream, &dispatch);
}

void fm_roofline_read(struct fathom_stream *stream, struct fathom_view x, struct fathom_view y) {
    const uint32_t is = x.size < 1024 ? 0 : FM_CALL_UNITS; // units of 256 words
    const struct fm_variant *variant =
        fm_variant_pick(fm_stream_gpu(stream), "roofline", read_variants, 2, is, 1);
    run(stream, variant, x, x.size / 4, y, 0, (double)x.size);
}

void fm_roofline_fma(struct fathom_stream *stream, struct fathom_view x, struct fathom_view y) {
    run(stream, &fma_variant, x, 1, y, 2.0 * FM_ROOFLINE_RESULTS * CHAINS * ROUNDS, 0);
}
