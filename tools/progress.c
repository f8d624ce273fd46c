// Progress of long work: a bar on a terminal, lines elsewhere.
#include "common.h"
#include "lines.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int shown = -1;   // per cent of the bar or the line
static const char *what; // the work that it is of
static double line_at;   // without a terminal: when the last line was printed, or the work began

void progress_clear(void) {
    if (shown >= 0 && takes_escapes(STDERR_FILENO)) fprintf(stderr, "\r\033[K");
    shown = -1;
}

static void show_bar(int percent) {
    char bar[41];
    memset(bar, ' ', 40);
    memset(bar, '#', (size_t)percent * 40 / 100);
    bar[40] = 0;
    fprintf(stderr, "\r%-10s [%s] %3d %%", what, bar, percent);
}

bool show_progress(const char *name, uint64_t done, uint64_t total) {
    const int percent = total ? (int)(100 * (done < total ? done : total) / total) : 100;
    if (name != what) progress_clear();
    what = name;
    if (takes_escapes(STDERR_FILENO)) {
        if (percent != shown) show_bar(percent);
        shown = percent;
        if (percent == 100) progress_clear();
    } else { // elsewhere: one line every ten seconds
        const double now = clock_seconds();
        if (percent < shown || shown < 0)
            line_at = now; // new work begins
        else if (now - line_at >= 10)
            fprintf(stderr, "%s: %d %%\n", name, percent), line_at = now;
        shown = percent;
    }
    return !interrupted();
}

static bool report(void *user, enum fathom_phase phase, uint64_t done, uint64_t total) {
    static const char *const names[] = {
        [FATHOM_PHASE_WEIGHTS] = "loading",
        [FATHOM_PHASE_TUNE] = "tuning",
        [FATHOM_PHASE_PIPELINES] = "compiling",
        [FATHOM_PHASE_PROMPT] = "reading",
        [FATHOM_PHASE_STATE] = "copying",
        [FATHOM_PHASE_CONVERT] = "writing",
    };
    (void)user;
    const size_t i = (size_t)phase;
    const char *name = i < sizeof(names) / sizeof(*names) ? names[i] : NULL;
    return name && total ? show_progress(name, done, total) : !interrupted();
}
const struct fathom_progress progress_bar = {report, NULL};

static bool go_on(void *user, enum fathom_phase phase, uint64_t done, uint64_t total) {
    (void)user, (void)phase, (void)done, (void)total;
    return !interrupted();
}
const struct fathom_progress no_bar = {go_on, NULL};
