// Writes which experts every layer chooses for every token of a decoded text, for
// tests/engine/replay_experts.py: trace_experts MODEL OUT [N_TOKENS] [TEMPERATURE] [SEED] [PROMPT] A prompt
// is a text that the model's tokenizer reads; without a prompt the text starts at token 2. Also prints how
// many of the experts of a layer the layer before foretells: the next layer's gate, applied to this layer's
// input of the gate. The program is linked with --wrap=fathom_expert_gate: each recorded gate is followed by
// a copy of the chosen experts, and by the next layer's gate.
//
// OUT: a line "layers N experts N top_k N", then a line for each token, the experts of all layers one after
// another.
#include "base/error.h"
#include "engine/session.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LAYERS = 128, MAX_TOP_K = 16 };

static struct {
    const struct fathom_engine *engine; // NULL: gates are not watched
    struct fathom_buffer *chosen, *foretold, *weights;
    uint32_t n_layers, layers[MAX_LAYERS]; // those with a gate
} watch;

void __real_fathom_expert_gate(struct fathom_stream *stream, const struct fathom_expert_gate_params *params);
void __wrap_fathom_expert_gate(struct fathom_stream *stream, const struct fathom_expert_gate_params *params);

static struct fathom_view row(struct fathom_buffer *buffer, uint32_t i, uint32_t top_k) {
    return (struct fathom_view){buffer, 4ull * MAX_TOP_K * i, 4ull * top_k};
}

void __wrap_fathom_expert_gate(struct fathom_stream *stream, const struct fathom_expert_gate_params *params) {
    __real_fathom_expert_gate(stream, params);
    if (!watch.engine || params->n_tokens != 1) return;
    const struct fm_layer *layers = watch.engine->weights.layers;
    for (uint32_t i = 0; i < watch.n_layers; i++) {
        if (layers[watch.layers[i]].router != params->w) continue;
        struct fathom_view ids = params->ids;
        ids.size = 4ull * params->top_k;
        fathom_stream_copy(stream, ids, row(watch.chosen, i, params->top_k));
        if (i + 1 == watch.n_layers) return;
        const struct fm_layer *next = &layers[watch.layers[i + 1]];
        struct fathom_expert_gate_params guess = *params;
        guess.w = next->router, guess.bias = next->router_bias, guess.table = next->expert_table;
        guess.ids = row(watch.foretold, i + 1, params->top_k);
        guess.weights = row(watch.weights, i + 1, params->top_k);
        __real_fathom_expert_gate(stream, &guess);
    }
}

static uint64_t random_state;
static double random_unit(void) { // xorshift64*, within (0, 1)
    random_state ^= random_state >> 12, random_state ^= random_state << 25,
        random_state ^= random_state >> 27;
    return ((double)(random_state * 0x2545F4914F6CDD1Dull >> 12) + 0.5) / 4503599627370496.0;
}

// The token of the best logit, each with a Gumbel variate added: a sample of the softmax.
static int32_t sample(const float *logits, uint32_t n, double temperature) {
    int32_t best = 0;
    double best_score = -INFINITY;
    for (uint32_t i = 0; i < n; i++) {
        const double noise = temperature > 0 ? -log(-log(random_unit())) : 0,
                     score = logits[i] / (temperature > 0 ? temperature : 1) + noise;
        if (score > best_score) best = (int32_t)i, best_score = score;
    }
    return best;
}

static bool watch_start(const struct fathom_engine *engine, struct fathom_error *err) {
    watch.engine = engine;
    for (uint32_t i = 0; i < engine->hp.n_layers && watch.n_layers < MAX_LAYERS; i++)
        if (engine->weights.layers[i].router) watch.layers[watch.n_layers++] = i;
    if (!watch.n_layers) return fm_fail(err, FATHOM_INVALID, "the model has no layer with experts");
    struct fathom_buffer **buffers[] = {&watch.chosen, &watch.foretold, &watch.weights};
    for (int i = 0; i < 3; i++)
        if (!(*buffers[i] = fathom_buffer_create(
                  engine->gpu, 4ull * MAX_TOP_K * watch.n_layers, FATHOM_MEMORY_HOST, err)))
            return false;
    return true;
}

