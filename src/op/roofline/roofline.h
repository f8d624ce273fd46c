// The limits of a device, by two kernels: one reads and computes nothing, one computes and reads nothing. An
// operator is compared with the larger of the two times that its bytes and its operations would take (the
// roofline model, Williams et al. 2009).
#ifndef FM_OP_ROOFLINE_ROOFLINE_H
#define FM_OP_ROOFLINE_ROOFLINE_H
#include <fathom/gpu.h>

// The number of words that `y` must hold.
enum { FM_ROOFLINE_RESULTS = 65536 };

// y[i] = the exclusive or of the words of x that invocation i read; 0 if it read none. The exclusive or of
// all y[i] is that of all words of x.
void fm_roofline_read(struct fathom_stream *stream, struct fathom_view x, struct fathom_view y);
// y[i] = 16 (float32), computed by float32 multiply-adds, for all FM_ROOFLINE_RESULTS invocations. x: one
// float32, 1.
void fm_roofline_fma(struct fathom_stream *stream, struct fathom_view x, struct fathom_view y);
#endif
