#ifndef FM_BASE_CLOCK_H
#define FM_BASE_CLOCK_H

// Seconds of a steady clock.
double fm_clock(void);
// Seconds since *start, which becomes now.
double fm_lap(double *start);
#endif
