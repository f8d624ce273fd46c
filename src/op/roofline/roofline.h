// What a device can do at most: a kernel that reads and computes nothing, and one that computes and reads nothing. Operators are judged by the
// larger of the two times that their bytes and operations would take (the roofline model, Williams et al. 2009).
#ifndef FM_OP_ROOFLINE_ROOFLINE_H
#define FM_OP_ROOFLINE_ROOFLINE_H
#include <fathom/gpu.h>

// Words that `y` must hold.
enum { FM_ROOFLINE_RESULTS = 65536 };

// y[i] = the exclusive or of those words of x that invocation i read; 0 where there is none. Their exclusive or is that of all x.
void fm_roofline_read(struct fathom_stream *stream, struct fathom_view x, struct fathom_view y);
// y[i] = 16, as float32, by float32 multiply-adds, for all FM_ROOFLINE_RESULTS invocations. x: one float32, 1.
void fm_roofline_fma(struct fathom_stream *stream, struct fathom_view x, struct fathom_view y);
#endif
