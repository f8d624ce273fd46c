#include "lines.h"
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef FATHOM_HAVE_LIBEDIT
#include <histedit.h>
#endif

static bool is_utf8(void) {
    return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

void use_utf8(void) {
    // LC_CTYPE alone: the format of numbers stays
    static const char *const locales[] = {"", "C.UTF-8", "C.utf8", "en_US.UTF-8"};
    for (size_t i = 0; i < sizeof(locales) / sizeof(*locales); i++)
        if (setlocale(LC_CTYPE, locales[i]) && is_utf8()) return;
}

bool takes_escapes(int fd) {
    const char *term = getenv("TERM");
    return isatty(fd) && term && *term && strcmp(term, "dumb") != 0;
}

struct lines {
    char *plain; // getline's
    size_t capacity;
#ifdef FATHOM_HAVE_LIBEDIT
    EditLine *editor; // NULL: plain lines
    History *past;
#endif
};

// Plain lines: where there is no editor, on a terminal without escape sequences, and without a UTF-8 locale,
// in which the editor drops letters.
static char *next_plain(struct lines *lines) {
    for (;;) {
        fputs("> ", stdout);
        fflush(stdout);
        errno = 0;
        const ssize_t n = getline(&lines->plain, &lines->capacity, stdin);
        if (n >= 0) return strndup(lines->plain, strcspn(lines->plain, "\n"));
        if (errno != EINTR) return NULL;
        clearerr(stdin); // Ctrl-C: the line begins anew
        fputs("\n", stdout);
    }
}

#ifdef FATHOM_HAVE_LIBEDIT
static char *prompt_text(EditLine *line) {
    (void)line;
    return "> ";
}

static bool start_editor(struct lines *lines) {
    HistEvent event;
    if (!takes_escapes(STDOUT_FILENO) || !is_utf8()) return true;
    lines->past = history_init();
    lines->editor = el_init("fathom", stdin, stdout, stderr);
    if (!lines->past || !lines->editor) return false;
    history(lines->past, &event, H_SETSIZE, 1000);
    el_set(lines->editor, EL_PROMPT, prompt_text);
    el_set(lines->editor, EL_EDITOR, "emacs");
    el_set(lines->editor, EL_SIGNAL, 1);
    el_set(lines->editor, EL_HIST, history, lines->past);
    return true;
}

static char *next_edited(struct lines *lines) {
    HistEvent event;
    int n;
    const char *text = el_gets(lines->editor, &n);
    if (!text || n <= 0) return NULL;
    if (text[0] != '\n') history(lines->past, &event, H_ENTER, text);
    return strndup(text, strcspn(text, "\n"));
}
#endif

struct lines *lines_open(void) {
    struct lines *lines = calloc(1, sizeof(*lines));
#ifdef FATHOM_HAVE_LIBEDIT
    if (lines && !start_editor(lines)) lines_close(lines), lines = NULL;
#endif
    if (!lines) fprintf(stderr, "fathom: the line editor does not start\n");
    return lines;
}

void lines_close(struct lines *lines) {
#ifdef FATHOM_HAVE_LIBEDIT
    if (lines->editor) el_end(lines->editor);
    if (lines->past) history_end(lines->past);
#endif
    free(lines->plain);
    free(lines);
}

char *lines_next(struct lines *lines) {
#ifdef FATHOM_HAVE_LIBEDIT
    if (lines->editor) return next_edited(lines);
#endif
    return next_plain(lines);
}
