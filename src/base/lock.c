#include "base/lock.h"
#include "base/clock.h"

bool fm_lock_create(struct fm_lock *lock) {
    if (pthread_mutex_init(&lock->mutex, NULL)) return false;
    if (!pthread_cond_init(&lock->changed, NULL)) return true;
    pthread_mutex_destroy(&lock->mutex);
    return false;
}

void fm_lock_destroy(struct fm_lock *lock) {
    pthread_cond_destroy(&lock->changed);
    pthread_mutex_destroy(&lock->mutex);
}

static pthread_mutex_t *mutex(const struct fm_lock *lock) {
    return (pthread_mutex_t *)&lock->mutex;
}

void fm_lock_take(const struct fm_lock *lock) {
    pthread_mutex_lock(mutex(lock));
}
void fm_lock_release(const struct fm_lock *lock) {
    pthread_mutex_unlock(mutex(lock));
}
void fm_lock_wait(const struct fm_lock *lock) {
    pthread_cond_wait((pthread_cond_t *)&lock->changed, mutex(lock));
}
void fm_lock_wait_for(const struct fm_lock *lock, double seconds) {
    const struct timespec until = fm_clock_after(seconds);
    pthread_cond_timedwait((pthread_cond_t *)&lock->changed, mutex(lock), &until);
}
void fm_lock_signal(const struct fm_lock *lock) {
    pthread_cond_broadcast((pthread_cond_t *)&lock->changed);
}

struct fm_asking {
    struct fm_asking *next;
};

bool fm_turn_create(struct fm_turn *turn) {
    turn->first = turn->last = NULL;
    turn->taken = false;
    return fm_lock_create(&turn->lock);
}
void fm_turn_destroy(struct fm_turn *turn) {
    fm_lock_destroy(&turn->lock);
}

// Takes `asking` out of the list. The lock is held.
static void remove_asking(struct fm_turn *turn, struct fm_asking *asking) {
    struct fm_asking *before = NULL;
    for (struct fm_asking *a = turn->first; a != asking; a = a->next) before = a;
    *(before ? &before->next : &turn->first) = asking->next;
    if (turn->last == asking) turn->last = before;
}

bool fm_turn_take(struct fm_turn *turn, struct fm_watch *watch, struct fathom_error *err) {
    struct fm_asking mine = {NULL};
    bool ok = true;
    fm_lock_take(&turn->lock);
    *(turn->last ? &turn->last->next : &turn->first) = &mine;
    turn->last = &mine;
    while (ok && (turn->taken || turn->first != &mine)) {
        fm_lock_wait_for(&turn->lock, FM_WATCH_SECONDS);
        fm_lock_release(&turn->lock);
        ok = fm_watch_goes_on(watch, err);
        fm_lock_take(&turn->lock);
    }
    remove_asking(turn, &mine);
    if (ok) turn->taken = true;
    if (!ok) fm_lock_signal(&turn->lock); // the next one may be first now
    fm_lock_release(&turn->lock);
    return ok;
}

void fm_turn_end(struct fm_turn *turn) {
    fm_lock_take(&turn->lock);
    turn->taken = false;
    fm_lock_signal(&turn->lock);
    fm_lock_release(&turn->lock);
}
