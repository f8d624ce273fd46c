// Renders templates for comparisons with jinja2. No test by itself.
//   jinja_render TEMPLATE VARIABLES   prints the text of two files, a template and a JSON object
//   jinja_render --batch              reads lines {"template": TEXT, "variables": OBJECT} from stdin, and
//   prints
//                                     a line {"text": TEXT, "foreign": MARKS} or {"error": TEXT} for each
// MARKS are the lengths of the stretches of own and foreign bytes in turn. strftime_now gives 2026-01-02
// 03:04:05, a Friday. The template's own are the variables bos_token, eos_token, unk_token and pad_token.
#include "text/jinja.h"
#include "text/json_text.h"
#include "base/mapped_file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const own[] = {"bos_token", "eos_token", "unk_token", "pad_token"};

static bool render(const char *template, size_t n_template, const char *variables, size_t n_variables,
    struct fm_jinja_output *out, struct fathom_error *err) {
    const struct fm_jinja_input input = {.variables = variables,
        .length = n_variables,
        .own = own,
        .n_own = sizeof(own) / sizeof(*own),
        .now = {.tm_year = 126,
            .tm_mon = 0,
            .tm_mday = 2,
            .tm_hour = 3,
            .tm_min = 4,
            .tm_sec = 5,
            .tm_wday = 5,
            .tm_yday = 1}};
    struct fm_jinja *jinja = fm_jinja_parse(template, n_template, err);
    const bool done = jinja && fm_jinja_render(jinja, &input, out, err);
    fm_jinja_destroy(&jinja);
    return done;
}

static void print_quoted(const char *name, const char *bytes, size_t length) {
    struct fm_text text = {0};
    if (fm_json_text_quote(bytes, length, &text)) {
        printf("{\"%s\": ", name);
        fwrite(text.text, 1, text.length, stdout);
    }
    fm_text_free(&text);
}

static void one_line(const char *line, size_t length) {
    const struct fm_json_text object = fm_json_text(line, length),
                              template = fm_json_text_member(object, "template"),
                              variables = fm_json_text_member(object, "variables");
    struct fm_text source = {0};
    struct fm_jinja_output out = {0};
    struct fathom_error err = {0};
    if (template.at == template.end || !fm_json_text_unquote(template, &source)) {
        printf("{\"error\": \"the line has no template\"}\n");
    } else if (!render(source.text, source.length, variables.at, (size_t)(variables.end - variables.at), &out,
                   &err)) {
        print_quoted("error", err.message, strlen(err.message));
        printf("}\n");
    } else {
        print_quoted("text", out.text, out.length);
        printf(", \"foreign\": [");
        size_t from = 0;
        for (uint8_t mark = 0; from < out.length || !mark; mark = !mark) {
            size_t to = from;
            while (to < out.length && out.foreign[to] == mark) to++;
            printf("%s%zu", mark || from ? ", " : "", to - from);
            from = to;
        }
        printf("]}\n");
    }
    fm_jinja_output_free(&out);
    fm_text_free(&source);
}

static int files(const char *template, const char *variables) {
    struct fm_mapped_file a = {0}, b = {0};
    struct fm_jinja_output out = {0};
    struct fathom_error err = {0};
    const bool done = fm_mapped_file_open(&a, template, &err) && fm_mapped_file_open(&b, variables, &err) &&
        render((const char *)a.data, a.size, (const char *)b.data, b.size, &out, &err);
    if (done)
        fwrite(out.text, 1, out.length, stdout);
    else
        fprintf(stderr, "%s\n", err.message);
    fm_jinja_output_free(&out);
    fm_mapped_file_close(&b);
    fm_mapped_file_close(&a);
    return !done;
}

int main(int argc, char **argv) {
    if (argc == 3) return files(argv[1], argv[2]);
    if (argc != 2 || strcmp(argv[1], "--batch") != 0) {
        fprintf(stderr, "usage: jinja_render TEMPLATE VARIABLES | jinja_render --batch\n");
        return 2;
    }
    char *line = NULL;
    size_t capacity = 0;
    for (ssize_t length; (length = getline(&line, &capacity, stdin)) > 0;) {
        one_line(line, (size_t)length);
        fflush(stdout);
    }
    free(line);
    return 0;
}
