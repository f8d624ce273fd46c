#include "base/watch.h"
#include "base/clock.h"
#include <pthread.h>

static const char *const phases[] = {
    [FATHOM_PHASE_OPEN] = "opening the model",
    [FATHOM_PHASE_WEIGHTS] = "loading the weights",
    [FATHOM_PHASE_TUNE] = "measuring the device",
    [FATHOM_PHASE_PIPELINES] = "building pipelines",
    [FATHOM_PHASE_PROMPT] = "reading the prompt",
    [FATHOM_PHASE_ANSWER] = "generating",
    [FATHOM_PHASE_STATE] = "copying the state of a session",
    [FATHOM_PHASE_CONVERT] = "writing a model",
};

bool fm_watch_exists(const struct fm_watch *w) {
    return w && w->progress.report;
}

static bool cancelled(const struct fm_watch *w, struct fathom_error *err) {
    return fm_fail(err, FATHOM_CANCELLED, "%s was cancelled, at %llu of %llu", phases[w->phase],
        (unsigned long long)w->done, (unsigned long long)w->total);
}

static bool report(struct fm_watch *w, struct fathom_error *err) {
    if (!w->cancelled) {
        w->last = fm_clock();
        w->cancelled = !w->progress.report(w->progress.user, w->phase, w->done, w->total);
    }
    return !w->cancelled || cancelled(w, err);
}

bool fm_watch_tell(
    struct fm_watch *w, enum fathom_phase phase, uint64_t done, uint64_t total, struct fathom_error *err) {
    if (!fm_watch_exists(w)) return true;
    if (w->cancelled) return cancelled(w, err);
    w->phase = phase, w->done = done, w->total = total;
    return report(w, err);
}

bool fm_watch_goes_on(struct fm_watch *w, struct fathom_error *err) {
    if (!fm_watch_exists(w)) return true;
    return w->cancelled || fm_clock() - w->last >= FM_WATCH_SECONDS ? report(w, err) : true;
}

struct errand {
    void (*work)(void *argument);
    void *argument;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ended;
};

static void *run(void *argument) {
    struct errand *e = argument;
    e->work(e->argument);
    pthread_mutex_lock(&e->lock);
    e->ended = true;
    pthread_cond_signal(&e->changed);
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

// Waits until the errand has ended, or for one slice of time.
static bool wait_slice(struct errand *e) {
    const struct timespec until = fm_clock_after(FM_WATCH_SECONDS);
    pthread_mutex_lock(&e->lock);
    while (!e->ended && !pthread_cond_timedwait(&e->changed, &e->lock, &until)) {}
    const bool ended = e->ended;
    pthread_mutex_unlock(&e->lock);
    return ended;
}

bool fm_watch_run(struct fm_watch *w, void (*work)(void *), void *argument, struct fathom_error *err) {
    struct errand e = {.work = work, .argument = argument};
    pthread_t thread;
    bool threads = fm_watch_exists(w) && !w->cancelled;
    if (threads) {
        pthread_mutex_init(&e.lock, NULL);
        pthread_cond_init(&e.changed, NULL);
        threads = !pthread_create(&thread, NULL, run, &e);
        if (threads) {
            while (!wait_slice(&e)) fm_watch_goes_on(w, NULL);
            pthread_join(thread, NULL);
        }
        pthread_cond_destroy(&e.changed);
        pthread_mutex_destroy(&e.lock);
    }
    if (!threads) work(argument);
    return fm_watch_goes_on(w, err);
}
