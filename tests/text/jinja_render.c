// Renders templates for comparisons with jinja2. No test by itself.
//   jinja_render TEMPLATE VARIABLES   prints the text of two files, a template and a JSON object
//   jinja_render                      reads lines {"template": TEXT, "variables": OBJECT} from stdin, and
//   prints
//                                     a line {"text": TEXT, "foreign": MARKS} or {"error": TEXT} for each
// MARKS are the lengths of the stretches of own and foreign bytes in turn. A line may have "own", a list of
// the variables that are the template's own, and "now", such as "2026-01-02T03:04:05", for strftime_now.
#include "text/jinja.h"
#include "text/json_text.h"
#include "base/mapped_file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OWN = 16 };

struct request {
    const char *template, *variables;
    size_t n_template, n_variables, n_own;
    const char *own[MAX_OWN];
    struct tm now;
};

static struct tm read_time(const char *text) {
    struct tm t = {0};
    sscanf(text, "%d-%d-%dT%d:%d:%d", &t.tm_year, &t.tm_mon, &t.tm_mday, &t.tm_hour, &t.tm_min, &t.tm_sec);
    t.tm_year -= 1900, t.tm_mon--;
    t.tm_isdst = -1;
    mktime(&t); // the day of the week and of the year
    return t;
}

static bool render(const struct request *request, struct fm_jinja_output *out, struct fathom_error *err) {
    const struct fm_jinja_input input = {.variables = request->variables,
        .length = request->n_variables,
        .own = request->own,
        .n_own = request->n_own,
        .now = request->now};
    struct fm_jinja *jinja = fm_jinja_parse(request->template, request->n_template, err);
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

static void print_result(const struct fm_jinja_output *out) {
    print_quoted("text", out->text, out->length);
    printf(", \"foreign\": [");
    size_t from = 0;
    for (uint8_t mark = 0; from < out->length || !mark; mark = !mark) {
        size_t to = from;
        while (to < out->length && out->foreign[to] == mark) to++;
        printf("%s%zu", mark || from ? ", " : "", to - from);
        from = to;
    }
    printf("]}\n");
}

static void one_line(const char *line, size_t length) {
    const struct fm_json_text object = fm_json_text(line, length);
    const struct fm_json_text template = fm_json_text_member(object, "template");
    const struct fm_json_text variables = fm_json_text_member(object, "variables");
    const struct fm_json_text now = fm_json_text_member(object, "now");
    struct fm_json_text own = fm_json_text_member(object, "own"), key, name;
    struct fm_text source = {0}, names[MAX_OWN] = {{0}};
    struct fm_jinja_output out = {0};
    struct fathom_error err = {0};
    struct request request = {
        .variables = variables.at, .n_variables = (size_t)(variables.end - variables.at)};
    while (request.n_own < MAX_OWN && own.at < own.end && fm_json_text_next(&own, &key, &name)) {
        fm_json_text_unquote(name, &names[request.n_own]);
        request.own[request.n_own] = names[request.n_own].text;
        request.n_own++;
    }
    request.now = read_time(now.at < now.end ? now.at + 1 : "2026-01-02T03:04:05");
    if (template.at < template.end && fm_json_text_unquote(template, &source)) {
        request.template = source.text;
        request.n_template = source.length;
    }
    if (request.template && render(&request, &out, &err)) {
        print_result(&out);
    } else {
        const char *message = request.template ? err.message : "the line has no template";
        print_quoted("error", message, strlen(message));
        printf("}\n");
    }
    fm_jinja_output_free(&out);
    fm_text_free(&source);
    for (size_t i = 0; i < request.n_own; i++) fm_text_free(&names[i]);
}

static int files(const char *template, const char *variables) {
    struct fm_mapped_file a = {0}, b = {0};
    struct fm_jinja_output out = {0};
    struct fathom_error err = {0};
    const bool done = fm_mapped_file_open(&a, template, &err) && fm_mapped_file_open(&b, variables, &err) &&
        render(&(struct request){.template = (const char *)a.data,
                   .variables = (const char *)b.data,
                   .n_template = a.size,
                   .n_variables = b.size},
            &out, &err);
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
    if (argc != 1) {
        fprintf(stderr, "usage: jinja_render [TEMPLATE VARIABLES]\n");
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
