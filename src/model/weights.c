#include "base/log.h"
#include "model/arch/arch.h"
#include "quant/types.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// VECTOR_ALIGN: the largest binding alignment of a known device, in bytes.
enum { UPLOAD_BYTES = 4 << 20, VECTOR_ALIGN = 256 };

static bool measure(struct fm_walk *w, const struct fm_need *need, const struct fm_tensor *t) {
    const uint64_t elements = (uint64_t)need->n_mats * need->n_rows * need->n_cols;
    w->size.bytes += t->size;
    if (!need->draft) w->size.parameters += elements;
    if (!need->draft)
        w->size.parameters_active += need->lookup ? need->n_cols
            : need->per_expert                    ? elements / need->n_mats * w->hp->n_experts_used
                                                  : elements;
    if (!need->vector) w->n_matrices++;
    if (need->vector) w->vector_bytes += (4 * elements + VECTOR_ALIGN - 1) / VECTOR_ALIGN * VECTOR_ALIGN;
    char why[FM_ROW_REFUSAL];
    if (!need->vector && fathom_row_size(t->type, need->n_cols) == 0)
        return fm_fail(w->err, FATHOM_UNSUPPORTED, "%s: tensor %s cannot be a matrix: %s",
            fm_tensors_path(w->tensors), t->name, fm_type_refuse_row(t->type, need->n_cols, why));
    return true;
}

static struct fm_layer *new_layers(const struct fm_hparams *hp, struct fathom_error *err) {
    struct fm_layer *layers = calloc(hp->n_layers + hp->n_drafting, sizeof(*layers));
    if (!layers) fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for %u layers", hp->n_layers);
    return layers;
}

// Whether the name of a tensor that the model does not use says that the tensor changes what the model
// computes: anything beside a used weight (a bias, a scale that llama.cpp writes for NVFP4), a norm, a table
// of rotary positions. Draft layers may be left out, and other forms of a weight may lie beside the one in
// use. A name of several parts outside the layers ("v.blk.0.ln1.weight") belongs to another model in the
// file, such as an image encoder.
static bool matters(const struct fm_walk *w, const char *name) {
    static const char *const words[] = {"norm", "bias", "scale", "sink", "lora", "rope_f", "position"};
    const char *last = strrchr(name, '.');
    char stem[300];
    unsigned layer;
    const bool in_layer = sscanf(name, "blk.%u.", &layer) == 1;
    if (w->hp->has_rope_tensor && !strcmp(name, "rope_freqs.weight")) return false;
    if (!last || (in_layer && layer >= w->hp->n_layers)) return false;
    // tables that follow from rope.freq_base
    if (strstr(name, "inv_freq") || strstr(name, "attn_rot_embd")) return false;
    snprintf(stem, sizeof(stem), "%.*s.weight", (int)(last - name), name);
    const struct fm_tensor *weight = fm_tensors_find(w->tensors, stem);
    if (strcmp(last, ".weight") != 0 &&
        (in_layer || (weight && w->used[weight - fm_tensors_at(w->tensors, 0)])))
        return true;
    if (!in_layer && strchr(name, '.') != last) return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strstr(name, words[i])) return true;
    return false;
}

// Refuses a file with a tensor that would have to be applied. The others that are not used are counted, and
// the first of them named.
static bool check_used(struct fm_walk *w) {
    for (size_t i = 0; i < fm_tensors_count(w->tensors); i++) {
        const char *name = fm_tensors_at(w->tensors, i)->name;
        if (w->used[i]) continue;
        if (matters(w, name))
            return fm_fail(w->err, FATHOM_UNSUPPORTED,
                "%s: tensor %s would change the result, and the architecture %s of Fathom has no use for it",
                fm_tensors_path(w->tensors), name, w->hp->arch->name);
        if (!w->size.n_unused++) w->size.unused = name;
    }
    return true;
}

static bool measure_walk(struct fm_walk *w) {
    bool ok = (w->used = calloc(fm_tensors_count(w->tensors) + 1, sizeof(*w->used))) ||
        fm_fail(w->err, FATHOM_NO_MEMORY, "%s: out of host memory", fm_tensors_path(w->tensors));
    ok = ok && fm_walk_model(w) && check_used(w);
    free(w->used);
    w->used = NULL;
    // the head is tied to the embedding
    if (!fm_tensors_find(w->tensors, "output.weight"))
        w->size.parameters_active += (uint64_t)w->hp->n_vocab * w->hp->n_hidden;
    return ok;
}

bool fm_weights_measure(const struct fm_tensors *tensors, const struct fm_hparams *hp,
    struct fm_weights_size *size, struct fathom_error *err) {
    struct fm_weights names = {.layers = new_layers(hp, err)};
    if (!names.layers) return false;
    struct fm_walk w = {.tensors = tensors, .hp = hp, .weights = &names, .visit = measure, .err = err};
    const bool ok = measure_walk(&w);
    free(names.layers);
    *size = w.size;
    return ok;
}

