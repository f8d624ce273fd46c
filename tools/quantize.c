// fathom quantize: writes a model's matrices in fewer bits.
#include "common.h"
#include <fathom/convert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_types(FILE *f) {
    for (size_t i = 0; fathom_preset_name(i); i++) fprintf(f, "%s%s", i ? ", " : "", fathom_preset_name(i));
    fputs("\n", f);
}

static int wrong_type(const char *option, const char *name) {
    fprintf(stderr, "fathom quantize: %s does not take \"%s\"; the types are ", option, name);
    print_types(stderr);
    return EXIT_WRONG_USE;
}

// Parses "PATTERN=TYPE". The pattern is a copy that the caller frees.
static int parse_rule(const char *text, struct fathom_tensor_rule *rule) {
    const char *equals = strrchr(text, '=');
    if (!equals || equals == text) {
        fprintf(stderr, "fathom quantize: --tensor takes PATTERN=TYPE, not \"%s\"\n", text);
        return EXIT_WRONG_USE;
    }
    enum fathom_type type;
    if (!fathom_type_find(equals + 1, &type)) return wrong_type("--tensor", equals + 1);
    *rule = (struct fathom_tensor_rule){strndup(text, (size_t)(equals - text)), type};
    if (rule->pattern) return EXIT_NOT_YET;
    return out_of_memory();
}

static void print_result(const char *out, const struct fathom_quantize_result *r, bool importance) {
    printf("%s: %.1f MiB of weights from %.1f MiB, %.2f bits a weight\n", out, (double)r->bytes / 0x1p20,
        (double)r->bytes_before / 0x1p20, 8.0 * (double)r->bytes / (double)r->elements);
    const char *separator = "  ";
    for (size_t i = 0; i < sizeof(r->n_tensors) / sizeof(*r->n_tensors); i++) {
        if (!r->n_tensors[i]) continue;
        printf("%s%u %s", separator, r->n_tensors[i], fathom_type_name((enum fathom_type)i));
        separator = ", ";
    }
    printf(" tensors\n");
    if (r->n_fallen_back)
        printf("  %u of them in a type of smaller blocks, because their rows are not a multiple of 256\n",
            r->n_fallen_back);
    if (r->n_requantized)
        printf("  %u of them were already quantized: the errors add up\n", r->n_requantized);
    if (importance) printf("  %u of them with importances\n", r->n_important);
}

int quantize_main(int argc, char **argv) {
    const char *paths[2] = {0}, *type_name = NULL, *importance = NULL;
    struct option_list tensors = {0};
    const struct option options[] = {
        {"--type", OPTION_TEXT, &type_name, "TYPE",
            "type of most matrices: Q4_K_M, Q5_K_M, Q6_K, Q8_0, IQ4_XS, ...", NULL},
        {"--tensor", OPTION_LIST, &tensors, "PATTERN=TYPE",
            "type of matrices by name: ffn_down=Q6_K, 'blk.[01].*=Q8_0'", NULL},
        {"--imatrix", OPTION_TEXT, &importance, "FILE", "importance matrix, as written by llama-imatrix",
            NULL},
    };
    const struct usage usage = {"quantize", "IN OUT.gguf --type TYPE",
        "Writes a model (GGUF file or hub folder) as a GGUF file with matrices in fewer bits.\nNorms, biases "
        "and routers stay as they are.\n"
        "Types: F32, F16, BF16, Q8_0, Q6_K, Q5_K_M, Q5_K_S, Q5_1, Q5_0, Q4_K_M, Q4_K_S, Q4_1, Q4_0,\n"
        "  IQ4_NL, IQ4_XS, Q3_K_L, Q3_K_M, Q3_K_S, Q2_K, Q2_K_S; with llama.cpp's presets.",
        options, 3, 2, 2};
    size_t n_positional;
    int code = options_parse(&usage, argc, argv, paths, &n_positional);
    if (code != EXIT_NOT_YET) return code;
    const char *preset = type_name ? fathom_preset_find(type_name) : NULL;
    if (!preset) return wrong_type("--type", type_name ? type_name : "");
    struct fathom_tensor_rule rules[OPTION_LIST_MOST];
    size_t n_rules = 0;
    for (; n_rules < tensors.count && code == EXIT_NOT_YET; n_rules += code == EXIT_NOT_YET)
        code = parse_rule(tensors.items[n_rules], &rules[n_rules]);
    if (code == EXIT_NOT_YET) {
        struct fathom_error err = {0};
        struct fathom_quantize_result result = {.size = sizeof(result)};
        const struct fathom_quantize_params params = {
            .size = sizeof(params),
            .in = paths[0],
            .out = paths[1],
            .preset = preset,
            .rules = rules,
            .n_rules = n_rules,
            .importance = importance,
            .progress = progress_bar,
        };
        watch_interrupt();
        code = fathom_quantize(&params, &result, &err) ? EXIT_DONE : refuse(&err);
        if (code == EXIT_DONE) print_result(paths[1], &result, importance != NULL);
    }
    for (size_t i = 0; i < n_rules; i++) free((char *)rules[i].pattern);
    return code;
}
