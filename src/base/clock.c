#include "base/clock.h"
#include <time.h>

double fm_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double fm_lap(double *start) {
    const double now = fm_clock(), seconds = now - *start;
    *start = now;
    return seconds;
}

void fm_sleep(double seconds) {
    const time_t whole = (time_t)seconds;
    nanosleep(&(struct timespec){whole, (long)(1e9 * (seconds - (double)whole))}, NULL);
}