static bool report(struct fm_walk *w) {
    return fm_watch_tell(w->watch, FATHOM_PHASE_WEIGHTS, w->bytes_done, w->size.bytes, w->err);
}

// Checks that every number is that of an expert.
static bool check_table(struct fm_walk *w, const struct fm_tensor *t, const uint32_t *table, uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        if (table[i] >= w->hp->n_experts)
            return fm_fail(w->err, FATHOM_INVALID, "%s: tensor %s names expert %d of %u",
                fm_tensors_path(w->tensors), t->name, (int)table[i], w->hp->n_experts);
    return true;
}

// The layer whose field a tensor goes to.
static uint32_t layer_of(const struct fm_walk *w, const void *field) {
    const struct fm_layer *layers = w->weights->layers;
    return (uint32_t)(((const char *)field - (const char *)layers) / (ptrdiff_t)sizeof(*layers));
}

static bool keep_table(struct fm_walk *w, const struct fm_need *need, const uint32_t *table) {
    struct fm_slots *slots = w->weights->slots;
    return !slots || fm_slots_add_choices(slots, layer_of(w, need->vector), table, w->err);
}

static bool load_vector(struct fm_walk *w, const struct fm_need *need, const struct fm_tensor *t) {
    const uint64_t n = (uint64_t)need->n_rows * need->n_cols, size = 4 * n;
    void *read = malloc(t->size), *wide = need->table || t->type == FATHOM_F32 ? read : malloc(size);
    bool ok =
        (read && wide) || fm_fail(w->err, FATHOM_NO_MEMORY, "out of host memory for tensor %s", t->name);
    ok = ok && fm_tensor_read(w->tensors, t, 0, t->size, read, w->err);
    if (ok && wide != read) fm_dequantize_row(t->type, read, wide, n);
    ok = ok && (!need->table || (check_table(w, t, wide, n) && keep_table(w, need, wide)));
    *need->vector = (struct fathom_view){w->weights->vectors, w->vector_bytes, size};
    w->vector_bytes += (size + VECTOR_ALIGN - 1) / VECTOR_ALIGN * VECTOR_ALIGN;
    ok = ok && fathom_upload(w->gpu, *need->vector, wide, w->err);
    if (wide != read) free(wide);
    free(read);
    return ok;
}

// A weight that uses the tensor in place, in the mapped file. NULL: the device cannot do so, and the tensor
// has to be copied.
static struct fathom_weight *in_place(
    const struct fm_walk *w, const struct fm_need *need, const struct fm_tensor *t) {
    struct fathom_error refused = {0};
    const void *data = fm_tensor_map(w->tensors, t);
    const struct fathom_host_range around =
        data ? fm_tensors_around(w->tensors, data) : (struct fathom_host_range){0};
    if (!around.data) return NULL;
    return fathom_weight_create_in_place(
        w->gpu, t->type, need->n_mats, need->n_rows, need->n_cols, data, around, &refused);
}

static bool load_matrix(struct fm_walk *w, const struct fm_need *need, const struct fm_tensor *t) {
    const bool begun = *need->weight; // another tensor's rows have created the weight
    const bool in_host = need->per_expert && w->plan->experts == FATHOM_EXPERTS_HOST;
    // a step that waits for experts from the file must not wait for pages of the mapped file as well
    const bool used_in_place =
        !need->all_rows && w->plan->experts != FATHOM_EXPERTS_DISK && (*need->weight = in_place(w, need, t));
    if (in_host && !used_in_place)
        *need->weight =
            fathom_weight_create_host(w->gpu, t->type, need->n_mats, need->n_rows, need->n_cols, w->err);
    else if (!*need->weight)
        *need->weight = fathom_weight_create(w->gpu, t->type, need->n_mats,
            need->all_rows ? need->all_rows : need->n_rows, need->n_cols, w->err);
    if (!*need->weight)
        return fm_error_prefix(w->err, "%s: tensor %s", fm_tensors_path(w->tensors), t->name), false;
    if (!begun) w->weights->matrices[w->weights->n_matrices++] = *need->weight;
    if (used_in_place) return w->bytes_done += t->size, report(w);
    const uint64_t row_size = fathom_row_size(t->type, need->n_cols),
                   n_rows = (uint64_t)need->n_mats * need->n_rows;
    const uint64_t step = row_size < UPLOAD_BYTES ? UPLOAD_BYTES / row_size : 1;
    const char *mapped = fm_tensor_map(w->tensors, t);
    // a row longer than UPLOAD_BYTES needs more; no row is longer than 2^24 elements of 4 bytes
    if (!mapped && !w->staging && !(w->staging = malloc(16 * (uint64_t)UPLOAD_BYTES)))
        return fm_fail(w->err, FATHOM_NO_MEMORY, "out of host memory for staging weights");
    for (uint64_t row = 0; row < n_rows; row += step) {
        const uint64_t n = n_rows - row < step ? n_rows - row : step;
        if (!mapped && !fm_tensor_read(w->tensors, t, row * row_size, n * row_size, w->staging, w->err))
            return false;
        const void *data = mapped ? mapped + row * row_size : w->staging;
        if (!fathom_weight_upload(
                w->gpu, *need->weight, need->first_row + (uint32_t)row, (uint32_t)n, data, w->err))
            return false;
        w->bytes_done += n * row_size;
        if (!report(w)) return false;
    }
    return true;
}

