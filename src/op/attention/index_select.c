// Selects the positions with the best scores.
#include "op/op.h"
#include "shader_list.h"
#include "shaders/attention/index_select.h"
#include <inttypes.h>

static const struct fm_variant variants[] = {{.name = "plain", .shader = &fm_shader_index_select}};
const struct fm_op fm_op_index_select = {"index_select", variants, 1};

void fathom_index_select(struct fathom_stream *stream, const struct fathom_index_select_params *params) {
    static const char op[] = "index_select";
    if (!(params = FM_OP_PARAMS(stream, op, fathom_index_select_params, params))) return;
    const uint32_t n = params->n_tokens, end = params->first_token + n;
    struct fathom_view scores, position, selected;
    struct index_select_args args = {
        .top_k = params->top_k,
        .first_token = params->first_token,
        .stride = params->max_positions,
        .ratio = fm_op_default(params->ratio, 1),
    };
    if (!fm_op_multiple(stream, op, "n_tokens", n, 1) ||
        !fm_op_multiple(stream, op, "top_k", params->top_k, 1) ||
        !fm_op_multiple(stream, op, "max_positions", params->max_positions, 1))
        return;
    if (n > FM_MAX_GROUPS || end < n) {
        fm_stream_fail(stream, FATHOM_INVALID, "%s: %" PRIu32 " tokens from %" PRIu32 " on, at most %d", op,
            n, params->first_token, FM_MAX_GROUPS);
        return;
    }
    if (!fm_op_bind(stream, op, "scores", params->scores, (uint64_t)n * params->max_positions, &scores,
            &args.scores_base) ||
        !fm_op_bind(stream, op, "position", params->position, 1, &position, &args.position_base) ||
        !fm_op_bind(stream, op, "selected", params->selected, (uint64_t)end * params->top_k, &selected,
            &args.selected_base))
        return;
    fm_stream_dispatch(stream,
        &(struct fm_dispatch){
            .op = op,
            .variant = &variants[0],
            .views = {scores, position, selected},
            .n_views = 3,
            .args = &args,
            .args_size = sizeof(args),
            .groups = {n, 1, 1},
            .flops = 6.0 * n * (double)params->max_positions,
            .bytes = n * (24.0 * params->max_positions + 4.0 * params->top_k),
        });
}
