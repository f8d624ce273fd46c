// Which experts are where while an engine runs. The device keeps the slots (fathom_expert_place). Where the
// experts lie in the file, the host keeps their homes: between the parts of a step it reads the experts that
// the device asks for and that have no home.
#ifndef FM_ENGINE_RESIDENCY_H
#define FM_ENGINE_RESIDENCY_H
#include "file/tensors.h"
#include "model/slots.h"
#include <fathom/fathom.h>

struct fm_residency;

// For slots that are filled from the file, which must stay open. mirror: see fathom_engine_params.
struct fm_residency *fm_residency_create(struct fathom_gpu *gpu, const struct fm_tensors *tensors,
    struct fm_slots *slots, const char *mirror, const struct fathom_log *log, struct fathom_error *err);
void fm_residency_destroy(struct fm_residency **residency);

// Submits a stream like fathom_stream_submit(), and reads what its parts need before each of them. A failure
// leaves all homes empty, and the slots in doubt. residency NULL: the experts are all in memory.
bool fm_residency_submit(
    struct fm_residency *residency, struct fathom_stream *stream, uint64_t *ticket, struct fathom_error *err);

// Adds what was read from the file so far to *stats.
void fm_residency_count(const struct fm_residency *residency, struct fathom_expert_stats *stats);
#endif
