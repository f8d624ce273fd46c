// fathom convert: converts a hub folder to one GGUF file.
#include "common.h"
#include <fathom/convert.h>
#include <stdio.h>

int convert_main(int argc, char **argv) {
    const char *paths[2] = {0}, *type_name = NULL;
    bool no_draft = false;
    const struct option options[] = {
        {"--type", OPTION_TEXT, &type_name, "TYPE", "type of the matrices: f32, f16, bf16, q8_0 or q4_0",
            NULL},
        {"--no-draft-layer", OPTION_FLAG, &no_draft, NULL,
            "leave out the multi-token-prediction layer (llama.cpp's loader refuses it)", NULL},
    };
    const struct usage usage = {"convert", "IN_DIR OUT.gguf --type TYPE",
        "Writes a hub folder (config.json, safetensors, tokenizer.json) as one GGUF file, with llama.cpp's "
        "names.",
        options, 2, 2, 2};
    size_t n_positional;
    const int code = options_parse(&usage, argc, argv, paths, &n_positional);
    if (code != EXIT_NOT_YET) return code;
    enum fathom_type type;
    // `fathom quantize` writes the other types
    if (!type_name || !fathom_type_find(type_name, &type) ||
        (type != FATHOM_F32 && type != FATHOM_F16 && type != FATHOM_BF16 && type != FATHOM_Q8_0 &&
            type != FATHOM_Q4_0)) {
        fprintf(stderr, "fathom convert: --type is f32, f16, bf16, q8_0 or q4_0%s%s\n",
            type_name ? ", not " : "", type_name ? type_name : "");
        return EXIT_WRONG_USE;
    }
    struct fathom_error err = {0};
    const struct fathom_convert_params params = {
        .size = sizeof(params),
        .in = paths[0],
        .out = paths[1],
        .type = type,
        .drop_draft_layers = no_draft,
        .progress = progress_bar,
    };
    watch_interrupt();
    if (!fathom_convert(&params, &err)) return refuse(&err);
    return EXIT_DONE;
}
