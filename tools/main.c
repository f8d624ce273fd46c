// fathom: the program. Finds and runs the sub-command; each sub-command has its own file.
#include "common.h"
#include "lines.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"run", run_main, "answer a question, or chat on a terminal"},
    {"devices", devices_main, "every Vulkan device, what it can do, and which variants it gets"},
    {"inspect", inspect_main, "a model's shape, sizes, and the memory that it needs"},
    {"bench", bench_main, "prefill and decode speed"},
    {"tune", tune_main, "measure which variants suit a model on a device, and keep them"},
    {"perplexity", perplexity_main, "how well a model predicts a text"},
    {"eval", eval_main, "how many questions a model answers correctly"},
    {"tokenize", tokenize_main, "text to token ids, and back"},
    {"logits", logits_main, "a model's logits for given tokens, as a safetensors file"},
    {"convert", convert_main, "a hub folder to one GGUF file"},
    {"quantize", quantize_main, "a model's matrices in fewer bits"},
};

static void print_help(void) {
    printf("usage: fathom COMMAND [ARGUMENTS]\n\nRuns DeepSeek-class models on any Vulkan device.\n\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    printf("\n  fathom COMMAND --help lists its options; fathom --version prints %s.\n"
           "  MODEL is a GGUF file or a hub folder (config.json, safetensors, tokenizer.json).\n"
           "  Results go to stdout, progress and messages to stderr. Exit codes: 0 done,\n"
           "  1 refused (file, memory, device), 2 wrong use.\n",
        fathom_version());
}

// Returns EXIT_REFUSED when stdout fails: the result is then incomplete.
static int finish(int code) {
    errno = 0;
    if ((fflush(stdout) == 0 && !ferror(stdout)) || code != EXIT_DONE) return code;
    if (errno == 0) errno = EIO; // an earlier write failed, and has its cause no longer
    fprintf(stderr, "fathom: the result could not be written: %s\n", strerror(errno));
    return EXIT_REFUSED;
}

int main(int argc, char **argv) {
    use_utf8();
    program_starts();
    json_starts();
    if (argc < 2) return print_help(), EXIT_WRONG_USE;
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
        return print_help(), finish(EXIT_DONE);
    if (!strcmp(argv[1], "--version")) return printf("fathom %s\n", fathom_version()), finish(EXIT_DONE);
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        if (!strcmp(argv[1], commands[i].name)) return finish(commands[i].run(argc - 2, argv + 2));
    fprintf(stderr, "fathom: there is no command \"%s\"; `fathom --help` lists them\n", argv[1]);
    return EXIT_WRONG_USE;
}