// Experts go to slots: takes note of the tensor.
static void add_to_slots(struct fm_walk *w, const struct fm_need *need, const struct fm_tensor *t) {
    const struct fm_layer *layers = w->weights->layers;
    const uint32_t i = layer_of(w, need->weight);
    const int which = need->weight == &layers[i].gate ? FM_GATE
        : need->weight == &layers[i].up               ? FM_UP
                                                      : FM_DOWN;
    fm_slots_add(w->weights->slots, i, which, t, need->n_rows, need->n_cols);
}

static bool load(struct fm_walk *w, const struct fm_need *need, const struct fm_tensor *t) {
    if (need->vector) return load_vector(w, need, t);
    if (need->per_expert && w->weights->slots) return add_to_slots(w, need, t), true;
    return load_matrix(w, need, t);
}

// Reads every expert into its home in host memory.
static bool fill_homes(struct fm_walk *w) {
    const struct fm_slots *s = w->weights->slots;
    static const uint64_t skip[FM_N_MATRICES];
    for (uint32_t i = 0; i < s->n_layers; i++) {
        const struct fm_layer_slots *l = &s->layers[i];
        for (uint32_t e = 0; l->pools[0] && e < s->n_experts; e++) {
            char *home = fm_slots_home(s, i, e);
            for (int m = 0; m < FM_N_MATRICES; m++) {
                if (!fm_tensor_read(w->tensors, l->matrices[m].tensor, e * l->matrix_size[m],
                        l->matrix_size[m], home + l->home_at[m], w->err))
                    return false;
                w->bytes_done += l->matrix_size[m];
            }
            fm_slots_set_home(s, i, e, e, skip);
            if (!report(w)) return false;
        }
    }
    return true;
}

bool fm_weights_load(struct fathom_gpu *gpu, const struct fm_tensors *tensors, const struct fm_hparams *hp,
    const struct fathom_memory_plan *plan, struct fm_watch *watch, const struct fathom_log *log,
    struct fm_weights *weights, struct fathom_error *err) {
    *weights = (struct fm_weights){.layers = new_layers(hp, err)};
    struct fm_walk w = {
        .tensors = tensors,
        .hp = hp,
        .weights = weights,
        .visit = measure,
        .err = err,
        .gpu = gpu,
        .plan = plan,
        .watch = watch,
    };
    const bool slots =
        plan->experts == FATHOM_EXPERTS_DISK || (plan->experts == FATHOM_EXPERTS_HOST && plan->n_slots);
    if (!weights->layers || !measure_walk(&w)) goto fail;
    if (slots && !(weights->slots = fm_slots_create(hp, plan, err))) goto fail;
    if (w.size.n_unused)
        fm_log(log, FATHOM_LOG_INFO, "%s: %zu tensors are not used, %s among them", fm_tensors_path(tensors),
            w.size.n_unused, w.size.unused);
    weights->vectors = fathom_buffer_create(gpu, w.vector_bytes, FATHOM_MEMORY_DEVICE, err);
    if (!weights->vectors) goto fail;
    if (!(weights->matrices = calloc(w.n_matrices, sizeof(*weights->matrices)))) {
        fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for %zu weights", w.n_matrices);
        goto fail;
    }
    if (plan->experts != FATHOM_EXPERTS_DISK) fm_tensors_expect(tensors);
    if (!report(&w)) goto fail;
    w.vector_bytes = 0;
    w.visit = load;
    if (!fm_walk_model(&w)) goto fail;
    if (!report(&w) || (slots && !fm_slots_allocate(gpu, weights->slots, watch, err))) goto fail;
    if (slots && !weights->slots->on_disk && !fill_homes(&w)) goto fail;
    if (!weights->head) weights->head = weights->embedding;
    free(w.staging);
    return true;
fail:
    free(w.staging);
    fm_weights_free(weights);
    return false;
}

void fm_weights_free(struct fm_weights *weights) {
    for (size_t i = 0; i < weights->n_matrices; i++) fathom_weight_destroy(&weights->matrices[i]);
    free(weights->matrices);
    free(weights->layers);
    fm_slots_destroy(&weights->slots);
    fathom_buffer_destroy(&weights->vectors);
    *weights = (struct fm_weights){0};
}
