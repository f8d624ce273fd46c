#ifndef FM_BASE_CLOCK_H
#define FM_BASE_CLOCK_H

// Seconds of a steady clock.
double fm_clock(void);
#endif
