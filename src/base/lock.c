#include "base/lock.h"

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
void fm_lock_signal(const struct fm_lock *lock) {
    pthread_cond_broadcast((pthread_cond_t *)&lock->changed);
}

bool fm_turn_create(struct fm_turn *turn) {
    turn->n_asked = turn->n_over = 0;
    return fm_lock_create(&turn->lock);
}
void fm_turn_destroy(struct fm_turn *turn) {
    fm_lock_destroy(&turn->lock);
}

void fm_turn_take(struct fm_turn *turn) {
    fm_lock_take(&turn->lock);
    const uint64_t mine = turn->n_asked++;
    while (turn->n_over != mine) fm_lock_wait(&turn->lock);
    fm_lock_release(&turn->lock);
}

void fm_turn_end(struct fm_turn *turn) {
    fm_lock_take(&turn->lock);
    turn->n_over++;
    fm_lock_signal(&turn->lock);
    fm_lock_release(&turn->lock);
}
