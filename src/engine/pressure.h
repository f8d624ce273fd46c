// Other programs want device memory too: slots are given back while there is too little, and taken again.
#ifndef FM_ENGINE_PRESSURE_H
#define FM_ENGINE_PRESSURE_H
#include "model/slots.h"
#include <fathom/fathom.h>

struct fm_pressure {
    int64_t headroom;  // bytes that were free within budget and limit when all was loaded
    double interval;   // seconds between two looks at the budget
    double looked;     // fm_clock() of the last one
    uint32_t n_wanted; // slots of a layer, by the last look
};

// Notes the headroom, and says so in the log. slots may be NULL, here and below.
void fm_pressure_begin(struct fm_pressure *pressure, struct fathom_gpu *gpu, const struct fm_slots *slots,
    const struct fathom_log *log);
// Whether the number of slots should change: there is less than a quarter of the headroom, or room for more
// slots beside it, or an earlier change has failed and left no slots. n_planned: the most slots. Looks at the
// budget once an interval; costs nothing else.
bool fm_pressure_due(
    struct fm_pressure *pressure, struct fathom_gpu *gpu, const struct fm_slots *slots, uint32_t n_planned);
// Changes the number of slots if that is due. Streams must then be recorded again.
bool fm_pressure_follow(struct fm_pressure *pressure, struct fathom_gpu *gpu, struct fm_slots *slots,
    const struct fathom_log *log, struct fathom_error *err);
#endif
