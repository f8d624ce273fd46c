// Chooses the next token on the device, and advances the step block to that token.
#include "op/op.h"
#include "shader_list.h"
#include "shaders/small/sample.h"

static const struct fm_variant variants[] = {
    {.name = "plain", .shader = &fm_shader_sample},
    // the same tokens, from fewer walks over the vocabulary
    {.name = "list", .shader = &fm_shader_sample_list},
};
const struct fm_op fm_op_sample = {"sample", variants, sizeof(variants) / sizeof(variants[0])};

void fathom_sample(struct fathom_stream *stream, const struct fathom_sample_params *params) {
    static const char op[] = "sample";
    if (!(params = FM_OP_PARAMS(stream, op, fathom_sample_params, params))) return;
    const uint32_t n_vocab = params->n_vocab;
    struct fathom_view logits, step, seen, ring, drafts = {0};
    struct sample_args args = {
        .n_vocab = n_vocab,
        .n_ring = params->n_ring,
        .n_rows = fm_op_default(params->n_rows, 1),
        .not_finite = params->guess ? 0 : FATHOM_NOT_FINITE,
        .forbidden = params->forbids ? 0xff800000u : 0,
    };
    if (!fm_op_multiple(stream, op, "n_vocab", n_vocab, 1) ||
        !fm_op_multiple(stream, op, "n_ring", params->n_ring, 1) ||
        !fm_op_bind(stream, op, "logits", params->logits, (uint64_t)args.n_rows * n_vocab, &logits,
            &args.logits_base) ||
        !fm_op_bind(
            stream, op, "step", params->step, sizeof(struct fathom_step) / 4, &step, &args.step_base) ||
        !fm_op_bind(stream, op, "seen", params->seen, n_vocab, &seen, &args.seen_base) ||
        !fm_op_bind(stream, op, "ring", params->ring, params->n_ring, &ring, &args.ring_base) ||
        (params->drafts.buffer &&
            !fm_op_bind(stream, op, "drafts", params->drafts, sizeof(struct fathom_drafts) / 4, &drafts,
                &args.drafts_base)))
        return;
    if (n_vocab >= 1u << 24) {
        fm_stream_fail(stream, FATHOM_UNSUPPORTED, "%s: %u tokens in the vocabulary, at most %u", op, n_vocab,
            (1u << 24) - 1);
        return;
    }
    if (args.n_rows > (drafts.buffer ? 1 + FATHOM_MAX_DRAFTS : 1) || args.n_rows > params->n_ring) {
        fm_stream_fail(stream, FATHOM_INVALID, "%s: %u rows, at most %d, the ring's %u, and 1 without drafts",
            op, args.n_rows, 1 + FATHOM_MAX_DRAFTS, params->n_ring);
        return;
    }
    const struct fathom_gpu_info *info = fathom_gpu_get_info(fm_stream_gpu(stream));
    const uint32_t widest = info->max_invocations < 1024 ? info->max_invocations : 1024;
    fm_stream_dispatch(stream,
        &(struct fm_dispatch){
            .op = op,
            .variant = fm_variant_pick(fm_stream_gpu(stream), op, variants, fm_op_sample.n_variants, 0, 1),
            // few invocations on a CPU; with fewer, lavapipe would reach its limit of 65535 loop rounds per
            // invocation
            .constants = {{"local_size_x",
                info->type == FATHOM_GPU_CPU && 128 * args.n_rows < widest ? 128 * args.n_rows : widest}},
            .views = {logits, step, seen, ring, drafts},
            .n_views = 5,
            .args = &args,
            .args_size = sizeof(args),
            .groups = {1, 1, 1},
            // one exponential per entry of the vocabulary, several times unless greedy
            .flops = 20.0 * args.n_rows * n_vocab,
            .bytes = 8.0 * args.n_rows * n_vocab,
        });
}
