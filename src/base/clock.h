#ifndef FM_BASE_CLOCK_H
#define FM_BASE_CLOCK_H
#include <time.h>

// The time of a monotonic clock, in seconds.
double fm_clock(void);
// Returns the seconds since *start and sets *start to the current time.
double fm_lap(double *start);
// The date and time of day, in local time.
struct tm fm_clock_local(void);
void fm_sleep(double seconds);
// The time so many seconds from now by the clock that pthread_cond_timedwait() follows.
struct timespec fm_clock_after(double seconds);
#endif