// Counts the foretold experts that were chosen, and writes the token's line.
static void take(FILE *out, uint32_t top_k, uint64_t right[MAX_LAYERS]) {
    const volatile uint32_t *chosen = fathom_buffer_map(watch.chosen),
                            *foretold = fathom_buffer_map(watch.foretold);
    for (uint32_t i = 0; i < watch.n_layers; i++)
        for (uint32_t k = 0; k < top_k; k++) {
            const uint32_t e = chosen[i * MAX_TOP_K + k];
            for (uint32_t j = 0; i && j < top_k; j++) right[i] += foretold[i * MAX_TOP_K + j] == e;
            fprintf(out, "%u%c", e, i + 1 == watch.n_layers && k + 1 == top_k ? '\n' : ' ');
        }
}

// Reads all tokens of the prompt but the last one, which is the first of the decoded ones.
static bool read_prompt(const struct fathom_engine *engine, struct fathom_session *session,
    const char *prompt, int32_t *last, struct fathom_error *err) {
    if (!engine->tokenizer) return fm_fail(err, FATHOM_INVALID, "the model has no tokenizer for the prompt");
    struct fm_tokens ids = {0};
    bool ok = fm_tokenizer_encode(engine->tokenizer, prompt, strlen(prompt), true, &ids, err);
    if (ok && ids.count > 1) ok = fathom_session_append(session, ids.ids, (uint32_t)ids.count - 1, NULL, err);
    if (ok && ids.count) *last = ids.ids[ids.count - 1];
    free(ids.ids);
    return ok;
}

static bool trace(struct fathom_engine *engine, FILE *out, uint32_t n_tokens, double temperature,
    const char *prompt, struct fathom_error *err) {
    const uint32_t n_vocab = engine->hp.n_vocab, top_k = engine->hp.n_experts_used;
    struct fathom_session *session = fathom_session_create(engine, NULL, err);
    float *logits = malloc(sizeof(float) * n_vocab);
    int32_t token = 2;
    uint64_t right[MAX_LAYERS] = {0};
    bool ok = session && logits && watch_start(engine, err);
    if (ok && prompt) ok = read_prompt(engine, session, prompt, &token, err);
    if (ok) fprintf(out, "layers %u experts %u top_k %u\n", watch.n_layers, engine->hp.n_experts, top_k);
    for (uint32_t t = 0; ok && t < n_tokens; t++) {
        ok = fathom_session_append_decode(session, &token, 1, logits, err);
        if (ok) take(out, top_k, right), token = sample(logits, n_vocab, temperature);
    }
    for (uint32_t i = 1; ok && i < watch.n_layers; i++)
        printf("layer %u: the layer before foretells %.1f %% of the experts\n", watch.layers[i],
            100.0 * (double)right[i] / ((double)n_tokens * top_k));
    fathom_session_destroy(&session);
    free(logits);
    struct fathom_buffer **buffers[] = {&watch.chosen, &watch.foretold, &watch.weights};
    for (int i = 0; i < 3; i++) fathom_buffer_destroy(buffers[i]);
    return ok;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: %s MODEL OUT [N_TOKENS] [TEMPERATURE] [SEED] [PROMPT]\n", argv[0]);
        return 2;
    }
    const uint32_t n_tokens = argc > 3 ? (uint32_t)atoi(argv[3]) : 256;
    const double temperature = argc > 4 ? atof(argv[4]) : 1;
    random_state = 0x9E3779B97F4A7C15ull * (1 + (argc > 5 ? strtoull(argv[5], NULL, 10) : 0));
    struct fathom_error err = {0};
    struct fathom_engine *engine =
        fathom_engine_create(&FATHOM_INIT(fathom_engine_params, .model = argv[1], .n_context = n_tokens + 128,
                                 .tuning = FATHOM_TUNING_OFF),
            &err);
    FILE *out = engine ? fopen(argv[2], "w") : NULL;
    bool ok = out && trace(engine, out, n_tokens, temperature, argc > 6 ? argv[6] : NULL, &err);
    if (engine && !out) fm_fail(&err, FATHOM_IO, "%s cannot be written", argv[2]);
    if (out && fclose(out)) ok = fm_fail(&err, FATHOM_IO, "%s cannot be written", argv[2]);
    fathom_engine_destroy(&engine);
    if (!ok) fprintf(stderr, "%s: %s\n", argv[0], err.message);
    return !ok;
}
